"""From a configuration to the net that trains: build, freeze, device, parallel wrappers, moving average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from vision.core.sample import InputSpec
from vision.engine import distributed
from vision.engine.distributed import Group
from vision.engine.options.config import TrainConfig
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.variants import find

Tensors = tuple[Tensor, ...] | list[Tensor]


def input_spec(config: TrainConfig) -> InputSpec:
    """The input size in px, where one number is a square, and its channels."""
    return InputSpec(height=config.resolution[-1], width=config.resolution[0], channels=config.channels)


def build_from(config: TrainConfig, num_classes: int) -> Detector:
    """The detector that ``config`` describes, for ``num_classes`` with background; on the CPU, its weights drawn."""
    variant, spec = find(config.net, config.heads), input_spec(config)
    return build_detector(
        variant, num_classes, spec, config.mb2_width_mult, config.priors, config.box_regression
    )


def freeze(model: Detector, config: TrainConfig) -> None:
    """``--freeze-base-net`` and ``--freeze-net``: no gradients; the loop keeps their batch statistics still."""
    frozen = [model.base_net] if config.freeze_base_net or config.freeze_net else []
    frozen += [model.extras] if config.freeze_net else []
    for part in frozen:
        part.requires_grad_(False)


def to_device(model: Detector, config: TrainConfig, device: torch.device) -> Detector:
    """Frozen as told, on the device, in the memory layout of ``--channels-last``, with ``--sync-bn`` layers.

    Raises ValueError where ``--sync-bn`` or ``--parallel`` cannot be had here.
    """
    distributed.check(config, device)
    freeze(model, config)
    if config.sync_bn:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload]


def wrap_model(
    model: Detector, config: TrainConfig, group: Group, device: torch.device
) -> Callable[..., Any]:
    """What the loop calls: the model, compiled or spread over GPUs and processes. It shares the parameters."""
    if config.parallel == "dp":
        return nn.DataParallel(model)
    # shapes of a run do not change: one more of them, of an uneven part, is compiled by itself
    mode = "reduce-overhead" if config.cuda_graphs else None
    network = torch.compile(model, dynamic=False, mode=mode) if config.compile else model
    if group.world > 1:
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids)
    return network


def alike(one: Tensors, other: Tensors) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Pairs that lie in memory in the same way, and those that do not: one odd pair makes torch go through a whole list
    tensor by tensor, a kernel for each, in place of a few for all."""
    parts: dict[bool, tuple[list[Tensor], list[Tensor]]] = {}
    for a, b in zip(one, other, strict=True):
        lists = parts.setdefault(a.stride() == b.stride() and _is_dense(a), ([], []))
        lists[0].append(a)
        lists[1].append(b)
    return list(parts.values())


def _is_dense(tensor: Tensor) -> bool:
    """Whether its numbers lie side by side without a gap, in whatever order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def make_ema(model: nn.Module, decay: float) -> AveragedModel:
    """An ``AveragedModel`` of weights and BN statistics, in evaluation mode.

    The decay of average number n is min(``decay``, (1 + n) / (10 + n)), the ramp of TensorFlow's
    ExponentialMovingAverage, so that the first weights are forgotten in a short run too.
    """

    def towards(averages: Tensors, currents: Tensors, count: Tensor | int) -> None:
        if not averages[0].is_floating_point():  # BN's batch counters
            torch._foreach_copy_(averages, currents)
            return
        # a + (1 − decay)(x − a) leaves constants such as the priors exactly as they are
        n = average.n_averaged  # not ``count``, which is on the device: float() would wait for it
        weight = float(1 - ((1 + n) / (10 + n)).clamp(max=decay))
        for own, others in alike(averages, currents):
            change = torch._foreach_sub(others, own)
            torch._foreach_mul_(change, weight)
            torch._foreach_add_(own, change)

    # n_averaged stays on the CPU (device=None), so that asking whether it is 0 waits for no GPU
    average = AveragedModel(model, multi_avg_fn=towards, use_buffers=True)
    average.module.requires_grad_(False)
    return average.eval()
