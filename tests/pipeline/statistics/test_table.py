"""The table fits a terminal of 80 columns, whatever the names and however many there are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.statistics.numbers import few_and_missing, numbers_of
from pipeline.statistics.suspicions import WORDS
from pipeline.statistics.table import CLASSES, WIDTH, duplicate_lines, left_out_lines, table

NAMES = [
    "a name of very many letters " * 9,
    "new\nline \u202e\x1b[31m",
    *(f"class {n}" for n in range(CLASSES + 7)),
]


class OneImage(SimpleNamespace):
    """What the numbers ask of a split: one image with 200,000 boxes, all of one size."""

    def __len__(self) -> int:
        return 1


def one_image() -> Any:
    many = 200_000
    return OneImage(
        classes=NAMES, objects=np.ones(many, bool), boxes_an_image=np.array([many]), image_of_box=np.zeros(many, int),
        arrays={
            "boxes_xyxy_px": np.tile(np.array([[0, 0, 60_000, 1]], np.float32), (many, 1)),
            "labels": np.ones(many, np.int64), "area": np.full(many, 6e4, np.float32),
            "widths": np.array([65_535]), "heights": np.array([65_535]),
        },
    )  # fmt: skip


def report(splits: list[str]) -> dict[str, Any]:
    numbers = {name: numbers_of(one_image()) for name in splits}
    row = {"split": "train", "image_id": 2**63 - 1, "annotation_id": "x" * 900, "file_name": "n\n" * 400}
    return {
        "splits": numbers,
        "classes": few_and_missing(numbers, 10**9),
        "suspicions": {kind: [row] * 5 for kind in WORDS if kind != "outside"},
        "outside": [row | {"annotation_id": {"odd": [1]}}] * 5,
    }


def test_no_line_is_wider_than_80_columns_and_nothing_of_a_name_is_a_command_to_the_terminal() -> None:
    for splits in (["train"], ["train", "val"], ["train", "val", "test"]):
        lines = table(report(splits))
        assert [line for line in lines if len(line) > WIDTH] == []
        assert all(line.isprintable() for line in lines)
        assert any("and 9 more classes" in line for line in lines)


def test_duplicates_and_what_is_left_out_fit_too() -> None:
    image = {"split": "train", "image_id": 2**63 - 1, "file_name": "f\x1b" * 300, "reason": "r\n" * 300}
    group = {"splits": ["train", "val"], "images": [image] * 90}
    found = {"near_bits": 4, "exact": [group] * 9, "near": [group], "plain": 3, "unreadable": [image]}
    lines = [*duplicate_lines(found), *left_out_lines(["a reason " * 40])]
    assert [line for line in lines if len(line) > WIDTH] == [] and all(line.isprintable() for line in lines)
    assert sum("warning: " in line for line in lines) == 2
