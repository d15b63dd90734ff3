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
