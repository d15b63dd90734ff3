"""The training loop: a ``for`` in textbook order. Whatever it changes is in ``TrainState``."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vision.core.sample import Batch
from vision.engine import checkpoint
from vision.engine.console import timed
from vision.engine.optim import learning_rates
from vision.engine.session import Session
from vision.engine.state import TrainState
from vision.engine.validation import Interrupted, forward, validate
from vision.ssd.loss import LossParts

SHOWN_IDS = 8


class NotFinite(ValueError):
    """The loss or its gradient is NaN or infinite; the weights have not been touched."""


def fit(state: TrainState, session: Session) -> list[dict[str, Any]]:
    """Train from where ``state`` stands to ``--epochs``, or to where the session is asked to stop.

    Returns a row of metrics for each epoch that was finished. Every way out but an error leaves a checkpoint
    at exactly the place where training stopped.
    """
    finished = []
    session.console.begin(state.step, session.total_steps)
    while state.epoch < session.config.epochs and not _has_to_leave(state, session):
        train_epoch(state, session)
        if _has_to_leave(state, session):
            break
        try:
            finished.append(finish_epoch(state, session))
        except Interrupted:
            break
    if _between_checkpoints(state):
        save(state, session)
    session.console.end()
    return finished


def train_epoch(state: TrainState, session: Session) -> None:
    """The steps of the current epoch that are not done yet."""
    console, every = session.console, session.config.debug_steps
    session.order.set_epoch(state.epoch, state.step_in_epoch)
    state.model.train()
    console.restart()
    for batch in timed(session.train, (console.window, console.epoch)):
        row = train_step(state, session, batch)
        session.board.step(row)
        console.step(len(batch))
        if state.step % every == 0:
            session.board.flush()
            console.progress(row)
        if _has_to_leave(state, session):
            return


def train_step(state: TrainState, session: Session, batch: Batch) -> dict[str, Any]:
    """One batch: forward, loss, backward, update. Returns the step's row for the log."""
    on_device = batch.to(session.device, non_blocking=True)
    before = _buffers(state) if session.config.nan == "skip" else []
    logits, offsets = forward(session.network, state.model, on_device, session.amp_dtype)
    parts = session.loss(logits, offsets, on_device)
    state.optimizer.zero_grad(set_to_none=True)
    losses = _backward(state, parts)
    usable = math.isfinite(losses["total"]) and (
        math.isfinite(losses["grad_norm"]) or state.scaler is not None
    )
    if usable:
        _update(state)
        state.window.add(losses, len(batch), int(losses["positives"]))
    else:
        _not_finite(state, session, batch, losses)
        for buffer, value in zip(state.model.buffers(), before, strict=True):
            buffer.copy_(value)
        state.window.skipped += 1
    state.step += 1
    state.step_in_epoch += 1
    return _row(state, losses, usable)


def _backward(state: TrainState, parts: LossParts) -> dict[str, float]:
    """Gradients into the parameters; the step's numbers in one transfer, so that the device is waited for once."""
    scaler = state.scaler
    (scaler.scale(parts.total) if scaler is not None else parts.total).backward()
    if scaler is not None:
        scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.get_total_norm([p.grad for p in state.model.parameters() if p.grad is not None])
    values = (parts.total, parts.classification, parts.localization, parts.positives, norm)
    numbers = torch.stack([value.detach().float() for value in values]).tolist()
    names = ("total", "classification", "localization", "positives", "grad_norm")
    return dict(zip(names, numbers, strict=True))


def _update(state: TrainState) -> None:
    state.schedule.apply(state.optimizer, state.step)
    if state.scaler is not None:
        state.scaler.step(state.optimizer)
        state.scaler.update()
    else:
        state.optimizer.step()
    if state.ema is not None:
        state.ema.update_parameters(state.model)


def _buffers(state: TrainState) -> list[Tensor]:
    """A copy of BN's statistics: a forward pass that is not finite spoils them before its loss is known."""
    return [buffer.clone() for buffer in state.model.buffers()]


def _not_finite(state: TrainState, session: Session, batch: Batch, losses: dict[str, float]) -> None:
    """Say so; raises NotFinite unless ``--nan skip``."""
    ids = batch.image_ids.tolist()
    shown = ", ".join(map(str, ids[:SHOWN_IDS])) + (
        f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    )
    what = (
        f"step {state.step + 1} (epoch {state.epoch}): the loss or its gradient is not finite "
        f"(classification {losses['classification']}, localization {losses['localization']}, "
        f"gradient norm {losses['grad_norm']}); images {shown}"
    )
    if session.config.nan == "skip":
        session.console.warn(f"{what}; step skipped")
        if state.scaler is not None:
            state.scaler.update()
        return
    raise NotFinite(
        f"{what}.\n  The weights were not touched; the last checkpoint is good.\n"
        f"  Try a smaller --lr, a longer --warmup-steps, or --nan skip."
    )


def _row(state: TrainState, losses: dict[str, float], usable: bool) -> dict[str, Any]:
    def plain(name: str) -> float | None:
        return losses[name] if math.isfinite(losses[name]) else None

    return {
        "step": state.step,
        "epoch": state.epoch,
        "loss": plain("total"),
        "classification": plain("classification"),
        "localization": plain("localization"),
        "positives": int(losses["positives"]),
        "grad_norm": plain("grad_norm"),
        "rate": dict(learning_rates(state.optimizer)),
        **({} if usable else {"skipped": True}),
    }


# ---------------------------------------------------------------- the end of an epoch


def finish_epoch(state: TrainState, session: Session) -> dict[str, Any]:
    """Validate if it is due, write the epoch's row, move on, save. Raises Interrupted with nothing changed."""
    config, epoch = session.config, state.epoch
    clock = session.console.epoch
    speed = {"seconds": clock.elapsed_s, "images_per_s": clock.images_per_s, "data_share": clock.data_share}
    due = (epoch + 1) % config.validation_epochs == 0 or epoch + 1 == config.epochs
    metrics = _validated(state, session) if due else {}
    means = {f"train_{name}": value for name, value in state.window.means().items()}
    row = {"epoch": epoch, "step": state.step, **means, **metrics, **speed}
    session.board.epoch(row)
    best = due and _is_best(state, epoch, metrics)
    state.begin_next_epoch()
    save(state, session, metrics, epoch, best)
    session.console.say(_sentence(row, best))
    return row


def _validated(state: TrainState, session: Session) -> dict[str, float]:
    return validate(
        state.evaluated_model,
        session.validation,
        session.validation_data,
        session.loss,
        session.device,
        session.amp_dtype,
        session.stop,
        session.config.validation_map,
    )


def _is_best(state: TrainState, epoch: int, metrics: dict[str, float]) -> bool:
    """Higher AP, or lower loss where no mAP was computed; the first of its kind is the best so far."""
    name = "AP" if "AP" in metrics else "val_loss"
    value = metrics[name]
    known = state.best.get("value") if state.best.get("metric") == name else None
    better = known is None or (value > known if name == "AP" else value < known)
    if better:
        state.best = {"metric": name, "value": value, "epoch": epoch}
    return better


def _sentence(row: dict[str, Any], best: bool) -> str:
    parts = [f"epoch {row['epoch']} done", f"train loss {row['train_total']:.3f}"]
    if "val_loss" in row:
        parts.append(f"validation loss {row['val_loss']:.3f}")
    if "AP" in row:
        parts.append(f"AP {row['AP']:.3f}  AP50 {row['AP50']:.3f}")
    parts.append(f"{row['images_per_s']:.1f} images/s, {row['seconds']:.0f} s")
    return "  ".join(parts) + ("  (best so far)" if best else "")


def save(
    state: TrainState,
    session: Session,
    metrics: dict[str, Any] | None = None,
    finished_epoch: int | None = None,
    best: bool = False,
) -> None:
    """Logs first, then the checkpoint, so that every step it contains is in the logs."""
    session.board.flush()
    checkpoint.save(state, session.run, session.facts, metrics, finished_epoch, best)


def _has_to_leave(state: TrainState, session: Session) -> bool:
    config = session.config
    return (
        session.stop.asked
        or (config.stop_after_step is not None and state.step >= config.stop_after_step)
        or (config.stop_after_epoch is not None and state.epoch >= config.stop_after_epoch)
    )


def _between_checkpoints(state: TrainState) -> bool:
    """Epoch ends are saved by ``finish_epoch``."""
    return state.step_in_epoch > 0
