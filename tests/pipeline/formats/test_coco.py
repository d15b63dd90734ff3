"""COCO JSON of tools: a corpus of odd files, and how images are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.formats import coco
from pipeline.formats.contract import Source
from pipeline.import_data.images import Sizes
from pipeline.stop import NEVER, StageError
from tests.pipeline.formats.judged import H, W, codes, image, judge, put
from vision.artefacts.data_layout import STATE

IMAGE = {"id": 1, "file_name": "a.jpg", "width": W, "height": H}
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 10], "area": 100, "iscrowd": 0}
CAT = {"id": 1, "name": "cat"}


def document(images: Any = None, boxes: Any = None, categories: Any = None) -> str:
    return json.dumps({
        "images": [IMAGE] if images is None else images, "annotations": [BOX] if boxes is None else boxes,
        "categories": [CAT] if categories is None else categories,
    })  # fmt: skip


def box(**change: Any) -> str:
    return document(boxes=[{key: value for key, value in (BOX | change).items() if value is not ...}])


def named(**change: Any) -> str:
    return document(images=[{key: value for key, value in (IMAGE | change).items() if value is not ...}])


DROPPED = "box.image_dropped"
CORPUS: dict[str, tuple[str | bytes, set[str], int]] = {
    # name: (the JSON, codes, boxes that are kept), with a.jpg there
    "good": (document(), set(), 1),
    "byte order mark and CRLF": ("\ufeff" + document().replace(", ", ",\r\n"), set(), 1),
    "category 0": (document(boxes=[BOX | {"category_id": 0}], categories=[{"id": 0, "name": "cat"}]), set(), 1),
    "ids as floats": (document(images=[IMAGE | {"id": 1.0, "width": 60.0}], boxes=[BOX | {"image_id": 1.0, "category_id": 1.0}]), set(), 1),
    "attributes and outlines": (box(attributes={"occluded": False}, segmentation=[[1, 1, 9, 1, 9, 9]]), set(), 1),
    "no iscrowd, no area, no id": (box(iscrowd=..., area=..., id=...), set(), 1),
    "no size": (named(width=..., height=...), set(), 1),
    "size null and 0": (named(width=None, height=0), set(), 1),
    "size as text": (named(width="60"), set(), 1),
    "too large a size": (named(width=70_000), {"image.bad_size", DROPPED}, 0),
    "an absolute name": (named(file_name="/data/upload/a.jpg"), set(), 1),
    "a drive and backslashes": (named(file_name="C:\\Users\\me\\a.jpg"), set(), 1),
    "a name that leaves the folder": (named(file_name="../../a.jpg"), set(), 1),
    "an upload's hash": (named(file_name="images/0123abcd-a.jpg"), set(), 1),
    "another case": (named(file_name="A.JPG"), set(), 1),
    "no such image": (named(file_name="b.jpg"), {"image.missing_image", DROPPED}, 0),
    "NUL in a name": (named(file_name="a\0.jpg"), {"image.bad_file_name", DROPPED}, 0),
    "no name": (named(file_name=...), {"image.bad_file_name", DROPPED}, 0),
    "a folder": (named(file_name="."), {"image.bad_file_name", DROPPED}, 0),
    "an address": (named(file_name="http://x/y/b.jpg"), {"image.missing_image", DROPPED}, 0),
    "a long name": (named(file_name="x" * 5000), {"image.missing_image", DROPPED}, 0),
    "an image that is no object": (document(images=[IMAGE, 7]), {"image.not_an_object"}, 1),
    "an image id as text": (named(id="1"), {"image.bad_id", "box.unknown_image"}, 0),
    "an image id twice": (document(images=[IMAGE, IMAGE | {"file_name": "c.jpg"}]), {"image.duplicate_id"}, 1),
    "an image twice": (document(images=[IMAGE, IMAGE | {"id": 2}]), {"image.duplicate_image"}, 1),
    "a box of no image": (box(image_id=9), {"box.unknown_image"}, 0),
    "a box with a text for its image": (box(image_id="1"), {"box.bad_image_id"}, 0),
    "a box that is no object": (document(boxes=[BOX, None]), {"box.not_an_object"}, 1),
    "an unknown category": (box(category_id=7), {"box.unknown_category"}, 0),
    "a category that is null": (box(category_id=None), {"box.unknown_category"}, 0),
    "no bbox": (box(bbox=...), {"box.bad_box"}, 0),
    "three numbers": (box(bbox=[1, 2, 3]), {"box.bad_box"}, 0),
    "numbers as texts": (box(bbox=["1", "2", "3", "4"]), {"box.bad_box"}, 0),
    "decimal commas": (box(bbox="1,5,2,9"), {"box.bad_box"}, 0),
    "a negative width": (box(bbox=[10, 10, -5, 5]), {"box.negative_box"}, 0),
    "no area": (box(bbox=[10, 10, 0, 5]), {"box.empty_box"}, 0),
    "outside": (box(bbox=[W, 0, 5, 5]), {"box.box_outside"}, 0),
    "beyond": (box(bbox=[50, 0, 500, 5]), {"box_clipped"}, 1),
    "far beyond": (box(bbox=[0, 0, 1e300, 5]), {"box.bad_box"}, 0),
    "a strange iscrowd": (box(iscrowd=2), {"box.bad_iscrowd"}, 0),
    "an area of a text": (box(area="big"), set(), 1),
    "BACKGROUND": (document(categories=[{"id": 1, "name": "BACKGROUND"}]), {"box.background_class"}, 0),
    "thousands of boxes": (document(boxes=[BOX | {"id": id_} for id_ in range(5000)]), set(), 5000),
    "no annotations at all": (json.dumps({"images": [IMAGE], "categories": [CAT]}), set(), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_file_is_listed(name: str, tmp_path: Path) -> None:
    content, expected, kept = CORPUS[name]
    image(tmp_path / "a.jpg")
    found = judge("coco", put(tmp_path / "result.json", content))
    assert (codes(found), found.report.kept["box"]) == (expected, kept)


REFUSED: dict[str, str | bytes] = {
    "empty": b"", "zeros": bytes(64), "cut off": document()[:-9], "a list": "[]", "NaN": document().replace("100", "NaN"),
    "utf-16": document().encode("utf-16"), "latin-1": document().replace("cat", "ni\xf1o").encode("latin-1"),
    "a key twice": '{"images": [], "images": [], "categories": []}', "images no list": '{"images": {}, "categories": []}',
    "deep": '{"images": ' + "[" * 5000 + "]" * 5000 + "}", "another JSON": '{"shapes": []}',
    "a category without a name": document(categories=[{"id": 1}]), "a category id as text": document(categories=[{"id": "1", "name": "cat"}]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_coco_json_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StageError) as refused:
        judge("coco", put(tmp_path / "instances_train2017.json", REFUSED[name]))
    assert len(str(refused.value).splitlines()) == 3


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="there is no folder"):
        judge("coco", tmp_path / "nowhere")


def test_the_ends_of_a_path_come_before_the_base_name(tmp_path: Path) -> None:
    for place in ("one/a.jpg", "two/a.jpg"):
        image(tmp_path / "photos" / place)
    wanted = [IMAGE | {"file_name": "/mnt/c/two/a.jpg"}, IMAGE | {"id": 2, "file_name": "three/a.jpg"}]
    found = judge("coco", put(tmp_path / "x.json", document(images=wanted)), tmp_path / "photos")
    assert [each.name for each in found.kept] == ["two/a.jpg"] and codes(found) == {"image.ambiguous_image"}


def test_a_supercategory_without_a_box_is_left_out_aloud(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    rows = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "pets"},
        {"id": 2, "name": "dog"},
    ]
    put(tmp_path / "_annotations.coco.json", document(categories=rows))
    foreign = coco.read(Source(tmp_path, None, Sizes("stored"), NEVER))
    assert foreign.classes == ("cat", "dog") and "'pets'" in foreign.notes()[0]
    put(tmp_path / "_annotations.coco.json", document(categories=rows, boxes=[BOX | {"category_id": 0}]))
    assert "pets" in coco.read(Source(tmp_path, None, Sizes("stored"), NEVER)).classes


def test_crowds_and_the_areas_of_masks_are_kept(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg")
    put(tmp_path / "x.json", document(boxes=[BOX | {"iscrowd": 1}, BOX | {"area": 31.5}]))
    first, second = judge("coco", tmp_path).kept[0].boxes
    assert first.crowd and not second.crowd and second.area == 31.5


def test_instances_come_before_other_files(tmp_path: Path) -> None:
    image(tmp_path / "train2017/a.jpg")
    put(tmp_path / "annotations/instances_train2017.json", document())
    put(tmp_path / "annotations/person_keypoints_train2017.json", document())
    put(tmp_path / "annotations/instances_train2017.remapped.json", document())
    found = judge("coco", tmp_path)
    assert [(each.split, each.path.name) for each in found.kept] == [("train", "a.jpg")]


def test_an_earlier_import_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "own/labels.json", document())
    image(tmp_path / "own/a.jpg")
    put(tmp_path / "made/annotations/instances_train2017.json", document())
    (tmp_path / "made" / STATE).mkdir()
    assert [each.where for each in judge("coco", tmp_path).kept] == ["labels.json: images[0]"]
