"""The index and the arrays against pycocotools; the same bytes for the same input; whole whatever happens."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import resource
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from pipeline.image_check.verdicts import read_verdicts
from pipeline.index import __main__ as index_command
from pipeline.index import build as index_build
from pipeline.index import tables
from pipeline.remap_categories.stage import remap
from pipeline.stop import Interrupted, Stop
from tests.pipeline.annotation_root import REJECTED, files, make_root
from tests.pipeline.image_root import REPOSITORY
from vision.artefacts.data_layout import IMAGE_REPORT, arrays_path, original_path, remapped_path

MODULE = "pipeline.index"
SPLITS = ("train", "val")
SHAPES = {
    "image_ids": ("int64", "I"), "heights": ("int32", "I"), "widths": ("int32", "I"), "first_box": ("int64", "I+1"),
    "boxes_xyxy_px": ("float32", "B4"), "labels": ("int64", "B"), "is_crowd": ("bool", "B"), "area": ("float32", "B"),
    "annotation_ids": ("int64", "B"),
}  # fmt: skip


def verdicts_of(root: Path) -> Any:
    return read_verdicts(root / IMAGE_REPORT, SPLITS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Remapped and indexed."""
    made = make_root(tmp_path / "data")
    remap(made, verdicts=verdicts_of(made))
    assert index_command.main(["--root", str(made)]) == 0
    return made


def by_pycocotools(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def load_arrays(root: Path, split: str) -> dict[str, np.ndarray]:
    folder = root / arrays_path(split)
    return {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}


def rows(root: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(root / "index.sqlite")) as database:
        return database.execute(query).fetchall()


def check_against_pycocotools(root: Path, split: str, rejected: set[int]) -> None:
    coco = by_pycocotools(root / original_path(split))
    arrays, record = (
        load_arrays(root, split),
        json.loads((root / arrays_path(split) / "arrays.json").read_text()),
    )
    kept = sorted(set(coco.getImgIds()) - rejected)
    assert arrays["image_ids"].tolist() == kept
    infos = coco.loadImgs(kept)
    assert arrays["widths"].tolist() == [info["width"] for info in infos]
    assert arrays["heights"].tolist() == [info["height"] for info in infos]
    assert [bytes(name).decode() for name in arrays["file_names"]] == [info["file_name"] for info in infos]
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    for number, image in enumerate(kept):
        own = slice(*arrays["first_box"][number : number + 2].tolist())
        theirs = sorted(coco.loadAnns(coco.getAnnIds(imgIds=[image])), key=lambda row: row["id"])
        assert arrays["annotation_ids"][own].tolist() == [row["id"] for row in theirs]
        assert arrays["is_crowd"][own].tolist() == [bool(row["iscrowd"]) for row in theirs]
        assert [record["classes"][label] for label in arrays["labels"][own]] == [
            names[row["category_id"]] for row in theirs
        ]
        assert [record["original_category_ids"][label] for label in arrays["labels"][own]] == [
            row["category_id"] for row in theirs
        ]
        boxes = np.array([row["bbox"] for row in theirs], np.float64).reshape(-1, 4)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        np.testing.assert_allclose(arrays["boxes_xyxy_px"][own], corners, atol=0.012)
        np.testing.assert_allclose(arrays["area"][own], [row["area"] for row in theirs], rtol=1e-6)
    crowds = [row for row in coco.loadAnns(coco.getAnnIds(iscrowd=True)) if row["image_id"] not in rejected]
    assert arrays["is_crowd"].sum() == len(crowds)


@pytest.mark.parametrize("split", SPLITS)
def test_arrays_hold_what_pycocotools_reads(root: Path, split: str) -> None:
    ids = by_pycocotools(root / original_path(split)).getImgIds()
    check_against_pycocotools(root, split, {image for image in ids if image % REJECTED == 0})


@pytest.mark.parametrize("split", SPLITS)
def test_the_rendered_release_too(miniature_root: Path, split: str) -> None:
    check_against_pycocotools(miniature_root, split, set())


def test_real_annotations_too(coco_mini: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(coco_mini / "annotations/annotations_trainval2017.zip") as archive:
        archive.extractall(tmp_path)
    counts = remap(tmp_path)
    assert not any(of.images_dropped or of.annotations_dropped for of in counts)
    index_build.build_index(tmp_path, SPLITS, None, tmp_path)
    for split in SPLITS:
        check_against_pycocotools(tmp_path, split, set())


@pytest.mark.parametrize("split", SPLITS)
def test_arrays_have_the_shapes_and_digests_of_their_record(root: Path, split: str) -> None:
    arrays, folder = load_arrays(root, split), root / arrays_path(split)
    record = json.loads((folder / "arrays.json").read_text())
    images, boxes = record["counts"]["images"], record["counts"]["boxes"]
    assert images > 10 and boxes > 10
    lengths = {"I": (images,), "I+1": (images + 1,), "B": (boxes,), "B4": (boxes, 4)}
    assert {name: (a.dtype.name, a.shape) for name, a in arrays.items() if name != "file_names"} == {
        name: (kind, lengths[length]) for name, (kind, length) in SHAPES.items()
    }
    assert arrays["file_names"].dtype.kind == "S" and arrays["file_names"].shape == (images,)
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.npy")}
    assert record["sha256"] == digests
    remapped = (root / remapped_path(split)).read_bytes()
    assert record["annotations_sha256"] == hashlib.sha256(remapped).hexdigest()
    assert (record["schema"], record["split"], record["image_folder"]) == (1, split, f"{split}2017")
    boxes_px, first = arrays["boxes_xyxy_px"], arrays["first_box"]
    image = np.repeat(np.arange(images), np.diff(first))
    assert (boxes_px[:, :2] < boxes_px[:, 2:]).all() and (boxes_px >= 0).all()
    assert (boxes_px[:, 2] <= arrays["widths"][image]).all() and (
        boxes_px[:, 3] <= arrays["heights"][image]
    ).all()


def test_the_database_holds_the_same(root: Path) -> None:
    for split in SPLITS:
        arrays = load_arrays(root, split)
        found = rows(root, f"SELECT * FROM annotations WHERE split = '{split}' ORDER BY image_id, id")
        assert [row[0] for row in found] == arrays["annotation_ids"].tolist()
        assert [row[2] for row in found] == arrays["labels"].tolist()
        assert [bool(row[9]) for row in found] == arrays["is_crowd"].tolist()
        corners = [[x, y, x + w, y + h] for _, _, _, _, x, y, w, h, *_ in found]
        np.testing.assert_allclose(arrays["boxes_xyxy_px"], corners, atol=0.012)
        original = json.loads((root / original_path(split)).read_text())["annotations"]
        ids = {row["id"]: row["category_id"] for row in original}
        assert {row[0]: row[3] for row in found} == {row[0]: ids[row[0]] for row in found}
        images = rows(
            root, f"SELECT id FROM images WHERE split = '{split}' AND verdict != 'reject' ORDER BY id"
        )
        assert [id_ for (id_,) in images] == arrays["image_ids"].tolist()
    rejected = rows(root, "SELECT id, reason FROM images WHERE verdict = 'reject'")
    assert rejected and all(
        id_ % REJECTED == 0 and reason == "truncated: ends early" for id_, reason in rejected
    )


def test_views_against_counting_by_hand(root: Path) -> None:
    given = {split: json.loads((root / remapped_path(split)).read_text()) for split in SPLITS}
    counts, sizes, empty = [], [], []
    for split, made in given.items():
        for category in made["categories"]:
            own = [row for row in made["annotations"] if row["category_id"] == category["id"]]
            if own:
                counts.append((split, category["id"], category["name"], len(own), len({r["image_id"] for r in own}), sum(r["iscrowd"] for r in own)))  # fmt: skip
        for name, low, high in (("large", 9216, 1e99), ("medium", 1024, 9216), ("small", 0, 1024)):
            number = sum(low <= row["area"] < high and not row["iscrowd"] for row in made["annotations"])
            sizes += [(split, name, number)] if number else []
        with_boxes = {row["image_id"] for row in made["annotations"]}
        empty += [(split, image["id"]) for image in made["images"] if image["id"] not in with_boxes]
    assert rows(root, "SELECT * FROM class_counts ORDER BY 1, 2") == counts
    assert rows(root, "SELECT * FROM size_bins ORDER BY 1, 2") == sizes
    assert rows(root, "SELECT split, id FROM images_without_boxes ORDER BY 1, 2") == sorted(empty)
    assert empty and len(sizes) > 2


def test_one_plain_file_with_its_version(root: Path) -> None:
    assert rows(root, "PRAGMA user_version") == [(2,)]
    assert rows(root, "PRAGMA integrity_check") == [("ok",)]
    assert rows(root, "PRAGMA journal_mode") == [("delete",)]  # not wal: nothing beside the file at rest
    header = (root / "index.sqlite").read_bytes()[:20]
    assert header[:15] == b"SQLite format 3" and header[18:20] == b"\1\1"  # legacy journal, not WAL
    assert not list(root.glob("index.sqlite?*")) and not list(root.glob(".tmp-*"))
    provenance = dict(rows(root, "SELECT key, value FROM provenance"))
    for name in (*map(remapped_path, SPLITS), IMAGE_REPORT):
        assert provenance[f"sha256 of {name}"] == hashlib.sha256((root / name).read_bytes()).hexdigest()


def test_the_same_input_gives_the_same_bytes(root: Path) -> None:
    first = files(root, "index", "arrays")
    assert index_command.main(["--root", str(root), "--force"]) == 0
    assert files(root, "index", "arrays") == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: made["annotations"][0].pop("id"),
        lambda made: made["annotations"][0].update(category_id=99),
        lambda made: made["annotations"][0].update(category_id=0),
        lambda made: made["annotations"][0].update(image_id=1),
        lambda made: made["annotations"][0].update(bbox=[1, 2, 3]),
        lambda made: made["annotations"][0].update(bbox=None),
        lambda made: made["annotations"][0].update(id=made["annotations"][1]["id"]),
        lambda made: made["annotations"][0].update(id=2**70),
        lambda made: made["annotations"].append(7),
        lambda made: made["images"].append(dict(made["images"][0])),
        lambda made: made["images"][0].update(width="wide"),
        lambda made: made["categories"].reverse(),
        lambda made: made["categories"][0].pop("original_id"),
        lambda made: made.pop("categories"),
    ],
)
def test_a_remapped_file_that_is_none_is_refused_and_nothing_is_replaced(
    root: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = root / remapped_path("train")
    made = json.loads(path.read_text())
    damage(made)
    path.write_text(json.dumps(made))
    before = files(root)
    assert index_command.main(["--root", str(root)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error and len(error.splitlines()) == 3
    assert files(root) == before


def test_interrupted_at_any_time_nothing_is_replaced(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PROGRESS_STEPS", 100)
    before, limit = files(root), 0
    while True:
        asked = [0]

        def stop(asked: list[int] = asked, limit: int = limit) -> bool:
            asked[0] += 1
            return asked[0] > limit

        try:
            index_build.build_index(root, SPLITS, None, tmp_path / str(limit), Stop(stop))
        except Interrupted:
            assert files(root) == before
            limit = limit + 1 if limit < 4 else 2 * limit
        else:
            break
    assert limit > 4


@pytest.mark.parametrize("limit", [100, 3000, 20_000])
def test_a_disk_that_takes_no_more_bytes(root: Path, limit: int) -> None:
    """A real write that fails, of NumPy or of SQLite, through the limit on the size of a file."""
    before = files(root)
    assert (root / "index.sqlite").stat().st_size > 20_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--root", str(root), "--force"], cwd=REPOSITORY, preexec_fn=limited,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert files(root) == before
    assert index_command.main(["--root", str(root), "--force"]) == 0


def test_after_a_disk_that_was_broken_nothing_is_in_the_way(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What learns the cause writes behind the database that was begun; the next run does not take that up."""
    before = files(root)

    def broken(database: sqlite3.Connection, *_: object) -> int:
        database.executescript(tables.SCHEMA)
        raise sqlite3.OperationalError(tables.NO_MORE)

    with monkeypatch.context() as now:
        now.setattr(tables, "_write", broken)
        assert index_command.main(["--root", str(root), "--force"]) == 1
    assert "the disk reports an input/output error" in capsys.readouterr().err and files(root) == before
    assert (root / ".pipeline/staging/index/index.sqlite").stat().st_size > tables.PROBE
    assert index_command.main(["--root", str(root), "--force"]) == 0
    assert files(root) == before


def test_an_index_of_an_older_version_is_made_again_and_says_why(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = json.loads((root / ".pipeline/index.json").read_text())
    receipt["params"] |= {"user_version": 1, "arrays_schema": 1}
    (root / ".pipeline/index.json").write_text(json.dumps(receipt))
    before = files(root, "arrays")
    assert index_command.main(["--root", str(root)]) == 0
    assert "index: running, since arrays_schema: 1 before, now 2" in capsys.readouterr().out
    assert rows(root, "PRAGMA user_version") == [(2,)] and files(root, "arrays") == before
