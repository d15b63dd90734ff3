"""The table of deliberate faults fits the code that is there, and the script tells noticed from not, in a copy."""

from __future__ import annotations

import ast
import functools
import os
import time
from pathlib import Path

import pytest

from benchmarks.deliberate_faults import __main__ as deliberate_faults
from benchmarks.deliberate_faults.__main__ import main, run, with_fault
from benchmarks.deliberate_faults.fault import Fault
from benchmarks.deliberate_faults.table import FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_its_file_exactly_once_and_leaves_it_readable(repository: Path, fault: Fault) -> None:
    source = (repository / fault.file).read_text(encoding="utf-8")
    broken = with_fault(source, fault)
    assert broken != source
    assert ast.dump(ast.parse(broken)) != meaning(source)  # not a comment, not a space
    assert all((repository / test.split("::")[0]).is_file() for test in fault.tests.split())


@functools.cache
def meaning(source: str) -> str:
    return ast.dump(ast.parse(source))


def test_names_are_apart_and_a_short_run_has_one_of_each_file() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    quick = [fault.file for fault in FAULTS if fault.quick]
    assert sorted(quick) == sorted({fault.file for fault in FAULTS})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "vision").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "vision" / "sums.py").write_text("def add(a, b):\n    return a + b\n\n\nUNUSED = 1\n")
    (root / "tests" / "test_sums.py").write_text(
        "from vision.sums import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    return root


def _fault(old: str, new: str, name: str = "x") -> Fault:
    return Fault(name, "vision/sums.py", old, new, "tests/test_sums.py")


def test_noticed_and_not(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    minus, nobody = _fault("a + b", "a - b", "minus"), _fault("UNUSED = 1", "UNUSED = 2", "nobody looks")
    assert run([minus], tree) == 0
    assert run([nobody, minus], tree) == 1
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("noticed      vision/sums.py: minus")
    assert said[1:3] == ["  1 of 1   vision", "1 of 1 faults noticed"]
    assert said[3].startswith("NOT NOTICED  vision/sums.py: nobody looks") and said[4].startswith("noticed ")
    assert said[5:] == ["  1 of 2   vision", "1 of 2 faults noticed"]


def test_several_at_a_time_find_the_same_in_copies_of_their_own(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [_fault("a + b", f"a {sign} b", sign) for sign in "-*/%"]
    assert run([*wrong, _fault("UNUSED = 1", "UNUSED = 2", "nobody looks")], tree, jobs=3) == 1
    *said, room, total = capsys.readouterr().out.splitlines()
    assert sorted(line.rsplit(" (", 1)[0] for line in said) == [
        "NOT NOTICED  vision/sums.py: nobody looks",
        *sorted(f"noticed      vision/sums.py: {fault.name}" for fault in wrong),
    ]
    assert (room, total) == ("  4 of 5   vision", "4 of 5 faults noticed")


def test_left_early_nothing_runs_on(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run and what it has started."""
    (tree / "tests" / "test_sums.py").write_text(
        "import os, subprocess, sys, time\n\n\ndef test_long():\n"
        "    other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    open('part', 'w').write(f'{os.getpid()} {other.pid}')\n"
        "    os.rename('part', 'processes')\n    time.sleep(600)\n"
    )

    def interrupted() -> tuple[int, int]:
        end = time.monotonic() + 120
        while not (tree / "processes").exists() and time.monotonic() < end:
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(deliberate_faults._all([tree], [deliberate_faults.Run(["tests/test_sums.py"])]))
    end = time.monotonic() + 30
    for process in map(int, (tree / "processes").read_text().split()):
        while not _is_gone(process):
            assert time.monotonic() < end, f"{process} runs on"
            time.sleep(0.02)


def _is_gone(process: int) -> bool:
    """Ended, or about to be taken from the table of processes by its parent."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_tests_that_cannot_run_notice_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run([_fault("def add", "def plus")], tree) == 1
    )  # the test's module cannot be imported: no test was red
    assert capsys.readouterr().out.startswith("NOT RUN (pytest says 2)")


def test_red_tests_say_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "tests" / "test_sums.py").write_text("def test_red():\n    assert False\n")
    assert run([_fault("a + b", "a - b")], tree) == 1
    assert "red without any fault" in capsys.readouterr().err


def test_what_is_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chosen: list[list[Fault]] = []
    monkeypatch.setattr(deliberate_faults, "run", lambda faults, root, jobs: chosen.append(list(faults)) or 0)
    assert main([]) == main(["--quick"]) == main(["--only", "hue"]) == 0
    assert len(chosen[0]) == len(FAULTS) > len(chosen[1]) > len(chosen[2]) == 1
    for words, why in ((["--only", "no such fault"], "no fault has that"), (["--jobs", "0"], "1 or more")):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2 and why in capsys.readouterr().err
