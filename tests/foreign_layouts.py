"""The rendered miniature in the layouts that people have: what is learned and what is measured stay apart as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.sax.saxutils import escape


def voc_of(root: Path, folder: Path) -> Path:
    """``Annotations/``, ``JPEGImages/``, ``ImageSets/Main/{trainval,test}.txt`` of a data root; corners as VOC counts them."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split, listed in (("train", "trainval"), ("val", "test")):
        content = json.loads((root / f"annotations/instances_{split}2017.json").read_text())
        names = {row["id"]: row["name"] for row in content["categories"]}
        ids = [Path(image["file_name"]).stem for image in content["images"]]
        (folder / f"ImageSets/Main/{listed}.txt").write_text("\n".join(ids) + "\n")
        for image in content["images"]:
            own = [
                row for row in content["annotations"] if row["image_id"] == image["id"] and not row["iscrowd"]
            ]
            boxes = "".join(_object(names[row["category_id"]], *row["bbox"]) for row in own)
            shutil.copy(root / f"{split}2017" / image["file_name"], folder / "JPEGImages")
            (folder / f"Annotations/{Path(image['file_name']).stem}.xml").write_text(
                f"<annotation><filename>{image['file_name']}</filename><size><width>{image['width']}</width>"
                f"<height>{image['height']}</height><depth>3</depth></size>{boxes}</annotation>"
            )
    return folder


def _object(name: str, x: float, y: float, width: float, height: float) -> str:
    corners = {"xmin": int(x) + 1, "ymin": int(y) + 1, "xmax": int(x + width), "ymax": int(y + height)}
    box = "".join(f"<{key}>{value}</{key}>" for key, value in corners.items())
    return f"<object><name>{escape(name)}</name><difficult>0</difficult><bndbox>{box}</bndbox></object>"
