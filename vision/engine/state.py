"""Everything that the loop changes, in one dataclass, and the generators of random numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from vision.engine.optim import Schedule
from vision.ssd.model import Detector

PARTS = ("total", "classification", "localization")


@dataclass
class EpochTotals:
    """Sums over the steps of the epoch so far; the same numbers however often the run was interrupted."""

    steps: int = 0
    images: int = 0
    positives: int = 0
    skipped: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    def add(self, losses: dict[str, float], images: int, positives: int) -> None:
        self.steps += 1
        self.images += images
        self.positives += positives
        for part in PARTS:
            self.sums[part] += losses[part]

    def means(self) -> dict[str, float]:
        return {part: self.sums[part] / max(1, self.steps) for part in PARTS}

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "images": self.images,
            "positives": self.positives,
            "skipped": self.skipped,
            "sums": dict(self.sums),
        }


@dataclass
class TrainState:
    """What a checkpoint has to hold for the run to continue as if nothing had happened.

    * epoch, step_in_epoch: the position: ``step_in_epoch`` steps of ``epoch`` (counted from 0) are done
    * step: optimiser steps done since the run began
    * best: ``{"metric", "value", "epoch", "file"}`` of the best validation, empty before the first
    * window: the sums of the current epoch
    """

    model: Detector
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler | None = None
    ema: AveragedModel | None = None
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    window: EpochTotals = field(default_factory=EpochTotals)

    @property
    def evaluated_model(self) -> Detector:
        """The weights that validation and export use: the average where there is one."""
        return cast(Detector, self.ema.module) if self.ema is not None else self.model

    def begin_next_epoch(self) -> None:
        self.epoch += 1
        self.step_in_epoch = 0
        self.window = EpochTotals()


def seed_everything(seed: int) -> None:
    """Python, NumPy and torch (all devices) from one number."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_step(seed: int, step: int, rank: int) -> None:
    """All global generators for update number ``step`` of process ``rank``, whatever was drawn before.

    So a library that draws from them when it is first imported, or now and then, cannot tell a resumed run from one
    that was never stopped.
    """
    python, numpy, torchs = np.random.SeedSequence((seed, step, rank)).generate_state(3, np.uint64).tolist()
    random.seed(python)
    np.random.seed(numpy % 2**32)
    torch.default_generator.manual_seed(torchs)
    if (
        torch.cuda.is_initialized()
    ):  # before that, torch would note the call with its stack, which takes half a millisecond
        torch.cuda.manual_seed_all(torchs)


def rng_state() -> dict[str, Any]:
    """The state of every global generator, as tensors and plain types."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
        "numpy": {
            "kind": str(kind),
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": [state.cpu() for state in torch.cuda.get_rng_state_all()]
        if torch.cuda.is_available()
        else [],
    }


def restore_rng(state: dict[str, Any]) -> None:
    """The counterpart of :func:`rng_state`; generators of GPUs that are not here are left out."""
    set_host_generators(state, random, np.random, torch.default_generator)
    if torch.cuda.is_available():
        for index, generator in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(generator, index)


def set_host_generators(state: dict[str, Any], python: Any, numpy: Any, generator: torch.Generator) -> None:
    """The three states of :func:`rng_state` into any generators of their kinds. Raises what those raise."""
    words, keys = state["python"], state["numpy"]
    python.setstate((words["version"], tuple(words["internal"]), words["gauss"]))
    numpy.set_state(
        (
            keys["kind"],
            keys["keys"].numpy().astype(np.uint32),
            keys["position"],
            keys["has_gauss"],
            keys["cached"],
        )
    )
    generator.set_state(state["torch"])
