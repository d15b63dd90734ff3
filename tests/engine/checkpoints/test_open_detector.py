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
from vision.engine.checkpoints.folder import DamagedCheckpoint
from vision.engine.checkpoints.open_detector import LoadedDetector, build_from, open_detector
from vision.ssd.build import map_sizes
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import find

ARGS: dict[str, Any] = {
    "net": "mb2-ssd-lite",
    "resolution": [160, 96],
    "mb2_width_mult": 0.25,
    "priors": "coco",
}


@pytest.mark.parametrize("profile", ["coco", "ancestor"])
def test_the_recorded_priors_are_used(profile: str) -> None:
    """Weights of one profile decoded with another would give other boxes, and no error."""
    detector = build_from({**ARGS, "priors": profile}, 3, Path("x.pth"))
    spec, row = InputSpec(height=96, width=160), find("mb2-ssd-lite")
    assert detector.input_spec == spec
    assert torch.equal(
        detector.priors_cxcywh, make_priors(row.priors[profile], map_sizes(row, spec, 0.25), spec)
    )
    assert detector.base_net.out_channels[1] == 320  # 1280 · 0.25


def test_one_number_is_a_square() -> None:
    assert build_from({**ARGS, "resolution": [96]}, 3, Path("x.pth")).input_spec == InputSpec(96, 96)


@pytest.mark.parametrize(
    "change",
    [{"net": "mb3"}, {"priors": "voc"}, {"resolution": []}, {"resolution": None}, {"mb2_width_mult": "wide"}, {"net": None}],
)  # fmt: skip
def test_arguments_that_describe_no_detector_name_the_file(change: dict[str, Any]) -> None:
    with pytest.raises(DamagedCheckpoint, match=r"runs/x\.pth: its arguments describe no detector"):
        build_from({**ARGS, **change}, 3, Path("runs/x.pth"))
    lacking = {name: value for name, value in ARGS.items() if name not in change}
    with pytest.raises(DamagedCheckpoint, match="describe no detector"):
        build_from(lacking, 3, Path("runs/x.pth"))


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
    detector = build_from(ARGS, 81, Path("x.pth"))
    checkpoint: Any = SimpleNamespace(classes=["c"] * 81, epoch=100, step=1_234_567)
    told = LoadedDetector(
        detector, checkpoint, tmp_path / "x.pth", "ema", "the best of the run by its record"
    ).describe()
    file, *lines = told.splitlines()
    assert file == str(tmp_path / "x.pth") and max(map(len, lines)) <= 80
    assert "EMA weights; the best of the run" in told and "81 classes with background" in told
