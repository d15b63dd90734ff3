"""What compiling costs and gains is told once, and measuring it changes nothing of the run."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.training.test_console import row
from tests.engine.training.test_step import a_batch, make, weights
from vision.engine.checkpoints import schema
from vision.engine.machine import prepare
from vision.engine.model import wrap_model
from vision.engine.options.combinations import UsageError
from vision.engine.options.config import build
from vision.engine.options.option import to_mapping
from vision.engine.training import console as console_module
from vision.engine.training import step as step_module
from vision.engine.training.console import MEASURED, Console, worth
from vision.engine.training.step import train_step, uncompiled_seconds
from vision.messages.advice import UserError


def test_worth_it_from_the_step_that_pays_the_rest() -> None:
    assert worth(83.0, 3.0, 3.5).endswith(
        "took 80 s; a step takes 3 s with its data, 3.5 s without compiling: worth it from 160 steps on"
    )
    assert worth(83.0, 3.0, 3.0).endswith("not worth it here")
    assert worth(83.0, 3.0, 2.0).endswith("not worth it here")
    assert worth(0.5, 1.0, 2.0).startswith("--compile: took 0 s"), "compiled by an earlier session"


def test_it_is_told_once_where_ten_steps_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(console_module.time, "perf_counter", lambda: now[0])
    said = io.StringIO()
    console = Console(stream=said)
    console.begin(0, 100, 10, epoch=50, uncompiled_s=3.0)
    console.restart()
    for step in range(1, 30):
        now[0] += 42.0 if step == 1 else 2.0
        console.step(row(step), 4, speak=False)
        assert ("worth it from 40 steps on" in said.getvalue()) == (step > MEASURED)
    assert said.getvalue().count("--compile") == 1


def test_nothing_is_told_of_a_run_that_does_not_compile() -> None:
    said = io.StringIO()
    console = Console(stream=said)
    console.begin(0, 100, 10, epoch=50)
    for step in range(1, 30):
        console.step(row(step), 4, speak=False)
    assert "an epoch" in said.getvalue() and "--compile" not in said.getvalue()


def test_measuring_the_step_that_is_not_compiled_changes_nothing() -> None:
    (state, session), (other, plain) = make(ema=0.5), make(ema=0.5)
    before, drawn = weights(state), torch.get_rng_state()
    measured = replace(session, order=SimpleNamespace(batch_size=4))  # type: ignore[arg-type]
    assert uncompiled_seconds(state, measured) > 0
    assert torch.equal(drawn, torch.get_rng_state())
    for name, tensor in before.items():
        assert torch.equal(tensor, state.model.state_dict()[name]), name
    assert train_step(state, session, a_batch()) == train_step(other, plain, a_batch())


def test_no_room_for_the_step_that_is_not_compiled_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step_module, "forward", full)
    session = replace(make()[1], order=SimpleNamespace(batch_size=4))  # type: ignore[arg-type]
    assert uncompiled_seconds(make()[0], session) is None


def test_shapes_are_fixed_and_graphs_are_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def compiled(model: Any, **how: Any) -> Any:
        asked.append(how)
        return model

    monkeypatch.setattr(torch, "compile", compiled)
    state, session = make()
    for told in ({"compile": True}, {"compile": True, "cuda_graphs": True}):
        wrap_model(state.model, build(told), session.group, torch.device("cuda"))
    assert asked == [{"dynamic": False, "mode": None}, {"dynamic": False, "mode": "reduce-overhead"}]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"cuda_graphs": True}, "way of --compile"),
        ({"cuda_graphs": True, "compile": True, "device": "cpu"}, "needs a GPU"),
    ],
)
def test_graphs_without_what_they_need_are_refused(told: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        build(told)


def test_graphs_where_torch_sees_no_gpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="--cuda-graphs needs a GPU, and torch sees none here"):
        prepare(build({"cuda_graphs": True, "compile": True}))


def test_graphs_that_parts_write_over_are_refused_where_a_training_begins() -> None:
    config = build({"cuda_graphs": True, "compile": True, "accumulate": 2})
    with pytest.raises(UserError, match=r"--accumulate 2\n  why: .*\n  fix: --cuda-graphs false"):
        prepare(config)
    schema.arguments(to_mapping(config), "args")  # a checkpoint of the time when both went together is sound


def test_gradients_that_a_graph_may_write_over_are_let_go_before_it_runs_again() -> None:
    """A graph gives gradients in the same memory each time, and autograd takes them as they are: one call a step, none kept."""
    kept = []
    state, session = make(compile=True)

    def network(images: torch.Tensor) -> Any:
        kept.append(any(parameter.grad is not None for parameter in state.model.parameters()))
        return state.model(images)

    for _ in range(3):
        train_step(state, replace(session, network=network), a_batch())
    assert kept == [False] * 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("graphs", [False, True])
def test_compiled_steps_of_a_gpu_are_the_plain_ones(graphs: bool) -> None:
    """To a thousandth: kernels that are fused round at other places."""
    device = torch.device("cuda")
    losses = []
    for told in ({}, {"compile": True, "cuda_graphs": graphs}):
        state, session = make(**told)
        state.model.to(device)
        network = wrap_model(state.model, session.config, session.group, device)
        session = replace(session, device=device, network=network)
        losses.append([train_step(state, session, copy.deepcopy(a_batch()))["loss"] for _ in range(4)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
