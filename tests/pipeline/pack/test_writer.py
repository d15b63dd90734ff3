"""The file of a split: whatever stops its writer, the end is that of a run that nobody stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.pack import writer as module
from pipeline.pack.image import Packed
from pipeline.pack.writer import PackWriter
from vision.artefacts.files import OutOfSpace

ABOUT = {"format": "jpeg", "size": 64}
MADE = [Packed(bytes([number]) * (10 + number), 1000 + number) for number in range(8)]


def whole(folder: Path, about: dict[str, Any] = ABOUT) -> tuple[bytes, dict[str, str]]:
    """Resumes, and brings it to its end."""
    with PackWriter(folder, about) as writer:
        for packed in MADE[writer.images :]:
            writer.append(packed)
        digests = writer.finish("jpeg")
    return (folder / "pixels.bin").read_bytes(), digests


def begun(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed after ``count`` images, of which the last one is not in the journal."""
    monkeypatch.setattr(module, "SYNC_S", -1)  # each image
    writer = PackWriter(folder, ABOUT)
    for packed in MADE[: count - 1]:
        writer.append(packed)
    monkeypatch.setattr(module, "SYNC_S", 1e9)
    writer.append(MADE[count - 1])
    for stream in (writer._file, writer._journal):
        stream.close()


@pytest.mark.parametrize("count", [1, 4, 8])
@pytest.mark.parametrize("torn", [0, 3, 17])
def test_a_killed_run_resumes_behind_what_is_known(
    count: int, torn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(tmp_path / "whole")
    begun(tmp_path / "pack", count, monkeypatch)
    journal = tmp_path / "pack.jsonl"
    os.truncate(journal, max(0, journal.stat().st_size - torn))
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        assert writer.images == max(0, count - 1 - (torn > 0)) and writer.bytes == sum(
            len(each.record) for each in MADE[: writer.images]
        )
    assert whole(tmp_path / "pack") == expected
    assert np.load(tmp_path / "pack/source_crc32.npy").tolist() == [each.source_crc32 for each in MADE]


def test_an_orderly_end_keeps_everything(tmp_path: Path) -> None:
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        for packed in MADE[:5]:
            writer.append(packed)
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        assert writer.images == 5


@pytest.mark.parametrize("lost", ["pixels.bin", "journal", "about", "damaged"])
def test_what_cannot_be_trusted_begins_anew(lost: str, tmp_path: Path) -> None:
    expected = whole(tmp_path / "whole")
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        for packed in MADE[:5]:
            writer.append(Packed(b"other", 1) if lost in ("about", "damaged") else packed)
    journal = tmp_path / "pack.jsonl"
    if lost == "pixels.bin":
        (tmp_path / "pack/pixels.bin").unlink()
    elif lost == "journal":
        journal.unlink()
    elif lost == "damaged":
        journal.write_bytes(journal.read_bytes().replace(b'"rows"', b'"rowz"'))
    about = ABOUT if lost != "about" else {"format": "jpeg", "size": 96}
    assert whole(tmp_path / "pack", about) == expected


def test_records_that_are_not_there_any_more_do_not_count(tmp_path: Path) -> None:
    expected = whole(tmp_path / "whole")
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        for packed in MADE[:5]:
            writer.append(packed)
    os.truncate(tmp_path / "pack/pixels.bin", 25)
    with PackWriter(tmp_path / "pack", ABOUT) as writer:
        assert writer.images == 2
    assert whole(tmp_path / "pack") == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match=r"pixels\.bin"), PackWriter(tmp_path / "pack", ABOUT) as writer:
        writer._file.close()
        writer._file = Path("/dev/full").open("wb", buffering=0)  # type: ignore[assignment]  # noqa: SIM115
        writer.append(MADE[0])
    shutil.rmtree(tmp_path / "pack")
