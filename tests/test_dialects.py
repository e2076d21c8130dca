import json
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit.geometry.cameras import focal
from vstkit.geometry.dialects import Parsed, detection_prompt, format_boxes, parse_boxes

SHARED = Path(os.environ.get("VSTKIT_SHARED") or Path(__file__).parents[1] / "../shared/data")
REAL = SHARED / "detections" / "real_3d_predictions.json"

ENTRY = '{"bbox_3d":[-0.29,-0.04,2.23,0.61,0.94,0.47,0.5,0.25,-0.1],"label":"chair"}'
CHAIR = {"label": "chair", "box3d": [-0.29, -0.04, 2.23, 0.61, 0.94, 0.47, 90.0, 45.0, -18.0]}
TABLE_ENTRY = '{"bbox_3d":[1,2,3,1,1,1,0,0,0],"label":"table"}'
TABLE = {"label": "table", "box3d": [1.0, 2.0, 3.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]}

numbers = st.floats(-1e4, 1e4)
angles = st.floats(-720, 720)
box = st.tuples(*[numbers] * 6, angles, angles, angles).map(list)
labels = st.text(st.characters(codec="utf-8")) | st.sampled_from(["chair", "椅子", '"', "a\\", "```", "}]", "</think>"])
answers = st.lists(st.fixed_dictionaries({"label": labels, "box3d": box}), max_size=5)


def real_answer():
    if not REAL.exists():
        pytest.skip(f"no {REAL.name}: set VSTKIT_SHARED to the shared data folder")
    return json.loads(REAL.read_text(encoding="utf-8"))["items"][0]


def test_prompt_is_byte_for_byte_that_of_the_released_models():
    f = focal(60, 730), focal(60, 530)  # the real prompt states 60 degrees both ways
    prompt = detection_prompt(["chair"], (*f, 365, 265), 730, 530)
    assert prompt.encode() + b"\n" == real_answer()["prompt"].encode()


def test_prompt_states_the_true_field_of_view_and_all_labels():
    prompt = detection_prompt(["chair", "椅子", "{odd}"], (529.5, 529.5, 365, 265), 730, 530)
    assert "hfov=69.16, and vertical fov, vfov=53.17. Image width=730 and height=530." in prompt
    assert prompt.endswith('in "bbox_3d"\nDetect the 3D bounding boxes of chair, 椅子, {odd}')


def test_real_answer_is_read_and_written_again():
    response = real_answer()["response"]
    parsed = parse_boxes(response)
    assert [len(parsed.boxes), *parsed[1:]] == [5, 0, False, True]
    assert parsed.boxes[0]["label"] == "chair"
    assert parsed.boxes[0]["box3d"] == pytest.approx([-0.29, -0.04, 2.23, 0.61, 0.94, 0.47, 72, 59.4, 77.4])
    assert format_boxes(parsed.boxes) == response


def test_format_is_what_the_models_write():
    assert format_boxes([CHAIR, TABLE]) == (
        "```json\n[\n\t" + ENTRY + ',\n\t{"bbox_3d":[1.0,2.0,3.0,1.0,1.0,1.0,0.0,0.0,0.0],"label":"table"}\n]\n```'
    )
    assert format_boxes([]) == "```json\n[]\n```"


def test_format_rounds_wraps_and_escapes():
    written = format_boxes(
        [{"label": 'the "big"\n椅子', "box3d": [-0.001, 0.4, 1.005, 2.675, 1e16, 10, 270, -180, 359.9]}]
    )
    assert "[-0.0" not in written  # never minus zero
    # 1.005 and 2.675 lie below the tie in binary; 270 degrees are -90, -180 are 180, 359.9 are -0.1
    assert '"bbox_3d":[0.0,0.4,1.0,2.67,1e+16,10.0,-0.5,1.0,0.0]' in written
    assert r'"label":"the \"big\"\n椅子"' in written
    nearly_half_turns = format_boxes([{"label": "", "box3d": [0] * 6 + [-179.5, 179.5, 540.5]}])
    assert "0.0,1.0,1.0,1.0]" in nearly_half_turns
    with pytest.raises(ValueError, match="JSON"):
        format_boxes([{"label": "x", "box3d": [math.nan] * 9}])


@given(answers)
def test_parse_inverts_format_to_the_rounding(boxes):
    text = format_boxes(boxes)
    written = json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
    first = [i for i, entry in enumerate(written) if entry not in written[:i]]  # repetitions are dropped
    parsed = parse_boxes(text)
    assert parsed[1:] == (len(boxes) - len(first), False, True)
    for found, original in zip(parsed.boxes, [boxes[i] for i in first], strict=True):
        assert found["label"] == original["label"]
        assert found["box3d"][:6] == pytest.approx(original["box3d"][:6], abs=0.005 + 1e-9)
        for angle, true in zip(found["box3d"][6:], original["box3d"][6:], strict=True):
            assert abs(math.remainder(angle - true, 360)) <= 0.9 + 1e-9
            assert -180 < angle <= 180
    assert format_boxes(parsed.boxes) == format_boxes([boxes[i] for i in first])


@given(answers, st.data())
def test_every_prefix_yields_a_prefix_of_the_boxes(boxes, data):
    text = format_boxes(boxes)
    whole = parse_boxes(text).boxes
    part = parse_boxes(text[: data.draw(st.integers(0, len(text)))])
    assert part.boxes == whole[: len(part.boxes)]
    assert part.dropped <= len(boxes) - len(whole)


def test_every_cut_of_an_answer():
    text = format_boxes([CHAIR, TABLE])
    first, second, end = text.index("},") + 1, text.rindex("}") + 1, text.rindex("]") + 1
    for length in range(len(text) + 1):
        parsed = parse_boxes(text[:length])
        assert parsed.boxes == [CHAIR, TABLE][: (length >= first) + (length >= second)]
        assert parsed.found == (length > text.index("["))
        assert parsed.cut == (text.index("[") < length < end)
        assert parsed.dropped == 0


JSON_PIECES = (
    *'[]{},:"',
    ENTRY,
    TABLE_ENTRY,
    '"bbox_3d"',
    '"label"',
    "[0,0,0,1,1,1,0,0,0]",
    "0.4",
    '"0.4"',
    "-1",
    "null",
)
ODD_PIECES = (
    *"'`\\ \n",
    "```",
    "```json\n",
    "<think>",
    "</think>",
    "bbox_3d",
    "NaN",
    "1e999",
    "None",
    "'a'",
    "椅子",
    "\ud800",
)
tokens = st.sampled_from(JSON_PIECES + ODD_PIECES + (r"\ud83d",))
soup = st.lists(tokens).map("".join)


@given(st.text() | st.text(st.characters()) | soup)
def test_never_raises_and_always_returns_finite_boxes(text):
    boxes, dropped, cut, found = parse_boxes(text)
    for entry in boxes:
        assert set(entry) == {"label", "box3d"}
        entry["label"].encode()  # goes into UTF-8 output
        assert len(entry["box3d"]) == 9
        assert all(type(number) is float and math.isfinite(number) for number in entry["box3d"])
    assert dropped >= 0
    assert found or not (boxes or dropped or cut)


def entry_with(numbers, label='"chair"'):
    return f'[{{"bbox_3d":{numbers},"label":{label}}}]'


@pytest.mark.parametrize(
    ("text", "boxes", "dropped", "cut", "found"),
    [
        ("", [], 0, False, False),
        ("I see no chair.", [], 0, False, False),
        ("[]", [], 0, False, True),
        ("```json\n[]\n```", [], 0, False, True),
        (f"[{ENTRY}]", [CHAIR], 0, False, True),
        (f"Here they are:\n\n[{ENTRY}, {TABLE_ENTRY}]\n\nDone [1].", [CHAIR, TABLE], 0, False, True),
        (f"```\n[{ENTRY}]\n```", [CHAIR], 0, False, True),
        (f'```json\n{{"objects": [{ENTRY}]}}\n```', [CHAIR], 0, False, True),
        # which list
        (f"```json\n[{ENTRY}]\n```\nor rather\n```json\n[{TABLE_ENTRY}]\n```", [TABLE], 0, False, True),
        (f"```json\n[{ENTRY}]\n```\n```python\nprint(1)\n```", [CHAIR], 0, False, True),
        (f"[{ENTRY}, {TABLE_ENTRY}] or\n```json\n[{TABLE_ENTRY}]\n```", [TABLE], 0, False, True),
        (f"```json\n[{TABLE_ENTRY}]\n```\n[{ENTRY}, {TABLE_ENTRY}]", [TABLE], 0, False, True),
        (f"[{TABLE_ENTRY}] or [{ENTRY}, {TABLE_ENTRY}] or []", [CHAIR, TABLE], 0, False, True),
        (f"the range [0, 1) and [see below: [{ENTRY}]", [CHAIR], 0, False, True),
        # reasoning
        (f"<think>maybe [{TABLE_ENTRY}]</think>\n[{ENTRY}]", [CHAIR], 0, False, True),
        (f"maybe ```[{TABLE_ENTRY}]```</think>[{ENTRY}]", [CHAIR], 0, False, True),
        (f"<think>maybe [{TABLE_ENTRY}]", [], 0, False, False),
        (f"<think></think><answer>[{ENTRY}]</answer>", [CHAIR], 0, False, True),
        # near-JSON
        (f"[{ENTRY},]", [CHAIR], 0, False, True),
        (f"[{ENTRY}\n{TABLE_ENTRY}]", [CHAIR, TABLE], 0, False, True),
        (f"[{ENTRY.replace(chr(34), chr(39))}]", [CHAIR], 0, False, True),
        (entry_with("(0)", "None"), [], 1, False, True),
        (f"[{ENTRY}, None, {TABLE_ENTRY}, ...]", [CHAIR, TABLE], 2, False, True),
        (f"[{ENTRY[:-1]}, 'score': True, 'parent': None, \"of\": {{'n': [1, {{}}]}}}}]", [CHAIR], 0, False, True),
        (f"```json\n[{ENTRY}, {TABLE_ENTRY}\n```\nbye", [CHAIR, TABLE], 0, False, True),
        (f"```json\n[{ENTRY}, {TABLE_ENTRY[:20]}\n```\nbye", [CHAIR], 1, False, True),
        (f"[{ENTRY}, {TABLE_ENTRY[:-1]}]", [CHAIR, TABLE], 0, False, True),
        (f"[{TABLE_ENTRY.replace('],', ',')}, {ENTRY}]", [CHAIR], 1, False, True),
        # cut
        ("[", [], 0, True, True),
        ("```json\n[\n\t{", [], 0, True, True),
        (f"[{ENTRY}, {TABLE_ENTRY[:20]}", [CHAIR], 0, True, True),
        (f'[{ENTRY}, {{"label": "]}}', [CHAIR], 0, True, True),
        # entries
        (entry_with("[1,2,3,1,1,1,0,0]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,0,0]"), [], 1, False, True),
        (entry_with("[1,2,NaN,1,1,1,0,0,0]"), [], 1, False, True),
        (entry_with("[1,2,3,1,-Infinity,1,0,0,0]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,1e999]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,1e308]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,true]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,[0]]"), [], 1, False, True),
        (entry_with("[1,2,3,1,1,1,0,0,'wide']"), [], 1, False, True),
        (entry_with('{"x":1}'), [], 1, False, True),
        (entry_with('"1,2,3,1,1,1,0,0,0"'), [], 1, False, True),
        (entry_with('["1","2","3.0",1,1,1,0,0," 0 "]', '"table"'), [TABLE], 0, False, True),
        ('[{"label":"chair"}, {}, 3]', [], 3, False, True),
        ('[{"object":' + ENTRY + "}]", [], 1, False, True),
        (f"[{ENTRY},{ENTRY},{TABLE_ENTRY},{ENTRY}]", [CHAIR, TABLE], 2, False, True),
        # entries without a list
        (ENTRY, [CHAIR], 0, False, True),
        (f"```json\n{ENTRY}\n{TABLE_ENTRY}\n```", [CHAIR, TABLE], 0, False, True),
        (f"{ENTRY} and so on. {{}}", [CHAIR], 0, False, True),
        (ENTRY[:-3], [], 0, True, True),
    ],
)
def test_texts(text, boxes, dropped, cut, found):
    assert parse_boxes(text) == Parsed(boxes, dropped, cut, found)


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ('"椅子"', "椅子"),
        (r'"\u6905\u5b50"', "椅子"),
        (r'"\ud83e\ude91 chair"', "🪑 chair"),
        (r'"half \ud83e of one"', "half � of one"),
        (r"'chef\'s \"hat\"'", 'chef\'s "hat"'),
        (r'"a\tb\\n\/\x"', "a\tb\\n/x"),
        ('"[{}]```"', "[{}]```"),
        ('""', ""),
        ("3", ""),
        ("null", ""),
        ('["chair"]', ""),
    ],
)
def test_labels(written, label):
    parsed = parse_boxes(entry_with("[1,2,3,1,1,1,0,0,0]", written))
    assert parsed == Parsed([{"label": label, "box3d": TABLE["box3d"]}], 0, cut=False, found=True)


def test_missing_label_and_odd_sizes_are_kept():
    parsed = parse_boxes('[{"bbox_3d":[1,2,3,-1,0,1,0,0,-1]}]')
    assert parsed == Parsed([{"label": "", "box3d": [1, 2, 3, -1, 0, 1, 0, 0, -180]}], 0, cut=False, found=True)


MEGABYTE = 1_000_000
NESTED = ("[", "{", "[{", '{"a":', '[{"label":', "```[{", "[{},", "[ ", "[{" + " " * 50, "[{,:", '{"label"')
REPEATED = ("[]", "[{}]", "<think>", "</think>", "9", "x", "\\", ENTRY + ",", f"[{ENTRY}", f"[{ENTRY}]")
QUOTED = ('["', "[{'", r'[{"a\"', r'[{"\"' + "\n", "\"a\\'", "'[{\"", r"[{a\"\'", "[{\"'\n")


@pytest.mark.parametrize("piece", NESTED + REPEATED + QUOTED)
@pytest.mark.parametrize("before", ["", '[{"bbox_3d":[1,'])
def test_huge_input_takes_linear_time(piece, before):
    text = before + piece * (MEGABYTE // 10 // len(piece))
    start = time.process_time()
    parse_boxes(text)
    assert time.process_time() - start < 1  # a quadratic scan takes ten seconds and more


def test_a_megabyte_of_brackets_returns_within_a_second():
    for text in ("[" * MEGABYTE, "```json\n" + "[" * MEGABYTE, "{" * MEGABYTE):
        start = time.process_time()
        assert parse_boxes(text).boxes == []
        assert time.process_time() - start < 1
