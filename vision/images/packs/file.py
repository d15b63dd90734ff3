"""A pack mapped into memory. No torch."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vision.artefacts.files import sha256_of
from vision.images.packs.pixels import to_rgb
from vision.images.packs.record import (
    CRC32,
    FIRST_BYTE,
    JPEG,
    PIXELS,
    SOURCE_CRC32,
    PackRecord,
    raw_bytes,
    read_pack_record,
)


class PackFile:
    """The records of one split; opening costs milliseconds at any size, processes share the pages. Picklable.

    :raises OSError, RecordError: something is missing, or ``pack.json`` is damaged
    :raises ValueError: a file is not as ``pack.json`` has it: ``pixels.bin`` by its size, the arrays by their digests
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: PackRecord = read_pack_record(folder)
        for name, digest in self.record.sha256.items():
            if sha256_of(folder / name) != digest:
                raise ValueError(f"{name} is not as pack.json has it")
        self._map()

    def _map(self) -> None:
        record, found = self.record, (self.folder / PIXELS).stat().st_size
        if found != record.bytes:
            raise ValueError(f"{PIXELS} has {found:,} bytes, expected {record.bytes:,}")
        self.pixels: np.ndarray = np.empty(0, np.uint8)
        if found:
            with (self.folder / PIXELS).open("rb") as file:
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.pixels = np.frombuffer(self._mapped, np.uint8)
        self.crc32 = np.load(self.folder / CRC32, allow_pickle=False)
        if record.format == JPEG:
            self.first_byte = np.load(self.folder / FIRST_BYTE, allow_pickle=False)
        else:
            self.first_byte = np.arange(record.images + 1) * raw_bytes(record.format, record.size)
        if len(self.crc32) != record.images or len(self.first_byte) != record.images + 1:
            raise ValueError(f"its arrays are not as long as pack.json has it, {record.images:,}")

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "record": self.record}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def __len__(self) -> int:
        return self.record.images

    def bytes_of(self, index: int) -> np.ndarray:
        """(bytes,) uint8: the record of an image, a view of the mapped file."""
        return self.pixels[self.first_byte[index] : self.first_byte[index + 1]]

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, S × S px in the raw formats."""
        return to_rgb(self.bytes_of(index), self.record.format, self.record.size)

    def source_crc32(self) -> np.ndarray:
        """(I,) uint32 of the bytes that each record was made from."""
        return np.load(self.folder / SOURCE_CRC32, allow_pickle=False)

    def damaged(self, indices: Iterable[int], tick: Callable[[], None] = lambda: None) -> int | None:
        """The first of ``indices`` whose record has not its CRC-32; None where all have.

        Read, not mapped: a disk that fails is an OSError here, not the end of the process (``bus_error``).
        """
        with (self.folder / PIXELS).open("rb") as file:
            for index in indices:
                tick()
                file.seek(first := int(self.first_byte[index]))
                if zlib.crc32(file.read(int(self.first_byte[index + 1]) - first)) != self.crc32[index]:
                    return index
        return None

    def lost_bytes(self) -> int:
        """How many the file that is mapped has lost since: where it was cut, nothing can be read behind that place."""
        return self.record.bytes - self._mapped.size() if len(self.pixels) else 0
