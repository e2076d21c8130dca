"""Training: packs whose samples cannot see each other, every trained token counting alike, and a run end to end."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from packed import SAMPLES, packed, pictures, sample, write
from vstkit.errors import DataError
from vstkit.models.chat import Chat
from vstkit.models.pixels import Patches
from vstkit.training import data, launch, runs
from vstkit.training.rope import rope_index


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def models() -> Callable[[Path, str], Any]:
    """A tiny model by folder and attention, its weights enlarged so that a leak between samples shows."""
    import torch

    from vstkit.models import loading

    def load(folder: Path, attention: str) -> Any:
        model = loading.load(folder, device="cpu", attention=attention).train()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(4)
        return model

    return load


def separate_loss(model: Any, chat: Chat, record: dict[str, Any], root: str) -> Any:
    """Summed loss of one sample alone, everything after the tokens left to transformers."""
    import torch

    encoded = chat.encode(record, root)
    ids = torch.tensor([encoded.ids])
    labels = torch.full_like(ids, -100)
    for start, end in encoded.spans:
        labels[0, start:end] = ids[0, start:end]
    inputs: dict[str, Any] = {"input_ids": ids, "mm_token_type_ids": (ids == chat.image_id).int()}
    if record["images"]:
        images = [Image.open(Path(root) / name) for name in record["images"]]
        values, grids = Patches(chat.folder).values([image.convert("RGB") for image in images])
        inputs |= {"pixel_values": torch.from_numpy(values), "image_grid_thw": torch.tensor(grids)}
    logits = model(**inputs).logits
    return torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum")


def gradients(model: Any) -> dict[str, Any]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_packed_loss_and_gradients_equal_separate_ones(
    tiny_model: Path, root: str, models: Callable[[Path, str], Any]
) -> None:
    import torch

    from vstkit.training import attention, losses

    chat = Chat(tiny_model)
    plain = models(tiny_model, "sdpa")
    separate = sum(separate_loss(plain, chat, record, root) for record in SAMPLES)
    separate.backward()
    expected = gradients(plain)
    assert plain.config.text_config.use_cache  # the trap that makes transformers un-pack

    (record,) = packed(SAMPLES, chat, root)
    model = models(tiny_model, attention.register())
    batch = data.collate(record, chat, data.Pixels(tiny_model, root), root)
    loss = losses.loss_sum(model, batch)
    loss.backward()
    found = gradients(model)

    targets = record["targets"]
    assert loss.item() / targets == pytest.approx(separate.item() / targets, abs=1e-4)
    assert found.keys() == expected.keys()
    worst = max(float((found[n] - expected[n]).norm() / expected[n].norm().clamp_min(1e-3)) for n in expected)
    assert worst < 1e-4

    with torch.no_grad():
        one_text = {**batch, "position_ids": batch["position_ids"].copy()}
        one_text["position_ids"][0, 0] = np.arange(batch["input_ids"].shape[1])
        leaking = losses.loss_sum(model, one_text)
        assert abs(float(leaking) - separate.item()) / targets > 1e-2
        with pytest.raises(ValueError, match=r"\(4, 1, L\)"):
            losses.loss_sum(model, {**batch, "position_ids": batch["position_ids"][1:]})


def test_gradients_are_the_same_with_checkpointing(root: str, models: Callable[[Path, str], Any]) -> None:
    from vstkit.training import attention, losses

    folder = tiny.model()
    chat = Chat(folder)
    batch = data.collate(packed(SAMPLES, chat, root)[0], chat, data.Pixels(folder, root), root)
    model = models(folder, attention.register())
    losses.loss_sum(model, batch).backward()
    expected = gradients(model)
    model.zero_grad()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    losses.loss_sum(model, batch).backward()
    assert all(
        float((grad - expected[name]).norm()) <= 1e-5 * float(expected[name].norm())
        for name, grad in gradients(model).items()
    )


def test_a_pack_without_images_or_samples_still_runs_the_whole_model(
    tiny_model: Path, root: str, models: Callable[[Path, str], Any]
) -> None:
    from vstkit.training import attention, losses

    chat = Chat(tiny_model)
    model = models(tiny_model, attention.register())
    pixels = data.Pixels(tiny_model, root)
    (text_only,) = packed([SAMPLES[2]], chat, root)
    loss = losses.loss_sum(model, data.collate(text_only, chat, pixels, root))
    assert loss.item() == pytest.approx(
        separate_loss(models(tiny_model, "sdpa"), chat, SAMPLES[2], root).item(), abs=1e-4
    )
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    empty = losses.loss_sum(model, data.collate({"samples": [], "targets": 0}, chat, pixels, root))
    empty.backward()
    assert empty.item() == 0
    assert all(float(p.grad.abs().max()) == 0 for p in model.parameters())


def test_image_positions_equal_transformers(tiny_model: Path, models: Callable[[Path, str], Any]) -> None:
    import torch

    base = models(tiny_model, "sdpa").model
    rng = np.random.default_rng(0)
    for _ in range(20):
        grids = [(1, 2 * int(h), 2 * int(w)) for h, w in rng.integers(1, 9, (rng.integers(0, 4), 2))]
        kinds = [0] * int(rng.integers(1, 6))
        for _, h, w in grids:
            kinds += [1] * (h * w // 4) + [0] * int(rng.integers(1, 6))
        types = torch.tensor([kinds])
        expected = base.get_rope_index(types, types, torch.tensor(grids).reshape(-1, 3))[0][:, 0]
        assert (rope_index(np.array(kinds) == 1, grids, 2) == expected.numpy()).all()


@pytest.mark.parametrize(
    ("interval", "times"),
    [(4.0, [1, 5, 9, 13, 17, 21, 25, 29]), (1.2, [1, 2, 3, 4, 5, 7, 8, 9]), (0.5, [1, 1, 2, 2, 3, 3, 4, 4])],
)
def test_video_positions_are_those_of_qwens_own_code(interval: float, times: list[int]) -> None:
    vision_tokens = np.array([False] + [True] * (8 * 4 * 6) + [False] * 3)
    t, h, w = rope_index(vision_tokens, [(8, 8, 12)], 2, [interval])
    assert t[1:-3].reshape(8, 24).tolist() == [[time] * 24 for time in times]
    assert h[1:25].tolist() == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6
    assert w[1:25].tolist() == [1, 2, 3, 4, 5, 6] * 4
    after = max(times[-1], 6) + 1
    assert t[-3:].tolist() == h[-3:].tolist() == w[-3:].tolist() == [after, after + 1, after + 2]


@pytest.mark.parametrize("flags", ["0110", "01111", "1111011110", "0"])
def test_positions_refuse_tokens_that_are_not_the_grids(flags: str) -> None:
    with pytest.raises(DataError, match="visual tokens"):
        rope_index(np.array([flag == "1" for flag in flags]), [(1, 2, 6)] if flags != "1111011110" else [(1, 4, 4)], 2)


def test_batches_have_the_documented_shapes(root: str) -> None:
    chat = Chat(tiny.model())
    (record,) = packed(SAMPLES, chat, root)
    batch = data.collate(record, chat, data.Pixels(chat.folder, root), root)
    length = record["length"]
    assert batch["input_ids"].shape == batch["labels"].shape == (1, length)
    assert batch["position_ids"].shape == (4, 1, length)
    starts = np.flatnonzero(batch["position_ids"][0, 0] == 0)
    lengths = [chat.encode(s, root).length for s in record["samples"]]
    assert starts.tolist() == [0, *np.cumsum(lengths)[:-1].tolist()]
    assert (batch["labels"][0, starts] == -100).all()
    assert (batch["position_ids"][:, 0, starts] == 0).all()
    assert (batch["labels"] != -100).sum() == record["targets"]
    learnt = batch["labels"] != -100
    assert (batch["labels"][learnt] == batch["input_ids"][learnt]).all()
    assert batch["image_grid_thw"].shape == (6, 3)
    assert len(batch["pixel_values"]) == batch["image_grid_thw"].prod(axis=1).sum()


def test_every_epoch_sees_every_pack_once_in_a_new_order() -> None:
    plan = list(islice(data.steps(10, 4, seed=0), 6))
    assert [(epoch, len(step)) for epoch, step in plan] == [(0, 4), (0, 4), (0, 2), (1, 4), (1, 4), (1, 2)]
    epochs = [[number for e, step in plan if e == epoch for number in step] for epoch in (0, 1)]
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1]
    assert plan == list(islice(data.steps(10, 4, seed=0), 6))
    assert plan != list(islice(data.steps(10, 4, seed=1), 6))
    assert [data.share([7, 8, 9], rank, 2, 2) for rank in (0, 1)] == [[7, 9], [8, None]]


def test_learning_rate_rises_and_falls() -> None:
    from vstkit.training.worker import learning_rate

    shares = [learning_rate(step, 100, 0.1) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert shares[10] == 1
    assert shares[55] == pytest.approx(0.5)
    assert all(a > b > 0 for a, b in pairwise(shares[10:]))
    assert learning_rate(0, 1, 0) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_packs_are_read_by_number_and_bad_ones_named(tmp_path: Path, root: str, workers: int) -> None:
    chat = Chat(tiny.model())
    lost = sample("lost", ["gone.png"], "Where?", "here")
    records = packed(SAMPLES[:2], chat, root, capacity=110)
    bad = {**records[0], "samples": [records[0]["samples"][0], lost]}
    short = {**records[0], "targets": 1}
    name = write(tmp_path / "packs.jsonl", [*records, bad, short])
    packs = data.Packs([name], chat.fingerprint)
    assert [packs[i] for i in range(len(packs))] == [*records, bad, short]
    assert packs.lengths[:2] == [record["length"] for record in records]

    prepare = partial(data.prepare, chat=chat, pixels=data.Pixels(chat.folder, root), root=root)
    stream = data.batches(packs, [1, None, 0, 2, 3], prepare, workers)
    assert next(stream)[0]["input_ids"].tolist() == prepare(records[1])[0]["input_ids"].tolist()
    assert next(stream)[0]["labels"].tolist() == [[-100, -100]]
    assert next(stream)[0]["input_ids"].shape == (1, records[0]["length"])
    _, about = next(stream)
    assert (about["tasks"], about["left_out"]) == ([records[0]["samples"][0].get("task", "")], 1)
    (reason,) = about["lost"]
    assert re.match(rf"^{name}:3: samples\[1\]\.images\[0\]: .*gone\.png.* \(sample lost\)$", reason)
    message = rf"^{name}:4: targets: expected {records[0]['targets']}, .*, got 1 \(pack {short['id']}\)$"
    with pytest.raises(DataError, match=message):
        next(stream)


def test_files_that_are_no_packs_are_refused_by_line(tmp_path: Path) -> None:
    good = {"kind": "pack", "id": "p", "length": 1, "targets": 1, "model": "f", "samples": []}
    for record, message in (
        ({**good, "model": "g"}, "packed for g, but the model is f"),
        ({"kind": "sample", "id": "s"}, "kind: expected pack, got sample"),
        ({key: good[key] for key in good if key != "targets"}, "targets: missing"),
    ):
        name = write(tmp_path / "packs.jsonl", [good, record])
        with pytest.raises(DataError, match=f"^{name}:2: .*{message}"):
            data.Packs([name], "f")
    for name, message in (("p.jsonl.gz", "unpack it first"), ("none.jsonl", "No such file")):
        with pytest.raises(DataError, match=f"^{name}: .*{message}"):
            data.Packs([name], "f")
    with pytest.raises(DataError, match="at least one pack"):
        data.Packs([write(tmp_path / "empty.jsonl", [])], "f")


def trained(folder: Path, root: str, packs: list[dict[str, Any]], **options: Any) -> tuple[int, Path]:
    """Run the launcher over packs; returns the status and the run folder."""
    name = write(folder / "packs.jsonl", packs)
    output = folder / "run"
    processes = options.pop("processes", 1)
    argv, env = launch.command(str(output), processes)
    runs.write_run(str(output), packs=[name], model=str(tiny.model()), root=root, argv=argv, **options)
    return launch.run(argv, env), output


def test_packs_of_another_model_are_refused_in_one_line(
    tmp_path: Path, root: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    chat = Chat(tiny.model())
    records = [{**record, "model": "0123"} for record in packed(SAMPLES, chat, root)]
    status, output = trained(tmp_path, root, records)
    assert status == 1
    assert capfd.readouterr() == (
        "",
        f"vstkit sft: {tmp_path}/packs.jsonl:1: model: packed for 0123, but the model is "
        f"{chat.fingerprint}: pack again\n",
    )
    assert not (output / "config.json").exists()


def test_a_run_end_to_end(
    tmp_path: Path, root: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packs with very different numbers of trained tokens a step: the loss and the gradient are the closed form."""
    from vstkit.models import generate, loading

    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.setenv("PATH", "/nowhere")  # where no compiler is
    chat = Chat(tiny.model())
    records = packed([SAMPLES[1]], chat, root) + packed([SAMPLES[0], SAMPLES[2]], chat, root)
    status, output = trained(
        tmp_path, root, records, max_steps=6, global_batch=2, lr=2e-3, vision_lr=2e-4, gradient_checkpointing=True
    )
    assert capfd.readouterr() == ("", "")
    assert status == 0

    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    assert all(entry["lr"] == pytest.approx(10 * entry["vision_lr"]) for entry in log)
    assert all(entry["tokens"] == sum(record["length"] for record in records) for entry in log)

    plain = loading.load(tiny.model(), device="cpu").train()
    targets = sum(record["targets"] for record in records)
    loss = sum(separate_loss(plain, chat, s, root) for record in records for s in record["samples"]) / targets
    loss.backward()
    norm = math.sqrt(sum(float(grad.square().sum()) for grad in gradients(plain).values()))
    assert log[0]["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert log[0]["grad_norm"] == pytest.approx(norm, rel=1e-4)

    assert Chat(output).fingerprint == chat.fingerprint
    assert not (output / ".model").exists()
    model = loading.load(output, device="cpu")
    again = sum(separate_loss(model, chat, s, root) for record in records for s in record["samples"]) / targets
    assert again.item() < log[-1]["loss"]
    assert len(generate.generate(model, Chat(output), SAMPLES, root, max_new_tokens=4)) == len(SAMPLES)
    with pytest.raises(DataError, match="already holds a trained model"):
        trained(tmp_path, root, records)


@pytest.fixture(scope="module")
def uneven(root: str) -> list[dict[str, Any]]:
    """A pack with images beside one without, and a third that leaves one of two processes without a pack."""
    chat = Chat(tiny.model())
    return [packed([record], chat, root)[0] for record in (SAMPLES[1], SAMPLES[2], SAMPLES[0])]


def learnt(folder: Path, root: str, packs: list[dict[str, Any]], processes: int, zero: int) -> list[list[float]]:
    """Loss, gradient and tokens of every step."""
    status, output = trained(
        folder, root, packs, epochs=2, global_batch=2, lr=1e-3, zero=zero, processes=processes, workers=0
    )
    assert status == 0
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [[entry["loss"], entry["grad_norm"], entry["tokens"]] for entry in log]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, root: str, uneven: list[dict[str, Any]]) -> list[list[float]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DS_ACCELERATOR", "cpu")
        return learnt(tmp_path_factory.mktemp("alone"), root, uneven, processes=1, zero=1)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_two_processes_learn_as_one(
    tmp_path: Path,
    root: str,
    uneven: list[dict[str, Any]],
    alone: list[list[float]],
    zero: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    together = learnt(tmp_path, root, uneven, processes=2, zero=zero)
    assert len(together) == 4
    for step, expected in zip(together, alone, strict=True):
        assert step == pytest.approx(expected, rel=1e-3)
