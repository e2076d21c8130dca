"""Scores of prediction records with 3D boxes, and a few boxes, for the tests of the formats."""

from __future__ import annotations

from vstkit.records import Score
from vstkit.scoring.det3d_records import det3d_questions, det3d_scores
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = [500.0, 500.0, 320.0, 240.0], 640, 480
CHAIR = [0.0, 0.0, 2.0, 0.5, 0.9, 0.5, 10.0, 20.0, 30.0]
TABLE = [1.0, 0.2, 3.0, 1.5, 0.8, 0.9, 0.0, -40.0, 0.0]
LAMP = [-1.0, -0.2, 3.0, 0.3, 0.4, 0.3, 0.0, 0.0, 0.0]


def score(records, **options):
    questions = [q for record in records for q in det3d_questions(record, options.get("protocol", "vst"))]
    found = list(det3d_scores(questions, **options))
    for each in found:
        parse(each, Score)
    return {each["metric"]: each for each in found if "group" not in each}, found
