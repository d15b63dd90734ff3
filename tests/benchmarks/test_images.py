"""Archive and folder hold the same images, and the table that names the archive is a release."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks.images import image_set, linked
from pipeline.release import read_release


def test_every_image_under_new_names(
    miniature_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCO_MINI", str(miniature_release))
    made = image_set(tmp_path, copies=2)
    assert (made.kind, made.files) == ("real COCO", 32)
    with zipfile.ZipFile(made.archive) as archive:
        inside = {Path(name).name: archive.read(name) for name in archive.namelist()}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert inside == {path.name: path.read_bytes() for path in made.folder.iterdir()}
    assert made.bytes == sum(map(len, inside.values())) and len(set(inside.values())) == 16
    names = linked(made, 3)
    assert len(names) == 96 and {name.read_bytes() for name in names} == set(inside.values())
    (file,) = read_release(made.release).files
    assert (file.path, file.bytes) == ("zips/train2017.zip", made.archive.stat().st_size)
