"""A data folder without images: annotation files and the table of the image check, and stages killed on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests import warm
from tests.pipeline.image_root import REPOSITORY

NAMES = {5: "person", 2: "car", 17: "cat", 90: "kite"}
REJECTED, CROWD = 7, 3
"""Every so many images are rejected, every so many annotations are crowds."""


def make_root(root: Path, train: int = 60, val: int = 20) -> Path:
    """``train`` and ``val`` images with 0–4 boxes; val lists the categories in another order."""
    (root / "annotations").mkdir(parents=True)
    (root / "report").mkdir()
    table = []
    for split, count, seed in (("train", train, 1), ("val", val, 2)):
        made = document(count, seed, list(NAMES.items())[:: 1 if split == "train" else -1])
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(made))
        table += [verdict(split, image) for image in made["images"]]
    (root / "report/images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    return root


def document(images: int, seed: int, categories: Iterable[tuple[int, str]]) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    ids = (1000 * seed + draw.permutation(images)).tolist()  # in no order
    annotations = [
        {
            "id": 0, "image_id": image, "category_id": int(draw.choice(list(NAMES))), "iscrowd": 0,
            "bbox": [*draw.uniform(0, 60, 2).round(2).tolist(), *draw.uniform(1, 39, 2).round(2).tolist()],
            "area": round(float(draw.uniform(1, 20_000)), 2),
        }
        for image in ids for _ in range(draw.integers(0, 5))
    ]  # fmt: skip
    for number, annotation in enumerate(annotations):
        annotation |= {"id": 5000 - number, "iscrowd": int(number % CROWD == 0)}
    return {
        "images": [{"id": i, "file_name": f"{i:012d}.jpg", "width": 100, "height": 120} for i in ids],
        "annotations": annotations,
        "categories": [{"id": id_, "name": name, "supercategory": "thing"} for id_, name in categories],
    }


def verdict(split: str, image: dict[str, Any]) -> dict[str, Any]:
    bad = image["id"] % REJECTED == 0
    return {
        "split": split, "image_id": image["id"], "file_name": image["file_name"],
        "verdict": "reject" if bad else "ok", "reason": "truncated: ends early" if bad else None,
        "width": image["width"], "height": image["height"],
    }  # fmt: skip


def files(root: Path, *below: str) -> dict[str, bytes]:
    """Everything below ``root`` (in those of its folders or files) but the runner's own records."""
    return {
        name: path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not (name := str(path.relative_to(root))).startswith(".pipeline")
        and (not below or name.startswith(below))
    }  # fmt: skip


KILLER = """
import os, runpy, signal, sys
from vision.artefacts import files
module, point, seen = sys.argv.pop(1), int(sys.argv.pop(1)), 0

def reached():
    global seen
    seen += 1
    if seen == point:
        os.kill(os.getpid(), signal.SIGKILL)

def hook(event, arguments):
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "sqlite3.connect"):
        reached()
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        reached()

def reaching(real):
    def call(*arguments, **options):
        reached()
        result = real(*arguments, **options)
        reached()
        return result
    return call

files.exchange = reaching(files.exchange)
files.os.fsync = reaching(os.fsync)
sys.addaudithook(hook)
sys.argv[0] = module
try:
    runpy.run_module(module, run_name="__main__")
finally:
    print(f"points {seen}", file=sys.stderr)
"""


def killed_at(module: str, point: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, killed by SIGKILL at the ``point``-th thing that it does to the disk (0 = never)."""
    command = [sys.executable, "-c", KILLER, module, str(point), *arguments]
    return warm.run(command, light=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


def points_of(module: str, *arguments: str) -> int:
    """How many such things it does."""
    done = killed_at(module, 0, *arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rsplit("points ", 1)[1])
