"""Several processes on one machine (gloo) against one process with the same global batch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.ranks import ends, free_port, train_ranks
from tests.engine.test_interrupt import REPOSITORY, wait_for_step
from tests.engine.test_interrupt import packed as packed
from tests.engine.tiny_runs import WITH_STATISTICS, step_rows
from vision.artefacts import log
from vision.core.sample import Batch
from vision.engine.checkpoints.checkpoint import find, load
from vision.engine.state import TrainState
from vision.engine.training.session import Session

FIXED = ("--freeze-bn", "--ema=0", "--validation-map=true", "--epochs=2")
"""Batch statistics of a process are those of its share, so equality needs them fixed."""


def environment() -> dict[str, str]:
    values = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    if values.pop("PYTHONDONTWRITEBYTECODE", None):  # without byte code torch takes 20 s to start
        values["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / ".pytest_cache" / "bytecode")
    return values


def ended(launchers: list[subprocess.Popen[str]], limit_s: float = 120) -> list[tuple[int, str]]:
    try:
        said = [launcher.communicate(timeout=limit_s)[0] for launcher in launchers]
    finally:
        for launcher in launchers:
            launcher.kill()
    return [(launcher.returncode, text) for launcher, text in zip(launchers, said, strict=True)]


def assert_close_runs(run: Path, reference: Path) -> None:
    """The same steps and evaluation up to the order of sums."""
    rows, expected = step_rows(run), step_rows(reference)
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    assert [row["positives"] for row in rows] == [row["positives"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=LOSSES)
        assert row["grad_norm"] == pytest.approx(other["grad_norm"], rel=NORMS)
    a, b = load(find(run)), load(find(reference))
    for name, tensor in b.weights.items():
        torch.testing.assert_close(a.weights[name], tensor, rtol=1e-5, atol=WEIGHTS)
    assert validation(run) == pytest.approx(validation(reference), rel=LOSSES)


def validation(run: Path) -> dict[str, Any]:
    rows = [row for row in log.read(run / "metrics.jsonl") if row["kind"] == "epoch"]
    assert [row["epoch"] for row in rows] == [0, 1]
    row = rows[-1] | {f"AP of {name}": ap for name, ap in rows[-1].pop("AP_by_class").items()}
    return {key: value for key, value in row.items() if key.startswith(("val_", "AP", "AR"))}


LOSSES, NORMS, WEIGHTS = 1e-6, 1e-5, 2e-6
"""What sums in another order may cost in float32: losses and norms of gradients relative, weights absolute. With 1, 2 and
3 processes on a CPU less than a third, a tenth and a quarter of it was found."""
STEPS = 8
"""Of the whole run, 4 an epoch."""


@pytest.fixture(scope="module")
def alone(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, and beside it the images of its steps."""
    folder = tmp_path_factory.mktemp("alone")
    line = ["--datasets", miniature_root, *WITH_STATISTICS, *FIXED, "--checkpoint-folder", folder / "run"]
    ((status, said),) = ends(train_ranks(1, folder, *line, before=noting, given=(folder / "images",)))
    assert status == 0, said
    return folder / "run"


@pytest.mark.faults
def test_two_launchers_that_meet_are_one_process(
    with_statistics: list[str], alone: Path, tmp_path: Path
) -> None:
    """Two torchrun, as on two nodes, with a rendezvous on loopback."""
    run, port = tmp_path / "run", free_port()
    line = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    line += ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=test"]
    line += ["train_ssd.py", *with_statistics, *FIXED, "--checkpoint-folder", str(run), "--resume=auto"]
    launchers = [
        subprocess.Popen(
            line,
            cwd=REPOSITORY,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    for status, said in ended(launchers):
        assert status == 0, said
    assert_close_runs(run, alone)
    assert load(find(run)).world_size == 2


@pytest.mark.parametrize("feed", ["device:rgb-96", "yuv420-96"])
def test_ranks_and_replicas_that_a_pack_feeds(
    feed: str, packed: Path, train: Callable[..., int], tmp_path: Path
) -> None:
    """By the device and by threads, of one process, of two with the same global batch, and of ``--parallel dp``."""
    line = [
        "--datasets",
        packed,
        *WITH_STATISTICS,
        *FIXED,
        f"--feed={feed}",
        f"--workers={0 if ':' in feed else 2}",
    ]
    for name, words in (("alone", ()), ("dp", ("--parallel=dp",))):
        assert train(*line, "--checkpoint-folder", tmp_path / name, *words) == 0
    told = {"before": noting, "given": (tmp_path / "images",)}
    for status, said in ends(
        train_ranks(2, tmp_path, *line, "--checkpoint-folder", tmp_path / "ranks", **told)
    ):
        assert status == 0, said
    assert_close_runs(tmp_path / "ranks", tmp_path / "alone")
    assert step_rows(tmp_path / "dp") == step_rows(tmp_path / "alone")
    assert len(images_of_steps(tmp_path / "images")[1]) == 4


def test_a_signal_to_one_stops_all_at_one_step_and_others_go_on(
    with_statistics: list[str], train: Callable[..., int], alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [*with_statistics, *FIXED, "--checkpoint-folder", run, "--resume=auto", "--debug-steps=1"]
    ranks = train_ranks(3, tmp_path, *line)
    wait_for_step(run, 2, ranks[0])
    ranks[1].send_signal(signal.SIGTERM)
    for status, said in ends(ranks):
        assert status == 143, said
    stopped = load(find(run))
    assert stopped.world_size == 3 and 0 < stopped.step < STEPS
    assert step_rows(run)[-1]["step"] == stopped.step
    assert train(*line) == 0
    assert_close_runs(run, alone)


def test_more_and_more_processes_go_on_with_the_same_images(
    with_statistics: list[str], alone: Path, tmp_path: Path
) -> None:
    """One for two steps, two on two nodes until the second epoch has begun, then three on one."""
    run, images = tmp_path / "run", tmp_path / "images"
    line = [*with_statistics, *FIXED, "--checkpoint-folder", run, "--resume=auto"]
    for world, more in ((1, ["--stop-after-step=2"]), (2, ["--stop-after-step=5"]), (3, [])):
        told = {"before": noting, "given": (images,), "nodes": world == 2}
        for status, said in ends(train_ranks(world, tmp_path, *line, *more, **told)):
            assert status == 0, said
        assert load(find(run)).world_size == world
    expected = images_of_steps(alone.parent / "images")
    assert images_of_steps(images) == expected and list(expected) == list(range(1, STEPS + 1))
    assert_close_runs(run, alone)


def test_the_peers_of_a_killed_one_leave_and_the_next_start_goes_on(
    with_statistics: list[str], train: Callable[..., int], alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    line = [*with_statistics, *FIXED, "--checkpoint-folder", run, "--resume=auto", "--debug-steps=1"]
    line += ["--save-every-steps=1"]
    ranks = train_ranks(2, tmp_path, *line)
    wait_for_step(run, 2, ranks[0])
    ranks[1].process.kill()
    (status, said), _ = ends(ranks, limit_s=60)
    assert status == 1 and "another process" in said, said
    assert train(*line) == 0
    assert_close_runs(run, alone)


def test_a_signal_during_validation_is_followed_with_the_batch(
    with_statistics: list[str], train: Callable[..., int], alone: Path, tmp_path: Path
) -> None:
    """Both leave after one of two batches, saved as after the last step; the validation is made anew."""
    run, seen = tmp_path / "run", tmp_path / "seen"
    line = [*with_statistics, *FIXED, "--checkpoint-folder", run, "--resume=auto"]
    ranks = train_ranks(2, tmp_path, *line, before=slow_validation, given=(seen, 1.0))
    until(seen.exists, ranks[1], limit_s=200)
    ranks[1].send_signal(signal.SIGUSR1)
    for status, said in ends(ranks, limit_s=60):
        assert status == 138, said
    assert sorted(seen.read_text().split()) == ["0", "1"], "batches that the two ranks validated"
    stopped = load(find(run))
    assert (stopped.epoch, stopped.step) == (0, 4) and not stopped.metrics
    assert train(*line) == 0
    assert_close_runs(run, alone)


def test_a_signal_while_the_first_one_scores_ends_all_alike(
    with_statistics: list[str], tmp_path: Path
) -> None:
    """It reaches the other one, which waits; the last epoch is done all the same, so nothing is left to do."""
    run, seen = tmp_path / "run", tmp_path / "seen"
    line = [*with_statistics, *FIXED, "--epochs=1", "--checkpoint-folder", run]
    ranks = train_ranks(2, tmp_path, *line, before=slow_scoring, given=(seen, 1.5))
    until(seen.exists, ranks[1], limit_s=200)
    ranks[1].send_signal(signal.SIGTERM)
    for status, said in ends(ranks, limit_s=60):
        assert status == 143, said
    assert load(find(run)).sampler["epoch"] == 1, "the epoch is finished and saved"


# ---------------------------------------------------------------- what ranks do besides, called in each first


def noting(images: Path) -> None:
    """Appends the images of each step to a file a rank."""
    from vision.engine.training import loop

    step = loop.train_step

    def noted(state: TrainState, session: Session, batch: Batch) -> dict[str, Any]:
        row = step(state, session, batch)
        log.append(
            images / f"{session.group.rank}.jsonl", {"step": state.step, "images": batch.image_ids.tolist()}
        )
        return row

    images.mkdir(exist_ok=True)
    loop.train_step = noted


def images_of_steps(folder: Path) -> dict[int, list[int]]:
    """The images of each step over all ranks, in order."""
    found: dict[int, list[int]] = {}
    for file in sorted(folder.iterdir()):
        for row in log.read(file):
            found.setdefault(row["step"], []).extend(row["images"])
    return found


def slow_validation(seen: Path, seconds: float) -> None:
    """Each batch of a validation takes that long and appends the rank to a file."""
    from vision.engine.training.validation import LossMeter

    measure = LossMeter.__call__

    def slowly(meter: LossMeter, logits: Tensor, offsets: Tensor, batch: Batch) -> None:
        with seen.open("a") as file:
            file.write(f"{meter.group.rank}\n")
        time.sleep(seconds)
        measure(meter, logits, offsets, batch)

    LossMeter.__call__ = slowly  # type: ignore[method-assign]


def slow_scoring(seen: Path, seconds: float) -> None:
    """The scoring makes a file and takes that long."""
    from vision.engine.evaluation.scoring import Scoring

    score = Scoring.scores

    def slowly(*arguments: Any) -> Any:
        seen.touch()
        time.sleep(seconds)
        return score(*arguments)

    Scoring.scores = slowly  # type: ignore[method-assign]


# ---------------------------------------------------------------- the launcher


def slurm_script() -> str:
    """As docs/scale-out.md has it."""
    page = (REPOSITORY / "docs" / "scale-out.md").read_text(encoding="utf-8")
    return page.split("```text\n#!/bin/bash\n")[1].split("```")[0]


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/bash\n{text}\n")
    file.chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """A node with two "GPUs": srun becomes the program, scontrol notes what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "srun", 'exec "$@"')
    program(folder, "torchrun", f'exec "{sys.executable}" -m torch.distributed.run "$@"')
    program(folder, "scontrol", f'echo "$@" >> "{tmp_path}/asked"; echo 127.0.0.1')
    given = {"NNODES": "1", "GPUS_ON_NODE": "2", "JOB_ID": str(free_port()), "JOB_NODELIST": "node[0]"}
    settings = {f"SLURM_{name}": value for name, value in given.items()}
    return environment() | settings | {"PATH": f"{folder}:{os.environ['PATH']}"}


def processes_of(run: Path) -> list[int]:
    """Those that were told this run folder and are no zombies."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(run).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("script", signal.SIGUSR1),  # which asks torchrun by SIGTERM
        ("torchrun", signal.SIGTERM),
    ],
)
@pytest.mark.faults
def test_a_signalled_launcher_saves_and_leaves_no_process(
    to: str, number: int, with_statistics: list[str], slurm: dict[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [*with_statistics, "--epochs=1000", "--debug-steps=1", "--checkpoint-folder", str(run)]
    alone = ["torchrun", "--standalone", "--nproc-per-node", "2", "train_ssd.py", *words]
    job = subprocess.Popen(
        ["bash", "-c", slurm_script(), "slurm.sh", *words] if to == "script" else alone,
        cwd=REPOSITORY, env=slurm, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        wait_for_step(run, 3, job)
        assert len(processes_of(run)) >= 3, "the launcher and two ranks"
        asked = time.monotonic()
        job.send_signal(number)
        said, _ = job.communicate(timeout=60)
        took_s = time.monotonic() - asked
        assert job.returncode == 1 and "interrupted and saved" in said, said
        assert took_s < 30 and load(find(run)).step == step_rows(run)[-1]["step"] >= 3
        assert not processes_of(run)
    finally:
        for pid in processes_of(run):
            os.kill(pid, signal.SIGKILL)
    queued = (tmp_path / "asked").read_text() if to == "script" else ""
    assert (f"requeue {slurm['SLURM_JOB_ID']}" in queued) == (to == "script")


@pytest.mark.parametrize("signalled", [True, False])
def test_the_script_passes_its_signal_on_and_queues_the_job_again(
    signalled: bool, slurm: dict[str, str], tmp_path: Path
) -> None:
    """With a torchrun that only notes what it gets; the real one is signalled with ``-m faults``."""
    end = "sleep 100 & wait; exit 1" if signalled else "exit 0"
    body = f"""trap 'echo TERM >> "{tmp_path}/got"; kill $!; exit 1' TERM; echo "$@" > "{tmp_path}/told"; {end}"""
    program(tmp_path / "bin", "torchrun", body)
    job = subprocess.Popen(["bash", "-c", slurm_script(), "slurm.sh", "--lr", "0.1"], env=slurm)
    until(lambda: (tmp_path / "told").exists(), job)
    if signalled:
        job.send_signal(signal.SIGUSR1)
    assert job.wait(60) == (1 if signalled else 0)
    assert (tmp_path / "told").read_text().split()[-4:] == ["--resume", "auto", "--lr", "0.1"]
    asked = (tmp_path / "asked").read_text()
    queued = f"requeue {slurm['SLURM_JOB_ID']}" in asked
    assert (queued, (tmp_path / "got").exists()) == (signalled, signalled)


def until(there: Callable[[], bool], job: Any, limit_s: float = 60) -> None:
    """Waits for it, as long as the program ``job`` runs."""
    end = time.monotonic() + limit_s
    while not there() and job.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
