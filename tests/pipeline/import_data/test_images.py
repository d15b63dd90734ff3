"""Originals get a second name or a copy, and are never written to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.import_data import images
from pipeline.import_data.images import Placing, Sizes, same_content
from pipeline.stop import NEVER, Interrupted, Stop
from tests.photographs import Photograph, encoded
from tests.pipeline.formats.judged import image, put
from vision.images.formats import BadImage


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = image(tmp_path / "source/a b.jpg")
    path.chmod(0o444)
    os.utime(path, ns=(10**18, 10**18))
    return path


def place(tmp_path: Path, original: Path, link: str) -> tuple[Path, Placing]:
    placing = Placing(tmp_path / "root", link, NEVER)
    placing.place_all([(original, "train2017/sub/a b.jpg")])
    return tmp_path / "root/train2017/sub/a b.jpg", placing


@pytest.mark.parametrize("link", ["hard", "soft", "copy"])
def test_each_way(link: str, tmp_path: Path, original: Path) -> None:
    before = original.stat()
    made, placing = place(tmp_path, original, link)
    assert placing.made == {link: 1} and made.read_bytes() == original.read_bytes()
    assert (made.is_symlink(), made.samefile(original)) == (link == "soft", link != "copy")
    now = original.stat()
    assert (now.st_mode, now.st_mtime_ns, now.st_size) == (before.st_mode, before.st_mtime_ns, before.st_size)
    assert place(tmp_path, original, link)[1].made == {"kept": 1}, "of a run that was stopped"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_a_copy_where_there_are_no_hard_links(
    number: int, tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(images.os, "link", refuse)
    made, placing = place(tmp_path, original, "hard")
    assert (
        placing.made == {"copy": 1}
        and placing.no_links == os.strerror(number).lower()
        and not made.samefile(original)
    )
    made.write_bytes(b"x")
    assert original.stat().st_size > 1


def test_a_half_copy_is_made_again_and_another_way_replaces_only_our_name(
    tmp_path: Path, original: Path
) -> None:
    made, _ = place(tmp_path, original, "copy")
    made.write_bytes(b"half")
    assert (
        place(tmp_path, original, "copy")[1].made == {"copy": 1}
        and made.read_bytes() == original.read_bytes()
    )
    made.unlink()
    place(tmp_path, original, "hard")
    assert made.samefile(original)
    place(tmp_path, original, "copy")
    assert not made.samefile(original) and original.read_bytes() == made.read_bytes()


def test_the_same_content(tmp_path: Path) -> None:
    for name, content in {"a": b"12", "b": b"12", "c": b"13", "d": b"1"}.items():
        (tmp_path / name).write_bytes(content)
    groups = same_content([tmp_path / name for name in "abcda"], NEVER)
    assert [[path.name for path in group] for group in groups] == [["a", "b"]]


def test_asked_to_stop(tmp_path: Path, original: Path) -> None:
    with pytest.raises(Interrupted):
        Placing(tmp_path, "hard", Stop(lambda: True)).place_all([(original, "x.jpg")])


def test_sizes_of_frames(tmp_path: Path) -> None:
    turned = put(tmp_path / "turned.jpg", encoded(Photograph("turned.jpg", 6)))
    for exif, hw in (("stored", (48, 64)), ("apply", (64, 48))):
        sizes = Sizes(exif)
        assert sizes(turned) == hw and sizes(tmp_path.parent / turned.relative_to(tmp_path.parent)) == hw
        assert "rotated" in sizes.notes()[0] and ": 1, taken" in sizes.notes()[0]
    upright = Sizes("stored")
    assert upright(image(tmp_path / "upright.jpg")) == (40, 60) and not upright.notes()
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadImage):
        Sizes("stored")(tmp_path / "x.jpg")
    with pytest.raises(BadImage, match="not_a_file"):
        Sizes("stored")(tmp_path)
