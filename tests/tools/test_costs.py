"""What a data run takes, against the pipeline's own table and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.release import COCO_2017 as RELEASE
from tools import costs
from tools.costs import COCO_2017, data_cost, missing_bytes, needed_files, read_splits, read_table
from vision.artefacts import data_layout

SMALL = {"zips/train2017.zip": 1000, "zips/val2017.zip": 100, "annotations/annotations_trainval2017.zip": 10}


def test_sizes_are_those_of_the_pipeline() -> None:
    assert {file.path: file.bytes for file in RELEASE.files} == COCO_2017


@pytest.mark.parametrize(
    "splits", [("train",), ("val",), ("train", "val"), ("test",), ("train", "val", "test")]
)
def test_files_are_those_that_the_pipeline_fetches(splits: tuple[str, ...]) -> None:
    assert set(needed_files(COCO_2017, splits)) == {file.path for file in RELEASE.needed(splits)}


def test_cost_of_a_small_release_by_hand() -> None:
    cost = data_cost(SMALL, ("train", "val"))
    assert (cost.fetch, cost.disk) == (1110, 1110 + 1100 + 10 * costs.ANNOTATION_GROWTH)


def test_what_is_there_already_is_taken_off(tmp_path: Path) -> None:
    everything = data_cost(SMALL, ("train", "val")).disk
    assert missing_bytes(SMALL, ("train", "val"), tmp_path / "nothing") == everything
    (tmp_path / "archives/zips").mkdir(parents=True)
    (tmp_path / "archives/zips/train2017.zip.part").write_bytes(b"x" * 400)
    assert missing_bytes(SMALL, ("train", "val"), tmp_path) == everything - 400
    (tmp_path / "archives/zips/train2017.zip").write_bytes(b"x" * 1000)
    (tmp_path / "train2017").mkdir()
    assert missing_bytes(SMALL, ("train", "val"), tmp_path) == everything - 2000


def test_tables_are_read_from_a_release_and_from_the_choices_of_a_root(tmp_path: Path) -> None:
    files = [{"path": "zips/val2017.zip", "bytes": 7, "sha256": "…"}]
    release, choices = tmp_path / "release.json", tmp_path / "choices.json"
    release.write_text(json.dumps({"name": "x", "files": files}))
    choices.write_text(json.dumps({"splits": ["val"], "release": {"name": "x", "files": files}}))
    assert read_table(release) == read_table(choices) == {"zips/val2017.zip": 7}
    assert read_splits(choices) == ("val",)
    assert read_splits(tmp_path / "none.json") == ("train", "val")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": [{"path": "a"}]}', "not JSON"])
def test_a_damaged_table_costs_nothing_and_is_left_to_the_pipeline(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text)
    assert read_table(tmp_path / "release.json") == {}


def test_choices_are_where_the_pipeline_puts_them(tmp_path: Path) -> None:
    from pipeline.data_root import saved_options as choices
    from pipeline.stage import Choices, Settings

    (tmp_path / ".pipeline").mkdir()
    choices.write(Settings(tmp_path, Choices(("val",))))
    assert read_splits(tmp_path / data_layout.CHOICES) == ("val",)
    assert read_table(tmp_path / data_layout.CHOICES) == COCO_2017
