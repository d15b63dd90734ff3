"""Which images make which batch: pure functions of (seed, epoch), for any number of workers and processes.

``--balance-data`` shows images of rare classes more often (Gupta et al. 2019, "LVIS", appendix B.2: repeat factors).
Legend: I images, L images that an epoch shows, f(c) the share of the images that have an object of class c.

    r(c) = max(1, √(t / f(c)))        t = the mean of f(c) over the classes that have objects (LVIS: 0.001)
    r(image) = max of r(c) over the classes of its objects, 1 without objects

The ancestor keeps of each class as many images as the rarest one has, and never shows the others; here every image is seen in
every epoch. An image with r = 2.3 is seen 2 or 3 times, 2.3 times in the mean over epochs, and an epoch has as many images as the
factors sum up to, always the same number: a fraction of an image is drawn for all images at once (systematic sampling).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from vision.messages.advice import UserError
from vision.messages.terminal import counted

if TYPE_CHECKING:
    from vision.datasets.merged import DataSet

_ORDER_STREAM = 0x6F72646572
"""The second word of the Philox key, so that order and augmentation never share numbers."""
_BALANCE_STREAM = 0x62616C616E6365
ONE = 1 << 16
"""A factor of 1: factors are whole numbers of this part, so that sums are exact on every machine."""


@dataclass(frozen=True, slots=True)
class SampleKey:
    """One image of one epoch, and how often it was shown in it before: what augmentation is drawn from."""

    epoch: int
    index: int
    repeat: int = 0


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


class Repeats:
    """How often an epoch shows each image: a pure function of (factors, seed, epoch).

    :param factors: (I,) int64, multiples of 1 / ``ONE``, each at least ``ONE``
    """

    def __init__(self, factors: np.ndarray, seed: int) -> None:
        self._ends = np.cumsum(factors, dtype=np.int64)
        self.factors, self.seed = factors, seed
        self._drawn = (-1, np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        """L, the same in every epoch: the sum of all factors, rounded up."""
        return int(-(-self._ends[-1] // ONE)) if len(self._ends) else 0

    def images(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(L,) int64, rising: the images of the epoch; (L,) int64: the how manieth time each is shown, from 0."""
        if self._drawn[0] != epoch:
            self._drawn = (epoch, *self._draw(epoch))
        return self._drawn[1:]

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        stream = np.random.Philox(key=[self.seed, _BALANCE_STREAM], counter=[0, 0, 0, epoch])
        offset = int(stream.random_raw()) % ONE
        places = np.arange(len(self), dtype=np.int64) * ONE + offset
        # what rounding up adds belongs to the last image
        images = np.searchsorted(self._ends, places, side="right").clip(max=len(self._ends) - 1)
        return images, np.arange(len(images)) - np.searchsorted(images, images)

    def describe(self) -> str:
        more = int((self.factors > ONE).sum())
        return (
            f"{counted(len(self), 'image')} an epoch of {len(self.factors):,}: {more:,} of them, with rare classes, "
            f"up to {self.factors.max() / ONE:.1f} times (--balance-data)"
        )


def repeats(data: DataSet, seed: int) -> Repeats:
    """The factors of ``data``; crowd regions are no objects."""
    first_box, labels, is_crowd = data.columns("first_box", "labels", "is_crowd")
    owner = np.repeat(np.arange(len(data)), np.diff(first_box))[~is_crowd]
    labels = labels[~is_crowd]
    # an image counts once for each of its classes
    pairs = np.unique(np.stack([owner, labels], axis=1), axis=0)
    images_with = np.bincount(pairs[:, 1], minlength=len(data.classes))
    mean = images_with.sum() / max(1, np.count_nonzero(images_with))
    by_class = np.sqrt(mean / images_with.clip(min=1)).clip(min=1.0)
    factors = np.full(len(data), ONE, np.int64)
    np.maximum.at(factors, pairs[:, 0], np.rint(by_class[pairs[:, 1]] * ONE).astype(np.int64))
    return Repeats(factors, seed)


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
    :param repeats: which images an epoch shows more than once; none unless told
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
        repeats: Repeats | None = None,
    ) -> None:
        length = length if repeats is None else len(repeats)
        _check_arguments(length, batch_size, rank, world)
        self.length, self.batch_size, self.shuffle, self.drop_last = length, batch_size, shuffle, drop_last
        self.rank, self.world, self.repeats = rank, world, repeats
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
        places = order[first:end]
        if self.repeats is None:
            return [SampleKey(epoch, index) for index in places.tolist()]
        images, times = self.repeats.images(epoch)
        shown = zip(images[places].tolist(), times[places].tolist(), strict=True)
        return [SampleKey(epoch, index, repeat) for index, repeat in shown]

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
