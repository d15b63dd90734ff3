"""Receipts: what is written comes back; what is no receipt is an error with its place, never a crash or a belief."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.data_root import receipts
from pipeline.data_root.receipts import Receipt, Recorded
from vision.artefacts.records import RecordError

RECEIPT = Receipt(
    1, "index", 3, {"splits": ["train"], "classes": None}, {"in": Recorded("file", 4, 1, "ab" * 32, 5, 6)},
    {"out": Recorded("tree", 4, 2, "cd" * 32)}, 5, 3, {"bad": 2}, {"note": 1}, 0.5, "2026-01-02T03:04:05+00:00",
    {"python": "3.11"},
)  # fmt: skip


def test_a_receipt_comes_back(tmp_path: Path) -> None:
    assert receipts.read(tmp_path, "index") is None
    receipts.write(tmp_path, RECEIPT)
    assert receipts.read(tmp_path, "index") == RECEIPT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"stage": "extract"}, "of 'extract'"),
        ({"taken_in": 6}, "taken_in is not"),
        ({"kept": -1, "taken_in": 1}, "taken_in is not"),
        ({"dropped": {"bad": "2"}}, "expected int"),
        ({"finished": "yesterday"}, "is not a time"),
        ({"finished": "\x1b[31m\n"}, "is not a time"),
        ({"outputs": {"out": {"kind": "file"}}}, "missing"),
        ({"outputs": []}, "expected an object"),
        ({"inputs": {"in": None}}, "expected an object"),
        ({"seconds": "fast"}, "expected float"),
        ({"surprise": 1}, "unknown key"),
        ({"params": [1]}, "expected an object"),
        ({"version": True}, "expected int"),
    ],
)
def test_what_is_no_receipt_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    receipts.write(tmp_path, RECEIPT)
    path = receipts.receipt_path(tmp_path, "index")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=message):
        receipts.read(tmp_path, "index")


@pytest.mark.parametrize("cut", range(0, 600, 41))
def test_a_receipt_that_is_cut_anywhere_is_named(tmp_path: Path, cut: int) -> None:
    receipts.write(tmp_path, RECEIPT)
    path = receipts.receipt_path(tmp_path, "index")
    assert cut < path.stat().st_size - 2
    os.truncate(path, cut)
    with pytest.raises(RecordError, match=r"index\.json"):
        receipts.read(tmp_path, "index")


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket link"])
def test_what_is_no_file_is_named_at_once(tmp_path: Path, kind: str) -> None:
    path = receipts.receipt_path(tmp_path, "index")
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(RecordError, match="not a file"):
        receipts.read(tmp_path, "index")
