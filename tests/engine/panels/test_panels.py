"""Panels in a run: they change no bit of it, and after a resume they are those of a run that was never stopped."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.tiny_runs import TINY, assert_same_run
from vision.engine.checkpoints import run_place
from vision.engine.options.config import TrainConfig
from vision.engine.panels import panels as module
from vision.engine.panels.panels import SPARE_BYTES, Panels
from vision.engine.runs.metric_logger import event_files

NAMES = {"training_batch", "preprocessing", "augmentation", "priors", "matching", "predictions", "class_map"}
LINE = [*TINY, "--epochs=3", "--validation-map=true", "--net=mb1-ssd-lite", "--freeze-bn=true"]
"""4 steps an epoch; batch statistics that stand still, which an evaluation in the middle of an epoch must not set going."""


def test_a_run_folder_knows_their_names() -> None:
    """So that nobody's file of such a name is replaced."""
    assert set(run_place.PANELS) == NAMES


@pytest.fixture(scope="module")
def runs(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same training without panels, with them, and with them in four sessions, the second from an older checkpoint."""
    from train_ssd import main

    folder, threads = tmp_path_factory.mktemp("panels"), torch.get_num_threads()
    made = {name: folder / name for name in ("without", "whole", "parts")}
    line = ["--datasets", str(miniature_root), *LINE]
    assert main([*line, "--checkpoint-folder", str(made["without"])]) == 0
    assert main([*line, "--panels-every=2", "--checkpoint-folder", str(made["whole"])]) == 0
    assert (
        main([*line, "--panels-every=2", "--checkpoint-folder", str(made["parts"]), "--stop-after-step=1"])
        == 0
    )
    for stop in (["--stop-after-epoch=2"], ["--stop-after-step=10"], []):
        assert main(["--resume", str(made["parts"]), *stop]) == 0
    torch.set_num_threads(threads)
    return made


@functools.lru_cache(maxsize=4)
def seen(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def images(run: Path) -> dict[str, list[tuple[int, bytes]]]:
    shown = seen(run)
    return {
        tag: [(one.step, one.encoded_image_string) for one in shown.Images(tag)]
        for tag in shown.Tags()["images"]
    }


def test_panels_change_no_bit_of_a_run(runs: dict[str, Path]) -> None:
    assert_same_run(runs["without"], runs["whole"])
    assert_same_run(runs["without"], runs["parts"])
    assert not (runs["without"] / "report").exists() and not images(runs["without"])


def test_panels_are_drawn_when_they_are_due_and_once(runs: dict[str, Path]) -> None:
    """At steps 0 and 1, after the second epoch and after the last; those of data not at step 1, priors at 0 alone."""
    whole = images(runs["whole"])
    assert set(whole) == {f"panels/{name}" for name in NAMES}
    steps = {tag.removeprefix("panels/"): [step for step, _ in ones] for tag, ones in whole.items()}
    assert steps["predictions"] == steps["class_map"] == [0, 1, 8, 12]
    assert steps["training_batch"] == steps["matching"] == steps["augmentation"] == [0, 8, 12]
    assert steps["priors"] == [0]


def test_a_resumed_run_has_the_panels_of_one_that_was_never_stopped(runs: dict[str, Path]) -> None:
    assert images(runs["parts"]) == images(runs["whole"])
    for name in NAMES:
        files = [(runs[run] / "report" / f"{name}.png").read_bytes() for run in ("whole", "parts")]
        assert files[0] == files[1], name


def test_curves_are_grouped_and_each_class_has_one(runs: dict[str, Path]) -> None:
    shown = seen(runs["whole"])
    scalars, tensors = shown.Tags()["scalars"], shown.Tags()["tensors"]
    groups = {tag.partition("/")[0] for tag in scalars}
    assert groups == {
        "loss_by_step", "loss_by_epoch", "optimisation", "mAP", "mAP_raw_weights", "recall", "AP_by_class", "speed", "coverage",
    }  # fmt: skip
    assert {
        "loss_by_epoch/train_total",
        "loss_by_epoch/validation_total",
        "mAP/AP",
        "mAP_raw_weights/AP",
    } <= set(scalars)
    assert (
        max(sum(tag.startswith(f"{group}/") for tag in scalars) for group in groups - {"AP_by_class"}) <= 12
    )
    classes = [tag.removeprefix("AP_by_class/") for tag in scalars if tag.startswith("AP_by_class/")]
    assert {f"pr_curves/{name}" for name in classes} == {
        tag for tag in tensors if tag.startswith("pr_curves/")
    }
    assert [one.step for one in shown.Tensors(f"pr_curves/{classes[0]}")] == [8, 12]
    assert {"run/configuration/text_summary", "run/net/text_summary", "custom_scalars__config__"} <= set(
        tensors
    )
    assert b"panels_every: 2" in shown.Tensors("run/configuration/text_summary")[0].tensor_proto.string_val[0]


def test_every_session_says_its_arguments_once(runs: dict[str, Path]) -> None:
    shown = seen(runs["parts"])
    assert [one.step for one in shown.Tensors("run/configuration/text_summary")] == [0, 1, 9, 10]
    assert [one.step for one in shown.Tensors("run/net/text_summary")] == [0]


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_a_run_does_not_end_with_its_panels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Callable[..., int], tiny: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "forward", failing(torch.OutOfMemoryError("CUDA out of memory")))
    run = tmp_path / "run"
    assert train(*tiny, "--panels-every=1", "--checkpoint-folder", run, "--stop-after-step=1") == 0
    told = [row for row in capsys.readouterr().out.splitlines() if "is not drawn" in row]
    assert told == [
        f"warning: the panel {name} is not drawn: OutOfMemoryError: CUDA out of memory"
        for name in ("predictions", "class_map") * 2
    ]
    assert {path.stem for path in (run / "report").glob("*.png")} == NAMES - {"predictions", "class_map"}


class Board:
    """What was handed to TensorBoard."""

    def __init__(self) -> None:
        self.summaries: list[Any] = []

    def summary(self, step: int, summary: Any) -> None:
        self.summaries.append((step, summary))


def panels(run: Path, every: int = 1) -> tuple[Panels, Board, list[str]]:
    """Without a net or data: for what is done with a panel that is drawn."""
    board, said = Board(), []  # type: Board, list[str]
    config = TrainConfig(panels_every=every, epochs=3)
    unused: Any = None
    made = Panels(config, run, board, unused, unused, unused, unused, unused, None, said.append)  # type: ignore[arg-type]
    return made, board, said


def blank() -> np.ndarray:
    return np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("png_of", OSError("cannot open resource")),
        ("publish_bytes", OSError(errno.EIO, "Input/output error")),
    ],
)
def test_what_fails_is_a_warning_and_reaches_no_log(
    what: str, error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, board, said = panels(tmp_path)
    monkeypatch.setattr(module, what, failing(error))
    made._draw_all(1, iter([("a", blank), ("b", blank)]))
    assert [line.split(":")[0] for line in said] == ["the panel a is not drawn", "the panel b is not drawn"]
    assert not board.summaries and not list(tmp_path.rglob("*.png"))


def test_a_full_disk_is_left_to_the_next_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, board, said = panels(tmp_path)
    monkeypatch.setattr("vision.artefacts.writable.free_bytes", lambda folder: SPARE_BYTES)
    made._draw_all(1, iter([("a", blank)]))
    assert len(said) == 1 and "no space left" in said[0] and not board.summaries
    monkeypatch.undo()
    made._draw_all(1, iter([("a", blank)]))
    assert len(board.summaries) == 1 and (tmp_path / "report" / "a.png").is_file()


def test_a_net_of_one_step_an_epoch_has_them_once(
    tmp_path: Path, train: Callable[..., int], tiny: list[str]
) -> None:
    run = tmp_path / "run"
    line = [*tiny, "--panels-every=1", "--batch-size=16", "--epochs=1", "--checkpoint-folder", run]
    assert train(*line) == 0
    assert [step for step, _ in images(run)["panels/predictions"]] == [0, 1]
    assert len(event_files(run)) == 1


def test_no_panels_are_due_where_they_are_off(tmp_path: Path) -> None:
    unused: Any = None
    made, board, said = panels(tmp_path, every=0)
    made.at_step(unused, 0)
    made.at_epoch(unused, 2, 12, None)
    assert not said and not board.summaries and not made.due(2)
    assert [panels(tmp_path, every=2)[0].due(epoch) for epoch in range(3)] == [False, True, True]
