"""The command: what it prints is what can be done, mistakes are usage errors, choices reach the stages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main as pipeline
from pipeline.import_data.__main__ import main
from tests.pipeline.foreign import as_voc, as_yolo, draw
from tests.printed import ODD, Printed
from vision.artefacts.data_layout import REPORT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return as_voc(tmp_path / "source", draw(4, 2))


def test_only_import_and_then_what_is_printed(
    source: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / ODD
    assert (
        main(
            [
                "--from",
                "voc",
                "--source",
                str(source),
                "--root",
                str(root),
                "--no-run",
                "--classes",
                "apple,traffic light",
            ]
        )
        == 0
    )
    assert not (root / "index.sqlite").exists()
    printed(capsys.readouterr().out, "pipeline/import_data/__main__.py:main", "--workers", 1)
    assert (root / "annotations/labels.txt").read_text() == "BACKGROUND\napple\ntraffic light\n"
    assert pipeline(["verify", "--root", str(root)]) == 0


def test_an_archive_is_refused_with_what_unpacks_and_imports_it(
    source: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    archive, root = shutil.make_archive(str(tmp_path / f"{ODD} job"), "zip", source), tmp_path / ODD
    assert main(["--from", "voc", "--source", archive, "--root", str(root)]) == 1
    printed(capsys.readouterr().err, "pipeline/import_data/driver.py:_require_unpacked")
    assert (root / "index.sqlite").is_file()


def test_classes_that_are_not_there_are_refused_before_anything_is_made(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            ["--from", "voc", "--source", str(source), "--root", str(tmp_path / "root"), "--classes", "aple"]
        )
        == 1
    )
    assert "did you mean 'apple'?" in capsys.readouterr().err and not (tmp_path / "root/train2017").exists()
    assert (
        main(
            [
                "--from",
                "voc",
                "--source",
                str(source),
                "--root",
                str(tmp_path / "root"),
                "--classes",
                "apple",
                "--workers",
                "1",
            ]
        )
        == 0
    )
    assert (tmp_path / "root" / REPORT).is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "vok"], "did you mean 'voc'?"), (["--val", "0"], "more than 0"), (["--val", "1"], "less than 1"), (["--val", "20"], "20 % is 0.2"),
        (["--link", "sym"], "there is hard, soft, copy"), (["--seed", "-1"], "0 or more"), (["--source", ""], "the value is empty"),
        (["--split", "x"], "unknown argument"),
    ],
)  # fmt: skip
def test_usage(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--from", "voc", "--source", str(tmp_path), "--root", str(tmp_path / "root"), *words])
    assert end.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["coco", "voc", "yolo", "open_images", "cvat", "labelme"])
@pytest.mark.parametrize("place", ["nowhere", "empty", "file.txt"])
def test_a_source_that_is_none_is_three_lines(
    layout: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("\n")
    assert main(["--from", layout, "--source", str(tmp_path / place), "--root", str(tmp_path / "root")]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 3 and not (tmp_path / "root/annotations").exists()


def test_what_was_dropped_is_listed_and_counted(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "Annotations/photo 001.xml").write_text("<annotation>")
    (source / "JPEGImages/photo 002.jpg").unlink()
    root = tmp_path / "root"
    assert main(["--from", "voc", "--source", str(source), "--root", str(root), "--workers", "1"]) == 0
    assert "6 images in: 4 kept, 2 dropped (1 missing_image, 1 bad_xml)" in capsys.readouterr().out
    rows = [json.loads(line) for line in (root / "report/import.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in rows if row["kind"] == "image"] == ["bad_xml", "missing_image"]


def test_nothing_that_can_be_used_makes_no_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = as_yolo(tmp_path / "source", draw(3, 1))
    for path in source.rglob("*.jpg"):
        path.write_bytes(b"")
    assert main(["--from", "yolo", "--source", str(source), "--root", str(tmp_path / "root")]) == 1
    said = capsys.readouterr().err
    assert "nothing of" in said and "4 empty" in said and len(said.splitlines()) == 3
    assert not list((tmp_path / "root").glob("[!.]*"))


def test_a_leak_is_said_aloud_with_the_command_that_ends_it(
    tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / ODD, draw(4, 2)), tmp_path / "root"
    lists = source / "ImageSets/Main"
    (lists / "val.txt").write_text((lists / "train.txt").read_text())
    line = ["--from", "voc", "--source", str(source), "--root", str(root), "--no-run", "--link", "soft"]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "warning: 4 of 4 images of val are in train, too (val is the same list as train)" in said
    assert all(path.is_symlink() for path in (root / "train2017").iterdir())
    again = printed(said, "pipeline/import_data/request.py:Request.again", "--no-run")
    assert "--resplit" in again and "--link soft" in again
    assert "warning" not in capsys.readouterr().out
