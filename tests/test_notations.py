"""Dialects, quaternions and projected centres: what is written is read again, and means what the vendors say."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vstkit.errors import DataError
from vstkit.geometry import dialects
from vstkit.geometry.dialects import Notation, Parsed, detection_prompt, format_boxes, notation_of, parse_boxes

CAMERA, SIZE = (696.3, 695.8, 479.5, 361.2), (960, 720)
NOTATIONS = [Notation(*parts) for parts in itertools.product(dialects.DIALECTS, ("euler", "quat"), ("xyz", "uvd"))]
SEED = Notation("seed")
EACH = pytest.mark.parametrize("notation", NOTATIONS, ids="-".join)

metres = st.floats(-20, 20)
names = st.text(st.characters(codec="utf-8", exclude_characters="<>")) | st.sampled_from(
    ["chair", "a: b", "椅子", "x:"]
)
box = st.tuples(metres, metres, st.floats(0.2, 20), *[st.floats(0.01, 9)] * 3, *[st.floats(-720, 720)] * 3).map(list)
answers = st.lists(st.fixed_dictionaries({"label": names, "box3d": box}), max_size=4, unique_by=str)


def turned(a: list[float], b: list[float]) -> float:
    """Degrees between two orientations."""
    R, S = (Rotation.from_euler("xyz", angles, degrees=True) for angles in (a, b))
    return math.degrees((R.inv() * S).magnitude())


@EACH
@settings(max_examples=40)
@given(answers)
def test_parse_inverts_format_to_the_rounding(notation: Notation, boxes: list[dict]) -> None:
    text = format_boxes(boxes, notation, CAMERA)
    parsed = parse_boxes(text, notation, CAMERA)
    assert (parsed.cut, parsed.found) == (False, True)
    assert len(parsed.boxes) + parsed.dropped == len(boxes)
    if parsed.dropped:  # two boxes that are one in two decimals
        return
    most = 1.2 if notation.angles == "quat" else 1.5 if notation.dialect == "gemini" else 2.71  # thrice half a digit
    for found, true in zip(parsed.boxes, boxes, strict=True):
        label = " ".join(true["label"].split()) if notation.dialect == "seed" else true["label"]
        assert found["label"] == label
        (x, y, z), held = true["box3d"][:3], found["box3d"]
        room = (0.005, 0.005)
        if notation.center == "uvd":  # half a pixel at that depth, and half a centimetre along the ray
            room = (0.5 * held[2] / CAMERA[0] + 0.005 * abs(x / z), 0.5 * held[2] / CAMERA[1] + 0.005 * abs(y / z))
        assert abs(held[0] - x) <= room[0] + 1e-9
        assert abs(held[1] - y) <= room[1] + 1e-9
        assert abs(held[2] - z) <= 0.005 + 1e-9
        assert np.allclose(held[3:6], true["box3d"][3:6], atol=0.005 + 1e-9)
        assert turned(held[6:], true["box3d"][6:]) <= most


BOX = {"label": "chair", "box3d": [0.5, -0.25, 2.0, 0.4, 0.9, 0.6, 0.0, 90.0, 0.0]}
TURNED = {"label": "a box", "box3d": [-1.0, 0.126, 4.0, 1.0, 2.0, 3.0, 90.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("notation", "lines"),
    [
        (
            Notation("vst", "quat"),
            '\t{"bbox_3d":[0.5,-0.25,2.0,0.4,0.9,0.6,0.0,0.71,0.0,0.71],"label":"chair"},\n'
            '\t{"bbox_3d":[-1.0,0.13,4.0,1.0,2.0,3.0,0.71,0.0,0.0,0.71],"label":"a box"}',
        ),
        (
            Notation("vst", "euler", "uvd"),
            '\t{"bbox_3d":[654,274,2.0,0.4,0.9,0.6,0.0,0.5,0.0],"label":"chair"},\n'
            '\t{"bbox_3d":[305,383,4.0,1.0,2.0,3.0,0.5,0.0,0.0],"label":"a box"}',
        ),
        (
            Notation("gemini"),  # about the vertical, which is z and points up; about x
            '  {"label": "chair", "box_3d": [0.5, 2.0, 0.25, 0.4, 0.6, 0.9, 0, 0, -90]},\n'
            '  {"label": "a box", "box_3d": [-1.0, 4.0, -0.13, 1.0, 3.0, 2.0, 90, 0, 0]}',
        ),
    ],
)
def test_what_is_written(notation: Notation, lines: str) -> None:
    assert format_boxes([BOX, TURNED], notation, CAMERA) == f"```json\n[\n{lines}\n]\n```"
    assert format_boxes([], notation, CAMERA) == "```json\n[]\n```"


def test_what_seed_writes() -> None:
    assert format_boxes([BOX, TURNED], SEED) == (
        "chair: <3dbbox>0.5 -0.25 2.0 0.4 0.9 0.6 0.0 0.5 0.0</3dbbox>\n"
        "a box: <3dbbox>-1.0 0.13 4.0 1.0 2.0 3.0 0.5 0.0 0.0</3dbbox>"
    )
    assert format_boxes([], SEED) == "none"


@given(box)
def test_gemini_draws_a_box_where_it_is(numbers: list[float]) -> None:
    """As the viewer in Google's cookbook does it: turn by roll, pitch, yaw, shift, then tilt by 90 degrees about x."""
    text = dialects.format_box(numbers, Notation("gemini"))
    x, y, z, *rest = map(float, text.strip("[]").split(","))
    halves = np.array(rest[:3]) / 2
    signs = np.array(list(itertools.product((-1, 1), repeat=3)))
    upright = Rotation.from_euler("xyz", rest[3:], degrees=True).apply(signs * halves) + np.array([x, y, z])
    drawn = upright @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T
    true = Rotation.from_euler("xyz", numbers[6:], degrees=True).apply(signs * np.array(numbers[3:6]) / 2) + numbers[:3]
    apart = np.linalg.norm(drawn[:, None] - true, axis=-1)
    assert apart.min(axis=1).max() <= 0.02 + math.radians(1.5) * np.linalg.norm(numbers[3:6]) / 2


def test_one_sign_of_a_quaternion_is_written() -> None:
    for angles in ([180, 0, 0], [-180, 0, 0], [540, 0, 0], [0, 0, 179.9], [0, 0, -179.9], [300, 20, 10]):
        text = dialects.format_box([0, 0, 1, 1, 1, 1, *angles], Notation("vst", "quat"))
        *imaginary, real = map(float, text.strip("[]").split(",")[6:])
        assert real > 0 or (real == 0 and next(x for x in imaginary if x) > 0)
        assert "-0.0]" not in text
        assert "-0.0," not in text


@pytest.mark.parametrize("quaternion", ["0,0,0,0", "0,0,0,1e999", "0,0,1", "0,0,0,0,1"])
def test_what_is_no_quaternion(quaternion: str) -> None:
    parsed = parse_boxes(f'[{{"bbox_3d":[0,0,1,1,1,1,{quaternion}],"label":"x"}}]', Notation("vst", "quat"))
    assert parsed == Parsed([], 1, cut=False, found=True)


def test_a_quaternion_of_any_length_is_read() -> None:
    (found,) = parse_boxes('[{"bbox_3d":[0,0,1,1,1,1,0,-2,0,-2],"label":"x"}]', Notation("vst", "quat")).boxes
    assert turned(found["box3d"][6:], [0, 90, 0]) < 1e-9


def test_projected_centres_take_a_camera_before_them() -> None:
    uvd = Notation("vst", "euler", "uvd")
    for call in (lambda: parse_boxes("[]", uvd), lambda: format_boxes([BOX], uvd)):
        with pytest.raises(ValueError, match="camera"):
            call()
    with pytest.raises(ValueError, match="before it"):
        format_boxes([{"label": "x", "box3d": [0, 0, 0, 1, 1, 1, 0, 0, 0]}], uvd, CAMERA)


ONE = "<3dbbox>1 2 3 1 1 1 0 0 0</3dbbox>"
TWO = "<3dbbox>1 2 4 1 1 1 0 0.5 0</3dbbox>"
A, B = [1.0, 2, 3, 1, 1, 1, 0, 0, 0], [1.0, 2, 4, 1, 1, 1, 0, 90, 0]


@pytest.mark.parametrize(
    ("text", "found", "dropped", "cut"),
    [
        (f"chair: {ONE}", [("chair", A)], 0, False),
        (ONE, [("", A)], 0, False),
        (f"Here they are.\nchair: {ONE}\ntable: {TWO}\nDone.", [("chair", A), ("table", B)], 0, False),
        (f"chair: {ONE}, {TWO}", [("chair", A), ("chair", B)], 0, False),
        (f"chair: {ONE}\n{TWO}", [("chair", A), ("chair", B)], 0, False),
        (f"chair: {ONE}\nchair: {ONE}", [("chair", A)], 1, False),
        (f"<think>maybe {TWO}</think>chair: {ONE}", [("chair", A)], 0, False),
        ("chair: <3dbbox>1 2 3</3dbbox>", [], 1, False),
        ("chair: <3dbbox>1 2 3 1 1 1 0 0 left</3dbbox>", [], 1, False),
        (f"chair: <3dbbox>1 2 3\ntable: {TWO}", [("table", B)], 1, False),
        (f"chair: {ONE}\ntable: <3dbbox>1 2 4 1 1", [("chair", A)], 0, True),
        (f"chair: {ONE}\ntable: {TWO[:-3]}", [("chair", A)], 0, True),
        (f"chair: {ONE}\ntable: <3dbb", [("chair", A)], 0, True),
        ("none", [], 0, False),
        ("None.", [], 0, False),
    ],
)
def test_tags(text: str, found: list[tuple[str, list[float]]], dropped: int, cut: bool) -> None:
    boxes = [{"label": label, "box3d": numbers} for label, numbers in found]
    assert parse_boxes(text, SEED) == Parsed(boxes, dropped, cut, found=True)


def test_no_tags() -> None:
    for text in ("", "I see no chair.", "bbox 1 2 3", "1 < 3"):
        assert parse_boxes(text, SEED) == Parsed([], 0, cut=False, found=False)


def test_every_cut_of_an_answer_in_tags() -> None:
    text = format_boxes([BOX, TURNED], SEED)
    whole = parse_boxes(text, SEED).boxes
    ends = [text.index("\n"), len(text)]
    for length in range(len(text) + 1):
        parsed = parse_boxes(text[:length], SEED)
        assert parsed.boxes == whole[: sum(length >= end for end in ends)]
        assert parsed.dropped == 0


TAGS = ["<3dbbox>", "</3dbbox>", ONE, "1e200 " * 3]
JSON = ["```", '{"box_3d":', '"label":"x"', '{"bbox_3d":[0,0,1,1,1,1,0,0,0,1],"label":"y"}']
tokens = st.sampled_from([*"[]{},:<>\"' \n0-", "1.5", "1e999", "NaN", "</think>", *TAGS, *JSON])


@EACH
@settings(max_examples=40)
@given(st.text() | st.lists(tokens).map("".join))
def test_never_raises_and_always_returns_finite_boxes(notation: Notation, text: str) -> None:
    boxes, dropped, _, _ = parse_boxes(text, notation, CAMERA)
    assert all(len(entry["box3d"]) == 9 and np.isfinite(entry["box3d"]).all() for entry in boxes)
    assert dropped >= 0


@pytest.mark.parametrize("piece", ["<3dbbox>", "</3dbbox>", "<", ONE, "chair: <3dbbox>1 2", "none", "x"])
def test_huge_input_in_tags_takes_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    parse_boxes(text, SEED)
    assert time.process_time() - start < 1


def prompt(*parts: str) -> str:
    return detection_prompt(["chair", "desk"], CAMERA, *SIZE, Notation(*parts))


def test_what_each_family_is_asked() -> None:
    assert prompt("qwen3vl") == (
        "Locate the chair, desk in the provided image and output their positions and dimensions using 3D bounding "
        "boxes. The results must be in the JSON format: "
        '`[{"bbox_3d":[x_center, y_center, z_center, x_size, y_size, z_size, roll, pitch, yaw],"label":"category"}]`.'
    )
    assert prompt("gemini") == (
        "Detect the 3D bounding boxes of chair, desk.\n"
        'Output a json list where each entry contains the object name in "label" and its 3D bounding box in "box_3d"\n'
        "The 3D bounding box format should be "
        "[x_center, y_center, z_center, x_size, y_size, z_size, roll, pitch, yaw]."
    )
    seed = prompt("seed")
    assert "K = [[696.30, 0, 479.50], [0, 695.80, 361.20], [0, 0, 1]]" in seed
    assert "<3dbbox>x_center y_center z_center x_size y_size z_size pitch yaw roll</3dbbox>\n" in seed
    assert seed.endswith("\nDetect chair, desk in the image and display the results in 3D bounding box format.")


@EACH
def test_questions_explain_the_numbers(notation: Notation) -> None:
    for text in (prompt(*notation), dialects.reading_prompt("What is it?", CAMERA, *SIZE, notation)):
        assert ("qw" in text) == (notation.angles == "quat")
        assert ("u_center" in text) == (notation.center == "uvd") != ("x_center" in text)
        assert "unit quaternion" in text or notation.angles == "euler"
        assert "960 x 720 pixels" in text or notation.center == "xyz"
        assert "pitch" in text or notation.angles == "quat"
        assert not set("{}") & set(text.replace('[{"bbox_3d"', "").replace('"}]', ""))
    assert "list" not in dialects.reading_prompt("What is it?", CAMERA, *SIZE, notation)


def test_a_sample_names_its_notation() -> None:
    assert notation_of({}) == Notation()
    assert notation_of({"dialect": "gemini", "angles": "quat", "center": "uvd", "view": 0}) == Notation(
        "gemini", "quat", "uvd"
    )
    with pytest.raises(DataError, match="expected dialect, angles and center out of vst, seed"):
        notation_of({"dialect": "yoda"})
