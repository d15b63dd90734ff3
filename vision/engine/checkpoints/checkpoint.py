"""State ↔ a plain dict that ``torch.load(weights_only=True)`` accepts, and nothing less careful.

A checkpoint is data from somewhere: ``vision/nn/weights/weight_file.py`` reads it, and here each part is held against what it
has to be.
"""

from __future__ import annotations

import dataclasses
import io
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from vision.artefacts.records import RecordError, from_plain, within
from vision.engine.checkpoints import schema
from vision.engine.checkpoints.find_runs import Ask, no_checkpoint_at, no_checkpoint_in, resume_with
from vision.engine.checkpoints.folder import (
    CheckpointRecord,
    DamagedCheckpoint,
    RunFolder,
    epoch_name,
    step_name,
)
from vision.engine.checkpoints.schema import like
from vision.engine.checkpoints.versions import versions
from vision.engine.optim import Schedule
from vision.engine.options.config import TrainConfig, build
from vision.engine.options.option import read_mapping
from vision.engine.state import EpochTotals, TrainState, restore_rng, rng_state
from vision.images.formats import EXIF_CHOICES
from vision.messages.advice import command, shown
from vision.nn.weights import weight_file
from vision.nn.weights.state_dicts import unusable
from vision.nn.weights.weight_file import BadWeights

FORMAT = 1
MAX_ITEMS = 2_000_000
MAX_DEPTH = 32
PRETRAINED = "python train_ssd.py --pretrained-ssd"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds; keys as in docs/artefacts.md."""

    format: int
    epoch: schema.Count
    step: schema.Count
    weights: schema.Weights
    optimizer: Annotated[dict[str, Any], like(schema.Optimizer)]
    scheduler: Annotated[dict[str, Any], like(schema.Scheduler)]
    scaler: Annotated[dict[str, Any], like(schema.Scaler, or_empty=True)]
    ema: Annotated[dict[str, Any], like(schema.Average, or_empty=True)]
    rng: Annotated[dict[str, Any], schema.generators]
    sampler: Annotated[dict[str, Any], like(schema.Position)]
    best: Annotated[dict[str, Any], like(schema.Best, or_empty=True)]
    window: Annotated[dict[str, Any], like(schema.Totals)]
    args: Annotated[dict[str, Any], schema.arguments]
    classes: Annotated[list[str], within(2)]
    original_category_ids: list[Annotated[int, within(-schema.MOST, schema.MOST)]]
    dataset_digest: str
    metrics: dict[str, float]
    versions: dict[str, str]
    threads: Annotated[int, within(1, schema.MOST_THREADS)]
    world_size: Annotated[int, within(1, schema.MOST_PROCESSES)]
    validation_digest: str = ""  # unknown to the first checkpoints of this format, as what follows
    data: Annotated[dict[str, dict[str, int]], like(schema.Data, or_empty=True)] = field(default_factory=dict)

    @cached_property
    def config(self) -> TrainConfig:
        """What the run was told, out of ``args``."""
        return build(read_mapping(TrainConfig, self.args, "args"))

    @property
    def exif(self) -> str | None:
        """The frame of what it was trained on: ``apply`` where images were turned upright, ``stored`` where none was.

        The data may have been made with ``--exif apply`` there, too. None: unknown.
        """
        return EXIF_CHOICES[bool(self.data["train"]["upright"])] if self.data else None

    @property
    def imported(self) -> bool:
        """Made by ``tools.import_weights``: it was trained elsewhere, for nobody knows how many steps and on which data."""
        return not self.dataset_digest

    @property
    def evaluated_weights(self) -> dict[str, Tensor]:
        """The average where there is one, else the raw weights: what evaluation and export use."""
        return self.ema["weights"] if self.ema else self.weights


@dataclass(frozen=True)
class RunFacts:
    """What stays the same throughout a session and belongs into every checkpoint.

    * args: the configuration as plain JSON
    * order: ``seed``, ``batch_size`` (global) and ``length`` (images), from which every epoch's order follows
    * data: ``counts`` of the ``train`` and the ``validation`` data
    """

    args: dict[str, Any]
    classes: list[str]
    original_category_ids: list[int]
    dataset_digest: str
    order: dict[str, int]
    world_size: int = 1
    validation_digest: str = ""
    data: dict[str, dict[str, int]] = field(default_factory=dict)


def content_of(state: TrainState, facts: RunFacts, metrics: dict[str, Any]) -> dict[str, Any]:
    """The state as a plain dict; tensors are copied to the CPU."""
    ema = state.ema
    content = Checkpoint(
        format=FORMAT,
        epoch=state.epoch,
        step=state.step,
        weights=_plain(state.model.state_dict()),
        optimizer=_plain(state.optimizer.state_dict()),
        scheduler=state.schedule.state_dict(),
        scaler=_plain(state.scaler.state_dict()) if state.scaler is not None else {},
        ema={} if ema is None else {"count": int(ema.n_averaged), "weights": _plain(ema.module.state_dict())},
        rng=rng_state(),
        sampler={"epoch": state.epoch, "step": state.step_in_epoch, **facts.order},
        best=dict(state.best),
        window=state.window.state_dict(),
        args=facts.args,
        classes=list(facts.classes),
        original_category_ids=list(facts.original_category_ids),
        dataset_digest=facts.dataset_digest,
        metrics=metrics,
        versions=versions(),
        threads=torch.get_num_threads(),
        world_size=facts.world_size,
        validation_digest=facts.validation_digest,
        data=facts.data,
    )
    return {f.name: getattr(content, f.name) for f in dataclasses.fields(content)}


def _plain(value: Any) -> Any:
    """Tensors detached and on the CPU, containers as plain dict, list and tuple."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone(memory_format=torch.preserve_format)  # strides decide kernels
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def as_bytes(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def save(
    state: TrainState,
    run: RunFolder,
    facts: RunFacts,
    metrics: dict[str, Any] | None = None,
    finished_epoch: int | None = None,
    best: bool = False,
) -> CheckpointRecord:
    """Publish the state into the run folder and record its digest.

    ``finished_epoch`` names it ``…-Epoch-{e}-Loss-{loss}.pth`` (``metrics["val_loss"]``), else it is called
    by its step. Raises OSError (OutOfSpace) with everything older intact.
    """
    metrics = metrics or {}
    net = str(facts.args["net"])
    content = content_of(state, facts, metrics)
    if finished_epoch is None:
        name = step_name(net, state.step)
    else:
        name, content["epoch"] = epoch_name(net, finished_epoch, metrics.get("val_loss")), finished_epoch
    return run.publish(
        name,
        as_bytes(content),
        epoch=content["epoch"],
        step=state.step,
        metrics=metrics,
        finished=finished_epoch is not None,
        best=best,
    )


# ---------------------------------------------------------------- reading


def load(path: Path | str) -> Checkpoint:
    """Read and check one file. Raises DamagedCheckpoint that names file and key; runs no code from it."""
    path = Path(path)
    try:
        file = weight_file.read(path)
        file.require_no_code()
    except BadWeights as error:
        raise DamagedCheckpoint(str(error)) from None
    if file.strangers:
        raise DamagedCheckpoint(
            f"{path} holds objects; no checkpoint of this toolkit does: {', '.join(file.strangers[:4])}\n"
            "  why: a checkpoint of pytorch-ssd holds its scheduler in this way; training cannot resume from it\n"
            f"  fix: its weights start a new run: {command(PRETRAINED, path)}"
        )
    return _typed(file.content, path)


def _typed(content: Any, path: Path) -> Checkpoint:
    if not isinstance(content, dict):
        raise DamagedCheckpoint(f"{path}: expected a dict, found {type(content).__name__}")
    if "format" not in content:
        raise DamagedCheckpoint(
            f"{path}: holds no resumable state\n"
            f"  why: it has {', '.join(shown(str(key)[:40]) for key in list(content)[:4])}, and nothing of this toolkit\n"
            f"  fix: weights of pytorch-ssd start a new run: {command(PRETRAINED, path)}"
        )
    if content["format"] != FORMAT:
        raise DamagedCheckpoint(f"{path}: format {content['format']!r}, this version reads {FORMAT}")
    _Walk(path).check(content)  # first of all: it bounds what the others look at
    known = {f.name: content[f.name] for f in dataclasses.fields(Checkpoint) if f.name in content}
    try:
        checkpoint = from_plain(Checkpoint, known, str(path))
        schema.check_together(known, str(path))
    except RecordError as error:
        raise DamagedCheckpoint(str(error)) from None
    return checkpoint


class _Walk:
    """Finite numbers, and a bounded number of items: ``weight_file`` has held tensors against their data."""

    def __init__(self, path: Path) -> None:
        self.path, self.items = path, 0

    def check(self, value: Any, where: str = "", depth: int = 0) -> None:
        self.items += 1
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise DamagedCheckpoint(f"{self.path}: {where}: too many or too deeply nested items; refused")
        if isinstance(value, Tensor):
            self._check_tensor(value, where)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.check(item, f"{where}.{key}" if where else str(key), depth + 1)
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                self.check(item, f"{where}[{index}]", depth + 1)

    def _check_tensor(self, tensor: Tensor, where: str) -> None:
        if wrong := unusable(where, tensor):
            raise DamagedCheckpoint(f"{self.path}: {where} {wrong}")


def find(path_or_run: Path | str, ask: Ask = resume_with, net: str | None = None) -> Path:
    """A file → itself, held against its record; a run folder → its newest good checkpoint.

    Raises DamagedCheckpoint for a file that is not as recorded, NoCheckpoint where there is none; damaged
    newer ones in a folder are named in a warning. ``ask`` spells the command that is advised, for a run of ``net`` if that is given.
    """
    path = Path(path_or_run)
    if path.is_dir():
        newest = RunFolder(path).newest_valid(warn=_warn, check=load)
        if newest is None:
            raise no_checkpoint_in(path, ask, net)
        return newest
    if not path.is_file():
        raise no_checkpoint_at(path, ask, net)
    run = RunFolder(path.parent)
    for record in run.records():
        if record.file == path.name:
            run.verify(record)
    return path


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)


# ---------------------------------------------------------------- back into a state


def restore(checkpoint: Checkpoint, state: TrainState, keep_schedule: bool = True) -> None:
    """Put everything back, the global generators last; ``checkpoint_fit`` has found out that it fits.

    The optimiser keeps the groups' settings of ``state`` (they may have been changed by name) and takes the
    moments of the checkpoint.
    """
    state.model.load_state_dict(checkpoint.weights)
    _restore_optimizer(checkpoint.optimizer, state)
    if keep_schedule:
        state.schedule = Schedule.from_state_dict(checkpoint.scheduler)
    if state.scaler is not None and checkpoint.scaler:
        state.scaler.load_state_dict(checkpoint.scaler)
    if state.ema is not None:
        state.ema.module.load_state_dict(checkpoint.ema["weights"])
        state.ema.n_averaged.fill_(checkpoint.ema["count"])
    state.epoch, state.step_in_epoch = checkpoint.sampler["epoch"], checkpoint.sampler["step"]
    state.step = checkpoint.step
    state.best = dict(checkpoint.best)
    state.window = EpochTotals(**{**checkpoint.window, "sums": dict(checkpoint.window["sums"])})
    restore_rng(checkpoint.rng)


def _restore_optimizer(saved: dict[str, Any], state: TrainState) -> None:
    """Moments and counters as saved, under the settings of this session. They go in first: where torch puts a counter of steps,
    on the host or on the device, follows from ``fused`` of the groups that it loads."""
    groups = [
        {**old, **now, "params": old["params"]}
        for old, now in zip(saved["param_groups"], state.optimizer.param_groups, strict=True)
    ]
    state.optimizer.load_state_dict({**saved, "param_groups": groups})
