"""Odd annotation files made by code, each with what has to become of it.

Refused (``refused``: what the message must hold), or taken: ``dropped`` and ``changed`` are the listing's lines, in order.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

Line = tuple[str, Any, str]
REMOVED = object()
WIDTH, HEIGHT = 640, 480


class Odd(NamedTuple):
    """``refused`` empty: taken. ``images`` and ``annotations``: how many are kept then."""

    name: str
    data: bytes
    refused: tuple[str, ...] = ()
    dropped: tuple[Line, ...] = ()
    changed: tuple[Line, ...] = ()
    images: int = 3
    annotations: int = 3


BASE: dict[str, Any] = {
    "info": {"description": "a small file"},
    "images": [
        {"id": n, "file_name": f"{n:012d}.jpg", "width": WIDTH, "height": HEIGHT} for n in (1, 2, 3)
    ],
    "annotations": [
        {
            "id": 10 + n, "image_id": n, "category_id": category, "bbox": [10.5, 20, 30, 40.25], "area": 700.5,
            "iscrowd": 0, "segmentation": [[10.5, 20, 40.5, 20, 40.5, 60.25]],
        }
        for n, category in ((1, 1), (2, 24), (3, 2))
    ],
    "categories": [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 2, "name": "bicycle", "supercategory": "vehicle"},
        {"id": 24, "name": "zebra", "supercategory": "animal"},
    ],
}  # fmt: skip
IMAGE = {"id": 4, "file_name": "four.jpg", "width": WIDTH, "height": HEIGHT}
ANNOTATION = BASE["annotations"][0] | {"id": 14, "category_id": 24}


def document(change: Callable[[dict[str, Any]], object] = lambda made: None) -> bytes:
    """The base file after ``change``, a line for each of its parts."""
    change(made := deepcopy(BASE))
    return json.dumps(made, indent=1).encode()


def replaced(old: bytes, new: bytes) -> bytes:
    """The base file with the first ``old`` replaced."""
    text = document()
    assert old in text
    return text.replace(old, new, 1)


def with_fields(base: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**base, **fields}.items() if value is not REMOVED}


@cache
def corpus() -> list[Odd]:
    """All cases; names are unique."""
    cases = [
        *_no_json(), *_not_strict(), *_cut(), *_wrong_shape(), *_bad_categories(),
        *_bad_images(), *_bad_annotations(), *_bad_boxes(), *_changed(), *_odd_but_fine(),
    ]  # fmt: skip
    assert len({case.name for case in cases}) == len(cases)
    return cases


def _no_json() -> Iterator[Odd]:
    text = document().decode()
    for name, data, words in (
        ("empty", b"", ("line 1", "empty")),
        ("blanks", b" \n\t" * 5, ("empty",)),
        ("many blanks", b"\n" * 9000, ("blanks",)),
        ("zeros", bytes(4096), ("UTF-16",)),
        ("two byte order marks", "\ufeff".encode() + text.encode("utf-8-sig"), ("expected an object",)),
        ("zeros in the middle", replaced(b"000000000001.jpg", bytes(16)), ("images[0]", "control character")),
        ("utf-16 with mark", text.encode("utf-16"), ("UTF-16",)),
        ("utf-16 without mark", text.encode("utf-16-le"), ("UTF-16",)),
        ("utf-32", text.encode("utf-32-be"), ("UTF-16, UTF-32",)),
        ("html", b"<!doctype html><html>not found</html>", ("expected an object", "<!doctype")),
        ("gzip", gzip.compress(text.encode(), mtime=0), ("line 1",)),
        ("git lfs pointer", b"version https://git-lfs.github.com/spec/v1\n", ("expected an object",)),
        ("list on top", json.dumps(BASE["images"]).encode(), ("expected an object",)),
        ("text on top", b'"images"', ("expected an object",)),
        ("null on top", b"null", ("expected an object",)),
        ("two documents", text.encode() * 2, ("something follows",)),
        ("something behind it", text.encode() + b"\n;", ("something follows", "line 114")),
        ("random bytes", bytes(range(1, 256)), ("line 1",)),
    ):
        yield Odd(name, data, words)


def _not_strict() -> Iterator[Odd]:
    box, area = b"10.5,\n    20", b'"area": 700.5'
    for name, data, words in (
        ("NaN in a box", replaced(box, b"NaN,\n    20"), ("annotations[0]", "NaN", "line 31")),
        ("Infinity in a box", replaced(box, b"Infinity,\n 20"), ("annotations[0]", "Infinity")),
        ("-Infinity in a box", replaced(box, b"-Infinity,\n 20"), ("annotations[0]", "-Infinity")),
        ("1e400", replaced(area, b'"area": 1e400'), ("annotations[0]", "infinity")),
        ("10**400", replaced(area, b'"area": 1' + b"0" * 400), ("annotations[0]", "infinity")),
        ("10**9999 as an id", replaced(b'"id": 11', b'"id": 1' + b"0" * 9999), ("annotations[0]", "infinity")),
        ("key twice on top", replaced(b'"info": {', b'"images": [], "info": {'), ('"images" comes twice',)),
        ("key twice in an image", replaced(b'"id": 2,', b'"id": 2, "id": 2,'), ("images[1]", '"id" comes twice')),
        ("key twice in an annotation", replaced(area, area + b", " + area), ("annotations[0]", '"area" comes twice')),
        ("key twice, once escaped", replaced(area, area + b', "\\u0061rea": 1'), ("annotations[0]", "comes twice")),
        ("key twice in a category", replaced(b'"name": "zebra"', b'"name": "zebra", "name": "cat"'), ("comes twice",)),
        ("key twice deep inside", replaced(b'"info": {', b'"info": {"a": [{"b": 1, "b": 2}],'), ('"b" comes twice',)),
        ("lists nested deeply", replaced(area, b'"area": ' + b"[" * 90 + b"]" * 90), ("annotations[0]", "deeper than 64")),
        ("lists nested very deeply", replaced(area, b'"area": ' + b"[" * 200_000 + b"]" * 200_000), ("annotations[0]", "deep")),
        ("objects nested deeply", replaced(b'"info": {', b'"x": ' + b'{"x":' * 90 + b"1" + b"}" * 90 + b', "info": {'), ("x", "deeper than 64")),
        ("brackets without an end", b'{"images":' + b"[" * 100_000, ("images", "deeper")),
        ("comma too many in a list", replaced(b'\n  }\n ],\n "annotations"', b'\n  },\n ],\n "annotations"'), ("images[3]",)),
        ("comma too many in an object", replaced(area, area + b",,"), ("annotations[0]",)),
        ("comma missing", replaced(b'},\n  {\n   "id": 2', b'}\n  {\n   "id": 2'), ("images[0]", "a comma")),
        ("colon missing", replaced(b'"images":', b'"images"'), ("a colon",)),
        ("single quotes", document().replace(b'"', b"'"), ("double quotes",)),
        ("a comment", replaced(b'"info"', b"/* COCO */ \"info\""), ("double quotes",)),
        ("key without quotes", replaced(b'"images"', b"images"), ("double quotes",)),
        ("key of 300 bytes", replaced(b'"info"', b'"' + b"i" * 300 + b'"'), ("256 bytes",)),
        ("number with a leading zero", replaced(area, b'"area": 0700'), ("annotations[0]", "leading zero")),
        ("hexadecimal number", replaced(area, b'"area": 0x10'), ("annotations[0]",)),
        ("number with a plus", replaced(area, b'"area": +7'), ("annotations[0]",)),
        ("number without its digits", replaced(area, b'"area": 7.'), ("annotations[0]",)),
        ("True of Python", replaced(area, b'"area": True'), ("annotations[0]",)),
        ("wrong utf-8", replaced(b"person", b"pers\xff\xfe"), ("categories[0]", "UTF-8")),
        ("lone surrogate", replaced(b'"name": "person"', b'"name": "\\ud800"'), ("categories[0]", "surrogate")),
        ("line break in a text", replaced(b'"name": "person"', b'"name": "per\nson"'), ("categories[0]", "control character")),
        ("unknown escape", replaced(b'"name": "person"', b'"name": "\\x41"'), ("categories[0]", "escape")),
        ("an image of 17 MiB", replaced(b'"width"', b'"note": "' + b"x" * (17 << 20) + b'", "width"'), ("images[0]", "16 MiB")),
    ):  # fmt: skip
        yield Odd(name, data, words)


def _cut() -> Iterator[Odd]:
    """The file ends too early, at places of all kinds."""
    text = document()
    for name, before in (
        ("cut behind the first bracket", b'"info"'),
        ("cut in a key", b'fo"'),
        ("cut behind a colon", b' {\n  "description"'),
        ("cut in a text", b"small file"),
        ("cut in an image", b'"width"'),
        ("cut between two images", b'  {\n   "id": 2'),
        ("cut in a number", b"0.5,"),
        ("cut in an outline", b"20,\n     40.5"),
        ("cut before annotations", b'"annotations"'),
        ("cut before categories", b'"categories"'),
        ("cut in the last category", b'"animal"'),
    ):
        assert before in text, before
        yield Odd(name, text[: text.index(before)], ("line ", "byte "))
    yield Odd("cut before the last bracket", text[:-2], ("the file ends",))
    yield Odd("last bytes lost to zeros", text[:-300] + bytes(300), ("line ",))


def _wrong_shape() -> Iterator[Odd]:
    def without(key: str) -> Callable[[dict[str, Any]], object]:
        return lambda made: made.pop(key)

    def having(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
        return lambda made: made.update({key: value})

    yield Odd("empty object", b"{}", ("missing",))
    for key in ("images", "annotations", "categories"):
        yield Odd(f"{key} missing", document(without(key)), (f'"{key}" is missing',))
        yield Odd(f"{key} null", document(having(key, None)), (key, "expected a list"))
        yield Odd(f"{key} an object", document(having(key, {"1": {}})), (key, "expected a list"))
    yield Odd("images a text", document(having("images", "[]")), ("images", "expected a list"))
    yield Odd(
        "no image can be used",
        document(having("images", [{"id": n} for n in range(3)])),
        ("no image of 3 can be used",),
    )


def _bad_categories() -> Iterator[Odd]:
    def with_category(**fields: Any) -> bytes:
        return document(lambda made: made["categories"].append(with_fields({"id": 5, "name": "cat"}, fields)))

    for name, fields, words in (
        ("category id twice", {"id": 1}, ("categories[3].id", "1 comes twice")),
        ("category name twice", {"name": "zebra"}, ("categories[3].name", "'zebra' comes twice")),
        ("category without id", {"id": REMOVED}, ("categories[3].id", "missing")),
        ("category id null", {"id": None}, ("categories[3].id", "null")),
        ("category id a fraction", {"id": 5.5}, ("categories[3].id", "5.5")),
        ("category id a bool", {"id": True}, ("categories[3].id", "True")),
        ("category id a text", {"id": "5"}, ("categories[3].id", "'5'")),
        ("category id negative", {"id": -1}, ("categories[3].id", "-1")),
        ("category id of 70 bits", {"id": 2**70}, ("categories[3].id", "out of range")),
        ("category without name", {"name": REMOVED}, ("categories[3].name", "missing")),
        ("category name a number", {"name": 7}, ("categories[3].name", "int")),
        ("category name empty", {"name": ""}, ("categories[3].name",)),
        ("category name of two lines", {"name": "cat\ndog"}, ("categories[3].name", "labels.txt")),
        ("category name with blanks", {"name": " cat"}, ("categories[3].name", "labels.txt")),
        ("category called BACKGROUND", {"name": "background"}, ("categories[3].name", "line 0")),
        ("category name of 300 bytes", {"name": "c" * 300}, ("categories[3].name", "200 bytes")),
    ):
        yield Odd(name, with_category(**fields), words)
    yield Odd(
        "no categories",
        document(lambda made: made["categories"].clear()),
        ("categories", "empty"),
    )
    yield Odd(
        "category is no object",
        document(lambda made: made["categories"].append("cat")),
        ("categories[3]", "object"),
    )


def _bad_images() -> Iterator[Odd]:
    """A fourth image that cannot be used, and an annotation that lies in it."""

    def add(made: dict[str, Any], image: Any, image_id: Any) -> None:
        made["images"].append(image)
        made["annotations"].append(ANNOTATION | {"image_id": image_id})

    for fields, reason in (
        ({"id": REMOVED}, "bad_id"), ({"id": None}, "bad_id"), ({"id": 4.5}, "bad_id"), ({"id": True}, "bad_id"),
        ({"id": 2.0**54}, "bad_id"), ({"id": "4"}, "bad_id"), ({"id": -4}, "bad_id"), ({"id": 2**63}, "bad_id"), ({"id": 2**70}, "bad_id"),
        ({"file_name": REMOVED}, "bad_file_name"), ({"file_name": None}, "bad_file_name"),
        ({"file_name": ""}, "bad_file_name"), ({"file_name": 4}, "bad_file_name"),
        ({"file_name": "../four.jpg"}, "bad_file_name"), ({"file_name": "a/../../four.jpg"}, "bad_file_name"),
        ({"file_name": "/etc/passwd"}, "bad_file_name"), ({"file_name": "C:\\four.jpg"}, "bad_file_name"),
        ({"file_name": "..\\four.jpg"}, "bad_file_name"), ({"file_name": "four.jpg\0.png"}, "bad_file_name"),
        ({"file_name": "http://host/four.jpg"}, "bad_file_name"), ({"file_name": "file:///etc/passwd"}, "bad_file_name"),
        ({"file_name": "a//four.jpg"}, "bad_file_name"), ({"file_name": "."}, "bad_file_name"),
        ({"file_name": "four\n.jpg"}, "bad_file_name"), ({"file_name": "f" * 2000}, "bad_file_name"),
        ({"width": 0}, "bad_size"), ({"width": -640}, "bad_size"), ({"width": 640.5}, "bad_size"),
        ({"width": REMOVED}, "bad_size"), ({"width": None}, "bad_size"), ({"height": "480"}, "bad_size"),
        ({"height": True}, "bad_size"), ({"height": 10**9}, "bad_size"),
    ):  # fmt: skip
        image = with_fields(IMAGE, fields)
        id_ = image.get("id")
        own = type(id_) is int and 0 <= id_ < 2**63
        after: Line = ("annotation", 14, "image_dropped" if own else "unknown_image")
        yield Odd(
            f"image with {_short(fields)}",
            document(lambda made, image=image: add(made, image, 4)),
            dropped=(("image", id_, reason), after),
        )
    for value in (None, 7, "four.jpg", [IMAGE]):
        yield Odd(
            f"image is {json.dumps(value)[:9]}",
            document(lambda made, value=value: made["images"].append(value)),
            dropped=(("image", None, "not_an_object"),),
        )
    yield Odd(
        "image id twice",
        document(lambda made: made["images"].append(made["images"][1])),
        dropped=(("image", 2, "duplicate_id"),),
    )


def _with_annotation(name: str, reason: str, fields: dict[str, Any]) -> Odd:
    annotation = with_fields(ANNOTATION, fields)
    return Odd(
        name,
        document(lambda made: made["annotations"].append(annotation)),
        dropped=(("annotation", annotation.get("id"), reason),),
    )


def _bad_annotations() -> Iterator[Odd]:
    for fields, reason in (
        ({"id": REMOVED}, "bad_id"), ({"id": None}, "bad_id"), ({"id": 14.5}, "bad_id"), ({"id": True}, "bad_id"),
        ({"id": "14"}, "bad_id"), ({"id": -14}, "bad_id"), ({"id": 2**64}, "bad_id"), ({"id": 11}, "duplicate_id"),
        ({"image_id": REMOVED}, "bad_image_id"), ({"image_id": None}, "bad_image_id"),
        ({"image_id": 1.5}, "bad_image_id"), ({"image_id": "1"}, "bad_image_id"), ({"image_id": True}, "bad_image_id"),
        ({"image_id": 99}, "unknown_image"),
        ({"category_id": REMOVED}, "bad_category_id"), ({"category_id": None}, "bad_category_id"),
        ({"category_id": 1.5}, "bad_category_id"), ({"category_id": True}, "bad_category_id"),
        ({"category_id": "person"}, "bad_category_id"), ({"category_id": 3}, "unknown_category"),
        ({"category_id": 0}, "unknown_category"), ({"category_id": 2**63 - 1}, "unknown_category"),
        ({"iscrowd": 2}, "bad_iscrowd"), ({"iscrowd": None}, "bad_iscrowd"), ({"iscrowd": "0"}, "bad_iscrowd"),
        ({"iscrowd": 0.5}, "bad_iscrowd"), ({"iscrowd": [1]}, "bad_iscrowd"),
    ):  # fmt: skip
        yield _with_annotation(f"annotation with {_short(fields)}", reason, fields)
    for value in (None, 7, "a", []):
        yield Odd(
            f"annotation is {json.dumps(value)}",
            document(lambda made, value=value: made["annotations"].append(value)),
            dropped=(("annotation", None, "not_an_object"),),
        )


def _bad_boxes() -> Iterator[Odd]:
    for box, reason in (
        (REMOVED, "bad_box"), (None, "bad_box"), ("10,20,30,40", "bad_box"), ({"x": 1}, "bad_box"), ([], "bad_box"),
        ([10, 20, 30], "bad_box"), ([10, 20, 30, 40, 50], "bad_box"), ([10, 20, 30, "40"], "bad_box"),
        ([10, 20, 30, None], "bad_box"), ([10, 20, True, 40], "bad_box"), ([[10, 20, 30, 40]], "bad_box"),
        ([1e308, 20, 30, 40], "bad_box"), ([10, 20, 1e308, 40], "bad_box"), ([10, 20, 10**18, 40], "bad_box"),
        ([10, 20, 0, 40], "empty_box"), ([10, 20, 30, 0.0], "empty_box"), ([10, 20, 1e-9, 40], "empty_box"),
        ([639.99, 20, 1e-6, 40], "empty_box"), ([10, 20, -30, 40], "negative_box"), ([10, 20, 30, -0.5], "negative_box"),
        ([640, 20, 30, 40], "box_outside"), ([10, 480, 30, 40], "box_outside"), ([-30, 20, 30, 40], "box_outside"),
        ([10, -50, 30, 40], "box_outside"), ([9000, 9000, 3, 4], "box_outside"),
    ):  # fmt: skip
        yield _with_annotation(f"box {_short({'bbox': box})}", reason, {"bbox": box})


def _changed() -> Iterator[Odd]:
    for fields in (
        {"bbox": [-5, 20, 30, 40]}, {"bbox": [10, -0.5, 30, 40]}, {"bbox": [630, 20, 30, 40]},
        {"bbox": [10, 470, 30, 40]}, {"bbox": [-5, -5, 1000, 1000]}, {"bbox": [0, 0, 640.02, 480]},
    ):  # fmt: skip
        yield Odd(
            f"clipped {_short(fields)}",
            document(lambda made, fields=fields: made["annotations"].append(with_fields(ANNOTATION, fields))),
            changed=(("annotation", 14, "box_clipped"),),
            annotations=4,
        )
    for area in (None, "700", -1, 1e200, True, [700]):
        yield Odd(
            f"area {json.dumps(area)}",
            document(lambda made, area=area: made["annotations"].append(ANNOTATION | {"area": area})),
            changed=(("annotation", 14, "area_replaced"),),
            annotations=4,
        )


def _odd_but_fine() -> Iterator[Odd]:
    def backwards(made: dict[str, Any]) -> None:
        turned = dict(reversed(made.items()))
        made.clear()
        made.update(turned)

    def dense(made: dict[str, Any]) -> None:
        made["categories"][2]["id"] = made["annotations"][1]["category_id"] = 3

    def one_more(**fields: Any) -> bytes:
        return document(lambda made: made["annotations"].append(with_fields(ANNOTATION, fields)))

    def extra(made: dict[str, Any]) -> None:
        made["images"][0]["attributes"] = {"hash": 2**80 + 1, "small": 5e-324, "text": 'a "quoted" }{ one'}
        made["notes"] = [{"a": 1}, None, "x", 2.5, [[]]]

    for name, data in (
        ("plain", document()),
        ("sections in another order", document(backwards)),
        ("dense ids", document(dense)),
        ("a byte order mark", document().decode().encode("utf-8-sig")),
        ("no blanks", json.dumps(BASE, separators=(",", ":")).encode()),
        ("many blanks inside", document().replace(b",\n", b"\t,\r\n\r\n")),
        ("blanks before and after", b"\n\n " + document() + b"\n \n"),
        ("escaped keys", document().replace(b'"id"', b'"\\u0069d"')),
        (
            "categories with more",
            document(lambda made: made["categories"][0].update(keypoints=["nose"], skeleton=[[1, 2]])),
        ),
        ("no info", document(lambda made: made.pop("info"))),
        ("keys of its own, whole numbers of any size", document(extra)),
        ("names of all scripts", replaced(b"000000000001.jpg", "снимок 貓 é.jpg".encode())),
        ("names in folders", replaced(b"000000000001.jpg", b"a/b.c/000000000001.jpg")),
        ("a text of 1 MiB", replaced(b'"a small file"', b'"' + b"x" * (1 << 20) + b'"')),
        ("60 levels", replaced(b'"a small file"', b"[" * 57 + b"]" * 57)),
        ("supercategory missing", replaced(b',\n   "supercategory": "animal"', b"")),
        (
            "other categories, deeper and later",
            document(lambda made: made.update(x={"categories": BASE["categories"][:1]})),
        ),
        ("other categories, deeper and odd", document(lambda made: made.update(x={"categories": [None]}))),
        ("no categories where a text says so", document(lambda made: made.update(x='"categories": [{}]'))),
        ("id 0", document(lambda made: made["annotations"][0].update(id=0))),
        ("largest id", document(lambda made: made["annotations"][0].update(id=2**63 - 1))),
    ):
        yield Odd(name, data)
    yield Odd("no annotations", document(lambda made: made["annotations"].clear()), annotations=0)
    for name, fields in (
        ("without area", {"area": REMOVED}),
        ("without iscrowd", {"iscrowd": REMOVED}),
        ("iscrowd true", {"iscrowd": True}),
        ("without outline", {"segmentation": REMOVED}),
        ("with run lengths", {"iscrowd": 1, "segmentation": {"counts": [5, 3], "size": [2, 4]}}),
        ("with packed run lengths", {"segmentation": {"counts": '1}2\\"{', "size": [2, 4]}}),
        ("box of the whole image", {"bbox": [0, 0, WIDTH, HEIGHT]}),
        ("box over the edge by rounding", {"bbox": [600.01, 20, 40, 40]}),
    ):
        yield Odd(name, one_more(**fields), annotations=4)


def _short(fields: dict[str, Any]) -> str:
    ((key, value),) = fields.items()
    if value is REMOVED:
        return f"no {key}"
    shown = str(value) if type(value) is int and value > 2**60 else json.dumps(value)
    return f"{key} {shown}"[:50]
