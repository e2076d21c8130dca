"""A mixture of sources of samples: how much of each, which of them, and in what order, drawn from the seed alone.

Sources are read twice: to count them, then to draw. So the counts are exact, every part of the mixture has the shares
that the whole has, and all sources end together; no source is held but for a window of it, in which it is shuffled.
"""

from __future__ import annotations

import glob
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

import orjson
from msgspec import UNSET, Meta, Struct, UnsetType

from vstkit.chance import Chance
from vstkit.errors import DataError, UsageError, at
from vstkit.lineio import Record, decode, lines
from vstkit.tasks import leaks
from vstkit.validation import parse

Share = float | str  # a number, or a fraction as it is written: 1/3
RECORDS = "records"
Find = Callable[[str], Iterable[Record]]
Read = Callable[..., Iterable[Record]]


class Source(Struct, forbid_unknown_fields=True):
    """Files or patterns of files, all of one format: sample records, or what `ingest` reads.

    `repeat` is how often each sample comes, 1/3 for a third of them; `cap` the most that are taken; `weight` the share
    in the mixture; `window` how many samples are held to be shuffled. `images` and `write` are those of `ingest`.
    """

    rules: ClassVar[Mapping[tuple[str, ...], Callable[..., str]]] = {}

    files: str | list[str]
    format: str = RECORDS
    repeat: Share = 1
    cap: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    weight: Share | UnsetType = UNSET
    window: Annotated[int, Meta(ge=1)] = 10_000
    images: str | UnsetType = UNSET
    write: str | UnsetType = UNSET


class Recipe(Struct, forbid_unknown_fields=True):
    """Sources by name."""

    rules: ClassVar[Mapping[tuple[str, ...], Callable[..., str]]] = {}

    sources: dict[str, Source]


class Part(Struct):
    """A source as it goes into a mixture: `take` samples out of files that hold `count` a file."""

    name: str
    source: Source
    files: dict[str, int]
    take: int = 0

    @property
    def count(self) -> int:
        return sum(self.files.values())


class Mixture:
    """Draws units of recipes; `names` are the sources drawn from, and `left_out` counts what no mixture takes.

    `exclude` are families as `tasks.leaks` loads them; the first `skip` units are passed over.
    """

    def __init__(self, *, seed: int = 0, skip: int = 0, exclude: frozenset[str] = frozenset()) -> None:
        self._seed, self._skip, self._exclude = seed, skip, exclude
        self.names: list[str] = []
        self.left_out: Counter[str] = Counter()

    def units(self, path: str) -> Iterator[Record]:
        """Units of the mixture that the recipe at `path` describes, for `taken`. Raises DataError."""
        with at(path):
            parts = self.plan(read_recipe(path))
        self.names += [part.name for part in parts]
        yield from islice(self._drawn(parts), self._skip, None)

    def plan(self, recipe: Recipe) -> list[Part]:
        """How much of each source goes in: all that `repeat` and `cap` allow, or by `weight`, as much as fits.

        Counts every source. Raises DataError, with the field, for a recipe that cannot be followed.
        """
        parts = []
        for name, source in recipe.sources.items():
            with at(f"sources.{name}"):
                files = {file: sum(1 for _ in self._read(source, file, self.left_out)) for file in _files(source)}
                part = Part(name, source, files)
                part.take = int(_fraction(source.repeat, "repeat") * part.count)
                if source.cap is not UNSET:
                    part.take = min(part.take, source.cap)
                parts.append(part)
        weighted = {part.name: part.source.weight for part in parts if part.source.weight is not UNSET}
        if weighted:
            _weigh(parts, {name: _fraction(weight, f"sources.{name}.weight") for name, weight in weighted.items()})
        return parts

    def _drawn(self, parts: list[Part]) -> Iterator[Record]:
        """Every order in which the sources can be interleaved is as likely as any other."""
        chance = Chance(self._seed, "mix")
        streams = {part.name: self._stream(part) for part in parts}
        left = {part.name: part.take for part in parts}
        for total in range(sum(left.values()), 0, -1):
            name = _of(chance.below(total), left)
            left[name] -= 1
            yield next(streams[name])

    def _stream(self, part: Part) -> Iterator[Record]:
        """Each sample once before any comes twice; of the last time, as many as are wanted, drawn from all."""
        whole, rest = divmod(part.take, max(part.count, 1))
        for time in range(whole + bool(rest)):
            chance = Chance(self._seed, "mix", part.name, time)
            wanted = part.count if time < whole else rest
            yield from _shuffled(self._chosen(part, wanted, chance), part.source.window, chance)

    def _chosen(self, part: Part, wanted: int, chance: Chance) -> Iterator[Record]:
        """`wanted` of all samples, any as likely as another, as they come (Knuth 3.4.2, algorithm S)."""
        left = part.count
        for file in chance.shuffled(part.files):
            found = 0
            for unit in self._read(part.source, file, Counter()):
                if not wanted:
                    return
                if wanted == left or chance.below(left) < wanted:
                    wanted -= 1
                    yield {**unit, "source": part.name}
                left, found = left - 1, found + 1
            if found != part.files[file]:
                raise DataError(f"{file}: expected {part.files[file]} samples, as counted at the start, got {found}")

    def _read(self, source: Source, file: str, left_out: Counter[str]) -> Iterator[Record]:
        given = {name: value for name in ("images", "write") if (value := getattr(source, name)) is not UNSET}
        if source.format == RECORDS:
            if given:
                raise DataError(f"{next(iter(given))}: expected it beside the format of a file, which records have not")
            yield from _records(file, self._exclude, left_out)
            return
        find, _ = _reader(source.format, ".", *given.items())
        for unit in find(file):
            yield {"kind": "unit", "id": unit["id"], "unit": unit, "format": source.format, "given": given}


def taken(unit: Record, tally: Counter[str], *, root: str = ".") -> Iterator[Record]:
    """The sample of a unit, counted by its source; raises DataError for a line that is none, with its place."""
    if "fault" in unit:
        raise DataError(f"{unit['id']}: {unit['fault']}")
    if "record" in unit:
        yield unit["record"]
    else:
        _, read = _reader(unit["format"], root, *unit["given"].items())
        yield from read(unit["unit"], Counter())
    tally[unit["source"]] += 1


def read_recipe(path: str) -> Recipe:
    """A recipe in YAML or TOML. Raises DataError for a file that is none, and UsageError where PyYAML is missing."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError("no such file") from None
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(e.strerror or str(e) if isinstance(e, OSError) else "expected UTF-8") from None
    recipe = parse(_toml(text) if Path(path).suffix == ".toml" else _yaml(text), Recipe)
    if not recipe.sources:
        raise DataError("sources: expected one or more, got none")
    return recipe


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise DataError(f"not TOML: {e}") from None


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UsageError("recipes in YAML need PyYAML: pip install pyyaml, or write TOML") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise DataError(f"not YAML: {' '.join(str(e).split())}") from None


def _fraction(value: Share, field: str) -> Fraction:
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise DataError(f"{field}: expected a number or a fraction such as 1/3, got {value!r}") from None
    if found < 0:
        raise DataError(f"{field}: expected 0 or more, got {value}")
    return found


def _weigh(parts: list[Part], weights: Mapping[str, Fraction]) -> None:
    if missing := [part.name for part in parts if part.name not in weights]:
        raise DataError(f"sources.{missing[0]}.weight: missing, where other sources have one")
    if empty := [part.name for part in parts if weights[part.name] and not part.take]:
        raise DataError(f"sources.{empty[0]}: expected samples to give its weight, got none")
    scales = [Fraction(part.take) / weights[part.name] for part in parts if weights[part.name]]
    for part in parts:
        part.take = int(weights[part.name] * min(scales, default=Fraction()))


def _files(source: Source) -> list[str]:
    """The files that patterns name, sorted, each once. Raises DataError for one that names none."""
    found: list[str] = []
    for pattern in [source.files] if isinstance(source.files, str) else source.files:
        if pattern == "-":
            raise DataError("files: expected files, which are read twice, got standard input")
        named = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
        if not named:
            raise DataError(f"files: nothing fits {pattern!r}")
        found += named
    return list(dict.fromkeys(found))


def _records(file: str, exclude: frozenset[str], left_out: Counter[str]) -> Iterator[Record]:
    """A unit for each sample of a file of records, and for each line that is no record."""
    for name, number, raw in lines([file]):
        unit: Record = {"kind": "unit", "id": f"{name}:{number}"}
        try:
            record = decode(raw)
        except DataError as e:
            yield {**unit, "fault": str(e)}
            continue
        if record["kind"] != "sample":
            left_out[f"{record['kind']} records"] += 1
        elif exclude and leaks.holds(exclude, record):
            left_out["of excluded families"] += 1
        else:
            # A window of lines takes a fifth of what a window of records takes.
            yield {**unit, "record": orjson.Fragment(raw)}


@lru_cache
def _reader(layout: str, root: str, *given: tuple[str, str]) -> tuple[Find, Read]:
    from vstkit.datasets import CONVERSATIONS
    from vstkit.datasets.opening import opened

    if layout not in CONVERSATIONS:
        raise DataError(f"format: expected one of {', '.join([RECORDS, *CONVERSATIONS])}, got {layout}")
    find, read = opened(layout, root, dict(given))
    return cast(Find, find), read


def _of(ticket: int, left: Mapping[str, int]) -> str:
    """The name that holds a ticket, of as many as each has left."""
    for name, count in left.items():
        if ticket < count:
            return name
        ticket -= count
    raise ValueError(f"expected a ticket below {sum(left.values())}")


def _shuffled(units: Iterator[Record], window: int, chance: Chance) -> Iterator[Record]:
    held: list[Record] = []
    for unit in units:
        if len(held) < window:
            held.append(unit)
        else:
            i = chance.below(window)
            yield held[i]
            held[i] = unit
    yield from chance.shuffled(held)
