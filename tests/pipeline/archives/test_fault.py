"""What is said of an archive that is refused: what it is, and what helps, which another copy of the same bytes does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.archives.archive import open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.extract.__main__ import main
from tests.pipeline.archive_corpus import DAMAGED, NO_ZIP, REFUSED

AGAIN = (
    "empty", "no directory", "half", "first bytes gone", "directory offset", "directory longer than the file", "directory cut",
    "directory zeroed", "zip64, cut field", "extra field cut", "zip64 record elsewhere", "zeros", "cut behind an archive in it",
    "cut a little later", "two archives, one behind the other", "html", "tar",
    "an end in the comment, and data behind", "a comment that is cut", "data behind", "an archive that is cut behind",
    "no zip: cut in the first header", "no zip: cut in a directory", "no zip: cut in the end",
    "no zip: a web page", "no zip: a web page with a mark", "no zip: a web page behind a remark", "no zip: an answer of S3",
    "no zip: an answer in JSON", "no zip: git-lfs", "no zip: text", "no zip: JPEG", "no zip: one byte",
)  # fmt: skip
"""Another copy may help; what is not named here is the same when it is fetched again."""


@pytest.mark.parametrize("name", REFUSED)
def test_only_damage_is_advised_to_be_fetched_again(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(REFUSED[name][0])
    with pytest.raises(BadArchive) as refused, open_archive(tmp_path / "a.zip") as archive:
        plan(archive)
    fix = refused.value.fix("GET IT")
    assert ("fetch it again (GET IT)" in fix) == (name in AGAIN), fix
    assert fix.startswith("nothing of it was published; ") and "{" not in fix


@pytest.mark.parametrize("name", [name for name in NO_ZIP if name not in ("cut in the end", "one byte")])
def test_the_command_says_what_it_is_in_three_lines(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a b$(touch X).zip").write_bytes(NO_ZIP[name][0])
    assert main(["--archive", str(tmp_path / "a b$(touch X).zip"), "--output", str(tmp_path / "made")]) == 1
    error, why, fix = capsys.readouterr().err.splitlines()
    assert (
        error.endswith("is refused")
        and why.startswith("  why: it is ")
        and fix.startswith("  fix: nothing of it")
    )
    assert "File is not a zip file" not in why and not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_in_a_member_is_advised_to_be_fetched_again(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.zip").write_bytes(DAMAGED[name])
    assert main(["--archive", str(tmp_path / "a.zip"), "--output", str(tmp_path / "made")]) == 1
    said = capsys.readouterr().err
    assert ("fetch it again (get a sound copy)" in said) == (name != "local header longer than its room"), (
        said
    )


def test_in_a_data_root_the_bytes_that_were_expected_are_said(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = own_root / "archives/zips/val2017.zip"
    whole = archive.stat().st_size
    shutil.rmtree(own_root / "val2017")
    archive.write_bytes(archive.read_bytes()[: whole // 2])
    assert main(["--root", str(own_root)]) == 1
    said = capsys.readouterr().err
    assert f"({whole // 2:,} bytes are here, {whole:,} expected)" in said
    assert f"fetch it again (python -m pipeline.download --root {own_root})" in said
    archive.write_bytes(REFUSED["parent"][0])
    assert main(["--root", str(own_root)]) == 1
    said = capsys.readouterr().err
    assert "expected)" not in said and "do not use this archive" in said
