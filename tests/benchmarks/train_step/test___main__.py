"""The benchmark of a training step takes the ways it says, compares their gradients, and names what is not to be had."""

from __future__ import annotations

import pytest
import torch

from benchmarks.train_step import __main__ as benchmark
from benchmarks.train_step import ancestor, worker
from benchmarks.train_step.__main__ import ratios, table, wanted
from benchmarks.train_step.ways import (
    ANCESTOR,
    DEFAULT,
    EXACT,
    PLAIN,
    WAYS,
    a_batch,
    difference,
    gradients,
    step_of,
)
from vision.core.sample import InputSpec
from vision.engine.options.config import build
from vision.ssd.build import build_loss

SMALL = {"device": "cpu", "batch_size": 2, "resolution": [96], "mb2_width_mult": 0.1}


def test_a_step_is_one_of_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.engine.machine.keep_freed_memory", lambda: True)
    step = step_of(DEFAULT, SMALL)
    rows = [step() for _ in range(2)]
    assert [row["step"] for row in rows] == [1, 2] and rows[0]["positives"] > 0  # type: ignore[index]
    assert rows[0]["loss"] != rows[1]["loss"], "the weights moved"  # type: ignore[index]


def test_the_ancestors_step_has_the_plain_steps_loss_and_gradients() -> None:
    """In float64, where choices among nearly equal losses are the same."""
    torch.manual_seed(0)
    plain = step_of(PLAIN, SMALL)
    model, batch = plain.model.double().train(), a_batch(2, InputSpec(96, 96))
    for parameter in model.parameters():  # a net whose losses differ
        parameter.data += 0.05 * torch.randn_like(parameter)
    logits, offsets = model(model.input_spec.normalise(batch.images).double())
    with torch.autocast("cpu", enabled=False):
        ours = build_loss(model)._loss(logits, offsets, batch, None)
    wanted_offsets, labels = ancestor.targets(model, batch)
    theirs = ancestor.loss(logits, offsets, labels, wanted_offsets)
    torch.testing.assert_close((ours.classification, ours.localization), theirs, rtol=1e-6, atol=0)
    parameters = list(model.parameters())
    own = torch.autograd.grad(ours.total, parameters, retain_graph=True, allow_unused=True)
    other = torch.autograd.grad(theirs[0] + theirs[1], parameters, allow_unused=True)
    for one, two in zip(own, other, strict=True):
        if one is not None:
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def test_every_way_is_another_configuration() -> None:
    configs = [build({**way, "device": "cuda"}) for name, way in WAYS.items() if name != ANCESTOR]
    assert len(set(configs)) == len(configs)


class FakeWorker:
    """A way that takes as many seconds as its name has letters."""

    def __init__(self, told: dict[str, object]) -> None:
        self.way = str(told["way"])
        torch.save({"w": torch.tensor([1.0, float(self.way == DEFAULT)])}, str(told["gradients"]))

    def wait(self) -> dict[str, object]:
        return {"why": "needs a GPU"} if self.way == "fp16" else {"ready_s": 1.0, "bytes": 2 * 10**9}

    def step(self, count: int) -> list[tuple[float, float]]:
        return [(float(len(self.way)), 2.0 * len(self.way))] * count

    def close(self) -> None:
        pass


def test_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "Worker", FakeWorker)
    assert benchmark.main(["--no-file", "--device", "cpu", "--rounds", "2", "--ways", *WAYS]) == 0
    said = capsys.readouterr().out
    assert "| default | 3.4 | 3.4–3.4 | 14.00 | 1.86 (1.86–1.86) | 1.86 | 1.0e+00 | 2.00 |" in said
    assert "| fp16 | needs a GPU |" in said
    assert "* default: 1.86 ×, wanted ≥ 4 ×: MISSED" in said
    assert "* the best, bf16: 3.25 ×, wanted ≥ 5 ×: MISSED" in said


def test_ratios_are_of_the_same_turn() -> None:
    turns = {ANCESTOR: [(8.0, 9.0), (80.0, 9.0)], DEFAULT: [(2.0, 3.0), (20.0, 3.0)]}
    assert ratios(turns, DEFAULT) == ([4.0, 4.0], [3.0, 3.0])
    assert wanted(turns)[0].endswith("met") and wanted(turns)[1].endswith("MISSED")
    assert not wanted({PLAIN: turns[DEFAULT]}), "no bar without what it is measured against"
    assert len(table(turns, {way: {"bytes": 1} for way in turns}, 24)) == 4


def test_a_worker_answers_in_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[int] = []
    monkeypatch.setattr(worker, "ready", lambda told: lambda: made.append(1))
    monkeypatch.setattr("sys.stdin", ["2\n"])
    monkeypatch.setattr("sys.stdout", __import__("sys").stdout)
    worker.main({"warm": 3})
    ready, steps = capsys.readouterr().out.splitlines()
    assert '"ready_s"' in ready and steps.count("[") == 3 and len(made) == 3 - 1 + 2


def test_what_cannot_be_had_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", __import__("sys").stdout)
    worker.main({"way": "fp16", "config": SMALL, "threads": 0, "gradients": ""})
    assert "needs a GPU" in capsys.readouterr().out


def test_the_quick_table_compares_with_the_first_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[object] = []

    class Noted(FakeWorker):
        def __init__(self, told: dict[str, object]) -> None:
            super().__init__(told)
            began.append((self.way, told["warm"]))

    monkeypatch.setattr(benchmark, "Worker", Noted)
    assert benchmark.main(["--quick", "--device", "cpu"]) == 0
    assert began == [(ANCESTOR, worker.WARM), (DEFAULT, worker.WARM)]
    assert f"| {ANCESTOR} |" in (said := capsys.readouterr().out) and "| 0.0e+00 |" in said
    assert "wanted" not in said, "the bars are for batches of 24"
    benchmark.main(["--no-file", "--device", "cpu", "--ways", DEFAULT])
    assert began[2:] == [(EXACT, 1), (DEFAULT, worker.WARM)]


def test_gradients_in_float64_are_those_that_others_come_near() -> None:
    steps = {way: step_of(way, SMALL) for way in (EXACT, ANCESTOR)}
    for step in steps.values():
        step()
    exact, found = (gradients(step) for step in steps.values())
    assert {p.dtype for p in steps[EXACT].model.parameters()} == {torch.float64}
    assert 0 < difference(found, exact) < 1e-2


def test_gradients_are_compared_as_one() -> None:
    step = step_of(PLAIN, SMALL)
    step()
    plain = gradients(step)
    assert difference(plain, plain) == 0
    assert difference({name: 1.5 * part for name, part in plain.items()}, plain) == pytest.approx(0.5)
