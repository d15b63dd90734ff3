"""YOLO: a corpus of odd rows and layouts, and the formula of its rows as a second opinion."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.formats import yolo
from pipeline.formats.contract import Source
from pipeline.import_data.images import Sizes
from pipeline.stop import NEVER, StageError
from tests.pipeline.foreign import CLASSES, as_yolo, draw
from tests.pipeline.formats.judged import H, W, codes, image, judge, put

GOOD = "0 0.5 0.5 0.2 0.2"
YAML = "train: images\nnames: [cat, dog]\n"


def root_with(tmp_path: Path, rows: str | bytes | None, yaml: str | bytes = YAML) -> Path:
    image(tmp_path / "images/b.jpg")
    if rows is not None:
        put(tmp_path / "labels/b.txt", rows)
    put(tmp_path / "data.yaml", yaml)
    return tmp_path


CORPUS: dict[str, tuple[str | bytes | None, set[str], int]] = {
    # name: (the rows of b.txt, codes, boxes that are kept)
    "good": (GOOD + "\n", set(), 1),
    "byte order mark and CRLF": ("\ufeff" + GOOD + "\r\n\r\n1 .5 .5 .1 .1\r\n", set(), 2),
    "utf-16": (GOOD.encode("utf-16"), set(), 1),
    "tabs and blanks": ("  0\t0.5   0.5\t0.2 0.2  ", set(), 1),
    "no file": (None, set(), 0),
    "empty": ("", set(), 0),
    "only line breaks": ("\n\r\n", set(), 0),
    "latin-1": (b"0 0.5 0.5 0.2 0.2 \xe9\n", {"image.bad_encoding"}, 0),
    "zeros": (bytes(99), {"image.bad_encoding"}, 0),
    "a class as a float": ("1.0 0.5 0.5 0.2 0.2", set(), 1),
    "a class as a name": ("cat 0.5 0.5 0.2 0.2", {"box.bad_number"}, 0),
    "a class too large": ("2 0.5 0.5 0.2 0.2\n" + GOOD, {"box.class_out_of_range"}, 1),
    "a negative class": ("-1 0.5 0.5 0.2 0.2", {"box.class_out_of_range"}, 0),
    "half a class": ("0.5 0.5 0.5 0.2 0.2", {"box.class_out_of_range"}, 0),
    "decimal commas": ("0 0,5 0,5 0,2 0,2", {"box.bad_number"}, 0),
    "commas between": ("0, 0.5, 0.5, 0.2, 0.2", {"box.bad_number"}, 0),
    "underscores": ("0 0.5 0.5 0_2 0.2", {"box.bad_number"}, 0),
    "NaN": ("0 nan 0.5 0.2 0.2", {"box.bad_number"}, 0),
    "infinity": ("0 0.5 0.5 1e999 0.2", {"box.bad_number"}, 0),
    "a class alone": ("0", {"box.bad_row"}, 0),
    "three numbers": ("0 0.5 0.5 0.2", {"box.bad_row"}, 0),
    "with a score": (GOOD + " 0.93", {"box.bad_row"}, 0),
    "an outline": ("0 0.1 0.1 0.4 0.1 0.4 0.5", set(), 1),
    "an outline with half a point": ("0 0.1 0.1 0.4 0.1 0.4 0.5 0.6", {"box.bad_row"}, 0),
    "pixels": ("0 30 20 12 8", {"box.out_of_range"}, 0),
    "below 0": ("0 -0.2 0.5 0.2 0.2", {"box.out_of_range"}, 0),
    "a pixel out": ("0 0.5 0.5 1.01 1.01", {"box_clipped"}, 1),
    "over the edge": ("0 0.95 0.5 0.4 0.2", {"box_clipped"}, 1),
    "no width": ("0 0.5 0.5 0 0.2", {"box.empty_box"}, 0),
    "a negative width": ("0 0.5 0.5 -0.01 0.2", {"swapped_corners"}, 1),
    "thousands of rows": (GOOD + "\n" + (GOOD + "\n") * 4999, set(), 5000),
    "a long line": ("0 " + "0.5 " * 100_001, {"box.bad_row"}, 0),
    "JSON": ('{"class": 0}', {"box.bad_number"}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_an_odd_row_is_listed(name: str, tmp_path: Path) -> None:
    rows, expected, kept = CORPUS[name]
    found = judge("yolo", root_with(tmp_path, rows))
    assert (codes(found), found.report.kept["box"]) == (expected, kept)


NAMES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "a list": ("names: [cat, dog]", ("cat", "dog")),
    "a list of lines": ("names:\n- cat\n- dog", ("cat", "dog")),
    "a map": ("names:\n  1: dog\n  0: cat", ("cat", "dog")),
    "words that YAML takes for truth": ("names: [no, on, null]", ("no", "on", "null")),
    "numbers": ("nc: 2\nnames: ['1', 2]", ("1", "2")),
    "a text": ("names: \"['cat', 'dog']\"", ("cat", "dog")),
    "mark and CRLF": ("\ufeffnames:\r\n  0: žluť\r\n".encode(), ("žluť",)),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str, tmp_path: Path) -> None:
    text, expected = NAMES[name]
    head = text if isinstance(text, bytes) else text.encode()
    root = root_with(tmp_path, GOOD, head + b"\ntrain: images\n")
    assert yolo.read(Source(root, None, Sizes("stored"), NEVER)).classes == expected


REFUSED: dict[str, str | bytes] = {
    "empty": b"", "a list": "- a\n", "no names": "train: images\n", "names of a map with a gap": YAML.replace("[cat, dog]", "{0: a, 2: b}"),
    "names in names": YAML.replace("[cat, dog]", "[[a], b]"), "an empty name": YAML.replace("[cat, dog]", "['', b]"),
    "another nc": YAML + "nc: 3\n", "no split": "names: [cat]\n", "a split of a map": "names: [cat]\ntrain: {a: b}\n",
    "bad YAML": "names: [cat\n", "tabs": "names:\n\t- cat\n", "latin-1": "names: [ni\xf1o]\n".encode("latin-1"),
    "a Python object": "names: !!python/object/apply:os.system [id]\n", "a folder that is not there": "names: [cat]\ntrain: nowhere\n",
    "laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
    "deep": "names: " + "[" * 1000 + "]" * 1000, "too large": YAML + "#" * (1 << 20),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_data_yaml_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StageError) as refused:
        judge("yolo", root_with(tmp_path, GOOD, REFUSED[name]))
    assert len(str(refused.value).splitlines()) == 3


PLACES: dict[str, str] = {
    "relative": "train: images", "with path": "path: .\ntrain: images", "Roboflow's": "train: ../train/images",
    "absolute": "train: {root}/images", "of another machine": "path: /home2/me/data\ntrain: /home2/me/data/images",
    "a list of folders": "train: [images, images]", "a list file": "train: train.txt", "backslashes": "train: .\\images",
    "valid": "valid: images",
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_where_the_images_are(name: str, tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD, "names: [cat]\n" + PLACES[name].format(root=tmp_path) + "\n")
    put(root / "train.txt", "./images/b.jpg\r\n/home2/me/images/b.jpg\nimages/c.jpg\nlabels/b.txt\n")
    found = judge("yolo", root)
    assert [each.path.name for each in found.kept] == ["b.jpg"] and len(found.kept[0].boxes) == 1
    expected = {
        "a list file": {
            "image.duplicate_image",
            "box.image_dropped",
            "image.missing_image",
            "image.not_an_image",
        }
    }
    assert codes(found) == expected.get(
        name, {"image.duplicate_image", "box.image_dropped"} if "folders" in name else set()
    )


def test_a_folder_without_data_yaml(tmp_path: Path) -> None:
    image(tmp_path / "obj_train_data/b.jpg")
    put(tmp_path / "obj_train_data/b.txt", GOOD)
    put(tmp_path / "train.txt", "data/obj_train_data/b.jpg\n")
    with pytest.raises(StageError, match="nothing says what the class numbers mean"):
        judge("yolo", tmp_path)
    put(tmp_path / "summary.toml", "[categories]\ncat = 0\n")
    with pytest.raises(StageError, match="kaboom-labs"):
        judge("yolo", tmp_path)
    put(tmp_path / "obj.names", "cat\n")
    assert [(each.split, each.name) for each in judge("yolo", tmp_path).kept] == [
        ("train", "obj_train_data/b.jpg")
    ]


def test_darknets_obj_data_says_where_names_and_lists_are(tmp_path: Path) -> None:
    """Its paths count from darknet's own folder, wherever that was."""
    for name in ("a", "b"):
        image(tmp_path / f"obj_train_data/{name}.jpg")
        put(tmp_path / f"obj_train_data/{name}.txt", GOOD)
    put(tmp_path / "learn.list", "data/obj_train_data/a.jpg\n")
    put(tmp_path / "measure.list", "data/obj_train_data/b.jpg\n")
    put(tmp_path / "my.names", "cat\n")
    lines = "classes = 1\r\ntrain=data/learn.list\r\nvalid = data/measure.list\nnames = data/my.names\nbackup = backup/\n"
    put(tmp_path / "obj.data", lines)
    found = [(each.split, each.name) for each in judge("yolo", tmp_path).kept]
    assert found == [("train", "obj_train_data/a.jpg"), ("val", "obj_train_data/b.jpg")]
    for wrong in (lines.replace("my.names", "no.names"), lines.replace("learn", "no"), "classes = 1\n", "\0"):
        put(tmp_path / "obj.data", wrong)
        with pytest.raises(StageError, match=r"obj\.data"):
            judge("yolo", tmp_path)


def test_rows_of_keypoints_have_their_box(tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD + " 0.4 0.4 2 0.6 0.6 1", YAML + "kpt_shape: [2, 3]\n")
    assert judge("yolo", root).kept[0].boxes[0].xyxy == pytest.approx((0.4 * W, 0.4 * H, 0.6 * W, 0.6 * H))


def test_a_broken_image_is_listed(tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD)
    put(root / "images/b.jpg", b"")
    assert codes(judge("yolo", root)) == {"image.empty", "box.image_dropped"}


def test_two_yaml_files_are_refused_and_one_is_named(tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD)
    (root / "data.yaml").rename(root / "a.yaml")
    put(root / "b.yaml", YAML)
    with pytest.raises(StageError, match="several YAML files"):
        judge("yolo", root)
    assert len(judge("yolo", root / "a.yaml").kept) == 1


def test_the_label_of_the_last_images_folder(tmp_path: Path) -> None:
    put(tmp_path / "images/x/labels/1.txt", GOOD)
    assert yolo.label_file(tmp_path / "images/x/images/1.jpg") == tmp_path / "images/x/labels/1.txt"


def test_the_formula(tmp_path: Path) -> None:
    drawn = draw()
    root = as_yolo(tmp_path, drawn)
    found = {each.path.stem: each for each in judge("yolo", root).kept}
    for one in drawn:
        rows = (root / f"labels/{one.split}/{one.stem}.txt").read_text().splitlines() if one.boxes else []
        for row, box in zip(rows, found[one.stem].boxes, strict=True):
            class_, *values = map(float, row.split())
            assert box.name == CLASSES[int(class_)]
            if len(values) == 4:
                cx, cy, w, h = values
                theirs = (
                    (cx - w / 2) * one.width,
                    (cy - h / 2) * one.height,
                    (cx + w / 2) * one.width,
                    (cy + h / 2) * one.height,
                )
                assert box.xyxy == pytest.approx(theirs)


def test_a_pipe_called_like_an_image_is_listed(tmp_path: Path) -> None:
    root = root_with(tmp_path, GOOD)
    os.mkfifo(tmp_path / "images/p.jpg")
    found = judge("yolo", root)
    assert codes(found) == {"image.not_a_file"} and [each.path.name for each in found.kept] == ["b.jpg"]


@pytest.mark.parametrize("place", ["ü" * 300, "a\\0b"])
@pytest.mark.parametrize("key", ["train", "path"])
def test_a_place_that_no_file_can_have(key: str, place: str, tmp_path: Path) -> None:
    yaml = f'{key}: "{place}"\nnames: [cat, dog]\n' + ("train: images\n" if key == "path" else "")
    root = root_with(tmp_path, GOOD, yaml)
    if key == "path":
        assert len(judge("yolo", root).kept) == 1
    else:
        with pytest.raises(StageError):
            judge("yolo", root)
