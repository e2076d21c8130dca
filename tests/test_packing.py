"""Packing: streaming, the same every time, full, balanced, and nothing lost."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from support import run
from vstkit.errors import DataError
from vstkit.models.chat import Chat
from vstkit.packing import Sized, cost, measure, pack, pack_record
from vstkit.training.data import Packs
from vstkit.turns import THINKING_PROMPT


def sized(lengths: list[int]) -> list[Sized]:
    return [Sized({"kind": "sample", "id": f"s{i}"}, n, n // 4) for i, n in enumerate(lengths)]


def ids(groups: list[list[Sized]]) -> list[str]:
    return sorted(item.sample["id"] for group in groups for item in group)


def mixture(n: int, seed: int = 0) -> list[int]:
    """Token counts like those of VST-P: 64.8 % single images, 33.1 % several, 2.1 % video."""
    rng = random.Random(seed)
    draws = {
        "single": lambda: min(max(rng.lognormvariate(6.48, 0.4), 300), 1500),
        "multi": lambda: min(max(rng.lognormvariate(8.0, 0.4), 1500), 6000),
        "video": lambda: rng.uniform(4000, 14000),
    }
    return [round(draws[kind]()) for kind in rng.choices(list(draws), [64.8, 33.1, 2.1], k=n)]


def test_packs_of_the_vst_mixture_are_full() -> None:
    lengths = mixture(50_000)
    packs = list(pack(sized(lengths), 16384, global_batch=128))
    assert ids(packs) == ids([sized(lengths)])
    assert sum(lengths) / (16384 * len(packs)) > 0.997


def test_packs_that_are_worked_on_together_cost_alike() -> None:
    packs = list(pack(sized(mixture(20_000)), 16384, global_batch=128))
    costs = [cost(group) for group in packs]
    steps = [costs[start : start + 128] for start in range(0, len(costs) - 127, 128)]
    together = [step[start : start + 8] for step in steps for start in range(0, 128, 8)]
    shuffled = random.Random(0).sample(costs, len(costs))
    by_lot = [shuffled[start : start + 8] for start in range(0, len(costs) - 7, 8)]
    assert waited(together) < 0.15 * waited(by_lot)
    totals = [sum(step) for step in steps]
    assert max(totals) < 1.1 * min(totals)


def waited(rounds: list[list[int]]) -> float:
    """Share of the time that processes wait for the slowest."""
    return sum(max(costs) * len(costs) - sum(costs) for costs in rounds) / sum(map(sum, rounds))


def test_packing_streams_and_repeats_itself() -> None:
    samples = sized([random.Random(i).randrange(1, 50) for i in range(1000)])
    read = 0

    def counted() -> Iterator[Sized]:
        nonlocal read
        for item in samples:
            read += 1
            yield item

    stream = pack(counted(), 100, buffer=50, seed=3)
    first = next(stream)
    assert read == 50
    held = read
    whole = [first]
    for group in stream:
        whole.append(group)
        held = max(held, read - sum(map(len, whole)))
    assert held <= 50
    assert ids(whole) == ids([samples])
    assert whole == list(pack(samples, 100, buffer=50, seed=3))
    other = list(pack(samples, 100, buffer=50, seed=4))
    assert other != whole
    assert sorted(map(pack_id, other)) == sorted(map(pack_id, whole))


def test_no_more_is_held_than_the_buffer_and_packs_for_a_step() -> None:
    read = left = held = 0

    def counted() -> Iterator[Sized]:
        nonlocal read
        for item in sized([random.Random(i).randrange(20, 50) for i in range(3000)]):
            read += 1
            yield item

    for group in pack(counted(), 100, buffer=60, global_batch=8, divisible=8):
        left += len(group)
        held = max(held, read - left)
    assert held <= 60 + 5 * (8 + 8)


def pack_id(group: list[Sized]) -> str:
    return str(pack_record(group, "m")["id"])


def test_full_and_empty_packs_leave_mixed() -> None:
    lengths = [60] * 50 + [10] * 50  # best-fit decreasing alone would give full packs first
    totals = [sum(item.length for item in group) for group in pack(sized(lengths), 100)]
    assert totals != sorted(totals, reverse=True)


@given(st.lists(st.integers(1, 100), max_size=80), st.integers(1, 9), st.integers(1, 9), st.integers(1, 40))
def test_the_number_of_packs_is_a_multiple(lengths: list[int], divisible: int, step: int, buffer: int) -> None:
    over: list[Sized] = []
    samples = sized(lengths)
    settings: dict[str, Any] = {"buffer": buffer, "global_batch": step, "divisible": divisible}
    packs = list(pack(samples, 100, **settings, leave_out=over.append))
    assert len(packs) % divisible == 0
    assert all(0 < sum(item.length for item in group) <= 100 for group in packs)
    assert ids([*packs, over]) == ids([samples])
    if over:  # only where the last packs hold too few samples to part
        assert len(over) < divisible


def test_too_few_samples_for_one_multiple_are_left_out() -> None:
    over: list[Sized] = []
    assert list(pack(sized([60, 60, 60]), 100, divisible=4, leave_out=over.append)) == []
    assert ids([over]) == ["s0", "s1", "s2"]
    assert len(list(pack(sized([20] * 8), 100, divisible=4, leave_out=over.append))) == 4
    assert len(over) == 3
    packs = list(pack(sized([60] * 5 + [10] * 3), 100, divisible=8))
    assert sorted(map(len, packs)) == [1] * 8
    over.clear()
    packs = list(pack(sized([60] * 5 + [30]), 100, divisible=4, leave_out=over.append))
    assert (len(packs), [item.length for item in over]) == (4, [60])


def talk(*turns: str, name: str = "s") -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[n % 2], "content": words} for n, words in enumerate(turns)]
    return {"kind": "sample", "id": name, "messages": messages}


def test_samples_are_measured_whole() -> None:
    record = talk("Where?", "here")
    tally: Counter[str] = Counter()
    folder = str(tiny.model())
    chat = Chat(folder)
    (item,) = measure(record, tally, model=folder)
    assert item == Sized(record, chat.encode(record).length, len(chat.tokenizer.encode("here").ids) + 1)
    with pytest.raises(DataError, match=r"^messages\[0\]\.role: expected one of system"):
        list(measure({**record, "messages": [{"role": "me", "content": ""}]}, tally, model=folder))
    with pytest.raises(ValueError, match="from 0 to 10"):
        list(pack(sized([5, 11]), 10))


def test_long_conversations_are_split_and_counted() -> None:
    record = talk(*["How far away is the chair?", "Two metres."] * 6)
    folder = str(tiny.model())
    tally: Counter[str] = Counter()
    (whole,) = measure(record, tally, model=folder)
    pieces = list(measure(record, tally, model=folder, split_over=whole.length // 2))
    assert tally == {"split": 1}
    assert len(pieces) > 1
    assert all(item.length <= whole.length // 2 for item in pieces)
    assert sum(item.targets for item in pieces) == whole.targets
    assert list(measure(record, tally, model=folder, split_over=whole.length)) == [whole]


def test_samples_that_think_are_measured_with_the_prompt() -> None:
    record = talk("Where?", "<think>so</think> here")
    folder = str(tiny.model())
    (plain,) = measure(record, Counter(), model=folder)
    (prompted,) = measure(record, Counter(), model=folder, thinking=True)
    assert prompted.sample["messages"][0] == {"role": "system", "content": THINKING_PROMPT}
    assert prompted.length == Chat(folder).encode(prompted.sample).length > plain.length
    assert prompted.targets == plain.targets


def test_the_record_adds_up() -> None:
    group = sized([8, 12])
    record = pack_record(group, "abc")
    assert record == {
        "kind": "pack",
        "id": record["id"],
        "length": 20,
        "targets": 5,
        "squares": 208,
        "model": "abc",
        "samples": [{"kind": "sample", "id": "s0"}, {"kind": "sample", "id": "s1"}],
    }
    assert record["id"] == pack_record(group, "other")["id"] != pack_record(group[:1], "abc")["id"]


@pytest.mark.parametrize("cause", ["tokenizer", "template", "image rule", "weights"])
def test_training_refuses_packs_of_another_tokenizer_or_image_rule(tmp_path: Path, cause: str) -> None:
    folder = shutil.copytree(tiny.model(), tmp_path / "model")
    if cause == "tokenizer":
        source = json.loads((folder / "tokenizer.json").read_text())
        source["model"]["merges"].pop()
        (folder / "tokenizer.json").write_text(json.dumps(source))
    elif cause == "template":
        (folder / "chat_template.jinja").write_text((folder / "chat_template.jinja").read_text() + "{# #}")
    elif cause == "image rule":
        rule = json.loads((folder / "preprocessor_config.json").read_text())
        (folder / "preprocessor_config.json").write_text(json.dumps({**rule, "max_pixels": 99 * 28 * 28}))
    else:
        (folder / "model.safetensors").write_bytes(b"")
    packs = tmp_path / "packs.jsonl"
    item = Sized(talk("Where?", "here"), 8, 2)
    packs.write_text(json.dumps(pack_record([item], Chat(tiny.model()).fingerprint)) + "\n")
    if cause == "weights":
        assert len(Packs([str(packs)], Chat(folder).fingerprint)) == 1
    else:
        with pytest.raises(DataError, match=r"packs\.jsonl:1: model: packed for .*pack again"):
            Packs([str(packs)], Chat(folder).fingerprint)


def test_the_command_leaves_out_what_is_too_long_and_says_so(tmp_path: Path) -> None:
    records = [talk("Where?", "here", name=f"s{n}") for n in range(6)]
    records += [talk("Where? " * 40, "here", name="long"), talk(*["Where is it now?", "there"] * 6, name="talk")]
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    model = str(tiny.model())
    rejects = tmp_path / "rejects.jsonl"
    common = ["pack", "--model", model, "--length", "60", "--rejects", rejects]

    process = run(*common, stdin=lines)
    assert process.returncode == 0, process.stderr
    packed = [sample["id"] for line in process.stdout.splitlines() for sample in json.loads(line)["samples"]]
    assert sorted(packed) == [f"s{n}" for n in range(6)]
    lengths = {r["id"]: Chat(model).encode(r).length for r in records[-2:]}
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert {r["id"]: r["error"] for r in told} == {
        name: f"messages: {n} tokens, more than the 60 of a pack" for name, n in lengths.items()
    }
    assert told[0]["record"] == records[-2]
    assert b"left out: too long 2" in process.stderr

    outputs = set()
    for jobs in ("1", "2"):
        split = run(*common, "--overlong", "split-turns", "--divisible", "4", "-j", jobs, stdin=lines)
        assert split.returncode == 0, split.stderr
        packs = [json.loads(line) for line in split.stdout.splitlines()]
        assert len(packs) % 4 == 0
        packed = [sample["id"] for record in packs for sample in record["samples"]]
        assert {name.split("/")[0] for name in packed} == {*(f"s{n}" for n in range(6)), "talk"}
        assert [json.loads(line)["id"] for line in rejects.read_text().splitlines()] == ["long"]
        assert b"1 split; left out: too long 1" in split.stderr
        outputs.add(split.stdout)
    assert len(outputs) == 1
