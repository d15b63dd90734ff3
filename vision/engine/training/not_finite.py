"""What happens where a number is NaN or infinite: the step is left out or training stops, and nothing of it is saved."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.engine.state import TrainState
from vision.engine.training.session import Session
from vision.messages.advice import UserError
from vision.messages.terminal import counted

SHOWN_IDS = 64


class NotFinite(UserError):
    """The loss, its gradient or the weights are NaN or infinite; no such weights have been saved."""


def is_finite_step(losses: dict[str, float], state: TrainState) -> bool:
    """With a gradient scaler an infinite gradient is no fault: the scaler leaves the update out and shrinks."""
    return math.isfinite(losses["total"]) and (math.isfinite(losses["grad_norm"]) or state.scaler is not None)


def spoiled_parts(state: TrainState) -> list[str]:
    """Names of weights and statistics that are not finite, those of the average as ``ema.…``."""
    averaged = state.ema.module if state.ema is not None else None
    found = _spoiled(state.model)
    return found + ([f"ema.{name}" for name in _spoiled(averaged)] if averaged is not None else [])


def _spoiled(model: nn.Module) -> list[str]:
    tensors = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    # one look at the device for all of them, since this is asked before every save
    sound = torch.stack([torch.isfinite(tensor).all() for tensor in tensors.values()]).tolist()
    return [name for name, good in zip(tensors, sound, strict=True) if not good]


def require_finite_weights(state: TrainState, session: Session) -> None:
    """Before a save. Raises NotFinite: such a checkpoint would push the good ones out."""
    spoiled = spoiled_parts(state)
    if spoiled:
        raise NotFinite(
            f"step {state.step} (epoch {state.epoch}): {_weights_are(spoiled)}; they are not saved.\n"
            f"  {session.way_back()}\n  {ADVICE}"
        )


def skip_step(
    state: TrainState, session: Session, ids: Sequence[int], losses: dict[str, float], step: int | None = None
) -> None:
    """Say that the step of the images ``ids``, the next or number ``step``, is not taken; raises NotFinite where training has to end.

    That is with ``--nan stop``, and with ``--nan skip`` where the weights themselves are spoiled: no later step
    could be taken either.
    """
    what = (
        f"step {step or state.step + 1} (epoch {state.epoch}): the loss or its gradient is not finite "
        f"(classification {losses['classification']}, localization {losses['localization']}, "
        f"gradient norm {losses['grad_norm']}); images {_shown(ids)}"
    )
    state.window.skipped += 1
    # the forward pass of this very step may have spoiled batch statistics, which only --nan skip puts back
    spoiled = [name for name, weight in state.model.named_parameters() if not bool(weight.isfinite().all())]
    if spoiled:
        raise NotFinite(
            f"{what}.\n  Before that step already {_weights_are(spoiled)}. {session.way_back()}\n  {ADVICE}"
        )
    if session.config.nan == "stop":
        raise NotFinite(
            f"{what}.\n  The weights were not touched. {session.way_back()}\n  {ADVICE}, or --nan skip."
        )
    session.console.warn(f"{what}; step skipped")


ADVICE = "Try a smaller --lr, a longer --warmup-steps or --clip-grad"


def _weights_are(spoiled: list[str]) -> str:
    return f"{counted(len(spoiled), 'weight', 'is')} not finite, {spoiled[0]} the first"


def _shown(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return ", ".join(map(str, ids[:SHOWN_IDS])) + more


def require_steps(state: TrainState, session: Session) -> None:
    """At the end of an epoch. Raises NotFinite where every step of it was skipped."""
    if state.window.skipped and not state.window.steps:
        raise NotFinite(
            f"epoch {state.epoch}: no step of {state.window.skipped:,} was finite, so each was skipped.\n"
            f"  {session.way_back()}\n  {ADVICE}."
        )


def finite_metrics(metrics: dict[str, float], state: TrainState, session: Session) -> dict[str, float]:
    """Without those that are not finite, which are named. Raises NotFinite for one of them with ``--nan stop``."""
    lost = [name for name, value in metrics.items() if not math.isfinite(value)]
    if not lost:
        return metrics
    what = f"epoch {state.epoch}: the validation's {', '.join(lost)} came out not finite"
    if session.config.nan == "stop":
        raise NotFinite(f"{what}.\n  {session.way_back()}\n  {ADVICE}, or --nan skip.")
    not_best = ", and this epoch is not the best" if "val_loss" in lost else ""
    session.console.warn(f"{what}; left out of the logs{not_best}")
    return {name: value for name, value in metrics.items() if name not in lost}


def buffers(model: nn.Module) -> list[Tensor]:
    """A copy of BN's statistics: a forward pass that is not finite spoils them before its loss is known."""
    return [buffer.clone() for buffer in model.buffers()]


def put_back(model: nn.Module, before: list[Tensor]) -> None:
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
