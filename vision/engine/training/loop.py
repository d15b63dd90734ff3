"""The training loop: a ``for`` in textbook order. Whatever it changes is in ``TrainState``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch import nn

from vision.datasets.contract import SampleError
from vision.datasets.packed.detection import require_whole
from vision.engine.checkpoints import checkpoint
from vision.engine.evaluation.coco_map import Scores
from vision.engine.evaluation.kept import KeptFacts, keep
from vision.engine.evaluation.results import Results
from vision.engine.memory.fit import OutOfMemory
from vision.engine.runs.metrics_csv import write_csv
from vision.engine.state import TrainState, seed_step
from vision.engine.training.console import timed
from vision.engine.training.not_finite import finite_metrics, require_finite_weights, require_steps
from vision.engine.training.session import Session
from vision.engine.training.step import UNREAD, read, train_step, uncompiled_seconds
from vision.engine.training.validation import Interrupted, Validated, validate
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted


def fit(state: TrainState, session: Session) -> list[dict[str, Any]]:
    """Train from the step of ``state`` to ``--epochs``, or to where the session is asked to stop.

    Returns a row of metrics for each epoch that was finished. Every way out but an error leaves a checkpoint
    at exactly the place where training stopped.
    """
    finished = []
    told = session.config
    uncompiled_s = uncompiled_seconds(state, session) if told.compile and state.epoch < told.epochs else None
    session.console.begin(
        state.step, session.total_steps, told.debug_steps, session.steps_per_epoch, uncompiled_s
    )
    _panels_of_step(state, session)
    while state.epoch < session.config.epochs and not _has_to_leave(state, session):
        if state.step_in_epoch == 0 and _has_stalled(state, session):  # also when the same line is run again
            break
        train_epoch(state, session)
        if _has_to_leave(state, session):
            break
        try:
            finished.append(finish_epoch(state, session))
        except Interrupted:
            break
        _agree(session)
    if state.step_in_epoch:  # ends of epochs are saved already
        save(state, session)
    session.console.end()
    return finished


def _agree(session: Session) -> None:
    """Agree on pending signals across ranks, so that all continue or all exit with the same status."""
    (asked,) = session.group.all_reduce_max(session.stop.signal or 0, device=session.device)
    session.stop.agree(asked)


def train_epoch(state: TrainState, session: Session) -> None:
    """The steps of the current epoch that are not done yet. Raises DatasetError where a mapped file was cut meanwhile."""
    require_whole(session.train.samples.dataset)
    session.order.set_epoch(state.epoch, state.step_in_epoch)
    training_mode(state.model, session.config.freeze_bn)
    session.console.restart()
    rows: list[dict[str, Any]] = []
    try:
        _steps(state, session, rows)
    except (SampleError, OutOfMemory):
        _log(state, session, rows)  # steps that were made before it
        raise


def _steps(state: TrainState, session: Session, rows: list[dict[str, Any]]) -> None:
    """``rows``: of steps that are not in the log yet."""
    console, config = session.console, session.config
    saved_s, first = time.monotonic(), state.step
    for batch in timed(session.train, (console.window, console.epoch)):
        seed_step(config.seed, state.step, session.group.rank)
        rows.append(train_step(state, session, batch))
        _panels_of_step(state, session)
        due, ends = state.step % config.debug_steps == 0, state.step_in_epoch == session.steps_per_epoch
        begins = state.step == first + 1  # when that one is done is said
        leaves, saves = _has_to_leave(state, session), _is_time_to_save(state, session, saved_s)
        if UNREAD in rows[-1] and not (begins or due or ends or leaves or saves):
            continue
        _log(state, session, rows, speak=due or ends)
        if due:
            session.board.flush()
        if leaves:
            return
        if saves:
            save(state, session)
            saved_s = time.monotonic()


def _log(state: TrainState, session: Session, rows: list[dict[str, Any]], speak: bool = False) -> None:
    """Steps that are done, in order, the good ones before one that is not finite, too; ``rows`` is empty behind it."""
    for row in read(state, session, rows):
        session.board.step(row)
        session.console.step(row, session.config.batch_size, speak and row is rows[-1])
    rows.clear()


def training_mode(model: nn.Module, freeze_bn: bool) -> None:
    """``model.train()``, but batch statistics stand still where they or their layer's weights are frozen."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            frozen = freeze_bn or not all(parameter.requires_grad for parameter in module.parameters())
            module.train(not frozen)


def finish_epoch(state: TrainState, session: Session) -> dict[str, Any]:
    """Validate if it is due, write the epoch's row, move on, save. Raises Interrupted with nothing changed."""
    config, epoch = session.config, state.epoch
    clock = session.console.epoch
    speed = {"seconds": clock.elapsed_s, "images_per_s": clock.images_per_s, "data_share": clock.data_share}
    if not clock.images:  # all of its steps were made before a stop: this session has no speed to tell
        speed = {}
    due = (epoch + 1) % config.validation_epochs == 0 or epoch + 1 == config.epochs
    session.group.broadcast_buffers(state.model)
    if state.ema is not None:
        session.group.broadcast_buffers(state.evaluated_model)
    require_steps(state, session)
    taken: list[Validated] = []
    metrics = finite_metrics(_validated(state, session, taken.append), state, session) if due else {}
    scores = [one for one, _ in taken]
    means = {f"train_{name}": value for name, value in state.window.means().items()}
    images = state.window.images * min(config.batch_size, session.order.length) // config.batch_size
    positives = {
        "positives_per_image": state.window.positives / max(1, images)
    }  # a short set has short batches
    row = {"epoch": epoch, "step": state.step, **means, **positives, **metrics, **speed}
    session.board.epoch({**row, **_by_class(scores)})
    if session.panels is not None:
        session.panels.at_epoch(state.evaluated_model, epoch, state.step, scores[0] if scores else None)
    best = due and _is_best(state, epoch, metrics)
    state.begin_next_epoch()
    save(state, session, metrics, epoch, best)
    if best and taken and config.report:
        _keep_detections(session, taken[0][1])
    (session.console.good if best else session.console.say)(_sentence(row, best))
    return row


def _panels_of_step(state: TrainState, session: Session) -> None:
    """Those of steps 0 and 1; a session that resumes there draws them again, where TensorBoard has left the old ones out."""
    if session.panels is not None and state.step <= 1 and state.step == state.step_in_epoch:
        session.panels.at_step(state.evaluated_model, state.step)


def _by_class(scores: list[Scores]) -> dict[str, dict[str, float]]:
    """AP of each class that the validation has, by name."""
    return (
        {"AP_by_class": {row.name: row.ap for one in scores for row in one.per_class if row.boxes}}
        if scores
        else {}
    )


def _validated(state: TrainState, session: Session, take: Callable[[Validated], None]) -> dict[str, float]:
    """Of the average of the weights where there is one, and then of the raw ones too, as ``raw_…``."""
    config, epoch = session.config, state.epoch
    due = (epoch + 1) % config.map_epochs == 0 or epoch + 1 == config.epochs
    with_map = due and (config.validation_map or config.validation_mean_ap)
    metrics = {}
    for prefix, model in (("", state.evaluated_model), ("raw_", state.model)):
        if prefix and model is state.evaluated_model:
            break
        found = validate(
            model, session.validation, session.validation_data, session.loss, session.device,
            session.amp_dtype, session.stop, session.group, with_map, session.console,
            config.validation_mean_ap and not prefix, None if prefix else take,
        )  # fmt: skip
        metrics.update({prefix + name: value for name, value in found.items()})
    return metrics


def _keep_detections(session: Session, found: Results) -> None:
    """Those of the epoch whose checkpoint was just saved, for the report; without them it lacks a part, and training continues."""
    data, record = session.validation_data, session.run.records()[-1]
    facts = KeptFacts(record.file, record.sha256, record.epoch, record.step, data.digest, len(data))
    try:
        keep(session.run.path, found, facts)
    except OSError as error:
        session.console.warn(f"the detections of this validation are not kept: {in_words(error)}")


def _is_best(state: TrainState, epoch: int, metrics: dict[str, float]) -> bool:
    """Higher AP (where equal, lower loss); lower loss as long as no mAP was computed."""
    if "val_loss" not in metrics:  # not finite
        if state.best:
            state.best["since"] += 1
        return False
    rank = [metrics.get("AP", -1.0), -metrics["val_loss"]]
    if "AP" not in metrics and state.best.get("metric") == "AP":
        return False
    better = not state.best or rank > state.best["rank"]
    if better:
        name = "AP" if "AP" in metrics else "val_loss"
        state.best = {"metric": name, "value": metrics[name], "epoch": epoch, "rank": rank, "since": 0}
    elif state.best:
        state.best["since"] += 1
    return better


def _has_stalled(state: TrainState, session: Session) -> bool:
    """``--patience``: that many validations in a row were not better."""
    patience = session.config.patience
    if patience is None or not state.best or state.best["since"] < patience:
        return False
    session.console.say(
        f"stopped early: no better validation {counted(state.best['since'], 'time')} (--patience {patience})"
    )
    return True


def _sentence(row: dict[str, Any], best: bool) -> str:
    parts = [f"epoch {row['epoch']} done", f"train loss {row['train_total']:.3f}"]
    if "val_loss" in row:
        parts.append(f"validation loss {row['val_loss']:.3f}")
    if "AP" in row:
        parts.append(f"AP {row['AP']:.3f}  AP50 {row['AP50']:.3f}")
    if "images_per_s" in row:
        parts.append(f"{row['images_per_s']:.1f} images/s, {row['seconds']:.0f} s")
    return "  ".join(parts) + ("  (best so far)" if best else "")


def save(
    state: TrainState,
    session: Session,
    metrics: dict[str, Any] | None = None,
    finished_epoch: int | None = None,
    best: bool = False,
) -> None:
    """Logs first, then the checkpoint, so that every step it contains is in the logs; older ones go last.

    Raises NotFinite where the weights are not finite, with all older ones intact.
    """
    require_finite_weights(state, session)
    if not session.group.is_main:
        return
    session.board.flush()
    seed_step(session.config.seed, state.step, session.group.rank)
    checkpoint.save(state, session.run, session.facts, metrics, finished_epoch, best)
    session.run.prune(session.config.keep_checkpoints)
    if finished_epoch is not None and (refused := write_csv(session.run.path)):
        session.console.warn(refused)


def _is_time_to_save(state: TrainState, session: Session, saved_s: float) -> bool:
    config = session.config
    by_steps = config.save_every_steps is not None and state.step % config.save_every_steps == 0
    minutes = (time.monotonic() - saved_s) / 60
    return by_steps or (config.save_every_minutes is not None and minutes >= config.save_every_minutes)


def _has_to_leave(state: TrainState, session: Session) -> bool:
    config = session.config
    asked = session.stop.asked if session.group.world == 1 else session.stop.agreed
    return (
        asked
        or (config.stop_after_step is not None and state.step >= config.stop_after_step)
        or (config.stop_after_epoch is not None and state.epoch >= config.stop_after_epoch)
    )
