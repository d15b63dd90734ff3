"""Optional: made where it was asked for, remembered, and cleaned like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main as pipeline
from pipeline.data_root import saved_options
from pipeline.pack import build
from pipeline.pack.__main__ import main
from tests.pipeline.pack.test_build import WORDS, Inline, packed, states
from tests.printed import ODD, Printed


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / ODD / "root"
    shutil.copytree(miniature_root, made)
    monkeypatch.setattr(build, "WorkerPool", Inline)
    return made


def test_it_is_made_only_where_it_was_asked_for_and_then_by_every_run(
    root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline(["run", "--root", str(root)]) == 0
    assert not (root / "packs").exists() and "- pack" in states(root, capsys)
    capsys.readouterr()
    assert pipeline(["status", "--root", str(root)]) == 0
    printed(capsys.readouterr().out, "pipeline/pack/stage.py:_unasked", *WORDS)
    made = packed(root)
    assert len(made) == 8
    shutil.rmtree(root / "packs")
    assert pipeline(["run", "--root", str(root)]) == 0 and packed(root) == made
    assert pipeline(["run", "--root", str(root), "--format", "none"]) == 0
    assert "- pack" in states(root, capsys) and packed(root) == made
    assert pipeline(["clean", "--root", str(root), "--only", "pack", "--yes"]) == 0
    assert not (root / "packs").exists()


def test_alone_and_without_a_word_it_makes_the_default(root: Path) -> None:
    assert main(["--root", str(root), "--splits", "val"]) == 0
    assert [path.name for path in (root / "packs").iterdir()] == ["val2017.yuv420-384"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--size", "96"], ("yuv420", 96)), (["--format", "jpeg"], ("jpeg", 512)), (["--format", "rgb", "--size", "96"], ("rgb", 96)),
    ],
)  # fmt: skip
def test_a_size_is_that_of_its_format(words: list[str], meant: tuple[str, int], root: Path) -> None:
    for line, expected in (
        (words, meant),
        ([], meant),
        (["--size", "64"], (meant[0], 64)),
        (["--format", "grey"], ("grey", 384)),
    ):
        assert pipeline(["run", "--root", str(root), "--only", "pack", *line]) == 0
        choices = saved_options.read(root)
        assert (choices.pack_format, choices.packed_px) == expected
    assert len(list((root / "packs").iterdir())) == 6


@pytest.mark.parametrize(
    "words", [["--format", "png"], ["--size", "65"], ["--size", "16"], ["--size", "4096"], ["--size", "x"]]
)
def test_what_cannot_be_is_a_usage_error(words: list[str], root: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--root", str(root), *words])
    assert left.value.code == 2 and not (root / "packs").exists()


def test_the_word_none_makes_no_pack_and_is_remembered(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(root), "--format", "none"]) == 0
    assert "running" not in capsys.readouterr().out and not (root / "packs").exists()
    assert saved_options.read(root).pack_format is None


TRAIN, VAL = ("packs/train2017.rgb-64", "packs/val2017.rgb-64")


def made_of(root: Path) -> list[str]:
    return sorted({name.rpartition("/")[0] for name in packed(root)})


def test_of_one_split_alone_the_root_stays_what_it_was(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(root), *WORDS, "--splits", "train"]) == 0
    assert "note:" not in capsys.readouterr().out and made_of(root) == [TRAIN]
    noted = saved_options.read(root)
    assert (noted.splits, noted.pack_splits) == (("train", "val"), ("train",))
    assert (
        pipeline(["verify", "--deep", "--root", str(root)]) == pipeline(["status", "--root", str(root)]) == 0
    )
    assert "6 stages verified" in (said := capsys.readouterr().out) and "stale" not in said
    assert pipeline(["run", "--root", str(root)]) == 0
    assert "running" not in capsys.readouterr().out
    before = packed(root)
    for again in (main, lambda words: pipeline(["run", *words])):
        shutil.rmtree(root / "packs")
        assert again(["--root", str(root)]) == 0 and packed(root) == before, "it is remembered"
    assert pipeline(["run", "--root", str(root), "--format", "none"]) == 0
    assert "- pack" in states(root, capsys) and packed(root) == before
    assert main(["--root", str(root), "--size", "64"]) == 0
    assert made_of(root) == [TRAIN, "packs/train2017.yuv420-64"]


def test_earlier_packs_of_other_splits_stay_and_clean_knows_them(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(root), *WORDS]) == 0
    before = packed(root)
    for words in (["train"], ["val"], ["all"], ["val"]):
        assert main(["--root", str(root), "--splits", *words]) == 0
        assert packed(root) == before and states(root, capsys).startswith("✓ pack")
        assert pipeline(["verify", "--root", str(root)]) == 0
        assert saved_options.read(root).pack_splits == (None if words == ["all"] else tuple(words))
    assert pipeline(["clean", "--root", str(root), "--only", "pack", "--yes"]) == 0
    assert not (root / "packs").exists()


@pytest.mark.parametrize(("named", "there"), [("test", [TRAIN, VAL]), ("val,test", [VAL])])
def test_a_split_that_the_root_does_not_have(
    named: str, there: list[str], root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = saved_options.read(root)
    assert main(["--root", str(root), *WORDS, "--splits", named]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 3 and "has no split test that could be packed" in said
    assert saved_options.read(root) == before and not (root / "packs").exists()
    printed(said, "pipeline/data_root/saved_options.py:_require_packable", "--workers", "1")
    assert made_of(root) == there


def test_of_a_root_with_fewer_splits_what_is_there_is_packed(
    root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--root", str(root), "--workers", "1"]
    assert main([*words, *WORDS, "--splits", "train,val"]) == 0
    before = packed(root)
    assert pipeline(["run", *words, "--splits", "val"]) == 0
    assert states(root, capsys).startswith("✓ pack") and packed(root) == before
    assert pipeline(["run", *words, "--splits", "train,val"]) == main([*words, "--splits", "train"]) == 0
    assert pipeline(["run", *words, "--splits", "val"]) == 0
    assert pipeline(["verify", "--root", str(root)]) == pipeline(["status", "--root", str(root)]) == 0
    said = capsys.readouterr().out
    assert "only train was to be packed" in said and "stale" not in said and packed(root) == before
    assert main(words) == 1
    assert "has no split train" in capsys.readouterr().err
    printed(said, "pipeline/pack/stage.py:_unasked", "--workers", "1")
    assert saved_options.read(root).pack_splits is None and packed(root) == before
