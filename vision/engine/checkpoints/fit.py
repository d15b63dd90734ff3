"""A checkpoint's tensors against the net and the optimiser that its own arguments describe.

Both are built again, from the arguments alone, so that a checkpoint that could not be put back is found out
while an older one can still be taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.engine.checkpoints.checkpoint import Checkpoint, load
from vision.engine.checkpoints.folder import DamagedCheckpoint
from vision.engine.checkpoints.schema import MOST
from vision.engine.model import build_from, freeze
from vision.engine.optim import build_optimizer
from vision.engine.options.config import TrainConfig
from vision.messages.terminal import counted
from vision.ssd.build import without_first_weights

MOMENTS = {"SGD": {"momentum_buffer"}, "Adam": {"step", "exp_avg", "exp_avg_sq"}}
MOMENTS["AdamW"] = MOMENTS["Adam"]


def load_to_go_on(path: Path) -> Checkpoint:
    """``load``, and everything in it fits. Raises DamagedCheckpoint that names file and part."""
    checkpoint = load(path)
    try:
        check_fit(checkpoint)
    except _Misfit as error:
        raise DamagedCheckpoint(f"{path}: {error}") from None
    return checkpoint


class _Misfit(ValueError):
    """Names the part and what does not fit."""


def check_fit(checkpoint: Checkpoint) -> None:
    """Weights, average, optimiser and schedule against what ``args`` describe. Raises _Misfit."""
    config = checkpoint.config
    with without_first_weights():
        model = build_from(config, len(checkpoint.classes))
    freeze(model, config)
    expected = model.state_dict()
    _check_weights("weights", checkpoint.weights, expected)
    if bool(checkpoint.ema) != bool(config.ema):
        raise _Misfit(f"ema: {'an' if checkpoint.ema else 'no'} average, and args has ema {config.ema:g}")
    if checkpoint.ema:
        _check_weights("ema.weights", checkpoint.ema["weights"], expected)
    if checkpoint.scheduler["kind"] != config.scheduler:
        raise _Misfit(f"scheduler.kind: {checkpoint.scheduler['kind']}, and args has {config.scheduler}")
    _check_optimizer(checkpoint.optimizer, build_optimizer(model, config), config)
    updated = not checkpoint.scaler and (checkpoint.window["steps"] or checkpoint.sampler["epoch"])
    if updated and "exp_avg" in MOMENTS[config.optim_choose] and not checkpoint.optimizer["state"]:
        raise _Misfit(
            f"optimizer.state: no moments after {counted(checkpoint.step, 'step')} of {config.optim_choose}"
        )


def _check_weights(part: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Names, shapes and types; no more and no fewer."""
    missing = [name for name in expected if name not in found]
    foreign = [name for name in found if name not in expected]
    if missing or foreign:
        counts = f"missing {len(missing)}, unknown {len(foreign)}"
        raise _Misfit(
            f"{part}: other tensors than the net's ({counts}), the first is {(missing + foreign)[0][:80]}"
        )
    for name, tensor in expected.items():
        ours, theirs = _kind(found[name]), _kind(tensor)
        if ours != theirs:
            raise _Misfit(f"{part}.{name}: {ours}, the net has {theirs}")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _check_optimizer(saved: dict[str, Any], built: torch.optim.Optimizer, config: TrainConfig) -> None:
    groups = [len(group["params"]) for group in built.param_groups]
    found = [len(group["params"]) for group in saved["param_groups"]]
    if groups != found:
        raise _Misfit(f"optimizer.param_groups: {found} parameters, the net has {groups}")
    order = [index for group in saved["param_groups"] for index in group["params"]]
    if order != list(range(sum(groups))):
        raise _Misfit("optimizer.param_groups: params: expected the parameters by rising index")
    parameters = [parameter for group in built.param_groups for parameter in group["params"]]
    needed = MOMENTS[config.optim_choose] | ({"max_exp_avg_sq"} if config.amsgrad else set())
    for index, moments in saved["state"].items():
        if index >= len(parameters):
            raise _Misfit(f"optimizer.state: parameter {index} of {len(parameters)}")
        _check_moments(f"optimizer.state.{index}", moments, needed, parameters[index])
    if len(saved["state"]) not in (0, len(parameters)):  # every update moves all of them
        raise _Misfit(
            f"optimizer.state: moments of {len(saved['state'])} of {counted(len(parameters), 'parameter')}"
        )


def _check_moments(where: str, moments: Mapping[str, Any], needed: set[str], parameter: Tensor) -> None:
    if set(moments) != needed:
        raise _Misfit(
            f"{where}: expected {', '.join(sorted(needed))}, found {', '.join(moments) or 'nothing'}"
        )
    for name, value in moments.items():
        if name == "step":
            _check_updates(f"{where}.step", value)
        elif isinstance(value, Tensor):
            _check_moment(f"{where}.{name}", value, parameter)
        elif value is not None or name != "momentum_buffer":
            raise _Misfit(f"{where}.{name}: expected a tensor")


def _check_updates(where: str, value: Any) -> None:
    """Adam divides by 1 − β^(updates + 1)."""
    if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point() or not 0 <= value < MOST:
        raise _Misfit(f"{where}: expected the number of updates as a floating-point tensor")


def _check_moment(where: str, value: Tensor, parameter: Tensor) -> None:
    if value.shape != parameter.shape or not value.is_floating_point():
        raise _Misfit(f"{where}: {_kind(value)}, the net has {_kind(parameter)}")
    if where.endswith("_sq") and bool((value < 0).any()):
        raise _Misfit(f"{where}: a square that is negative")
