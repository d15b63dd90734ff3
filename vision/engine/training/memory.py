"""What to do where the device's memory is too small for a step: measured with a part of it, not guessed."""

from __future__ import annotations

import math

import torch

from vision.core.sample import Batch
from vision.engine.state import TrainState
from vision.engine.training.session import Session
from vision.engine.training.validation import forward
from vision.messages.advice import UserError

SAFE = 0.9
"""Part of the free memory that is planned with; the rest is for fragments."""
STRIDE = 32


class OutOfMemory(UserError):
    """The device is too small for what it was asked."""


def images_that_fit(state: TrainState, session: Session, batch: Batch) -> int | None:
    """How many images at once the device has room for, measured with two; 0 where not even those; None where the
    device does not count its memory. What a failed step holds has to be released before."""
    if session.device.type != "cuda" or (session.config.sync_bn and session.group.world > 1):
        return None  # SyncBN's layers would wait for the other processes
    state.optimizer.zero_grad(set_to_none=True)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(session.device)
    before = torch.cuda.memory_allocated(session.device)
    torch.cuda.reset_peak_memory_stats(session.device)
    few = Batch(*(tensor[:2] for tensor in batch._tensors())).to(session.device)
    try:
        # the detector itself: a wrapper would wait for the other processes
        logits, offsets = forward(state.model, state.model, few, session.amp_dtype)
        session.loss(logits, offsets, few, 1.0).total.backward()
    except torch.OutOfMemoryError:
        return 0
    finally:
        state.optimizer.zero_grad(set_to_none=True)
    taken = torch.cuda.max_memory_allocated(session.device) - before
    gradients = sum(p.numel() * p.element_size() for p in state.model.parameters() if p.requires_grad)
    return int((free * SAFE - gradients) // (max(1, taken - gradients) / len(few)))


def what_would_fit(session: Session, fit: int | None) -> str:
    """The message of OutOfMemory. ``fit``: images at once, as measured; None: half of the present number."""
    config, world = session.config, session.group.world
    own = -(-min(config.batch_size, session.order.batch_size) // world)
    part = -(-own // config.accumulate)
    measured = fit is not None
    fit = max(1, part // 2) if fit is None else min(fit, max(1, part - 1))
    ways = _ways(config.resolution, config.batch_size, config.accumulate, own, part, fit)
    size = f"{config.resolution[0]}×{config.resolution[-1]} px"
    room = f"room for {fit} was measured" if measured else "half of it may fit"
    return (
        f"{session.device}: out of memory with {part} images of {size} at once "
        f"({config.batch_size} a step, --accumulate {config.accumulate}); {room}.\n"
        f"  This would need no more than that: {'; '.join(ways)}.\n"
        f"  {session.way_back()}"
    )


def _ways(
    resolution: tuple[int, ...], batch_size: int, accumulate: int, own: int, part: int, fit: int
) -> list[str]:
    """Only what is smaller than what was tried."""
    ways = []
    if fit and fit < part:
        parts = -(-own // fit)
        ways.append(f"--accumulate {parts} (the same steps in parts of {-(-own // parts)} images)")
        smaller_batch = max(1, batch_size * fit // part)
        ways.append(f"--batch-size {smaller_batch} (a new run)")
    scale = math.sqrt((fit or 0.5) / part) if part > 1 or not fit else 0.7
    sides = [max(STRIDE, int(side * scale) // STRIDE * STRIDE) for side in resolution]
    if sides != list(resolution):
        ways.append(f"--resolution {' '.join(map(str, sides))} (a new run)")
    return ways or ["a narrower net (--mb2-width-mult, a new run) or a device with more memory"]
