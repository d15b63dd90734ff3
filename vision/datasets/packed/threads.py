"""Batches of a pack by threads of this process. The pixels are mapped and the work on them leaves the interpreter's lock alone, so that
nothing has to travel between processes, which costs more than making a raw sample does (docs/log.md, 2026-11-28).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2

from vision.core.sample import Batch
from vision.datasets.contract import Transform
from vision.datasets.loading import PREFETCH, Loader, TransformedDataset, make_loader, to_batch
from vision.datasets.merged import DataSet
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.sampling import BatchSampler, SampleKey


class ThreadLoader:
    """What ``vision.datasets.loading.Loader`` gives, made by ``workers`` threads: the same batches in the same order.

    Their memory is the allocator's, which keeps it (``vision.engine.machine``): a batch may be held as long as one likes.

    Iterating raises SampleError for an image that cannot be made.
    """

    def __init__(
        self, samples: TransformedDataset, sampler: BatchSampler, workers: int, pin_memory: bool
    ) -> None:
        self.samples, self.sampler, self.pin_memory = samples, sampler, pin_memory
        self._ahead = workers * PREFETCH
        self._threads = ThreadPoolExecutor(workers, "data")
        cv2.setNumThreads(0)  # these threads are the parallelism

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        """An epoch as ``sampler.set_epoch`` has it; what was begun and is not asked for is left."""
        keys, begun = iter(self.sampler), deque[Future[Batch]]()
        try:
            while True:
                while len(begun) < self._ahead and (some := next(keys, None)):
                    begun.append(self._threads.submit(self._made, some))
                if not begun:
                    return
                yield begun.popleft().result()
        finally:
            for each in begun:
                each.cancel()

    def _made(self, keys: list[SampleKey]) -> Batch:
        batch = to_batch(self.samples.batch(keys, lambda key: None))
        return batch.pin_memory() if self.pin_memory else batch


def make_pack_loader(
    dataset: DataSet, transform: Transform, sampler: BatchSampler, workers: int, *, pin_memory: bool = False
) -> Loader | ThreadLoader:
    """The loader for a training set: of threads where all of it is packed, of processes else."""
    if not workers or not all(isinstance(part, PackedDetection) for part in dataset.parts):
        return make_loader(dataset, transform, sampler, workers, pin_memory=pin_memory)
    return ThreadLoader(TransformedDataset(dataset, transform), sampler, workers, pin_memory)
