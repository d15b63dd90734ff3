"""The digest of an arriving file is that of its bytes, in whatever order they come."""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from pipeline.transfer import running_digest
from pipeline.transfer.partial import PartialFile
from pipeline.transfer.running_digest import RunningDigest

SIZE, BLOCK = 40_000, 1_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_digest, "BLOCK", BLOCK)
    monkeypatch.setattr(running_digest, "LOOK_S", 0.001)


def arriving(tmp_path: Path) -> PartialFile:
    part = PartialFile(tmp_path / "file.zip", SIZE, "x")
    part.open(SIZE // 8)
    assert len(part.spans) == 8
    return part


def fill(part: PartialFile, data: bytes, order: random.Random) -> None:
    """Pieces of any size into the spans, in any order."""
    while open_spans := [span for span in part.spans if not span.complete]:
        span = order.choice(open_spans)
        assert span.end is not None
        count = min(order.randrange(1, 3 * BLOCK), span.end - span.position)
        part.write(span, data[span.position : span.position + count])


def nothing() -> None: ...


@pytest.mark.parametrize("seed", range(4))
def test_of_bytes_in_any_order(tmp_path: Path, seed: int) -> None:
    data, part = random.Random(seed).randbytes(SIZE), arriving(tmp_path)
    digest = RunningDigest(part, "sha256")
    fill(part, data, random.Random(seed))
    part.close()
    assert digest.finish(nothing) == hashlib.sha256(data).hexdigest()


def test_not_beyond_a_gap(tmp_path: Path) -> None:
    """A hole in the file reads as zeros."""
    data, part = os.urandom(SIZE), arriving(tmp_path)
    digest = RunningDigest(part, "sha256")
    digest.leave()
    digest._leave.clear()
    first, *others = part.spans
    for span in others:
        part.write(span, data[span.start : span.end])
    part.write(first, data[: 2 * BLOCK])
    digest._begin_where_anew()
    digest._catch_up()
    assert digest._position == 2 * BLOCK
    part.write(first, data[2 * BLOCK : first.end])
    part.close()
    assert digest.finish(nothing) == hashlib.sha256(data).hexdigest()


def test_what_has_arrived_is_not_read_again(tmp_path: Path) -> None:
    data, part = os.urandom(SIZE), arriving(tmp_path)
    digest = RunningDigest(part, "sha256")
    fill(part, data, random.Random(0))
    until = time.monotonic() + 60
    while digest._position < SIZE - BLOCK and time.monotonic() < until:
        time.sleep(0.001)
    part.close()
    checks: list[None] = []
    assert digest.finish(lambda: checks.append(None)) == hashlib.sha256(data).hexdigest()
    assert len(checks) <= 1, "all but the last block had been read while the rest arrived"


def test_of_a_part_that_begins_anew(tmp_path: Path) -> None:
    """The bytes of before are not in it, whether they were read or not."""
    part = arriving(tmp_path)
    digest = RunningDigest(part, "sha256")
    fill(part, os.urandom(SIZE), random.Random(0))
    until = time.monotonic() + 60
    while not digest._position and time.monotonic() < until:
        time.sleep(0.001)
    part.begin(None)
    data = os.urandom(SIZE)
    fill(part, data, random.Random(1))
    part.close()
    assert digest.finish(nothing) == hashlib.sha256(data).hexdigest()


def test_a_check_that_raises_ends_it(tmp_path: Path) -> None:
    part = arriving(tmp_path)
    fill(part, bytes(SIZE), random.Random(0))
    part.close()
    digest = RunningDigest(part, "md5")

    def stop() -> None:
        raise KeyboardInterrupt

    digest.leave()
    digest._spans = None
    with pytest.raises(KeyboardInterrupt):
        digest.finish(stop)
