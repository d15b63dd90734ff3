"""The embedded release: a small rendered COCO in the official layout, the same bytes for the same seed.

    python -m pipeline.miniature --output FOLDER [--seed 0] [--train 600] [--val 120]

writes ``zips/train2017.zip``, ``zips/val2017.zip``, ``annotations/annotations_trainval2017.zip`` and ``release.json``:
what a server would hold, so that every real stage can run on it. Both splits come from the same random
process; validation is no easier than training.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.miniature.coco_categories import CATEGORIES
from vision.artefacts.data_layout import image_folder, original_path
from vision.artefacts.files import atomic_publish, publish_json, sha256_of

if TYPE_CHECKING:  # --help does not wait for what draws
    from pipeline.miniature.scene import Scene

PUBLISHED = (2017, 9, 1, 0, 0, 0)
"""The time stamp of every zip member: a clock in the bytes would change the digest."""
JPEG_QUALITY = 90
SPLIT_CODE = {"train": 1, "val": 2}


@dataclass(frozen=True, slots=True)
class MiniatureSpec:
    """What to render: ``seed`` and the number of images a split."""

    seed: int = 0
    train: int = 600
    val: int = 120

    def __post_init__(self) -> None:
        if self.train < 1 or self.val < 1:
            raise ValueError(f"--train {self.train} --val {self.val}: each split needs at least one image")

    def images(self, split: str) -> int:
        return self.train if split == "train" else self.val


def write_release(folder: Path, spec: MiniatureSpec) -> Path:
    """Renders the release into ``folder`` and returns the path of its ``release.json``."""
    annotations: dict[str, bytes] = {}
    for split in ("train", "val"):
        scenes = list(_scenes(spec, split))
        write_zip(folder / f"zips/{split}2017.zip", _image_members(split, scenes), zipfile.ZIP_STORED)
        name = original_path(split)
        annotations[name] = json.dumps(annotation_file(split, scenes)).encode()
    archive = folder / "annotations/annotations_trainval2017.zip"
    write_zip(archive, annotations.items(), zipfile.ZIP_DEFLATED)
    return write_table(folder, f"miniature-{spec.seed}-{spec.train}-{spec.val}")


def annotation_file(split: str, scenes: list[Scene]) -> dict[str, Any]:
    """The ``instances_*.json`` of one split, with all 80 categories under their original ids."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, scene in enumerate(scenes):
        image_id = _image_id(split, index)
        height, width = scene.image.shape[:2]
        images.append(
            {
                "license": 1,
                "file_name": _file_name(split, index),
                "height": height,
                "width": width,
                "id": image_id,
            }
        )
        for thing in scene.things:
            annotations.append({**thing, "image_id": image_id, "id": _annotation_id(split, len(annotations))})
    return {
        "info": {"description": "Miniature COCO, rendered", "version": "1.0", "year": 2017},
        "licenses": [{"id": 1, "name": "Made by this program; free of any right", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [{"supercategory": group, "id": id_, "name": name} for id_, name, group in CATEGORIES],
    }


def _scenes(spec: MiniatureSpec, split: str) -> Iterator[Scene]:
    import numpy as np

    from pipeline.miniature.scene import render

    for index in range(spec.images(split)):
        yield render(np.random.default_rng([spec.seed, SPLIT_CODE[split], index]))


def _image_members(split: str, scenes: list[Scene]) -> Iterator[tuple[str, bytes]]:
    for index, scene in enumerate(scenes):
        yield f"{image_folder(split)}/{_file_name(split, index)}", _jpeg(scene)


def _jpeg(scene: Scene) -> bytes:
    from PIL import Image

    image = Image.fromarray(scene.image)
    if scene.grey:
        image = image.convert("L")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], compression: int) -> None:
    """An archive of ``(name, data)``, the same bytes every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_publish(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, date_time=PUBLISHED)
            info.compress_type = compression
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)


def write_table(folder: Path, name: str) -> Path:
    """``release.json`` for the three archives of COCO's layout in ``folder``."""
    names = ("zips/train2017.zip", "zips/val2017.zip", "annotations/annotations_trainval2017.zip")
    files = [
        {"path": path, "bytes": (folder / path).stat().st_size, "sha256": sha256_of(folder / path)}
        for path in names
    ]
    release = folder / "release.json"
    publish_json(release, {"name": name, "files": files})
    return release


def _image_id(split: str, index: int) -> int:
    """Unlike between the splits, as in COCO."""
    return SPLIT_CODE[split] * 100_000 + index + 1


def _file_name(split: str, index: int) -> str:
    return f"{_image_id(split, index):012d}.jpg"


def _annotation_id(split: str, index: int) -> int:
    return SPLIT_CODE[split] * 1_000_000 + index + 1
