"""Weights of another trainer become a run once, and are found again by everything they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tools.foreign import weights
from tools.foreign.data import NotImported
from tools.foreign.weights import run_of
from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.variants import find


def test_what_is_this_toolkits_is_used_as_it_is(small_run: Path) -> None:
    for model in (small_run, next(small_run.glob("*.pth")), Path("x/ssd-mobilenet.onnx")):
        assert run_of(model, "mb1-ssd", None, print) == model


def test_published_weights_that_are_not_there_are_explained() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"(?s)no such file.*mb2-ssd-lite trained on VOC.*fix: fetch https"
    ):
        run_of(Path("models/mb2-ssd-lite-mp-0_686.pth"), "mb2-ssd-lite", None, print)


def test_they_are_imported_once_and_again_with_other_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64), prior_profile="ancestor")
    file, labels = tmp_path / "old.pth", tmp_path / "names.txt"
    torch.save(detector.state_dict(), file)
    labels.write_text("BACKGROUND\na\nb\n")
    run = run_of(file, "mb2-ssd-lite", labels, print)
    assert (
        run.parent == tmp_path
        and run.name.startswith("old-imported-")
        and (run / "checkpoints.json").is_file()
    )
    capsys.readouterr()
    assert (
        run_of(file, "mb2-ssd-lite", labels, print) == run and "imported already" in capsys.readouterr().out
    )
    labels.write_text("BACKGROUND\na\nc\n")
    assert run_of(file, "mb2-ssd-lite", labels, print) != run
    labels.write_text("BACKGROUND\na\n")
    with pytest.raises(NotImported):
        run_of(file, "mb2-ssd-lite", labels, print)


def test_the_run_is_here_where_nothing_can_be_made_beside_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(b"x")
    assert weights._run_for(file, ("n",)).parent == tmp_path
    monkeypatch.setattr("os.access", lambda *_: False)
    assert weights._run_for(file, ("n",)).parent == Path()
