"""The flat arrays: without an orientation that is applied they are what they always were, to the bit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.image_check.verdicts import Verdict
from pipeline.index import build
from pipeline.index.arrays import _save, write_arrays
from pipeline.index.build import build_index
from pipeline.index.columns import Columns
from vision.artefacts.data_layout import IMAGE_REPORT, arrays_path, remapped_path
from vision.artefacts.files import OutOfSpace

COLUMNS = Columns(
    "val", np.array([3, 7]), np.array([40, 30]), np.array([30, 40]), ["a.jpg", "b.jpg"], np.array([1, 2]),
    np.array([3, 7]), np.array([1, 1]), np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]), np.array([12.0, 56]),
    np.array([False, True]), [{"id": 1, "original_id": 9, "name": "cat", "supercategory": "x"}],
)  # fmt: skip
BEFORE_ORIENTATIONS = "4633ef104838a272e6f54390130f4927c679c141e7df1a49392f7b4eec42b246"
"""SHA-256 of ``arrays.json``, which holds the digests of all arrays, as it was when there was no ``--exif``."""


@pytest.mark.parametrize("orientations", [(), (1, 1)])
def test_where_none_is_applied_the_bytes_are_those_of_before(
    orientations: tuple[int, ...], tmp_path: Path
) -> None:
    write_arrays(COLUMNS, tmp_path, "x.json", "0" * 64, orientations)
    assert not (tmp_path / "orientations.npy").exists()
    assert hashlib.sha256((tmp_path / "arrays.json").read_bytes()).hexdigest() == BEFORE_ORIENTATIONS


def test_those_that_are_applied_stand_beside_the_others(tmp_path: Path) -> None:
    write_arrays(COLUMNS, tmp_path, "x.json", "0" * 64, (1, 6))
    found = np.load(tmp_path / "orientations.npy", allow_pickle=False)
    assert (found.dtype.name, found.tolist()) == ("uint8", [1, 6])
    record = json.loads((tmp_path / "arrays.json").read_text())
    assert record["schema"] == 2
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*.npy")}
    assert record["sha256"] == digests


def test_on_a_full_disk_the_array_is_named() -> None:
    with pytest.raises(OutOfSpace, match="no space left to write") as caught:
        _save(Path("/dev/full"), np.zeros(4))
    assert caught.value.filename == "/dev/full"


def test_each_split_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids may be the same in both, and mean other images."""
    monkeypatch.setattr(build, "read_columns", lambda path, split, stop: replace(COLUMNS, split=split))
    verdicts = {
        split: {id_: Verdict(id_, "x.jpg", "ok", "", 40, 30, orientation)}
        for split, id_, orientation in (("train", 3, 6), ("val", 7, 8))
    }
    (tmp_path / "annotations").mkdir()
    for split in verdicts:
        (tmp_path / remapped_path(split)).touch()
    (tmp_path / IMAGE_REPORT).parent.mkdir()
    (tmp_path / IMAGE_REPORT).touch()
    build_index(tmp_path, list(verdicts), verdicts, tmp_path)
    found = [np.load(tmp_path / arrays_path(split) / "orientations.npy").tolist() for split in verdicts]
    assert found == [[6, 1], [1, 8]]
