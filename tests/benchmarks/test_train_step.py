"""The benchmark of a training step takes the ways it says, and names those that the device does not have."""

from __future__ import annotations

import pytest
import torch

from benchmarks import train_step as benchmark
from benchmarks.train_step import a_batch, main, measure, stepper
from vision.core.sample import InputSpec
from vision.engine.options.config import build

CPU = torch.device("cpu")
SMALL = {"device": "cpu", "batch_size": 2, "resolution": (96,), "mb2_width_mult": 0.1}


def test_a_step_is_one_of_the_trainer() -> None:
    step = stepper(build(SMALL), CPU, a_batch(2, InputSpec(96, 96)))
    rows = [step() for _ in range(2)]
    assert [row["step"] for row in rows] == [1, 2] and rows[0]["positives"] > 0
    assert rows[0]["loss"] != rows[1]["loss"], "the weights moved"


def test_every_way_is_another_configuration() -> None:
    configs = [build({**way, "device": "cuda"}) for way in benchmark.WAYS.values()]
    assert len(set(configs)) == len(configs)


def test_rows_say_rates_and_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(benchmark, "train_step", lambda state, session, batch: steps.append(state))
    rows = measure(SMALL, CPU, ["eager", "channels_last", "fp16"], steps=3, rounds=2)
    assert [row[0] for row in rows] == ["eager", "channels_last", "fp16"]
    assert rows[0][2] == "1.00" and "needs a GPU" in rows[2][3]
    assert len(steps) == 2 * (3 + 3 * 3), "to warm up, and a first round that does not count"


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--device cpu --batch-size 2 --resolution 288 --steps 1 --rounds 1 --ways eager"
    assert main(words.split()) == 0
    assert "| eager | " in capsys.readouterr().out
