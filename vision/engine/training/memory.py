"""What to do where the device's memory is too small for a step."""

from __future__ import annotations

from vision.engine.options.combinations import LOW_MEMORY
from vision.engine.training.session import Session
from vision.messages.terminal import counted

STRIDE, SHORTER = 32, 0.7
"""px that sides are multiples of; a side 0.7 times as long is half the area."""


def what_may_fit(session: Session) -> str:
    """The message of ``OutOfMemory``: ways that need about half of what was tried, and are smaller than that."""
    part = images_at_once(session)
    return (
        f"{session.device}: out of memory with {_tried(session, part)}.\n{_ways(session, max(1, part // 2))}"
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
    if config.memory != LOW_MEMORY and not config.compile and config.parallel == "none":
        ways.append(f"--memory {LOW_MEMORY} (the same steps, in more time)")
    if part > 1:
        alone = " --cuda-graphs false" if config.cuda_graphs else ""
        inside = counted(-(-own // parts), "image")
        ways.append(f"--accumulate {parts}{alone} (the same steps in parts of {inside})")
        ways.append(
            f"--batch-size {max(1, min(config.batch_size // 2, fitting * config.accumulate * session.group.world))} (a new run)"
        )
    if sides != list(config.resolution):
        ways.append(f"--resolution {' '.join(map(str, sides))} (a new run)")
    return (
        f"  Each of these needs less: {'; '.join([*ways, 'a narrower --width-mult (a new run)'])}.\n"
        f"  {session.way_back()}"
    )
