"""Every stage, killed and out of disk at any moment: old or new files, never anything else; the next run mends it.

Who gives the outputs their names is stopped at every change in ``tests/pipeline/runner/test_publish.py``; here are
what each stage does before that, and the two that name files themselves (download, the folders of extract). The short
versions always run; ``-m faults`` tries more changes, and hundreds of random moments for each of three seeds.
"""

from __future__ import annotations

import importlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.command.options import OPTIONS
from pipeline.data_root import claims
from pipeline.runner.clean import Selection, plan, remove
from pipeline.stages import NAMES
from pipeline.stop import NEVER
from tests import warm
from tests.faults.harness import (
    BROKEN,
    FULL,
    KILL,
    REPOSITORY,
    Shim,
    killed_after,
    python,
    snapshot,
    spread,
)
from tools.demo import mirror

SHORT_KILLS, SHORT_FAILURES, LONG_KILLS, LONG_POINTS = 2, 2, 100, 40
SELF_NAMING = ("download", "extract")
"""The stages that give files their names without the publisher: each change of theirs is tried."""
MESSAGES = {FULL: ("full", "space"), BROKEN: ("nput/output", "I/O", "read or written")}


@dataclass(frozen=True)
class Case:
    """A stage on a small root: ``before`` has all that it needs and nothing that it makes, ``whole`` has all."""

    name: str
    url: str
    table: Path
    before: Path
    whole: Path
    counted: dict[str, int] = field(default_factory=dict)

    def words(self, root: Path, *more: str) -> list[str]:
        options = {"--release": str(self.table), "--mirror": self.url}
        taken = [word for option in options.items() if self.name in OPTIONS[option[0]][0] for word in option]
        return ["--root", str(root), *taken, "--workers", "2", *more]

    def command(self, root: Path, *more: str) -> list[str]:
        return python("-m", f"pipeline.{self.name}", *self.words(root, *more))

    def changes(self, shim: Shim, folder: Path, *more: str) -> int:
        """Changes of the file system that the stage makes from ``before``, or with ``--force`` from ``whole``; counted once."""
        start = self.whole if more else self.before
        key = " ".join(more)
        if key not in self.counted:
            self.counted[key] = shim.count(self.command(copied(start, folder / "root"), *more), folder)
        return self.counted[key]

    def finish(self, root: Path) -> None:
        self.run(root)
        assert made_by_stages(root) == self.expected(), "the end is not that of an uninterrupted run"
        left = [
            name
            for name in snapshot(root)
            if "/.tmp-" in f"/{name}"
            or (name.startswith(".pipeline/staging/") and name != ".pipeline/staging/")
        ]
        assert not left, f"left behind: {left}"

    def run(self, root: Path) -> None:
        """The stage, in this process."""
        assert importlib.import_module(f"pipeline.{self.name}.__main__").main(self.words(root)) == 0

    def expected(self) -> dict[str, str]:
        """What stands in the root when this stage is through and later ones have not run."""
        finished = self.before.with_name(f"{self.before.name}-finished")
        if not finished.exists():
            shutil.copytree(self.before, finished)
            self.run(finished)
        return made_by_stages(finished)


def made_by_stages(root: Path) -> dict[str, str]:
    """All but the runner's own notes, which hold times."""
    return snapshot(root, lambda name: name == ".pipeline" or name.startswith(".pipeline/"))


@pytest.fixture(scope="module", params=NAMES)
def case(
    request: pytest.FixtureRequest,
    miniature_release: Path,
    miniature_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp(request.param)
    before = folder / "before"
    shutil.copytree(miniature_root, before)
    remove(plan(before, Selection(stages=NAMES[NAMES.index(request.param) :])), print, NEVER)
    with mirror(miniature_release) as url:
        yield Case(request.param, url, miniature_release / "release.json", before, miniature_root)


def copied(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target


# ---------------------------------------------------------------- killed


def kill_at_points(case: Case, shim: Shim, tmp_path: Path, points: int) -> None:
    total = case.changes(shim, tmp_path)
    assert total > SHORT_KILLS
    for at in spread(total, points):
        root = copied(case.before, tmp_path / "root")
        shim.run(case.command(root), tmp_path, at, KILL)
        only_old_or_new(case, root)
        case.finish(root)


def only_old_or_new(case: Case, root: Path) -> None:
    """Under every final name stands what an uninterrupted run puts there, or nothing yet.

    A second run that is killed, too, may have given what the first one made a second name: the claim tells it, and
    ``finish`` finds it gone.
    """
    expected, found = case.expected(), made_by_stages(root)
    claim = claims.read(root, case.name)
    aside = claim.aside if claim else {}
    for name, digest in found.items():
        for second, each in aside.items():
            if name == second or name.startswith(f"{second}/"):
                name = f"{each.of}{name.removeprefix(second)}"
        assert is_passing(name) or expected.get(name) == digest, f"{name} is not what it has to be"


def is_passing(name: str) -> bool:
    """Names that no reader takes for a result: temporary files, and archives that are still arriving."""
    return name.endswith((".part", ".part.jsonl")) or any(part.startswith(".") for part in Path(name).parts)


def kill_randomly(case: Case, tmp_path: Path, kills: int, seed: int) -> None:
    """One root, killed again and again; when a run gets through, the next root."""
    draw, done = random.Random(f"{case.name} {seed}"), 0
    while done < kills:
        root = copied(case.before, tmp_path / "root")
        for _ in range(4):
            done += killed_after(case.command(root), draw.uniform(0.1, 1.0))
            only_old_or_new(case, root)
        case.finish(root)


def long_points(case: Case) -> int:
    return 1_000 if case.name in SELF_NAMING else LONG_POINTS


def test_killed_at_some_changes(case: Case, shim: Shim, tmp_path: Path) -> None:
    kill_at_points(case, shim, tmp_path, SHORT_KILLS)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_killed_at_every_change(case: Case, shim: Shim, tmp_path: Path) -> None:
    kill_at_points(case, shim, tmp_path, long_points(case))


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_a_hundred_random_moments(case: Case, tmp_path: Path, seed: int) -> None:
    kill_randomly(case, tmp_path, LONG_KILLS, seed)


# ---------------------------------------------------------------- full and broken disks


def fail_at_points(case: Case, shim: Shim, tmp_path: Path, points: int, what: str) -> None:
    """From the point on nothing can be written: named, nothing wrong published, and mended by the next run."""
    total = case.changes(shim, tmp_path)
    for at in spread(total, points, seed=int(what)):
        root = copied(case.before, tmp_path / "root")
        failed = shim.run(case.command(root), tmp_path, at, what)
        told(failed, what)
        only_old_or_new(case, root)
        case.finish(root)


def told(done: subprocess.CompletedProcess[str], what: str) -> None:
    """0 where the point came after all the work, else 1 with what it was and how to go on."""
    if done.returncode == 0:
        return
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert any(word in done.stderr for word in MESSAGES[what]), done.stderr
    assert "fix:" in done.stderr, done.stderr


def fail_over_old_files(case: Case, shim: Shim, tmp_path: Path, points: int, what: str) -> None:
    """The same with ``--force`` over a finished root: what stood there stays as it was."""
    total = case.changes(shim, tmp_path, "--force")
    for at in spread(total, points, seed=int(what)):
        root = copied(case.whole, tmp_path / "root")
        before = made_by_stages(root)
        told(shim.run(case.command(root, "--force"), tmp_path, at, what), what)
        after = {name: digest for name, digest in made_by_stages(root).items() if name in before}
        assert after == before, f"point {at}"


@pytest.mark.parametrize("what", [FULL, BROKEN], ids=["full", "broken"])
def test_the_disk_fails_at_some_changes(case: Case, shim: Shim, tmp_path: Path, what: str) -> None:
    fail_at_points(case, shim, tmp_path, SHORT_FAILURES, what)
    fail_over_old_files(case, shim, tmp_path, 1, what)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", [FULL, BROKEN], ids=["full", "broken"])
def test_the_disk_fails_at_every_change(case: Case, shim: Shim, tmp_path: Path, what: str) -> None:
    fail_at_points(case, shim, tmp_path, long_points(case), what)
    fail_over_old_files(case, shim, tmp_path, long_points(case), what)


# ---------------------------------------------------------------- two at once


def test_two_at_once_take_turns(case: Case, tmp_path: Path) -> None:
    root = copied(case.before, tmp_path / "root")
    both = [
        warm.Popen(
            case.command(root), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(f"{case.name}: running" in words for words in said) == 1, said
    case.finish(root)
