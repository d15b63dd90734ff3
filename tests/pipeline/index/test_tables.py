"""What SQLite does not say of a file that it cannot write: quota, limits, and a disk that is broken, told apart."""

from __future__ import annotations

import errno
import resource
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pipeline.index import tables
from pipeline.index.columns import Columns

WHOLE = np.arange(400, dtype=np.int64)
COLUMNS = Columns(
    split="train", image_ids=WHOLE, widths=WHOLE + 1, heights=WHOLE + 1, file_names=[f"{n:040}.jpg" for n in WHOLE],
    ids=WHOLE[:0], annotation_image_ids=WHOLE[:0], labels=WHOLE[:0], boxes_xywh_px=np.zeros((0, 4)),
    area=np.zeros(0), is_crowd=np.zeros(0, bool), categories=[],
)  # fmt: skip


def write(path: Path) -> int:
    return tables.write_tables(path, [(COLUMNS, None)], {"dataset": "own"})


def test_a_limit_of_the_size_is_no_broken_disk(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=str(path)) as caught:
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    path.unlink()
    assert write(path) == len(WHOLE)


def test_a_broken_disk_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise sqlite3.OperationalError(tables.NO_MORE)

    monkeypatch.setattr(tables, "_write", broken)
    with pytest.raises(OSError, match="Input/output error") as caught:
        write(tmp_path / "index.sqlite")
    assert caught.value.errno == errno.EIO
