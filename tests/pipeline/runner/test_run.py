"""The runner: decides with a reason, acts once, loses nothing when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.data_root import fingerprints as observe
from pipeline.data_root import manifests as trees
from pipeline.data_root import receipts
from pipeline.data_root.lock import root_lock
from pipeline.runner import run as runner
from pipeline.runner.run import STAGING, decide_all, run_stages
from pipeline.stage import Counts, Interrupted, Settings, Stage, StageContext, StageError
from pipeline.stop import Stop
from vision.artefacts.files import OutOfSpace


def copying(name: str, source: str, target: str, after: tuple[str, ...] = (), suffix: str = "") -> Stage:
    """A stage that copies one file of the root and adds ``suffix``."""

    def run(context: StageContext) -> Counts:
        text = (context.root / source).read_text() + suffix
        (context.staging / target).write_text(text)
        return Counts(taken_in=1, kept=1)

    return Stage(
        name, "copies", 1, after, lambda _: [source], lambda _: [target],
        lambda settings: {"suffix": suffix, "splits": list(settings.splits)}, run,
    )  # fmt: skip


FIRST = copying("first", "source", "middle", suffix="1")
SECOND = copying("second", "middle", "final", after=("first",), suffix="2")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "source").write_text("data")
    return Settings(tmp_path)


def run(settings: Settings, *stages: Stage, force: bool = False) -> list[str]:
    """Runs and returns what was said."""
    said: list[str] = []
    run_stages(stages or (FIRST, SECOND), settings, force, said.append, Stop())
    return said


def states(settings: Settings, *stages: Stage, deep: bool = False) -> list[tuple[str, str]]:
    return [(d.state, d.why) for d in decide_all(stages or (FIRST, SECOND), settings, deep)]


def test_a_finished_pipeline_does_nothing(settings: Settings) -> None:
    assert [state for state, _ in states(settings)] == ["missing", "missing"]
    run(settings)
    assert [state for state, _ in states(settings)] == ["done", "done"]
    before = (settings.root / "final").stat().st_mtime_ns
    assert all("done" in line for line in run(settings))
    assert (settings.root / "final").stat().st_mtime_ns == before


def test_a_changed_input_makes_everything_behind_it_stale_and_says_why(settings: Settings) -> None:
    run(settings)
    (settings.root / "source").write_text("other")
    (first, why), (second, upstream) = states(settings)
    assert (first, second) == ("stale", "stale")
    assert "input source has changed" in why
    assert "first comes before it" in upstream
    run(settings)
    assert (settings.root / "final").read_text() == "other12"


def test_content_decides_not_the_time_stamp(settings: Settings) -> None:
    run(settings)
    os.utime(settings.root / "source", (1, 1))
    assert [state for state, _ in states(settings)] == ["done", "done"]


def test_a_change_that_keeps_size_and_time_is_found_by_a_deep_look(settings: Settings) -> None:
    run(settings)
    final = settings.root / "final"
    stat = final.stat()
    with final.open("r+b") as stream:
        stream.write(b"X")
    os.utime(final, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert states(settings)[1][0] == "done"
    why = "output final has changed since (other content, still 6 bytes)"
    assert states(settings, deep=True)[1] == ("stale", why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: replace(s, version=2), "version 1 of the stage, this is 2"),
        (
            lambda s: replace(s, params=lambda _: {"suffix": "9", "splits": ["train", "val"]}),
            "suffix: 1 before, now 9",
        ),
        (
            lambda s: replace(s, params=lambda _: {"suffix": "1", "splits": ["val"]}),
            "splits: train, val before, now val",
        ),
        (lambda s: replace(s, outputs=lambda _: ["middle", "more"]), "more is a new output"),
    ],
)
def test_a_changed_stage_is_stale(settings: Settings, change: Any, why: str) -> None:
    run(settings)
    state, said = states(settings, change(FIRST))[0]
    assert state == "stale" and why in said


def test_a_missing_output_is_made_again(settings: Settings) -> None:
    run(settings)
    (settings.root / "final").unlink()
    assert states(settings)[1] == ("stale", "output final is missing")
    run(settings)
    assert (settings.root / "final").read_text() == "data12"


def test_a_damaged_receipt_is_named_and_made_again(settings: Settings) -> None:
    run(settings)
    receipts.receipt_path(settings.root, "first").write_text("{")
    state, why = states(settings)[0]
    assert state == "stale" and "receipt cannot be read" in why
    run(settings)
    assert states(settings)[0][0] == "done"


def test_losing_an_item_silently_is_an_error(settings: Settings) -> None:
    def run_it(context: StageContext) -> Counts:
        (context.root / "middle").touch()
        return Counts(taken_in=5, kept=3, dropped={"bad": 1})

    stage = replace(FIRST, run=run_it)
    with pytest.raises(StageError, match="lost something silently"):
        run(settings, stage)
    assert states(settings, stage)[0][0] == "missing"


def test_half_done_work_is_kept_for_the_same_plan_and_dropped_for_another(settings: Settings) -> None:
    seen: list[bool] = []

    def half(context: StageContext) -> Counts:
        note = context.staging / "half"
        seen.append(note.exists())
        note.touch()
        raise Interrupted

    for stage in (replace(FIRST, run=half), replace(FIRST, run=half), replace(FIRST, run=half, version=2)):
        with pytest.raises(Interrupted):
            run(settings, stage)
    assert seen == [False, True, False]
    assert "resume" in states(settings)[0][1]
    run(settings)
    assert not (settings.root / STAGING / "first").exists()


def test_a_tree_is_compared_file_by_file(settings: Settings) -> None:
    def make(context: StageContext) -> Counts:
        (context.root / "tree/sub").mkdir(parents=True, exist_ok=True)
        for name in ("a", "sub/b"):
            (context.root / "tree" / name).write_text(name)
        return Counts()

    stage = replace(FIRST, outputs=lambda _: ["tree"], run=make)
    run(settings, stage)
    assert states(settings, stage)[0][0] == "done"
    (settings.root / "tree/a").write_text("A")
    (settings.root / "tree/c").write_text("c")
    assert states(settings, stage)[0] == ("stale", "output tree: a has other content, c is new")


def test_a_second_process_is_told_who_holds_the_root(tmp_path: Path) -> None:
    with root_lock(tmp_path, True, print, Stop()):
        code = (
            "from pathlib import Path; from pipeline.data_root.lock import root_lock; from pipeline.stop import NEVER\n"
            "import sys\n"
            f"with root_lock(Path({str(tmp_path)!r}), False, print, NEVER): pass"
        )
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode == 1 and f"process {os.getpid()}" in child.stderr
    with root_lock(tmp_path, False, print, Stop()):
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_waiting_run_with_its_code(tmp_path: Path, number: int, code: int) -> None:
    with root_lock(tmp_path, True, print, Stop()):
        command = [sys.executable, "-u", "-m", "pipeline", "run", "--root", str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        assert "waiting: process" in child.stdout.readline()
        started = time.monotonic()
        child.send_signal(number)
        assert child.wait(timeout=20) == code
        assert time.monotonic() - started < 5
        assert "run the same command to resume" in child.stderr.read()
        child.stdout.close()
        child.stderr.close()


def test_a_receipt_says_what_was_read_and_made(settings: Settings) -> None:
    run(settings)
    noted = json.loads(receipts.receipt_path(settings.root, "second").read_text())
    assert (noted["stage"], noted["taken_in"], noted["kept"]) == ("second", 1, 1)
    assert list(noted["inputs"]) == ["middle"] and list(noted["outputs"]) == ["final"]
    assert noted["outputs"]["final"]["bytes"] == 6


KILLED = """
import os, signal
from pathlib import Path
from vision.artefacts import files
root = Path({root!r})
for name in ("middle", "sub/other", ".pipeline/first.json", "rejects.jsonl", ".pipeline/manifests/t.tsv"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    context = files.atomic_publish(root / name)
    context.__enter__().write_bytes(b"half")
    globals()[name] = context  # not closed: the process dies in the middle of all of them
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_temporary_files_of_a_killed_process_are_removed(settings: Settings) -> None:
    root = settings.root
    done = subprocess.run([sys.executable, "-c", KILLED.format(root=str(root))], check=False)
    assert done.returncode == -signal.SIGKILL
    left = {path.parent.relative_to(root).as_posix() for path in root.rglob(".tmp-*")}
    assert left == {".", "sub", ".pipeline", ".pipeline/manifests"}
    stage = replace(FIRST, outputs=lambda _: ["middle", "sub/other"], run=lambda c: _both(c.root))
    assert any("removed 5 temporary files" in line for line in run(settings, stage))
    assert list(root.rglob(".tmp-*")) == []


def _both(root: Path) -> Counts:
    for name in ("middle", "sub/other"):
        (root / name).write_text("made")
    return Counts()


def test_a_folder_whose_replacement_was_killed_is_put_back_and_done(settings: Settings) -> None:
    def make(context: StageContext) -> Counts:
        (context.root / "tree").mkdir()
        (context.root / "tree/a").write_text("a")
        return Counts()

    stage = replace(FIRST, outputs=lambda _: ["tree"], run=make)
    run(settings, stage)
    os.replace(settings.root / "tree", settings.root / ".tmp-old-tree")
    assert states(settings, stage)[0][0] == "stale"
    assert "done" in run(settings, stage)[0]
    assert (settings.root / "tree/a").read_text() == "a"


USING_UP = replace(SECOND, disposable=lambda _: ["middle"])


def test_what_is_used_up_may_go_when_the_stage_is_done(settings: Settings) -> None:
    run(settings, FIRST, USING_UP)
    (settings.root / "middle").unlink()
    first, second = decide_all((FIRST, USING_UP), settings)
    assert (first.state, second.state) == ("done", "done")
    assert first.gone == ("middle",) and "no longer here and not needed: middle" in first.why
    assert second.gone == ()
    assert all("done" in line for line in run(settings, FIRST, USING_UP))
    assert not (settings.root / "middle").exists()
    assert states(settings, FIRST) == [("stale", "output middle is missing")], "asked for alone, it makes it"


@pytest.mark.parametrize("break_it", ["change", "remove", "another", "force"])
def test_what_is_used_up_is_made_again_when_it_is_needed(settings: Settings, break_it: str) -> None:
    run(settings, FIRST, USING_UP)
    (settings.root / "middle").unlink()
    final = settings.root / "final"
    if break_it == "another":
        (settings.root / "middle").write_text("another")
    elif break_it == "change":
        final.write_text("changed")
    elif break_it == "remove":
        final.unlink()
    expected = "done" if break_it == "force" else "stale"
    assert [state for state, _ in states(settings, FIRST, USING_UP)] == [expected, expected]
    run(settings, FIRST, USING_UP, force=break_it == "force")
    assert (settings.root / "middle").read_text() == "data1"
    assert (settings.root / "final").read_text() == "data12"


def test_a_content_that_is_the_old_one_is_read_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a copy of the root, times and inodes are others: the next run notes them, so that later ones need not read."""

    def make(context: StageContext) -> Counts:
        (context.root / "tree").mkdir()
        (context.root / "tree/a").write_text("a")
        (context.root / "file").write_text("f")
        return Counts()

    stage = replace(FIRST, outputs=lambda _: ["tree", "file"], run=make)
    run(settings, stage)
    for name in ("source", "file", "tree/a"):
        os.utime(settings.root / name, (1, 1))
    read: list[str] = []
    crc, facts = trees.crc32_of, observe.facts_of
    monkeypatch.setattr(trees, "crc32_of", lambda path, tick: (read.append(path), crc(path, tick))[1])
    monkeypatch.setattr(observe, "facts_of", lambda path, tick: (read.append(path), facts(path, tick))[1])
    assert states(settings, stage)[0][0] == "done"
    assert len(read) == 3
    assert "done" in run(settings, stage)[0]
    read.clear()
    assert "done" in run(settings, stage)[0]
    assert read == []


def test_a_full_disk_does_not_matter_when_there_is_nothing_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings)
    os.utime(settings.root / "source", (1, 1))

    def full(*_: object) -> None:
        raise OutOfSpace(28, "full")

    monkeypatch.setattr(receipts, "publish_json", full)
    assert all("done" in line for line in run(settings))


def test_a_look_can_be_stopped(settings: Settings) -> None:
    run(settings)
    with pytest.raises(Interrupted):
        decide_all([FIRST], settings, deep=True, stop=Stop(lambda: True))


def test_a_stage_that_ends_without_its_output_is_an_error_with_a_reason(settings: Settings) -> None:
    with pytest.raises(StageError, match="middle is not there"):
        run(settings, replace(FIRST, run=lambda _: Counts()))


def test_a_pipe_in_the_place_of_what_is_used_up_is_named(settings: Settings) -> None:
    run(settings, FIRST, USING_UP)
    (settings.root / "middle").unlink()
    os.mkfifo(settings.root / "middle")
    (first, why), (second, also) = states(settings, FIRST, USING_UP)
    assert (first, second) == ("stale", "stale")
    assert (
        why == "output middle is a named pipe now, it was a file" and "input middle is a named pipe" in also
    )


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ({"classes": None}, {"classes": ["person", "car"]}, "classes: all before, now person, car"),
        ({"thorough": False}, {"thorough": True}, "thorough: no before, now yes"),
        ({"files": {"a": "1", "b": "2"}}, {"files": {"a": "1", "b": "3"}}, "files: b changed"),
        ({}, {"pixels": 5}, "pixels: not set before, now 5"),
    ],
)
def test_a_changed_parameter_is_told_in_words(before: dict[str, Any], now: dict[str, Any], why: str) -> None:
    (key,) = now
    assert runner._change(key, before, now) == why
