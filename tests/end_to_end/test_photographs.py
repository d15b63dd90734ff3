"""Own photographs that were labelled upright: refused with the command that uses them, and then under their boxes."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.__main__ import main
from tests.photographs import COLOURS, PORTRAITS, Photograph, make_root
from vision.core.sample import Sample
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import SampleError

ODD = "a b$(touch X)"
AS_STORED = [Photograph("scan.jpg", 6, "stored"), Photograph("turned.jpg", 8, "stored", (64, 56))]
TRAIN = [*PORTRAITS, *AS_STORED, Photograph("square.jpg", 6, size=(64, 64))]
VAL = [Photograph("a.jpg", 6), Photograph("b.png", 8), Photograph("c.jpg", 1)]


def obey(line: str) -> None:
    """Runs a printed command as a shell would hand it over."""
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "pipeline"]
    assert main([*words[3:], "--workers", "1"]) == 0


def obey_in_a_shell(line: str, repository: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(line, shell=True, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert not (repository / "X").exists()


def run(root: Path, *options: str) -> int:
    return main(["run", "--root", str(root), "--workers", "1", *options])


def states(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["status", "--root", str(root), "--json"]) == 0
    return [row["state"] for row in json.loads(capsys.readouterr().out)]


def verdicts(root: Path) -> dict[str, dict[str, Any]]:
    rows = map(json.loads, (root / "report/images.jsonl").read_text().splitlines())
    return {f"{row['split']}/{row['file_name']}": row for row in rows}


def samples(dataset: CocoDetection) -> dict[str, Sample]:
    return {dataset.path(index).name: dataset.load(index) for index in range(len(dataset))}


def is_painted(sample: Sample) -> bool:
    """Whether under each box lies the colour of its label, to its edges and no further."""
    seen = []
    for box, label in zip(sample.boxes_xyxy_px.astype(int), sample.labels, strict=True):
        x1, y1, x2, y2 = box
        colour = np.array(list(COLOURS.values())[label - 1])
        inside = sample.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].reshape(-1, 3).astype(int)
        around = np.ones(sample.image.shape[:2], bool)
        around[max(0, y1 - 3) : y2 + 3, max(0, x1 - 3) : x2 + 3] = False
        elsewhere = np.abs(sample.image[around].astype(int) - colour).max(axis=1)
        seen.append(np.abs(inside - colour).max() < 40 and elsewhere.min() > 40)
    return len(seen) == len(COLOURS) and all(seen)


def test_portraits_are_refused_with_the_command_that_puts_them_under_their_boxes(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_root(tmp_path / ODD, train=TRAIN, val=VAL)
    assert run(root, "--from", "validate_images") == 0
    said = capsys.readouterr().out
    refused = {name for name, row in verdicts(root).items() if row["verdict"] == "reject"}
    assert refused == {"train/phone 5.jpg", "train/phone 6.png", "train/phone 7.jpg", "train/phone 8.png", "val/a.jpg", "val/b.png"}  # fmt: skip
    assert main(["status", "--root", str(root), "--exif", "apply"]) == 0
    assert "exif: not set before, now apply" in capsys.readouterr().out
    stored = CocoDetection(root)
    assert {name for name, one in samples(stored).items() if not is_painted(one)} == {
        "phone 2.png", "phone 3.jpg", "phone 4.png", "square.jpg",
    }, "no size tells, and the stored frame is what COCO has"  # fmt: skip
    (line,) = (line for line in said.splitlines() if line.startswith("to use 6 images labelled upright: "))
    obey_in_a_shell(line.split(": ", 1)[1], repository)
    assert states(root, capsys) == ["own", "own", "done", "done", "done", "optional"], (
        "the choice is remembered"
    )

    for split, photographs in (("train", TRAIN), ("val", VAL)):
        dataset = CocoDetection(root, split)
        found = samples(dataset)
        assert set(found) == {one.name for one in photographs}
        for one in photographs:
            sample = found[one.name]
            assert is_painted(sample), one
            assert sample.original_hw == sample.image.shape[:2] == one.size[::-1]
        travelled = samples(pickle.loads(pickle.dumps(dataset)))
        assert all(np.array_equal(travelled[name].image, found[name].image) for name in found)
    rows, orientations = verdicts(root), {f"train/{one.name}": one.orientation for one in TRAIN}
    applied = {name: row.get("orientation") for name, row in rows.items() if name.startswith("train/")}
    kept = {"train/phone 1.jpg", *(f"train/{one.name}" for one in AS_STORED)}
    assert applied == {name: None if name in kept else of for name, of in orientations.items()}
    with closing(sqlite3.connect(root / "index.sqlite")) as index:
        noted = dict(index.execute("SELECT split || '/' || file_name, orientation FROM images"))
    assert noted == {name: row.get("orientation", 1) for name, row in rows.items()}
    assert CocoDetection(root).digest != stored.digest

    assert run(root, "--exif", "stored") == 0
    assert CocoDetection(root).digest == stored.digest, "the way back"


def test_where_none_can_be_used_the_command_is_the_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_root(tmp_path / ODD, train=PORTRAITS[4:], val=VAL)
    assert run(root, "--from", "validate_images") == 1
    said = capsys.readouterr().err
    assert "no image of train2017 can be used" in said and "exif_size_mismatch: 64×48 stored" in said
    obey(said.split("use those upright that are labelled so: ")[1])
    assert all(map(is_painted, samples(CocoDetection(root)).values()))


def test_a_camera_that_turns_nothing_feels_no_option(tmp_path: Path) -> None:
    """COCO's case: every artefact but the note of the choice is the same, byte for byte."""
    plain = [Photograph("a.jpg", 1), Photograph("b.png", 1), Photograph("scan.jpg", 6, "stored")]
    made: list[dict[str, bytes]] = []
    for exif in ("stored", "apply"):
        root = make_root(tmp_path / exif, train=plain, val=VAL[2:])
        assert run(root, "--from", "validate_images", "--exif", exif) == 0
        names = [
            "report/images.jsonl",
            "report/annotations.jsonl",
            "annotations/instances_train2017.remapped.json",
        ]
        names += [f"arrays/train2017/{path.name}" for path in (root / "arrays/train2017").iterdir()]
        made.append({name: (root / name).read_bytes() for name in names})
    words = b": the annotated size is the stored one"
    made[1]["report/images.jsonl"] = made[1]["report/images.jsonl"].replace(words, b"")
    assert made[0] == made[1]
    assert json.loads(made[0]["arrays/train2017/arrays.json"])["schema"] == 1
    assert list(verdicts(tmp_path / "apply")["train/a.jpg"]) == [
        "split", "image_id", "file_name", "verdict", "reason", "width", "height",
    ]  # fmt: skip


def test_a_photograph_that_was_turned_since_is_named(tmp_path: Path) -> None:
    """A program that turns pixels and clears the tag: of an orientation of 180° no size would tell."""
    root = make_root(tmp_path / ODD, train=PORTRAITS, val=VAL)
    assert run(root, "--from", "validate_images", "--exif", "apply") == 0
    (root / "train2017/phone 3.jpg").write_bytes((root / "train2017/phone 1.jpg").read_bytes())
    with pytest.raises(SampleError, match=r"phone 3.jpg \(image id 3\): EXIF orientation 1, was 3") as caught:
        samples(CocoDetection(root))
    obey(str(caught.value).split("fix: ")[1])
    assert all(map(is_painted, samples(CocoDetection(root)).values()))
