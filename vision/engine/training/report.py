"""What a session says at its start and at its end."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from vision.datasets.packed.threads import ThreadLoader
from vision.engine.evaluation.coco_map import UNDEFINED
from vision.engine.machine import Machine
from vision.engine.options.config import TrainConfig
from vision.engine.options.data import CORES
from vision.engine.runs.metric_logger import METRICS_NAME
from vision.engine.runs.plan import Plan
from vision.engine.runs.resume import machine_notes
from vision.engine.state import TrainState
from vision.engine.training.session import Session
from vision.messages.advice import command, quoted, shown
from vision.messages.terminal import counted
from vision.ssd.priors.written import called
from vision.ssd.variants import find
from vision.transforms.device.feed import DeviceFeed

SHOWN_EPOCHS = 12


def begin(
    session: Session, state: TrainState, plan: Plan, machine: Machine, initial_weights: str, memory: str
) -> None:
    """The banner: everything that decides what will happen."""
    from vision.engine.checkpoints.checkpoint import versions

    notes = list(plan.notes)
    if plan.checkpoint is not None:
        notes += machine_notes(plan.checkpoint, versions(), machine.threads, machine.group.world)
    session.console.banner(_rows(session, state, machine, initial_weights, memory))
    for note in notes:
        session.console.say(f"  note: {note}")
    if state.step < session.total_steps and not state.schedule.factor(state.step):
        session.console.warn(
            f"the learning rate is 0 from here on: the schedule ended with step {state.schedule.horizon:,}; "
            "--t-max EPOCHS changes its end"
        )
    if state.epoch >= session.config.epochs:
        session.console.say(
            "  nothing to do: all epochs are done; --epochs N trains longer, --t-max N makes the schedule as long"
        )
    elif state.step >= session.total_steps and not _planned_stop(session.config, state):
        session.console.say(
            "  every step is done; only the validation of the last epoch is missing and runs now"
        )


def _rows(
    session: Session, state: TrainState, machine: Machine, initial_weights: str, memory: str
) -> list[tuple[str, str]]:
    config, order, model = session.config, session.order, state.model
    spec = model.input_spec
    parameters = sum(p.numel() for p in model.parameters())
    data = (
        f"{', '.join(map(shown, config.datasets))}: {counted(session.facts.data['train']['images'], 'training image')}, "
        f"{counted(len(session.validation_data), 'validation image')}"
        f"{f' of {shown(config.validation_dataset)}' if config.validation_dataset else ''}, "
        f"{counted(len(session.facts.classes) - 1, 'class')}; {_fed_by(session)}"
        + (f" on {counted(CORES, 'core')}" if config.workers > CORES else "")
    )
    net = (
        f"{_named(config)}, {spec}, {counted(parameters, 'parameter')}, "
        f"{counted(len(model.priors_cxcywh), 'prior')} ({called(config.priors)})"
    )
    parts = f" in {config.accumulate} parts" if config.accumulate > 1 else ""
    parts += f" over {session.group.world} processes" if session.group.world > 1 else ""
    left_out = f" ({order.left_out} left out of each epoch, others each time)" if order.left_out else ""
    batch = (
        f"{counted(min(config.batch_size, order.length), 'image')} a step{parts}, "
        f"{counted(order.steps_per_epoch, 'step')} an epoch{left_out}"
    )
    images = [("images", session.train.describe())] if isinstance(session.train, DeviceFeed) else []
    balance = [("balance", order.repeats.describe())] if order.repeats is not None else []
    return [
        ("run", shown(session.run.path)),
        (
            "versions",
            f"Python {platform.python_version()}, torch {torch.__version__}, numpy {version('numpy')}",
        ),
        ("device", machine.describe() + _no_gpu(session)),
        ("data", data),
        ("model", net),
        ("initial weights", initial_weights),
        *balance,
        ("batch", batch),
        ("memory", memory),
        ("schedule", _schedule(session, state)),
        ("augmentation", config.augment),
        *images,
    ]


def _fed_by(session: Session) -> str:
    """What makes the training's batches."""
    workers = session.config.workers
    if isinstance(session.train, ThreadLoader):
        return f"{counted(workers, 'thread')} for the pack"
    return counted(workers, "worker process") if workers else "read in this process"


def _named(config: TrainConfig) -> str:
    """The net, with its width and heads where they are not its own."""
    width = f" × {config.mb2_width_mult:g}" if config.mb2_width_mult != 1 else ""
    own = find(config.net, config.heads) is find(config.net)
    return f"{config.net}{width}" + ("" if own else f", {config.heads} heads")


def _no_gpu(session: Session) -> str:
    """Where a GPU would have been taken and there is none: who says why."""
    asked = session.config.device == "auto" and session.config.use_cuda
    return (
        "; torch sees no GPU: python -m tools.doctor says why"
        if asked and session.device.type == "cpu"
        else ""
    )


def _schedule(session: Session, state: TrainState) -> str:
    config, schedule = session.config, state.schedule
    average = f", EMA {config.ema}" if config.ema else ""
    warm_up = f", {schedule.warmup:,} of warm-up" if schedule.warmup else ""
    kind = "constant" if schedule.kind == "none" else schedule.kind
    return (
        f"{config.optim_choose}, lr {config.lr:g}, {kind} over {counted(schedule.horizon, 'step')}"
        f"{warm_up}{average}; epoch {state.epoch} of {config.epochs}, step {state.step:,}"
    )


def end(session: Session, state: TrainState, finished: list[dict[str, Any]]) -> None:
    """The table of this session's epochs, and the next commands."""
    console, run = session.console, session.run.path
    columns = (
        ("epoch", "d"), ("train_total", ".3f"), ("val_loss", ".3f"), ("AP", ".3f"), ("AP50", ".3f"),
        ("APs", ".3f"), ("APm", ".3f"), ("APl", ".3f"), ("images_per_s", ".1f"), ("seconds", ".0f"),
    )  # fmt: skip
    last = finished[-SHOWN_EPOCHS:]
    used = [(name, form) for name, form in columns if any(name in row for row in last)]
    rows = [[_cell(row.get(name), form) for name, form in used] for row in last]
    console.table([name for name, _ in used], rows)
    if len(finished) > len(last):
        earlier = counted(len(finished) - len(last), "earlier epoch")
        console.say(f"  ({earlier} of this session: {shown(run / METRICS_NAME)})")
    if state.best:
        console.say(f"  best: epoch {state.best['epoch']}, {state.best['metric']} {state.best['value']:.4f}")
    saved = any(not record.pruned for record in session.run.records())
    if session.stop.asked:
        console.say(
            f"interrupted and saved at step {state.step:,}"
            if saved
            else "interrupted before the first step: there is nothing to save; the same command starts from the beginning"
        )
    elif saved and (stop := _planned_stop(session.config, state)):
        console.say(f"stopped after {stop} as asked, and saved at step {state.step:,}")
    if saved and state.epoch < session.config.epochs:
        patience = session.config.patience
        stalled = patience is not None and state.best and state.best["since"] >= patience
        more = f" --patience {state.best['since'] + (patience or 0)}" if stalled else ""
        console.say(f"resume:    {command('python train_ssd.py --resume', run)}{more}")
    if finished or state.best:
        console.say(f"evaluate:  {command('python -m tools.evaluate', run)}")
        console.say(f"export:    {command('python -m tools.export_onnx', run)}")
    console.say(f"curves:    tensorboard --logdir {quoted(run.parent)}")


def _cell(value: float | None, form: str) -> str:
    """A dash for what is not there, and for a score of no objects, which COCO calls −1."""
    return "–" if value is None or value == UNDEFINED else format(value, form)


def _planned_stop(config: TrainConfig, state: TrainState) -> str | None:
    """``step 40`` or ``epoch 3``, where a session was told to end; None where it ended by itself."""
    if config.stop_after_step is not None and state.step >= config.stop_after_step:
        return f"step {config.stop_after_step:,}"
    if config.stop_after_epoch is not None and state.epoch >= config.stop_after_epoch:
        return f"epoch {config.stop_after_epoch:,}"
    return None
