"""What there is to check: all of the annotation file, read once, and left when asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.stage import Choices, Interrupted, Settings, StageContext, StageError
from pipeline.stop import Stop
from pipeline.validate_images import table as image_table
from pipeline.validate_images.table import survey_split


def root_with(tmp_path: Path, text: str) -> Path:
    for folder in ("annotations", "val2017"):
        (tmp_path / folder).mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text(text)
    return tmp_path


IMAGES = [{"id": n, "file_name": f"{n}.jpg", "width": 4, "height": 3} for n in range(5)]


@pytest.mark.parametrize("first", ["images", "annotations"])
def test_images_in_their_order_wherever_they_stand_then_strays_by_name(tmp_path: Path, first: str) -> None:
    parts: dict[str, Any] = {"images": IMAGES, "annotations": [{"id": 1}], "categories": []}
    order = {first: parts[first]} | parts | {"info": {"x": 1}}
    root = root_with(tmp_path, json.dumps(order))
    for name in ("b.jpg", "a.jpg", "3.jpg"):
        (root / "val2017" / name).touch()
    found = survey_split(root, "val")
    assert [(entry.image_id, entry.file_name) for entry in found] == [
        *((n, f"{n}.jpg") for n in range(5)), (None, "a.jpg"), (None, "b.jpg"),
    ]  # fmt: skip
    assert [entry.job is None for entry in found] == [False] * 5 + [True] * 2


def test_whole_numbers_written_as_floats_are_what_they_are(tmp_path: Path) -> None:
    floats = [{**image, "id": float(n), "width": 4.0, "height": 3.0} for n, image in enumerate(IMAGES)]
    found = survey_split(root_with(tmp_path, json.dumps({"images": floats})), "val")
    assert [(repr(entry.image_id), entry.job and entry.job.expected_hw) for entry in found] == [
        (str(n), (3, 4)) for n in range(5)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"annotations": [], "categories": []}', 'the key "images" is missing'),
        ('{"images": {}, "annotations": []}', "expected a list"),
        ('{"images": [], "annotations": [1, 2}', "line 1"),
        ('{"images": []} x', "something follows"),
    ],
)
def test_what_is_no_annotation_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StageError, match=message):
        survey_split(root_with(tmp_path, text), "val")


@pytest.mark.parametrize("at", [1, 2, 3])
def test_it_can_be_left_in_every_part_of_the_file(tmp_path: Path, at: int) -> None:
    root = root_with(tmp_path, json.dumps({"images": IMAGES, "annotations": [0] * 5, "categories": [0]}))
    asked: list[int] = []

    def told() -> bool:
        asked.append(1)
        return len(asked) == at

    with pytest.raises(Interrupted):
        survey_split(root, "val", Stop(told))
    assert len(asked) == at


def test_what_to_do_names_the_root(tmp_path: Path) -> None:
    root = tmp_path / "data of mine"
    root.mkdir()
    with pytest.raises(StageError) as gone:
        survey_split(root, "val")
    with pytest.raises(StageError) as damaged:
        survey_split(root_with(root, "{"), "val")
    settings = Settings(root, Choices(("val",)), 1)
    (root / "annotations/instances_val2017.json").write_text(json.dumps({"images": IMAGES}))
    with pytest.raises(StageError) as useless:
        image_table.make_table(StageContext(settings, root, print, Stop()))
    for error in (gone, damaged, useless):
        assert f"--root '{root}'" in error.value.fix
