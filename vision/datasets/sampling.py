"""Which images make which batch: pure functions of (seed, epoch), for any number of workers and processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vision.messages.advice import UserError
from vision.messages.terminal import counted

_ORDER_STREAM = 0x6F72646572
"""The second word of the Philox key, so that order and augmentation never share numbers."""


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One image of one epoch: what augmentation is drawn from."""

    epoch: int
    index: int


class EpochOrder:
    """The order in which an epoch sees ``length`` images.

    Images are sorted by 64 random bits each of Philox (Salmon et al. 2011), counted from (seed, epoch). NumPy
    guarantees this bit stream across versions, which it does not do for ``Generator.permutation``.
    """

    def __init__(self, length: int, seed: int) -> None:
        if length < 0 or seed < 0:
            raise ValueError(f"length {length} and seed {seed}: both must be 0 or more")
        self.length, self.seed = length, seed

    def order(self, epoch: int) -> np.ndarray:
        """(length,) int64: a permutation of 0..length−1."""
        return _order(self.length, self.seed, epoch)


@lru_cache(maxsize=2)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    stream = np.random.Philox(key=[seed, _ORDER_STREAM], counter=[0, 0, 0, epoch])
    order = np.argsort(stream.random_raw(length), kind="stable").astype(np.int64)
    order.flags.writeable = False
    return order


class BatchSampler:
    """Batches of one epoch as lists of ``Key``; the position is (epoch, start_step) and nothing else.

    The global batches are the same at any world size; each rank gets a contiguous part of each, sizes differing by
    one at most. What is left at the end of an epoch, fewer than ``batch_size`` images:

    * ``drop_last=False``: a short last batch; a single image joins the batch before it instead, since batch
      normalisation cannot train on one image whose map is 1×1. A rank for which nothing is left has one step
      less, so with ``world > 1`` this is for evaluation only.
    * ``drop_last=True``: ``left_out`` images are not seen in this epoch (others in the next, where the order is
      another). With fewer than ``batch_size`` images in all, they make one short batch.

    :param length: images in the data set
    :param batch_size: images a step over all ranks
    :param start_step: steps of this epoch that are already done
    :param shuffle: False gives them by rising index
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int = 0,
        epoch: int = 0,
        start_step: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        _check_arguments(length, batch_size, rank, world)
        self.length, self.batch_size, self.shuffle, self.drop_last = length, batch_size, shuffle, drop_last
        self.rank, self.world = rank, world
        self._order = EpochOrder(length, seed)
        self._bounds = _cut(length, batch_size, drop_last)
        self.set_epoch(epoch, start_step)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch over all ranks, whatever ``start_step`` is."""
        return len(self._bounds) - 1

    @property
    def left_out(self) -> int:
        """Images that an epoch does not see."""
        return self.length - self._bounds[-1]

    def set_epoch(self, epoch: int, start_step: int = 0) -> None:
        """The next iteration gives ``epoch`` from ``start_step`` on."""
        if epoch < 0 or not 0 <= start_step <= self.steps_per_epoch:
            raise UserError(
                f"epoch {epoch}, step {start_step}: an epoch of {counted(self.length, 'image')} has "
                f"{counted(self.steps_per_epoch, 'step')} of {self.batch_size}; was it another data set or batch size?"
            )
        self.epoch, self.start_step = epoch, start_step

    def __len__(self) -> int:
        """Batches that the next iteration gives to this rank."""
        steps = range(self.start_step, self.steps_per_epoch)
        return sum(first < end for first, end in map(self._own, steps))

    def __iter__(self) -> Iterator[list[SampleKey]]:
        epoch = self.epoch
        for step in range(self.start_step, self.steps_per_epoch):
            if keys := self.keys(epoch, step):
                yield keys

    def keys(self, epoch: int, step: int) -> list[SampleKey]:
        """This rank's images of a step, wherever the iteration is; none where nothing is left for it."""
        order = self._order.order(epoch) if self.shuffle else np.arange(self.length, dtype=np.int64)
        first, end = self._own(step)
        return [SampleKey(epoch, index) for index in order[first:end].tolist()]

    def _own(self, step: int) -> tuple[int, int]:
        """Where this rank's part of a global batch begins and ends in the epoch's order."""
        first, end = self._bounds[step], self._bounds[step + 1]
        size = end - first
        return first + self.rank * size // self.world, first + (self.rank + 1) * size // self.world


def _check_arguments(length: int, batch_size: int, rank: int, world: int) -> None:
    if length < 1:
        raise UserError("no images: the data set is empty")
    if batch_size < 1 or world < 1 or batch_size < world:
        raise UserError(
            f"batch size {batch_size} for {counted(world, 'process')}: every process needs an image a step"
        )
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world} processes")


def _cut(length: int, batch_size: int, drop_last: bool) -> list[int]:
    """Where each global batch begins, and where the last one ends."""
    whole, rest = divmod(length, batch_size)
    bounds = [step * batch_size for step in range(whole + 1)]
    if not whole or (rest > 1 and not drop_last):
        return [*bounds, length]
    if rest == 1 and not drop_last:
        bounds[-1] = length
    return bounds
