"""VOC: a corpus of odd files, the lists, and torchvision's reader as a second opinion."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.formats import voc
from pipeline.formats.contract import Source
from pipeline.import_data.images import Sizes
from pipeline.stop import NEVER, StageError
from tests.pipeline.foreign import as_voc, draw, voc_object, voc_xml
from tests.pipeline.formats.judged import BOMB, OUTSIDE, H, W, codes, image, judge, put
from vision.artefacts.data_layout import STATE, foreign_layout

GOOD = voc_object("cat", 1, 1, 20, 20)


def xml(*objects: str, width: object = W, height: object = H) -> str:
    return voc_xml(width, height, "".join(objects))  # type: ignore[arg-type]


def root_with(
    tmp_path: Path, content: str | bytes | None, listed: str | bytes = "b\n", name: str = "b"
) -> Path:
    image(tmp_path / "JPEGImages" / f"{name}.jpg")
    (tmp_path / "Annotations").mkdir(exist_ok=True)
    if content is not None:
        put(tmp_path / "Annotations" / f"{name}.xml", content)
    put(tmp_path / "ImageSets/Main/train.txt", listed)
    return tmp_path


CORPUS: dict[str, tuple[str | bytes | None, set[str], int]] = {
    # name: (the XML file, codes, boxes that are kept)
    "good": (xml(GOOD), set(), 1),
    "byte order mark and CRLF": ("\ufeff" + xml(GOOD).replace("><", ">\r\n<"), set(), 1),
    "utf-16": (xml(voc_object("кот", 1, 1, 9, 9)).encode("utf-16"), set(), 1),
    "latin-1 that says so": (b'<?xml version="1.0" encoding="iso-8859-1"?>' + xml(voc_object("ni\xf1o", 1, 1, 9, 9)).encode("latin-1"), set(), 1),
    "latin-1 that does not": (xml(voc_object("ni\xf1o", 1, 1, 9, 9)).encode("latin-1"), {"image.bad_xml"}, 0),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?>' + xml(GOOD).encode(), {"image.bad_xml"}, 0),
    "no file": (None, {"image.no_annotation"}, 0),
    "empty": (b"", {"image.empty_file"}, 0),
    "blanks": (b" \r\n\t", {"image.empty_file"}, 0),
    "cut off": (xml(GOOD)[:-30], {"image.bad_xml"}, 0),
    "zeros": (bytes(400), {"image.bad_xml"}, 0),
    "JSON": (b'{"objects": []}', {"image.bad_xml"}, 0),
    "another document": (b"<html><body/></html>", {"image.bad_xml"}, 0),
    "a bomb": (BOMB + xml(voc_object("&j;", 1, 1, 9, 9)), {"image.xml_entities"}, 0),
    "an outside entity": (OUTSIDE + xml(voc_object("&e;", 1, 1, 9, 9)), {"image.xml_entities"}, 0),
    "a document type alone": ("<!DOCTYPE annotation>" + xml(GOOD), {"image.xml_entities"}, 0),
    "deep": (b"<annotation>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</annotation>", set(), 0),
    "no objects": (xml(), set(), 0),
    "no box": (xml(GOOD, "<object><name>cat</name></object>"), {"box.no_box"}, 1),
    "several boxes": (xml(GOOD.replace("</object>", "<bndbox/></object>")), {"box.several_boxes"}, 0),
    "half a box": (xml("<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>"), {"box.no_box"}, 0),
    "a part is no object": (xml(GOOD.replace("</object>", f"<part>{GOOD}</part></object>")), set(), 1),
    "no name": (xml(GOOD.replace("<name>cat</name>", "")), {"box.no_name"}, 0),
    "a blank name": (xml(voc_object("  ", 1, 1, 9, 9)), {"box.no_name"}, 0),
    "BACKGROUND": (xml(voc_object("Background", 1, 1, 9, 9)), {"box.background_class"}, 0),
    "a name of 300 letters": (xml(voc_object("x" * 300, 1, 1, 9, 9)), {"box.bad_class_name"}, 0),
    "decimal comma": (xml(voc_object("cat", "1,5", 1, 9, 9)), {"box.bad_number"}, 0),  # type: ignore[arg-type]
    "floats": (xml(voc_object("cat", 1.5, 1.25, 9.75, 9.0)), set(), 1),
    "words": (xml(voc_object("cat", "one", 1, 9, 9)), {"box.bad_number"}, 0),  # type: ignore[arg-type]
    "NaN": (xml(voc_object("cat", float("nan"), 1, 9, 9)), {"box.bad_number"}, 0),
    "infinity": (xml(voc_object("cat", "1e999", 1, 9, 9)), {"box.bad_number"}, 0),  # type: ignore[arg-type]
    "swapped": (xml(voc_object("cat", 20, 20, 1, 1)), {"swapped_corners"}, 1),
    "one pixel": (xml(voc_object("cat", 7, 7, 7, 7)), set(), 1),
    "no width": (xml(voc_object("cat", 8, 7, 7, 9)), {"swapped_corners"}, 1),
    "from 0 on": (xml(voc_object("cat", 0, 0, 9, 9)), {"box_clipped"}, 1),
    "negative": (xml(voc_object("cat", -30, -30, 9, 9)), {"box_clipped"}, 1),
    "outside": (xml(voc_object("cat", W + 5, 1, W + 9, 9)), {"box.box_outside"}, 0),
    "beyond": (xml(voc_object("cat", 1, 1, W + 9, 9)), {"box_clipped"}, 1),
    "far beyond": (xml(voc_object("cat", 1, 1, 10**9, 9)), {"box.bad_box"}, 0),
    "size 0": (xml(GOOD, width=0, height=0), set(), 1),
    "size of words": (xml(GOOD, width="wide", height=""), set(), 1),
    "no size": ("<annotation>" + GOOD + "</annotation>", set(), 1),
    "too large a size": (xml(GOOD, width=70_000), {"image.bad_size", "box.image_dropped"}, 0),
    "thousands of boxes": (xml(*[GOOD] * 4000), set(), 4000),
    "the same box twice": (xml(GOOD, GOOD), set(), 2),
    "truncated and pose": (xml(GOOD.replace("<name>", "<pose>Left</pose><truncated>1</truncated><name>")), set(), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_file_is_listed(name: str, tmp_path: Path) -> None:
    content, expected, kept = CORPUS[name]
    found = judge("voc", root_with(tmp_path, content))
    assert (codes(found), found.report.kept["box"]) == (expected, kept)
    assert (found.report.taken_in["image"], found.report.kept["image"]) == (
        1,
        int(not any("image." in code for code in expected)),
    )


LISTS: dict[str, tuple[str | bytes, set[str], int]] = {
    # name: (train.txt, codes, images that are kept), with b.jpg and b.xml there
    "with a suffix": ("b.jpg\n", set(), 1),
    "with a column": ("b  1\nb -1\n", {"image.duplicate_image", "box.image_dropped"}, 1),
    "mark, CRLF, empty lines": ("\ufeffb\r\n\r\n  \r\n", set(), 1),
    "utf-16": ("b\n".encode("utf-16"), set(), 1),
    "twice": ("b\nb\n", {"image.duplicate_image", "box.image_dropped"}, 1),
    "no such image": ("b\nc\n", {"image.missing_image"}, 1),
    "leaves the folder": ("../JPEGImages/b\nb\n", {"image.bad_file_name"}, 1),
    "an absolute name": ("/etc/hostname\nb\n", {"image.missing_image"}, 1),
    "a name that is too long": ("x" * 5000 + "\nb\n", {"image.missing_image"}, 1),
}


@pytest.mark.parametrize("name", LISTS)
def test_an_odd_list_is_read_or_listed(name: str, tmp_path: Path) -> None:
    listed, expected, kept = LISTS[name]
    found = judge("voc", root_with(tmp_path, xml(GOOD), listed))
    assert (codes(found), len(found.kept)) == (expected, kept)


@pytest.mark.parametrize(
    "name", ["my photo 1", "žluťoučký kůň", "a'b\"c", "sub folder/frame 1", "x.y.z", "-rf", "100%"]
)
def test_odd_names_are_found(name: str, tmp_path: Path) -> None:
    found = judge("voc", root_with(tmp_path, xml(GOOD), f"{name}\n", name))
    assert [each.path.stem for each in found.kept] == [name.rpartition("/")[2]]
    assert found.kept[0].name == f"{name}.jpg" or name == "-rf"


@pytest.mark.parametrize(
    "suffix",
    [
        ".jpg",
        ".JPG",
        ".jpeg",
        ".JPEG",
        ".png",
        ".PNG",
        ".bmp",
        ".BMP",
        ".tif",
        ".TIF",
        ".tiff",
        ".TIFF",
        ".webp",
    ],
)
def test_the_twelve_suffixes_and_others(suffix: str, tmp_path: Path) -> None:
    root = root_with(tmp_path, xml(GOOD))
    (root / "JPEGImages/b.jpg").unlink()
    image(root / f"JPEGImages/b{suffix}")
    assert [each.name for each in judge("voc", root).kept] == [f"b{suffix}"]


def test_a_broken_image_without_a_stated_size_is_listed(tmp_path: Path) -> None:
    root = root_with(tmp_path, "<annotation>" + GOOD + "</annotation>")
    put(root / "JPEGImages/b.jpg", b"<html>404</html>")
    assert codes(judge("voc", root)) == {"image.html", "box.image_dropped"}


SPLITS = {
    # lists that are there → (train, val)
    "trainval test train val": ("trainval", "test"),
    "train val": ("train", "val"),
    "train val trainval": ("train", "val"),
    "default": ("default", None),
    "test": (None, "test"),
}


@pytest.mark.parametrize("lists", SPLITS)
def test_which_lists_are_used(lists: str, tmp_path: Path) -> None:
    for number, name in enumerate(lists.split()):
        root_with(tmp_path, xml(GOOD), name=f"{name} {number}")
    (tmp_path / "ImageSets/Main/train.txt").unlink()
    for number, name in enumerate(lists.split()):
        put(tmp_path / f"ImageSets/Main/{name}.txt", f"{name} {number}\n")
    found = {each.split: each.path.stem.split()[0] for each in judge("voc", tmp_path).kept}
    assert (found.get("train"), found.get("val")) == SPLITS[lists]


def test_trainval_gives_what_val_has_not(tmp_path: Path) -> None:
    for name in "abc":
        root_with(tmp_path, xml(GOOD), name=name)
    (tmp_path / "ImageSets/Main/train.txt").unlink()
    put(tmp_path / "ImageSets/Main/trainval.txt", "a\nb\nc\n")
    put(tmp_path / "ImageSets/Main/val.txt", "c\n")
    put(tmp_path / "ImageSets/Main/test.txt", "")
    assert [(each.split, each.name) for each in judge("voc", tmp_path).kept] == [
        ("train", "a.jpg"),
        ("train", "b.jpg"),
        ("val", "c.jpg"),
    ]


@pytest.mark.parametrize("text", ["dog\ncat\n", "\ufeffdog\r\ncat\r\n", "dog, cat", '"dog",cat'])
def test_labels_keep_their_order(text: str, tmp_path: Path) -> None:
    root = root_with(tmp_path, xml(GOOD))
    put(root / "labels.txt", text)
    found = voc.read(Source(root, None, Sizes("stored"), NEVER))
    assert found.classes == ("dog", "cat")
    assert any("taken for 2 classes" in note for note in found.notes()) == ("," in text)


def test_a_class_that_holds_a_comma_stands_in_quotes_or_in_a_list_of_lines(tmp_path: Path) -> None:
    root = root_with(tmp_path, xml(GOOD))
    for text, names in (
        ('"light, red"', ("light, red",)),
        ("light, red\ncat\n", ("light, red", "cat")),
        ("light, red", ("light", "red")),
    ):
        put(root / "labels.txt", text)
        assert voc.read(Source(root, None, Sizes("stored"), NEVER)).classes == names


def test_difficult_is_ignored_kept_or_dropped(tmp_path: Path) -> None:
    objects = [
        voc_object("cat", 1, 1, 9, 9, f"<difficult>{word}</difficult>") for word in ("1", "0", "true", "")
    ]
    found = judge("voc", root_with(tmp_path, xml(*objects)))
    assert [box.crowd for box in found.kept[0].boxes] == [True, False, True, False]


@pytest.mark.parametrize("there", ["nothing", "a file", "two sets", "bytes in a list"])
def test_what_is_no_data_set_is_refused(there: str, tmp_path: Path) -> None:
    if there == "a file":
        put(tmp_path / "x", "y")
    elif there == "two sets":
        for year in ("VOC2007", "VOC2012"):
            (tmp_path / year / "Annotations").mkdir(parents=True)
    elif there == "bytes in a list":
        root_with(tmp_path, xml(GOOD), b"\xff\xfea\xd8")
    with pytest.raises(StageError) as refused:
        judge("voc", tmp_path / "x" if there == "a file" else tmp_path)
    assert len(str(refused.value).splitlines()) == 3


def test_a_set_below_the_folder_is_found(tmp_path: Path) -> None:
    root_with(tmp_path / "VOCdevkit/VOC2012", xml(GOOD))
    assert len(judge("voc", tmp_path / "VOCdevkit").kept) == 1


def test_torchvision_reads_the_same_corners(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    from xml.etree.ElementTree import parse

    drawn = draw()
    root = as_voc(tmp_path, drawn)
    found = {each.path.stem: each for each in judge("voc", root).kept}
    for one in drawn:
        tree = datasets.VOCDetection.parse_voc_xml(parse(root / "Annotations" / f"{one.stem}.xml").getroot())
        theirs = [
            [each["name"], *(float(each["bndbox"][corner]) for corner in ("xmin", "ymin", "xmax", "ymax"))]
            for each in tree["annotation"].get("object", [])
        ]
        ours = [
            [box.name, box.xyxy[0] + 1, box.xyxy[1] + 1, box.xyxy[2], box.xyxy[3]]
            for box in found[one.stem].boxes
        ]
        assert ours == theirs


@pytest.mark.parametrize("name", [" ", "  b", "ü" * 120 + " "])
def test_blanks_in_the_name_of_a_file(name: str, tmp_path: Path) -> None:
    root = root_with(tmp_path, xml(GOOD), listed="", name=name)
    found = judge("voc", root)
    assert not codes(found) and [each.path.stem for each in found.kept] == [name]


def test_an_earlier_import_is_not_read(tmp_path: Path) -> None:
    root = root_with(tmp_path, xml(GOOD), listed="")
    put(root / "Annotations/made/x.xml", xml(GOOD))
    (root / "Annotations/made" / STATE).mkdir()
    assert not codes(judge("voc", root))


@pytest.mark.parametrize("names", [("a.xml", "a.jpg"), ("a.jpg.xml", "a.JPG"), ("0001.xml", "photo a.jpg")])
@pytest.mark.parametrize("where", ["Annotations", "annotations", "."])
def test_where_tools_put_their_files(where: str, names: tuple[str, str], tmp_path: Path) -> None:
    """LabelImg beside the images, Kaggle's folders in small letters; an XML file of another name says which image it means."""
    told = f"<filename>C:\\photos\\{names[1]}</filename>"
    put(tmp_path / where / names[0], xml(GOOD).replace("<size>", f"{told}<size>"))
    image(tmp_path / ("images" if where == "annotations" else ".") / names[1])
    found = judge("voc", tmp_path)
    assert not codes(found) and [each.path.name for each in found.kept] == [names[1]]
    foreign = voc.read(Source(tmp_path, None, Sizes("stored"), NEVER))
    assert list(foreign.images) and "not taken" not in str(foreign.notes())


def test_folders_that_are_called_like_splits(tmp_path: Path) -> None:
    """Roboflow's export: XML files and images in ``train/``, ``valid/`` and ``test/``."""
    for split in ("train", "valid", "test", "more"):
        put(tmp_path / split / f"{split}.rf.1.xml", xml(GOOD))
        image(tmp_path / split / f"{split}.rf.1.jpg")
    found = judge("voc", tmp_path)
    splits = {each.path.parent.name: each.split for each in found.kept}
    assert splits == {"train": "train", "valid": "val", "test": "test", "more": None}
    assert foreign_layout(tmp_path) == "voc"


def test_the_folder_of_xml_files_means_the_one_above(tmp_path: Path) -> None:
    assert len(judge("voc", root_with(tmp_path, xml(GOOD)) / "Annotations").kept) == 1
