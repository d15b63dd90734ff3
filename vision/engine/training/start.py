"""From a built model to a state at the step where training continues."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from vision.datasets.packed.detection import packed_parts
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.find_runs import resume_with
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.model import make_ema
from vision.engine.optim import Schedule
from vision.engine.options.config import TrainConfig
from vision.engine.panels.panels import Panels
from vision.engine.runs.metric_logger import MetricLogger
from vision.engine.runs.plan import Plan
from vision.engine.runs.run_card import card
from vision.engine.runs.truncate_logs import truncate_logs
from vision.engine.state import TrainState
from vision.engine.training.session import Session
from vision.images.packs import bus_error
from vision.messages.advice import command, shown
from vision.messages.terminal import counted
from vision.ssd.model import Detector


def create_train_state(
    model: Detector,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    config: TrainConfig,
    amp_dtype: torch.dtype | None,
) -> TrainState:
    """The state of a run that has not begun; only float16 needs a gradient scaler."""
    scaler = torch.amp.GradScaler("cuda") if amp_dtype == torch.float16 else None
    ema = make_ema(model, config.ema) if config.ema else None
    return TrainState(model=model, optimizer=optimizer, schedule=schedule, scaler=scaler, ema=ema)


def put_back(state: TrainState, plan: Plan) -> None:
    """The checkpoint of ``plan``, where it has one."""
    if plan.checkpoint is not None and plan.file is not None:
        # another --t-max is the one way to another horizon
        kept = plan.config.t_max == plan.checkpoint.config.t_max
        checkpoint.restore(plan.checkpoint, state, keep_schedule=kept)


def open_logs(session: Session, state: TrainState, plan: Plan) -> Session:
    """``session`` with its logs and panels; where this process writes, and from here on the run folder has a session's files."""
    config, finished = session.config, state.step > 0 and state.step_in_epoch == 0
    board = MetricLogger(plan.run, state.step, finished)
    for summary in card(config, state.model, session.facts.classes, fresh=state.step == 0):
        board.summary(state.step + finished, summary)
    panels = Panels(
        config=config, run=plan.run, board=board, loss=session.loss, order=session.order,
        train=session.train.samples, validation=session.validation.samples,
        device=session.device, amp_dtype=session.amp_dtype, warn=session.console.warn,
    )  # fmt: skip
    return dataclasses.replace(session, board=board, panels=panels)


def rewind(state: TrainState, plan: Plan, removed: int) -> Plan:
    """Move rows and checkpoints of the run folder that are later than ``state`` aside; the first process does that, under the lock.

    Returns the plan with a note for each thing that was found there; ``removed``: unfinished files that were.
    """
    if plan.file is not None:
        RunFolder(plan.run).rewind_to(plan.file.name)
    # also of a run that was killed before its first checkpoint
    notes = truncate_logs(plan.run, state.step, state.epoch, state.step > 0 and state.step_in_epoch == 0)
    if removed:
        notes.append(f"{plan.run}: removed {counted(removed, 'unfinished file')} of a killed session")
    return dataclasses.replace(plan, notes=(*plan.notes, *notes))


def lost_pages_told(data: Any, run: Path) -> AbstractContextManager[None]:
    """While packs are mapped: a disk that gives none of their bytes ends this process with words (``bus_error``)."""
    parts = packed_parts(data)
    if not parts:
        return nullcontext()
    verify = " && ".join(command("python -m pipeline verify --deep", "--root", part.root) for part in parts)
    return bus_error.told(
        f"train_ssd.py: a file that is trained from cannot be read any more, of {', '.join(shown(part.pack.folder) for part in parts)}, or the arrays of that root\n"
        "  why: the system has no bytes for a place that is mapped (SIGBUS): the disk fails, or the file was cut\n"
        f"  fix: look at the disk (dmesg, smartctl), then: {verify} && {resume_with(run)}"
    )
