"""CVAT for images: a corpus of odd files and shapes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pipeline.formats import cvat
from pipeline.formats.contract import Source
from pipeline.import_data.images import Sizes
from pipeline.stop import NEVER, StageError
from tests.pipeline.formats.judged import BOMB, OUTSIDE, H, W, codes, image, judge, put

META = "<version>1.1</version><meta><task><labels><label><name>dog</name></label><label><name>cat</name></label></labels></task></meta>"
GOOD = '<box label="cat" xtl="1.0" ytl="2.0" xbr="11.5" ybr="12.0" occluded="0" z_order="0"></box>'
IMAGE = f'<image id="0" name="b.jpg" width="{W}" height="{H}">'


def document(*shapes: str, head: str = IMAGE, meta: str = META) -> str:
    return f"<annotations>{meta}{head}{''.join(shapes)}</image></annotations>"


def box(**change: object) -> str:
    values = {"label": "cat", "xtl": 1, "ytl": 2, "xbr": 11, "ybr": 12} | change
    return "<box " + " ".join(f'{key}="{value}"' for key, value in values.items() if value is not None) + "/>"


DROPPED = "box.image_dropped"
CORPUS: dict[str, tuple[str | bytes, set[str], int]] = {
    # name: (annotations.xml, codes, boxes that are kept), with images/b.jpg there
    "good": (document(GOOD), set(), 1),
    "byte order mark, CRLF, declaration": ('\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n' + document(GOOD).replace("><", ">\r\n<"), set(), 1),
    "utf-16": (('<?xml version="1.0" encoding="utf-16"?>' + document(GOOD)).encode("utf-16"), set(), 1),
    "no shapes": (document(), set(), 0),
    "no meta": (document(GOOD, meta=""), set(), 1),
    "attributes and z_order": (document(box(z_order=3).replace("/>", '><attribute name="a">1</attribute></box>')), set(), 1),
    "a label of the whole image": (document('<tag label="cat" source="manual"></tag>', GOOD), set(), 1),
    "a polygon": (document('<polygon label="cat" points="1,1;9,1;9,9.5"/>'), set(), 1),
    "a polygon of two points": (document('<polygon label="cat" points="1,1;9,1"/>'), {"box.bad_points"}, 0),
    "a polygon of nothing": (document('<polygon label="cat"/>'), {"box.bad_points"}, 0),
    "a polygon with decimal commas": (document('<polygon label="cat" points="1,5,1;9,1;9,9"/>'), {"box.bad_points"}, 0),
    "a polygon of words": (document('<polygon label="cat" points="a,b;9,1;9,9"/>'), {"box.bad_number"}, 0),
    "an ellipse": (document('<ellipse label="cat" cx="10" cy="10" rx="5" ry="3"/>'), set(), 1),
    "a mask": (document('<mask label="cat" rle="1" left="1" top="2" width="3" height="4"/>'), set(), 1),
    "a line, points, a cuboid": (document('<polyline label="cat" points="1,1;2,2"/>', '<points label="cat" points="1,1"/>', '<cuboid label="cat"/>'), {"box.unsupported_shape"}, 0),
    "no label": (document(box(label=None)), {"box.no_name"}, 0),
    "a blank label": (document(box(label=" ")), {"box.no_name"}, 0),
    "BACKGROUND": (document(box(label="background")), {"box.background_class"}, 0),
    "half a box": (document(box(xbr=None)), {"box.bad_number"}, 0),
    "a decimal comma": (document(box(xtl="1,5")), {"box.bad_number"}, 0),
    "NaN": (document(box(xtl="NaN")), {"box.bad_number"}, 0),
    "swapped": (document(box(xtl=11, xbr=1)), {"swapped_corners"}, 1),
    "no area": (document(box(xbr=1)), {"box.empty_box"}, 0),
    "outside": (document(box(xtl=W, xbr=W + 9)), {"box.box_outside"}, 0),
    "beyond": (document(box(xtl=-4)), {"box_clipped"}, 1),
    "far beyond": (document(box(xbr=1e9)), {"box.bad_box"}, 0),
    "a turn of words": (document(box(rotation="left")), {"box.bad_number"}, 0),
    "size 0": (document(GOOD, head='<image id="0" name="b.jpg" width="0" height="x">'), set(), 1),
    "no name": (document(GOOD, head='<image id="0">'), {"image.bad_file_name", DROPPED}, 0),
    "no such image": (document(GOOD, head='<image name="c.jpg">'), {"image.missing_image", DROPPED}, 0),
    "a name that leaves the folder": (document(GOOD, head='<image name="../../images/b.jpg">'), set(), 1),
    "a name with a folder": (document(GOOD, head='<image name="job 1/b.jpg">'), set(), 1),
    "an image twice": (document(GOOD) .replace("</annotations>", IMAGE + GOOD + "</image></annotations>"), {"image.duplicate_image", DROPPED}, 1),
    "thousands of boxes": (document(*[GOOD] * 5000), set(), 5000),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_file_is_listed(name: str, tmp_path: Path) -> None:
    content, expected, kept = CORPUS[name]
    image(tmp_path / "images/b.jpg")
    put(tmp_path / "annotations.xml", content)
    found = judge("cvat", tmp_path)
    assert (codes(found), found.report.kept["box"]) == (expected, kept)


REFUSED: dict[str, str | bytes] = {
    "empty": b"", "zeros": bytes(64), "cut off": document(GOOD)[:-20], "cut off in meta": document(GOOD)[:60],
    "a bomb": BOMB + document(box(label="&j;")), "an outside entity": OUTSIDE + document(box(label="&e;")),
    "VOC": "<annotation><object/></annotation>", "a video": document("<track/>", head="<image/><image>").replace("<image/>", "").replace("<image>", "<x>").replace("</image>", "</x>"),
    "latin-1": document(box(label="ni\xf1o")).encode("latin-1"), "JSON": "{}",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_cvat_file_is_refused(name: str, tmp_path: Path) -> None:
    put(tmp_path / "annotations.xml", REFUSED[name])
    with pytest.raises(StageError) as refused:
        judge("cvat", tmp_path)
    assert len(str(refused.value).splitlines()) == 3


def test_labels_keep_the_order_of_the_task(tmp_path: Path) -> None:
    path = put(tmp_path / "annotations.xml", document(GOOD))
    assert cvat.read(Source(path, None, Sizes("stored"), NEVER)).classes == ("dog", "cat")


def test_a_turned_box_is_the_box_around_it(tmp_path: Path) -> None:
    image(tmp_path / "images/b.jpg")
    put(
        tmp_path / "annotations.xml",
        document(
            box(xtl=20, ytl=10, xbr=40, ybr=20, rotation="90"),
            '<ellipse label="cat" cx="30" cy="20" rx="10" ry="5" rotation="90"/>',
        ),
    )
    turned, ellipse = judge("cvat", tmp_path).kept[0].boxes
    assert turned.xyxy == pytest.approx((25, 5, 35, 25)) and ellipse.xyxy == pytest.approx((25, 10, 35, 30))


def test_a_turn_of_45_degrees(tmp_path: Path) -> None:
    image(tmp_path / "images/b.jpg")
    put(tmp_path / "annotations.xml", document(box(xtl=20, ytl=10, xbr=30, ybr=20, rotation="45")))
    half = 5 * math.sqrt(2)
    assert judge("cvat", tmp_path).kept[0].boxes[0].xyxy == pytest.approx(
        (25 - half, 15 - half, 25 + half, 15 + half)
    )


def test_subsets_are_splits(tmp_path: Path) -> None:
    parts = []
    for name, subset in (("a", "Train"), ("b", "Validation"), ("c", "default")):
        image(tmp_path / f"images/{name}.jpg")
        parts.append(f'<image name="{name}.jpg" subset="{subset}"/>')
    put(tmp_path / "annotations.xml", "<annotations>" + "".join(parts) + "</annotations>")
    assert [each.split for each in judge("cvat", tmp_path).kept] == ["train", "val", None]
