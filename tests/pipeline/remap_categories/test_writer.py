"""Every odd annotation file: refused by name with nothing published, or remapped with every loss on the list."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import whole
from pipeline.remap_categories import writer
from pipeline.remap_categories.stage import remap
from pipeline.remap_categories.writer import SplitCounts
from tests.pipeline.annotation_corpus import Odd, corpus, document
from vision.artefacts.data_layout import CATEGORY_MAP, LABELS, LISTING, original_path, remapped_path

CORPUS = corpus()
CASES = pytest.mark.parametrize("case", CORPUS, ids=[case.name for case in CORPUS])


def place(root: Path, data: bytes, split: str = "train") -> Path:
    """Makes ``data`` the published annotation file of ``split``."""
    path = root / original_path(split)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def listing(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / LISTING).read_text("utf-8").splitlines()]


def strict_json(path: Path) -> Any:
    """By the standard library: no key twice, no NaN."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(
        path.read_bytes().decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=pytest.fail
    )


def test_the_corpus_is_as_large_as_it_claims() -> None:
    assert len(CORPUS) >= 200
    assert sum(bool(case.refused) for case in CORPUS) >= 80


@CASES
def test_an_odd_file(case: Odd, tmp_path: Path) -> None:
    path = place(tmp_path, case.data)
    for name in (remapped_path("train"), LABELS, CATEGORY_MAP, LISTING):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("from before")
    before = tree(tmp_path)
    if case.refused:
        with pytest.raises(AnnotationError) as caught:
            remap(tmp_path, ("train",))
        message = str(caught.value)
        assert message.startswith(str(path)) and "\n" not in message and len(message) < 500
        for words in case.refused:
            assert words in message
        assert tree(tmp_path) == before
        return
    (counts,) = remap(tmp_path, ("train",))
    assert path.read_bytes() == case.data
    check_listed(case, counts, listing(tmp_path))
    check_complete(strict_json(path), strict_json(tmp_path / remapped_path("train")), listing(tmp_path))


def check_listed(case: Odd, counts: SplitCounts, rows: list[dict[str, Any]]) -> None:
    found: dict[str, list[tuple[str, Any, str]]] = {"dropped": [], "changed": [], "kept": []}
    for row in rows:
        found[row["action"]].append((row["kind"], row["id"], row["reason"]))
        assert row["split"] == "train" and row["detail"]
    assert [repr(line) for line in found["dropped"]] == [repr(line) for line in case.dropped]
    assert found["changed"] == list(case.changed)
    assert (counts.images_kept, counts.annotations_kept) == (case.images, case.annotations)
    assert counts.images_in == counts.images_kept + counts.images_dropped.total()
    assert counts.annotations_in == counts.annotations_kept + counts.annotations_dropped.total()


def check_complete(given: Any, made: Any, rows: list[dict[str, Any]]) -> None:
    """What the second JSON reader finds in the original is in the new file or on the list; and the rest is right."""
    lost = Counter((row["kind"], row["index"]) for row in rows if row["action"] == "dropped")
    assert max(lost.values(), default=1) == 1
    for kind, key in (("image", "images"), ("annotation", "annotations")):
        kept = [raw for index, raw in enumerate(given[key]) if (kind, index) not in lost]
        assert [raw["id"] for raw in kept] == [raw["id"] for raw in made[key]]
    names = {category["id"]: category["name"] for category in given["categories"]}
    labels = {category["id"]: category for category in made["categories"]}
    assert list(labels) == list(range(1, len(names) + 1))
    for category in given["categories"]:
        (here,) = (row for row in labels.values() if row["original_id"] == category["id"])
        assert {key: here[key] for key in category if key != "id"} == {
            k: v for k, v in category.items() if k != "id"
        }
    changed = {row["index"] for row in rows if row["action"] == "changed"}
    sizes = {image["id"]: (image["width"], image["height"]) for image in made["images"]}
    for raw in made["annotations"]:
        index, before = next((n, old) for n, old in enumerate(given["annotations"]) if old["id"] == raw["id"])
        assert labels[raw["category_id"]]["name"] == names[before["category_id"]]
        assert labels[raw["category_id"]]["original_id"] == before["category_id"]
        check_box_inside(raw, *sizes[raw["image_id"]])
        untouched = (
            set(before) - {"category_id", "iscrowd"} - ({"bbox", "area"} if index in changed else set())
        )
        assert {key: raw[key] for key in untouched} == {key: before[key] for key in untouched}
    for key in set(given) - {"images", "annotations", "categories"}:
        assert made[key] == given[key]
    assert [image for index, image in enumerate(given["images"]) if ("image", index) not in lost] == made[
        "images"
    ]


def check_box_inside(raw: dict[str, Any], width: int, height: int) -> None:
    x, y, w, h = raw["bbox"]
    assert x >= -0.011 and y >= -0.011 and x + w <= width + 0.0111 and y + h <= height + 0.0111
    assert w > 0 and h > 0 and math.isfinite(raw["area"]) and raw["area"] >= 0
    assert type(raw["iscrowd"]) is int


def test_whole_numbers_written_as_floats_are_the_same_numbers(tmp_path: Path) -> None:
    """As CVAT and others write them; a fraction is refused, see the corpus."""
    made: list[dict[str, bytes]] = []
    for number in (int, float):
        base = json.loads(document())
        for key, names in (
            ("images", ("id", "width", "height")),
            ("annotations", ("id", "image_id", "category_id", "iscrowd")),
            ("categories", ("id",)),
        ):
            for row in base[key]:
                row |= {name: number(row[name]) for name in names}
        root = tmp_path / number.__name__
        place(root, json.dumps(base).encode())
        remap(root, ("train",))
        made.append(tree(root))
    name = original_path("train")
    assert made[0].pop(name) != made[1].pop(name) and made[0] == made[1]


def test_lines_of_the_message_are_those_of_the_file(tmp_path: Path) -> None:
    """The 5,001st of 6,000 images, a line each, is broken: line 5,002."""
    images = [json.dumps({"id": n, "file_name": f"{n}.jpg", "width": 9, "height": 9}) for n in range(6000)]
    images[5000] = images[5000].replace(":", ";", 1)
    place(tmp_path, ('{"images": [\n' + ",\n".join(images) + "]}").encode())
    with pytest.raises(AnnotationError, match=r"line 5002, images\[5000\]"):
        remap(tmp_path, ("train",))


@pytest.mark.parametrize("kind", ["fifo", "folder", "link to a device"])
def test_what_is_no_file_never_blocks(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises((AnnotationError, OSError), match=r"regular|directory"):
        AnnotationFile(path)


IDS = st.one_of(st.integers(-1, 6), st.sampled_from([None, True, 1.0, "1", 2**63, 2**64, 10**30]))
SIDES = st.one_of(
    st.integers(-3, 12), st.floats(-2, 12), st.sampled_from([0, 1e-12, 1e308, 2**70, None, "1", True, []])
)
BOXES = st.one_of(st.lists(SIDES, min_size=4, max_size=4), st.lists(SIDES, max_size=5), SIDES)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS, "image_id": IDS, "category_id": IDS, "bbox": BOXES, "area": SIDES, "note": SIDES,
        "iscrowd": st.sampled_from([0, 1, True, 2, None]),
    },
)  # fmt: skip
GOOD = st.builds(
    lambda id_, image, box: {"id": id_, "image_id": image, "category_id": 1, "bbox": box},
    st.integers(0, 6), st.integers(0, 3), st.lists(st.floats(0.5, 9), min_size=4, max_size=4),
)  # fmt: skip
IMAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"id": IDS, "file_name": st.sampled_from(["a", "../a", "b/c"]), "width": SIDES, "height": SIDES}
        ),
        st.builds(lambda id_: {"id": id_, "file_name": "a", "width": 10, "height": 9}, st.integers(0, 4)),
        SIDES,
    ),
    max_size=4,
)


@given(images=IMAGES, annotations=st.lists(st.one_of(ENTRIES, GOOD, GOOD, SIDES), max_size=8))
@example([], [{"id": 1, "image_id": 9, "category_id": 5, "bbox": [1, 2, 3, 4], "iscrowd": 1}])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_lost_silently(images: list[Any], annotations: list[Any]) -> None:
    """Whatever the entries are: in = kept + dropped, every loss is on the list, and what is kept is sound."""
    for image in images:  # one file an image; what else there may be is refused as a whole
        if isinstance(image, dict) and image["file_name"] != "../a":
            image["file_name"] = f"{whole(image['id'])!r}.jpg"
    sound = {"id": 9, "file_name": "z.jpg", "width": 10, "height": 10}
    given = {
        "images": [*images, sound], "annotations": annotations,
        "categories": [{"id": 1, "name": "a"}, {"id": 5, "name": "b"}],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        place(root, json.dumps(given).encode())
        (counts,) = remap(root, ("train",))
        rows, made = listing(root), strict_json(root / remapped_path("train"))
        check_kept(given, made, rows)
        lost = Counter(row["kind"] for row in rows if row["action"] == "dropped")
    assert counts.images_in == len(given["images"]) == counts.images_kept + lost["image"]
    assert counts.annotations_in == len(annotations) == counts.annotations_kept + lost["annotation"]
    assert (counts.images_kept, counts.annotations_kept) == (len(made["images"]), len(made["annotations"]))
    assert counts.crowds == sum(raw["iscrowd"] for raw in made["annotations"])


def check_kept(given: Any, made: Any, rows: list[dict[str, Any]]) -> None:
    """By place in the file, since here ids may be anything."""
    lost = {(row["kind"], row["index"]) for row in rows if row["action"] == "dropped"}
    changed = {row["index"] for row in rows if row["action"] == "changed"}
    assert [raw for n, raw in enumerate(given["images"]) if ("image", n) not in lost] == made["images"]
    kept = [(n, raw) for n, raw in enumerate(given["annotations"]) if ("annotation", n) not in lost]
    sizes = {image["id"]: (image["width"], image["height"]) for image in made["images"]}
    for (index, before), raw in zip(kept, made["annotations"], strict=True):
        assert raw["category_id"] == {1: 1, 5: 2}[before["category_id"]]
        assert repr(raw["id"]) == repr(before["id"]) and raw["image_id"] == before["image_id"]
        assert raw.get("note") == before.get("note") and raw["iscrowd"] == int(before.get("iscrowd", 0))
        check_box_inside(raw, *sizes[raw["image_id"]])
        if index not in changed:
            assert raw["bbox"] == before["bbox"] and raw["area"] == before.get("area", raw["area"])
    for entries in (made["images"], made["annotations"]):
        assert len({entry["id"] for entry in entries}) == len(entries)


def test_an_annotation_that_stands_there_twice_is_kept_counted_and_listed(tmp_path: Path) -> None:
    """COCO's published numbers count it twice; a look at the list tells."""
    made = json.loads(document())
    made["annotations"] += [
        made["annotations"][1] | {"id": 50},
        made["annotations"][1] | {"id": 51, "bbox": [1, 2, 3, 4]},
    ]
    place(tmp_path, json.dumps(made).encode())
    (counts,) = remap(tmp_path, ("train",))
    assert counts.annotations_kept == 5 and counts.changed == {"repeated": 1}
    (row,) = listing(tmp_path)
    assert (row["action"], row["reason"], row["id"], row["image_id"]) == ("kept", "repeated", 50, 2)


def test_the_bar_moves_while_a_large_unknown_value_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    shown = MagicMock(n=0)
    shown.__enter__.return_value = shown

    def update(step: int) -> None:
        steps.append(step)
        shown.n += step

    shown.update = update
    monkeypatch.setattr(writer, "bar", lambda *_, **__: shown)
    made = json.loads(document()) | {"junk": [0] * 500_000}
    size = place(tmp_path, json.dumps(made).encode()).stat().st_size
    remap(tmp_path, ("train",))
    assert len(steps) > 4 and 1_500_000 <= sum(steps) <= size
