"""State dicts: finding them in what a file holds, and putting into a module what fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vision.messages.advice import UserError
from vision.messages.terminal import counted
from vision.nn.weights.signatures import looks_like, net_in

Weights = dict[str, Tensor]

WRAPPERS = ("weights", "state_dict", "model", "model_state_dict")
"""Where a checkpoint keeps its weights; ``weights`` is that of COMBO checkpoints."""

COUNTER = ".num_batches_tracked"
"""BatchNorm counts its batches in newer files only, and nothing here reads the count."""


def weights_in(content: Any, where: Path | str) -> Weights:
    """A plain state dict, or the one inside a checkpoint, averaged if it can be; without DataParallel's ``module.``.

    Raises ValueError where there is none, or where a weight is NaN, infinite or a negative variance.
    """
    wrapped = (content.get(name) for name in WRAPPERS if isinstance(content, Mapping))
    for candidate in (average_in(content), content, *wrapped):
        if _is_state_dict(candidate):
            weights = {name.removeprefix("module."): value for name, value in candidate.items()}
            for name, value in weights.items():
                if wrong := unusable(name, value):
                    raise UserError(f"{where}: {name} {wrong}; take another checkpoint")
            return weights
    raise UserError(
        f"{where}: no weights in it: expected a dict of tensors, or one under "
        f"{', '.join(repr(name) for name in WRAPPERS)}; found {_described(content)}"
    )


def average_in(content: Any) -> Mapping[str, Tensor] | None:
    """The averaged (EMA) weights in a COMBO checkpoint, which its scores belong to; None where it has none."""
    ema = content.get("ema") if isinstance(content, Mapping) else None
    average = ema.get("weights") if isinstance(ema, Mapping) else None
    return average if _is_state_dict(average) else None


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def unusable(name: str, value: Tensor) -> str:
    """What no net can compute with: NaN, infinite values, a variance below 0. Empty where there is none of it."""
    if not value.is_floating_point():
        return ""
    value = value.float()  # as the net will hold it: a float64 may be finite and a float32 of it not
    if not value.isfinite().all():
        return "holds NaN or infinite values"
    return "holds a negative variance" if name.endswith("running_var") and (value < 0).any() else ""


def _described(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dict with {few([str(name) for name in content])}" if content else "an empty dict"
    return f"a {type(content).__name__}"


@dataclass(frozen=True)
class LoadReport:
    """What was taken from ``source`` and what was not. ``str()`` is for people.

    ``misshaped`` has lines "name: found shape, expected shape"; ``notes`` say what was done on purpose.
    """

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        parts = [f"{self.source}: {counted(len(self.loaded), 'tensor')}", *self.notes]
        for word in ("missing", "unexpected", "misshaped"):
            names = getattr(self, word)
            if names:
                parts.append(f"{len(names)} {word} ({few(names)})")
        return "; ".join(parts)


def few(names: Iterable[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f", … {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


LEAST_SHARE = 0.9
"""Of the tensors that are meant, so many have to fit. Of another net of this family 2 % fit by chance, of another width
of the same net 30 %; a backbone alone is 84 % of a detector's trunk."""


def load_fitting(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    source: str,
    notes: Iterable[str] = (),
    beside: tuple[str, ...] = (),
    flag: str = "--pretrained-ssd",
    whole: Mapping[str, Tensor] | None = None,
) -> LoadReport:
    """Copy every weight whose name, shape and kind of number fit; the rest of ``module`` keeps its first weights.

    Parameters whose names begin with one of ``beside`` are taken where they fit and may be missing;
    ``whole`` is all that the file has, to tell what it is of. Raises ValueError
    where less than LEAST_SHARE of the others fits: that is another net, or this one at another width.
    """
    own = module.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and _fits(value, own[name])}
    misshaped = [
        f"{name}: {_kind(value)}, expected {_kind(own[name])}"
        for name, value in weights.items()
        if name in own and name not in fitting
    ]
    meant = [name for name in own if not name.endswith(COUNTER) and not name.startswith(beside)]
    fits = sum(name in fitting for name in meant)
    if fits < LEAST_SHARE * len(meant):
        other_width = sum(name in weights for name in meant) >= LEAST_SHARE * len(meant)
        raise UserError(
            _another_net(source, whole or weights, fits, len(meant), misshaped, flag, other_width)
        )
    module.load_state_dict(fitting, strict=False)
    return LoadReport(
        source=source,
        loaded=tuple(fitting),
        missing=tuple(name for name in own if name not in weights and not name.endswith(COUNTER)),
        unexpected=tuple(name for name in weights if name not in own),
        misshaped=tuple(misshaped),
        notes=tuple(notes),
    )


def _fits(value: Tensor, own: Tensor) -> bool:
    return own.shape == value.shape and own.is_floating_point() == value.is_floating_point()


def _kind(tensor: Tensor) -> str:
    whole = "" if tensor.is_floating_point() else f" of {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{whole}"


def _another_net(
    source: str,
    weights: Mapping[str, Tensor],
    fits: int,
    meant: int,
    misshaped: list[str],
    flag: str,
    other_width: bool,
) -> str:
    """Three lines: how little fits, what the file looks like, and what would take it.

    ``other_width``: the names are those of this net, and the shapes are not.
    """
    seen = looks_like(weights)
    detail = f"; {few(misshaped, 2)}" if misshaped else f"; its names are {few(weights)}"
    width = re.search(r"^mb2-ssd-lite at (--width-mult \S+)$", seen)
    if width and misshaped:
        fix = f"{width[1]} makes this net as wide (pytorch-ssd does not scale its extra layers), or name other weights"
    elif flag != "--base-net" and other_width:
        fix = "it is this net at another width: give --width-mult as it was when these weights were trained"
    elif flag != "--base-net" and net_in(seen):
        fix = f"name that net: --net {net_in(seen)}"
    elif flag != "--base-net" and ("a classifier" in seen or "backbone of" in seen):
        fix = "a backbone alone is given with --base-net"
    else:
        fix = "name weights of this net, or leave the option out to train from scratch"
    return (
        f"{flag} {source}: {fits} of this net's {meant} tensors are in it, and {LEAST_SHARE:.0%} have to be\n"
        f"  why: it looks like {seen}{detail}\n  fix: {fix}"
    )
