"""Steps whose numbers are read once a window: the same rows and weights, and no weight takes a step that is not finite."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.tiny_runs import assert_same_run
from tests.engine.training.test_step import a_batch, make, weights
from vision.artefacts import log
from vision.datasets.contract import SampleError
from vision.engine.training import loop, step
from vision.engine.training.not_finite import NotFinite
from vision.engine.training.step import UNREAD, read, train_step

READS = ("tolist", "item", "__float__", "__bool__")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Steps of a CPU as those of a GPU: the host need not wait for one, and so nothing here is of a GPU's alone."""
    return lambda is_so: monkeypatch.setattr(step, "reads_later", lambda state, session: is_so)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the host asked for values of a tensor."""
    found: list[str] = []
    for name in READS:
        real = getattr(Tensor, name)

        def noted(self: Tensor, real: Any = real, name: str = name) -> Any:
            found.append(name)
            return real(self)

        monkeypatch.setattr(Tensor, name, noted)
    return found


@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "AdamW"])
def test_rows_and_weights_are_those_of_steps_that_are_waited_for(
    later: Callable[[bool], None], optimiser: str
) -> None:
    told: dict[str, Any] = {
        "optim_choose": optimiser,
        "fused": True,
        "ema": 0.9,
        "clip_grad": 1.0,
        "accumulate": 2,
    }
    (one, session), (other, other_session) = make(**told), make(**told)
    later(False)
    plain = [train_step(one, session, a_batch()) for _ in range(3)]
    later(True)
    rows = [train_step(other, other_session, a_batch()) for _ in range(3)]
    assert all(UNREAD in row for row in rows) and other.window.steps == 0
    found = list(read(other, other_session, rows))
    assert [list(row.items()) for row in found] == [list(row.items()) for row in plain]
    assert other.window == one.window and other.window.steps == 3
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name


def test_the_host_asks_once_a_window(later: Callable[[bool], None], reads: list[str]) -> None:
    state, session = make(fused=True)
    later(False)
    train_step(state, session, a_batch())
    assert reads == ["tolist"], "once a step"
    later(True)
    reads.clear()
    rows = [train_step(state, session, a_batch()) for _ in range(4)]
    assert not reads
    assert len(list(read(state, session, rows))) == 4
    assert reads == ["tolist"]


@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "AdamW"])
def test_no_weight_takes_a_step_that_is_not_finite(later: Callable[[bool], None], optimiser: str) -> None:
    state, session = make(fused=True, optim_choose=optimiser, lr=0.001)
    later(True)
    rows = [train_step(state, session, a_batch())]
    before = copy.deepcopy([list(state.model.parameters()), state.optimizer.state_dict()["state"]])
    session.loss.classes = lambda *rest: rest[0].sum() * torch.nan
    bad = a_batch()
    bad.image_ids += 1000
    rows.append(train_step(state, session, bad))
    after = [list(state.model.parameters()), state.optimizer.state_dict()["state"]]
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert not hasattr(state.optimizer, "found_inf"), "the next step is taken again"
    found: list[dict[str, Any]] = []
    with pytest.raises(NotFinite, match=r"step 2 .*images 1100, 1101, 1102, 1103\.\n.*were not touched"):
        for row in read(state, session, rows):
            found.append(row)
    assert state.window.steps == 1, "what came before counts"
    assert [row["step"] for row in found] == [1], "and is given out"


def test_a_step_waits_where_something_follows_from_its_numbers() -> None:
    for told in ({}, {"fused": True}, {"fused": True, "nan": "skip"}):
        state, session = make(**told)
        assert not step.reads_later(state, session), "a CPU has nothing to wait for"
    gpu = copy.copy(make(fused=True)[1])
    object.__setattr__(gpu, "device", torch.device("cuda"))
    assert step.reads_later(state, gpu)
    state.scaler = torch.amp.GradScaler("cpu")
    assert not step.reads_later(state, gpu), "a scaler decides by the gradient"


def test_a_run_writes_the_same_and_resumes(
    train: Any, tiny: list[str], tmp_path: Path, later: Callable[[bool], None]
) -> None:
    line = [*tiny, "--fused", "--ema=0.9", "--debug-steps=3"]
    assert train(*line, "--checkpoint-folder", tmp_path / "waits") == 0
    later(True)
    run = tmp_path / "later"
    assert train(*line, "--checkpoint-folder", run, "--stop-after-step=2") == 0
    assert train("--resume", run) == 0
    assert_same_run(tmp_path / "waits", run)


def test_a_save_is_after_a_read(
    train: Any,
    tiny: list[str],
    tmp_path: Path,
    later: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a checkpoint each step nothing is unread when one is written."""
    later(True)
    seen: list[tuple[int, int]] = []
    real = loop.save

    def noted(state: Any, *rest: Any) -> None:
        if state.step_in_epoch:
            seen.append((state.window.steps, state.step_in_epoch))
        real(state, *rest)

    monkeypatch.setattr(loop, "save", noted)
    line = [*tiny, "--fused", "--debug-steps=100", "--save-every-steps=2", "--stop-after-epoch=1"]
    assert train(*line, "--checkpoint-folder", tmp_path / "run") == 0
    assert seen and all(counted == made for counted, made in seen)


@pytest.mark.parametrize("fault", ["not finite", "image"])
def test_steps_before_one_that_ends_the_run_are_logged(
    fault: str,
    train: Any,
    tiny: list[str],
    tmp_path: Path,
    later: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, made = step._gradients, [0]

    def fails_at_third(state: Any, session: Any, batch: Any) -> tuple[Tensor, Tensor]:
        made[0] += 1
        if made[0] == 3 and fault == "image":
            raise SampleError("image 7: it cannot be read")
        sums, norm = real(state, session, batch)
        return (sums * torch.nan, norm) if made[0] == 3 else (sums, norm)

    monkeypatch.setattr(step, "_gradients", fails_at_third)
    later(True)
    line = [*tiny, "--fused", "--debug-steps=100", "--checkpoint-folder", tmp_path / "run"]
    assert train(*line) == 1
    rows = [row for row in log.read(tmp_path / "run" / "metrics.jsonl") if row.get("kind") == "step"]
    assert [row["step"] for row in rows] == [1, 2]
