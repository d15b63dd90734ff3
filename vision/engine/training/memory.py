"""What to do where the device's memory is too small for a step."""

from __future__ import annotations

import copy
import os
import re
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from vision.engine.training.session import Session
from vision.messages.advice import UserError
from vision.messages.terminal import counted

UNKNOWN = 1 << 62
"""Bytes: more than there are anywhere."""
MOST_A_PIXEL = 4000
"""Bytes a pixel of the input that no net of width 1 needs; mb2-ssd-lite keeps 1,700, rfb-resnet101 2,900. Below it nothing has
to be measured."""
STRIDE, SHORTER = 32, 0.7
"""px that sides are multiples of; a side 0.7 times as long is half the area."""


class OutOfMemory(UserError):
    """The device is too small for what it was asked."""


def what_may_fit(session: Session) -> str:
    """The message of OutOfMemory: ways that need about half of what was tried, and are smaller than that."""
    part = images_at_once(session)
    return (
        f"{session.device}: out of memory with {_tried(session, part)}.\n{_ways(session, max(1, part // 2))}"
    )


def require_room(session: Session, model: nn.Module) -> None:
    """Raises OutOfMemory for a step that the memory of a CPU cannot hold: the kernel would end the process without a word.

    A step takes at least what is kept for the backward pass, which is measured with two images: 152 MB an image of 300×300 px
    for mb2-ssd-lite, and 151 MB is what the process grew by with 12 of them.
    """
    if session.device.type != "cpu":
        return
    own = free_bytes()
    config, part = session.config, images_at_once(session)
    width, height = config.resolution[0], config.resolution[-1]
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    most = part * processes * width * height * MOST_A_PIXEL * max(1, config.mb2_width_mult)
    # the least of all processes, so that all decide alike; one that cannot tell takes part, too
    free = -session.group.all_reduce_max(-UNKNOWN if own is None else -own, device=session.device)[0]
    if most < free:
        return
    with torch.autocast("cpu", session.amp_dtype, enabled=session.amp_dtype is not None):
        an_image = bytes_kept(model, torch.zeros(2, config.channels, height, width)) // 2
    if part * an_image * processes > free:
        raise OutOfMemory(
            f"{_tried(session, part)} need {part * an_image * processes / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free.\n{_ways(session, max(1, min(part // 2, free * 2 // 3 // an_image // processes)))}"
        )


def images_at_once(session: Session) -> int:
    own = -(-min(session.config.batch_size, session.order.batch_size) // session.group.world)
    return -(-own // session.config.accumulate)


def _tried(session: Session, part: int) -> str:
    config = session.config
    return (
        f"{counted(part, 'image')} of {config.resolution[0]}×{config.resolution[-1]} px "
        f"at once ({config.batch_size} a step, --accumulate {config.accumulate})"
    )


def _ways(session: Session, fitting: int) -> str:
    """What needs less than was tried; ``fitting``: images at once that may fit."""
    config, part = session.config, images_at_once(session)
    own = part * config.accumulate
    parts = -(-own // fitting)
    sides = [max(STRIDE, int(side * SHORTER) // STRIDE * STRIDE) for side in config.resolution]
    ways = []
    if part > 1:
        ways.append(f"--accumulate {parts} (the same steps in parts of {counted(-(-own // parts), 'image')})")
        ways.append(
            f"--batch-size {max(1, min(config.batch_size // 2, fitting * config.accumulate * session.group.world))} (a new run)"
        )
    if sides != list(config.resolution):
        ways.append(f"--resolution {' '.join(map(str, sides))} (a new run)")
    return (
        f"  Each of these needs less: {'; '.join([*ways, 'a narrower --width-mult (a new run)'])}.\n"
        f"  {session.way_back()}"
    )


def bytes_kept(model: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass of ``images`` (N, 3, H, W) keeps for the backward pass, beside the weights.

    By a copy of ``model``, whose batch statistics stay as they are; no random number is drawn.
    """
    model = copy.deepcopy(model).train()
    weights = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = model(images)  # as long as they live, so does what was kept
    del outputs
    return sum(kept.values())


def free_bytes() -> int | None:
    """Memory that is free or can be freed at once, swap included; a container's limit where that is smaller."""
    with suppress(OSError):
        facts = dict(
            re.findall(r"^(\w+): +([0-9]+) kB$", Path("/proc/meminfo").read_text(encoding="ascii"), re.M)
        )
        if "MemAvailable" in facts:
            free = (int(facts["MemAvailable"]) + int(facts.get("SwapFree", 0))) * 1024
            with suppress(OSError, ValueError):
                return min(free, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
            return free
    return None
