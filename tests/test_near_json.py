"""The quick way through text that is JSON gives what the scanner gives."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vstkit.geometry import near_json
from vstkit.geometry.dialects import parse_boxes

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(2**70), 2**70), st.booleans(), st.none(), st.sampled_from(["1.5", "x", ""])
)
LABELS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\\`"), max_size=8), st.none(), st.integers()
)
ENTRIES = st.fixed_dictionaries(
    {"bbox_3d": st.lists(NUMBERS, min_size=7, max_size=10)}, optional={"label": LABELS, "more": st.lists(NUMBERS)}
)
FORMS = ["```json\n{}\n```", " ```json\n{}```\n", "{}", "\n{} ", "```json\n{}\n``` and more", "so: {}", "```\n{}\n```"]


def boxes(text):
    return [{**box, "box3d": [repr(v) for v in box["box3d"]]} for box in parse_boxes(text).boxes], parse_boxes(text)[1:]


@settings(max_examples=300, deadline=None)
@given(st.lists(ENTRIES, max_size=3), st.sampled_from(FORMS), st.booleans())
def test_text_that_is_json(entries, form, indented):
    text = form.replace("{}", json.dumps(entries, ensure_ascii=False, indent=1 if indented else None))
    quick = boxes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_json, "_strict", lambda text: None)
        assert quick == boxes(text)


@pytest.mark.parametrize("form", FORMS)
def test_the_quick_way_is_taken_where_it_may_be(form):
    text = form.replace("{}", '[{"bbox_3d": [1, 2, 3, 4, 5, 6, 0, 0, 0.5], "label": "chair"}]')
    (box,) = parse_boxes(text).boxes
    assert box == {"label": "chair", "box3d": [1, 2, 3, 4, 5, 6, 0, 0, 90]}
    assert (near_json._strict(text) is not None) == (form in FORMS[:4])


def test_numbers():
    assert [near_json.number(value) for value in (1.5, 2, "3", "0x", 2**64)] == [
        1.5, 2, 3, pytest.approx(math.nan, nan_ok=True), 2.0**64,
    ]  # fmt: skip
    for value in (True, False, None, [], {}):
        assert math.isnan(near_json.number(value))
