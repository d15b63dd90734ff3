"""The table of epochs: derived from metrics.jsonl, whatever happened to it."""

from __future__ import annotations

import csv
from pathlib import Path

from vision.artefacts import log
from vision.engine.runs.metrics_csv import write_csv


def table(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_epochs_become_lines_and_classes_the_last_columns(tmp_path: Path) -> None:
    write_csv(tmp_path)
    assert not (tmp_path / "metrics.csv").exists(), "no epoch, no table"
    path = tmp_path / "metrics.jsonl"
    log.append(path, {"kind": "step", "step": 1, "epoch": 0, "loss": 1.0, "rate": {}})
    log.append(path, {"kind": "epoch", "epoch": 0, "step": 4, "train_total": 0.1 + 0.2})
    log.append(
        path,
        {"kind": "epoch", "epoch": 1, "step": 8, "AP_by_class": {'a "b", c': 0.5}, "AP": 0.25, "x": None},
    )
    write_csv(tmp_path)
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert header == 'epoch,step,train_total,AP,x,"AP of a ""b"", c"'
    first, second = table(tmp_path)
    assert float(first["train_total"]) == 0.1 + 0.2 and first["AP"] == "" and first["step"] == "4"
    assert second['AP of a "b", c'] == "0.5" and second["x"] == "" and second["train_total"] == ""


def test_lines_that_are_no_rows_are_left_to_the_resume(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(
        b'{"kind":"epoch","epoch":0,"step":4}\n{"kind":"epoch",\n\0\0\n{"kind":"epoch","epoch":1,"st'
    )
    write_csv(tmp_path)
    assert [row["epoch"] for row in table(tmp_path)] == ["0"]
    path.write_bytes(b"")
    write_csv(tmp_path)
    assert table(tmp_path) == []


def test_what_stands_in_the_way_stays_and_is_said(tmp_path: Path) -> None:
    """No training ends for want of a table, and nobody's file is replaced."""
    log.append(tmp_path / "metrics.jsonl", {"kind": "epoch", "epoch": 0, "step": 4})
    path = tmp_path / "metrics.csv"
    path.write_text("day,rain\n")
    assert "is not ours" in str(write_csv(tmp_path)) and path.read_text() == "day,rain\n"
    path.unlink()
    path.mkdir()
    assert "is not written" in str(write_csv(tmp_path)) and path.is_dir()
    path.rmdir()
    assert write_csv(tmp_path) is None and write_csv(tmp_path) is None, "and its own it makes again"
    assert table(tmp_path) == [{"epoch": "0", "step": "4"}]
