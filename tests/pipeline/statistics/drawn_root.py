"""A data root with drawn boxes and images, clean but for the faults that are planted; made by the real stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import __main__ as pipeline_command
from pipeline.index import __main__ as index_command
from pipeline.remap_categories import __main__ as remap_command

WIDTH, HEIGHT = 160, 120
NAMES = ("person", "car", "cat", "kite")
Box = tuple[float, float, float, float]


class Drawn:
    """Images with boxes (x, y, width, height in px) by split; ``write`` makes a root of them."""

    def __init__(self, seed: int = 0, train: int = 12, val: int = 6) -> None:
        self.draw = np.random.default_rng(seed)
        self.splits: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.files: dict[tuple[str, int], bytes] = {}
        self.next_id = 1
        for split, count in (("train", train), ("val", val)):
            self.splits[split] = {"images": [], "annotations": []}
            for _ in range(count):
                image = self.image(split)
                for cell in range(int(self.draw.integers(0, 5))):
                    self.box(split, image, str(self.draw.choice(NAMES[:3])), self.clean_box(cell))

    def clean_box(self, cell: int) -> Box:
        """In a quarter of its own: near no other, at no edge, of no odd shape."""
        x, y = (cell % 2) * 80 + 5, (cell // 2) * 60 + 5
        width, height = self.draw.uniform(20, 60), self.draw.uniform(15, 45)
        return (
            float(x + self.draw.uniform(0, 8)),
            float(y + self.draw.uniform(0, 4)),
            float(width),
            float(height),
        )

    def image(self, split: str, data: bytes | None = None, name: str | None = None) -> int:
        """A new image, noise in large patches unless ``data`` are given; gives its id."""
        image_id, self.next_id = self.next_id, self.next_id + 1
        name = name or f"{image_id:06d}.jpg"
        self.splits[split]["images"].append(
            {"id": image_id, "file_name": name, "width": WIDTH, "height": HEIGHT}
        )
        self.files[split, image_id] = data or encoded(self.pixels())
        return image_id

    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8 that looks like no other."""
        patches = self.draw.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        return cv2.resize(patches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)

    def box(self, split: str, image: int, name: str, box: Box, crowd: bool = False) -> int:
        """Gives the id of the annotation."""
        made, self.next_id = self.next_id, self.next_id + 1
        self.splits[split]["annotations"].append(
            {"id": made, "image_id": image, "category_id": 10 * NAMES.index(name) + 1, "iscrowd": int(crowd),
             "bbox": list(box), "area": max(0.01, box[2] * box[3] * float(self.draw.uniform(0.3, 1)))}
        )  # fmt: skip
        return made

    def write(
        self, root: Path, images: bool = True, names: tuple[str, ...] = NAMES, checked: bool = False
    ) -> Path:
        """The root, with images, annotations, index and arrays; ``checked``: also by the image check, in processes."""
        (root / "annotations").mkdir(parents=True)
        categories = [{"id": 10 * label + 1, "name": name} for label, name in enumerate(names)]
        verdicts = []
        for split, made in self.splits.items():
            document = {
                "images": made["images"],
                "annotations": made["annotations"],
                "categories": categories,
            }
            (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(document))
            for image in made["images"]:
                sizes = {"width": WIDTH, "height": HEIGHT}
                verdicts.append({"split": split, "image_id": image["id"], "file_name": image["file_name"], "verdict": "ok", "reason": None, **sizes})  # fmt: skip
                if images:
                    path = root / f"{split}2017" / image["file_name"]
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(self.files[split, image["id"]])
        if checked:
            assert (
                pipeline_command.main(
                    ["run", "--root", str(root), "--from", "validate_images", "--workers", "1"]
                )
                == 0
            )
            return root
        (root / "report").mkdir()
        (root / "report/images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in verdicts))
        assert remap_command.main(["--root", str(root)]) == index_command.main(["--root", str(root)]) == 0
        return root


def encoded(pixels: np.ndarray, quality: int = 95) -> bytes:
    """As JPEG."""
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
