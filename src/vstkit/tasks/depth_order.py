"""Depth questions about the order of two to six objects: written out, as boxes in JSON, or picked among orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vstkit.chance import Chance
from vstkit.evidence import Seen
from vstkit.tasks import references
from vstkit.tasks.asking import Asking
from vstkit.tasks.depth_measures import (
    BOXES,
    MIN_GAP,
    MIN_RATIO,
    TOLD,
    Measures,
    facts,
    margin,
    measures,
    pools,
)
from vstkit.tasks.references import FORMS, LETTERS, PATCH, Describe, described, listed
from vstkit.tasks.samples import Turn

MOST, MOST_TO_PICK = 6, 4  # objects in one order; four long orders beside each other are hard to read
DRAWS = 4  # looked at for each object wanted
DIRECTIONS = ("near-to-far", "far-to-near")


def order(
    ask: Asking,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """The order by depth, as a numbered list or, of boxes, as JSON."""
    describe = described(ask.sight, TOLD)
    for chance, form, group, held in _groups(ask, forms, min_gap, min_ratio, describe, MOST, lettered=True):
        direction = chance.choice(DIRECTIONS)
        reply = chance.choice(("list", "json")) if form in BOXES else "list"
        referred = references.refer(form, group, chance, ask.sight.view, lettered=True, patch=patch, describe=describe)
        ranks = _sorted(held, direction)
        names, ops, flip_safe = [referred.names[i] for i in ranks], referred.ops, referred.flip_safe
        if reply == "list":
            said = "\n".join(f"{n}. {name}" for n, name in enumerate(names, 1))
        else:
            places, resized = references.written("text-box", group, ask.sight.view, patch)
            said = _in_json([places[i] for i in ranks], [group[i].object.label for i in ranks])
            ops = [op for op in ops if op["op"] == "mark"] + resized
            flip_safe = False
        told, _ = ask.words(f"direction.{direction}", chance)
        text, template = ask.words(f"order.{reply}", chance, names=listed(referred.phrases, "and"), order=told)
        meta = {**facts(ask.sight, form, group, held), "direction": direction, "reply": reply}
        answer = {"type": "order", "value": names}
        yield ask.sample([Turn(text, said, answer)], template=template, meta=meta, ops=ops, flip_safe=flip_safe)


def order_choice(
    ask: Asking,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """The order by depth, picked among two or four of them by its letter."""
    describe = described(ask.sight, TOLD)
    # Points in colours: letters would be taken for those of the options.
    for chance, form, group, held in _groups(ask, forms, min_gap, min_ratio, describe, MOST_TO_PICK, lettered=False):
        direction = chance.choice(DIRECTIONS)
        referred = references.refer(form, group, chance, ask.sight.view, patch=patch, describe=describe)
        right = tuple(_sorted(held, direction))
        orders = chance.shuffled(others(right, chance))
        options = {
            letter: ", then ".join(referred.names[i] for i in one) for letter, one in zip(LETTERS, orders, strict=False)
        }
        told, _ = ask.words(f"direction.{direction}", chance)
        lines = "\n".join(f"{letter}. {names}" for letter, names in options.items())
        text, template = ask.words(
            "order.letter", chance, names=listed(referred.phrases, "and"), order=told, options=lines
        )
        letter = LETTERS[orders.index(right)]
        meta = {**facts(ask.sight, form, group, held), "direction": direction, "reply": "letter"}
        yield ask.sample(
            [Turn(text, letter, {"type": "choice", "value": letter, "options": options})],
            template=template, meta=meta, ops=referred.ops, flip_safe=referred.flip_safe,
        )  # fmt: skip


def others(right: tuple[int, ...], chance: Chance) -> list[tuple[int, ...]]:
    """The right order and, of three or more, three others: orders of which each may be made of any one.

    One has two neighbours swapped, one begins with the last, one is reversed. Which of the four is the right one is
    left to chance; were the others always made of it, it would be the one that is most like all others.
    """
    n = len(right)
    same = tuple(range(n))
    i = chance.below(n - 1)
    swapped = (*same[:i], i + 1, i, *same[i + 2 :])
    made = [same, swapped] if n == 2 else [same, swapped, (n - 1, *same[:-1]), same[::-1]]
    back = chance.choice(made)
    first = [right[back.index(place)] for place in same]
    return [tuple(first[place] for place in one) for one in made]


def _groups(
    ask: Asking,
    forms: Sequence[str],
    min_gap: float,
    min_ratio: float,
    describe: Describe,
    most: int,
    *,
    lettered: bool,
) -> Iterator[tuple[Chance, str, list[Seen], list[Measures]]]:
    """Groups of which any two are clearly apart in depth and on the picture, in an order that says nothing."""
    pool_of = pools(ask, forms, describe)
    usable = [form for form in forms if form in pool_of]
    clear = margin(ask.sight, min_gap, min_ratio)
    for chance in ask.attempts() if usable else ():
        form = chance.choice(usable)
        pool = pool_of[form]
        wanted = 2 + chance.below(min(most, len(pool)) - 1)
        taken = chance.shuffled(_apart(ask, form, pool, wanted, chance, clear, lettered))
        if len(taken) < 2:
            ask.drop("no two clearly apart")
        elif ask.fresh(form, taken):
            yield chance, form, taken, [measures(form, s, ask.sight.view, lettered=lettered) for s in taken]


def _apart(
    ask: Asking,
    form: str,
    pool: Sequence[Seen],
    wanted: int,
    chance: Chance,
    clear: Callable[[Measures, Measures], bool],
    lettered: bool,
) -> list[Seen]:
    """Up to `wanted` objects: each that is drawn is taken if it stands clear of those before."""
    taken: list[tuple[Seen, Measures]] = []
    for _ in range(DRAWS * wanted):
        seen = chance.choice(pool)
        held = measures(form, seen, ask.sight.view, lettered=lettered)
        if all(
            clear(min(held, other), max(held, other)) and references.distinct(form, [seen, one], ask.sight.view)
            for one, other in taken
        ):
            taken.append((seen, held))
            if len(taken) == wanted:
                break
    return [seen for seen, _ in taken]


def _sorted(held: Sequence[Measures], direction: str) -> list[int]:
    return sorted(range(len(held)), key=lambda i: held[i], reverse=direction == "far-to-near")


def _in_json(places: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    entries = [
        "\t" + json.dumps({"bbox_2d": list(place), "label": label}, ensure_ascii=False)
        for place, label in zip(places, labels, strict=True)
    ]
    return "```json\n[\n" + ",\n".join(entries) + "\n]\n```"
