"""What the stages print about a data root is run there and then: the command that failed works afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.printed import ODD, Printed, main_of
from tools.demo import mirror


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path) -> Path:
    """A copy to break, in a folder whose name a shell would run."""
    return Path(shutil.copytree(miniature_root, tmp_path / ODD))


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a command that a shell takes out of a name would leave its file."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def call(module: str, *words: object) -> int:
    code: int = main_of(module)([str(word) for word in words])
    return code


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def spoil_images(root: Path) -> None:
    for path in (root / "val2017").iterdir():
        path.write_text("no image")


ORIGINAL, REMAPPED = "annotations/instances_val2017.json", "annotations/instances_val2017.remapped.json"
BROKEN = [
    (remove("val2017"), "validate_images", "pipeline/validate_images/table.py:survey_split"),
    (remove(ORIGINAL), "validate_images", "pipeline/validate_images/table.py:_annotated"),
    (write(ORIGINAL, "{"), "validate_images", "pipeline/runner/own_data.py:to_repair#2"),
    (spoil_images, "validate_images", "pipeline/validate_images/table.py:_to_have_some"),
    (write(ORIGINAL, "{"), "remap_categories", "pipeline/runner/own_data.py:to_repair#2"),
    (remove(ORIGINAL), "remap_categories", "pipeline/remap_categories/stage.py:_run#2"),
    (write("report/images.jsonl", "{\n"), "remap_categories", "pipeline/image_check/verdicts.py:_unusable"),
    (remove("report/images.jsonl"), "remap_categories", "pipeline/image_check/verdicts.py:_unusable"),
    (write(REMAPPED, "{"), "index", "pipeline/index/stage.py:_run"),
    (remove(REMAPPED), "index", "pipeline/index/stage.py:_run#2"),
]


@pytest.mark.parametrize(("broken", "stage", "site"), BROKEN)
def test_a_root_that_is_broken(
    broken: Callable[[Path], object], stage: str, site: str, root: Path, away: Path, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    broken(root)
    line = (f"pipeline.{stage}", "--root", root, "--workers", 1)
    assert call(*line) == 1
    printed(capsys.readouterr().err, site, "--workers", 1)
    assert call(*line) == 0


@pytest.mark.parametrize(
    ("broken", "site"),
    [
        (remove("index.sqlite"), "pipeline/index/query.py:open_index"),
        (write("index.sqlite", "x" * 5000), "pipeline/index/query.py:_broken"),
    ],
)
def test_an_index_that_is_broken(
    broken: Callable[[Path], object], site: str, root: Path, away: Path, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    broken(root)
    assert call("pipeline.index", "query", "--root", root) == 1
    printed(capsys.readouterr().err, site, "--workers", 1)
    assert call("pipeline.index", "query", "--root", root) == 0


@pytest.mark.parametrize("archive", ["gone", "damaged"])
def test_an_archive_that_is_fetched_again(
    archive: str,
    root: Path,
    away: Path,
    miniature_release: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.rmtree(root / "val2017")
    place = root / "archives/zips/val2017.zip"
    place.unlink() if archive == "gone" else place.write_bytes(b"x")
    assert call("pipeline.extract", "--root", root) == 1
    with mirror(miniature_release) as url:
        printed(capsys.readouterr().err, "pipeline/extract/stage.py:_get_it", "--mirror", url)
    assert call("pipeline.extract", "--root", root) == 0


@pytest.mark.parametrize("note", ["damaged", "gone"])
def test_choices_that_cannot_be_read(
    note: str,
    root: Path,
    away: Path,
    miniature_release: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    noted = root / ".pipeline/choices.json"
    noted.unlink() if note == "gone" else noted.write_text("{")
    assert call("pipeline", "status", "--root", root) == 1
    said = capsys.readouterr().err
    assert "FILE is the table of its release" in said
    table = miniature_release / "release.json"
    printed(said, "pipeline/data_root/saved_options.py:_say_all_of_it", "--workers", 1, fill={"FILE": table})
    assert call("pipeline", "status", "--root", root) == 0
    assert "stale" not in capsys.readouterr().out


def test_what_clean_would_remove(
    root: Path, away: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("pipeline", "clean", "--root", root) == 0
    printed(capsys.readouterr().out, "pipeline/__main__.py:overview")
    assert "with --yes" not in capsys.readouterr().err


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("number", [6, 16])
def test_images_that_are_gone(
    own: bool,
    number: int,
    root: Path,
    away: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Some: restore them, or go on without them; all: another folder."""
    if own:
        for name in (".pipeline", "archives", "arrays", "report"):
            shutil.rmtree(root / name)
        for path in [
            *root.glob("*.*"),
            *(root / "annotations").glob("[!i]*"),
            *root.glob("annotations/*.remapped.json"),
        ]:
            path.unlink()
    check = ("pipeline", "run", "--root", root, "--from", "validate_images", "--workers", 1)
    images = sorted((root / "train2017").iterdir())[:number]
    for path in images:
        path.rename(tmp_path / path.name)
    assert call(*check) == 1
    said = capsys.readouterr().err
    if number == 6:
        printed(said, "pipeline/image_check/absence.py:advice#2", "--workers", 1)
        assert call(*check) == 0, "they are listed"
    for path in images if own else []:
        (tmp_path / path.name).rename(path)
    printed(said, "pipeline/image_check/absence.py:advice", "--workers", 1)
    assert len(list((root / "train2017").iterdir())) == 16
    assert call("pipeline", "verify", "--root", root) == 0


def test_a_login_that_was_not_stored(
    root: Path, away: Path, miniature_release: Path, printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Of a mirror that the root remembers, and of an address that was copied from a message."""
    monkeypatch.setenv("NETRC", str(away / "netrc"))
    archive = "zips/val2017.zip"
    with mirror(miniature_release) as url:
        host = url.removeprefix("http://")
        named: dict[str, object] = {f"https://USER:PASSWORD@{host}/…": f"http://user:secret@{host}"}
        assert call("pipeline.download", "--root", root, "--mirror", f"http://user:secret@{host}") == 0
        (root / "archives" / archive).unlink()
        shutil.rmtree(root / "val2017")
        assert call("pipeline", "run", "--root", root) == 1
        said = capsys.readouterr().err
        assert "secret" not in said
        printed(said, "pipeline/download/stage.py:_servers", "--workers", 1, fill=named)
        digest = hashlib.sha256((root / "archives" / archive).read_bytes()).hexdigest()
        line = ("--sha256", digest, "--output", away / ODD, "--url", f"http://***@{host}/{archive}")
        assert call("pipeline.download", *line) == 1
        named = {word: f"{address}/{archive}" for word, address in named.items()}
        printed(capsys.readouterr().err, "pipeline/download/own_file.py:_download", fill=named)
    assert (away / ODD).is_file()


def test_something_else_in_the_place_of_an_output(
    root: Path, away: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    place = root / "annotations/labels.txt"
    place.unlink()
    os.mkfifo(place)
    line = ("pipeline.remap_categories", "--root", root)
    assert call(*line) == 1
    printed(capsys.readouterr().err, "pipeline/runner/ownership.py:require_places")
    assert call(*line) == 0 and place.is_file()
