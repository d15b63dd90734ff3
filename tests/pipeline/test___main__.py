"""The whole pipeline through its command line, on the miniature release over loopback HTTP."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.command.next_step import SMALL_RECIPE
from pipeline.data_root import manifests as trees
from pipeline.release import COCO_2017, read_release
from pipeline.stage import StageError
from pipeline.stages import NAMES, OPTIONAL
from tests.printed import ODD, Printed
from tools.demo import mirror


def _status(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, str]:
    capsys.readouterr()
    assert main(["status", "--root", str(root), "--json", *more]) == 0
    return {row["stage"]: row["state"] for row in json.loads(capsys.readouterr().out)}


def test_every_stage_is_done_and_a_second_run_is_quick(
    miniature_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = _status(miniature_root, capsys)
    assert {states.pop(name) for name in OPTIONAL} == {"optional"} and set(states.values()) == {"done"}
    started = time.monotonic()
    assert main(["run", "--root", str(miniature_root)]) == 0
    assert time.monotonic() - started < 2
    assert (
        f"next: python train_ssd.py --config {SMALL_RECIPE} --datasets {miniature_root} "
        in capsys.readouterr().out
    )
    assert main(["run", "--until", "extract", "--root", str(miniature_root)]) == 0
    assert "next:" not in capsys.readouterr().out
    assert main(["verify", "--deep", "--root", str(miniature_root)]) == 0


def test_status_for_programs(
    miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for root in (miniature_root, tmp_path):
        assert main(["status", "--root", str(root), "--json"]) == 0
    done, missing = capsys.readouterr().out.split("\n]\n")[:2]
    rows = json.loads(done + "]")
    assert [row["stage"] for row in rows] == list(NAMES)
    for row in rows[:-1]:
        noted = json.loads((miniature_root / f".pipeline/{row['stage']}.json").read_text())
        assert row["last"] == {key: noted[key] for key in row["last"]} and row["last"]["kept"] > 0
    assert all(row["last"] is None for row in rows[-1:] + json.loads(missing + "]"))
    states = [row["state"] for row in json.loads(missing + "]")]
    assert states == ["missing"] * 5 + ["optional"]
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


@pytest.mark.parametrize(
    "options",
    [
        ("run", "--from", "index", "--until", "extract"),
        ("run", "--only", "index", "--until", "index"),
        ("run", "--only", "nothing"),
        ("run", "--splits", "train,dev"),
        ("run", "--workers", "-1"),
        ("status", "--deep"),
        (),
    ],
)
def test_mistakes_on_the_command_line_are_exit_code_2(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(options))
    assert end.value.code == 2 and "error:" in capsys.readouterr().err


def test_one_stage_alone_says_what_it_leaves_out(own_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_root / "annotations/labels.txt").unlink()
    capsys.readouterr()
    assert main(["run", "--root", str(own_root), "--only", "index"]) == 0
    assert "note: remap_categories is stale and not part of this run" in capsys.readouterr().out
    assert main(["run", "--root", str(own_root), "--until", "remap_categories", "--workers", "1"]) == 0
    assert "note:" not in capsys.readouterr().out
    assert (own_root / "annotations/labels.txt").exists()


def test_what_is_published_is_what_was_in_the_archives(miniature_release: Path, miniature_root: Path) -> None:
    for split in ("train", "val"):
        with zipfile.ZipFile(miniature_release / f"zips/{split}2017.zip") as archive:
            for name in archive.namelist():
                assert (miniature_root / name).read_bytes() == archive.read(name)
    with zipfile.ZipFile(miniature_release / "annotations/annotations_trainval2017.zip") as archive:
        name = "annotations/instances_val2017.json"
        assert (miniature_root / name).read_bytes() == archive.read(name)


def test_a_damaged_image_is_found_and_mended_from_the_archive(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = sorted((own_root / "val2017").iterdir())[0]
    good = image.read_bytes()
    image.write_bytes(good[:-100] + bytes(100))
    capsys.readouterr()
    assert main(["verify", "--root", str(own_root)]) == 1
    assert f"{image.name} has other content" in capsys.readouterr().err
    assert main(["run", "--root", str(own_root), "--workers", "1"]) == 0
    assert image.read_bytes() == good


def test_damage_that_size_and_time_do_not_show_is_mended_by_the_printed_command(
    own_root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that loses bits changes neither: a run that trusts them finds nothing to do."""
    root = own_root.rename(own_root.with_name(ODD))
    assert main(["run", "--root", str(root)]) == 0  # which notes the inodes of the copy
    image = sorted((root / "val2017").iterdir())[0]
    good, was = image.read_bytes(), image.stat()
    image.write_bytes(good[:-100] + bytes(100))
    os.utime(image, ns=(was.st_atime_ns, was.st_mtime_ns))
    capsys.readouterr()
    assert main(["verify", "--deep", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert f"{image.name} has other content" in said and "--force" in said
    printed(said, "pipeline/data_root/saved_options.py:spelled", "--workers", "1")
    assert image.read_bytes() == good
    assert main(["verify", "--deep", "--root", str(root)]) == 0
    assert json.loads((root / ".pipeline/validate_images.json").read_text())["dropped"] == {}


def test_another_choice_of_splits_is_remembered(own_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--root", str(own_root), "--splits", "val", "--workers", "1"]) == 0
    assert set(_status(own_root, capsys).values()) == {"done", "optional"}
    assert "stale" in _status(own_root, capsys, "--splits", "train,val").values()


def test_a_wrong_archive_on_the_server_is_refused_by_name(
    miniature_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(miniature_release, tmp_path / "server")
    archive = tmp_path / "server/zips/val2017.zip"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    root = tmp_path / "root"
    with mirror(tmp_path / "server") as url:
        arguments = [
            "--root",
            str(root),
            "--release",
            str(miniature_release / "release.json"),
            "--mirror",
            url,
        ]
        assert main(["run", *arguments, "--splits", "val"]) == 1
    said = capsys.readouterr().err
    assert "val2017.zip is not the file" in said and "fix:" in said
    assert not (root / "archives/zips/val2017.zip").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('{"name": "x", "files": [{"path": "../x", "bytes": 1, "sha256": "%s"}]}', "must be relative"),
        ('{"name": "x", "files": [{"path": "x", "bytes": 1, "sha256": "abc"}]}', "64 lowercase hex digits"),
        ('{"name": "x", "files": [{"path": "x", "bytes": -1, "sha256": "%s"}]}', "-1 bytes"),
        ('{"name": "x", "filez": []}', "did you mean 'files'"),
        ("[]", "expected an object"),
        ("{", "line 1"),
    ],
)
def test_a_release_table_is_checked(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "release.json").write_text(table.replace("%s", "0" * 64))
    with pytest.raises(StageError, match=message):
        read_release(tmp_path / "release.json")


def test_a_missing_release_table_is_one_error_with_a_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--root", str(tmp_path), "--release", str(tmp_path / "no.json")]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_the_official_table_asks_for_what_the_splits_need() -> None:
    assert [file.path for file in COCO_2017.needed(("val",))] == [
        "annotations/annotations_trainval2017.zip", "zips/val2017.zip",
    ]  # fmt: skip
    assert [file.path for file in COCO_2017.needed(("test",))] == [
        "annotations/image_info_test2017.zip", "zips/test2017.zip",
    ]  # fmt: skip
    assert sum(file.bytes for file in COCO_2017.needed(("train", "val"))) == 20_405_354_669


def test_archives_go_when_all_is_unpacked_and_not_before(
    miniature_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, archives = tmp_path / "root", tmp_path / "root" / "archives" / "zips"
    with mirror(miniature_release) as url:
        line = [
            "run",
            "--root",
            str(root),
            "--release",
            str(miniature_release / "release.json"),
            "--mirror",
            url,
        ]
        assert main([*line, "--only", "download", "--no-keep-archives"]) == 0
        assert "the archives stay" in capsys.readouterr().out
        assert len(list(archives.iterdir())) == 2
        assert main([*line, "--no-keep-archives"]) == 0
    assert not archives.exists() or not list(archives.iterdir())
    assert main(["verify", "--root", str(root)]) == 0
    capsys.readouterr()
    assert main(["run", "--root", str(root)]) == 0
    assert "running" not in capsys.readouterr().out


def test_images_are_read_once_when_they_are_unpacked(
    miniature_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their CRC-32 is known from unpacking; a deep look reads them all the same and agrees."""
    root, read = tmp_path / "root", []
    crc32_of = trees.crc32_of
    monkeypatch.setattr(
        trees, "crc32_of", lambda path, *tick: read.append(str(path)) or crc32_of(path, *tick)
    )
    with mirror(miniature_release) as url:
        line = ["--root", str(root), "--release", str(miniature_release / "release.json")]
        assert main(["run", *line, "--mirror", url, "--until", "extract"]) == 0
        assert not read
        assert main(["run", *line, "--mirror", url]) == 0
    assert main(["verify", "--root", str(root), "--deep"]) == 0
    assert len([path for path in read if "2017" in path]) >= 24


def test_a_folder_of_images_is_walked_once_behind_each_stage_that_has_to_do_with_it(
    miniature_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[str] = []
    walk = trees.walk
    monkeypatch.setattr(trees, "walk", lambda tree, *how: (walked.append(str(tree)), walk(tree, *how))[1])
    table, root = str(miniature_release / "release.json"), tmp_path / "root"
    with mirror(miniature_release) as url:
        line = ["--root", str(root), "--release", table, "--mirror", url, "--workers", "1"]
        assert main(["run", *line]) == 0
    folders, arrays = (
        [str(root / below / f"{split}2017") for split in ("train", "val")] for below in ("", "arrays")
    )
    assert walked == [*folders, *folders, *arrays], (
        "behind extract, and behind the image check: is all of it as it was?"
    )
    walked.clear()
    assert main(["run", "--root", str(root)]) == 0
    assert walked == [*folders, *arrays], "nothing to do"


def test_a_root_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "nowhere"
    for command, code in (("status", 0), ("verify", 1)):
        assert main([command, "--root", str(root)]) == code
        assert f"there is no folder {root}" in capsys.readouterr().err
    assert main(["status", "--json", "--root", str(root)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(NAMES)
    assert not root.exists()
    assert main(["status", "--root", str(tmp_path)]) == 0
    assert "there is no folder" not in capsys.readouterr().err


def test_archives_that_are_not_to_be_kept_go_again_after_a_repair(
    miniature_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plain command mends: from the mirror of the first run, and as little stays as was wanted then."""
    root = tmp_path / "root"
    table = str(miniature_release / "release.json")
    with mirror(miniature_release) as url:
        line = ["run", "--root", str(root), "--release", table, "--mirror", url, "--workers", "1"]
        assert main([*line, "--no-keep-archives"]) == 0
        assert main(["verify", "--root", str(root)]) == 0
        assert "not here any more, and not needed: archives/" in capsys.readouterr().out
        image = sorted((root / "val2017").iterdir())[0]
        good = image.read_bytes()
        image.unlink()
        assert main(["run", "--root", str(root), "--workers", "1"]) == 0
        assert image.read_bytes() == good and not list(root.glob("archives/**/*.zip"))
        image.unlink()
        assert main(["run", "--root", str(root), "--workers", "1", "--keep-archives"]) == 0
        assert image.read_bytes() == good and len(list(root.glob("archives/**/*.zip"))) == 3
        assert main(["run", "--root", str(root)]) == 0
        assert len(list(root.glob("archives/**/*.zip"))) == 3


@pytest.mark.parametrize("word", ["", "file", "file/below", "link", "/dev/null"])
@pytest.mark.parametrize("name", ["run", "status", "verify", "clean"])
def test_a_root_that_can_be_none_is_a_mistake_in_the_command(
    tmp_path: Path, word: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The empty word is what a shell makes of a variable that is not set; it would mean the folder one is in."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SystemExit) as left:
        main([name, "--root", str(tmp_path / word) if word else ""])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert (
        ("link to nothing" if word == "link" else "a folder") in said
        if word
        else "the value is empty" in said
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
