"""Numbers and suspicions against second computations in plain Python, out of the annotation files themselves."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.numbers import PERCENT, numbers_of
from pipeline.statistics.splits import Split
from pipeline.statistics.suspicions import EXTREME_ASPECT, SAME_IOU, THIN_PX, doubled, suspicions_of
from tests.pipeline.statistics.drawn_root import HEIGHT, WIDTH, Drawn
from vision.artefacts.data_layout import remapped_path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: boxes anywhere and of any shape, some of them crowds."""
    drawn = Drawn(seed=7, train=25, val=8)
    for split in ("train", "val"):
        for _ in range(60):
            image = int(drawn.draw.choice([row["id"] for row in drawn.splits[split]["images"]]))
            x, y = drawn.draw.uniform(0, WIDTH - 2), drawn.draw.uniform(0, HEIGHT - 2)
            box = (x, y, drawn.draw.uniform(0.3, WIDTH - x), drawn.draw.uniform(0.3, HEIGHT - y))
            drawn.box(
                split, image, str(drawn.draw.choice(["person", "kite"])), box, bool(drawn.draw.random() < 0.2)
            )
        for width, height in ((1, 1), (1, 40), (100, 0.5), (1.5, 31), (90, 4), (80, 4)):
            drawn.box(split, image, "cat", (20, 20, width, height))
    return drawn.write(tmp_path_factory.mktemp("numbers") / "root", images=False)


def quantile(values: list[float], percent: int) -> float:
    """Linear between the two nearest of the sorted values."""
    ordered = sorted(values)
    place = Fraction(percent, 100) * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * float(place - low)


@pytest.mark.parametrize("split", ["train", "val"])
def test_numbers_are_those_of_the_annotation_file(root: Path, split: str) -> None:
    document = json.loads((root / remapped_path(split)).read_text())
    rows, numbers = document["annotations"], numbers_of(Split(root, split))
    objects = [row for row in rows if not row["iscrowd"]]
    an_image = Counter(row["image_id"] for row in rows)
    assert numbers["images"] == len(document["images"]) and numbers["boxes"] == len(rows)
    assert numbers["objects"] == len(objects) and numbers["crowd_regions"] == len(rows) - len(objects) > 0
    assert numbers["images_without_boxes"] == len(document["images"]) - len(an_image)
    assert numbers["sizes"] == {
        "small": sum(row["area"] < 1024 for row in objects),
        "medium": sum(1024 <= row["area"] < 9216 for row in objects),
        "large": sum(row["area"] >= 9216 for row in objects),
    }
    assert numbers["image_sizes"] == [{"width": WIDTH, "height": HEIGHT, "images": len(document["images"])}]
    measures: dict[str, list[float]] = {
        "width_px": [row["bbox"][2] for row in objects],
        "height_px": [row["bbox"][3] for row in objects],
        "side_px": [math.sqrt(row["bbox"][2] * row["bbox"][3]) for row in objects],
        "share_of_image": [row["bbox"][2] * row["bbox"][3] / (WIDTH * HEIGHT) for row in objects],
        "aspect_ratio": [row["bbox"][2] / row["bbox"][3] for row in objects],
        "boxes_an_image": [an_image[image["id"]] for image in document["images"]],
        "image_width_px": [WIDTH] * len(document["images"]),
        "image_height_px": [HEIGHT] * len(document["images"]),
    }
    assert numbers["quantiles"].keys() == {"percent", *measures}
    for key, values in measures.items():
        expected = [quantile(values, percent) for percent in PERCENT]
        np.testing.assert_allclose(numbers["quantiles"][key], expected, rtol=2e-4, err_msg=key)


@pytest.mark.parametrize("split", ["train", "val"])
def test_classes_add_up_and_are_those_of_the_file(root: Path, split: str) -> None:
    document, numbers = json.loads((root / remapped_path(split)).read_text()), numbers_of(Split(root, split))
    for kind in ("objects", "crowd_regions"):
        assert sum(row[kind] for row in numbers["classes"]) == numbers[kind]
    for row in numbers["classes"]:
        own = [each for each in document["annotations"] if each["category_id"] == row["label"]]
        assert row["crowd_regions"] == sum(each["iscrowd"] for each in own)
        assert row["objects"] == len(own) - row["crowd_regions"]
        assert row["images"] == len({each["image_id"] for each in own})


def test_shapes_that_are_suspicious_are_those_of_the_file(root: Path) -> None:
    document, found = (
        json.loads((root / remapped_path("train")).read_text()),
        suspicions_of(Split(root, "train")),
    )
    sides = {row["id"]: sorted(row["bbox"][2:]) for row in document["annotations"] if not row["iscrowd"]}
    thin = {id_ for id_, (short, _) in sides.items() if short <= THIN_PX}
    extreme = {
        id_ for id_, (short, long) in sides.items() if short > THIN_PX and long > EXTREME_ASPECT * short
    }
    assert {row["annotation_id"] for row in found["one_pixel"]} == thin != set()
    assert {row["annotation_id"] for row in found["extreme_aspect"]} == extreme != set()


def split_of(boxes: np.ndarray, labels: list[int], first_box: list[int]) -> Any:
    """What ``doubled`` asks of a split."""
    return SimpleNamespace(
        objects=np.ones(len(boxes), bool),
        classes=["a", "b"],
        image_of_box=np.repeat(np.arange(len(first_box) - 1), np.diff(first_box)),
        arrays={"boxes_xyxy_px": boxes.astype(np.float32), "labels": np.array(labels, np.int64)},
    )


def overlap(one: list[float], other: list[float]) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (one, other)]
    return width * height / (sum(areas) - width * height) if sum(areas) else 0.0


SIDE = st.integers(0, 41).map(lambda value: value / 2 + 20)


@settings(max_examples=60)
@given(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE, st.integers(1, 2), st.integers(0, 1)), max_size=14))
def test_doubled_boxes_are_those_that_every_pair_shows(
    drawn: list[tuple[float, float, float, float, int, int]],
) -> None:
    rows = sorted(drawn, key=lambda row: row[5])
    boxes = np.array([[x, y, x + 2 * w, y + 2 * h] for x, y, w, h, _, _ in rows], np.float32).reshape(-1, 4)
    labels, images = [row[4] for row in rows], [row[5] for row in rows]
    order = sorted(range(len(rows)), key=lambda at: (images[at], labels[at], *boxes[at].tolist(), at))
    expected = {
        second
        for place, second in enumerate(order)
        for first in order[:place]
        if images[first] == images[second] and labels[first] == labels[second]
        and overlap(boxes[first].tolist(), boxes[second].tolist()) > SAME_IOU
    }  # fmt: skip
    found = doubled(split_of(boxes, labels, [0, images.count(0), len(rows)]))
    assert {second for _, second in found} == expected and len(found) == len(expected)
    assert all(overlap(boxes[a].tolist(), boxes[b].tolist()) > SAME_IOU for a, b in found)


def test_a_thousand_copies_are_named_once_each() -> None:
    boxes = np.tile(np.array([[5, 5, 50, 40]], np.float32), (1000, 1))
    found = doubled(split_of(boxes, [1] * 1000, [0, 1000]))
    assert sorted(second for _, second in found) == list(range(1, 1000))
