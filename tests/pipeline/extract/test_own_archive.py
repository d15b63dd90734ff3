"""An archive of the user's own: all of it or nothing, proven when asked again, nobody else's files touched."""

from __future__ import annotations

import fcntl
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from pipeline.extract.__main__ import main
from tests.faults.harness import BROKEN, FULL, KILL, Shim, python, snapshot, spread
from tests.pipeline.archives.test_archive import DAMAGED, GOOD, REFUSED

COMMAND = ("-m", "pipeline.extract", "--archive")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Twelve files in three folders, stored and deflated."""
    path = tmp_path / "own.zip"
    with zipfile.ZipFile(path, "w") as made:
        for n in range(12):
            made.writestr(
                f"folder{n % 3}/{n}.bin", os.urandom(2000) + b"0" * 4000, n % 2 * zipfile.ZIP_DEFLATED
            )
        made.writestr("empty/", b"")
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}


def found(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run(archive: Path, output: Path) -> int:
    return main(["--archive", str(archive), "--output", str(output), "--workers", "2"])


def test_it_is_unpacked_and_the_second_time_proven(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made"
    assert run(archive, output) == 0
    assert found(output) == contents(archive)
    assert run(archive, output) == 0
    assert "already there" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "own.zip"]


@pytest.mark.parametrize("change", ["damaged", "missing", "foreign"])
def test_a_folder_that_differs_is_left_alone(
    archive: Path, tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made"
    assert run(archive, output) == 0
    file = output / "folder0" / "0.bin"
    if change == "missing":
        file.unlink()
    else:
        (output / "mine.txt" if change == "foreign" else file).write_bytes(b"x" * 6000)
    before = found(output)
    assert run(archive, output) == 1
    assert found(output) == before
    assert "holds other files" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*REFUSED, *DAMAGED])
def test_hostile_archives_publish_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.zip").write_bytes(REFUSED[name][0] if name in REFUSED else DAMAGED[name])
    assert run(tmp_path / "bad.zip", tmp_path / "made") == 1
    said = capsys.readouterr().err
    assert "bad.zip is refused" in said and "why:" in said and "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"], "nor is anything left beside it"


def test_what_is_missing_or_in_the_way_is_named(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for source, output in (
        (tmp_path / "none.zip", tmp_path / "made"),
        (archive, tmp_path / "file"),
        (archive, tmp_path / "link"),
        (archive, tmp_path / "no" / "folder"),
    ):
        assert run(source, output) == 1
        assert "fix:" in capsys.readouterr().err
    assert (tmp_path / "file").read_bytes() == b"mine" and not (tmp_path / "elsewhere").exists()


def test_only_one_process_makes_it(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    working = tmp_path / ".made.unpacking"
    working.mkdir()
    descriptor = os.open(working, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert run(archive, tmp_path / "made") == 1
    os.close(descriptor)
    assert "another process is making" in capsys.readouterr().err
    assert working.is_dir(), "its folder is not taken from it"
    assert run(archive, tmp_path / "made") == 0


@pytest.mark.parametrize("what", [KILL, FULL, BROKEN])
def test_killed_or_out_of_disk_it_goes_on(archive: Path, tmp_path: Path, shim: Shim, what: str) -> None:
    output = tmp_path / "under" / "made"
    command = python(*COMMAND, archive, "--output", output)
    output.parent.mkdir()
    total = shim.count(command, output.parent)
    assert total > 40
    for at in spread(total, 4, seed=1):
        shutil.rmtree(output.parent)
        output.parent.mkdir()
        shim.run(command, output.parent, at, what)
        assert not output.exists() or found(output) == contents(archive)
        assert run(archive, output) == 0
        assert found(output) == contents(archive)
        assert set(snapshot(output.parent)) == {"made/", *(f"made/{name}" for name in snapshot(output))}


def test_what_a_kill_left_of_another_archive_is_not_published(archive: Path, tmp_path: Path) -> None:
    left = tmp_path / ".made.unpacking" / "0123456789abcdef" / "foreign"
    left.mkdir(parents=True)
    (left / "x").write_bytes(b"of another archive")
    assert run(archive, tmp_path / "made") == 0
    assert found(tmp_path / "made") == contents(archive)


def test_both_options_go_together(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--archive", str(archive)])
    assert stopped.value.code == 2
    assert "--output is missing" in capsys.readouterr().err


def test_an_option_of_a_data_root_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--archive", str(archive), "--output", str(tmp_path / "made"), "--splits", "val"])
    assert stopped.value.code == 2 and not (tmp_path / "made").exists()
    assert "--splits: has no meaning for a file of your own" in capsys.readouterr().err


def test_good_archives_of_other_tests_are_taken(tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(GOOD)
    assert run(tmp_path / "good.zip", tmp_path / "made") == 0
