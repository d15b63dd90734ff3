"""Boxes as text and as a file: what is read back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vision.artefacts.records import to_plain
from vision.messages.advice import UserError
from vision.ssd.priors.written import (
    PriorFile,
    as_texts,
    called,
    difference,
    digest_of,
    from_text,
    read_prior_file,
)

MAPS = [[(0.05, 0.07), (1e-4, 1.0)], [(0.1 + 0.2, 1 / 3)]]
TEXTS = ["0.05x0.07,0.0001x1.0", "0.30000000000000004x0.3333333333333333"]


def file(path: Path, **change: object) -> Path:
    content = {**to_plain(PriorFile(TEXTS, digest=digest_of(";".join(TEXTS)))), **change}
    path.write_text(json.dumps(content))
    return path


def test_text_gives_the_same_boxes_to_the_last_bit() -> None:
    assert as_texts(MAPS) == TEXTS
    profile = from_text(";".join(TEXTS))
    assert profile is not None and [list(one.shapes) for one in profile.maps] == MAPS
    assert profile.shapes_per_cell == (2, 1)
    assert all(one.cells_at_300 is None for one in profile.maps)


@pytest.mark.parametrize("name", ["coco", "ancestor", "published", "x-men", "fitted", "", "box.json"])
def test_names_are_no_text(name: str) -> None:
    assert from_text(name) is None and called(name) == name


@pytest.mark.parametrize(
    "wrong", ["0x1", "1x2", "0.1x", "0.1x0.1;", "0.1x0.1,,0.1x0.1", "x", "0.1x0.1x0.1", "1e999x1", "-0.1x0.1"]
)
def test_boxes_that_are_none_are_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="prior boxes of map"):
        from_text(wrong)


def test_a_file_is_read_and_its_digest_held_against_its_boxes(tmp_path: Path) -> None:
    path = file(tmp_path / "priors.json")
    assert read_prior_file(path) == ";".join(TEXTS)
    changed = [TEXTS[0].replace("0.07", "0.08"), TEXTS[1]]
    with pytest.raises(UserError, match="its boxes are not those of its digest"):
        read_prior_file(file(path, maps=changed))
    assert read_prior_file(file(path, maps=changed, digest=None)) == ";".join(changed)


@pytest.mark.parametrize(
    "change",
    [
        {"maps": []},
        {"maps": "0.1x0.1"},
        {"maps": ["coco"]},
        {"maps": ["0.1x7"]},
        {"schema": 2},
        {"more": 1},
        {"maps": [[0.1, 0.1]]},
    ],
)
def test_what_is_no_record_is_refused_in_three_lines(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(UserError) as caught:
        read_prior_file(file(tmp_path / "priors.json", digest=None, **change))
    first, why, fix = str(caught.value).splitlines()
    assert "priors.json" in first and why.startswith("  why: ") and fix.startswith("  fix: ")


def test_a_difference_names_the_shapes() -> None:
    before, after = "0.1x0.1,0.2x0.2;0.5x0.5", "0.1x0.1,0.2x0.3;0.5x0.5"
    assert difference(before, after).endswith("(map 1: 0.2x0.2 → 0.2x0.3)")
    assert called(before) != called(after) and called(before).startswith("fitted ")
    assert difference("coco", after) == f"coco → {called(after)}"
    many = ",".join(["0.1x0.1"] * 6)
    assert difference(many, many.replace("0.1x", "0.2x")).endswith(" … and 3 more)")
