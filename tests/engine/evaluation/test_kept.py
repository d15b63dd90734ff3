"""Detections beside a run: read to the bit as they were scored; a file that is not ours is nothing."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from tests.engine.analysis.made import drawn
from vision.engine.evaluation.kept import KEPT, KeptFacts, keep, read_kept
from vision.engine.evaluation.results import Results

FACTS = KeptFacts("x.pth", "0" * 64, 3, 40, "1" * 64, 40)


def test_what_is_read_is_to_the_bit_what_was_scored(tmp_path: Path) -> None:
    results, _ = drawn(0)
    for each in (results, Results.empty()):
        keep(tmp_path, each, FACTS)
        found = read_kept(tmp_path)
        assert found is not None and found[1] == FACTS
        for name in ("image_ids", "category_ids", "boxes_xywh_px", "scores"):
            assert np.array_equal(getattr(found[0], name), getattr(each, name)), name
    assert os.listdir(tmp_path / "report") == ["detections.npz"]


@pytest.mark.parametrize(
    "harm", ["none", "cut off", "text", "a pipe", "pickled", "another shape", "another schema"]
)
def test_what_is_not_ours_is_nothing(tmp_path: Path, harm: str) -> None:
    path = keep(tmp_path, drawn(0)[0], FACTS)
    data = path.read_bytes()
    if harm == "another schema":
        keep(tmp_path, Results.empty(), dataclasses.replace(FACTS, schema=99))
    elif harm in ("pickled", "another shape"):
        with np.load(path) as found:
            columns = dict(found)
        columns["boxes"] = columns["boxes"][:, :3] if harm == "another shape" else np.array([object()] * 3)
        np.savez(path, **columns)
    else:
        path.unlink()
    if harm == "cut off":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "text":
        path.write_bytes(b"no archive")
    elif harm == "a pipe":
        os.mkfifo(tmp_path / KEPT)
    assert read_kept(tmp_path) is None
