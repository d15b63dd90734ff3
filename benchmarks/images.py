"""The images that the stages are measured with: real COCO where COCO_MINI is set, else rendered ones."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

from pipeline.miniature.render import MiniatureSpec, write_release


class ImageSet(NamedTuple):
    """``archive`` holds what ``folder`` holds; ``release`` names it for the extract stage below ``root``."""

    kind: str
    root: Path
    archive: Path
    release: Path
    folder: Path
    files: int
    bytes: int


def linked(images: ImageSet, times: int) -> list[Path]:
    """Every image under ``times`` names: a run long enough that starting processes does not count, as with COCO."""
    names = []
    for path in sorted(images.folder.iterdir()):
        for time_ in range(times):
            name = path.parent.with_name("linked") / f"{path.stem}_{time_}.jpg"
            name.parent.mkdir(exist_ok=True)
            name.hardlink_to(path)
            names.append(name)
    return names


def image_set(folder: Path, copies: int) -> ImageSet:
    """``train2017`` of the source, ``copies`` times under new names, as a stored archive and as files."""
    kind, source = _source(folder)
    root = folder / "root"
    archive = root / "archives" / "zips" / "train2017.zip"
    archive.parent.mkdir(parents=True)
    unpacked = folder / "images"
    unpacked.mkdir()
    count = total = 0
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
        for name in sorted(given.namelist()):
            if not name.endswith(".jpg"):
                continue
            data = given.read(name)
            for copy in range(copies):
                new = f"{Path(name).stem}_{copy}.jpg"
                made.writestr(f"train2017/{new}", data)
                (unpacked / new).write_bytes(data)
                count, total = count + 1, total + len(data)
    return ImageSet(kind, root, archive, _release(folder, archive), unpacked, count, total)


def _source(folder: Path) -> tuple[str, Path]:
    given = os.environ.get("COCO_MINI")
    if given:
        return "real COCO", Path(given) / "zips" / "train2017.zip"
    table = write_release(folder / "release", MiniatureSpec(seed=1, train=200, val=1))
    return "rendered", table.parent / "zips" / "train2017.zip"


def _release(folder: Path, archive: Path) -> Path:
    """A table that names the one archive, as ``--release`` takes it."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    row = {"path": "zips/train2017.zip", "bytes": archive.stat().st_size, "sha256": digest}
    path = folder / "release.json"
    path.write_text(json.dumps({"name": "benchmark", "files": [row]}))
    return path
