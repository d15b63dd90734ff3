"""Images selected by class and area: against a second implementation, in any order of the file, by every command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.image_check.verdicts import read_verdicts
from pipeline.remap_categories import __main__ as command
from pipeline.remap_categories.stage import remap
from tests.pipeline.annotation_root import NAMES, REJECTED, make_root
from tests.pipeline.remap_categories.test_own_file import arguments, load, own
from tests.printed import ODD, Printed, main_of
from vision.artefacts.data_layout import IMAGE_REPORT, LISTING, original_path, remapped_path

SPLITS = ("train", "val")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "data", val=60)


def expected(document: dict[str, Any], names: set[str], low: float, high: float) -> tuple[set[int], set[int]]:
    """Ids of images and of annotations that are kept, straight from the statement."""
    chosen = {id_ for id_, name in NAMES.items() if name in names}
    of_class = [row for row in document["annotations"] if row["category_id"] in chosen]
    images = {
        row["image_id"]
        for row in of_class
        if low <= row["area"] <= high and not row["iscrowd"] and row["image_id"] % REJECTED
    }
    return images, {row["id"] for row in of_class if row["image_id"] in images}


@pytest.mark.parametrize("order", [1, -1])  # -1: annotations before images, which takes the other way through
@pytest.mark.parametrize(("low", "high"), [(5000, 9000), (0, 3000), (15_000, math.inf), (0, math.inf)])
def test_images_are_selected_by_an_object_and_keep_all_boxes_of_the_classes(
    root: Path, low: float, high: float, order: int
) -> None:
    for split in SPLITS:
        path = root / original_path(split)
        path.write_text(json.dumps(dict(list(json.loads(path.read_text()).items())[::order])))
    verdicts = read_verdicts(root / IMAGE_REPORT, SPLITS)
    results = remap(root, SPLITS, ["person", "cat"], verdicts, areas=(low, high))
    listed = [json.loads(line) for line in (root / LISTING).read_text().splitlines()]
    for split, counts in zip(SPLITS, results, strict=True):
        given, made = load(root / original_path(split)), load(root / remapped_path(split))
        images, annotations = expected(given, {"person", "cat"}, low, high)
        assert {row["id"] for row in made["images"]} == images and images
        assert {row["id"] for row in made["annotations"]} == annotations
        assert counts.images_in == counts.images_kept + counts.images_dropped.total()
        assert counts.annotations_in == counts.annotations_kept + counts.annotations_dropped.total()
        rows = [row for row in listed if row["split"] == split and row["reason"] == "no_object_in_range"]
        assert len(rows) == counts.images_dropped["no_object_in_range"] > 0
    outside = [row for row in made["annotations"] if not low <= row["area"] <= high]
    assert outside or high == math.inf, "boxes beyond the range stay in a selected image"


def test_without_areas_images_without_objects_stay(root: Path) -> None:
    (train, _) = remap(root, SPLITS, ["person"])
    assert train.images_kept == train.images_in and not train.images_dropped


def test_bounds_are_inclusive_and_a_box_that_is_dropped_selects_nothing(tmp_path: Path) -> None:
    box = {"category_id": 90, "bbox": [1, 2, 30, 40]}
    rows = [
        {"id": 1, "image_id": 0, **box, "area": 100.0},
        {"id": 2, "image_id": 1, **box, "area": 100.0, "bbox": [1, 2, 0, 0]},  # it has no area
    ]
    words = own(tmp_path, annotations=rows)
    for low, high in (("100", "none"), ("none", "100.0"), ("100", "100")):
        assert command.main([*words, "--min-area", low, "--max-area", high]) == 0
        assert [row["id"] for row in load(tmp_path / "made.json")["images"]] == [0]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--min-area", "1e6"], 1, "no image has an object of person, car, toothbrush with an area from 1000000 px² on"),
        (["--min-area", "5", "--max-area", "4"], 2, "min_area 5.0 and max_area 4.0: expected 0 ≤ min ≤ max"),
        (["--min-area", "-5"], 2, "expected square pixels from 0 on, or the word none, found '-5'"),
        (["--max-area", "nan"], 2, "expected square pixels from 0 on, or the word none, found 'nan'"),
        (["--max-area", "large"], 2, "expected a number, found 'large', or the word none"),
    ],
)  # fmt: skip
def test_what_selects_nothing_or_is_no_area_is_refused(
    words: list[str], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own(tmp_path)
    try:
        found = command.main(arguments(tmp_path, *words))
    except SystemExit as end:
        found = int(str(end.code))
    assert found == status and said in capsys.readouterr().err
    assert not (tmp_path / "made.json").exists()


@pytest.mark.parametrize("classes", ["person", "prson"])
def test_the_printed_command_has_no_bound_that_excludes_all(
    classes: str, tmp_path: Path, own_root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classes that are there stay chosen: of a data root, and of a file of one's own."""
    root = own_root.rename(own_root.with_name(ODD))
    run, site = main_of("pipeline"), "pipeline/remap_categories/stage.py:_run"
    assert run(["run", "--root", str(root), "--workers", "1", "--classes", classes, "--min-area", "1e9"]) == 1
    line = printed(capsys.readouterr().err, site, "--workers", 1)
    known = ["person"] if classes == "person" else None
    assert line.endswith(f"--classes {classes if known else 'all'} --min-area none --max-area none")
    assert len(load(root / remapped_path("val"))["categories"]) == (1 if known else 80)

    words = own(tmp_path / ODD / "own")
    assert command.main([*words, "--classes", classes, "--min-area", "1e9", "--accept-missing"]) == 1
    line = printed(capsys.readouterr().err, "pipeline/remap_categories/own_file.py:FileRemap.again")
    assert ("--classes" in line, "--min-area" in line) == (bool(known), False)
    assert len(load(tmp_path / ODD / "own/made.json")["images"]) == 2
