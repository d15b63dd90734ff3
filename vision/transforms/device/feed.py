"""The loader of a run that is fed on the device: workers draw places and boxes, the device makes the images, a batch ahead."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import torch

from vision.core.sample import Batch
from vision.datasets.loading import Loader, make_loader
from vision.datasets.merged import DataSet
from vision.datasets.packed.choice import is_on_device
from vision.datasets.packed.threads import ThreadLoader, make_pack_loader
from vision.datasets.sampling import BatchSampler
from vision.transforms.device.places import RECORD, PlacedDataset, packs_in
from vision.transforms.device.records import Gathered, Records, records_of
from vision.transforms.device.sampling import planes_of, shown
from vision.transforms.presets import Augmentation

AHEAD = 1
"""Batches whose records are being gathered while the one before is made."""

_Made = tuple[Batch, torch.cuda.Event | None]


class DeviceFeed:
    """Gives ``Batch``es whose images are on ``device``, made there on a stream of their own where it is a GPU.

    * samples: the same images by the CPU, for panels; off by rounding
    """

    def __init__(self, loader: Loader, records: Records, device: torch.device) -> None:
        self.loader, self.records, self.samples, self.device = loader, records, loader.samples, device
        pack, spec = packs_in(self.samples.dataset)[0].record, self.samples.transform.input_spec
        self.format, self.size = pack.format, pack.size
        self.size_hw, self.fill = (spec.height, spec.width), round(spec.mean)
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def describe(self) -> str:
        return f"made on {self.device} from {self.format}-{self.size}: {self.records.describe()}"

    def __iter__(self) -> Iterator[Batch]:
        ahead: _Made | None = None
        for batch, gathered in self._gathered():
            made = self._made(batch, gathered)
            if ahead is not None:
                yield self._taken(ahead)
            ahead = made
        if ahead is not None:
            yield self._taken(ahead)

    def _gathered(self) -> Iterator[tuple[Batch, Gathered]]:
        begun: deque[tuple[Batch, Gathered]] = deque()
        try:
            for batch in self.loader:
                begun.append((batch, self.records.gather(batch.images[:, RECORD].numpy())))
                if len(begun) > AHEAD:
                    yield begun.popleft()
            while begun:
                yield begun.popleft()
        finally:
            for _, gathered in begun:
                gathered.wait()

    def _made(self, batch: Batch, gathered: Gathered) -> _Made:
        """The batch on the device; where it is a GPU, asked for and maybe not there yet."""
        with contextlib.nullcontext() if self.stream is None else torch.cuda.stream(self.stream):
            on_device = batch.to(self.device, non_blocking=True)
            table, numbers = gathered.on_device()
            planes = planes_of(table, self.format, self.size)
            images = shown(planes, numbers, on_device.images, self.size_hw, self.fill)
            done = None if self.stream is None else self.stream.record_event()
        return replace(on_device, images=images), done

    def _taken(self, made: _Made) -> Batch:
        """For the current stream, which waits for the batch, and for no later one."""
        batch, done = made
        if done is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(done)
            for tensor in batch._tensors():
                tensor.record_stream(current)
        return batch


def make_train_loader(
    feed: str, data: DataSet, augment: Augmentation, order: BatchSampler, workers: int, device: torch.device
) -> Loader | ThreadLoader | DeviceFeed:
    """What gives a run its training batches; ``feed`` as ``vision.datasets.packed.choice`` settles it."""
    pin = device.type == "cuda"
    if not is_on_device(feed):
        return make_pack_loader(data, augment, order, workers, pin_memory=pin)
    loader = make_loader(data, augment, order, workers, pin_memory=pin, read=PlacedDataset)
    batch, spec = -(-order.batch_size // order.world), augment.input_spec
    return DeviceFeed(loader, records_of(packs_in(data), device, batch, spec.height * spec.width), device)
