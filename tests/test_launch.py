"""The launcher: its command line, its status, and that nothing it started outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

import tiny
from packed import SAMPLES, packed, pictures, write
from support import PROGRAM, environment, run
from vstkit.errors import DataError, UsageError
from vstkit.models.chat import Chat
from vstkit.training import launch, runs


def test_the_command_line_is_the_launchers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    argv, env = launch.command("runs/sft", processes=2)
    assert argv[1:3] == ["-m", "deepspeed.launcher.launch"]
    assert argv[-2:] == ["vstkit.training.worker", "runs/sft/run.json"]
    assert env == {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    assert launch.command("runs/sft", processes=2)[0] == argv
    assert launch.command("runs/other", processes=2)[0] != argv
    hosts = tmp_path / "hosts"
    hosts.write_text("# two machines\nnode1 slots=4\n\nnode2 slots=2  # older\n")
    assert launch.hosts(str(hosts)) == {"node1": 4, "node2": 2}
    assert launch.command("runs/sft", hostfile=str(hosts))[0][1:4] == [
        "-m", "deepspeed.launcher.runner", f"--hostfile={hosts}"
    ]  # fmt: skip
    hosts.write_text("localhost slots=2\n")  # no need for ssh
    assert launch.command("runs/sft", hostfile=str(hosts))[0] == argv
    assert json.loads(urlsafe_b64decode(argv[3].partition("=")[2])) == {"localhost": [0, 1]}

    monkeypatch.setenv("DS_ACCELERATOR", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert launch.command("runs/sft", processes=2)[1] == {}
    with pytest.raises(UsageError, match="--gpus: expected at most 2"):
        launch.command("runs/sft", processes=3)


def test_launching_needs_no_torch() -> None:
    code = "import sys; from vstkit.training import launch; launch.command('run'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_launcher_ends_with_its_childs_status_and_takes_signals() -> None:
    def script(code: str) -> int:
        return launch.run([sys.executable, "-c", code], {"GIVEN": "7"})

    assert script("import os, sys; sys.exit(int(os.environ['GIVEN']))") == 7
    assert script("import os; os.kill(os.getpid(), 9)") == 128 + 9
    assert script("import sys; sys.exit(-9)") == 128 + 9  # how DeepSpeed's launcher says that a rank was killed
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert script("import time; time.sleep(60)") == 128 + signal.SIGTERM
    timer.join()


def test_what_the_launcher_started_ends_with_it() -> None:
    code = (
        "import subprocess, sys; from vstkit.training import launch\n"
        "child = 'import os, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)'\n"
        "launch.run([sys.executable, '-c', 'import sys; ' + child], {})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as parent:
        assert parent.stderr
        pid = int(parent.stderr.readline())
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child outlived its parent")


def test_run_folders_are_checked_before_anything_starts(tmp_path: Path) -> None:
    model = str(tiny.model())
    packs = write(tmp_path / "packs.jsonl", [])
    with pytest.raises(DataError, match="no such folder"):
        runs.write_run(str(tmp_path / "run"), packs=[packs], model=str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        runs.write_run(str(tmp_path / "run"), packs=["none.jsonl"], model=model)
    with pytest.raises(UsageError, match="--zero: expected one of 0, 1, 2, 3, got 4"):
        runs.write_run(str(tmp_path / "run"), packs=[packs], model=model, zero=4)
    with pytest.raises(DataError, match="already holds a trained model"):
        runs.write_run(model, packs=[packs], model=model)
    assert not (tmp_path / "run").exists()
    path = runs.write_run(str(tmp_path / "run"), packs=[packs], model=model, lr=1e-3, argv=["a b", "c"])
    run = json.loads(path.read_text())
    assert (run["lr"], run["vision_lr"], run["command"], run["global_batch"]) == (1e-3, 5e-6, "'a b' c", 128)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node1\n", r"hosts:1: expected a new name and slots=N, got node1"),
        ("node1 slots=2\nnode1 slots=2\n", "hosts:2: expected a new name"),
        ("a slots=0\n", "hosts:1: expected a new name and slots=N, got a slots=0"),
        ("# nothing\n", "hosts: expected a machine, got none"),
    ],
)
def test_hostfiles_are_checked_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "hosts").write_text(text)
    with pytest.raises(DataError, match=message):
        launch.hosts(str(tmp_path / "hosts"))
    with pytest.raises(DataError, match="none: No such file"):
        launch.hosts(str(tmp_path / "none"))


def test_dry_run_prints_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    process = run("sft", "p.jsonl", "--model", "m", "-o", "out dir", "--gpus", "2", "--dry-run", cwd=tmp_path,
                  env={"DS_ACCELERATOR": "cpu"})  # fmt: skip
    assert (process.returncode, process.stderr) == (0, b"")
    (line,) = process.stdout.decode().splitlines()
    python, _, rest = line.removeprefix("DS_ACCELERATOR=cpu OMP_NUM_THREADS=1 ").partition(" ")
    assert Path(python).samefile(sys.executable)
    assert rest.startswith("-m deepspeed.launcher.launch ")
    assert line.endswith("--module vstkit.training.worker 'out dir/run.json'")
    assert os.listdir(tmp_path) == []
    # The line is a shell's: what it prints is what the shell would start.
    shown = subprocess.run(
        ["sh", "-c", line.replace(python, "printf '%s\\n'")], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "out dir/run.json"


def processes_of(output: Path) -> list[int]:
    """Every process with the run's folder on its command line, zombies apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = os.fsencode(output) in (folder / "cmdline").read_bytes()
            if named and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["vstkit", "launcher"])
def test_no_rank_outlives_what_started_it(tmp_path: Path, victim: str) -> None:
    root = pictures(tmp_path)
    packs = write(tmp_path / "packs.jsonl", packed(SAMPLES, Chat(tiny.model()), root, capacity=128))
    output = tmp_path / "run"
    argv = [PROGRAM, "sft", packs, "--model", tiny.model(), "-o", output, "--root", root, "--gpus", "2"]
    argv += ["--global-batch", "2", "--max-steps", "10000", "--save-every", "0"]
    with subprocess.Popen(argv, env=environment({"DS_ACCELERATOR": "cpu"}), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 90
        while not (output / "log.jsonl").exists() or not (output / "log.jsonl").stat().st_size:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        assert len(processes_of(output)) >= 4  # vstkit, the launcher, two ranks, and their readers of pictures
        if victim == "vstkit":
            process.kill()
        else:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
        status = process.wait(30)
    assert status == (-signal.SIGKILL if victim == "vstkit" else 128 + signal.SIGKILL)
    deadline = time.monotonic() + 20
    while processes_of(output):
        assert time.monotonic() < deadline, processes_of(output)
        time.sleep(0.1)
