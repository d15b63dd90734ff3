"""Room on the disk, asked for before a long work begins rather than found missing at its end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline.stage import StageError

SPARE, SPARE_BYTES = 10, 64 << 20
"""What should be left: a tenth of what is needed, at most so many bytes."""
BLOCK = 4096


def require_space(folder: Path, needed: int, what: str, fix: str) -> None:
    """Raises StageError where the file system of ``folder`` has less than ``needed`` bytes and some to spare.

    ``what`` says in the error what the bytes are for, ``fix`` what else one could do than free some.
    """
    free = shutil.disk_usage(folder).free
    wanted = needed + min(needed // SPARE, SPARE_BYTES)
    if needed > 0 and free < wanted:
        raise StageError(
            f"not enough space in {folder}",
            f"{wanted:,} bytes are needed {what}, {free:,} are free",
            f"free some space, or {fix}",
        )


def on_disk(sizes: Iterable[int]) -> int:
    """Bytes that files of ``sizes`` occupy."""
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)
