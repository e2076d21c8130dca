"""`vstkit ask`: the model here against transformers' own generation, a server that fails, runs that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

import fault_server as fs
import test_teacher
import tiny
from fault_server import FaultServer, Handler, Play
from support import PROGRAM, environment, run
from vstkit.answering import server as remote
from vstkit.answering.local import Local
from vstkit.answering.progress import said
from vstkit.answering.questions import picture_rule, questions
from vstkit.answering.running import Sums, answer
from vstkit.chance import Chance
from vstkit.errors import DataError
from vstkit.lineio import encode
from vstkit.models import loading
from vstkit.models.chat import Chat
from vstkit.models.sampling import Draws, Sampling
from vstkit.models.vision import ImageRule
from vstkit.turns import THINKING_PROMPT
from vstkit.validation import problems

Record = dict[str, Any]
served = test_teacher.served  # the fixture of `transformers serve`
WORDS = "which chair is nearer to the camera than table lamp red box in meters answer letter".split()  # noqa: SIM905
IMAGE, VIDEO = {"type": "image"}, {"type": "video"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose sides are multiples of 28 and 32, so that no model resizes them."""
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(0)
    for name, across, down in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        for step in (56, 64):
            levels = noise.integers(0, 255, (step * down, step * across, 3), dtype=np.uint8)
            Image.fromarray(levels).save(folder / f"{name}{step}.png")
    return folder


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    """Enlarged weights, so that answers differ from sample to sample."""
    import torch

    made = loading.load(tiny_model, device="cpu")
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    return made


def sample(name: str, text: str, images: Iterable[str] = (), **more: Any) -> Record:
    content = [*(IMAGE for _ in images), {"type": "text", "text": text}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "not to be seen"}]
    return {"kind": "sample", "id": name, "images": [*images], "messages": messages, **more}


def many(count: int, step: int = 56) -> list[Record]:
    """Samples of all lengths, with none to three pictures."""
    rng = random.Random(0)
    return [
        sample(
            f"s{i}",
            " ".join(rng.choices(WORDS, k=rng.randint(1, 60))),
            [f"{rng.choice('abc')}{step}.png" for _ in range(rng.randint(0, 3))],
        )
        for i in range(count)
    ]


def asked(records: Iterable[Record], root: Path | str = ".", **options: Any) -> list[Any]:
    return [q for record in records for q in questions(record, Counter(), root=str(root), **options)]


def alone(model: Any, folder: Path, record: Record, root: Path, most: int) -> list[int]:
    """The tokens that transformers makes of one sample, by its own processor and with its own positions."""
    import torch
    from transformers import GenerationConfig

    import real_processor

    images = [Image.open(root / name) for name in record["images"]]
    made = real_processor.encoded(folder, record["messages"][:-1], images, [], generation=True)
    inputs = {name: torch.as_tensor(np.asarray(held)) for name, held in made.items()}
    chat = Chat(folder)
    stops = [chat.stop_id, chat.pad_id]
    settings = GenerationConfig(max_new_tokens=most, do_sample=False, eos_token_id=stops, pad_token_id=chat.pad_id)
    return list(model.generate(**inputs, generation_config=settings)[0, inputs["input_ids"].shape[1] :].tolist())


def tokens(model: Any, folder: Path, records: list[Record], root: Path, most: int, **options: Any) -> list[list[Any]]:
    """The tokens of all draws that the engine makes of each sample."""
    chat = Chat(folder)
    chat.decode = list  # type: ignore[method-assign, assignment]
    engine = Local(lambda: model, chat, str(root), most, **options)
    found = list(engine(iter(asked(records))))
    assert [a.request.id for a in found] == [record["id"] for record in records]
    assert [a.error for a in found] == [""] * len(records)
    assert [a.completion_tokens for a in found] == [sum(len(r.text) for r in a.replies) for a in found]
    return [[reply.text for reply in a.replies] for a in found]


def step_of(folder: Path) -> int:
    return 64 if folder.name == "qwen3_vl" else 56


def same_as_alone(model: Any, folder: Path, root: Path, count: int, most: int) -> None:
    records = many(count, step_of(folder))
    expected = [[alone(model, folder, record, root, most)] for record in records]
    assert len({tuple(made) for (made,) in expected}) > count * 0.9
    for batch_tokens in (1, 400, 1500, 1_000_000):
        assert tokens(model, folder, records, root, most, batch_tokens=batch_tokens) == expected


def test_answers_are_those_of_transformers_one_by_one(tiny_model: Path, model: Any, root: Path) -> None:
    same_as_alone(model, tiny_model, root, 20, 8)


@pytest.mark.slow
def test_answers_to_200_samples_are_those_of_transformers(tiny_model: Path, model: Any, root: Path) -> None:
    same_as_alone(model, tiny_model, root, 200, 24)


def test_the_stop_ends_an_answer(model: Any, tiny_model: Path, root: Path) -> None:
    """Where the third token of one answer is made the stop."""
    records = many(6, step_of(tiny_model))
    before = tokens(model, tiny_model, records, root, 6)
    chat = Chat(tiny_model)
    chat.stop_id = chat.pad_id = before[0][0][2]
    found = list(Local(lambda: model, chat, str(root), 6)(iter(asked(records))))
    for held, (whole,) in zip(found, before, strict=True):
        ends = chat.stop_id in whole
        assert held.replies[0].finish == ("stop" if ends else "length")
        assert held.completion_tokens == (whole.index(chat.stop_id) + 1 if ends else 6)
    assert found[0].completion_tokens <= 3


def test_drawn_answers_do_not_depend_on_the_batch(model: Any, tiny_model: Path, root: Path) -> None:
    records = many(6, step_of(tiny_model))
    options: Record = {"draws": 3, "sampling": Sampling(1.0, 0.9, seed=5)}
    whole = tokens(model, tiny_model, records, root, 6, **options)
    assert whole == tokens(model, tiny_model, records, root, 6, **options, batch_tokens=300)
    assert whole[2:3] == tokens(model, tiny_model, records[2:3], root, 6, **options)
    assert all(len({tuple(draw) for draw in draws}) == 3 for draws in whole)
    other = tokens(model, tiny_model, records, root, 6, draws=3, sampling=Sampling(1.0, 0.9, seed=6))
    assert other != whole


def test_tokens_are_drawn_by_their_probability() -> None:
    import torch

    logits = torch.tensor([2.0, 0.0, 1.0, -1.0])
    count = 4000
    for temperature, top_p in ((1.0, 1.0), (0.5, 1.0), (2.0, 0.7), (1.0, 0.0)):
        draws = Draws(Sampling(temperature, top_p), [Chance(0, "t", i) for i in range(count)])
        scores = draws(None, logits.expand(count, -1))
        assert (scores == 0).sum().item() == count
        found = (scores == 0).float().mean(0).numpy()
        expected = np.exp(logits.double().numpy() / temperature)
        order = np.argsort(-expected)
        ahead = np.cumsum(expected[order] / expected.sum()) - expected[order] / expected.sum()
        expected[order[(ahead >= top_p) & (ahead > 0)]] = 0
        expected /= expected.sum()
        assert np.abs(found - expected).max() < 4 * 0.5 / np.sqrt(count)
        assert (found[expected == 0] == 0).all()


def test_a_batch_that_does_not_fit_is_halved(
    model: Any, tiny_model: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    records = many(7, step_of(tiny_model))
    expected = tokens(model, tiny_model, records, root, 3)
    real = model.generate
    tried = []

    def tight(**given: Any) -> Any:
        tried.append(len(given["input_ids"]))
        if tried[-1] > 2:
            raise torch.OutOfMemoryError("no room\nfor details")
        return real(**given)

    monkeypatch.setattr(model, "generate", tight)
    assert tokens(model, tiny_model, records, root, 3) == expected
    assert sorted(tried) == [1, 2, 2, 2, 3, 4, 7]
    monkeypatch.setattr(model, "generate", lambda **given: tight(input_ids=[0] * 3))
    found = list(Local(lambda: model, Chat(tiny_model), str(root), 3)(iter(asked(records))))
    assert [a.error for a in found] == ["out of memory: no room"] * 7


def test_what_cannot_be_read_keeps_no_other_from_its_answer(model: Any, tiny_model: Path, root: Path) -> None:
    records = many(5, step_of(tiny_model))
    (root / "cut.png").write_bytes((root / "a56.png").read_bytes()[:900])
    bad = [sample("gone", "box", ["gone.png"]), sample("cut", "box", ["cut.png"])]
    mixed = [records[0], bad[0], *records[1:4], bad[1], records[4]]
    found = list(Local(lambda: model, Chat(tiny_model), str(root), 3)(iter(asked(mixed))))
    assert [a.request.id for a in found] == [record["id"] for record in mixed]
    assert [bool(a.error) for a in found] == [record in bad for record in mixed]
    assert found[1].error.startswith("images[0]: gone.png: no such file")
    assert found[5].error.startswith("images[0]: cut.png: cannot be read")


def test_a_film_is_answered(model: Any, tiny_model: Path, root: Path) -> None:
    """The same frames at another rate are another film; batched and alone it is the same answer."""
    step = step_of(tiny_model)
    frames = [f"{name}{step}.png" for name in "aaaa"]
    records = []
    for i, fps in enumerate((1.0, 0.25, 1.0)):
        films = [{"frames": frames[: 3 + i % 2], "fps": fps}]
        record = sample(f"v{i}", "box " * (i + 1), [], videos=films)
        record["messages"][0]["content"].insert(0, VIDEO)
        records.append(record)
    records.append(sample("image", "box", [frames[0]]))
    together = tokens(model, tiny_model, records, root, 6)
    assert together == [tokens(model, tiny_model, [record], root, 6)[0] for record in records]
    slow = {**records[0], "videos": [{**records[0]["videos"][0], "fps": 0.25}]}
    assert tokens(model, tiny_model, [slow], root, 6)[0] != together[0]


# Questions


def conversation(*roles: str) -> list[Record]:
    return [{"role": role, "content": [IMAGE] if role == "user" else f"said {i}"} for i, role in enumerate(roles)]


def test_every_turn_is_asked_with_the_true_turns_before_it() -> None:
    messages = conversation("system", "user", "assistant", "user", "assistant", "user")
    answers = [{"type": "count", "value": i} for i in range(3)]
    record = {"kind": "sample", "id": "c", "messages": messages, "images": ["a", "b", "c"], "answer": answers}
    first, second, third = asked([record])
    assert [q.record["id"] for q in (first, second, third)] == ["c/turn-1", "c/turn-2", "c/turn-3"]
    assert [q.asked["messages"] for q in (first, second, third)] == [messages[:2], messages[:4], messages]
    assert [q.record["messages"] for q in (first, second, third)] == [messages[:3], messages[:5], messages]
    assert [q.asked["images"] for q in (first, second, third)] == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert [q.record["answer"] for q in (first, second, third)] == answers
    assert [problems(q.record) for q in (first, second, third)] == [[]] * 3
    one = {**record, "answer": answers[0]}
    assert [q.record.get("answer") for q in asked([one])] == [None, None, answers[0]]


def test_a_sample_of_one_turn_keeps_its_id() -> None:
    for roles in (("user",), ("user", "assistant"), ("system", "user")):
        record = {"kind": "sample", "id": "c", "messages": conversation(*roles), "images": ["a"], "answer": []}
        ((written, shown),) = asked([record])
        assert written == record
        assert shown["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("roles", "fault"),
    [
        ((), "messages: expected a question, got none"),
        (("system",), "messages: expected a question, got none"),
        (("assistant",), r"messages\[0\]: expected a question before it"),
        (("user", "assistant", "assistant"), r"messages\[2\]: expected a question before it"),
    ],
)
def test_what_asks_nothing(roles: tuple[str, ...], fault: str) -> None:
    images = ["a"] * roles.count("user")
    with pytest.raises(DataError, match=f"^{fault}$"):
        asked([{"kind": "sample", "id": "c", "messages": conversation(*roles), "images": images}])


def test_the_prompt_for_thinking() -> None:
    (plain,) = asked([sample("a", "box")], think=True)
    assert plain.asked["messages"][0] == {"role": "system", "content": THINKING_PROMPT}
    assert plain.record["messages"][0]["role"] == "user"
    own = {**sample("a", "box"), "messages": conversation("system", "user", "assistant"), "images": ["a"]}
    assert asked([own], think=True)[0].asked["messages"] == own["messages"][:2]


@pytest.mark.parametrize(
    ("most", "kept", "fps"), [(9, 9, 2.0), (20, 9, 2.0), (3, (0, 4, 8), 0.5), (2, (0, 8), 0.25), (1, (0,), 2.0)]
)
def test_frames_are_spread_evenly(most: int, kept: Any, fps: float) -> None:
    frames = [f"{i}.png" for i in range(9)]
    record = sample("v", "box", [], videos=[{"frames": frames, "fps": 2.0}])
    record["messages"][0]["content"].insert(0, VIDEO)
    ((written, shown),) = asked([record], max_frames=most)
    assert shown["videos"] == [{"frames": frames if kept == 9 else [frames[i] for i in kept], "fps": fps}]
    assert written == record


def test_pictures_are_brought_to_the_size_that_the_model_sees(root: Path, tiny_model: Path) -> None:
    record = sample("a", "box", ["b56.png", {"path": "b56.png", "ops": [{"op": "crop", "box": [0, 0, 30, 20]}]}])  # type: ignore[list-item]
    rule = picture_rule(str(tiny_model), 2 * 64 * 64)
    assert rule
    (question,) = asked([record], root, rule=rule)
    chat = Chat(tiny_model)
    for recipe in question.asked["images"]:
        width, height = recipe["ops"][-1]["size"] if isinstance(recipe, dict) else (56, 112)
        assert width * height <= 2 * 64 * 64
        assert width % (rule.patch * rule.merge) == height % (rule.patch * rule.merge) == 0
        assert chat.rule.grid(width, height)[1:] == (height // rule.patch, width // rule.patch)
    assert question.record == record
    assert picture_rule("a name", None) is None
    assert picture_rule("a name", 1000) == ImageRule(1, 1, 1, 1000)
    (question,) = asked([record], root, rule=picture_rule("a name", 3000))
    assert question.asked["images"][0]["ops"] == [{"op": "resize", "size": [38, 77]}]
    assert question.asked["images"][1] == record["images"][1]


def test_a_film_goes_to_a_server_as_its_frames() -> None:
    record = sample("v", "box", ["a", "b"], videos=[{"frames": ["f", "g"], "fps": 1.0}])
    record["messages"][0]["content"].insert(1, VIDEO)
    sent = remote.request(asked([record])[0])
    assert sent.images == ["a", "f", "g", "b"]
    assert sent.messages == [{"role": "user", "content": [IMAGE] * 4 + [{"type": "text", "text": "box"}]}]


# A server


class Run:
    """What became of samples: what was written and rejected, in order, and the counts."""

    def __init__(self, url: str, records: list[Record], done: Iterable[str] = (), **more: Any) -> None:
        self.written: list[Record] = []
        self.rejected: list[tuple[Record, str]] = []
        self.tally: Counter[str] = Counter()
        options = {"n": more["draws"]} if "draws" in more else {}
        own = {name: more.pop(name) for name in ("draws", "think") if name in more}
        settings = {"timeout": 0.5, "backoff": 0.01, "concurrency": 4, "retries": 3, **more}
        self.sums = answer(
            asked(records),
            lambda held: remote.answers(held, url=url, model="m", options=options, **settings),
            write=self.written.append,
            reject=lambda record, error: self.rejected.append((record, error)),
            tally=self.tally,
            done={*done},
            **own,
        )


def ids(records: Iterable[Record]) -> list[str]:
    return [record["id"] for record in records]


PASSING: dict[str, Play] = {
    "429": fs.openai_error(429, "slow down"),
    "429 with a wait": fs.status(429, {"error": {"message": "wait"}}, Retry_After="0.05"),
    "500": fs.vllm_error(500, "engine is dead"),
    "reset": fs.reset,
    "stall": fs.stall,
    "cut": fs.cut,
    "short": fs.short,
    "not JSON": fs.NOT_JSON,
    "wrong JSON": fs.WRONG_JSON,
    "no choices": fs.NO_CHOICES,
    "no reply": fs.hang_up,
}
LASTING: dict[str, Play] = {"400": fs.vllm_error(400, "too long"), "huge": fs.huge, "always 500": PASSING["500"]}


def test_a_server_that_fails_in_every_way() -> None:
    """Every sample ends answered or rejected with a reason, none twice, all in order."""
    rng = random.Random(1)
    records = [sample(f"s{i}", f"q{i}") for i in range(80)]
    fates = {f"q{i}": [rng.choice([*PASSING]) for _ in range(rng.choice((0, 0, 1, 2)))] for i in range(80)}
    doomed = {f"q{i}": name for i, name in zip(range(5, 80, 10), [*LASTING] * 3, strict=False)}

    def play(question: str, attempt: int) -> Play:
        if question in doomed:
            return LASTING[doomed[question]]
        return PASSING[fates[question][attempt]] if attempt < len(fates[question]) else fs.echo

    others = [{"kind": "score", "id": f"o{i}"} for i in range(3)]
    mixed = [others[0], *records[:40], others[1], *records[40:], others[2]]
    with FaultServer(play) as server:
        found = Run(server.url, mixed, concurrency=8)
    lost = {record["id"] for record, _ in found.rejected}
    assert lost == {f"s{i}" for i in range(5, 80, 10)}
    assert ids(found.written) == [name for name in ids(mixed) if name not in lost]
    assert [r["response"] for r in found.written if r["kind"] == "prediction"] == [
        f"echo q{i}" for i in range(80) if f"s{i}" not in lost
    ]
    assert all(error for _, error in found.rejected)
    assert {error for r, error in found.rejected if doomed[f"q{r['id'][1:]}"] == "400"} == {"400: too long"}
    assert (found.sums.requests, found.sums.failed) == (80, len(lost))


def test_thoughts_and_draws() -> None:
    texts = ["<think>hm</think> A", "no thought", "<think>for ever", "<think></think>B"]

    def reply(handler: Handler, body: Record) -> None:
        handler.give(200, fs.completion(*texts))

    with FaultServer(lambda *_: reply) as server:
        apart = Run(server.url, [sample("s", "q")], draws=4, think=True).written
        raw = Run(server.url, [sample("s", "q")], draws=4).written
        split = fs.completion("A", reasoning_content="hm")
        server.play = lambda *_: fs.status(200, split)
        theirs = Run(server.url, [sample("s", "q")]).written
    assert ids(apart) == [f"s/draw-{i}" for i in range(1, 5)]
    assert [r["draw"] for r in apart] == [1, 2, 3, 4]
    said = [(r.get("thought"), r["response"]) for r in apart]
    assert said == [("hm", "A"), (None, "no thought"), ("for ever", ""), (None, "B")]
    assert [r["response"] for r in raw] == texts
    assert [(r["id"], r["thought"], r["response"]) for r in theirs] == [("s", "hm", "A")]
    assert [problems(r) for r in apart] == [[]] * 4


def test_what_is_done_is_not_asked_again() -> None:
    records = [sample(f"s{i}", f"q{i}") for i in range(5)]
    with FaultServer() as server:
        found = Run(server.url, records, done=["s0", "s3"])
        assert ids(found.written) == ["s1", "s2", "s4"]
        assert sorted(server.attempts) == ["q1", "q2", "q4"]
        found = Run(server.url, records[:2], draws=3, done=["s0/draw-1", *(f"s1/draw-{i}" for i in (1, 2, 3))])
        assert ids(found.written) == ["s0/draw-2", "s0/draw-3"]


def test_a_run_that_answers_nothing_fails() -> None:
    with FaultServer(lambda *_: fs.vllm_error(400, "too long")) as server:
        with pytest.raises(DataError, match=r"^none of 2 questions was answered; the last: 400: too long$"):
            Run(server.url, [sample("a", "q"), sample("b", "q")])
        assert Run(server.url, []).sums.requests == 0


# The program


def lines(path: Path) -> list[Record]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def write(path: Path, records: Iterable[Record]) -> Path:
    path.write_bytes(b"".join(map(encode, records)))
    return path


def test_the_program_and_a_server(root: Path, tmp_path: Path) -> None:
    records = [sample(f"s{i}", f"q{i}", ["b56.png"] if i % 2 else []) for i in range(6)]
    held = write(tmp_path / "in.jsonl", [*records, {"kind": "score", "id": "o"}])
    refuse = fs.vllm_error(400, "too long")
    with FaultServer(lambda question, _: refuse if question == "q2" else fs.echo) as server:
        more = ["--root", root, "--max-pixels", "3000", "--price", "1,2", "--rejects", tmp_path / "rejects"]
        done = run("ask", "--server", server.url, *more, "--think", "--temperature", "0.5", "--seed", "3", held)
        bodies = [seen.body for seen in server.seen if seen.body]
    assert done.returncode == 0
    told = done.stderr.decode().splitlines()
    assert told[0] == "vstkit ask: s2: 400: too long"
    assert told[1].startswith(
        "vstkit ask: 6 requests, 1 failed, 0 retries; 15 prompt and 10 completion tokens; cost 0.00;"
    )
    made = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [r["id"] for r in made if r["kind"] == "prediction"] == ["s0", "s1", "s3", "s4", "s5"]
    assert [(r["record"]["id"], r["error"]) for r in lines(tmp_path / "rejects")] == [("s2", "400: too long")]
    assert {(b["model"], b["temperature"], b["seed"], b["max_tokens"]) for b in bodies} == {("first", 0.5, 3, 2048)}
    assert {b["messages"][0]["content"] for b in bodies} == {THINKING_PROMPT}


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--samples", "2"], b"--samples: expected a --temperature above 0"),
        ([], b"expected --model DIR or --server URL, got neither"),
        (["--model", "x", "--price", "1,2"], b"--price and --lossless: expected --server URL with them"),
        (["--model", "x", "--resume"], b"--resume: expected -o FILE"),
    ],
)
def test_options_that_do_not_go_together(argv: list[str], fault: bytes) -> None:
    argv = [str(tiny.model()) if word == "x" else word for word in argv]
    done = run("ask", *argv)
    assert done.returncode == 2
    assert fault in done.stderr


def test_what_a_terminal_shows() -> None:
    sums = Sums(requests=10, failed=2, completion_tokens=400, began=time.monotonic() - 4)
    assert said(sums, None) == "10 questions; 2.0 questions/s, 100 tokens/s"
    assert said(sums, 9010) == "10 of 9,010 questions; 2.0 questions/s, 100 tokens/s; 1:00:00 left"


def killed_and_resumed(argv: list[Any], out: Path, times: int, start: float) -> Process:
    """Run a command `times` times, killed at a random moment, and once to its end.

    Every other run is killed within a second of writing something new, the others within `start` seconds.
    """
    rng = random.Random(4)
    part = out.with_name(f".{out.name}.part")
    for number in range(times):
        before = part.read_bytes().count(b"\n") if part.exists() else 0
        process = subprocess.Popen([PROGRAM, *argv], env=environment(), stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while number % 2 == 0 and not (part.exists() and part.read_bytes().count(b"\n") > before):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep((start if number % 2 else 1.0) * rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
    return run(*argv)


Process = subprocess.CompletedProcess[bytes]


def test_killed_and_resumed(tmp_path: Path) -> None:
    """Every id is answered once, what is no sample is there once, and all of it in order."""
    records: list[Record] = [sample(f"s{i}", f"q{i}") for i in range(60)]
    records.insert(30, {"kind": "score", "id": "o"})
    held, out = write(tmp_path / "in.jsonl", records), tmp_path / "out.jsonl"

    def slow(handler: Handler, body: Record) -> None:
        time.sleep(0.2)
        fs.echo(handler, body)

    with FaultServer(lambda *_: slow) as server:
        argv = ["ask", "--server", server.url, "--concurrency", "2", "--resume", "-o", out, held]
        assert killed_and_resumed(argv, out, 3, 1.0).returncode == 0
        made = lines(out)
        assert ids(made) == ids(records)
        assert [r["response"] for r in made if r["kind"] == "prediction"] == [f"echo q{i}" for i in range(60)]
        again = 60 + 3 * (2 + 8)  # of each run that was killed: what was out, and what waited for an answer before it
        assert 60 < sum(server.attempts.values()) <= again
        before = out.read_bytes()
        assert run(*argv).returncode == 0
        assert sum(server.attempts.values()) <= again
    assert out.read_bytes() == before


@pytest.mark.slow
def test_a_model_here_killed_at_ten_moments(tmp_path: Path, root: Path) -> None:
    held, out = write(tmp_path / "in.jsonl", many(1200)), tmp_path / "out.jsonl"
    argv = ["ask", "--model", tiny.model(), "--root", root, "--max-new-tokens", "24", "--batch-tokens", "1000", held]
    argv += ["--resume", "-o", out]
    assert killed_and_resumed(argv, out, 10, 6.0).returncode == 0
    assert ids(lines(out)) == ids(many(1200))
    whole = run(*argv[:-3])
    assert whole.returncode == 0
    assert [orjson.loads(line)["response"] for line in whole.stdout.splitlines()] == [r["response"] for r in lines(out)]


@pytest.mark.slow
def test_a_server_and_the_model_here_say_the_same(served: str, root: Path, tmp_path: Path) -> None:
    held = write(tmp_path / "in.jsonl", many(40))
    more = ["--max-new-tokens", "12", "--root", root, held]
    here = run("ask", "--model", tiny.model(), *more)
    there = run("ask", "--server", served, "--model", tiny.model(), "--lossless", "--concurrency", "3", *more)
    assert (here.returncode, there.returncode) == (0, 0), here.stderr + there.stderr
    assert here.stdout.count(b"\n") == 40
    assert here.stdout == there.stdout
    assert here.stderr.split(b";")[1] == there.stderr.split(b";")[1]  # so many tokens


def test_a_benchmark_in_one_pipe(tmp_path: Path) -> None:
    """From its rows and frames to its scores."""
    frames = tmp_path / "frames" / "scannet" / "s0"
    frames.mkdir(parents=True)
    for i in range(5):
        Image.new("RGB", (64, 48), (50 * i, 90, 90)).save(frames / f"{i}.png")
    row = {"dataset": "scannet", "scene_name": "s0", "question_type": "object_counting", "question": "How many chairs?"}
    rows = [{**row, "id": i, "ground_truth": "3"} for i in range(4)]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(orjson.dumps(held) + b"\n" for held in rows))
    script = """
        vstkit ingest bench vsibench rows.jsonl --images frames \\
            | vstkit ask --model "$MODEL" --max-frames 3 --max-new-tokens 4 | tee asked.jsonl \\
            | vstkit score --suite vsibench --partial
    """
    env = environment({"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "MODEL": str(tiny.model())})
    argv = ["bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert ids(lines(tmp_path / "asked.jsonl")) == [f"vsibench/{i}" for i in range(4)]
    scores = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert {score["n"] for score in scores if score["suite"] == "vsibench"} >= {4}
