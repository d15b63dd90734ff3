"""The file of a split, written from its first image to its last: after any kill it resumes behind what is known to be on the disk.

The journal's first line says what is packed. Each line after it is written when the bytes that it speaks of are on the disk: the
records it adds, each with its length and both CRC-32. What the file has beyond the journal is cut off, so the bytes in the
end are those of a run that nobody stopped.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.pack.image import Packed
from vision.artefacts import log
from vision.artefacts.files import remove_entry, sha256_of, space_errors
from vision.artefacts.records import RecordError
from vision.images.packs.record import CRC32, FIRST_BYTE, JPEG, PIXELS, SOURCE_CRC32

SYNC_S = 5.0
"""At most so much work is lost by a power cut; a killed process loses as much."""
Row = tuple[int, int, int]
"""Length, CRC-32 and CRC-32 of the source."""


class PackWriter:
    """Appends records to ``folder/pixels.bin``; the journal stands beside the folder. A context manager.

    :param about: what is packed; a journal that says something else counts for nothing
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self._folder, journal = folder, folder.with_name(f"{folder.name}.jsonl")
        self._rows: list[Row] = list(_known(journal, about, folder / PIXELS))
        if not self._rows:
            remove_entry(journal)
            remove_entry(folder)
            folder.mkdir(parents=True)
        self._journal = log.JsonLines(journal)
        if not journal.stat().st_size:
            self._journal.append(about)
        self._file = (folder / PIXELS).open("ab", buffering=0)
        self._file.truncate(self.bytes)
        self._noted, self._synced_s = len(self._rows), time.monotonic()

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what is lost then is made again
            self.sync()
        self._file.close()
        self._journal.close()

    @property
    def images(self) -> int:
        return len(self._rows)

    @property
    def bytes(self) -> int:
        return sum(length for length, _, _ in self._rows)

    def append(self, packed: Packed) -> None:
        """The next image. Raises OSError; OutOfSpace where the disk is full."""
        with space_errors(self._folder / PIXELS):
            view = memoryview(packed.record)
            while view:
                view = view[self._file.write(view) :]
        self._rows.append((len(packed.record), zlib.crc32(packed.record), packed.source_crc32))
        if time.monotonic() - self._synced_s > SYNC_S:
            self.sync()

    def sync(self) -> None:
        """All that was appended is on the disk, and then in the journal, when this returns."""
        with space_errors(self._folder / PIXELS):
            os.fsync(self._file.fileno())
        if self._noted < len(self._rows):
            self._journal.append({"rows": self._rows[self._noted :]})
            self._journal.sync()
        self._noted, self._synced_s = len(self._rows), time.monotonic()

    def finish(self, pack_format: str) -> dict[str, str]:
        """Writes the arrays beside the pixels; sha256 of each by its name."""
        self.sync()
        lengths, crcs, sources = np.array(self._rows, np.int64).reshape(-1, 3).T
        arrays = {CRC32: crcs.astype(np.uint32), SOURCE_CRC32: sources.astype(np.uint32)}
        if pack_format == JPEG:
            arrays[FIRST_BYTE] = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        for name, array in arrays.items():
            with space_errors(self._folder / name):
                np.save(self._folder / name, array, allow_pickle=False)
        return {name: sha256_of(self._folder / name) for name in arrays}


def _known(journal: Path, about: dict[str, Any], pixels: Path) -> Iterator[Row]:
    """The records that the journal names and that are there; none where it is about something else, or damaged."""
    try:
        first, *lines = log.read(journal)
        rows = [
            (int(length), int(crc), int(source)) for line in lines for length, crc, source in line["rows"]
        ]
        size = pixels.stat().st_size
    except (RecordError, OSError, ValueError, KeyError, TypeError):
        return
    if first == about:
        ends = accumulate(length for length, _, _ in rows)
        yield from (row for row, end in zip(rows, ends, strict=True) if end <= size)
