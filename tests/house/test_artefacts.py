"""docs/artefacts.md is enough: readers that know the document, and nothing of our code, read every file of a data root.

Only json, sqlite3, hashlib, zlib and NumPy; every number is compared with the published annotations or the files.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.transfer.partial import PartialFile
from tests.house.documents import STAGES, documented, files, keys_of_table, lines, plain, section, sha256

SPLITS = ("train", "val")


@pytest.fixture(scope="module")
def document(repository: Path) -> str:
    return (repository / "docs/artefacts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def root(miniature_root: Path) -> Path:
    return miniature_root


@pytest.fixture(scope="module")
def classes(root: Path) -> list[str]:
    return (root / "annotations/labels.txt").read_bytes().decode().splitlines()


def test_every_file_of_a_data_root_is_in_the_document_and_the_other_way_round(
    document: str, root: Path
) -> None:
    patterns = documented(document, "The data root")
    there = files(root)
    unknown = [name for name in there if not any(p.fullmatch(name) for p in patterns.values())]
    assert not unknown
    under_way = {"archives/….part", "….part.jsonl", ".pipeline/staging/<stage>/"}
    under_way |= {"report/bad_images.png", "report/in_two_splits.jsonl"}  # there is nothing to put into them
    under_way |= {
        "report/import.jsonl",
        ".pipeline/import_data.json",
        ".pipeline/claims/import_data.json",
    }  # of an import
    under_way |= {
        "packs/{split}2017.<format>-<size>/"
    }  # nobody has asked for one: tests/images/packs/test_file.py
    absent = [name for name, p in patterns.items() if not any(p.fullmatch(found) for found in there)]
    assert set(absent) <= under_way, f"in the document and not on the disk: {absent}"


# ---------------------------------------------------------------- the runner's notes


def tree_rows(folder: Path) -> list[tuple[str, int, str]]:
    return [
        (name, (folder / name).stat().st_size, f"{zlib.crc32((folder / name).read_bytes()):08x}")
        for name in files(folder)
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_receipts(document: str, root: Path, stage: str) -> None:
    receipt = plain(root / f".pipeline/{stage}.json")
    assert set(receipt) == keys_of_table(document, "**Receipt**")
    assert (receipt["schema"], receipt["stage"]) == (1, stage)
    assert receipt["taken_in"] == receipt["kept"] + sum(receipt["dropped"].values())
    assert datetime.fromisoformat(receipt["finished"]).utcoffset() is not None
    assert receipt["outputs"]
    for path, record in (receipt["inputs"] | receipt["outputs"]).items():
        assert set(record) == {"kind", "bytes", "files", "sha256", "mtime_ns", "inode"}
        full = root / path
        if record["kind"] == "tree":
            rows = tree_rows(full)
            text = "".join(f"{name}\t{size}\t{crc}\n" for name, size, crc in rows)
            digest, size, count = (
                hashlib.sha256(text.encode()).hexdigest(),
                sum(r[1] for r in rows),
                len(rows),
            )
        else:
            stat = full.stat()
            assert (record["mtime_ns"], record["inode"]) == (stat.st_mtime_ns, stat.st_ino)
            digest, size, count = sha256(full), stat.st_size, 1
        assert (record["sha256"], record["bytes"], record["files"]) == (digest, size, count), path


@pytest.mark.parametrize("tree", ["train2017", "val2017", "arrays/train2017", "arrays/val2017"])
def test_manifests(root: Path, tree: str) -> None:
    head, rest = (root / f".pipeline/manifests/{tree.replace('/', '+')}.tsv").read_bytes().split(b"\n", 1)
    assert head.decode() == f"manifest 1 sha256 {hashlib.sha256(rest).hexdigest()}"
    lines, _, own = rest.decode().partition("\n\n")
    rows = [line.split("\t") for line in lines.splitlines()]
    assert [line.split("\t") for line in own.splitlines()] == [row[:3] for row in rows if "/" not in tree]
    assert [(name, int(size), crc) for name, size, crc, _, _ in rows] == tree_rows(root / tree)
    for name, _, _, mtime_ns, inode in rows:
        stat = (root / tree / name).stat()
        assert (int(mtime_ns), int(inode)) == (stat.st_mtime_ns, stat.st_ino)


def test_what_the_stages_have_put_there(root: Path) -> None:
    archives = [f"archives/{name}" for name in files(root / "archives")]
    annotations = [f"annotations/instances_{split}2017.json" for split in SPLITS]
    noted = {row["path"]: row["sha256"] for row in lines(root / ".pipeline/brought.jsonl")}
    assert noted == {path: sha256(root / path) for path in (*archives, *annotations)}


def test_choices_release_and_archives(root: Path, miniature_release: Path) -> None:
    choices = plain(root / ".pipeline/choices.json")
    named = {"splits", "release", "classes", "thorough", "mirror", "keep_archives", "own", "exif"}
    named |= {"min_area", "max_area", "pack_format", "pack_size", "pack_splits"}
    assert set(choices) == named and choices["splits"] == list(SPLITS)
    assert (
        choices["min_area"] is choices["max_area"] is choices["pack_format"] is choices["pack_size"] is None
    )
    assert choices["classes"] is choices["pack_splits"] is None and choices["mirror"][0].startswith(
        "http://127.0.0.1:"
    )
    assert (choices["thorough"], choices["keep_archives"]) == (False, True)
    release = plain(miniature_release / "release.json")
    assert choices["release"]["name"] == release["name"]
    stated = {file["path"]: (file["bytes"], file["sha256"]) for file in choices["release"]["files"]}
    assert stated == {file["path"]: (file["bytes"], file["sha256"]) for file in release["files"]}
    for path, (size, digest) in stated.items():
        full = root / "archives" / path
        assert (full.stat().st_size, sha256(full)) == (size, digest)
    assert set(plain(root / ".pipeline/lock")) == {"pid", "host", "command"}


# ---------------------------------------------------------------- what the stages make


@pytest.fixture(scope="module")
def published(root: Path) -> dict[str, Any]:
    return {split: plain(root / f"annotations/instances_{split}2017.json") for split in SPLITS}


@pytest.fixture(scope="module")
def remapped(root: Path) -> dict[str, Any]:
    return {split: plain(root / f"annotations/instances_{split}2017.remapped.json") for split in SPLITS}


def test_verdicts(document: str, root: Path, published: dict[str, Any]) -> None:
    rows = lines(root / "report/images.jsonl")
    expected = [
        (split, image["id"], image["file_name"]) for split in SPLITS for image in published[split]["images"]
    ]
    assert [(row["split"], row["image_id"], row["file_name"]) for row in rows] == expected
    keys = keys_of_table(section(document, "Image verdicts"), "One")
    for row in rows:
        assert set(row) == keys
        assert row["verdict"] in ("ok", "convert", "reject") and (row["reason"] is None) == (
            row["verdict"] == "ok"
        )
    sizes = {
        (split, image["id"]): (image["width"], image["height"])
        for split in SPLITS
        for image in published[split]["images"]
    }
    assert {(row["split"], row["image_id"]): (row["width"], row["height"]) for row in rows} == sizes
    for row in lines(root / "rejects.jsonl"):
        assert set(row) == {"stage", "split", "item", "reason"}
    assert not (root / "report/bad_images.png").exists(), "nothing is refused here"


def test_labels_and_category_map(root: Path, classes: list[str], published: dict[str, Any]) -> None:
    assert classes[0] == "BACKGROUND" and len(classes) == 81
    map_ = plain(root / "annotations/category_map.json")
    assert (map_["schema"], map_["source"], map_["classes"]) == (
        1,
        "annotations/instances_train2017.json",
        classes,
    )
    original = {category["id"]: category for category in published["train"]["categories"]}
    assert [row["label"] for row in map_["categories"]] == list(range(1, 81))
    for row in map_["categories"]:
        of = original[row["original_id"]]
        assert (row["name"], row["supercategory"]) == (of["name"], of["supercategory"])
        assert classes[row["label"]] == row["name"]


@pytest.mark.parametrize("split", SPLITS)
def test_remapped_files(root: Path, split: str, published: dict[str, Any], remapped: dict[str, Any]) -> None:
    before, after = published[split], remapped[split]
    label = {
        row["original_id"]: row["label"]
        for row in plain(root / "annotations/category_map.json")["categories"]
    }
    assert list(after).index("categories") < list(after).index("images") and set(after) == set(before)
    assert {category["id"]: category["original_id"] for category in after["categories"]} == {
        of: original for original, of in label.items()
    }
    dropped = [row for row in lines(root / "report/annotations.jsonl") if row["split"] == split]
    gone = {row["id"] for row in dropped if row["kind"] == "annotation" and row["action"] == "dropped"}
    kept = [annotation for annotation in before["annotations"] if annotation["id"] not in gone]
    assert [a["id"] for a in after["annotations"]] == [a["id"] for a in kept]
    for old, new in zip(kept, after["annotations"], strict=True):
        assert new["category_id"] == label[old["category_id"]]
        assert new["image_id"] == old["image_id"] and new["iscrowd"] in (0, 1)
        np.testing.assert_allclose(new["bbox"], old["bbox"], atol=0.011)


@pytest.mark.parametrize("split", SPLITS)
def test_arrays(root: Path, split: str, remapped: dict[str, Any], classes: list[str]) -> None:
    folder = root / f"arrays/{split}2017"
    record = plain(folder / "arrays.json")
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
    assert {name: (a.dtype.str, a.ndim) for name, a in arrays.items() if name != "file_names"} == {
        "image_ids": ("<i8", 1), "heights": ("<i4", 1), "widths": ("<i4", 1), "first_box": ("<i8", 1),
        "boxes_xyxy_px": ("<f4", 2), "labels": ("<i8", 1), "is_crowd": ("|b1", 1), "area": ("<f4", 1),
        "annotation_ids": ("<i8", 1),
    }  # fmt: skip
    assert record["schema"] == 1 and record["split"] == split and record["image_folder"] == f"{split}2017"
    assert record["classes"] == classes and record["original_category_ids"][0] == 0
    assert record["annotations_sha256"] == sha256(root / record["annotations"])
    assert record["sha256"] == {path.name: sha256(path) for path in folder.glob("*.npy")}
    images = sorted(remapped[split]["images"], key=lambda image: image["id"])
    assert record["counts"] == {"images": len(images), "boxes": len(remapped[split]["annotations"])}
    _compare_images(arrays, images, root / record["image_folder"])
    _compare_boxes(arrays, images, remapped[split]["annotations"])


def _compare_images(arrays: dict[str, np.ndarray], images: list[dict[str, Any]], folder: Path) -> None:
    assert arrays["image_ids"].tolist() == [image["id"] for image in images]
    assert arrays["heights"].tolist() == [image["height"] for image in images]
    assert arrays["widths"].tolist() == [image["width"] for image in images]
    names = [name.decode() for name in arrays["file_names"].tolist()]
    assert names == [image["file_name"] for image in images]
    assert all((folder / name).is_file() for name in names)


def _compare_boxes(
    arrays: dict[str, np.ndarray], images: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> None:
    by_id = {annotation["id"]: annotation for annotation in annotations}
    first = arrays["first_box"]
    assert (len(first), first[0], first[-1]) == (len(images) + 1, 0, len(annotations))
    for place, image in enumerate(images):
        for box in range(first[place], first[place + 1]):
            of = by_id[int(arrays["annotation_ids"][box])]
            x, y, w, h = of["bbox"]
            assert of["image_id"] == image["id"]
            np.testing.assert_allclose(arrays["boxes_xyxy_px"][box], [x, y, x + w, y + h], rtol=1e-6)
            assert arrays["labels"][box] == of["category_id"]
            assert bool(arrays["is_crowd"][box]) == bool(of["iscrowd"])
            np.testing.assert_allclose(arrays["area"][box], of["area"], rtol=1e-6)


def test_index(document: str, root: Path, remapped: dict[str, Any]) -> None:
    table = section(document, "The remap and the index").split("| table | columns |", 1)[1].split("\n\n")[0]
    expected = {row.split("|")[1].split("`")[1]: row.split("|")[2] for row in table.splitlines()[2:]}
    with closing(sqlite3.connect(f"file:{root / 'index.sqlite'}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for name, words in expected.items():
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
            assert columns and [c for c in columns if f"`{c}`" not in words] == [], name
        kept = database.execute("SELECT split, id FROM images WHERE verdict != 'reject'").fetchall()
        boxes = database.execute(
            "SELECT split, id, image_id, category_id, x, y, w, h, area, iscrowd FROM annotations"
        )
        found = {(row[0], row[1]): row[2:] for row in boxes}
        notes = dict(database.execute("SELECT key, value FROM provenance"))
    assert set(kept) == {(split, image["id"]) for split in SPLITS for image in remapped[split]["images"]}
    assert found == {
        (split, a["id"]): (a["image_id"], a["category_id"], *a["bbox"], a["area"], a["iscrowd"])
        for split in SPLITS
        for a in remapped[split]["annotations"]
    }
    for key, value in notes.items():
        if key.startswith("sha256 of "):
            assert value == sha256(root / key.removeprefix("sha256 of "))
    assert sorted(path.name for path in root.glob("index.sqlite*")) == ["index.sqlite"]


def test_a_transfer_under_way(tmp_path: Path) -> None:
    """Three spans of 100 kB; of the second one half arrived. The writer is ours, the reader knows the document."""
    part = PartialFile(tmp_path / "x.zip", 300_000)
    part.open(100_000)
    part.identify(part.spans[0], "http://server/x.zip", '"v1"')
    assert part.write(part.spans[1], b"abcde" * 10_000)
    part.close()
    head, *rows = lines(tmp_path / "x.zip.part.jsonl")
    assert set(head) == {"part", "sha256", "bytes", "boot", "spans"} and (head["part"], head["bytes"]) == (
        2,
        300_000,
    )
    assert head["spans"] == [[0, 100_000], [100_000, 200_000], [200_000, 300_000]]
    assert {row["url"]: row["validator"] for row in rows if "url" in row} == {"http://server/x.zip": '"v1"'}
    have = {row["span"]: row["have"] for row in rows if row.get("synced")}
    assert have == {1: 50_000}
    start = head["spans"][1][0]
    assert (tmp_path / "x.zip.part").read_bytes()[start : start + have[1]] == b"abcde" * 10_000


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}'])
def test_what_is_not_as_promised_is_found(tmp_path: Path, text: str) -> None:
    """The readers above can fail."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(AssertionError):
        plain(tmp_path / "x.json")


def test_a_file_that_is_not_in_the_document_is_found(document: str) -> None:
    patterns = documented(document, "The data root").values()
    for name in ("unknown.bin", "annotations/more.json", ".pipeline/other.json", "train2017", "arrays.json"):
        assert not any(pattern.fullmatch(name) for pattern in patterns), name
