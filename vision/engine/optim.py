"""Optimisers with three parameter groups, and the learning rate as a pure function of the step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vision.engine.options.config import TrainConfig
from vision.messages.advice import UserError

HEADS = ("classification_headers.", "regression_headers.")
WARMUP_SHARE = 10
"""Warm-up lasts at most one part in this many of the horizon, so that a short run is not all warm-up."""


def part_of(parameter_name: str) -> str:
    """Name in the detector's state dict → ``base_net``, ``extras`` or ``heads``."""
    if parameter_name.startswith("base_net."):
        return "base_net"
    return "heads" if parameter_name.startswith(HEADS) else "extras"


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Base net, extras and heads, each with its learning rate; frozen parameters are left out.

    Without ``--decay-norm`` each is split in two: ``{part}`` and ``{part}/no_decay`` for batch normalisation and
    biases, which are the parameters of one dimension.
    """
    rates = {
        "base_net": config.base_net_lr or config.lr,
        "extras": config.extra_layers_lr or config.lr,
        "heads": config.lr,
    }
    groups = []
    for part, rate in rates.items():
        trained = [p for name, p in model.named_parameters() if p.requires_grad and part_of(name) == part]
        split = (lambda p: True) if config.decay_norm else (lambda p: p.dim() > 1)
        common = {"lr": rate, "initial_lr": rate}
        groups.append({"name": part, "params": [p for p in trained if split(p)], **common})
        groups.append(
            {
                "name": f"{part}/no_decay",
                "params": [p for p in trained if not split(p)],
                "weight_decay": 0.0,
                **common,
            }
        )
    return [group for group in groups if group["params"]]


def build_optimizer(model: nn.Module, config: TrainConfig) -> Optimizer:
    """``--optim-choose`` over the parameter groups. Raises ValueError where nothing is left to train."""
    groups = parameter_groups(model, config)
    if not groups:
        raise UserError("every parameter is frozen: nothing is left to train")
    if config.optim_choose == "SGD":
        spare_compiler(torch.optim.SGD)
        return torch.optim.SGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            dampening=config.dampening,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            fused=config.fused or None,
        )
    kind = torch.optim.AdamW if config.optim_choose == "AdamW" else torch.optim.Adam
    spare_compiler(kind)
    return kind(
        groups,
        lr=config.lr,
        betas=(config.betas[0], config.betas[1]),
        eps=config.eps,
        weight_decay=config.weight_decay,
        amsgrad=config.amsgrad,
        fused=config.fused or None,
    )


def spare_compiler(kind: type[Optimizer]) -> None:
    """The methods of ``kind`` no longer import torch's compiler: 1,000 modules, seconds and 100 MB.

    Torch wraps them for steps that are compiled, where they have to break the graph; ours compile nothing but the net.
    What is computed is the same. Where a torch wraps them in another way, it imports what it wants.
    """
    for method in (kind.add_param_group, kind.zero_grad, kind.state_dict, kind.load_state_dict):
        plain = inspect.unwrap(method)
        plain.__dict__.setdefault("__dynamo_disable", plain)  # where torch keeps what it found by the import
    kind.step = torch.no_grad()(inspect.unwrap(kind.step))  # type: ignore[method-assign]


@dataclass(frozen=True)
class Schedule:
    """Learning-rate factor by step. All lengths in optimiser steps, counted from 0.

    ``horizon`` is fixed when a run starts; steps beyond it keep the last factor.
    """

    kind: str
    horizon: int
    warmup: int
    milestones: tuple[int, ...]
    gamma: float

    def factor(self, step: int) -> float:
        """What multiplies the learning rate of update number ``step``, in [0, 1]."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.kind == "multi-step":
            return self.gamma ** sum(step >= milestone for milestone in self.milestones)
        if self.kind == "cosine":
            progress = min(1.0, (step - self.warmup) / max(1, self.horizon - self.warmup))
            return 0.5 * (1 + math.cos(math.pi * progress))
        return 1.0

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set every group's rate for update number ``step``."""
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.factor(step)

    def state_dict(self) -> dict[str, Any]:
        return {**asdict(self), "milestones": list(self.milestones)}

    @staticmethod
    def from_state_dict(state: dict[str, Any]) -> Schedule:
        return Schedule(**{**state, "milestones": tuple(state["milestones"])})


def build_schedule(config: TrainConfig, steps_per_epoch: int) -> Schedule:
    """The schedule of a run that starts now; its horizon is ``--t-max`` (``--epochs``) epochs."""
    horizon = (config.t_max or config.epochs) * steps_per_epoch
    return Schedule(
        kind=config.scheduler,
        horizon=horizon,
        warmup=min(config.warmup_steps, horizon // WARMUP_SHARE),
        milestones=tuple(epoch * steps_per_epoch for epoch in config.milestones),
        gamma=config.gamma,
    )


def learning_rates(optimizer: Optimizer) -> Iterator[tuple[str, float]]:
    """(group name, learning rate) in the order of the groups."""
    for group in optimizer.param_groups:
        yield group["name"], float(group["lr"])
