"""A reader and the judge of the import on one folder: what was dropped and why, and that nothing got lost."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.formats.contract import Source
from pipeline.import_data.images import Sizes
from pipeline.import_data.judge import Judge
from pipeline.import_data.report import Report
from pipeline.stop import NEVER

W, H = 60, 40
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    ) + "]>"
)  # fmt: skip
"""A billion laughs, to be put before a document that says ``&j;``."""
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>'


def image(path: Path, width: int = W, height: int = H) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return path


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def judge(layout: str, source: Path, images: Path | None = None, **more: bool) -> Judge:
    """Everything that was read and judged; in = kept + dropped, for images and for boxes."""
    size_of = Sizes("stored")
    foreign = import_module(f"pipeline.formats.{layout}").read(Source(source, images, size_of, NEVER, **more))
    found = Judge(size_of, "ignore", Report())
    found.judge_all(foreign)
    report = found.report
    foreign.notes()
    for kind in ("image", "box"):
        dropped = sum(count for (each, _), count in report.dropped.items() if each == kind)
        assert report.taken_in[kind] == report.kept[kind] + dropped
    assert report.kept["image"] == len(found.kept) and report.kept["box"] == sum(
        len(each.boxes) for each in found.kept
    )
    assert sum(report.dropped.values()) + sum(report.changed.values()) == len(report.rows), "a line for each"
    assert all(row["reason"] and row["detail"] and row["detail"].isprintable() for row in report.rows), (
        report.rows
    )
    return found


def codes(found: Judge) -> set[str]:
    """``image.code`` and ``box.code`` of what was dropped, and the bare codes of what was changed."""
    return {f"{kind}.{code}" for kind, code in found.report.dropped} | set(found.report.changed)
