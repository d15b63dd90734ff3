"""The tree of the no-op benchmark is a release that the stages take whole, and what is measured finds nothing to do."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.noop import measure, pipeline, report, write_release
from tools.demo import mirror


def test_the_real_stages_take_it_and_then_nothing_is_to_do(tmp_path: Path) -> None:
    release = write_release(tmp_path / "server", {"train": 12, "val": 3})
    root = tmp_path / "root"
    with mirror(release.parent) as url:
        pipeline("run", "--root", str(root), "--release", str(release), "--mirror", url, "--workers", "1")
    receipts = {path.stem: json.loads(path.read_text()) for path in (root / ".pipeline").glob("*.json")}
    assert receipts["validate_images"]["kept"] == 15 and receipts["index"]["kept"] == 30
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.name != "lock"}
    rows = measure(root, rounds=1)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.name != "lock"} == before
    assert [row.command for row in rows] == ["run", "status", "verify"] and all(
        row.wall_s > 0 for row in rows
    )
    assert "| `python -m pipeline run` |" in report(15, (1.0, 0.5), 1, rows)
