"""What each part of a checkpoint has to be: types, keys and ranges, before anything of it is put back.

A digest proves that a file is as it was written, not that it was written by this toolkit; a file that was named
by hand has no digest at all. Shapes are held against the model elsewhere (``checkpoint_fit.py``).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.engine import config as options
from vision.engine.config import TrainConfig
from vision.engine.options import options_of, read_mapping
from vision.engine.state import PARTS, set_host_generators

YOUNGER_PARTS = frozenset({"validation_digest"})
"""Parts that the first checkpoints of format 1 did not have."""
MOST = 2**53
"""No count in a checkpoint comes near it."""
MOST_THREADS = int(options_of(TrainConfig)["threads"].high or 1)
MOST_PROCESSES = 1 << 16
CUDA_STATE_BYTES = 16
"""Seed and offset of a Philox generator, 8 bytes each; the offset is a multiple of 4."""
YOUNGER_OPTIONS: frozenset[str] = frozenset()
"""Options that change numbers and that the first checkpoints of format 1 did not know: their default held."""

Check = Callable[[Any, str], None]
"""(value, its place in the checkpoint) → nothing, or Wrong."""


class Wrong(ValueError):
    """A part is not what it has to be; the message begins with its place."""


def _wrong(where: str, expected: str, found: Any) -> Wrong:
    shown = repr(found) if isinstance(found, (str, int, float, type(None))) else type(found).__name__
    return Wrong(f"{where}: expected {expected}, found {shown[:80]}")


# ---------------------------------------------------------------- single values


def whole(low: int = 0, high: int = MOST) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            limits = f"from {low} to {high}" if high < MOST else f"of at least {low}"
            raise _wrong(where, f"a whole number {limits}", value)

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            limits = "" if low == -math.inf else f" of at least {low:g}"
            limits += "" if high == math.inf else f" of at most {high:g}"
            raise _wrong(where, f"a finite number{limits}", value)

    return check


def text(value: Any, where: str) -> None:
    if type(value) is not str:
        raise _wrong(where, "a string", value)


def tensor(value: Any, where: str) -> None:
    if not isinstance(value, Tensor):
        raise _wrong(where, "a tensor", value)


def generator_bytes(length: int) -> Check:
    def check(value: Any, where: str) -> None:
        tensor(value, where)
        if value.dtype != torch.uint8 or tuple(value.shape) != (length,):
            raise Wrong(
                f"{where}: expected {length} bytes, found {value.dtype} of shape {tuple(value.shape)}"
            )

    return check


def one_of(*values: str) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not str or value not in values:
            raise _wrong(where, f"one of {', '.join(values)}", value)

    return check


def either(*checks: Check) -> Check:
    """The first check's complaint where none holds."""

    def check(value: Any, where: str) -> None:
        complaints = []
        for one in checks:
            try:
                return one(value, where)
            except Wrong as error:
                complaints.append(error)
        raise complaints[0]

    return check


def nothing(value: Any, where: str) -> None:
    if value is not None:
        raise _wrong(where, "nothing", value)


# ---------------------------------------------------------------- containers


def fields(**checks: Check) -> Check:
    """A dict with exactly these keys."""

    def check(value: Any, where: str) -> None:
        if type(value) is not dict:
            raise _wrong(where, "a dict", value)
        missing = [key for key in checks if key not in value]
        foreign = [str(key)[:40] for key in value if key not in checks]
        if missing or foreign:
            parts = [f"missing {', '.join(missing)}"] * bool(missing)
            parts += [f"unknown {', '.join(foreign[:5])}"] * bool(foreign)
            raise Wrong(f"{where}: {'; '.join(parts)}")
        for key, one in checks.items():
            one(value[key], f"{where}.{key}")

    return check


def empty_or(check_full: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not dict or value:
            check_full(value, where)

    return check


def table(key: Check, one: Check, least: int = 0) -> Check:
    """A dict of any keys that pass ``key``."""

    def check(value: Any, where: str) -> None:
        if type(value) is not dict or len(value) < least:
            raise _wrong(where, "a dict" if type(value) is not dict else f"at least {least} entries", value)
        for name, item in value.items():
            key(name, f"{where}: a key")
            one(item, f"{where}.{name}")

    return check


def listing(one: Check, length: int | None = None, least: int = 0) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) not in (list, tuple):
            raise _wrong(where, "a list", value)
        if len(value) < least or (length is not None and len(value) != length):
            raise Wrong(f"{where}: expected {least if length is None else length} items, found {len(value)}")
        for index, item in enumerate(value):
            one(item, f"{where}[{index}]")

    return check


# ---------------------------------------------------------------- the parts


def _parameter_group(value: Any, where: str) -> None:
    if type(value) is not dict or "params" not in value:
        raise _wrong(where, "a dict with params", value)
    listing(whole())(value["params"], f"{where}.params")


def _args(value: Any, where: str) -> None:
    """Values that this version would take; those that decide the numbers have to be there."""
    rules = {name: option.resume for name, option in options_of(TrainConfig).items()}
    needed = {name for name, rule in rules.items() if rule in ("fixed", "named")} - YOUNGER_OPTIONS
    if type(value) is not dict or any(type(key) is not str for key in value):
        raise _wrong(where, "a dict of options", value)
    try:
        options.build(read_mapping(TrainConfig, value, where))
    except ValueError as error:
        raise Wrong(f"{where}: {str(error).removeprefix(f'{where}: ')}") from None
    missing = [name for name in rules if name in needed and name not in value]
    if missing:
        raise Wrong(f"{where}: missing {', '.join(missing[:5])}")


def _numpy_keys(value: Any, where: str) -> None:
    tensor(value, where)
    if value.dtype != torch.int64 or tuple(value.shape) != (624,):
        raise Wrong(f"{where}: expected 624 words, found {value.dtype} of shape {tuple(value.shape)}")
    if not bool(((value >= 0) & (value < 2**32)).all()):
        raise Wrong(f"{where}: expected words of 32 bits")


def _cuda_generator(value: Any, where: str) -> None:
    generator_bytes(CUDA_STATE_BYTES)(value, where)
    offset = int(value[8:].clone().view(torch.int64))
    if offset < 0 or offset % 4:
        raise Wrong(f"{where}: expected an offset that is a multiple of 4, found {offset}")


_RNG = fields(
    python=fields(
        version=whole(),
        internal=listing(whole(0, 2**32 - 1), length=625),
        gauss=either(number(), nothing),
    ),
    numpy=fields(
        kind=one_of("MT19937"),
        keys=_numpy_keys,
        position=whole(0, 624),
        has_gauss=whole(0, 1),
        cached=number(),
    ),
    torch=generator_bytes(torch.Generator().get_state().numel()),
    cuda=listing(_cuda_generator),
)


def _rng(value: Any, where: str) -> None:
    """Also put into generators of its own, which know best what they take."""
    _RNG(value, where)
    try:
        set_host_generators(value, random.Random(0), np.random.RandomState(0), torch.Generator())
    except (ValueError, TypeError, RuntimeError) as error:
        raise Wrong(f"{where}: no state of a generator: {str(error).splitlines()[0]}") from None


SCHEMA: Mapping[str, Check] = {
    "epoch": whole(),
    "step": whole(),
    "weights": table(text, tensor, least=1),
    "optimizer": fields(
        state=table(whole(), table(text, either(tensor, number(), nothing))),
        param_groups=listing(_parameter_group, least=1),
    ),
    "scheduler": fields(
        kind=one_of(*(options_of(TrainConfig)["scheduler"].choices or ())),
        horizon=whole(1),
        warmup=whole(),
        milestones=listing(whole()),
        gamma=number(0, 1),
    ),
    "scaler": empty_or(
        fields(
            scale=number(0),
            growth_factor=number(1),
            backoff_factor=number(0, 1),
            growth_interval=whole(1),
            _growth_tracker=whole(),
        )
    ),
    "ema": empty_or(fields(count=whole(), weights=table(text, tensor, least=1))),
    "rng": _rng,
    "sampler": fields(epoch=whole(), step=whole(), seed=whole(0, 2**63 - 1), batch_size=whole(1), length=whole(1)),
    "best": empty_or(
        fields(
            metric=one_of("AP", "val_loss"),
            value=number(),
            epoch=whole(),
            rank=listing(number(), length=2),
            since=whole(),
        )
    ),
    "window": fields(
        steps=whole(),
        images=whole(),
        positives=whole(),
        skipped=whole(),
        sums=fields(**dict.fromkeys(PARTS, number())),
    ),
    "args": _args,
    "classes": listing(text, least=2),
    "original_category_ids": listing(whole(-MOST)),
    "dataset_digest": text,
    "metrics": table(text, number()),
    "versions": table(text, text),
    "threads": whole(1, MOST_THREADS),
    "world_size": whole(1, MOST_PROCESSES),
    "validation_digest": text,
}  # fmt: skip


def check(content: Mapping[str, Any]) -> None:
    """Every part by itself, then the parts against each other. Raises Wrong."""
    for name, one in SCHEMA.items():
        if name in YOUNGER_PARTS and name not in content:
            continue
        if name not in content:
            raise Wrong(f"{name}: missing")
        one(content[name], name)
    _check_position(content)
    if len(content["classes"]) != len(content["original_category_ids"]):
        raise Wrong(
            f"original_category_ids: expected {len(content['classes'])}, one a class, "
            f"found {len(content['original_category_ids'])}"
        )


def _check_position(content: Mapping[str, Any]) -> None:
    """Step, epoch and the place within it tell the same; the learning rate follows from the step alone."""
    order, args = content["sampler"], content["args"]
    for name in ("seed", "batch_size"):
        if order[name] != args[name]:
            raise Wrong(f"sampler.{name}: {order[name]}, and args has {args[name]}")
    steps_per_epoch = max(1, order["length"] // order["batch_size"])
    if order["step"] > steps_per_epoch:
        raise Wrong(f"sampler.step: {order['step']} of an epoch of {steps_per_epoch} steps")
    expected = order["epoch"] * steps_per_epoch + order["step"]
    if content["step"] != expected:
        raise Wrong(f"step: expected {expected} by its sampler, found {content['step']}")
    if content["epoch"] != order["epoch"] and (content["epoch"] + 1, 0) != (order["epoch"], order["step"]):
        raise Wrong(f"epoch: {content['epoch']}, and its sampler is in {order['epoch']}")
