"""An fsync beside the writing: in order, both descriptors closed, failures told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.transfer import sync_beside
from pipeline.transfer.sync_beside import SyncBeside


def opened(tmp_path: Path) -> tuple[int, int]:
    data, notes = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("data", "notes"))
    return data, notes


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_the_data_then_what_is_noted_then_the_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[object] = []
    monkeypatch.setattr(sync_beside.os, "fsync", order.append)
    data, notes = opened(tmp_path)
    syncing = SyncBeside()
    syncing.wait()
    assert not syncing.is_running
    syncing.begin(data, notes, lambda: order.append("noted"), order.append)
    syncing.wait()
    assert order == [data, "noted", notes] and not syncing.is_running
    assert not is_open(data) and not is_open(notes)


def test_a_failure_is_told_and_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failure, told = OSError(5, "the disk failed"), []

    def fail(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(sync_beside.os, "fsync", fail)
    data, notes = opened(tmp_path)
    syncing = SyncBeside()
    syncing.begin(data, notes, lambda: told.append("noted"), told.append)
    syncing.wait()
    assert told == [failure]
    assert not is_open(data) and not is_open(notes)
