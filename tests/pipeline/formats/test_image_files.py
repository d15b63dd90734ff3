"""Names find images below their folders and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.formats.contract import Problem
from pipeline.formats.image_files import ImageFiles
from tests.pipeline.formats.judged import image


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for name in ("a.jpg", "sub/b c.png", "one/x.jpg", "two/x.jpg", "0123abcd-up.jpg"):
        image(tmp_path / "images" / name)
    image(tmp_path / "secret.jpg")
    return ImageFiles([tmp_path / "nowhere", tmp_path / "images"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("sub/b c.png", "sub/b c.png"), ("b c.png", "sub/b c.png"), ("D:\\x\\sub\\b c.png", "sub/b c.png"),
        ("/mnt/one/x.jpg", "one/x.jpg"), ("up.jpg", "missing"), ("A.JPG", "a.jpg"), ("../secret.jpg", "missing"), ("x.jpg", "ambiguous"),
        ("images/../../secret.jpg", "missing"), ("", "bad"), ("..", "bad"), ("a\0", "bad"), ("0123abcd-up.jpg", "0123abcd-up.jpg"),
        ("fedcba98-a.jpg", "a.jpg"),
    ],
)  # fmt: skip
def test_find(name: str, found: str, files: ImageFiles) -> None:
    result = files.find(name)
    if isinstance(result, Problem):
        assert result.reason.split("_")[0] == found
    else:
        assert files.name_of(result) == found


def test_by_stem(files: ImageFiles) -> None:
    assert files.find_stem("sub/b c") == files.folders[0] / "sub/b c.png"
    assert files.find_stem("b c") == files.folders[0] / "sub/b c.png"
    for stem, reason in (
        ("x", "ambiguous_image"),
        ("three/x", "missing_image"),
        ("../secret", "bad_file_name"),
        ("", "bad_file_name"),
    ):
        found = files.find_stem(stem)
        assert isinstance(found, Problem) and found.reason == reason


def test_pipes_and_links_to_folders_are_passed_over(tmp_path: Path) -> None:
    image(tmp_path / "else/y.jpg")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/link").symlink_to(tmp_path / "else")
    os.mkfifo(tmp_path / "images/p.jpg")
    assert isinstance(ImageFiles([tmp_path / "images"]).find("y.jpg"), Problem)
    assert ImageFiles([tmp_path / "images"]).find("p.jpg") == tmp_path / "images/p.jpg", (
        "the judge says what it is"
    )
