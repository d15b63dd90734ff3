"""A run folder appears whole, where nothing was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tools.import_weights.conftest import NAMES, call
from tools.import_weights import run_folder


def test_nothing_is_written_over(
    place: Path, published: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    (place / "run").mkdir()
    (place / "run" / "diary").write_text("mine")
    assert call(place / "net.pth") == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in (place / "run").iterdir()] == ["diary"]


def test_a_full_disk_leaves_nothing(
    place: Path, published: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    torch.save(published, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    monkeypatch.setattr(run_folder, "write_run_files", full)
    assert call(place / "net.pth") == 1
    assert sorted(path.name for path in place.iterdir()) == ["labels.txt", "net.pth"]


def test_ids_are_cocos_where_all_classes_are() -> None:
    assert run_folder.original_ids(["BACKGROUND", "person", "stop sign", "toothbrush"]) == [0, 1, 13, 90]
    assert run_folder.original_ids(["BACKGROUND", "person", "tram"]) == [0, 1, 2]
