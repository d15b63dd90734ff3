"""A run or a checkpoint becomes the detector that its record describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vision.core.sample import InputSpec
from vision.engine.checkpoints.checkpoint import find as find_checkpoint
from vision.engine.checkpoints.checkpoint import load
from vision.engine.checkpoints.open_detector import LoadedDetector, open_detector
from vision.engine.model import build_from
from vision.engine.options.config import build
from vision.ssd.build import map_sizes
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import find

ARGS: dict[str, Any] = {
    "net": "mb2-ssd-lite",
    "resolution": (160, 96),
    "mb2_width_mult": 0.25,
    "priors": "coco",
}


@pytest.mark.parametrize("profile", ["coco", "ancestor"])
def test_the_recorded_priors_are_used(profile: str) -> None:
    """Weights of one profile decoded with another would give other boxes, and no error."""
    detector = build_from(build({**ARGS, "priors": profile}), 3)
    spec, row = InputSpec(height=96, width=160), find("mb2-ssd-lite")
    assert detector.input_spec == spec
    assert torch.equal(
        detector.priors_cxcywh, make_priors(row.priors[profile], map_sizes(row, spec, 0.25), spec)
    )
    assert detector.base_net.out_channels[1] == 320  # 1280 · 0.25


def test_one_number_is_a_square() -> None:
    assert build_from(build({**ARGS, "resolution": (96,)}), 3).input_spec == InputSpec(96, 96)


def test_the_weights_that_were_asked_for(train: Callable[..., int], tiny: list[str], tmp_path: Path) -> None:
    for name, ema in (("both", 0.5), ("raw", 0)):
        line = [*tiny, f"--ema={ema}", "--checkpoint-folder", tmp_path / name, "--stop-after-step=2"]
        assert train(*line) == 0
    saved = load(find_checkpoint(tmp_path / "both"))
    assert saved.ema is not None
    expected = {"auto": saved.ema["weights"], "ema": saved.ema["weights"], "raw": saved.weights}
    for weights, tensors in expected.items():
        state = open_detector(tmp_path / "both", weights=weights).detector.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())
    assert any(not torch.equal(saved.weights[name], tensor) for name, tensor in expected["ema"].items())
    assert open_detector(tmp_path / "raw").weights == "raw"
    with pytest.raises(ValueError, match="kept no average"):
        open_detector(tmp_path / "raw", weights="ema")


def test_what_is_opened_is_told_in_lines_that_fit_a_terminal(tmp_path: Path) -> None:
    detector = build_from(build(ARGS), 81)
    checkpoint: Any = SimpleNamespace(classes=["c"] * 81, epoch=100, step=1_234_567)
    told = LoadedDetector(
        detector, checkpoint, tmp_path / "x.pth", "ema", "the best of the run by its record"
    ).describe()
    file, *lines = told.splitlines()
    assert file == str(tmp_path / "x.pth") and max(map(len, lines)) <= 80
    assert "EMA weights; the best of the run" in told and "81 classes with background" in told
