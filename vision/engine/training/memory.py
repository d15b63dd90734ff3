"""What to do where the device's memory is too small for a step."""

from __future__ import annotations

from vision.engine.training.session import Session
from vision.messages.advice import UserError
from vision.messages.terminal import counted

STRIDE, SHORTER = 32, 0.7
"""px that sides are multiples of; a side 0.7 times as long is half the area."""


class OutOfMemory(UserError):
    """The device is too small for what it was asked."""


def what_may_fit(session: Session) -> str:
    """The message of OutOfMemory: ways that need about half of what was tried, and are smaller than that."""
    config = session.config
    own = -(-min(config.batch_size, session.order.batch_size) // session.group.world)
    part = -(-own // config.accumulate)
    parts = -(-own // max(1, part // 2))
    sides = [max(STRIDE, int(side * SHORTER) // STRIDE * STRIDE) for side in config.resolution]
    ways = []
    if part > 1:
        ways.append(f"--accumulate {parts} (the same steps in parts of {counted(-(-own // parts), 'image')})")
        ways.append(f"--batch-size {max(1, config.batch_size // 2)} (a new run)")
    if sides != list(config.resolution):
        ways.append(f"--resolution {' '.join(map(str, sides))} (a new run)")
    return (
        f"{session.device}: out of memory with {counted(part, 'image')} of {config.resolution[0]}×{config.resolution[-1]} px "
        f"at once ({config.batch_size} a step, --accumulate {config.accumulate}).\n"
        f"  Each of these needs less: {'; '.join([*ways, 'a narrower --mb2-width-mult (a new run)'])}.\n"
        f"  {session.way_back()}"
    )
