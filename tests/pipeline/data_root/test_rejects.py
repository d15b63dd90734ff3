"""``rejects.jsonl``: each stage replaces its own lines and leaves those of others."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.data_root.rejects import has_rejects, publish_rejects
from vision.artefacts.data_layout import REJECTS


def items(root: Path) -> list[tuple[str, str]]:
    return [
        (row["stage"], row["item"])
        for row in map(json.loads, (root / REJECTS).read_text("utf-8").splitlines())
    ]


def test_a_stage_replaces_its_own_lines(tmp_path: Path) -> None:
    publish_rejects(tmp_path, "extract", [("val", "a.jpg", "why"), ("val", "b.jpg", "why")])
    publish_rejects(tmp_path, "index", [("train", "ü\n.jpg", "why")])
    publish_rejects(tmp_path, "extract", [("val", "c.jpg", "why")])
    assert items(tmp_path) == [("index", "ü\n.jpg"), ("extract", "c.jpg")]
    assert has_rejects(tmp_path, "index") and not has_rejects(tmp_path, "download")
    publish_rejects(tmp_path, "extract", [])
    assert items(tmp_path) == [("index", "ü\n.jpg")]


def test_lines_that_are_none_do_not_stay(tmp_path: Path) -> None:
    """A file that was damaged: torn, nested without end, no object, no stage."""
    damaged = [b'{"stage": "ind', b"[" * 100_000, b"[]", b"{}", b"\xff", b"null"]
    (tmp_path / REJECTS).write_bytes(b"\n".join(damaged) + b"\n")
    assert not has_rejects(tmp_path, "index")
    publish_rejects(tmp_path, "extract", [("val", "c.jpg", "why")])
    assert items(tmp_path) == [("extract", "c.jpg")]


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert not has_rejects(tmp_path, "index")
