"""What each part of a checkpoint has to be: types, keys and ranges, before anything of it is put back.

A digest proves that a file is as it was written, not that it was written by this toolkit; a file that was named
by hand has no digest at all. Shapes are held against the model elsewhere (``fit.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from vision.artefacts.records import RecordError, from_plain, within
from vision.engine.options import config as options
from vision.engine.options.config import TrainConfig
from vision.engine.options.option import options_of, read_mapping
from vision.engine.state import set_host_generators
from vision.messages.advice import UserError
from vision.messages.terminal import counted

MOST = 2**53
"""No count in a checkpoint comes near it."""
MOST_THREADS = int(options_of(TrainConfig)["threads"].high or 1)
MOST_PROCESSES = 1 << 16
CUDA_STATE_BYTES = 16
"""Seed and offset of a Philox generator, 8 bytes each; the offset is a multiple of 4."""
YOUNGER_OPTIONS = frozenset(
    {"balance_data", "box_regression", "channels", "cuda_graphs", "feed", "fused", "heads"}
)
"""Options that change numbers and that the first checkpoints of format 1 did not know: their default held."""

Check = Callable[[Any, str], None]
"""(value, its place) → nothing, or RecordError."""
Count = Annotated[int, within(0, MOST)]
Some = Annotated[int, within(1, MOST)]
Weights = Annotated[dict[str, Tensor], within(1)]


def like(record: type, or_empty: bool = False) -> Check:
    """A dict that ``record`` can be made of; it stays a dict."""

    def check(value: Any, where: str) -> None:
        if value or not or_empty:
            from_plain(record, value, where, ".")

    return check


def bytes_of(length: int) -> Check:
    def check(value: Tensor, where: str) -> None:
        if value.dtype != torch.uint8 or tuple(value.shape) != (length,):
            shape = tuple(value.shape)
            raise RecordError(f"{where}: expected {length} bytes, found {value.dtype} of shape {shape}")

    return check


def _words(value: Tensor, where: str) -> None:
    if value.dtype != torch.int64 or tuple(value.shape) != (624,):
        raise RecordError(f"{where}: expected 624 words, found {value.dtype} of shape {tuple(value.shape)}")
    if not bool(((value >= 0) & (value < 2**32)).all()):
        raise RecordError(f"{where}: expected words of 32 bits")


def _philox(value: Tensor, where: str) -> None:
    bytes_of(CUDA_STATE_BYTES)(value, where)
    offset = int(value[8:].clone().view(torch.int64))
    if offset < 0 or offset % 4:
        raise RecordError(f"{where}: expected an offset that is a multiple of 4, found {offset}")


# ---------------------------------------------------------------- the parts


@dataclass(frozen=True)
class _Params:
    params: list[Count]


def _group(value: dict[str, Any], where: str) -> None:
    """The settings beside ``params`` are not put back."""
    from_plain(_Params, {key: item for key, item in value.items() if key == "params"}, where, ".")


@dataclass(frozen=True)
class Optimizer:
    state: dict[Count, dict[str, Tensor | float | None]]
    param_groups: Annotated[list[Annotated[dict[str, Any], _group]], within(1)]


@dataclass(frozen=True)
class Scheduler:
    kind: str
    horizon: Some
    warmup: Count
    milestones: list[Count]
    gamma: Annotated[float, within(0, 1)]


@dataclass(frozen=True)
class Scaler:
    scale: Annotated[float, within(0)]
    growth_factor: Annotated[float, within(1)]
    backoff_factor: Annotated[float, within(0, 1)]
    growth_interval: Some
    _growth_tracker: Count


@dataclass(frozen=True)
class Average:
    count: Count
    weights: Weights


@dataclass(frozen=True)
class _Python:
    version: Count
    internal: Annotated[list[Annotated[int, within(0, 2**32 - 1)]], within(625, 625)]
    gauss: float | None


@dataclass(frozen=True)
class _Numpy:
    kind: Literal["MT19937"]
    keys: Annotated[Tensor, _words]
    position: Annotated[int, within(0, 624)]
    has_gauss: Annotated[int, within(0, 1)]
    cached: float


@dataclass(frozen=True)
class _Generators:
    python: _Python
    numpy: _Numpy
    torch: Annotated[Tensor, bytes_of(torch.Generator().get_state().numel())]
    cuda: list[Annotated[Tensor, _philox]]


def generators(value: Any, where: str) -> None:
    """Also put into generators of its own, which know best what they take."""
    from_plain(_Generators, value, where, ".")
    try:
        set_host_generators(value, random.Random(0), np.random.RandomState(0), torch.Generator())
    except (ValueError, TypeError, RuntimeError) as error:
        raise RecordError(f"{where}: not the state of a generator: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class Position:
    epoch: Count
    step: Count
    seed: Annotated[int, within(0, 2**63 - 1)]
    batch_size: Some
    length: Some


@dataclass(frozen=True)
class Best:
    metric: Literal["AP", "val_loss"]
    value: float
    epoch: Count
    rank: Annotated[list[float], within(2, 2)]
    since: Count


@dataclass(frozen=True)
class _Sums:
    total: float
    classification: float
    localization: float


@dataclass(frozen=True)
class Totals:
    steps: Count
    images: Count
    positives: Count
    skipped: Count
    sums: _Sums


@dataclass(frozen=True)
class _Made:
    images: Count
    boxes: Count
    upright: Count


@dataclass(frozen=True)
class Data:
    """Of each split: images, boxes, and images that EXIF turns upright."""

    train: _Made
    validation: _Made


def arguments(value: Any, where: str) -> None:
    """Values that this version would take; those that decide the numbers have to be there."""
    rules = {name: option.resume for name, option in options_of(TrainConfig).items()}
    needed = {name for name, rule in rules.items() if rule in ("fixed", "named")} - YOUNGER_OPTIONS
    try:
        options.build(read_mapping(TrainConfig, value, where))
    except UserError as error:
        raise RecordError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from None
    missing = [name for name in rules if name in needed and name not in value]
    if missing:
        raise RecordError(f"{where}: missing {', '.join(missing[:5])}")


def check_together(content: Mapping[str, Any], where: str) -> None:
    """Step, epoch and the place within it tell the same; the learning rate follows from the step alone."""
    order, args = content["sampler"], content["args"]
    for name in ("seed", "batch_size"):
        if order[name] != args[name]:
            raise RecordError(f"{where}: sampler.{name}: {order[name]}, and args has {args[name]}")
    steps_per_epoch = max(1, order["length"] // order["batch_size"])
    if order["step"] > steps_per_epoch:
        raise RecordError(
            f"{where}: sampler.step: {order['step']} of an epoch of {counted(steps_per_epoch, 'step')}"
        )
    expected = order["epoch"] * steps_per_epoch + order["step"]
    if content["step"] != expected:
        raise RecordError(f"{where}: step: expected {expected} by its sampler, found {content['step']}")
    if content["epoch"] != order["epoch"] and (content["epoch"] + 1, 0) != (order["epoch"], order["step"]):
        raise RecordError(f"{where}: epoch: {content['epoch']}, and its sampler is in {order['epoch']}")
    names, ids = len(content["classes"]), len(content["original_category_ids"])
    if names != ids:
        raise RecordError(f"{where}: original_category_ids: expected {names}, one a class, found {ids}")
