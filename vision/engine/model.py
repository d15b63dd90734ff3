"""The moving average of the weights (EMA), kept beside the raw ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """An ``AveragedModel`` of weights and BN statistics, in evaluation mode.

    The decay of average number n is min(``decay``, (1 + n) / (10 + n)), the ramp of TensorFlow's
    ExponentialMovingAverage, so that the first weights are forgotten in a short run too.
    """

    def towards(average: Tensors, current: Tensors, count: Tensor | int) -> None:
        if not average[0].is_floating_point():  # BN's batch counters
            torch._foreach_copy_(average, current)
            return
        # a + (1 − decay)(x − a) leaves constants such as the priors exactly as they are
        n = torch.as_tensor(count, device=average[0].device)
        weight = 1 - ((1 + n) / (10 + n)).clamp(max=decay)
        change = torch._foreach_sub(current, average)
        torch._foreach_mul_(change, weight)
        torch._foreach_add_(average, change)

    # n_averaged stays on the CPU (device=None), so that asking whether it is 0 waits for no GPU
    average = AveragedModel(model, multi_avg_fn=towards, use_buffers=True)
    average.module.requires_grad_(False)
    return average.eval()
