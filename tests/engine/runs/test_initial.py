"""What a fresh run starts from: whose prior boxes, and only files that are as their run recorded them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import TINY
from tests.nn.weight_corpus import NO_WEIGHTS, Odd
from vision.engine.checkpoints.checkpoint import load
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.checkpoints.open_detector import open_detector

Train = Callable[..., int]


@pytest.fixture(scope="module")
def ancestor(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pytorch-ssd's prior boxes, 2 steps long."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("ancestor") / "run"
    line = ["--datasets", str(miniature_root), *TINY, "--ema=0", "--priors=ancestor", "--stop-after-step=2"]
    assert main([*line, "--checkpoint-folder", str(run)]) == 0
    return run


def newest(run: Path) -> Path:
    return run / RunFolder(run).records()[-1].file


def boxes_and_scores(run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """What the run's detector says of one drawn image, decoded with the priors that the run records."""
    detector = open_detector(run, which="last", weights="raw").detector
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        logits, offsets = detector(images)
    return detector.coder.decode(offsets, detector.priors_cxcywh), logits


def test_the_priors_of_the_file_are_taken_and_its_boxes_come_out_the_same(
    ancestor: Path, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a rate of 1e-30 nothing moves: a detector that keeps its heads decodes the boxes it decoded before."""
    line = [*tiny, "--ema=0", "--lr=1e-30", "--freeze-bn", "--pretrained-ssd", newest(ancestor)]
    assert train(*line, "--checkpoint-folder", tmp_path / "kept", "--stop-after-step=1") == 0
    said = capsys.readouterr().out
    assert (
        "note: --priors ancestor: taken from --pretrained-ssd" in said and "heads kept for 81 of 81" in said
    )
    assert json.loads((tmp_path / "kept" / "training_args.json").read_text())["priors"] == "ancestor"
    for found, expected in zip(boxes_and_scores(tmp_path / "kept"), boxes_and_scores(ancestor), strict=True):
        assert torch.equal(found, expected)
    assert train("--resume", tmp_path / "kept", "--stop-after-step=2") == 0, "the same line later goes on"


def test_other_priors_by_name_begin_the_heads_anew(
    ancestor: Path, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*tiny, "--priors=coco", "--pretrained-ssd", newest(ancestor), "--stop-after-step=1"]
    assert train(*line, "--checkpoint-folder", tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert (
        "the heads are initialised anew: they were trained on the prior boxes 'ancestor', and this run has 'coco'"
        in said
    )
    assert load(newest(tmp_path / "run")).args["priors"] == "coco"


def test_a_file_of_pytorch_ssd_has_its_priors_and_its_input_range_is_told(
    ancestor: Path, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = load(newest(ancestor))
    (tmp_path / "theirs").mkdir()
    torch.save({"epoch": 1, "weights": content.weights}, tmp_path / "theirs" / "mb2-ssd-lite.pth")
    line = [*tiny, "--pretrained-ssd", tmp_path / "theirs" / "mb2-ssd-lite.pth", "--stop-after-step=1"]
    assert train(*line, "--checkpoint-folder", tmp_path / "anew") == 0
    assert "its classes are unknown" in capsys.readouterr().out
    assert load(newest(tmp_path / "anew")).args["priors"] == "coco", "no head is kept, so no box matters"
    shutil.copy(ancestor / "labels.txt", tmp_path / "theirs")
    assert train(*line, "--checkpoint-folder", tmp_path / "kept") == 0
    said = capsys.readouterr().out
    assert "which files of pytorch-ssd have" in said and "(pixel − 127) / 128" in said
    assert load(newest(tmp_path / "kept")).args["priors"] == "ancestor"


@pytest.mark.parametrize("flag", ["--pretrained-ssd", "--base-net"])
def test_the_record_of_the_run_is_asked(
    flag: str,
    ancestor: Path,
    train: Train,
    tiny: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Path(shutil.copytree(ancestor, tmp_path / "source"))
    content = torch.load(newest(run), weights_only=True)
    content["step"] += 1
    torch.save(content, newest(run))  # CRC-32s that fit
    assert train(*tiny, flag, newest(run), "--checkpoint-folder", tmp_path / "run") == 1
    assert "were written" in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", ["--pretrained-ssd", "--base-net", "--resume"])
@pytest.mark.parametrize(
    "name", ["html", "onnx", "torchscript", "bomb", "expanded", "folder", "pipe", "persistent id", "cut zip"]
)
def test_every_option_that_takes_weights_calls_a_wrong_file_by_its_name(
    flag: str, name: str, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pth"
    NO_WEIGHTS[name][0](path)
    assert train(*tiny, flag, path, "--checkpoint-folder", tmp_path / "run") in (1, 2)
    said = capsys.readouterr().err
    assert "x.pth" in said and "\n  why: " in said and "\n  fix: " in said
    assert "Traceback" not in said and "weights_only" not in said
    assert not (tmp_path / "run" / "training_args.json").exists()


def test_a_flipped_bit_without_a_record_is_found_by_every_option(
    ancestor: Path, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "copied.pth"
    data = bytearray(newest(ancestor).read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for flag in ("--pretrained-ssd", "--base-net", "--resume"):
        assert train(*tiny, flag, path, "--checkpoint-folder", tmp_path / "run") == 1
        assert "Bad CRC-32 for file" in capsys.readouterr().err


def test_a_file_with_code_is_not_sent_on_to_pretrained_ssd(
    train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content: dict[str, Any] = {"epoch": 1, "weights": {"a": torch.zeros(1)}, "scheduler": Odd(print, "run")}
    torch.save(content, tmp_path / "x.pth")
    assert train(*tiny, "--resume", tmp_path / "x.pth", "--checkpoint-folder", tmp_path / "run") == 1
    said = capsys.readouterr()
    assert "print" in said.err and "do not use it" in said.err and "--pretrained-ssd" not in said.err
    assert "run\n" not in said.out


def test_a_folder_is_answered_with_its_newest_file(
    ancestor: Path, train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*tiny, "--pretrained-ssd", ancestor, "--checkpoint-folder", tmp_path / "run") == 1
    assert f"fix: python train_ssd.py --pretrained-ssd {newest(ancestor)}" in capsys.readouterr().err
