"""The frame of every generator: views, tasks, how many questions, which are kept, and the count of the rest.

A task is a function that gets an `Asking` and yields samples which it makes with it:

    def nearest(ask: Asking, *, min_gap: float) -> Iterator[Sample]:
        for chance in ask.attempts():           # each is a candidate: it ends in a sample or in a drop
            group = chance.sample(pool, 3)
            if not ask.fresh("nearest", group):
                continue
            if not clear(group, min_gap):
                ask.drop("no clear nearest")
                continue
            text, template = ask.words("nearest.name", chance, names=...)
            yield ask.sample([Turn(text, reply, answer)], template=template, meta={...})
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import evidence, images
from vstkit.chance import Chance, digest
from vstkit.errors import UsageError
from vstkit.evidence import Seen
from vstkit.naming import distinct_names
from vstkit.records import Scene, View
from vstkit.tasks import leaks
from vstkit.tasks.common import NOTE, askable
from vstkit.tasks.samples import Turn, sample
from vstkit.tasks.templates import Texts, load
from vstkit.validation import parse

T = TypeVar("T")
Sample = dict[str, Any]
Task = Callable[["Asking"], Iterable[Sample]]

TRIES = 4  # candidates looked at for each question wanted
SPARE = 4  # with --balance: samples made for each one kept


@dataclass(frozen=True, eq=False)
class Sight:
    """One view of a scene as a generator sees it.

    `read` reads its maps. `present` is every object of the scene, in its order; `asked` are those that a question may
    be about.
    """

    record: dict[str, Any]
    scene: Scene
    index: int
    root: str
    read: images.Read
    present: list[Seen]
    asked: list[Seen]
    noted: set[str] = field(default_factory=set)

    @property
    def view(self) -> View:
        return self.scene.views[self.index]

    @property
    def metric(self) -> bool:
        """Whether lengths are metres; else depth and sizes are right up to scale, or in their order, only."""
        return self.scene.metric and (self.view.depth is UNSET or self.view.depth.kind != "mono-relative")

    @cached_property
    def named(self) -> frozenset[str]:
        """Ids of the objects that their bare label names."""
        return frozenset(s.object.id for s in distinct_names(self.present, self.present))

    @cached_property
    def up(self) -> NDArray[np.float64] | None:
        """Unit vector against gravity in the view's camera axes, if it is known."""
        if self.scene.up is UNSET:
            return None
        pose = np.eye(4) if self.view.pose is UNSET else np.asarray(self.view.pose)
        up: NDArray[np.float64] = pose[:3, :3].T @ np.asarray(self.scene.up)
        return up


class Asking:
    """One task's questions about one view: its chances, its words, its samples, and the count of what it drops."""

    def __init__(
        self, sight: Sight, command: str, task: str, texts: Texts, tally: Counter[str], seed: int, wanted: int
    ) -> None:
        self.sight, self.wanted, self.made = sight, wanted, 0
        self._command, self._task, self._texts, self._tally, self._seed = command, task, texts, tally, seed
        self._asked: set[tuple[object, ...]] = set()
        self._fair = 0

    def chance(self, *parts: object) -> Chance:
        """Choices that belong to this task, view and `parts`."""
        return Chance(self._seed, self._command, self._task, self.sight.record["id"], self.sight.index, *parts)

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Candidates, each counted, until as many samples are made as are wanted."""
        for item in items:
            if self.made >= self.wanted:
                return
            self._tally["candidates"] += 1
            yield item

    def attempts(self, tries: int = TRIES) -> Iterator[Chance]:
        """Candidates that chance makes: `tries` for each sample wanted."""
        return self.each(self.chance(attempt) for attempt in range(tries * self.wanted))

    def fresh(self, *about: object) -> bool:
        """Whether this was not asked in the view before; what was is dropped. Objects count in any order."""
        key = tuple(frozenset(s.object.id for s in part) if isinstance(part, list) else part for part in about)
        if key in self._asked:
            self.drop("asked already")
            return False
        self._asked.add(key)
        return True

    def fair(self, usual: bool, share: float) -> bool:
        """Whether to ask a candidate, `usual` if a habit answers it, so that such are a `share` of those asked.

        Which of the two the next one has to be stays until it comes: else the usual ones would come as often as ever.
        """
        want = self.chance("fair", self._fair).below(1 << 32) < share * (1 << 32)
        if usual != want:
            self.drop("a habit would answer it too often")
            return False
        self._fair += 1
        return True

    def drop(self, reason: str) -> None:
        """Count why a candidate makes no sample."""
        self._tally[reason] += 1

    def leave(self, reason: str, count: int = 1) -> None:
        """Count `count` objects that this task cannot ask about."""
        if count:
            self._tally[f"object: {reason}"] += count

    def skip(self, reason: str) -> None:
        """Count why this task asks nothing about the view."""
        self._tally[f"view: {self._task}: {reason}"] += 1

    def note(self, what: str) -> None:
        """Count what the user should know of the view, once for all tasks; the end of the run says it."""
        if what not in self.sight.noted:
            self.sight.noted.add(what)
            self._tally[NOTE + what] += 1

    def words(self, key: str, chance: Chance, **slots: object) -> tuple[str, str]:
        """A text of the templates under `key` with its slots filled, and the template's name."""
        text, name = chance.choice(self._texts[key])
        return text.format(**slots), name

    def sample(
        self,
        turns: Sequence[Turn],
        *,
        template: str,
        meta: Mapping[str, Any],
        ops: Sequence[Mapping[str, Any]] = (),
        flip_safe: bool = False,
    ) -> Sample:
        """The sample of `turns` about the view's image with `ops` added to its recipe; counted as made."""
        self.made += 1
        record, index = self.sight.record, self.sight.index
        return sample(
            command=self._command,
            task=self._task,
            scene=record,
            images=[images.edited(record["views"][index]["image"], *map(dict, ops))],
            turns=turns,
            meta={"view": index, **meta, "template": template, "seed": self._seed},
            flip_safe=flip_safe,
        )


def of(module: str) -> Any:
    """The task module `vstkit.tasks.MODULE`: its COMMAND, TASKS, OPTIONAL, SLOTS and `explain(sample, scene)`."""
    return import_module(f"vstkit.tasks.{module}")


def maker(
    module: str,
    own: Mapping[str, Any] | None = None,
    *,
    tasks: Sequence[str] | None = None,
    templates: str | None = None,
    exclude: str | None = None,
    **frame: Any,
) -> Callable[[dict[str, Any], Counter[str]], Iterator[Sample]]:
    """The generator of a task module as one function of a scene and a tally; it can be sent to other processes.

    `own` are options of its tasks, `frame` those of `generate`. Without `tasks` all but the optional ones are asked.
    Raises UsageError for an unknown task, DataError for a bad file of templates or of scenes to exclude.
    """
    held = of(module)
    if tasks is None:
        tasks = [name for name in held.TASKS if name not in held.OPTIONAL]
    elif not tasks or (unknown := [name for name in tasks if name not in held.TASKS]):
        given = ", ".join(unknown) if tasks else "none"
        raise UsageError(f"--tasks: expected some of {', '.join(held.TASKS)}, got {given}")
    return partial(
        generate,
        command=held.COMMAND,
        tasks={name: partial(task, **(own or {})) for name, task in held.TASKS.items() if name in tasks},
        texts=load(module, held.SLOTS, templates),
        excluded=leaks.load(exclude) if exclude else frozenset(),
        **frame,
    )


def generate(
    record: dict[str, Any],
    tally: Counter[str],
    *,
    command: str,
    tasks: Mapping[str, Task],
    texts: Texts,
    root: str = ".",
    seed: int = 0,
    per_view: int = 4,
    per_scene: int | None = None,
    balance: bool = False,
    excluded: frozenset[str] = frozenset(),
    min_share: float = evidence.MIN_SHARE,
    min_fraction: float = evidence.MIN_FRACTION,
) -> Iterator[Sample]:
    """Up to `per_view` samples of each task about each view, up to `per_scene` in all, spread over the tasks.

    With `balance` several times as many are made, and those are kept that spread the scene's answers evenly. Which are
    kept depends on nothing but the scene and the seed. A scene of an excluded family is left out and counted.
    """
    if leaks.holds(excluded, record):
        tally["scene: of an excluded family"] += 1
        return
    scene = parse(record, Scene)
    wanted = per_view * SPARE if balance else per_view
    made = _all(record, scene, tally, command, tasks, texts, root, seed, wanted, min_share, min_fraction)
    if balance:
        made = _balanced(list(made), per_view, tally)
    if per_scene is not None:
        held = list(made)
        made = iter(_spread(held, per_scene, lambda one: one["task"]))
        tally["over --per-scene"] += max(len(held) - per_scene, 0)
    for one in made:
        tally["samples"] += 1
        yield one


def _all(
    record: dict[str, Any],
    scene: Scene,
    tally: Counter[str],
    command: str,
    tasks: Mapping[str, Task],
    texts: Texts,
    root: str,
    seed: int,
    wanted: int,
    min_share: float,
    min_fraction: float,
) -> Iterator[Sample]:
    for index, read_ahead in enumerate(evidence.ahead(scene, root)):
        read = cache(read_ahead)  # once for evidence and tasks; forgotten with the view
        present = evidence.look(scene, index, root, min_share=min_share, min_fraction=min_fraction, read=read)
        sight = Sight(record, scene, index, root, read, present, askable(present, tally))
        for name, task in tasks.items():
            yield from task(Asking(sight, command, name, texts, tally, seed, wanted))


def _balanced(made: list[Sample], per_view: int, tally: Counter[str]) -> Iterator[Sample]:
    """Of each view's and task's samples `per_view`, and of a task's in the scene those whose answers differ most."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for one in made:
        groups[one["task"]].append(one)
    kept: set[int] = set()
    for group in groups.values():
        views = Counter(one["meta"]["view"] for one in group)
        kept |= {id(one) for one in _spread(group, sum(min(n, per_view) for n in views.values()), answered)}
    tally["out of balance"] += len(made) - len(kept)
    return (one for one in made if id(one) in kept)


def answered(one: Sample) -> str:
    """What a sample's first answer comes down to, less marks: `chair` for `chair (red box)`."""
    answer = one["answer"][0] if isinstance(one["answer"], list) else one["answer"]
    value = answer["options"][answer["value"]] if answer["type"] == "choice" else str(answer["value"])
    return str(value).partition(" (")[0]


def _spread(made: list[Sample], n: int, key: Callable[[Sample], str]) -> list[Sample]:
    """`n` of the samples, from each key's in turn, in their order; within a key the id decides."""
    ranks: Counter[str] = Counter()
    order = []
    for one in sorted(made, key=lambda one: digest(one["id"])):
        order.append((ranks[key(one)], digest(key(one)), one))
        ranks[key(one)] += 1
    kept = {id(one) for *_, one in sorted(order, key=lambda held: held[:2])[:n]}
    return [one for one in made if id(one) in kept]
