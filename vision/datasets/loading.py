"""Samples → batches: padding, transport between processes, and errors that name the image.

Legend: N images a batch, G boxes and K crowd regions an image (padded), H × W pixels.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

from vision.core.sample import BACKGROUND, Batch, Objects, Sample, objects_of
from vision.datasets.contract import BatchTransform, Dataset, Drawn, SampleError, Transform
from vision.datasets.sampling import BatchSampler, SampleKey
from vision.datasets.workers import (
    TimeLimit,
    WorkerStart,
    WorkerStatus,
    cause_of,
    dead_workers,
    end_workers,
    forking,
    start_method,
)
from vision.messages.advice import UserError
from vision.messages.system_errors import in_words

PREFETCH = 2
"""Batches that each worker keeps ready."""
TIME_LIMIT_S = 300
_SHARED_MEMORY = "/dev/shm"

_Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be made, on its way from the worker to the main process."""

    message: str
    details: str | None


class TransformedDataset:
    """``dataset`` through ``transform``, asked by ``Key``; sample = f(data set, seed of the transform, key)."""

    has_images = True
    """Whether a batch has them, or what a device makes them of."""

    def __init__(self, dataset: Dataset, transform: Transform) -> None:
        self.dataset, self.transform = dataset, transform

    def __len__(self) -> int:
        return len(self.dataset)

    def drawn_from(self, key: SampleKey) -> int:
        """What the transform takes for the index: an image that is shown again is augmented in another way."""
        return key.index + key.repeat * len(self)

    def __getitem__(self, key: SampleKey) -> Sample:
        """Raises SampleError that names file and image id, whatever goes wrong inside."""
        with self._named(key):
            return self.transform(self.dataset.load(key.index), key.epoch, self.drawn_from(key))

    def batch(self, keys: Sequence[SampleKey], note: Callable[[SampleKey], None]) -> _Arrays:
        """What a ``Batch`` holds of ``keys``; each is told to ``note`` before its image is read. Raises SampleError.

        Where the transform can, samples are drawn together and painted into the batch; one by one else, which gives the same.
        """
        drawn = self._drawn(keys)
        if drawn is None:
            samples = []
            for key in keys:
                note(key)
                samples.append(self[key])
            return _to_arrays(samples)
        spec = self.transform.input_spec
        images = np.empty((len(keys), spec.height, spec.width, 3), np.uint8)
        for which, key in enumerate(keys):
            note(key)
            with self._named(key):
                drawn.paint(which, self.dataset.pixels(key.index), images[which])
        return columns(images, drawn.objects)

    def _drawn(self, keys: Sequence[SampleKey]) -> Drawn | None:
        if not isinstance(self.transform, BatchTransform):
            return None
        with self.searched(keys):
            objects = self.dataset.objects([key.index for key in keys])
            return self.transform.draw(objects, [key.epoch for key in keys], [*map(self.drawn_from, keys)])

    @contextmanager
    def searched(self, keys: Sequence[SampleKey]) -> Iterator[None]:
        """Where all of ``keys`` are worked on together: an error is looked for one by one, so that its image is named."""
        try:
            yield
        except SampleError:
            raise
        except Exception:
            for key in keys:
                self[key]
            raise

    @contextmanager
    def _named(self, key: SampleKey) -> Iterator[None]:
        try:
            yield
        except SampleError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {in_words(error)}"
            raise SampleError(f"{self.dataset.describe(key.index)}, epoch {key.epoch}: {problem}") from error


def _to_arrays(samples: Sequence[Sample]) -> _Arrays:
    """What a ``Batch`` holds, images as (N, H, W, 3). Raises ValueError for samples of different sizes."""
    sizes = {sample.image.shape for sample in samples}
    if len(sizes) != 1:
        raise ValueError(f"a batch needs images of one size, found {sorted(sizes)}")
    return columns(np.stack([sample.image for sample in samples]), objects_of(samples))


def columns(images: np.ndarray, objects: Objects) -> _Arrays:
    """Crowd boxes become ``ignore_xyxy``; boxes are clipped to the image. G and K are those of the fullest image, maybe 0."""
    sides = np.tile(objects.frames_hw[:, ::-1], 2)[objects.owners].astype(np.float32)
    objects = replace(objects, boxes_xyxy_px=(objects.boxes_xyxy_px / sides).clip(0.0, 1.0))  # fractions
    targets, regions = objects.only(~objects.is_crowd), objects.only(objects.is_crowd)
    unlabelled = [len(labels) for labels in objects.unlabelled]
    return (
        images,
        _padded(targets.boxes_xyxy_px, np.diff(targets.first_box), 0.0),
        _padded(targets.labels, np.diff(targets.first_box), BACKGROUND),
        _padded(regions.boxes_xyxy_px, np.diff(regions.first_box), 0.0),
        objects.image_ids,
        objects.original_hw,
        _padded(np.array([*chain(*objects.unlabelled)], np.int64), np.array(unlabelled), BACKGROUND),
    )


def _padded(rows: np.ndarray, counts: np.ndarray, fill: float) -> np.ndarray:
    """(B, …), of which ``counts`` (N,) are each image's → (N, G, …)."""
    padded = np.full((len(counts), counts.max(), *rows.shape[1:]), fill, rows.dtype)
    padded[np.arange(counts.max()) < counts[:, None]] = rows
    return padded


def collate(samples: Sequence[Sample]) -> Batch:
    """The batch that a loader makes of ``samples``. Raises ValueError where they differ in size."""
    return to_batch(_to_arrays(samples))


def to_batch(arrays: _Arrays) -> Batch:
    """Around the same memory."""
    tensors = [torch.from_numpy(array) for array in arrays]
    images = tensors[0]
    if images.dim() == 4:  # (N, H, W, 3) → (N, 3, H, W), the same memory
        images = images.permute(0, 3, 1, 2)
    return Batch(images, *tensors[1:])


class _BatchReader:
    """What runs in a worker: keys → ``Batch``, or arrays where shared memory is too small, or ``Failure``."""

    def __init__(
        self, samples: TransformedDataset, table: WorkerStatus | None, time_limit_s: int, as_arrays: bool
    ) -> None:
        self.samples, self.table = samples, table
        self.time_limit, self.as_arrays = TimeLimit(time_limit_s), as_arrays

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, keys: list[SampleKey]) -> Batch | _Arrays | Failure:
        """The DataLoader's plural request: one call a batch."""
        try:
            with self.time_limit:
                arrays = self.samples.batch(keys, self._note)
                self._note(None)
        except SampleError as error:
            return Failure(str(error), _details(error))
        return arrays if self.as_arrays else to_batch(arrays)

    def _note(self, key: SampleKey | None) -> None:
        worker = get_worker_info()
        if self.table is not None and worker is not None:
            self.table.note(worker.id, key)


def _details(error: SampleError) -> str | None:
    """The traceback of what was not expected; an unreadable image needs none."""
    cause = error.__cause__
    return "".join(traceback.format_exception(cause)) if cause is not None else None


def _as_it_is(batch: Any) -> Any:
    return batch


class Loader(DataLoader):
    """A DataLoader that gives ``Batch``es, and whose errors name images. Made by :func:`make_loader`."""

    def check_worker_number_rationality(self) -> None:
        """torch's warning about more workers than cores: the session says it in a word, where it says what it does."""

    def __init__(self, reader: _BatchReader, sampler: BatchSampler, **arguments: Any) -> None:
        super().__init__(reader, batch_sampler=sampler, collate_fn=_as_it_is, **arguments)  # type: ignore[arg-type]
        self.samples = reader.samples

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        handler = signal.getsignal(signal.SIGCHLD)
        known = self._iterator
        starts = self.num_workers > 0 and known is None
        try:
            with forking() if starts else nullcontext():
                iterator = super().__iter__()
        except RuntimeError as error:  # persistent workers are asked whether they are ready
            waiting: Any = self._iterator
            raise self._told(error, waiting) from error
        if iterator is not known:
            atexit.register(end_workers, getattr(iterator, "_workers", []))
        # torch's handler would raise for a dead worker wherever the main thread happens to be, in the middle of a
        # step or of a checkpoint. Without it the death shows here, when a batch is asked for, 5 s later at most.
        if signal.getsignal(signal.SIGCHLD) is not handler:
            signal.signal(signal.SIGCHLD, handler)
        return self._batches(iterator)

    def _batches(self, iterator: Iterator[Any]) -> Iterator[Batch]:
        while True:
            try:
                payload = next(iterator)
            except StopIteration:
                return
            except RuntimeError as error:
                raise self._told(error, iterator) from error
            if isinstance(payload, Failure):
                self._end_workers(iterator)
                raise _failed(payload)
            yield self._unpacked(payload)

    def _unpacked(self, payload: Batch | _Arrays) -> Batch:
        if isinstance(payload, Batch):
            return payload
        batch = to_batch(payload)
        return batch.pin_memory() if self.pin_memory else batch

    def _told(self, error: RuntimeError, iterator: Iterator[Any]) -> Exception:
        """The error with what the dead worker was reading; any other error as it is."""
        processes = getattr(iterator, "_workers", [])  # torch has no public name for them
        table, samples = self.dataset.table, self.samples  # type: ignore[attr-defined]
        lines = []
        for worker, exit_code in dead_workers(processes):
            key = table.key(worker)
            doing = f"while it read {samples.dataset.describe(key.index)}" if key else "between two batches"
            cause = cause_of(exit_code, self.dataset.time_limit.seconds)  # type: ignore[attr-defined]
            lines.append(f"data worker {worker} (pid {table.pid(worker)}) {doing}, {cause}")
        if not lines:
            return error
        self._end_workers(iterator)
        return WorkerError("\n".join(lines))

    def _end_workers(self, iterator: Iterator[Any]) -> None:
        """Ends what may hang; the next iteration would start new ones."""
        end_workers(getattr(iterator, "_workers", []))
        self._iterator = None


class WorkerError(UserError):
    """A worker process died; the message says which, how, and at which image."""


class InWorker(Exception):
    """The traceback of a worker, as text: the cause of the error that is raised in the main process."""


def _failed(failure: Failure) -> SampleError:
    error = SampleError(failure.message)
    if failure.details:
        error.__cause__ = InWorker("in the data worker:\n" + failure.details)
    return error


def make_loader(
    dataset: Dataset,
    transform: Transform,
    sampler: BatchSampler,
    workers: int,
    *,
    pin_memory: bool = False,
    prefetch: int = PREFETCH,
    time_limit_s: int = TIME_LIMIT_S,
    method: str | None = None,
    read: Callable[[Dataset, Transform], TransformedDataset] = TransformedDataset,
) -> Loader:
    """A loader that lives as long as the run: ``sampler.set_epoch(epoch, start_step)`` before each iteration.

    Batches are the same for any number of workers, and no global random generator is drawn from.

    :param workers: processes; 0 reads in this one
    :param pin_memory: page-locked batches, for CUDA devices only
    :param prefetch: batches that each worker keeps ready
    :param time_limit_s: a worker whose batch takes longer is ended, 0 = never
    :param method: how workers are started: fork (default where there is it), forkserver, spawn
    :param read: what makes batches of both

    Iterating raises SampleError for an image that cannot be made and WorkerError for a worker that died.
    """
    samples = read(dataset, transform)
    if not workers:
        return Loader(_BatchReader(samples, None, 0, False), sampler, generator=_own_generator())
    context = multiprocessing.get_context(start_method(method))
    table = WorkerStatus(workers, context)
    as_arrays = not samples.has_images or not _fits_shared_memory(transform, sampler, workers * prefetch)
    return Loader(
        _BatchReader(samples, table, time_limit_s, as_arrays),
        sampler,
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=prefetch,
        persistent_workers=True,
        multiprocessing_context=context,
        worker_init_fn=WorkerStart(table, TimeLimit(time_limit_s)),
        generator=_own_generator(),
    )


def _own_generator() -> torch.Generator:
    """A DataLoader draws a number at each start, from torch's global generator unless it has its own."""
    return torch.Generator().manual_seed(0)


def _fits_shared_memory(transform: Transform, sampler: BatchSampler, batches: int) -> bool:
    """Whether the batches that are on their way fit into /dev/shm; a warning where not.

    Where it is too small (64 MiB in a container unless told), writing there ends a worker by SIGBUS.
    """
    spec = transform.input_spec
    needed = -(-sampler.batch_size // sampler.world) * spec.height * spec.width * 3 * (batches + 2)
    try:
        facts = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return True  # not Linux: shared memory is no file system there
    free = facts.f_bavail * facts.f_frsize
    if needed <= free * 3 // 4:
        return True
    warnings.warn(
        f"{_SHARED_MEMORY} has {free / 2**20:,.0f} MiB free and the data workers would use "
        f"{needed / 2**20:,.0f} MiB: batches go through pipes instead, which is slower; "
        "fix: a larger one (docker run --shm-size=2g) or fewer --workers",
        stacklevel=3,
    )
    return False
