"""Groups, optimisers, and schedules against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.core.sample import InputSpec
from vision.engine.model import make_ema
from vision.engine.optim import Schedule, build_optimizer, build_schedule, learning_rates, part_of
from vision.engine.options.config import build
from vision.ssd.build import build_detector
from vision.ssd.variants import find


@pytest.fixture(scope="module")
def detector() -> nn.Module:
    return build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64), width_mult=0.1)


def test_every_parameter_is_in_exactly_one_group(detector: nn.Module) -> None:
    optimizer = build_optimizer(detector, build({"lr": 0.1, "base_net_lr": 0.01, "extra_layers_lr": 0.05}))
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in detector.parameters())
    assert dict(learning_rates(optimizer)) == {"base_net": 0.01, "extras": 0.05, "heads": 0.1}
    assert {part_of(name) for name, _ in detector.named_parameters()} == {"base_net", "extras", "heads"}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("Adam", torch.optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-5, "weight_decay": 0.3}),
        ("AdamW", torch.optim.AdamW, {"betas": (0.8, 0.9), "eps": 1e-5, "weight_decay": 0.3}),
        ("SGD", torch.optim.SGD, {"momentum": 0.7, "nesterov": True, "weight_decay": 0.3}),
    ],
)
def test_options_reach_the_optimiser(detector: nn.Module, name: str, kind: type, expected: dict) -> None:
    told = {"betas": (0.8, 0.9), "eps": 1e-5, "weight_decay": 0.3, "momentum": 0.7, "nesterov": True}
    optimizer = build_optimizer(detector, build({"optim_choose": name, **told}))
    assert type(optimizer) is kind
    assert all(group[key] == value for group in optimizer.param_groups for key, value in expected.items())


def torch_rates(make: object, steps: int) -> list[float]:
    """Learning rates that torch's scheduler gives at lr 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_and_multi_step_are_torchs() -> None:
    sched = torch.optim.lr_scheduler
    cosine = Schedule("cosine", horizon=40, warmup=0, milestones=(), gamma=0.1)
    expected = torch_rates(lambda o: sched.CosineAnnealingLR(o, T_max=40), 40)
    assert [cosine.factor(step) for step in range(40)] == pytest.approx(expected, abs=1e-12)
    steps = Schedule("multi-step", horizon=40, warmup=0, milestones=(10, 25), gamma=0.3)
    expected = torch_rates(lambda o: sched.MultiStepLR(o, [10, 25], gamma=0.3), 40)
    assert [steps.factor(step) for step in range(40)] == pytest.approx(expected, abs=1e-12)


def test_warmup_rises_in_a_line_and_is_a_tenth_of_the_run_at_most() -> None:
    schedule = build_schedule(
        build({"epochs": 10, "scheduler": "none", "warmup_steps": 500}), steps_per_epoch=4
    )
    assert schedule.warmup == 4
    assert [schedule.factor(step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_the_horizon_is_t_max_else_epochs() -> None:
    assert build_schedule(build({"epochs": 10}), 7).horizon == 70
    assert build_schedule(build({"epochs": 10, "t_max": 3}), 7).horizon == 21
    cosine = build_schedule(build({"epochs": 10, "t_max": 3, "scheduler": "cosine"}), 7)
    assert cosine.factor(21) == cosine.factor(1000) == pytest.approx(0.0)


def test_schedule_survives_its_state_dict() -> None:
    schedule = Schedule("multi-step", 40, 3, (10, 25), 0.3)
    assert Schedule.from_state_dict(schedule.state_dict()) == schedule


def test_average_follows_the_formula_and_leaves_constants_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    model.register_buffer("constant", torch.tensor([1 / 3]))
    average = make_ema(model, decay=0.6)
    expected = None
    for n in range(8):
        with torch.no_grad():
            model[0].weight.fill_(float(n))
            model[1].num_batches_tracked.fill_(n)
        average.update_parameters(model)
        decay = min(0.6, (1 + n) / (10 + n))
        expected = float(n) if expected is None else decay * expected + (1 - decay) * n
    assert average.module[0].weight[0, 0].item() == pytest.approx(expected, rel=1e-5)
    assert average.module[1].num_batches_tracked.item() == 7
    assert torch.equal(average.module.constant, model.constant)


def test_cosine_begins_where_the_warm_up_ends() -> None:
    """10 steps up, then half a wave over the other 30: whole at its start, half in its middle."""
    schedule = Schedule("cosine", horizon=40, warmup=10, milestones=(), gamma=0.1)
    found = [schedule.factor(step) for step in (0, 9, 10, 25, 40)]
    assert found == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0], abs=1e-12)


def test_biases_and_norms_decay_only_when_they_are_asked_to(detector: nn.Module) -> None:
    """Without --decay-norm all that has one dimension is left alone, with it nothing is."""
    split = build_optimizer(detector, build({"weight_decay": 0.3, "decay_norm": False}))
    decays = {id(p): group["weight_decay"] for group in split.param_groups for p in group["params"]}
    assert all(decays[id(p)] == (0.3 if p.dim() > 1 else 0.0) for p in detector.parameters())
    assert {group["name"] for group in split.param_groups if group["weight_decay"] == 0} == {
        "base_net/no_decay", "extras/no_decay", "heads/no_decay",
    }  # fmt: skip
    whole = build_optimizer(detector, build({"weight_decay": 0.3, "decay_norm": True}))
    assert all(group["weight_decay"] == 0.3 for group in whole.param_groups)


def test_statistics_are_averaged_as_weights_are() -> None:
    """Two updates of 0 and 1: the second counts with 1 − (1 + 1) / (10 + 1)."""
    model = nn.BatchNorm2d(3)
    average = make_ema(model, decay=0.9)
    for value in (0.0, 1.0):
        with torch.no_grad():
            model.running_mean.fill_(value)
            model.weight.fill_(value)
        average.update_parameters(model)
    expected = torch.full((3,), 9 / 11)
    torch.testing.assert_close(average.module.running_mean, expected)
    torch.testing.assert_close(average.module.weight.detach(), expected)
