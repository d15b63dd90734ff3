"""The publisher, killed and out of disk at every change that it and the runner make around a small stage.

Under each name stands the old or the new output, an edit of the owner's is never lost, and the next run ends in the
bytes of an uninterrupted one. The stages themselves change nothing outside their staging folders.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.data_root import receipts
from pipeline.runner import publish
from pipeline.runner.run import run_stages
from pipeline.stage import Counts, Interrupted, Settings, Stage, StageContext
from pipeline.stop import NEVER, Stop
from tests.faults.harness import snapshot, spread
from tests.faults.stopped import Change, Killed, full, killed, killed_for_good, stopped

OUTPUTS = ("file", "deep/other", "tree", "tree2/in", "report/sometimes")


def make(context: StageContext) -> Counts:
    text = (context.root / "source").read_text()
    for name in ("file", "deep/other", "tree/a", "tree/sub/b", "tree2/in/c"):
        (context.staging / name).parent.mkdir(parents=True, exist_ok=True)
        (context.staging / name).write_text(f"{name} of {text}")
    if "more" in text:
        (context.staging / "report").mkdir(exist_ok=True)
        (context.staging / "report/sometimes").write_text(text)
    return Counts(1, 1)


STAGE = Stage(
    "small", "makes", 1, (), lambda _: ["source"], lambda _: OUTPUTS, lambda _: {}, make,
    sometimes=lambda _: OUTPUTS[-1:],
)  # fmt: skip


def run(root: Path, stop: Stop = NEVER, stage: Stage = STAGE) -> list[str]:
    said: list[str] = []
    run_stages([stage], Settings(root), False, said.append, stop)
    return said


def seen(root: Path) -> dict[str, str]:
    return snapshot(root, lambda name: name.startswith(".pipeline"))


@dataclass(frozen=True)
class Case:
    """A root before a run, and all that is in it behind an uninterrupted one; ``edits``: what of it is the owner's."""

    before: Path
    old: dict[str, str]
    new: dict[str, str]
    edits: frozenset[str]

    def copied(self, folder: Path) -> Path:
        shutil.rmtree(folder / "root", ignore_errors=True)
        return shutil.copytree(self.before, folder / "root", symlinks=True)

    def check(self, root: Path) -> None:
        """Each output is the old or the new one, and no edit is lost."""
        now = seen(root)
        for path in OUTPUTS:
            states = [_below(path, state) for state in (now, self.old, self.new)]
            assert states[0] in states[1:], path
        assert self.edits <= set(now.values())

    def finish(self, root: Path) -> None:
        run(root)
        assert seen(root) == self.new
        left = [name for name in snapshot(root) if ".tmp-" in name or "staging/" in name.removesuffix("/")]
        assert not left
        receipt = receipts.read(root, "small")
        assert receipt and {*receipt.outputs} == {path for path in OUTPUTS if (root / path).exists()}


def _below(path: str, state: dict[str, str]) -> dict[str, str]:
    return {
        name: data for name, data in state.items() if name.rstrip("/") == path or name.startswith(f"{path}/")
    }


@pytest.fixture(params=["nothing", "more", "less", "edited"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    before = tmp_path / "before"
    before.mkdir()
    if request.param != "nothing":
        (before / "source").write_text("old" if request.param == "more" else "old and more")
        run(before)
    (before / "source").write_text("new" if request.param == "less" else "new and more")
    edits = set()
    if request.param == "edited":
        for name in ("file", "tree/mine", "report/sometimes"):
            (before / name).write_text(f"edited {name}")
        edits = {
            data for name, data in seen(before).items() if name in ("file", "tree/mine", "report/sometimes")
        }
    whole = shutil.copytree(before, tmp_path / "whole")
    run(whole)
    return Case(before, seen(before), seen(whole), frozenset(edits))


def points(case: Case, tmp_path: Path, most: int) -> list[int]:
    root = case.copied(tmp_path)
    with stopped(0, killed) as changes:
        run(root)
    assert len(changes) > 40 and {"fsync", "os.rename", "open", "os.mkdir"} <= {*changes}
    return spread(len(changes), most)


def stop_at(case: Case, tmp_path: Path, most: int, problem: Change, raised: type[BaseException]) -> None:
    for at in points(case, tmp_path, most):
        root = case.copied(tmp_path)
        with stopped(at, problem) as changes:
            try:
                run(root)
            except raised as error:
                assert getattr(error, "errno", errno.ENOSPC) == errno.ENOSPC
        assert len(changes) >= at
        case.check(root)
        case.finish(root)


FEW, ALL = 6, 10_000


@pytest.mark.parametrize(("problem", "raised"), [(killed, Killed), (full, OSError)], ids=["killed", "full"])
def test_stopped_at_some_changes(
    case: Case, tmp_path: Path, problem: Change, raised: type[BaseException]
) -> None:
    stop_at(case, tmp_path, FEW, problem, raised)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("problem", "raised"), [(killed, Killed), (full, OSError)], ids=["killed", "full"])
def test_stopped_at_every_change(
    case: Case, tmp_path: Path, problem: Change, raised: type[BaseException]
) -> None:
    stop_at(case, tmp_path, ALL, problem, raised)


def test_killed_by_the_system_at_two_changes(case: Case, tmp_path: Path) -> None:
    for at in points(case, tmp_path, 2):
        root = case.copied(tmp_path)
        child = os.fork()
        if not child:
            with stopped(at, killed_for_good):
                run(root)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        case.check(root)
        case.finish(root)


def test_asked_to_stop_at_any_time_all_outputs_are_old_or_all_are_new(case: Case, tmp_path: Path) -> None:
    stops = 0
    for limit in range(100):
        root, asked = case.copied(tmp_path), 0

        def stop(limit: int = limit) -> bool:
            nonlocal asked
            asked += 1
            return asked > limit

        try:
            run(root, Stop(stop))
        except Interrupted:
            stops += 1
            outputs = [_below(path, seen(root)) for path in OUTPUTS]
            assert outputs in [[_below(path, state) for path in OUTPUTS] for state in (case.old, case.new)]
        else:
            break
    assert stops > 5
    case.finish(root)


def test_what_a_stopped_run_staged_is_not_published_by_the_next(case: Case, tmp_path: Path) -> None:
    """It may be of a moment that has passed, such as an image that could not be read."""

    def stops(context: StageContext) -> Counts:
        make(context)
        (context.staging / "tree/stale").write_text("stale")
        (context.staging / "report").mkdir(exist_ok=True)
        (context.staging / "report/sometimes").write_text("stale")
        raise Interrupted

    root = case.copied(tmp_path)
    with pytest.raises(Interrupted):
        run(root, stage=replace(STAGE, run=stops))
    assert seen(root) == case.old
    case.finish(root)


def test_on_the_disk_before_the_first_name_changes(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is staged, then the names, each of them with its folder before the next; the receipt comes last."""
    root, order = case.copied(tmp_path), list[tuple[str, str]]()
    monkeypatch.setattr(publish, "fsync_file", lambda path: order.append(("disk", path.name)))
    monkeypatch.setattr(publish, "fsync_tree", lambda path, check: order.append(("disk", path.name)))
    monkeypatch.setattr(publish, "fsync_folder", lambda path: order.append(("folder", path.name)))
    give = publish._give_name
    monkeypatch.setattr(
        publish, "_give_name", lambda *given: (order.append(("name", Path(given[2]).name)), give(*given))
    )
    write = receipts.write
    monkeypatch.setattr(receipts, "write", lambda *given: (order.append(("receipt", "small")), write(*given)))
    run(root)
    made = [Path(path).name for path in OUTPUTS if (root / path).exists()]
    assert [name for what, name in order if what == "disk"] == made == [n for w, n in order if w == "name"]
    first = order.index(("name", "file"))
    assert [what for what, _ in order[:first]] == ["disk"] * len(made)
    assert order[first + 1] == ("folder", "root") and order[first + 3] == ("folder", "deep")
    assert order[-1] == ("receipt", "small")
