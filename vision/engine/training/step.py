"""One step of training: forward, loss, backward, update; or nothing at all where the loss is not finite.

Legend: W processes, A parts that a step's images are sent through in, S the sums of a part's loss, p the
positives of the whole step. Every part's loss is S / p · W, since DDP averages gradients over the W processes;
so the gradient is that of one large batch, up to batch normalisation.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vision.core.sample import Batch
from vision.engine.memory.fit import OutOfMemory
from vision.engine.optim import learning_rates
from vision.engine.state import TrainState
from vision.engine.training.memory import images_at_once, what_may_fit
from vision.engine.training.not_finite import buffers, is_finite_step, put_back, skip_step
from vision.engine.training.session import Session
from vision.engine.training.validation import forward

NAMES = ("total", "classification", "localization", "positives", "grad_norm")


def train_step(state: TrainState, session: Session, batch: Batch) -> dict[str, Any]:
    """One batch. Returns the step's row for the log. Raises NotFinite (``--nan stop``) and OutOfMemory."""
    state.schedule.apply(state.optimizer, state.step)
    if reads_later(state, session):
        return _step_unread(state, session, batch)
    before = buffers(state.model) if session.config.nan == "skip" else []
    losses = try_step(state, session, batch)
    row: dict[str, Any] = {}
    if not is_finite_step(losses, state):
        ids = [one for shard in session.group.gather(batch.image_ids.tolist()) for one in shard]
        if before:
            put_back(state.model, before)
        skip_step(state, session, ids, losses)
        row = {"skipped": True, "images": ids}
    state.step += 1
    state.step_in_epoch += 1
    return {**_row(state, losses), **row}


UNREAD = "numbers"
"""Key of a row whose ``NAMES`` are still on the device."""


def reads_later(state: TrainState, session: Session) -> bool:
    """Whether a step need not wait for its numbers: on a device that the host need not wait for, where the optimiser itself
    leaves out an update by a flag on the device (fused ones do), and where nothing but the end follows from such a flag."""
    return (
        session.device.type != "cpu"
        and session.config.fused
        and session.config.nan == "stop"
        and state.scaler is None
        and session.group.world == 1
    )


def _step_unread(state: TrainState, session: Session, batch: Batch) -> dict[str, Any]:
    """A step whose row is for ``read``; the host waits for nothing. Where its numbers are not finite no weight is touched."""
    try:
        numbers = torch.cat([t.reshape(-1) for t in _gradients(state, session, batch)])
        state.optimizer.found_inf = 1 - numbers[[0, -1]].isfinite().all().float()  # type: ignore[attr-defined]
        _update(state)
    except torch.OutOfMemoryError:
        raise OutOfMemory(what_may_fit(session)) from None
    finally:
        state.optimizer.__dict__.pop("found_inf", None)
    state.step += 1
    state.step_in_epoch += 1
    place = {"step": state.step, "epoch": state.epoch, "rate": dict(learning_rates(state.optimizer))}
    return {**place, UNREAD: numbers, "images": batch.image_ids}


def read(state: TrainState, session: Session, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """``rows`` of consecutive steps with what is unread, in one transfer; each is given out before the next one is judged.

    Raises NotFinite for the first that is not finite: the weights have been changed by later steps then, which nobody keeps."""
    unread = [row.pop(UNREAD) for row in rows if UNREAD in row]
    table = iter(torch.stack(unread).tolist() if unread else [])
    for row in rows:
        if "loss" in row:  # was waited for
            yield row
            continue
        losses, ids = dict(zip(NAMES, next(table), strict=True)), row.pop("images")
        if not is_finite_step(losses, state):
            skip_step(state, session, ids.tolist(), losses, row["step"])
        state.window.add(losses, session.config.batch_size, int(losses["positives"]))
        whole = _row(state, losses) | row
        row.clear()  # so that its keys are in the order of every row
        row.update(whole)
        yield row


def try_step(state: TrainState, session: Session, batch: Batch) -> dict[str, float]:
    """The step's numbers; the update is made where they are finite. Raises OutOfMemory."""
    try:
        losses = _numbers(session, *_gradients(state, session, batch))
        if is_finite_step(losses, state):
            _update(state)
            state.window.add(losses, session.config.batch_size, int(losses["positives"]))
        elif state.scaler is not None:
            state.scaler.update()
        return losses
    except torch.OutOfMemoryError:
        raise OutOfMemory(what_may_fit(session)) from None


def _gradients(state: TrainState, session: Session, batch: Batch) -> tuple[Tensor, Tensor]:
    """Gradients into the parameters; the first four of ``NAMES``, and the gradient's norm, still on the device."""
    on_device = batch.to(session.device, non_blocking=True)
    parts = split(on_device, session.config.accumulate)
    normaliser = _normaliser(session, on_device) if len(parts) > 1 or session.group.world > 1 else None
    state.optimizer.zero_grad(set_to_none=True)
    sums = torch.zeros(4, device=session.device)  # total, classification, localization, positives
    for index, part in enumerate(parts):
        with _synchronised(session.network, last=index == len(parts) - 1):
            logits, offsets = forward(session.network, state.model, part, session.amp_dtype)
            loss = session.loss(logits, offsets, part, normaliser)
            scaled = state.scaler.scale(loss.total) if state.scaler is not None else loss.total
            scaled.backward()
        sums += torch.stack([loss.total, loss.classification, loss.localization, loss.positives]).detach()
    return sums, clip_gradients(state, session.config.clip_grad)


def uncompiled_seconds(state: TrainState, session: Session) -> float | None:
    """Of a step without its update, the faster of two, by a copy of the net that is not compiled: nothing of ``state`` changes.

    None where that takes more memory than there is: the compiled step takes less."""
    try:
        return _uncompiled_seconds(state, session)
    except torch.OutOfMemoryError:
        return None
    finally:
        if session.device.type == "cuda":
            torch.cuda.empty_cache()


def _uncompiled_seconds(state: TrainState, session: Session) -> float:
    model, images = copy.deepcopy(state.model).train(), images_at_once(session)
    spec = model.input_spec
    nothing = torch.zeros(images, 1, 4)
    batch = Batch(
        torch.zeros(images, 3, spec.height, spec.width, dtype=torch.uint8), nothing, nothing[..., 0].long(), nothing[:, :0],
        torch.zeros(images, dtype=torch.int64), torch.ones(images, 2, dtype=torch.int64), torch.zeros(images, 0, dtype=torch.int64),
    ).to(session.device)  # fmt: skip
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        loss = session.loss(*forward(model, model, batch, session.amp_dtype), batch)
        loss.total.backward()
        if session.device.type == "cuda":
            torch.cuda.synchronize(session.device)
        spent.append(time.perf_counter() - began)
    return min(spent) * session.config.accumulate


def split(batch: Batch, parts: int) -> list[Batch]:
    """``parts`` batches of nearly equal size, in order; fewer where there are fewer images."""
    parts = min(parts, len(batch))
    bounds = [index * len(batch) // parts for index in range(parts + 1)]
    return [
        Batch(*(tensor[first:end] for tensor in batch._tensors()))
        for first, end in itertools.pairwise(bounds)
    ]


def _normaliser(session: Session, batch: Batch) -> Tensor:
    """p / W: the positives of the whole step over all processes, at least 1."""
    positives = session.group.sum(session.loss.match(batch).positive.sum())
    return positives.clamp(min=1) / session.group.world


@contextlib.contextmanager
def _synchronised(network: Any, last: bool) -> Iterator[None]:
    """DDP exchanges gradients once a step, with the last part."""
    if isinstance(network, DistributedDataParallel) and not last:
        with network.no_sync():
            yield
    else:
        yield


def clip_gradients(state: TrainState, longest: float | None) -> Tensor:
    """The norm of the whole gradient, which is shortened to ``longest``."""
    if state.scaler is not None:
        state.scaler.unscale_(state.optimizer)
    trained = [parameter for parameter in state.model.parameters() if parameter.grad is not None]
    if longest is not None:
        return nn.utils.clip_grad_norm_(trained, longest)
    # what nn.utils.get_total_norm does, which torch has from 2.6 on
    norms = torch._foreach_norm([parameter.grad for parameter in trained if parameter.grad is not None])
    return torch.linalg.vector_norm(torch.stack(norms))


def _numbers(session: Session, sums: Tensor, norm: Tensor) -> dict[str, float]:
    """On the host, in one transfer; over all processes, with what they were asked by signals, in one exchange."""
    group, stop = session.group, session.stop
    if group.world > 1:
        asked = torch.zeros(65, device=sums.device)
        asked[stop.signal or 0] = 1
        table = group.sum(torch.cat([sums, asked])).tolist()
        sums, counts = torch.tensor(table[:4]), table[4:]
        sums[:3] /= group.world  # each carries the factor W
        stop.agree(next((number for number in range(1, 65) if counts[number]), 0))
    return dict(zip(NAMES, torch.cat([sums, norm.reshape(1).to(sums.device)]).tolist(), strict=True))


def _update(state: TrainState) -> None:
    if state.scaler is not None:
        state.scaler.step(state.optimizer)
        state.scaler.update()
    else:
        state.optimizer.step()
    if state.ema is not None:
        state.ema.update_parameters(state.model)


def _row(state: TrainState, losses: dict[str, float]) -> dict[str, Any]:
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
    }
