"""What a command line names: images in a stable order, everything else counted and said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.detect.given_images import sort_out


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "A.JPG", "c.heic", "d.heic", "e.mp4", "notes"):
        (folder / name).write_bytes(b"")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_folder(photos: Path) -> None:
    given = sort_out([str(photos)])
    assert [path.name for path in given.images] == ["A.JPG", "b.png"]
    assert given.wrong == [(str(photos / "gone.jpg"), "a link to nothing")]
    (note,) = given.notes
    assert "3 images; passed over: 4 files of other kinds (2 .heic, 1 .mp4, 1 no suffix)" in note
    assert "1 subfolder (more; name them to look into them)" in note


def test_a_folder_of_folders(photos: Path) -> None:
    """As the import leaves the images of a layout with folders: ``val2017/valid/a.jpg``."""
    given = sort_out([str(photos.parent)])
    assert [path.name for path in given.images] == ["A.JPG", "b.png"] and not given.wrong
    assert given.notes == [f"{photos.parent}: no image of its own; 1 folder of 1 in it looked into"]
    assert not sort_out([str(photos / "more")]).images, (
        "no deeper than that, and only where there is something"
    )


def test_what_macos_writes_beside_images_is_no_image(photos: Path) -> None:
    (photos / "._A.JPG").write_bytes(b"")
    given = sort_out([str(photos)])
    assert [path.name for path in given.images] == ["A.JPG", "b.png"]
    assert "5 files of other kinds (2 .heic, 1 .jpg, " in given.notes[0]


def test_a_pattern_that_the_shell_left_alone_and_one_that_matches_a_name(photos: Path) -> None:
    assert [path.name for path in sort_out(["photos/*.png"]).images] == ["b.png"]
    (photos / "x[1].png").write_bytes(b"")
    assert [path.name for path in sort_out(["photos/x[1].png"]).images] == ["x[1].png"]
    assert sort_out(["photos/*.gif"]).wrong == [("photos/*.gif", "no file matches this pattern")]


def test_named_twice_is_looked_at_once(photos: Path) -> None:
    given = sort_out([str(photos / "b.png"), "photos/b.png", "photos/../photos/b.png"])
    assert len(given.images) == 1 and given.notes == ["2 images named twice: looked at once"]


def test_results_of_an_earlier_run_are_no_input(photos: Path) -> None:
    assert [path.name for path in sort_out([str(photos)], [Path("photos/b.png")]).images] == ["A.JPG"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("photos/e.mp4", "a video, not an image"),
        ("MOVIE.AVI", "a video, not an image"),
        ("csi://0", "a stream or an address"),
        ("photos/none.png", "no such file or folder"),
        ("photoes/a.jpg", "no such file or folder: did you mean 'photos/A.JPG'?"),
        ("photos/more", "no images in this folder"),
        ("pipe.png", "a pipe, not a file"),
    ],
)
def test_what_is_no_image_is_named(photos: Path, name: str, why: str) -> None:
    os.mkfifo("pipe.png")
    given = sort_out([name])
    assert not given.images and given.wrong[0][0].endswith(name) and given.wrong[0][1].startswith(why)


def test_a_folder_that_cannot_be_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert sort_out(["photos"]).wrong == [("photos", "the folder cannot be read: permission denied")]
