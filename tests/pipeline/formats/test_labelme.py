"""LabelMe: a corpus of odd JSON files and shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.stop import StageError
from tests.pipeline.formats.judged import H, W, codes, image, judge, put
from vision.artefacts.data_layout import STATE

SHAPE = {"label": "cat", "points": [[1, 2], [11.5, 12]], "shape_type": "rectangle"}


def document(*shapes: Any, **change: Any) -> str:
    value = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "b.jpg",
        "imageData": "QUJD",
        "imageHeight": H,
        "imageWidth": W,
    }
    return json.dumps({key: each for key, each in (value | change).items() if each is not ...})


def shape(**change: Any) -> str:
    return document({key: value for key, value in (SHAPE | change).items() if value is not ...})


DROPPED = "box.image_dropped"
CORPUS: dict[str, tuple[str | bytes, set[str], int]] = {
    # name: (b.json, codes, boxes that are kept), with b.jpg there
    "good": (document(SHAPE), set(), 1),
    "byte order mark and CRLF": ("\ufeff" + document(SHAPE).replace(", ", ",\r\n"), set(), 1),
    "no shapes": (document(), set(), 0),
    "empty": (b"", {"image.empty_file"}, 0),
    "cut off": (document(SHAPE)[:-9], {"image.bad_json"}, 0),
    "zeros": (bytes(80), {"image.bad_json"}, 0),
    "latin-1": (shape(label="ni\xf1o").replace("\\u00f1", "\xf1").encode("latin-1"), {"image.bad_json"}, 0),
    "a list": ("[]", {"image.bad_json"}, 0),
    "COCO's": ('{"images": [], "annotations": []}', {"image.bad_json"}, 0),
    "a key twice": ('{"shapes": [], "shapes": []}', {"image.bad_json"}, 0),
    "NaN": (shape(points=[[float("nan"), 2], [3, 4]]), {"image.bad_json"}, 0),
    "deep": ('{"shapes": ' + "[" * 9000 + "]" * 9000 + "}", {"image.bad_json"}, 0),
    "a number of 400 digits": ('{"shapes": [{"label": "cat", "shape_type": "rectangle", "points": [[1' + "0" * 400 + ", 1], [2, 2]]}]}", {"image.bad_json"}, 0),
    "far beyond": (shape(points=[[1, 1], [1e300, 2]]), {"box.bad_points"}, 0),
    "corners in another order": (shape(points=[[11, 2], [1, 12]]), set(), 1),
    "four corners": (shape(points=[[1, 1], [9, 1], [9, 9], [1, 9]]), set(), 1),
    "a polygon": (shape(shape_type="polygon", points=[[1, 1], [9, 1], [9, 9]]), set(), 1),
    "no shape_type": (shape(shape_type=..., points=[[1, 1], [9, 1], [9, 9]]), set(), 1),
    "a circle": (shape(shape_type="circle", points=[[20, 20], [23, 24]]), set(), 1),
    "a mask": (shape(shape_type="mask", mask="QUJD"), set(), 1),
    "a point, a line": (document(SHAPE | {"shape_type": "point"}, SHAPE | {"shape_type": "line"}, SHAPE), {"box.unsupported_shape"}, 1),
    "no points": (shape(points=...), {"box.bad_points"}, 0),
    "an empty list of points": (shape(points=[]), {"box.bad_points"}, 0),
    "points of texts": (shape(points=[["1,5", "2"], ["3", "4"]]), {"box.bad_points"}, 0),
    "no area": (shape(points=[[1, 1], [1, 9]]), {"box.empty_box"}, 0),
    "outside": (shape(points=[[W, 1], [W + 5, 9]]), {"box.box_outside"}, 0),
    "beyond": (shape(points=[[-5, 1], [9, 9]]), {"box_clipped"}, 1),
    "no label": (shape(label=...), {"box.no_name"}, 0),
    "a label that is a number": (shape(label=7), {"box.no_name"}, 0),
    "BACKGROUND": (shape(label="BACKGROUND"), {"box.background_class"}, 0),
    "a shape that is no object": (document(SHAPE, 7), {"box.not_an_object"}, 1),
    "no size": (document(SHAPE, imageHeight=..., imageWidth=None), set(), 1),
    "too large a size": (document(SHAPE, imageWidth=70_000), {"image.bad_size", DROPPED}, 0),
    "backslashes": (document(SHAPE, imagePath="..\\images\\b.jpg"), set(), 1),
    "an absolute path": (document(SHAPE, imagePath="/data/b.jpg"), set(), 1),
    "no imagePath": (document(SHAPE, imagePath=None), set(), 1),
    "another name, the same stem": (document(SHAPE, imagePath="gone.png"), set(), 1),
    "thousands of shapes": (document(*[SHAPE] * 5000), set(), 5000),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_file_is_listed(name: str, tmp_path: Path) -> None:
    content, expected, kept = CORPUS[name]
    image(tmp_path / "b.jpg")
    put(tmp_path / "b.json", content)
    found = judge("labelme", tmp_path)
    assert (codes(found), found.report.kept["box"]) == (expected, kept)


def test_an_image_that_is_nowhere_is_listed(tmp_path: Path) -> None:
    put(tmp_path / "b.json", document(SHAPE))
    assert codes(judge("labelme", tmp_path)) == {"image.missing_image", DROPPED}


def test_images_elsewhere_and_splits_by_folder(tmp_path: Path) -> None:
    for split in ("train", "val", "more"):
        put(tmp_path / f"labels/{split}/{split}.json", document(SHAPE, imagePath=f"../{split}.jpg"))
        image(tmp_path / f"photos/{split}.jpg")
    found = judge("labelme", tmp_path / "labels", tmp_path / "photos")
    assert {each.name: each.split for each in found.kept} == {
        "train.jpg": "train",
        "val.jpg": "val",
        "more.jpg": None,
    }


@pytest.mark.parametrize("there", ["nothing", "no JSON"])
def test_a_folder_without_json_is_refused(there: str, tmp_path: Path) -> None:
    with pytest.raises(StageError) as refused:
        judge("labelme", tmp_path / "x" if there == "nothing" else tmp_path)
    assert len(str(refused.value).splitlines()) == 3


def test_an_image_named_by_two_files_is_taken_once(tmp_path: Path) -> None:
    image(tmp_path / "b.jpg")
    for name in "bc":
        put(tmp_path / f"{name}.json", document(SHAPE))
    assert codes(judge("labelme", tmp_path)) == {"image.duplicate_image", DROPPED}


def test_an_earlier_import_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "own/b.json", document(SHAPE))
    image(tmp_path / "own/b.jpg")
    put(tmp_path / "made/annotations/instances_train2017.json", "{}")
    (tmp_path / "made" / STATE).mkdir()
    found = judge("labelme", tmp_path)
    assert not codes(found) and len(found.kept) == 1


@pytest.mark.parametrize("name", ["ü" * 200 + ".jpg", "a\0b.jpg", "\ud800.jpg"])
def test_an_image_path_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    put(tmp_path / "b.json", document(SHAPE, imagePath=name))
    put(tmp_path / "c.json", document(SHAPE, imagePath=name))
    image(tmp_path / "b.jpg")
    found = judge("labelme", tmp_path)
    assert codes(found) == {"image.missing_image", DROPPED}
    assert [each.name for each in found.kept] == ["b.jpg"], "by the name of its JSON file"
