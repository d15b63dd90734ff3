"""Options of a data root and options of a file of one's own are never mixed, and none is passed over."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

WORDS = {
    "download": ["--url", "http://127.0.0.1:9/x", "--sha256", "0" * 64, "--output", "x"],
    "extract": ["--archive", "some.zip", "--output", "x"],
    "validate_images": ["--images", "images", "--report", "x"],
    "remap_categories": ["--annotations", "a.json", "--images", "images", "--output", "x"],
}


def said_of(stage: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The usage error of two lines that ``words`` end in."""
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"pipeline.{stage}.__main__").main(words)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2, said
    return said


@pytest.mark.parametrize("stage", WORDS)
@pytest.mark.parametrize("ignored", [["--root", "coco-data"], ["--splits=val"], ["--force"], ["--no_wait"]])
def test_options_of_a_root_are_refused_for_a_file_of_ones_own(
    stage: str, ignored: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of(stage, [*WORDS[stage], *ignored], capsys)
    assert f"{ignored[0].split('=')[0].replace('_', '-')}: has no meaning" in said


@pytest.mark.parametrize("stage", WORDS)
def test_those_that_go_together_are_named(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for lacking in range(0, len(WORDS[stage]), 2):
        words = WORDS[stage][:lacking] + WORDS[stage][lacking + 2 :]
        said = said_of(stage, words, capsys)
        assert f"error: {WORDS[stage][lacking]} is missing" in said and "go together" in said
        assert all(flag in said for flag in WORDS[stage][::2])


@pytest.mark.parametrize("option", [["--exif", "apply"], ["--accept-missing"]])
def test_what_only_the_file_takes_is_refused_for_a_root(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of("remap_categories", ["--root", "x", *option], capsys)
    assert f"error: {option[0]}: not used here; pipeline.validate_images and pipeline run take it" in said


MADE_ON_THE_DISK = ["download", "extract", "remap_categories"]


@pytest.mark.parametrize("stage", MADE_ON_THE_DISK)
def test_what_is_made_on_the_disk_is_not_printed(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_of(stage, [*WORDS[stage][:-1], "-"], capsys)
    assert "argument --output: it is made on the disk and not printed: expected a name, not -" in said


@pytest.mark.parametrize("output", ["/dev/null", "/dev/stdout"])
@pytest.mark.parametrize("stage", MADE_ON_THE_DISK)
def test_no_device_is_replaced(
    stage: str, output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also as root, who could: refused before the inputs are read, which are not there."""
    before = os.lstat(output)
    words = [str(tmp_path) if word == "images" else word for word in WORDS[stage]]
    assert importlib.import_module(f"pipeline.{stage}.__main__").main([*words[:-1], output]) == 1
    said = capsys.readouterr().err
    assert f"{output} is a " in said and "is not replaced\n  why: " in said and "fix: name another" in said
    assert os.path.samestat(before, os.lstat(output)) and before.st_mode == os.lstat(output).st_mode
