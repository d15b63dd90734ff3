"""What was chosen for a root is remembered, checked when it is read, and written only when it changes."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import build_parser, main
from pipeline.data_root import saved_options as choices
from pipeline.release import COCO_2017, Release, ReleaseFile
from pipeline.stage import Choices, Settings, StageError
from tests.printed import ODD, Printed
from vision.artefacts.data_layout import CHOICES

OWN = Release("own", (ReleaseFile("zips/val2017.zip", 3, "ab" * 32),))


def test_without_a_note_it_is_coco_with_train_and_val(tmp_path: Path) -> None:
    assert choices.read(tmp_path) == Choices(("train", "val"), COCO_2017)


def test_what_was_chosen_comes_back_with_the_whole_table(tmp_path: Path) -> None:
    choices.write(Settings(tmp_path, Choices(("val",), OWN)))
    assert choices.read(tmp_path) == Choices(("val",), OWN)


def test_an_older_note_without_splits_of_packs_means_all_of_the_roots(tmp_path: Path) -> None:
    """Also one whose splits a pack of train alone has narrowed: they are the root's."""
    choices.write(Settings(tmp_path, Choices(("train",), OWN, pack_format="yuv420")))
    noted = json.loads((tmp_path / CHOICES).read_text())
    del noted["pack_splits"]
    (tmp_path / CHOICES).write_text(json.dumps(noted))
    found = choices.read(tmp_path)
    assert found == Choices(("train",), OWN, pack_format="yuv420") and found.packed_splits == ("train",)


def test_it_is_written_only_when_it_changes(tmp_path: Path) -> None:
    settings = Settings(tmp_path, Choices(("val",), OWN))
    choices.write(settings)
    before = (tmp_path / CHOICES).stat()
    choices.write(settings)
    assert (tmp_path / CHOICES).stat().st_ino == before.st_ino
    choices.write(Settings(tmp_path, Choices(release=OWN)))
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
        ({"classes": []}, "classes: names, or null for all"),
        ({"classes": ["person", " "]}, "classes"),
        ({"mirror": "http://x"}, "expected a list"),
        ({"pack_splits": []}, "pack_splits: some of train, val, test"),
        ({"pack_splits": ["val", "train"]}, "in this order"),
        ({"exif": "upright"}, "exif: one of stored, apply, found 'upright'"),
        ({"min_area": 5, "max_area": 4}, "expected 0 ≤ min ≤ max"),
        ({"more": 1}, "unknown key"),
    ],
)
def test_a_damaged_note_is_an_error_with_a_fix(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    choices.write(Settings(tmp_path, Choices(("val",), OWN)))
    noted = json.loads((tmp_path / CHOICES).read_text())
    (tmp_path / CHOICES).write_text(json.dumps(noted | change))
    with pytest.raises(StageError, match=message) as caught:
        choices.read(tmp_path)
    assert all(
        word in caught.value.fix for word in ("--release coco", "--splits", "--classes", "--mirror", "--exif")
    )


# ---------------------------------------------------------------- through the command line

NAMED = [
    "--splits", "val", "--classes", "person,car", "--min-area", "900", "--max-area", "5e4", "--mirror", "http://127.0.0.1:9/x", "--exif", "apply", "--thorough",
]  # fmt: skip


def chosen(root: Path, *words: str) -> Choices:
    """What ``run`` would work with; noted as it would note it."""
    arguments = build_parser().parse_args(["run", "--root", str(root), *words])
    found = choices.chosen(arguments)
    choices.write(Settings(root, found))
    return found


def own_table(tmp_path: Path) -> str:
    table = tmp_path / "release.json"
    table.write_text(
        json.dumps({"name": "own", "files": [{"path": "val2017.zip", "bytes": 3, "sha256": "ab" * 32}]})
    )
    return str(table)


def test_a_file_that_is_called_as_the_word_for_cocos_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(own_table(tmp_path)).rename("coco")
    own = choices.read_release(Path("coco"))
    for word, release in (("./coco", own), ("coco", COCO_2017), (str(tmp_path / "coco"), own)):
        assert chosen(tmp_path / "root", "--release", word, "--splits", "val").release == release
        typed = build_parser().parse_args(["run", "--release", word])
        again = shlex.split(choices.spelled(typed))
        assert build_parser().parse_args(["run", *again]).release == typed.release, "as it is printed"


def test_every_choice_that_defines_the_root_holds_until_another_is_named(tmp_path: Path) -> None:
    root, table = tmp_path / "root", own_table(tmp_path)
    first = chosen(root, "--release", table, *NAMED, "--no-keep-archives")
    assert first == Choices(
        ("val",), choices.read_release(Path(table)), ("car", "person"), True, ("http://127.0.0.1:9/x",), False,
        exif="apply", min_area=900.0, max_area=50_000.0,
    )  # fmt: skip
    assert chosen(root) == first == choices.read(root)
    back = chosen(
        root,
        "--classes",
        "all",
        "--min-area",
        "none",
        "--max-area",
        "none",
        "--exif",
        "stored",
        "--no-thorough",
        "--mirror",
        "default",
        "--keep-archives",
        "--splits",
        "train,val",
    )
    assert back == Choices(release=first.release)
    assert chosen(root, "--release", "coco") == Choices()


def test_areas_that_contradict_what_was_named_before_are_refused(tmp_path: Path) -> None:
    before = chosen(tmp_path, "--min-area", "900")
    with pytest.raises(
        StageError, match=r"min_area 900\.0 and max_area 400\.0: expected 0 ≤ min ≤ max"
    ) as caught:
        chosen(tmp_path, "--max-area", "400")
    assert "--min-area PX2 --max-area PX2, or none" in caught.value.fix
    assert choices.read(tmp_path) == before


def test_a_mirror_goes_with_the_release_that_it_was_named_for(tmp_path: Path) -> None:
    chosen(tmp_path / "root", "--release", own_table(tmp_path), "--mirror", "http://127.0.0.1:9/x")
    assert chosen(tmp_path / "root", "--release", own_table(tmp_path)).mirror == ("http://127.0.0.1:9/x",)
    assert chosen(tmp_path / "root", "--release", "coco").mirror == ()


def test_obeying_the_printed_advice_keeps_a_choice_of_classes(
    own_root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    own_root = own_root.rename(own_root.with_name(ODD))
    root = ["--root", str(own_root)]
    assert main(["run", *root, "--classes", "person,car", "--thorough", "--workers", "1"]) == 0
    labels = (own_root / "annotations/labels.txt").read_bytes()
    assert labels.split() == [b"BACKGROUND", b"person", b"car"]
    capsys.readouterr()
    assert main(["verify", *root]) == 0
    assert main(["status", *root]) == 0
    assert "stale" not in capsys.readouterr().out
    (own_root / "annotations/labels.txt").unlink()
    assert main(["verify", *root]) == 1
    printed(capsys.readouterr().err, "pipeline/data_root/saved_options.py:spelled", "--workers", "1")
    assert (own_root / "annotations/labels.txt").read_bytes() == labels
    assert main(["run", *root, "--classes", "all", "--workers", "1"]) == 0
    assert len((own_root / "annotations/labels.txt").read_bytes().splitlines()) == 81


def test_a_printed_command_carries_what_was_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--root", str(tmp_path / "a b"), "--release", own_table(tmp_path), *NAMED]
    assert main(["status", *named]) == 0
    assert main(["verify", *named]) == 1
    said = capsys.readouterr()
    for line in (said.out.splitlines()[-1], said.err.splitlines()[-1]):
        words = shlex.split(line.split("python -m pipeline ")[1])
        assert choices.chosen(build_parser().parse_args(words)).classes == ("car", "person")
        assert choices.chosen(build_parser().parse_args(words)).thorough
        assert choices.chosen(build_parser().parse_args(words)).exif == "apply"
        assert words[:5] == ["run", "--root", str(tmp_path / "a b"), "--release", named[3]]


@pytest.mark.parametrize(
    "classes",
    [
        (),
        ("all",),
        ("car", "person"),
        ("a, b", "c"),
        ('5" nail',),
        ('"all"',),
        ("$(touch X)", "'a'"),
        ("it,",),
    ],
)
def test_classes_come_back_from_a_printed_command(classes: tuple[str, ...]) -> None:
    """() is all of them; there may be a class of that name, and names with commas and quotes."""
    words = shlex.split(choices.spelled(Namespace(root=Path("r"), classes=classes)))
    assert build_parser().parse_args(["run", *words]).classes == classes


def test_a_damaged_note_does_not_block_when_all_of_it_is_named(tmp_path: Path) -> None:
    root, table = tmp_path / "root", own_table(tmp_path)
    chosen(root, "--release", table, *NAMED)
    (root / CHOICES).write_text("{")
    assert main(["clean", "--root", str(root), "--staging"]) == 0
    with pytest.raises(StageError, match="is damaged"):
        chosen(root, "--release", table, *NAMED[:-1])
    assert chosen(root, "--release", table, *NAMED).classes == ("car", "person")
    assert choices.read(root).release.name == "own"


def test_without_a_note_a_root_of_another_release_is_not_filled_with_coco(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_root / CHOICES).unlink()
    assert main(["run", "--root", str(own_root)]) == 1
    assert "another release than COCO's" in capsys.readouterr().err
    assert chosen(own_root, "--release", own_table(own_root.parent)).release.name == "own"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--classes", ""], ["--classes", "person, ,car"], ["--classes", ","], ["--mirror", "ftp://x"], ["--mirror", "x"],
        ["--mirror", "http://"], ["--mirror", "http://[bad"],
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused_at_once(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", *wrong])
    assert end.value.code == 2 and wrong[0] in capsys.readouterr().err


def test_a_class_that_is_not_there_names_the_way_back(
    own_root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    own_root = own_root.rename(own_root.with_name(ODD))
    root = ["--root", str(own_root), "--workers", "1"]
    assert main(["run", *root, "--classes", "prson"]) == 1
    said = capsys.readouterr().err
    assert "did you mean person" in said and "extract them again" not in said
    assert choices.read(own_root).classes is None, "what cannot be had is not remembered"
    assert main(["status", "--root", str(own_root)]) == 0
    assert "stale" not in capsys.readouterr().out
    printed(said, "pipeline/remap_categories/stage.py:_run", "--workers", "1")
    assert main(["verify", "--root", str(own_root)]) == 0
