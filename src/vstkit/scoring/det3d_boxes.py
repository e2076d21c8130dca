"""The boxes of a detection set, laid end to end, and which of the true ones nobody has to find.

Axes of arrays: G truth boxes, D predicted boxes, Q questions, A depth ranges. Boxes are nine numbers each, in camera
axes, metres and degrees.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.errors import DataError
from vstkit.geometry.boxes import corners

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
Protocol = Literal["vst", "omni3d"]

NEAREST = np.array([0.0, 0, 10, 35])  # metres; the depth ranges are all, near, medium and far
FARTHEST = np.array([1e5, 10, 35, 1e5])


class Question(TypedDict):
    """Boxes of one category in one image."""

    image: Hashable
    category: str
    truth: ArrayLike  # (n, 9)
    predicted: ArrayLike  # (m, 9)
    scores: NotRequired[ArrayLike | None]  # (m,); absent or None: all 1
    camera: NotRequired[Sequence[float] | None]  # fx, fy, cx, cy in pixels
    size: NotRequired[Sequence[float] | None]  # width and height of the image, in pixels
    ignored: NotRequired[Sequence[bool]]  # (n,); in place of what the protocol says of truths in this picture
    proximity: NotRequired[bool]  # not all objects have a truth: only what lies near one is judged (omni3d)
    truth_2d: NotRequired[ArrayLike]  # (n, 4) x0, y0, x1, y1 in pixels, for proximity; absent: as projected
    predicted_2d: NotRequired[ArrayLike]  # (m, 4)


class Rules(NamedTuple):
    """Which truths a protocol lets go, by their projection; heights in heights of the image."""

    clipped: bool
    """What counts is the part of the projection that lies in the image, and not all of it."""
    lowest: float
    highest: float
    truncation: float
    """The share of the projection outside of the image, at which a truth is let go."""
    visibility: float
    """The share that is seen of it, at which a truth is let go; only annotations know."""
    behind: bool
    """Those with a corner behind the camera are let go, also where no annotation says so."""


RULES: dict[Protocol, Rules] = {
    "vst": Rules(clipped=False, lowest=0, highest=10.5, truncation=1, visibility=0, behind=False),
    "omni3d": Rules(True, lowest=0.0625, highest=1.5, truncation=0.33333333, visibility=0.33333333, behind=True),
}


class Boxes(NamedTuple):
    """All questions end to end; categories are numbered by name, questions as they first appear."""

    images: int
    categories: list[str]
    category: Ints  # (Q,)
    truth: Floats  # (G, 9)
    truth_question: Ints  # (G,)
    ignored: Bools  # (G, A)
    truth_2d: Floats  # (G, 4); NaN where proximity is not asked for
    predicted: Floats  # (D, 9)
    predicted_question: Ints  # (D,)
    predicted_2d: Floats  # (D, 4)
    scores: Floats  # (D,)
    proximity: Bools  # (Q,)


def flatten(questions: Iterable[Question], protocol: Protocol = "vst", *, canonical: bool = False) -> Boxes:
    """Lay the boxes of all questions end to end; those of the same image and category are joined.

    `canonical` puts questions, truths and predictions in an order that depends on nothing but what they are. Raises
    DataError for arrays of a wrong shape, for truths or scores that are not finite, and for proximity without camera.
    """
    given = list(questions)
    number: dict[tuple[str, Hashable], int] = {}
    owner = np.array([number.setdefault((q["category"], q["image"]), len(number)) for q in given], dtype=np.intp)
    truth, of_t = _rows("truth", [q["truth"] for q in given], 9)
    predicted, of_p = _rows("predicted", [q["predicted"] for q in given], 9, finite=False)
    scores = _scores([q.get("scores") for q in given], of_p)
    view = np.array([_view(q) for q in given]).reshape(-1, 6)
    proximity = np.array([q.get("proximity", False) for q in given], dtype=bool)
    always = _ignored(given, truth, of_t, view, RULES[protocol])
    ignored = always[:, None] | (truth[:, 2:3] < NEAREST) | (truth[:, 2:3] > FARTHEST)
    names = sorted({category for category, _ in number})
    place = {name: c for c, name in enumerate(names)}
    near = np.zeros(len(number), dtype=bool)
    np.logical_or.at(near, owner, proximity)
    boxes = Boxes(
        len({image for _, image in number}),
        names,
        np.array([place[category] for category, _ in number], dtype=np.intp),
        truth,
        owner[of_t],
        ignored,
        _in_picture("truth_2d", given, truth, of_t, view, proximity),
        predicted,
        owner[of_p],
        _in_picture("predicted_2d", given, predicted, of_p, view, proximity),
        scores,
        near,
    )
    return _canonical(boxes, [str(image) for _, image in number]) if canonical else boxes


def _canonical(boxes: Boxes, images: list[str]) -> Boxes:
    by_name = np.lexsort((np.array(images), boxes.category)) if images else np.zeros(0, dtype=np.intp)
    renumber = np.zeros(len(by_name), dtype=np.intp)
    renumber[by_name] = np.arange(len(by_name))
    of_t, of_p = renumber[boxes.truth_question], renumber[boxes.predicted_question]
    t = np.lexsort((*boxes.truth_2d.T, *boxes.ignored.T, *boxes.truth.T, of_t))
    p = np.lexsort((*boxes.predicted_2d.T, *boxes.predicted.T, -boxes.scores, of_p))
    return boxes._replace(
        category=boxes.category[by_name],
        proximity=boxes.proximity[by_name],
        truth=boxes.truth[t],
        truth_question=of_t[t],
        ignored=boxes.ignored[t],
        truth_2d=boxes.truth_2d[t],
        predicted=boxes.predicted[p],
        predicted_question=of_p[p],
        predicted_2d=boxes.predicted_2d[p],
        scores=boxes.scores[p],
    )


def _ignored(given: list[Question], truth: Floats, of: Ints, view: Floats, rules: Rules) -> Bools:
    """Which truths (G,) nobody has to find, at whatever depth: as the question says, or by size and projection."""
    vertices, image_height = corners(truth), view[of, 5]
    let_go: Bools = (truth[:, 3:6] <= 0).any(1) | (truth[:, 2] > 1e8)
    if rules.behind:
        let_go |= (vertices[..., 2] <= 0).any(1)
    with np.errstate(all="ignore"):  # corners in the camera plane project to infinity
        if rules.clipped:
            whole, shown = (_projection(vertices, view[of], clip=clip) for clip in (False, True))
            high = shown[:, 3] - shown[:, 1]
            let_go |= 1 - _area(shown) / _area(whole) >= rules.truncation
        else:
            high = view[of, 1] * np.ptp(vertices[..., 1] / vertices[..., 2], axis=1)
    let_go |= (high <= rules.lowest * image_height) | (high >= rules.highest * image_height)
    told, count = [q.get("ignored") for q in given], np.bincount(of, minlength=len(given))
    first = np.cumsum(count) - count
    for i, flags in enumerate(told):
        if flags is not None:
            if len(flags) != count[i]:
                raise DataError(f"questions[{i}].ignored: expected {count[i]} of them, got {len(flags)}")
            let_go[first[i] : first[i] + count[i]] = flags
    return let_go


def _in_picture(
    field: Literal["truth_2d", "predicted_2d"],
    given: list[Question],
    boxes: Floats,
    of: Ints,
    view: Floats,
    proximity: Bools,
) -> Floats:
    """Rectangles (n, 4) of boxes (n, 9) in the picture, as given or as projected; NaN where nobody asks for them."""
    result = np.full((len(boxes), 4), np.nan)
    asked = np.flatnonzero(proximity[of])
    if not asked.size:
        return result
    with np.errstate(all="ignore"):
        result[asked] = _projection(corners(boxes[asked]), view[of[asked]], clip=True)
    count = np.bincount(of, minlength=len(given))
    first = np.cumsum(count) - count
    for i in np.flatnonzero(proximity & (count > 0)):
        if (rows := given[i].get(field)) is not None:
            result[first[i] : first[i] + count[i]] = _numbers(int(i), field, rows, (-1, 4), finite=False)
        elif np.isnan(view[i]).any():
            raise DataError(f"questions[{i}]: expected camera and size of the image, for the proximity test")
    return result


def _projection(vertices: Floats, view: Floats, *, clip: bool) -> Floats:
    """Rectangles (n, 4) around what of vertices (n, 8, 3) lies before the camera; `clip` to the image (NaN: none)."""
    fx, fy, cx, cy, width, height = view.T[..., None]
    before = vertices[..., 2] > 0
    u, v = (fx * vertices[..., 0] / vertices[..., 2] + cx, fy * vertices[..., 1] / vertices[..., 2] + cy)
    low = (np.where(before, pixels, np.inf).min(1) for pixels in (u, v))
    high = (np.where(before, pixels, -np.inf).max(1) for pixels in (u, v))
    rectangle = np.stack([*low, *high], axis=1)
    if clip:
        rectangle = np.clip(rectangle, 0, np.stack([width[:, 0], height[:, 0]] * 2, axis=1))
    return rectangle


def _area(rectangles: Floats) -> Floats:
    x0, y0, x1, y1 = rectangles.T
    area: Floats = np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0)
    return area


def _view(question: Question) -> tuple[float, ...]:
    camera, size = question.get("camera"), question.get("size")
    return (np.nan,) * 6 if camera is None or size is None else (*camera, *size)


def _rows(field: str, values: list[Any], width: int, *, finite: bool = True) -> tuple[Floats, Ints]:
    """Rows (n, width) of all questions, and the question (n,) that each is of."""
    listed = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    rows = list(chain.from_iterable(listed))
    try:
        whole = not any(len(row) != width for row in rows)
        array: Floats = np.fromiter(chain.from_iterable(rows), dtype=np.float64).reshape(-1, width)
        whole = whole and (not finite or bool(np.isfinite(array).all()))
    except (ValueError, TypeError):
        whole = False
    if not whole:  # one by one, to say which it is
        array = np.concatenate([_numbers(i, field, value, (-1, width), finite) for i, value in enumerate(values)])
    return array, np.repeat(np.arange(len(values)), list(map(len, listed)))


def _scores(values: list[ArrayLike | None], of: Ints) -> Floats:
    if all(value is None for value in values):
        return np.ones(len(of))
    count = np.bincount(of, minlength=len(values))
    return np.concatenate(
        [np.ones(count[i]) if v is None else _numbers(i, "scores", v, (count[i],)) for i, v in enumerate(values)]
    )


def _numbers(i: int, field: str, value: ArrayLike, shape: tuple[int, ...], finite: bool = True) -> Floats:
    array = np.asarray(value, dtype=float)
    array = array if array.size else array.reshape(0, *shape[1:])
    if array.ndim != len(shape) or array.shape[-1] != shape[-1]:
        wanted = f"{'n x ' * (len(shape) - 1)}{shape[-1]}"
        raise DataError(f"questions[{i}].{field}: expected {wanted} numbers, got an array of shape {array.shape}")
    if finite and not np.isfinite(array).all():
        raise DataError(f"questions[{i}].{field}: expected finite numbers")
    return array
