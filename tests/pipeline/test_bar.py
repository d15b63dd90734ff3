"""What is slow to import: tqdm only where a bar is drawn, and nothing of it in a run with nothing to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.bar import bar
from pipeline.command.run_stage import say
from tests.faults.harness import REPOSITORY

HEAVY = ("numpy", "cv2", "PIL", "tqdm", "skimage", "requests", "urllib3", "concurrent.futures")


def test_a_run_with_nothing_to_do_imports_nothing_heavy(miniature_root: Path) -> None:
    script = (
        f"import sys; from pipeline.__main__ import main; code = main(['run', '--root', {str(miniature_root)!r}]); "
        f"print(code, [name for name in {HEAVY} if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "running" not in said and said.splitlines()[-1] == "0 []", said


def test_a_line_moves_a_bar_out_of_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("reading", 10, disable=False, ncols=40, mininterval=0) as shown:
        shown.update(4)
        say("a line")
    caught = capsys.readouterr()
    assert caught.out == "a line\n" and shown.n == 4
    before, after = caught.err.rsplit("\r" + " " * 8, 1)
    assert "reading" in before and "reading" in after, "drawn again behind the line"
