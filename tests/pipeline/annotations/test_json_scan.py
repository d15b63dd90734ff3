"""Strings of a JSON text end where one byte after the other ends them, found in constant memory."""

from __future__ import annotations

import mmap
import random
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.annotations import json_scan
from pipeline.annotations.json_scan import end_of_sound_string, end_of_string


def slow_end(text: bytes, start: int, limit: int) -> int:
    position = start + 1
    while position < limit:
        if text[position : position + 1] == b'"':
            return position + 1
        position += 2 if text[position : position + 1] == b"\\" else 1
    return -1


def test_the_same_as_byte_by_byte() -> None:
    chance = random.Random(5)
    for _ in range(5000):
        text = bytes(chance.choice(b'"\\[]{}a,"\\"') for _ in range(chance.randrange(40)))
        limit = chance.randint(0, len(text))
        start = chance.randint(0, limit)
        if text[start : start + 1] == b'"' and start < limit:
            assert end_of_string(text, start, limit) == slow_end(text, start, limit), (text, start, limit)


@pytest.mark.parametrize("rounds", [20, 21, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("round_", [b"\\n", b'\\"', b"\\\\", b"x\\["])
def test_what_is_longer_than_the_bound_of_a_pattern(round_: bytes, rounds: int, tmp_path: Path) -> None:
    string = b'"' + round_ * rounds + b'"'
    text = string * 3 + b"]" + string[:-1]
    file = tmp_path / "text"
    file.write_bytes(text)
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for given in (text, mapped):
            assert end_of_string(given, 0, len(text)) == len(string)
            behind = 3 * len(string) + 1  # one without an end
            assert end_of_string(given, behind, len(text)) == -1


@pytest.mark.parametrize("step", [1, 3, 4, 7, 1 << 20])
def test_what_is_no_utf8_has_the_place_that_python_gives_it(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_scan, "STEP", step)
    chance, faults = random.Random(step), 0
    for _ in range(3000):
        inside = "".join(chance.choice("xé€😀") for _ in range(chance.randrange(8))).encode()
        at = chance.randrange(len(inside) + 1)
        inside = (
            inside[:at]
            + chance.choice([b"", b"\xc3", b"\xe2\x82", b"\xff", b"\x80"])
            + inside[at + chance.randrange(2) :]
        )
        wanted = (len(inside) + 2, "")
        try:
            inside.decode()
        except UnicodeDecodeError as error:
            wanted, faults = (1 + error.start, "not UTF-8"), faults + 1
        assert end_of_sound_string(b'"%b"' % inside, 0, lambda: None) == wanted, inside
    assert faults > 1000


HOSTILE = """
import resource
from pipeline.annotations.json_scan import end_of_string
texts = [b'"' + b"\\\\n" * 2_000_000 + b'"', b'"' + b'\\\\"' * 2_000_000]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert [end_of_string(text, 0, len(text)) for text in texts] == [4_000_002, -1]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_text(repository: Path) -> None:
    """A pattern with a repeat that has no bound takes 300 to 800 MB for these."""
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], cwd=repository, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 30_000, "kB"
