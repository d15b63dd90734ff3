"""Weights in files: reading them without running anything, and putting into a module what fits."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]

WRAPPERS = ("weights", "state_dict", "model", "model_state_dict")
"""Where a checkpoint keeps its weights; ``weights`` is that of COMBO checkpoints."""

COUNTER = ".num_batches_tracked"
"""BatchNorm counts its batches in newer files only, and nothing here reads the count."""


class Placeholder:
    """Stands for an object of a checkpoint that is no tensor: takes its state, knows nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def read_file(path: Path) -> Any:
    """What ``torch.save`` wrote, tensors on the CPU; classes that are not plain data become ``Placeholder``.

    The ancestors' checkpoints hold whole scheduler objects. They are neither imported nor called: torch's
    weights-only reader gets a placeholder under each of their names.
    Raises FileNotFoundError, and ValueError for what is no checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file with weights")
    try:
        return _load(path)
    except pickle.UnpicklingError:
        pass  # holds objects
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from None
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        with torch.serialization.safe_globals([(Placeholder, name) for name in names]):
            return _load(path)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from None


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ValueError(
        f"{path} ({path.stat().st_size:,} bytes) is no file with weights, or it is damaged: {reason}"
    )


def weights_in(content: Any, where: Path | str) -> Weights:
    """A plain state dict, or the one inside a checkpoint; without the ``module.`` of DataParallel.

    Raises ValueError where there is none, or where a weight is NaN or infinite.
    """
    for candidate in (content, *(content.get(name) for name in WRAPPERS if isinstance(content, Mapping))):
        if _is_state_dict(candidate):
            weights = {name.removeprefix("module."): value for name, value in candidate.items()}
            _refuse_non_finite(weights, where)
            return weights
    raise ValueError(
        f"{where}: no weights in it: expected a dict of tensors, or one under "
        f"{', '.join(repr(name) for name in WRAPPERS)}; found {_described(content)}"
    )


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _refuse_non_finite(weights: Weights, where: Path | str) -> None:
    for name, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"{where}: {name} holds NaN or infinite values; take another checkpoint")


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
        parts = [f"{self.source}: {len(self.loaded):,} tensors", *self.notes]
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


def load_fitting(
    module: nn.Module, weights: Mapping[str, Tensor], source: str, notes: Iterable[str] = ()
) -> LoadReport:
    """Copy every weight whose name and shape fit; the rest of ``module`` keeps its first weights.

    Raises ValueError where fewer fit than do not: that is another net, or this one at another width.
    """
    own = module.state_dict()
    fitting = {
        name: value for name, value in weights.items() if name in own and own[name].shape == value.shape
    }
    misshaped = [
        f"{name}: {tuple(value.shape)}, expected {tuple(own[name].shape)}"
        for name, value in weights.items()
        if name in own and name not in fitting
    ]
    real = [name for name in fitting if not name.endswith(COUNTER)]
    if len(misshaped) >= max(1, len(real)):
        raise ValueError(
            f"{source}: {len(misshaped)} tensors have another shape than in this net, {len(real)} fit: is it of "
            f"another width or net? {few(misshaped, 2)}"
        )
    if not real:
        raise ValueError(
            f"{source}: none of its {len(weights)} tensors fits this net. Found {few(weights)}; "
            f"expected {few(own)}"
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
