"""Images that stand in two splits: told by what they are, not by numbers that every tool counts from 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.validate_images.__main__ import main
from pipeline.validate_images.image_splits import TWICE
from tests.images.corpus import HEIGHT, WIDTH, encoded, pixels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """train: a, b, c; val: copy (the bytes of a), b (the same name and id, encoded anew), c (another image and id), d."""
    drawn = [encoded(pixels(number), "JPEG") for number in range(6)]
    again = encoded(pixels(1), "JPEG", quality=60)
    splits = {
        "train": {"a.jpg": (1, drawn[0]), "b.jpg": (2, drawn[1]), "c.jpg": (3, drawn[2])},
        "val": {
            "copy.jpg": (1, drawn[0]),
            "b.jpg": (2, again),
            "c.jpg": (4, drawn[3]),
            "d.jpg": (3, drawn[4]),
        },
    }
    for split, images in splits.items():
        (tmp_path / f"{split}2017").mkdir()
        rows = []
        for name, (image_id, data) in images.items():
            (tmp_path / f"{split}2017" / name).write_bytes(data)
            rows.append({"id": image_id, "file_name": name, "width": WIDTH, "height": HEIGHT})
        (tmp_path / "annotations").mkdir(exist_ok=True)
        document = {"images": rows, "annotations": [], "categories": []}
        (tmp_path / f"annotations/instances_{split}2017.json").write_text(json.dumps(document))
    return tmp_path


def check(root: Path) -> int:
    return main(["--root", str(root), "--workers", "1"])


def test_they_are_listed_and_said_once_and_no_reason_to_stop(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(root) == 0
    rows = [json.loads(line) for line in (root / TWICE).read_text().splitlines()]
    assert [(row["file_name"], row["also_file_name"], row["same"]) for row in rows] == [
        ("copy.jpg", "a.jpg", "content"),
        ("b.jpg", "b.jpg", "name and id"),
    ]
    assert {(row["split"], row["also_split"]) for row in rows} == {("val", "train")}
    said = [line for line in capsys.readouterr().out.splitlines() if "two splits" in line]
    assert len(said) == 1 and ": 2, such as 'copy.jpg' of val, which is 'a.jpg' of train" in said[0]
    assert str(root / TWICE) in said[0]
    for name in ("copy.jpg", "b.jpg"):
        (root / "val2017" / name).write_bytes((root / "val2017/d.jpg").read_bytes())
    (root / "annotations/instances_val2017.json").write_text(
        (root / "annotations/instances_val2017.json").read_text().replace('"id": 2', '"id": 9')
    )
    assert check(root) == 0
    assert not (root / TWICE).exists(), "twice in one split is no leak, and an older list does not stay"


def test_files_that_are_no_images_are_counted_apart_and_nothing_is_drawn_of_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("notes.txt", ".DS_Store", "Thumbs.db", "._a.jpg"):
        (root / "train2017" / name).write_text("mine")
    assert check(root) == 0
    said = capsys.readouterr().out
    assert "7 of 7 images can be used\n" in said
    assert said.count("not images and stay") == 1 and ": 4, such as '.DS_Store'" in said
    assert len((root / "report/images.jsonl").read_text().splitlines()) == 7
    assert not (root / "rejects.jsonl").read_bytes() and not (root / "report/bad_images.png").exists()
    (root / "train2017/stray.jpg").write_bytes((root / "train2017/a.jpg").read_bytes())
    assert check(root) == 0
    assert (
        "refused: 1 not_in_annotations" in capsys.readouterr().out
        and (root / "report/bad_images.png").exists()
    )
    (root / "train2017/stray.jpg").unlink()
    assert check(root) == 0
    assert not (root / "report/bad_images.png").exists(), "the older sheet shows what is no more"
    capsys.readouterr()
    assert check(root) == 0
    assert "validate_images: done" in capsys.readouterr().out, (
        "the sheet that is not there makes nothing stale"
    )
