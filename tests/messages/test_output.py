"""What is printed: in any locale, to nobody, to a pipe that ends, to a full device, with a secret on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness import REPOSITORY

PROGRAM = """
from vision.messages.early import guard
import sys
guard(only_prints="only" in sys.argv)
for number in range(int(sys.argv[1])):
    print("… → é ✓ \\udcff", *sys.argv[2:])
open("made", "w").write("whole")
print("done", file=sys.stderr)
sys.exit(3)
"""
LOCALES = {
    "C": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, b"... -> \\xe9 + \\xff"),
    "ascii": ({"PYTHONIOENCODING": "ascii"}, b"... -> \\xe9 + \\xff"),
    "ascii:strict": ({"PYTHONIOENCODING": "ascii:strict"}, b"... -> \\xe9 + \\xff"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, b"... -> \xe9 + \\xff"),
    "utf-8": ({"PYTHONIOENCODING": "utf-8"}, "… → é ✓ \\xff".encode()),
}


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """bash runs ``line``, in which ``$it`` is the program above."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    known = {**os.environ, "PYTHONPATH": str(REPOSITORY), "it": f"{sys.executable} program.py", **environment}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=known, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize("name", LOCALES)
def test_a_letter_that_cannot_be_encoded_is_spelled(name: str, tmp_path: Path) -> None:
    environment, expected = LOCALES[name]
    done = shell("$it 1", tmp_path, **environment)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (3, expected, b"done\n")


@pytest.mark.parametrize("count", [1, 50_000])
@pytest.mark.parametrize(
    "where", [">&-", ">/dev/full", "| true", "| head -1 >/dev/null", ">&- 2>&-", "2>/dev/full"]
)
def test_the_work_goes_on_and_ends_with_its_own_status(where: str, count: int, tmp_path: Path) -> None:
    done = shell(f"$it {count} {where}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr and b"ignored" not in done.stderr
    assert (tmp_path / "made").read_text() == "whole", "no word of ours got into a file of ours"
    assert done.stderr.count(b"\n") <= 2, done.stderr


@pytest.mark.parametrize("count", [1, 50_000])
def test_a_program_that_only_prints_ends_with_its_reader_or_fails(count: int, tmp_path: Path) -> None:
    done = shell(f"$it {count} only | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 141 and done.stderr in (b"", b"done\n")
    done = shell(f"$it {count} only >/dev/full", tmp_path)
    said = done.stderr.decode().replace("done\n", "").splitlines()
    assert done.returncode == 1 and said[0] == "error: /dev/full takes nothing" and len(said) == 3


@pytest.mark.parametrize(
    "address", ["https://u:s3cr3t@h/", "https://h/f?token=s3cr3t", "https://u:p/s3cr3t@h/"]
)
def test_a_secret_of_the_command_line_is_not_printed_by_anybody(address: str, tmp_path: Path) -> None:
    done = shell(f"$it 1 {address!r} --url={address!r}", tmp_path)
    assert b"***" in done.stdout and b"s3cr3t" not in done.stdout
    done = shell(f"$it {address!r}", tmp_path)  # a traceback with the word in it
    assert b"***" in done.stderr and b"s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    ("raised", "first"),
    [
        ("PermissionError(13, 'Permission denied', 'x')", "error: x cannot be read or written"),
        ('RuntimeError("can\'t start new thread")', "error: the system gives no more processes or threads"),
        ("MemoryError()", "error: there is not enough memory"),
    ],
)
def test_what_the_system_refuses_anywhere_is_three_lines(raised: str, first: str) -> None:
    script = f"from vision.messages.early import guard; guard(); raise {raised}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()
    assert done.returncode == 1 and said[0] == first and len(said) == 3
