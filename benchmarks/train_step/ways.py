"""Steps of the trainer: forward, matching, loss, backward, update, as ``train_ssd.py`` makes them, each with its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.train_step import ancestor
from vision.core.sample import Batch, InputSpec
from vision.engine import machine
from vision.engine.distributed import Group
from vision.engine.interrupt import StopRequest
from vision.engine.model import build_from, to_device, wrap_model
from vision.engine.optim import build_optimizer, build_schedule
from vision.engine.options.config import TrainConfig, build
from vision.engine.runs.metric_logger import NullLogger
from vision.engine.state import seed_everything
from vision.engine.training import start
from vision.engine.training.console import Console
from vision.engine.training.loop import training_mode
from vision.engine.training.session import Session
from vision.engine.training.step import train_step
from vision.ssd.build import build_loss
from vision.ssd.model import Detector

CLASSES = 81
BOXES_PER_IMAGE = 7  # COCO's mean
UNUSED: Any = None
"""What a step does not look at."""
ANCESTOR, PLAIN, DEFAULT = "ancestor-like", "plain float32", "default"
EXACT = "float64"
"""What gradients are compared with: no way to train, and not timed."""
NO_HELP = {"amp": "off", "channels_last": False}
"""What the trainer's own defaults are faster than."""
WAYS: dict[str, dict[str, Any]] = {
    ANCESTOR: NO_HELP,
    PLAIN: NO_HELP,
    DEFAULT: {},
    "fused": {"fused": True},
    "bf16": {"amp": "bf16"},
    "fp16": {"amp": "fp16"},
    "fused, compile": {"fused": True, "compile": True},
    "bf16, fused, compile": {"amp": "bf16", "fused": True, "compile": True},
    "bf16, fused, compile, graphs": {"amp": "bf16", "fused": True, "compile": True, "cuda_graphs": True},
}
BY_ITSELF = (ANCESTOR, PLAIN, EXACT)
"""Ways that leave the allocator as it is."""


@dataclass(frozen=True)
class Step:
    """One step each time it is called."""

    model: Detector
    make: Callable[[], object]

    def __call__(self) -> object:
        return self.make()


def a_batch(images: int, spec: InputSpec) -> Batch:
    """Noise with boxes of COCO's number; a step costs the same whatever it sees."""
    draw = torch.Generator().manual_seed(0)
    corners = torch.rand(images, BOXES_PER_IMAGE, 2, 2, generator=draw).sort(dim=2).values
    return Batch(
        torch.randint(0, 256, (images, 3, spec.height, spec.width), dtype=torch.uint8, generator=draw),
        corners.flatten(2), torch.randint(1, CLASSES, (images, BOXES_PER_IMAGE), generator=draw),
        torch.zeros(images, 0, 4), torch.arange(images), torch.tensor([[spec.height, spec.width]] * images),
    )  # fmt: skip


def step_of(way: str, told: dict[str, Any]) -> Step:
    """Raises ValueError where this device or installation cannot do what the way needs."""
    if way not in BY_ITSELF:
        machine.keep_freed_memory()
    config = build({**told, **WAYS.get(way, NO_HELP)})
    device = machine.choose_device(config.device)
    batch = a_batch(config.batch_size, InputSpec(config.resolution[0], config.resolution[-1]))
    if device.type == "cuda":
        batch = batch.pin_memory()
    seed_everything(0)
    model = to_device(build_from(config, CLASSES), config, device)
    if way in (ANCESTOR, EXACT):
        dtype = torch.float64 if way == EXACT else torch.float32
        return Step(model, ancestor.stepper(model, batch.to(device), dtype))
    return Step(model, _stepper(model, config, device, batch))


def _stepper(
    model: Detector, config: TrainConfig, device: torch.device, batch: Batch
) -> Callable[[], dict[str, Any]]:
    amp = machine.amp_dtype(config, device)
    state = start.create_train_state(
        model, build_optimizer(model, config), build_schedule(config, 10_000), config, amp
    )
    session = Session(
        config=config, device=device, amp_dtype=amp, network=wrap_model(model, config, Group(), device),
        loss=build_loss(model), order=UNUSED, train=UNUSED, validation=UNUSED, validation_data=UNUSED, run=UNUSED, facts=UNUSED,
        board=NullLogger(), console=Console(), stop=StopRequest(), group=Group(),
    )  # fmt: skip
    training_mode(model, config.freeze_bn)
    return lambda: train_step(state, session, batch)


def gradients(step: Step) -> dict[str, Tensor]:
    """Of the step that was made last, by parameter; float32 on the CPU."""
    return {
        name: parameter.grad.float().cpu().contiguous()
        for name, parameter in step.model.named_parameters()
        if parameter.grad is not None
    }


def difference(gradients: dict[str, Tensor], plain: dict[str, Tensor]) -> float:
    """|gradients − plain| / |plain|, over all of them together."""
    one, other = (torch.cat([part[name].flatten() for name in plain]).double() for part in (gradients, plain))
    return float((one - other).norm() / other.norm())
