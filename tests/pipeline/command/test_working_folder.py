"""Where an output cannot be made, every stage says so in words; nothing is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.command.working_folder import working_folder
from pipeline.download import __main__ as download_command
from pipeline.extract import __main__ as extract_command
from pipeline.remap_categories import __main__ as remap_categories_command
from pipeline.stage import StageError
from pipeline.validate_images import __main__ as validate_images_command

Main = Callable[[Sequence[str]], int]

STAGES: dict[str, tuple[Main, list[str], str]] = {
    "download": (download_command.main, ["--url", "http://127.0.0.1:9/x", "--sha256", "0" * 64], "--output"),
    "extract": (extract_command.main, ["--archive", "some.zip"], "--output"),
    "validate_images": (validate_images_command.main, ["--images", "images"], "--report"),
    "remap_categories": (remap_categories_command.main, ["--annotations", "a.json", "--images", "images"], "--output"),
}  # fmt: skip


def code_of(main: Main, words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("where", [".", "..", "/", "./"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_output_without_a_name_is_refused(
    stage: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in/images").mkdir(parents=True)
    (tmp_path / "in/a.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "in")
    main, words, option = STAGES[stage]
    assert code_of(main, [*words, option, where]) in (1, 2)
    said = capsys.readouterr().err
    assert "is a folder" in said or "has no name of its own" in said, said
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "images", "in"]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_working_folder_needs_a_name(name: str) -> None:
    with pytest.raises(StageError, match="no name"), working_folder([Path(name)], "making"):
        pass


def test_what_is_missing_is_said_in_its_own_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    words = ["--images", str(tmp_path / "images"), "--output", str(tmp_path / "out.json")]
    for given in (tmp_path / "no.json", tmp_path / "images"):
        assert remap_categories_command.main([*words, "--annotations", str(given)]) == 1
        said = capsys.readouterr().err
        assert str(given) in said and "--annotations" in said and "permissions" not in said


def test_one_at_a_time_and_what_is_half_done_is_the_first_ones(tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    with working_folder([output], "making") as folder:
        (folder / "journal").touch()
        with (
            pytest.raises(StageError, match="another process is making"),
            working_folder([output], "making"),
        ):
            pytest.fail("two at a time")
        assert (folder / "journal").is_file()
    assert not folder.exists()
