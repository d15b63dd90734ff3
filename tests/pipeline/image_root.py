"""A small data root with good, odd and bad images, and processes that are killed while they check it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests import warm
from tests.images.corpus import HEIGHT, WIDTH, corpus, encoded, pixels

REPOSITORY = Path(__file__).parents[2]
OUTPUTS = ("report/images.jsonl", "rejects.jsonl", "report/bad_images.png")

ODD = (
    "grey.jpg", "cmyk.jpg", "turned_6.jpg", "png.jpg", "baseline_cut_50.jpg", "zeroed_middle.jpg",
    "page.jpg", "pointer.jpg", "huge.jpg", "progressive.jpg",
)  # fmt: skip


def make_root(root: Path, good: int = 12) -> Path:
    """train: ``good`` sound images, the ODD ones, a missing one, a link, a wrong size and a stray; val: 3 sound."""
    annotations = root / "annotations"
    annotations.mkdir(parents=True)
    odd = {one.name: one.data for one in corpus()}
    train = {f"{n:012}.jpg": encoded(pixels(n), "JPEG") for n in range(good)} | {
        name: odd[name] for name in ODD
    }
    val = {f"{n:012}.jpg": encoded(pixels(n), "JPEG") for n in range(900, 903)}
    for split, files in (("train", train), ("val", val)):
        folder = root / f"{split}2017"
        folder.mkdir()
        images = []
        for number, (name, data) in enumerate(files.items()):
            (folder / name).write_bytes(data)
            images.append({"id": 10 + number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        if split == "train":
            images += _troubles(folder)
        document = {"images": images, "annotations": [], "categories": []}
        (annotations / f"instances_{split}2017.json").write_text(json.dumps(document))
    return root


def _troubles(folder: Path) -> list[dict[str, object]]:
    (folder / "link.jpg").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "wrong_size.jpg").write_bytes(encoded(pixels(5)[:64], "JPEG"))
    (folder / "stray.jpg").write_bytes(encoded(pixels(6), "JPEG"))
    names = ("missing.jpg", "link.jpg", "pipe.jpg", "wrong_size.jpg", "../escape.jpg")
    return [
        {"id": 500 + n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(names)
    ]


def command(root: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.validate_images", "--root", str(root), "--workers", "2", *options]


def run(root: Path, *options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return warm.run(command(root, *options), cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout)


def results(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in OUTPUTS}


def rows(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "report/images.jsonl").read_text().splitlines()]


def sheet_size(root: Path) -> tuple[int, int]:
    with Image.open(root / "report/bad_images.png") as sheet:
        return sheet.size
