"""The batch and the blocks that are computed again, so that a step fits into memory: ``--memory``."""

from __future__ import annotations

import dataclasses
import functools
import os
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from vision.engine.machine import Machine
from vision.engine.memory.free import free_bytes, resident_bytes, trim_above
from vision.engine.memory.peak import bytes_an_image
from vision.engine.options.combinations import AUTO_MEMORY, FULL_MEMORY, LOW_MEMORY, memory_bytes
from vision.engine.options.config import TrainConfig
from vision.engine.runs.plan import Plan
from vision.messages.advice import UserError, command
from vision.messages.terminal import counted
from vision.nn.recompute import blocks_of, keep, recompute
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.model import Detector

UNKNOWN = 1 << 60
"""Bytes: more than there are anywhere."""
LATER = 100_000_000
"""Bytes that a training process takes for what it imports and makes after this: logs, panels, evaluation."""
HOLES, TRIMMED = 1.35, 1.2
"""What a process takes for each byte of activations: glibc keeps holes between blocks of other sizes, and fewer where it is made to
give them back. From runs of mb2-ssd-lite at 300×300 (``docs/log.md``, 2026-11-28)."""
A_WORKER = 60_000_000
"""Bytes of a worker that it does not share with the trainer."""
TRIED = 8
READY = 3
"""Batches that a worker has ready or at work."""


class OutOfMemory(UserError):
    """The device is too small for what it was asked."""


@dataclass(frozen=True)
class Fit:
    """What was settled: blocks that are computed again, of how many; and bytes: the peak of this process, what the workers hold
    beside it, and what was free (None: not known)."""

    again: int
    blocks: int
    peak: int
    workers: int
    free: int | None

    def describe(self) -> str:
        free = "" if self.free is None else f"; {_gb(self.free)} are free"
        again = f"; {self.again} of {counted(self.blocks, 'block')} computed again" if self.again else ""
        workers = f", {_gb(self.workers)} in the workers" if self.workers else ""
        return f"peak about {_gb(self.peak)}{workers}{free}{again}"


class Room(NamedTuple):
    """Bytes that this process may take on top of what it holds, and that it may take together with its workers."""

    own: int
    together: int

    def holds(self, more: int, workers: int) -> bool:
        return more <= self.own and more + workers <= self.together


NOWHERE = Room(-1, -1)


class Need:
    """What a step takes of memory, by the number of images at once and of blocks that are computed again."""

    def __init__(
        self,
        model: Detector,
        loss: SsdLoss,
        config: TrainConfig,
        host: Machine,
        images: int,
        blocks: list[nn.Module],
    ) -> None:
        self.config, self.host, self.blocks = config, host, blocks
        self.model, self.loss, self.images = model, loss, images
        resident = resident_bytes() if host.device.type == "cpu" else 0
        (self.resident,) = host.group.all_reduce_max(resident, device=host.device)  # all decide alike
        weights = sum(one.nbytes for one in model.parameters() if one.requires_grad)
        moments = 1 if config.optim_choose == "SGD" else 3 if config.amsgrad else 2
        self.states = weights * (1 + moments) + (
            sum(one.nbytes for one in model.parameters()) if config.ema else 0
        )
        self.an_image = functools.cache(self._an_image)

    def images_at_once(self, batch: int) -> int:
        own = -(-min(batch, self.images) // self.host.group.world)
        return -(-own // self.config.accumulate)

    def workers(self, batch: int) -> int:
        pixels = self.config.resolution[0] * self.config.resolution[-1] * 3
        own = -(-batch // self.host.group.world)
        return self.config.workers * (A_WORKER + READY * own * pixels)

    def more(self, batch: int, again: int) -> int:
        """Bytes that this process takes on top of what it holds."""
        images = self.images_at_once(batch) * self.an_image(again) * (TRIMMED if again else HOLES)
        return int(self.states + LATER + images)

    def fits(self, batch: int, again: int, room: Room) -> bool:
        return room.holds(self.more(batch, again), self.workers(batch))

    @property
    def choices(self) -> list[int]:
        """Numbers of blocks that are tried, the first ones first: they hold most. More are not always less at the peak, where what
        a block computes again comes on top of the rest."""
        return [*range(0, len(self.blocks), -(-len(self.blocks) // TRIED) or 1), len(self.blocks)]

    def fewest(self, batch: int, room: Room) -> int:
        """The fewest blocks that have to be computed again; where nothing is enough, those that need least."""
        least = 0
        for again in self.choices:
            if self.fits(batch, again, room):
                return again
            if self.more(batch, again) > self.more(batch, least):
                break  # the peak is in the backward pass of one of these: later blocks keep nothing then, computed again or not
            least = again
        return least

    def largest(self, most: int, again: int, room: Room) -> int:
        """The largest batch that fits and has an image for each process, 0 where none does."""
        fitting = [batch for batch in range(self.host.group.world, most + 1) if self.fits(batch, again, room)]
        return max(fitting, default=0)

    def _an_image(self, again: int) -> int:
        recompute(self.blocks[:again])
        try:
            return bytes_an_image(self.model, self.loss, self.host.device, self.host.amp_dtype)
        finally:
            keep(self.blocks)


def settle(plan: Plan, model: Detector, loss: SsdLoss, host: Machine, images: int) -> tuple[Plan, Fit]:
    """The plan with a batch that fits, where nobody has named one, and ``model`` with the blocks that it computes again; ``images``:
    of the training set.

    Raises OutOfMemory for a step that the memory of a CPU cannot hold: the kernel would end the process without a word. Where a
    GPU is too small, a note says so: its driver refuses, and nothing is lost.
    """
    config = plan.config
    can = not config.compile and config.parallel == "none" and config.memory != FULL_MEMORY
    need = Need(
        model, loss, config, host, images, blocks_of(model.base_net) + blocks_of(model.extras) if can else []
    )
    free = _agreed_free(host)
    named = memory_bytes(config.memory)
    room = Room(UNKNOWN if named is None else named - need.resident, UNKNOWN if free is None else free)
    every = len(need.blocks)
    again = need.fewest(config.batch_size, NOWHERE if config.memory == LOW_MEMORY else room)
    if not need.fits(config.batch_size, again, room):
        fitting = need.largest(config.batch_size, again, room)
        plan = _smaller(plan, need, again, room, fitting, host)
    batch = plan.config.batch_size
    more = need.more(batch, again)
    start = need.resident + need.states
    limit = int(start + (need.images_at_once(batch) * need.an_image(again)) // 2)
    recompute(
        need.blocks[:again], functools.partial(trim_above, limit) if host.device.type == "cpu" else _nothing
    )
    return plan, Fit(again, every, need.resident + more, need.workers(batch), free)


def _nothing() -> None: ...


def _agreed_free(host: Machine) -> int | None:
    """What each process of this machine may take: the least of all, so that all decide alike."""
    own = free_bytes(host.device)
    if host.device.type == "cpu" and own is not None:
        own //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    free = -host.group.all_reduce_max(-UNKNOWN if own is None else -own, device=host.device)[0]
    return None if free >= UNKNOWN else free


def _smaller(plan: Plan, need: Need, again: int, room: Room, fitting: int, host: Machine) -> Plan:
    """The plan with a batch of ``fitting`` images where none was named. Raises OutOfMemory."""
    config = plan.config
    peak = need.resident + need.more(config.batch_size, again)
    why = (
        f"{config.batch_size} images a step of {config.resolution[0]}×{config.resolution[-1]} px need about {_gb(peak)}, and "
        f"{_gb(max(0, need.resident + min(room)))} can be had"
    )
    if plan.free_batch and fitting:
        note = f"batch: {counted(fitting, 'image')} a step, not the default of {config.batch_size}: {why}; the learning rate stays {config.lr:g}"
        return dataclasses.replace(
            plan,
            config=dataclasses.replace(
                config, batch_size=fitting, accumulate=min(config.accumulate, fitting)
            ),
            notes=(*plan.notes, note),
        )
    if host.device.type != "cpu":
        return dataclasses.replace(plan, notes=(*plan.notes, f"memory: {why}"))
    raise OutOfMemory(
        f"there is not enough memory for a step\n  why: {why}\n  fix: {_ways(plan, need, fitting)}"
    )


def _ways(plan: Plan, need: Need, fitting: int) -> str:
    """A command that fits; parts of a step where a run is resumed, whose batch stays."""
    config, ways = plan.config, []
    if config.memory != AUTO_MEMORY and not config.compile:
        ways.append(
            f"{_retry(plan, '--memory', AUTO_MEMORY)} (as much as is free, blocks computed again where that helps)"
        )
    if plan.checkpoint is None and fitting:
        ways.append(_retry(plan, "--batch-size", fitting))
    if fitting and config.batch_size > 1:
        own = -(-config.batch_size // need.host.group.world)
        parts = -(-own // need.images_at_once(fitting))
        ways.append(
            f"{_retry(plan, '--accumulate', parts)} (the same steps in parts of {counted(-(-own // parts), 'image')})"
        )
    return (
        "; or ".join(ways)
        or "end other programs, or use a smaller --resolution, a narrower --width-mult or fewer --workers"
    )


def _retry(plan: Plan, *words: str | int) -> str:
    return command("python train_ssd.py", *plan.typed, *words)


def _gb(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
