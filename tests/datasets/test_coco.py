"""A split opens in milliseconds, gives what was written, and says what is wrong and what to run."""

from __future__ import annotations

import json
import pickle
import shutil
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.index.arrays import write_arrays
from pipeline.index.columns import Columns
from tests.datasets.conftest import Image, write_coco
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError, SampleError

IMAGES = [
    Image(7, 60, 40, [(1, 1.5, 2.0, 20.0, 30.0, False), (2, 0.0, 0.0, 60.0, 40.0, True)]),
    Image(9, 31, 47),
    Image(12, 50, 50, [(2, 10.0, 10.0, 20.0, 20.25, False)]),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "data", IMAGES)


def test_samples_are_what_was_written(root: Path) -> None:
    dataset = CocoDetection(str(root), "train")
    assert len(dataset) == 3 and dataset.image_ids == [7, 9, 12]
    assert dataset.classes == ["BACKGROUND", "class1", "class2"]
    assert dataset.original_category_ids == [0, 10, 20]
    for index, image in enumerate(IMAGES):
        sample = dataset.load(index)
        stored = cv2.imread(str(root / "train2017" / f"{image.image_id:012d}.png"))[..., ::-1]
        np.testing.assert_array_equal(sample.image, stored)
        expected = np.array([box[1:5] for box in image.boxes], np.float32).reshape(-1, 4)
        np.testing.assert_array_equal(sample.boxes_xyxy_px, expected)
        assert sample.labels.tolist() == [box[0] for box in image.boxes]
        assert sample.is_crowd.tolist() == [box[5] for box in image.boxes]
        assert (sample.image_id, sample.original_hw) == (image.image_id, (image.height, image.width))
        types = [a.dtype.name for a in (sample.boxes_xyxy_px, sample.labels, sample.is_crowd, sample.area)]
        assert types == ["float32", "int64", "bool", "float32"]


def test_a_sample_may_be_changed_without_changing_the_data(root: Path) -> None:
    dataset = CocoDetection(root)
    dataset.load(0).boxes_xyxy_px[:] = -1
    assert dataset.load(0).boxes_xyxy_px[0, 0] == 1.5


def test_whole_columns_can_be_had_and_not_changed(root: Path) -> None:
    dataset = CocoDetection(root)
    boxes, labels = dataset.columns("boxes_xyxy_px", "labels")
    assert labels.tolist() == [1, 2, 2] and labels[dataset.boxes_of(0)].tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        boxes[:] = 0


def big(root: Path, images: int = 118_287, boxes: int = 860_001) -> Path:
    """Arrays of COCO's size, without the images."""
    write_coco(root, [Image(1, 8, 8, [(1, 0, 0, 4, 4, False)])])
    folder = root / "arrays" / "train2017"
    for name in (
        "image_ids",
        "heights",
        "widths",
        "file_names",
        "boxes_xyxy_px",
        "labels",
        "is_crowd",
        "area",
    ):
        values = np.load(folder / f"{name}.npy")
        rows = images if name in ("image_ids", "heights", "widths", "file_names") else boxes
        np.save(folder / f"{name}.npy", np.repeat(values, rows, axis=0))
    np.save(folder / "first_box.npy", np.linspace(0, boxes, images + 1).astype(np.int64))
    record = json.loads((folder / "arrays.json").read_text())
    record["counts"] = {"images": images, "boxes": boxes}
    (folder / "arrays.json").write_text(json.dumps(record))
    return root


def test_coco_opens_at_once_and_travels_without_its_arrays(tmp_path: Path) -> None:
    root = big(tmp_path / "big")
    CocoDetection(root)
    started = time.perf_counter()
    dataset = CocoDetection(root)
    elapsed_s = time.perf_counter() - started
    assert len(dataset) == 118_287 and elapsed_s < 0.25, f"opening took {elapsed_s:.3f} s"
    assert len(dataset.image_ids) == 118_287
    travelling = pickle.dumps(dataset)
    assert len(travelling) < 20_000, f"{len(travelling)} bytes would go to every worker"
    again = pickle.loads(travelling)
    assert len(again) == len(dataset) and again.digest == dataset.digest
    assert again.describe(5) == dataset.describe(5)


def test_missing_arrays_name_the_command_that_makes_them(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"python -m pipeline run --root .*data --splits train,val"):
        CocoDetection(root, "val")
    with pytest.raises(DatasetError, match=r"there is no folder .*nowhere(.|\n)*pipeline status --root"):
        CocoDetection(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file is a file, not a folder\n"):
        CocoDetection(tmp_path / "file")


def change_record(root: Path, **changes: object) -> None:
    path = root / "arrays" / "train2017" / "arrays.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema": 99}, "expected schema 1 or 2, found 99"),
        ({"classes": ["cat", "dog", "cow"]}, "expected BACKGROUND first"),
        ({"original_category_ids": [0, 1]}, "3 classes and 2 ids"),
        ({"image_folder": "../elsewhere"}, "is outside the data root"),
        ({"counts": {"images": 4, "boxes": 3}}, "image_ids.npy: expected shape"),
        ({"counts": {"images": 3, "boxes": 2}}, "expected shape (2,), found (3,)"),
        ({"classes": "BACKGROUND"}, "expected a list"),
    ],
)
def test_a_damaged_record_is_refused(root: Path, changes: dict[str, object], expected: str) -> None:
    change_record(root, **changes)
    with pytest.raises(DatasetError) as raised:
        CocoDetection(root)
    assert expected in str(raised.value) and "python -m pipeline.index" in str(raised.value)


def test_orientations_are_checked_when_they_are_opened(root: Path) -> None:
    before = CocoDetection(root).digest
    change_record(root, schema=2)
    with pytest.raises(DatasetError, match=r"orientations.npy"):
        CocoDetection(root)
    path = root / "arrays" / "train2017" / "orientations.npy"
    for values, problem in (
        (np.array([1, 1], np.uint8), "expected 3 numbers from 1 to 8"),
        (np.array([1, 0, 1], np.uint8), "expected 3 numbers from 1 to 8"),
        (np.array([9, 1, 1], np.uint8), "expected 3 numbers from 1 to 8"),
        (np.array([1, 1, 1], np.int64), "expected uint8, found int64"),
    ):
        np.save(path, values)
        with pytest.raises(DatasetError, match=problem):
            CocoDetection(root)
    np.save(path, np.ones(3, np.uint8))
    assert CocoDetection(root).load(0).original_hw == (40, 60) and CocoDetection(root).digest != before


def test_a_damaged_array_is_refused(root: Path) -> None:
    path = root / "arrays" / "train2017" / "labels.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DatasetError, match="damaged"):
        CocoDetection(root)
    np.save(path, np.array([1, 2, 2], np.int32))
    with pytest.raises(DatasetError, match=r"labels.npy: expected int64, found int32"):
        CocoDetection(root)
    np.save(path, np.array([1, 2, 2], np.int64))
    np.save(path.with_name("first_box.npy"), np.array([0, 3, 2, 3], np.int64))
    with pytest.raises(DatasetError, match="rising offsets from 0 to 3"):
        CocoDetection(root)


@pytest.mark.parametrize(
    ("labels", "found"), [([1, 2, 3], "1 to 3"), ([0, 2, 2], "0 to 2"), ([-1, 1, 1], "-1 to 1")]
)
def test_labels_that_no_head_has_are_refused(root: Path, labels: list[int], found: str) -> None:
    """On a GPU such a label ends the process with an assertion that names nothing."""
    np.save(root / "arrays" / "train2017" / "labels.npy", np.array(labels, np.int64))
    with pytest.raises(DatasetError, match=f"labels from 1 to 2, found {found}"):
        CocoDetection(root)


def test_objects_are_never_unpickled(root: Path) -> None:
    np.save(root / "arrays" / "train2017" / "labels.npy", np.array([{}, 1, 2], object), allow_pickle=True)
    with pytest.raises(DatasetError):
        CocoDetection(root)


def test_a_missing_or_broken_image_is_named(root: Path) -> None:
    dataset = CocoDetection(root)
    path = root / "train2017" / "000000000009.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SampleError, match=r"000000000009\.png \(image id 9\): broken image: ") as raised:
        dataset.load(1)
    assert "--from validate_images --force" in str(raised.value)
    path.unlink()
    with pytest.raises(SampleError, match=r"000000000009\.png \(image id 9\): no such file"):
        dataset.load(1)


def test_pixels_and_boxes_are_in_one_frame(root: Path) -> None:
    shutil.copy(root / "train2017" / "000000000007.png", root / "train2017" / "000000000012.png")
    with pytest.raises(SampleError, match=r"image id 12\): 60×40 px, but its boxes are for 50×50 px"):
        CocoDetection(root).load(2)
    data = (root / "train2017" / "000000000007.png").read_bytes()
    turned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).transpose(1, 0, 2)
    cv2.imwrite(str(root / "train2017" / "000000000007.png"), turned)
    with pytest.raises(SampleError, match=r"image id 7\): 40×60 px, but its boxes are for 60×40 px"):
        CocoDetection(root).load(CocoDetection(root).image_ids.index(7))


def test_the_digest_says_what_defines_the_data(root: Path) -> None:
    first = CocoDetection(root).digest
    change_record(root, annotations_sha256="f" * 64)
    assert CocoDetection(root).digest == first
    change_record(root, classes=["BACKGROUND", "class2", "class1"])
    other = CocoDetection(root).digest
    change_record(root, sha256={"labels.npy": "1" * 64})
    assert len({first, other, CocoDetection(root).digest}) == 3


def test_real_images_have_the_boxes_that_pycocotools_reads(coco_mini: Path, tmp_path: Path) -> None:
    """The index stage's writer and this reader against pycocotools, on real annotations."""
    with zipfile.ZipFile(coco_mini / "annotations" / "annotations_trainval2017.zip") as archive:
        archive.extract("annotations/instances_val2017.json", tmp_path)
    with zipfile.ZipFile(coco_mini / "zips" / "val2017.zip") as archive:
        archive.extractall(tmp_path)
    coco, label_of = read_by_pycocotools(tmp_path / "annotations" / "instances_val2017.json")
    write_by_stage(coco, label_of, tmp_path)
    dataset = CocoDetection(tmp_path, "val")
    assert dataset.image_ids == sorted(coco.imgs) and len(dataset) == 80
    for index, image_id in enumerate(dataset.image_ids):
        sample = dataset.load(index)
        own = sorted(coco.imgToAnns[image_id], key=lambda row: row["id"])
        assert [dataset.original_category_ids[n] for n in sample.labels] == [
            row["category_id"] for row in own
        ]
        assert sample.is_crowd.tolist() == [bool(row["iscrowd"]) for row in own]
        for box, row in zip(sample.boxes_xyxy_px, own, strict=True):
            x, y, w, h = row["bbox"]
            np.testing.assert_allclose(box, [x, y, x + w, y + h], atol=0.02)
        assert sample.original_hw == (coco.imgs[image_id]["height"], coco.imgs[image_id]["width"])


def read_by_pycocotools(path: Path) -> tuple[object, dict[int, int]]:
    from pycocotools.coco import COCO

    coco = COCO(str(path))
    return coco, {category: label for label, category in enumerate(sorted(coco.cats), start=1)}


def write_by_stage(coco: object, label_of: dict[int, int], root: Path) -> None:
    images = [coco.imgs[image_id] for image_id in sorted(coco.imgs)]
    rows = sorted(coco.anns.values(), key=lambda row: (row["image_id"], row["id"]))
    columns = Columns(
        "val",
        np.array([image["id"] for image in images]),
        np.array([image["width"] for image in images]),
        np.array([image["height"] for image in images]),
        [image["file_name"] for image in images],
        np.array([row["id"] for row in rows]),
        np.array([row["image_id"] for row in rows]),
        np.array([label_of[row["category_id"]] for row in rows]),
        np.array([row["bbox"] for row in rows], np.float64),
        np.array([row["area"] for row in rows], np.float64),
        np.array([row["iscrowd"] for row in rows], bool),
        [{"id": label_of[c], "original_id": c, "name": coco.cats[c]["name"]} for c in sorted(coco.cats)],
    )
    folder = root / "arrays" / "val2017"
    folder.mkdir(parents=True)
    write_arrays(columns, folder, "annotations/instances_val2017.remapped.json", "0" * 64)
