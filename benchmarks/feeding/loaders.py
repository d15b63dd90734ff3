"""Whole loaders with all cores, by the clock and by the processor time of all their processes: batches as a training loop gets them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.augmentation import SPEC
from benchmarks.feeding.rivals import Way
from vision.datasets.coco import CocoDetection
from vision.datasets.loading import TransformedDataset, make_loader
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.packed.threads import ThreadLoader
from vision.datasets.sampling import ONE, BatchSampler, Repeats
from vision.transforms import presets

BATCH = 16
Pass = Callable[[int], int]
"""Goes through an epoch and says how many images it had."""


class Some:
    """The images ``indices`` of a data set, as a data set."""

    def __init__(self, dataset: CocoDetection, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("dataset", "indices"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def load(self, index: int) -> Any:
        return self.dataset.load(self.indices[index])

    def objects(self, indices: Sequence[int]) -> Any:
        return self.dataset.objects([self.indices[index] for index in indices])

    def pixels(self, index: int) -> np.ndarray:
        return self.dataset.pixels(self.indices[index])

    def describe(self, index: int) -> str:
        return self.dataset.describe(self.indices[index])


class Theirs(torch.utils.data.Dataset):
    """``way`` as a map-style data set."""

    def __init__(self, way: Way, indices: Sequence[int]) -> None:
        self.way, self.indices = way, list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, which: int) -> object:
        return self.way(self.indices[which], 0)


class Loaders:
    """Loaders by name; the processes of all of them live until ``close``."""

    def __init__(self, workers: int) -> None:
        self.workers, self._loaders = workers, list[Any]()

    def theirs(
        self, way: Way, indices: Sequence[int], together: Callable[[list[Any]], object] | None
    ) -> Pass:
        """``torch.utils.data.DataLoader`` with its defaults; ``together``: where samples cannot be stacked."""
        loader = torch.utils.data.DataLoader(
            Theirs(way, indices), BATCH, shuffle=True, num_workers=self.workers, collate_fn=together,
            persistent_workers=True, generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        return self._kept(loader, len(indices), lambda epoch: None)

    def ours(self, dataset: CocoDetection, indices: Sequence[int], times: int) -> Pass:
        """As the trainer has it, ``times`` the images an epoch: threads for packs, processes for image files."""
        some: Any = Some(dataset, indices)
        repeats = Repeats(np.full(len(indices), times * ONE, np.int64), 0)
        sampler = BatchSampler(len(indices), BATCH, repeats=repeats)
        shown = presets.build("ssd", SPEC, 0)
        if isinstance(dataset, PackedDetection):
            loader: Any = ThreadLoader(TransformedDataset(some, shown), sampler, self.workers, False)
        else:
            loader = make_loader(some, shown, sampler, self.workers)
        return self._kept(loader, len(repeats), sampler.set_epoch)

    def _kept(self, loader: Iterable[object], images: int, begin: Callable[[int], None]) -> Pass:
        def one_pass(epoch: int) -> int:
            begin(epoch)
            for _ in loader:
                pass
            return images

        self._loaders.append(loader)
        return one_pass

    def processes(self) -> list[Any]:
        iterators = (getattr(loader, "_iterator", None) for loader in self._loaders)
        return [process for each in iterators for process in getattr(each, "_workers", [])]

    def spent_s(self) -> float:
        """Processor seconds of this process and of all workers so far."""
        return time.process_time() + sum(_spent_s(process.pid) for process in self.processes())

    def close(self) -> None:
        for process in self.processes():
            process.kill()
            process.join()


def _spent_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(
    passes: dict[str, Pass], loaders: Loaders, rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Of each round ms by the clock and ms of processor an image; the first, in which workers start, does not count."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in passes}
    for epoch in range(rounds + 1):
        for name, one_pass in passes.items():
            spent, began = loaders.spent_s(), time.perf_counter()
            images = one_pass(epoch)
            both = time.perf_counter() - began, loaders.spent_s() - spent
            for column, seconds in zip(found[name], both, strict=True):
                column.append(1000 * seconds / images)
    return {name: (clock[1:], processor[1:]) for name, (clock, processor) in found.items()}
