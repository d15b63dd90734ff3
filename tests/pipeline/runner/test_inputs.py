"""An input that changes while its stage works ends without a receipt; one that nobody touched is read once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.data_root import fingerprints, receipts
from pipeline.runner import run as runner
from pipeline.runner.run import run_stages
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from pipeline.stop import Stop
from vision.artefacts.files import facts_of


def made(context: StageContext) -> Counts:
    (context.staging / "file").write_bytes((context.root / "source").read_bytes())
    return Counts(1, 1)


STAGE = Stage("stage", "makes", 1, (), lambda _: ["source"], lambda _: ["file"], lambda _: {}, made)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "source").write_text("data")
    return Settings(tmp_path)


def run(settings: Settings, stage: Stage = STAGE) -> list[str]:
    said: list[str] = []
    run_stages([stage], settings, False, said.append, Stop())
    return said


CHANGES: list[Callable[[Path], object]] = [
    Path.unlink,
    lambda path: path.write_text("other"),
    lambda path: (path.unlink(), path.mkdir()),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changes_while_the_stage_works_ends_without_a_receipt(
    settings: Settings, change: Callable[[Path], object]
) -> None:
    def late(context: StageContext) -> Counts:
        counts = made(context)
        change(context.root / "source")
        return counts

    with pytest.raises(StageError, match="source changed while stage worked on it"):
        run(settings, replace(STAGE, run=late))
    assert receipts.read(settings.root, "stage") is None


def rewritten(path: Path) -> None:
    """As many other bytes, and the time put back."""
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("when", ["while the stage works", "just before it"])
def test_an_input_that_is_written_with_its_time_put_back_ends_without_a_receipt(
    settings: Settings, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before: its last change is not earlier than the stage by the disk's clock, so that it is read again."""
    source, reads = settings.root / "source", []
    monkeypatch.setattr(
        fingerprints, "facts_of", lambda path, tick: (reads.append(path.name), facts_of(path, tick))[1]
    )

    time.sleep(0.02)  # ticks of the disk's clock

    def late(context: StageContext) -> Counts:
        if when == "while the stage works":
            rewritten(source)
        return made(context)

    if when == "just before it":
        monkeypatch.setattr(runner, "disk_time_ns", lambda folder: source.stat().st_ctime_ns)
        run(settings, replace(STAGE, run=late))
        assert reads.count("source") == 2
    else:
        with pytest.raises(StageError, match="source changed while stage worked on it"):
            run(settings, replace(STAGE, run=late))


def test_an_input_that_nobody_touched_is_read_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 GB of archives, of COCO. ``--force`` reads every byte again."""
    reads: list[str] = []
    monkeypatch.setattr(
        fingerprints, "facts_of", lambda path, tick: (reads.append(path.name), facts_of(path, tick))[1]
    )
    time.sleep(0.02)  # ticks of the disk's clock
    run(settings)
    assert reads.count("source") == 1
    reads.clear()
    run_stages([STAGE], settings, True, lambda text: None, Stop())
    assert reads.count("source") == 2


def swapped(path: Path) -> None:
    """Another file stands there while the stage reads, and the first one is back afterwards, as it was."""
    path.rename(path.with_name("away"))
    path.write_text("other")
    assert path.read_text() == "other"
    path.with_name("away").replace(path)


def test_an_input_that_is_moved_away_and_back_ends_without_a_receipt(settings: Settings) -> None:
    def between(context: StageContext) -> Counts:
        swapped(context.root / "source")
        return made(context)

    with pytest.raises(StageError, match="source was moved, renamed or written again while stage worked"):
        run(settings, replace(STAGE, run=between))
    assert receipts.read(settings.root, "stage") is None
    assert any("done in" in line for line in run(settings)), "the same command mends it"


def test_a_file_of_a_folder_that_is_written_with_its_time_put_back_ends_without_a_receipt(
    settings: Settings,
) -> None:
    folder = settings.root / "images"
    folder.mkdir()
    one = folder / "one"
    one.write_text("good")

    def late(context: StageContext) -> Counts:
        (context.staging / "journal").write_text("one: bad")
        before = one.stat()
        one.write_text("bad!")
        os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
        return made(context)

    stage = replace(STAGE, inputs=lambda settings: ["source", "images"])
    with pytest.raises(StageError, match="images changed while stage worked"):
        run(settings, replace(stage, run=late))
    assert receipts.read(settings.root, "stage") is None
    assert not list((settings.root / ".pipeline/staging").glob("stage/*")), (
        "what was found is not believed again"
    )
