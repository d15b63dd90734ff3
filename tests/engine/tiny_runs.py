"""A recipe that trains in seconds, and how two runs are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.artefacts import log
from vision.engine.checkpoints.checkpoint import load
from vision.engine.checkpoints.folder import RunFolder

TINY = [
    "--net=sq-ssd-lite",
    "--resolution=64",
    "--mb2-width-mult=0.1",
    "--batch-size=4",
    "--epochs=4",
    "--workers=0",
    "--device=cpu",
    "--threads=1",
    "--ema=0.9",
    "--scheduler=cosine",
    "--optim-choose=SGD",
    "--lr=0.01",
    "--validation-map=false",
    "--report=false",
    "--debug-steps=3",
    "--panels-every=0",
]
"""16 images in steps of 4: 4 steps an epoch, 16 in all. The net that trains fastest; it has no batch normalisation."""
WITH_STATISTICS = [*TINY, "--net=mb1-ssd-lite"]
"""The same with batch normalisation, twice as long: for what must keep all of a training's state."""


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Places where two plain values differ; tensors are compared bit by bit."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        return [] if same else [where]
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return [
            d
            for k in keys
            for d in (differences(a[k], b[k], f"{where}.{k}") if k in a and k in b else [f"{where}.{k}"])
        ]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return [where]
        return [
            d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")
        ]
    return [] if type(a) is type(b) and a == b else [where]


STATE = (
    "epoch",
    "step",
    "weights",
    "optimizer",
    "scheduler",
    "scaler",
    "ema",
    "rng",
    "sampler",
    "best",
    "window",
    "metrics",
)


def end_state(run: Path) -> dict[str, Any]:
    """Everything that training changes, of the newest checkpoint."""
    newest = RunFolder(run).records()[-1].file
    checkpoint = load(run / newest)
    return {name: getattr(checkpoint, name) for name in STATE}


def step_rows(run: Path) -> list[dict[str, Any]]:
    return [row for row in log.read(run / "metrics.jsonl") if row["kind"] == "step"]


def seen_in_tensorboard(run: Path) -> Any:
    """An ``EventAccumulator``: what TensorBoard itself takes of the event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()


def assert_same_run(a: Path, b: Path) -> None:
    """Equal end states and equal rows of steps, without any tolerance."""
    pairs = zip(step_rows(a), step_rows(b), strict=True)
    first = next(((ours, theirs) for ours, theirs in pairs if ours != theirs), None)
    assert first is None, f"the first step that differs: {first}"
    found = differences(end_state(a), end_state(b))
    assert not found, f"{len(found)} places of the end state differ: {found[:5]}"
