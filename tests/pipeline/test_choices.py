"""What was chosen for a root is remembered, checked when it is read, and written only when it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import choices
from pipeline.choices import CHOICES, Choices
from pipeline.release import COCO_2017, Release, ReleaseFile
from pipeline.stage import Settings, StageError

OWN = Release("own", (ReleaseFile("zips/val2017.zip", 3, "ab" * 32),))


def test_without_a_note_it_is_coco_with_train_and_val(tmp_path: Path) -> None:
    assert choices.read(tmp_path) == Choices(("train", "val"), COCO_2017)


def test_what_was_chosen_comes_back_with_the_whole_table(tmp_path: Path) -> None:
    choices.write(Settings(tmp_path, ("val",), 1, {"release": OWN}))
    assert choices.read(tmp_path) == Choices(("val",), OWN)


def test_it_is_written_only_when_it_changes(tmp_path: Path) -> None:
    settings = Settings(tmp_path, ("val",), 1, {"release": OWN})
    choices.write(settings)
    before = (tmp_path / CHOICES).stat()
    choices.write(settings)
    assert (tmp_path / CHOICES).stat().st_ino == before.st_ino
    choices.write(Settings(tmp_path, ("train", "val"), 1, {"release": OWN}))
    assert choices.read(tmp_path).splits == ("train", "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": []}, "splits: some of train, val, test"),
        ({"splits": ["val", "train"]}, "in this order"),
        ({"splits": ["train", "train"]}, "splits"),
        ({"splits": ["other"]}, "splits"),
        ({"splits": "train"}, "expected a list"),
        ({"release": {"name": "x", "files": [{"path": "../x", "bytes": 1, "sha256": "0" * 64}]}}, "relative"),
        ({"more": 1}, "unknown key"),
    ],
)
def test_a_damaged_note_is_an_error_with_a_fix(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    choices.write(Settings(tmp_path, ("val",), 1, {"release": OWN}))
    noted = json.loads((tmp_path / CHOICES).read_text())
    (tmp_path / CHOICES).write_text(json.dumps(noted | change))
    with pytest.raises(StageError, match=message) as caught:
        choices.read(tmp_path)
    assert "remove it" in caught.value.fix
