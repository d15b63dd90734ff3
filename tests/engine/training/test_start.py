"""What stands between a built model and a run: frozen parts, layers of several processes, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.__main__ import main as pipeline
from tests.engine.ranks import ends, train_ranks
from vision.core.sample import InputSpec
from vision.engine.checkpoints import checkpoint
from vision.engine.model import to_device
from vision.engine.options.config import TrainConfig
from vision.nn.blocks import BatchNorm2d
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.variants import find

NOWHERE = torch.device("meta")
"""Neither a CPU nor a GPU: modules can be placed there and not be called."""


def tiny_detector() -> Detector:
    return build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64), width_mult=0.1)


@pytest.mark.parametrize("asked", [True, False])
def test_every_batch_normalisation_is_synchronised_when_asked(asked: bool) -> None:
    model = tiny_detector()
    names, normalisations = list(model.state_dict()), kinds(model)
    assert normalisations == {BatchNorm2d}
    placed = to_device(model, dataclasses.replace(TrainConfig(), sync_bn=asked), NOWHERE)
    assert kinds(placed) == {nn.SyncBatchNorm if asked else BatchNorm2d}
    assert isinstance(placed, Detector) and list(placed.state_dict()) == names, "checkpoints stay as they are"


def kinds(model: nn.Module) -> set[type[nn.Module]]:
    """The classes of its batch normalisations."""
    return {type(one) for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_synchronised_statistics_without_a_gpu_are_refused_before_anything_is_written(
    tiny: list[str], train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    line = [*(word for word in tiny if word != "--device=cpu"), "--sync-bn", "--checkpoint-folder", run]
    assert train(*line) == 1
    assert "--sync-bn needs GPUs, and --device auto is the CPU here; leave it out" in capsys.readouterr().err
    assert not (run / "training_args.json").exists()
    for status, said in ends(train_ranks(2, tmp_path, *line)):
        assert status == 1 and "--sync-bn needs GPUs" in said and "Traceback" not in said, said


def test_two_ways_of_spreading_are_refused(tiny: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for status, said in ends(train_ranks(2, tmp_path, *tiny, "--parallel=dp", "--checkpoint-folder", run)):
        assert status == 2 and "Traceback" not in said, said
        assert "this is one of 2 of torchrun; give --parallel none, or start without torchrun" in said
    assert not (run / "training_args.json").exists()


@pytest.mark.parametrize(
    ("net", "fix"),
    [
        ("mb2-ssd-lite", "--width-mult 0.1 makes this net as wide"),
        ("sq-ssd-lite", "it is this net at another width: give --width-mult as it was"),
    ],
)
def test_weights_of_another_width_are_refused_by_name(
    net: str,
    fix: str,
    train: Callable[..., int],
    tiny: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    line = [*tiny, "--net", net]
    assert train(*line, "--checkpoint-folder", tmp_path / "a", "--stop-after-step", 1) == 0
    line = [*line, "--mb2-width-mult=0.2", "--pretrained-ssd", checkpoint.find(tmp_path / "a")]
    assert train(*line, "--checkpoint-folder", tmp_path / "b") == 1
    assert f"fix: {fix}" in capfd.readouterr().err
    assert not (tmp_path / "b" / "checkpoints.json").exists()


def test_data_without_a_box_are_refused(
    train: Callable[..., int],
    tiny: list[str],
    miniature_root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Such as those of classes that none of the images has."""
    root = Path(shutil.copytree(miniature_root, tmp_path / "data"))
    assert pipeline(["run", "--root", str(root), "--workers", "1", "--classes", "hair drier"]) == 0
    assert train(*tiny, "--datasets", root, "--checkpoint-folder", tmp_path / "run") == 1
    said = capfd.readouterr().err
    assert "no image of the train split has a box of its 1 class," in said and "annotations.txt" in said


def test_a_rate_of_nothing_is_said_before_it_is_trained_with(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    line = [*tiny, "--scheduler=cosine", "--epochs=1", "--checkpoint-folder", run, "--resume=auto"]
    assert train(*line) == 0
    assert "learning rate is 0" not in capfd.readouterr().out
    assert train(*line, "--epochs=2", "--stop-after-step=5") == 0
    assert "the learning rate is 0 from here on" in capfd.readouterr().out


def test_a_run_that_stood_still_says_how_it_goes_on(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    line = [*tiny, "--lr=1e-30", "--freeze-bn", "--ema=0", "--checkpoint-folder", run, "--patience=1"]
    assert train(*line) == 0
    assert f"--resume {run} --patience 2" in capfd.readouterr().out
    assert train("--resume", run, "--patience", 2) == 0
    assert checkpoint.load(checkpoint.find(run)).sampler["epoch"] == 3
