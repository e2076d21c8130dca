"""Box dialects: how a model family is asked for 3D boxes, and how it writes them.

`vst`: a JSON list of {"bbox_3d": [nine numbers], "label": name} in camera axes, every number with two decimals, the
three angles divided by 180.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from vstkit.geometry.cameras import Camera, fov

# Interface text, kept to the byte: this is what the released VST models were trained on. From the training code of
# github.com/Yangr116/VST (commit b493767), as its cookbook/object_detection_3d.ipynb uses it; table 23 of the paper.
# The lines' ends are broken in Python only.
PREAMBLE = (
    "Here are the detailed camera parameters for the image.\n"
    "Camera intrinsic parameters: Horizontal fov, hfov={hfov:.2f}, and vertical fov, vfov={vfov:.2f}. "
    "Image width={width} and height={height}. We do not consider distortion parameters here. \n"
    "Camera coordinate: X-axis points rightward, Y-axis points downward, and Z-axis points forward. "
    "The origin point is the camera location.\n"
    "We take the camera coordinate system as the world coordinate system.\n"
    "\n"
    "3D bounding box format: [x_center, y_center, z_center, x_size, y_size, z_size, pitch, yaw, roll]\n"
    "* x_center, y_center, z_center: the center of the object in the camera coordinate, in meters. "
    "z_center is the depth of the object in space.\n"
    "* x_size, y_size, z_size: The dimensions of the object along the ( XYZ ) axes, in meters, "
    "when the rotation angles are zero.\n"
    "* pitch, yaw, roll: Euler angles representing rotations around the X, Y, and Z axes, respectively. "
    "Each angle is normalized to the range of (-1, 1) and is multiplied by 180 to convert it into degrees.\n"
    "\n"
    'Output a json list where each entry contains the object name in "label" '
    'and its 3D bounding box in "bbox_3d"\n'
)
QUESTION = "Detect the 3D bounding boxes of {label}"


def detection_prompt(labels: Sequence[str], camera: Camera, width: int, height: int) -> str:
    """The question for all objects with these labels in an image of this camera and size, in pixels."""
    hfov, vfov = fov(camera, width, height)
    preamble = PREAMBLE.format(hfov=hfov, vfov=vfov, width=width, height=height)
    return preamble + QUESTION.format(label=", ".join(labels))


def format_boxes(boxes: Sequence[Mapping[str, Any]]) -> str:
    """The answer as the model writes it, of boxes {"label": str, "box3d": nine numbers} in camera axes.

    Centres and sizes are in metres, angles in degrees, any number of turns: they are written in (-1, 1]. Raises
    ValueError for a number that is not finite.
    """
    entries = ",\n".join("\t" + _format_box(box["label"], box["box3d"]) for box in boxes)
    return f"```json\n[\n{entries}\n]\n```" if entries else "```json\n[]\n```"


def _format_box(label: str, box: Sequence[float]) -> str:
    rounded = [*(round(float(number), 2) for number in box[:6]), *(_half_turns(angle) for angle in box[6:])]
    entry = {"bbox_3d": [number + 0.0 for number in rounded], "label": label}  # + 0.0 turns -0.0 into 0.0
    return json.dumps(entry, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _half_turns(angle: float) -> float:
    # The remainder is exact, so what is rounded is the true value. It may still be, or become, -1: the same turn as 1.
    rounded = round(math.remainder(angle, 360) / 180, 2)
    return 1.0 if rounded == -1 else rounded


class Parsed(NamedTuple):
    """What a model's answer holds."""

    boxes: list[dict[str, Any]]
    """{"label": str, "box3d": nine finite numbers} in metres and degrees, in the order of the text."""
    dropped: int
    """Entries that are no box: wrong lengths, no finite numbers, exact repetitions of an earlier box."""
    cut: bool
    """The text ends inside the list."""
    found: bool
    """There is a list (or a lone entry) at all."""


def parse_boxes(text: str) -> Parsed:
    """The boxes in a model's answer; reads any text, in linear time, and never raises.

    A list is a JSON list, or what comes near it, that is empty or begins with an object. Of several, the last one in a
    fenced block counts, else the one with most boxes. A list that was cut off keeps its whole entries. Entries
    outside of any list, as some models write a single box, count as a list. Sizes stay as they are, also
    negative ones. A label that is missing or not a string is "". Reasoning up to `</think>` is passed over.
    """
    none = Parsed([], 0, cut=False, found=False)
    candidates = [(fence, _boxes(entries, cut)) for fence, entries, cut in _lists(_answer(text))]
    return max(candidates, key=lambda candidate: (candidate[0], len(candidate[1].boxes)), default=(0, none))[1]


def _answer(text: str) -> str:
    """The text after the reasoning, which is over where the answer starts at once."""
    if text.lstrip().startswith(("```", "[", "{")):
        return text
    _, closed, rest = text.rpartition("</think>")
    return rest if closed else text.partition("<think>")[0]


def _boxes(entries: list[Value], cut: bool) -> Parsed:
    # A dict keeps the first of equal boxes, and the order.
    boxes = {box: None for entry in entries if (box := _box(entry)) is not None}
    kept = [{"label": label, "box3d": list(numbers)} for label, numbers in boxes]
    return Parsed(kept, len(entries) - len(kept), cut, found=True)


def _box(entry: Value) -> tuple[str, tuple[float, ...]] | None:
    values = entry.get("bbox_3d") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(values, list) or len(values) != 9:
        return None
    numbers = [_number(value) for value in values]
    numbers[6:] = [180 * angle for angle in numbers[6:]]
    if not all(math.isfinite(number) for number in numbers):
        return None
    label = entry.get("label")
    return label if isinstance(label, str) else "", tuple(numbers)


def _number(value: Value) -> float:
    try:
        return float(value) if isinstance(value, float | str) else math.nan
    except ValueError:
        return math.nan


# The tolerant scanner. Lists are looked for in the text (_START); from there, tokens are read (_TOKEN) until the list
# ends, and the search goes on behind it, so the time is linear; nothing recurses. A token that makes no sense where it
# stands does no more harm than to make an entry unusable.

Value: TypeAlias = "float | str | list[Value] | dict[str, Value] | None"

_START = re.compile(
    r"""
    (?P<fence>```)
    | (?P<list>\[) (?= \s*+ (?: [{\]] | \Z ) )      # of objects, or empty, or cut off
    | (?P<entry>(?=\{)) (?= \{ \s*+ ["'] (?: bbox_3d | label ) ["'] )
    """,
    re.VERBOSE,
)
_TOKEN = re.compile(
    r"""
    (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,)
    | (?P<fence>```)
    | (?P<string> " (?: [^"\\\n] | \\. )*+ " | ' (?: [^'\\\n] | \\. )*+ ' )
    | (?P<cut> ["'] [^\n]*+ \Z )                    # a string that the text ends in
    | (?P<word> (?: [^\s\[\]{},:"'`\\] | \\. )++ )  # a number, or something else
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 16  # entries are two levels deep


def _lists(text: str) -> Iterator[tuple[int, list[Value], bool]]:
    """Every list: the number of the fenced block it is in (0: none), its entries, whether the text ends inside it."""
    fences = position = 0
    while start := _START.search(text, position):
        position = start.end()
        if start.lastgroup == "fence":
            fences += 1
            continue
        entries, cut, position = _entries(text, position, bare=start.lastgroup == "entry")
        yield fences if fences % 2 else 0, entries, cut


def _entries(text: str, position: int, bare: bool) -> tuple[list[Value], bool, int]:
    """The entries of the list whose inside starts at `position`, whether the text ends inside it, and where it ends.

    A bare list has no brackets: it ends where anything but a comma or an object follows an entry.
    """
    entries: list[Value] = []
    stack: list[list[Value] | dict[str, Value]] = [entries]
    keys: list[str | None] = [None]  # of every container that is open, the key that waits for its value
    for token in _TOKEN.finditer(text, position):
        kind, word = token.lastgroup, token[0]
        if bare and len(stack) == 1 and word not in ("{", ","):
            return entries, False, token.start()
        if kind == "cut":
            break
        if kind == "fence" or len(stack) > _DEEPEST:
            if len(stack) > 1:
                entries[-1] = None
            return entries, False, token.start()
        if kind == "close":
            opened = list if word == "]" else dict
            depth = max((d for d, container in enumerate(stack) if isinstance(container, opened)), default=len(stack))
            if depth == 0:
                return entries, False, token.end()
            del stack[depth:], keys[depth:]
        elif kind == "comma":
            keys[-1] = None
        else:
            _add(stack, keys, kind, word)
    if len(stack) > 1:
        entries.pop()
    return entries, not bare or len(stack) > 1, len(text)


def _add(stack: list[list[Value] | dict[str, Value]], keys: list[str | None], kind: str | None, word: str) -> None:
    """Put the value that a token stands for, or begins, into the innermost container."""
    value: Value
    if kind == "open":
        value = [] if word == "[" else {}
    elif kind == "string":
        value = _unquote(word)
    else:
        value = _number(word)
    container, key = stack[-1], keys[-1]
    if isinstance(container, list):
        container.append(value)
    elif key is None:
        keys[-1] = value if isinstance(value, str) else None
    else:
        container[key] = value
        keys[-1] = None
    if isinstance(value, list | dict):
        stack.append(value)
        keys.append(None)


def _unquote(word: str) -> str:
    """The text of a string in JSON or Python quotes."""
    text = _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPED.get(m[1], m[1]), word[1:-1])
    # Joins the halves of escaped surrogate pairs, and replaces halves that are alone: they fit in no UTF-8 output.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
