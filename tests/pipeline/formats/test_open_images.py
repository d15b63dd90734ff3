"""Open Images: a corpus of odd tables, and what names, groups and drawings become."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.stop import StageError
from tests.pipeline.formats.judged import codes, image, judge, put

HEAD = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside,id,ClassName"
GOOD = "00012,xclick,/m/01,1,0.1,0.5,0.1,0.5,0,0,0,0,0,1,Apple"
RELEASED = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"


def row(**change: object) -> str:
    values = dict(zip(HEAD.split(","), GOOD.split(","), strict=True)) | {
        key: str(value) for key, value in change.items()
    }
    return ",".join(values.values())


def root_with(
    tmp_path: Path, *rows: str | bytes, head: str = HEAD, name: str = "sub-train-annotations-bbox.csv"
) -> Path:
    image(tmp_path / "train/00012.jpg")
    put(
        tmp_path / name,
        b"\n".join(each.encode() if isinstance(each, str) else each for each in (head, *rows)) + b"\n",
    )
    return tmp_path


CORPUS: dict[str, tuple[tuple[str | bytes, ...], set[str], int]] = {
    # name: (rows, codes, boxes that are kept), with train/00012.jpg there
    "good": ((GOOD,), set(), 1),
    "CRLF": ((GOOD + "\r", GOOD + "\r"), set(), 2),
    "empty lines": (("", GOOD, ""), set(), 1),
    "no rows": ((), set(), 0),
    "another order of images": ((GOOD, row(ImageID="x"), GOOD), {"image.missing_image", "box.image_dropped"}, 2),
    "zeros of the id are kept": ((row(ImageID="12"),), {"image.missing_image", "box.image_dropped"}, 0),
    "blanks around an id": ((row(ImageID=" 00012 "),), set(), 1),
    "an id with a path": ((row(ImageID="../train/00012"),), {"image.missing_image", "box.image_dropped"}, 0),
    "an empty id": ((row(ImageID=""),), {"image.missing_image", "box.image_dropped"}, 0),
    "a long id": ((row(ImageID="x" * 9999),), {"image.missing_image", "box.image_dropped"}, 0),
    "a decimal comma": ((row(XMin="0,1"),), {"box.bad_row"}, 0),
    "a decimal comma in quotes": ((row(XMin='"0,1"'),), {"box.bad_number"}, 0),
    "too few values": ((GOOD.rpartition(",")[0],), {"box.bad_row"}, 0),
    "only an id": (("00012",), {"box.bad_row"}, 0),
    "an empty number": ((row(XMin=""),), {"box.bad_number"}, 0),
    "NaN": ((row(YMax="nan"),), {"box.bad_number"}, 0),
    "pixels": ((row(XMin=10, XMax=30),), {"box.out_of_range"}, 0),
    "negative": ((row(XMin=-0.5),), {"box.out_of_range"}, 0),
    "a little out": ((row(XMin=0.5, XMax=1.005),), {"box_clipped"}, 1),
    "swapped": ((row(XMin=0.5, XMax=0.1),), {"swapped_corners"}, 1),
    "no area": ((row(XMin=0.5, XMax=0.5),), {"box.empty_box"}, 0),
    "a drawing": ((row(IsDepiction=1),), {"box.depiction"}, 0),
    "a group": ((row(IsGroupOf=1),), set(), 1),
    "unknown flags": ((row(IsGroupOf=-1, IsDepiction=-1),), set(), 1),
    "no name at all": ((row(ClassName="", LabelName=""),), {"box.no_name"}, 0),
    "BACKGROUND": ((row(ClassName="BACKGROUND"),), {"box.background_class"}, 0),
    "a name in quotes": ((row(ClassName='"Light, red"'),), set(), 1),
    "thousands of rows": ((GOOD,) * 5000, set(), 5000),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_row_is_listed(name: str, tmp_path: Path) -> None:
    rows, expected, kept = CORPUS[name]
    found = judge("open_images", root_with(tmp_path, *rows))
    assert (codes(found), found.report.kept["box"]) == (expected, kept)


REFUSED: dict[str, tuple[tuple[str | bytes, ...], str]] = {
    "latin-1": ((row(ClassName="x").encode() + b"\xe9",), HEAD),
    "utf-16": ((GOOD.encode("utf-16"),), HEAD),
    "a quote that does not end": (('"00012,' + "x" * 200_000,), HEAD),
    "semicolons": ((GOOD.replace(",", ";"),), HEAD.replace(",", ";")),
    "no header": ((GOOD,), GOOD),
    "an empty table": ((), ""),
    "a column that is missing": ((GOOD,), HEAD.replace("XMin", "xmin")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused(name: str, tmp_path: Path) -> None:
    rows, head = REFUSED[name]
    with pytest.raises(StageError) as refused:
        judge("open_images", root_with(tmp_path, *rows, head=head))
    assert len(str(refused.value).splitlines()) == 3 and len(str(refused.value)) < 1500


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no table of boxes"):
        judge("open_images", tmp_path)


def test_a_mark_before_the_header_and_blanks_in_it(tmp_path: Path) -> None:
    assert (
        judge("open_images", root_with(tmp_path, GOOD, head="\ufeff" + HEAD.replace(",", ", "))).report.kept[
            "box"
        ]
        == 1
    )


def test_the_released_table_looks_only_at_images_that_are_here(tmp_path: Path) -> None:
    rows = [GOOD.rsplit(",", 2)[0], *[row(ImageID=f"far{n}").rsplit(",", 2)[0] for n in range(100)]]
    root = root_with(tmp_path, *rows, head=RELEASED, name="oidv6-train-annotations-bbox.csv")
    put(root / "class-descriptions-boxable.csv", '/m/01,"Apple, red"\n/m/02,Orange\n')
    found = judge("open_images", root)
    assert (found.report.taken_in["image"], found.kept[0].boxes[0].name) == (1, "Apple, red")


def test_a_label_without_a_description_is_its_own_name(tmp_path: Path) -> None:
    assert judge("open_images", root_with(tmp_path, row(ClassName=""))).kept[0].boxes[0].name == "/m/01"


def test_groups_are_crowds_and_drawings_can_be_kept(tmp_path: Path) -> None:
    root = root_with(tmp_path, row(IsGroupOf=1), row(IsDepiction=1))
    assert [box.crowd for box in judge("open_images", root, include_depiction=True).kept[0].boxes] == [
        True,
        False,
    ]


def test_splits_and_images_elsewhere(tmp_path: Path) -> None:
    for word in ("train", "validation", "test"):
        root_with(tmp_path, row(ImageID=word), name=f"sub-{word}-annotations-bbox.csv")
        image(tmp_path / f"photos/{word}/{word}.png")
    found = judge("open_images", tmp_path, tmp_path / "photos")
    assert [(each.split, each.name) for each in found.kept] == [
        ("train", "train.png"),
        ("val", "validation.png"),
        ("test", "test.png"),
    ]


def test_a_broken_image_is_listed(tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD)
    put(root / "train/00012.jpg", b"GIF89")
    assert codes(judge("open_images", root)) == {"image.text", "box.image_dropped"}


def test_a_pipe_called_like_an_image_is_listed(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    os.mkfifo(tmp_path / "train/p.jpg")
    header = "ImageID,LabelName,XMin,XMax,YMin,YMax"
    put(tmp_path / "sub-train-annotations-bbox.csv", f"{header}\np,/m/1,0.1,0.2,0.1,0.2\n")
    assert codes(judge("open_images", tmp_path)) == {"image.not_a_file", "box.image_dropped"}
