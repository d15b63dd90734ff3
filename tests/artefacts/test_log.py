"""JSON lines: a kill may tear the last line and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from vision.artefacts import log
from vision.artefacts.records import RecordError


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    for number in range(3):
        log.append(tmp_path / "a.jsonl", {"step": number}, sync=True)
    assert list(log.read(tmp_path / "a.jsonl")) == [{"step": 0}, {"step": 1}, {"step": 2}]
    assert list(log.read(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("torn", [b'{"st', b'{"step": 9}', b"\xff", b"x" * 200_000])
def test_a_torn_last_line_is_left_out_and_cut_before_the_next(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"step":0}\n' + torn)
    assert list(log.read(path)) == [{"step": 0}]
    log.append(path, {"step": 1})
    assert path.read_bytes() == b'{"step":0}\n{"step":1}\n'


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"step"')
    log.append(tmp_path / "a.jsonl", {"step": 1})
    assert list(log.read(tmp_path / "a.jsonl")) == [{"step": 1}]


@pytest.mark.parametrize("line", [b"{broken}\n", b"[1]\n"])
def test_a_damaged_line_elsewhere_is_an_error_with_its_number(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"{}\n" + line + b"{}\n")
    with pytest.raises(RecordError, match="line 2"):
        list(log.read(tmp_path / "a.jsonl"))
