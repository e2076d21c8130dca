"""Box dialects: how a family of models is asked for 3D boxes, and how it writes them.

| dialect | answer                                      | numbers                                                  |
|---------|---------------------------------------------|----------------------------------------------------------|
| vst     | JSON list of {"bbox_3d": [..], "label": ..} | camera axes; angles divided by 180                       |
| seed    | lines `chair: <3dbbox>..</3dbbox>`          | as vst                                                   |
| qwen3vl | as vst                                      | as vst: its "roll, pitch, yaw" turn about x, y and z     |
| gemini  | JSON list of {"label": .., "box_3d": [..]}  | x right, y forward, z up; angles in whole degrees        |

Lengths have two decimals. In place of Euler angles every dialect can have a quaternion x, y, z, w (`angles` "quat", an
ablation of the VST paper, table 12), and in place of the centre the whole pixel at which it is seen and its depth
(`center` "uvd"). The words for these are ours: no text of theirs is public.

What is known of them: `vst` from its training code and a real answer. `seed` from Volcano Engine's guide to visual
grounding; names before the boxes are ours, no answer with several names is public. `qwen3vl` from its cookbook, which
says roll, pitch, yaw in radians, but draws pitch, yaw, roll of 180 degrees (issue 2044 of QwenLM/Qwen3-VL, unanswered);
drawn so its real answers fit the pictures; their layout as text is not public. `gemini` from the viewer in Google's
cookbook, which tilts boxes by 90 degrees to draw them; no camera is told, so that only the layout is sure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from vstkit.errors import DataError
from vstkit.geometry import dialects_numbers as numbers_of
from vstkit.geometry import dialects_prompts as texts
from vstkit.geometry.cameras import Camera, fov
from vstkit.geometry.near_json import Value, lists, number


class Dialect(NamedTuple):
    """How one family of models asks and writes."""

    ask: str
    """The whole question; its slots are those of `dialects_prompts`."""
    tell: str
    """The same without the form of the answer, for a question that gives a box itself."""
    request: str
    """What the family's own question asks for, with the slot {labels}."""
    center_told: str = ""
    angles_told: str = ""
    angle_names: str = "pitch, yaw, roll"
    key: str = "bbox_3d"
    """Of a box's numbers in a JSON entry; none where boxes stand in tags."""
    label_first: bool = False
    half_turn: float = 1.0
    upright: bool = False


DIALECTS = {
    "vst": Dialect(
        texts.VST_ASK, texts.VST_TELL, "Detect the 3D bounding boxes of {labels}", texts.VST_CENTER, texts.VST_ANGLES
    ),
    "seed": Dialect(
        texts.SEED_ASK,
        texts.SEED_TELL,
        "Detect {labels} in the image and display the results in 3D bounding box format.",
        texts.SEED_CENTER,
        texts.SEED_ANGLES,
        key="",
    ),
    "qwen3vl": Dialect(
        texts.QWEN3VL_ASK,
        texts.QWEN3VL_TELL,
        "Locate the {labels} in the provided image and output their positions and dimensions using 3D bounding boxes.",
        angle_names="roll, pitch, yaw",
    ),
    "gemini": Dialect(
        texts.GEMINI_ASK,
        texts.GEMINI_TELL,
        "Detect the 3D bounding boxes of {labels}.",
        angle_names="roll, pitch, yaw",
        key="box_3d",
        label_first=True,
        half_turn=180,
        upright=True,
    ),
}


ANGLES = ("euler", "quat")


class Notation(NamedTuple):
    """How boxes are written: a dialect, "euler" or "quat", "xyz" or "uvd"."""

    dialect: str = "vst"
    angles: str = "euler"
    center: str = "xyz"


VST = Notation()


def notation_of(meta: Mapping[str, Any]) -> Notation:
    """The notation that a sample's `meta` names, or that of the released models where it names none.

    Raises DataError for one that is not known.
    """
    notation = Notation(**{key: meta[key] for key in Notation._fields if key in meta})
    if notation.dialect not in DIALECTS or notation.angles not in ANGLES or notation.center not in texts.CENTERS:
        known = ", ".join((*DIALECTS, *ANGLES, *texts.CENTERS))
        raise DataError(f"meta: expected dialect, angles and center out of {known}, got {notation}")
    return notation


def detection_prompt(
    labels: Sequence[str], camera: Camera, width: int, height: int, notation: Notation = VST, request: str | None = None
) -> str:
    """The question for all objects with these labels in an image of this camera and size, in pixels.

    `request` is what to ask for, in other words than those of the dialect.
    """
    dialect = DIALECTS[notation.dialect]
    asked = dialect.request.format(labels=", ".join(labels)) if request is None else request
    return _prompt(dialect.ask, asked, camera, width, height, notation)


def reading_prompt(request: str, camera: Camera, width: int, height: int, notation: Notation = VST) -> str:
    """The question `request`, which gives a box itself, with all that it takes to understand the box."""
    return _prompt(DIALECTS[notation.dialect].tell, request, camera, width, height, notation)


def _prompt(text: str, request: str, camera: Camera, width: int, height: int, notation: Notation) -> str:
    dialect = DIALECTS[notation.dialect]
    axes = "about the axes X rightward, Y forward and Z upward" if dialect.upright else "about the camera's axes"
    uvd = texts.UVD_TOLD.format(width=width, height=height) if notation.center == "uvd" else ""
    quat = texts.QUATERNION_TOLD.format(axes=axes) if notation.angles == "quat" else ""
    names = texts.CENTERS[notation.center], texts.QUATERNION if quat else dialect.angle_names
    tags = not dialect.key
    hfov, vfov = fov(camera, width, height)
    return text.format(
        request=request,
        center=names[0].replace(",", "") if tags else names[0],
        angles=names[1].replace(",", "") if tags else names[1],
        center_told=uvd or dialect.center_told,
        angles_told=quat or dialect.angles_told,
        told="".join(f" {sentence}" for sentence in (uvd, quat) if sentence),
        **dict(zip(("fx", "fy", "cx", "cy"), camera, strict=True)),
        hfov=hfov,
        vfov=vfov,
        width=width,
        height=height,
    )


def format_boxes(boxes: Sequence[Mapping[str, Any]], notation: Notation = VST, camera: Camera | None = None) -> str:
    """The answer as the model writes it, of boxes {"label": str, "box3d": nine numbers} in camera axes.

    Centres and sizes are in metres, angles in degrees, any number of turns: they are written in (-1, 1]. Raises
    ValueError for a number that is not finite, and for a centre to be projected without camera or behind it.
    """
    dialect = DIALECTS[notation.dialect]
    entries = [(box["label"], format_box(box["box3d"], notation, camera)) for box in boxes]
    if not dialect.key:
        return "\n".join(f"{' '.join(label.split())}: {text}" for label, text in entries) or NONE
    lines = ",\n".join(_entry(dialect, label, text) for label, text in entries)
    return f"```json\n[\n{lines}\n]\n```" if lines else "```json\n[]\n```"


def _entry(dialect: Dialect, label: str, text: str) -> str:
    name = json.dumps(label, ensure_ascii=False)
    if dialect.label_first:
        return f'  {{"label": {name}, "{dialect.key}": {text}}}'
    return f'\t{{"{dialect.key}":{text},"label":{name}}}'


def format_box(box: Sequence[float], notation: Notation = VST, camera: Camera | None = None) -> str:
    """The numbers of one box in brackets or tags, as `format_boxes` writes them."""
    return _format_box(tuple(box), notation, None if camera is None else tuple(camera))


@lru_cache(maxsize=1024)  # the boxes of a view stand in many questions
def _format_box(box: tuple[float, ...], notation: Notation, camera: tuple[float, ...] | None) -> str:
    dialect = DIALECTS[notation.dialect]
    held = numbers_of.center(box[:3], notation.center, dialect.upright, camera)
    held += [numbers_of.rounded(size) for size in numbers_of.sizes(box[3:6], dialect.upright)]
    angles = numbers_of.upright_angles(box[6:]) if dialect.upright else box[6:]
    if notation.angles == "quat":
        held += numbers_of.quaternion(angles)
    else:
        held += [numbers_of.angle(angle, dialect.half_turn) for angle in angles]
    if not dialect.key:
        return f"<3dbbox>{' '.join(map(str, held))}</3dbbox>"
    return json.dumps(held, separators=(", " if dialect.label_first else ",", ":"))


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


def parse_boxes(text: str, notation: Notation = VST, camera: Camera | None = None) -> Parsed:
    """The boxes in a model's answer; reads any text, in linear time.

    A list is a JSON list, or what comes near it, that is empty or begins with an object. Of several, the last one in a
    fenced block counts, else the one with most boxes. A list that was cut off keeps its whole entries. Entries
    outside of any list, as some models write a single box, count as a list. Sizes stay as they are, also
    negative ones. A label that is missing or not a string is "". Reasoning up to `</think>` is passed over.

    Tags are read wherever they stand; a box's label is what stands before it on its line, less a colon, else that of
    the box before. Raises ValueError for projected centres without a camera, and never else.
    """
    if notation.center == "uvd" and camera is None:
        raise ValueError("expected a camera for projected centres, got none")
    if not DIALECTS[notation.dialect].key:
        return _tagged(_answer(text), notation, camera)
    none = Parsed([], 0, cut=False, found=False)
    candidates = [
        (fence, _boxes([_of_entry(entry, notation) for entry in entries], cut, notation, camera))
        for fence, entries, cut in islice(lists(_answer(text)), 1000)  # an answer has one
    ]
    return max(candidates, key=lambda candidate: (candidate[0], len(candidate[1].boxes)), default=(0, none))[1]


def _answer(text: str) -> str:
    """The text after the reasoning, which is over where the answer starts at once."""
    if text.lstrip().startswith(("```", "[", "{")):
        return text
    _, closed, rest = text.rpartition("</think>")
    return rest if closed else text.partition("<think>")[0]


Found = tuple[str, list[float]] | None  # label and numbers as written


def _boxes(entries: Sequence[Found], cut: bool, notation: Notation, camera: Camera | None) -> Parsed:
    # A dict keeps the first of equal boxes, and the order.
    read = [(entry[0], box) for entry in entries if entry and (box := _box(entry[1], notation, camera)) is not None]
    kept = [{"label": label, "box3d": list(box)} for label, box in dict.fromkeys(read)]
    return Parsed(kept, len(entries) - len(kept), cut, found=True)


def _of_entry(entry: Value, notation: Notation) -> Found:
    values = entry.get(DIALECTS[notation.dialect].key) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(values, list):
        return None
    label = entry.get("label")
    return label if isinstance(label, str) else "", [number(value) for value in values]


def _box(written: Sequence[float], notation: Notation, camera: Camera | None) -> tuple[float, ...] | None:
    """The nine numbers of a box in camera axes; None for what is none."""
    dialect, turns = DIALECTS[notation.dialect], 4 if notation.angles == "quat" else 3
    if len(written) != 6 + turns or not all(map(math.isfinite, written)):
        return None
    if notation.angles == "quat":
        angles = numbers_of.from_quaternion(written[6:])
    else:
        angles = [180 / dialect.half_turn * angle for angle in written[6:]]
    if angles is None or not all(map(math.isfinite, angles)):
        return None
    if notation.center == "xyz" and not dialect.upright:
        return (*written[:6], *angles)
    if dialect.upright:
        angles = numbers_of.upright_angles(angles, back=True)
    center = numbers_of.center_from(written[:3], notation.center, dialect.upright, camera)
    box = (*center, *numbers_of.sizes(written[3:6], dialect.upright), *angles)
    return box if all(map(math.isfinite, box)) else None


OPEN, CLOSE, NONE = "<3dbbox>", "</3dbbox>", "none"
_TAG = re.compile(f"{OPEN}([^<]*+){CLOSE}")


def _tagged(text: str, notation: Notation, camera: Camera | None) -> Parsed:
    tail = text[text.rfind("<") :] if "<" in text else ""
    whole = tail.startswith(CLOSE)
    cut = bool(tail) and not whole and (tail.startswith(OPEN) or OPEN.startswith(tail) or CLOSE.startswith(tail))
    parsed = _boxes(found := list(_tags(text)), cut, notation, camera)
    opened = text.count(OPEN)
    unclosed = max(opened - len(found) - cut, 0)
    said = bool(opened) or cut or text.strip().rstrip(".").lower() == NONE
    return parsed._replace(dropped=parsed.dropped + unclosed, found=said)


def _tags(text: str) -> Iterator[Found]:
    """Label and numbers of every tag."""
    label, end = "", 0
    for tag in _TAG.finditer(text):
        lead = text[max(end, text.rfind("\n", end, tag.start()) + 1) : tag.start()].strip()
        if lead.strip(" ,;"):
            label = lead.removesuffix(":").rstrip()
        end = tag.end()
        yield label, [number(word) for word in tag[1].split()]
