"""Where the raw records of a batch are: all of them in the device's memory, or brought there through a ring that is used again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vision.datasets.packed.detection import PackFile
from vision.messages.terminal import counted

SKEW = 64
"""Bytes: where source and target are as far from a page of 4 KiB, as 384² of YUV are, a copy takes four times as long."""
SLOTS = 3
"""Batches in the ring: one being used, one on its way, one being gathered."""
CHUNK_BYTES = 1 << 26
STEP_BYTES_A_PX = 4000
"""Device memory that a step takes a pixel of its images, at most: the widest net keeps 2,900 for the backward pass."""


class Records(Protocol):
    def gather(self, numbers: np.ndarray) -> Gathered:
        """Begins to fetch the records ``numbers`` (N,) int64; at most ``SLOTS`` − 1 begun ones may be waiting."""
        ...

    def describe(self) -> str: ...


class Gathered(Protocol):
    def on_device(self) -> tuple[Tensor, Tensor]:
        """(R, bytes) uint8 and which of them are the batch's, (N,) int64. What is copied is copied on the current stream."""
        ...

    def wait(self) -> None:
        """Until nothing is written any more."""
        ...


class Resident:
    """All records in the device's memory; a batch is told by its numbers alone. On a CPU a single mapped file is that memory."""

    def __init__(self, packs: Sequence[PackFile], device: torch.device) -> None:
        tables = [table_of(pack) for pack in packs]
        if device.type == "cpu":
            (self.table,) = tables
        else:
            rows = sum(map(len, tables))
            self.table = torch.empty((rows, tables[0].shape[1]), dtype=torch.uint8, device=device)
            _copied(tables, self.table)
        self.device = device

    def gather(self, numbers: np.ndarray) -> Gathered:
        return _Numbers(self.table, torch.from_numpy(numbers), self.device)

    def describe(self) -> str:
        if self.device.type == "cpu":
            return "read where the pack is mapped"
        return f"the pack, {self.table.nbytes / 1e9:.1f} GB, is in its memory"


@dataclass(frozen=True)
class _Numbers:
    table: Tensor
    numbers: Tensor
    device: torch.device

    def on_device(self) -> tuple[Tensor, Tensor]:
        return self.table, self.numbers.to(self.device, non_blocking=True)

    def wait(self) -> None: ...


def table_of(pack: PackFile) -> Tensor:
    """(I, bytes) uint8 of the mapped file, which nobody writes to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch would rather have what can be written
        return torch.from_numpy(pack.pixels.reshape(len(pack), -1))


def _copied(tables: Sequence[Tensor], target: Tensor) -> None:
    first, rows = 0, max(1, CHUNK_BYTES // target.shape[1])
    for table in tables:
        for part in table.split(rows):
            target[first : first + len(part)].copy_(part)
            first += len(part)


class Ring:
    """Threads copy the records of a batch into page-locked memory (with a GPU), from where they are sent.

    On a CPU that memory is the device's. Copies free the interpreter, so threads do not wait for each other.
    """

    def __init__(
        self, packs: Sequence[PackFile], device: torch.device, batch: int, threads: int | None = None
    ) -> None:
        self.tables = [pack.pixels.reshape(len(pack), -1) for pack in packs]
        self.ends = np.cumsum([len(table) for table in self.tables])
        self.device, self.bytes = device, self.tables[0].shape[1]
        self.threads = threads or min(4, os.cpu_count() or 1)
        self.pool = ThreadPoolExecutor(self.threads, "gather")
        stride = -(-(self.bytes + SKEW) // SKEW) * SKEW
        self.slots = [
            _Slot(
                torch.empty((batch, stride), dtype=torch.uint8, pin_memory=device.type == "cuda"), self.bytes
            )
            for _ in range(SLOTS)
        ]
        self._next = 0

    def gather(self, numbers: np.ndarray) -> Gathered:
        slot = self.slots[self._next]
        self._next = (self._next + 1) % SLOTS
        slot.sent()
        rows = slot.memory[:, SKEW:].numpy()
        parts = np.array_split(np.arange(len(numbers)), self.threads)
        slot.filling = [self.pool.submit(self._fill, rows, numbers, part) for part in parts if len(part)]
        return _Filling(slot, len(numbers), self.device)

    def _fill(self, rows: np.ndarray, numbers: np.ndarray, part: np.ndarray) -> None:
        for place in part.tolist():
            number = int(numbers[place])
            table = int(np.searchsorted(self.ends, number, side="right"))
            start = int(self.ends[table]) - len(self.tables[table])
            np.copyto(rows[place, : self.bytes], self.tables[table][number - start])

    def describe(self) -> str:
        if self.device.type == "cpu":
            return f"gathered by {counted(self.threads, 'thread')}"
        return (
            f"gathered by {counted(self.threads, 'thread')} and sent: the pack does not fit into its memory"
        )


@dataclass
class _Slot:
    """memory: (batch, stride) uint8, records begin behind ``SKEW`` bytes."""

    memory: Tensor
    bytes: int
    filling: list[Future[None]] = field(default_factory=list)
    event: torch.cuda.Event | None = None

    def sent(self) -> None:
        """Until it may be written again."""
        wait(self.filling)
        if self.event is not None:
            self.event.synchronize()


@dataclass(frozen=True)
class _Filling:
    slot: _Slot
    count: int
    device: torch.device

    def on_device(self) -> tuple[Tensor, Tensor]:
        for done in self.slot.filling:
            done.result()
        numbers = torch.arange(self.count, device=self.device)
        filled = self.slot.memory[: self.count]
        if self.device.type == "cpu":
            return filled[:, SKEW : SKEW + self.slot.bytes], numbers
        on_device = filled.to(self.device, non_blocking=True)  # whole rows: one copy
        self.slot.event = torch.cuda.current_stream(self.device).record_event()
        return on_device[:, SKEW : SKEW + self.slot.bytes], numbers

    def wait(self) -> None:
        wait(self.slot.filling)


def records_of(packs: Sequence[PackFile], device: torch.device, batch: int, px: int) -> Records:
    """Resident where the device has room for the packs beside steps of ``batch`` images of ``px`` pixels each, else a ring."""
    if device.type == "cpu":
        return Resident(packs, device) if len(packs) == 1 else Ring(packs, device, batch)
    free, _ = torch.cuda.mem_get_info(device)
    needed = sum(pack.record.bytes for pack in packs)
    if needed + batch * px * STEP_BYTES_A_PX > free:
        return Ring(packs, device, batch)
    try:
        return Resident(packs, device)
    except torch.OutOfMemoryError:  # somebody else has taken it meanwhile
        torch.cuda.empty_cache()
        return Ring(packs, device, batch)
