"""One step: accumulation, clipping, precision, freezing, and what happens to a loss that is not finite."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.engine.tiny_runs import assert_same_run, step_rows
from vision.core.sample import Batch, InputSpec
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.distributed import Group
from vision.engine.interrupt import StopRequest
from vision.engine.model import to_device
from vision.engine.optim import build_optimizer, build_schedule
from vision.engine.options.config import build
from vision.engine.runs.metric_logger import NullLogger
from vision.engine.state import TrainState, seed_everything
from vision.engine.training import start
from vision.engine.training.console import Console
from vision.engine.training.loop import training_mode
from vision.engine.training.not_finite import NotFinite
from vision.engine.training.session import Session
from vision.engine.training.step import split, train_step
from vision.ssd.build import build_detector, build_loss
from vision.ssd.variants import find


def a_batch(images: int = 4, side: int = 64) -> Batch:
    """Noise with two boxes in every image but the last, which is background."""
    draw = torch.Generator().manual_seed(5)
    boxes = torch.tensor([[0.1, 0.1, 0.6, 0.7], [0.4, 0.3, 0.9, 0.9]]).repeat(images, 1, 1)
    labels = torch.tensor([[1, 2]]).repeat(images, 1)
    labels[-1] = 0
    return Batch(
        torch.randint(0, 256, (images, 3, side, side), dtype=torch.uint8, generator=draw),
        boxes * (labels > 0)[..., None], labels, torch.zeros(images, 0, 4),
        torch.arange(100, 100 + images), torch.full((images, 2), side),
    )  # fmt: skip


def make(side: int = 64, **told: Any) -> tuple[TrainState, Session]:
    """A state and as much of a session as a step needs, of a narrow net."""
    config = build({"batch_size": 4, "optim_choose": "SGD", "lr": 0.01, "warmup_steps": 0, **told})
    seed_everything(1)
    row = find(config.net, config.heads)
    narrow = build_detector(row, 3, InputSpec(side, side), 0.1)
    model = to_device(narrow, config, torch.device("cpu"))
    optimizer, schedule = build_optimizer(model, config), build_schedule(config, 10)
    amp = torch.bfloat16 if config.amp == "bf16" else None
    state = start.create_train_state(model, optimizer, schedule, config, amp)
    session = Session(
        config=config, device=torch.device("cpu"), amp_dtype=amp, network=model, loss=build_loss(model),
        order=None, train=None, validation=None, validation_data=None, run=RunFolder(Path("nowhere")), facts=None,
        board=NullLogger(), console=Console(), stop=StopRequest(), group=Group(),
    )  # fmt: skip
    training_mode(model, config.freeze_bn)
    return state, session


def weights(state: TrainState) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def test_parts_of_a_batch_are_the_batch() -> None:
    batch = a_batch(5)
    parts = split(batch, 3)
    assert [len(part) for part in parts] == [1, 2, 2] and len(split(batch, 9)) == 5
    assert torch.equal(torch.cat([part.image_ids for part in parts]), batch.image_ids)


@pytest.mark.parametrize("clip", [None, 0.5])
def test_accumulation_is_the_large_batch_up_to_batch_statistics(clip: float | None) -> None:
    ends = []
    for parts in (1, 2, 4):
        state, session = make(accumulate=parts, freeze_bn=True, clip_grad=clip)
        row = train_step(state, session, a_batch())
        ends.append((row, weights(state)))
    (first, whole), *others = ends
    for row, found in others:
        assert row["positives"] == first["positives"] > 0
        assert row["loss"] == pytest.approx(first["loss"], rel=1e-5)
        assert row["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-4)
        for name, tensor in whole.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6)


def test_clipping_shortens_the_gradient_to_its_limit() -> None:
    state, session = make(clip_grad=0.25)
    before = weights(state)
    assert train_step(state, session, a_batch())["grad_norm"] > 0.25
    parameters = dict(state.model.named_parameters())
    moved = torch.cat([((weights(state)[name] - before[name]) / 0.01).flatten() for name in parameters])
    assert float(moved.norm()) == pytest.approx(0.25, rel=1e-3)


def test_bfloat16_is_really_active_and_the_loss_stays_float32() -> None:
    """At a size where no depthwise layer halves a map of 1×1: oneDNN's bfloat16 gradient of its weights reads
    memory that nobody wrote (torch 2.15; docs/log.md), and is NaN when that happens to hold one."""
    for amp, inside in (("off", torch.float32), ("bf16", torch.bfloat16)):
        state, session = make(side=288, amp=amp)
        seen = []
        head = next(m for m in state.model.classification_headers.modules() if isinstance(m, nn.Conv2d))
        head.register_forward_hook(lambda module, given, made, seen=seen: seen.append(made.dtype))
        row = train_step(state, session, a_batch(side=288))
        assert seen == [inside] and row["loss"] is not None
        assert all(parameter.dtype == torch.float32 for parameter in state.model.parameters())


@pytest.mark.parametrize(
    ("told", "still"),
    [({"freeze_base_net": True}, ("base_net.",)), ({"freeze_net": True}, ("base_net.", "extras."))],
)
def test_frozen_parts_stand_still_with_their_batch_statistics(told: dict, still: tuple[str, ...]) -> None:
    state, session = make(**told)
    before = weights(state)
    train_step(state, session, a_batch())
    changed = {name for name, tensor in weights(state).items() if not torch.equal(tensor, before[name])}
    assert not [name for name in changed if name.startswith(still)]
    assert [name for name in changed if name.startswith("classification_headers.")]


def test_without_decay_norm_only_weights_of_layers_decay() -> None:
    state, _ = make(decay_norm=False, weight_decay=0.1)
    for group in state.optimizer.param_groups:
        plain = group["name"].endswith("/no_decay")
        assert group["weight_decay"] == (0.0 if plain else 0.1)
        assert all((parameter.dim() == 1) == plain for parameter in group["params"])


# ---------------------------------------------------------------- not finite


class Poisoned:
    """A loss that is ``value`` at a call, else what it wraps."""

    def __init__(self, loss: Any, value: float) -> None:
        self.loss, self.value, self.active = loss, value, True
        self.match = loss.match

    def __call__(self, *arguments: Any) -> Any:
        parts = self.loss(*arguments)
        return replace(parts, total=parts.total * self.value) if self.active else parts


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_stop_names_step_and_images_and_touches_no_weight(value: float) -> None:
    state, session = make()
    session = replace(session, loss=Poisoned(session.loss, value))
    before = {name: parameter.clone() for name, parameter in state.model.named_parameters()}
    with pytest.raises(NotFinite, match=r"step 1 .*images 100, 101, 102, 103"):
        train_step(state, session, a_batch())
    assert all(torch.equal(parameter, before[name]) for name, parameter in state.model.named_parameters())


def test_skip_leaves_everything_as_if_the_batch_had_not_been(capsys: pytest.CaptureFixture[str]) -> None:
    state, session = make(nan="skip", ema=0.5)
    poisoned = Poisoned(session.loss, float("nan"))
    session = replace(session, loss=poisoned)
    before = copy.deepcopy([weights(state), state.optimizer.state_dict()["state"], state.ema.state_dict()])
    row = train_step(state, session, a_batch())
    assert row["skipped"] and row["loss"] is None and state.step == 1
    assert row["images"] == [100, 101, 102, 103], "all of them, for whoever looks for the cause"
    assert "images 100" in capsys.readouterr().out
    for a, b in zip(weights(state).values(), before[0].values(), strict=True):
        assert torch.equal(a, b)
    assert state.optimizer.state_dict()["state"] == before[1] == {}
    poisoned.active = False
    assert train_step(state, session, a_batch())["loss"] is not None


@pytest.mark.parametrize("nan", ["stop", "skip"])
def test_a_forward_pass_that_overflows_spoils_no_statistics(nan: str) -> None:
    """It reaches the running means before its loss is known."""
    state, session = make(nan=nan, lr=0.0001)
    before = weights(state)
    norm = next(module for module in state.model.modules() if isinstance(module, nn.BatchNorm2d))
    hook = norm.register_forward_pre_hook(lambda module, given: (given[0] * float("inf"),))
    if nan == "stop":
        with pytest.raises(NotFinite, match="weights were not touched"):
            train_step(state, session, a_batch())
        return
    assert train_step(state, session, a_batch())["skipped"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(state).items())
    hook.remove()
    assert train_step(state, session, a_batch())["loss"] is not None


def test_a_gradient_that_is_not_finite_is_caught_though_the_loss_is() -> None:
    state, session = make()
    next(state.model.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NotFinite, match=r"gradient norm (inf|nan)"):
        train_step(state, session, a_batch())


# ---------------------------------------------------------------- through the command line


def test_data_parallel_makes_checkpoints_without_module(
    train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    for name, words in (("plain", ()), ("dp", ("--parallel=dp",))):
        assert train(*tiny, "--checkpoint-folder", tmp_path / name, "--stop-after-epoch", 1, *words) == 0
    plain, parallel = (checkpoint.load(checkpoint.find(tmp_path / name)) for name in ("plain", "dp"))
    assert list(plain.weights) == list(parallel.weights)
    assert step_rows(tmp_path / "plain") == step_rows(tmp_path / "dp")


def test_patience_ends_a_run_that_stands_still(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*tiny, "--checkpoint-folder", tmp_path / "run", "--lr=1e-30", "--freeze-bn", "--patience=1"]
    assert train(*line) == 0
    assert "stopped early" in capsys.readouterr().out
    reached = checkpoint.find(tmp_path / "run")
    assert checkpoint.load(reached).epoch < 3
    assert train(*line, "--resume", "auto") == 0
    assert "stopped early" in capsys.readouterr().out
    assert checkpoint.find(tmp_path / "run") == reached, (
        "a scheduler that runs the line again trains no further"
    )


def test_weights_of_another_run_start_a_new_one(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*tiny, "--checkpoint-folder", tmp_path / "a", "--stop-after-epoch", 1) == 0
    file = checkpoint.find(tmp_path / "a")
    line = [
        *tiny,
        "--checkpoint-folder",
        tmp_path / "b",
        "--pretrained-ssd",
        file,
        "--lr=1e-30",
        "--freeze-bn",
    ]
    assert train(*line, "--stop-after-step", 1) == 0
    assert f"initial weights {file}" in capsys.readouterr().out
    a, b = checkpoint.load(file), checkpoint.load(checkpoint.find(tmp_path / "b"))
    first = next(iter(a.weights))
    taken = torch.equal(a.ema["weights"][first], b.weights[first])
    source = a.ema["weights"] if taken else a.weights
    assert all(torch.allclose(tensor, b.weights[name], rtol=0, atol=1e-25) for name, tensor in source.items())


# ---------------------------------------------------------------- with a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("amp", "inside"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_mixed_precision_on_a_gpu(
    amp: str, inside: torch.dtype, train: Callable[..., int], tiny: list[str], tmp_path: Path
) -> None:
    run, seen = tmp_path / "run", []
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, given, made: seen.append(made.dtype) if isinstance(module, nn.Conv2d) else None
    )
    try:
        assert (
            train(*tiny, "--device=cuda", f"--amp={amp}", "--checkpoint-folder", run, "--stop-after-step", 6)
            == 0
        )
    finally:
        hook.remove()
    assert inside in set(seen)
    assert bool(checkpoint.load(checkpoint.find(run)).scaler) == (amp == "fp16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("amp", ["off", "fp16", "bf16"])
def test_deterministic_resume_on_a_gpu_is_exact(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, amp: str
) -> None:
    """With float16 the gradient scaler is part of the state."""
    line = [*tiny, "--device=cuda", "--deterministic", f"--amp={amp}", "--resume=auto", "--checkpoint-folder"]
    assert train(*line, tmp_path / "a") == 0
    for stop in (3, 9):
        assert train(*line, tmp_path / "b", "--stop-after-step", stop) == 0
    assert train(*line, tmp_path / "b") == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_a_step_has_its_own_rate_and_moves_the_average() -> None:
    state, session = make(ema=0.5, scheduler="cosine")
    for step in range(3):
        row = train_step(state, session, a_batch())
        assert row["rate"]["heads"] == pytest.approx(0.01 * state.schedule.factor(step))
        assert row["step"] == step + 1 and state.ema is not None and int(state.ema.n_averaged) == step + 1
    assert state.schedule.factor(0) > state.schedule.factor(1) > state.schedule.factor(2)


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_gradient_scaler_changes_neither_norm_nor_step(clip: float | None) -> None:
    (plain, session), (scaled, other) = make(clip_grad=clip), make(clip_grad=clip)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    rows = [train_step(plain, session, a_batch()), train_step(scaled, other, a_batch())]
    assert (
        rows[0]["grad_norm"] == pytest.approx(rows[1]["grad_norm"], rel=1e-4) and rows[0]["grad_norm"] > 0.5
    )
    for name, weight in weights(plain).items():
        torch.testing.assert_close(weight, weights(scaled)[name], rtol=1e-4, atol=1e-6)
