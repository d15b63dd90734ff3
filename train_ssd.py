#!/usr/bin/env python3
"""Train an SSD detector on COCO; resume exactly where it stopped. ``--help`` teaches.

Config → data → model → loss → optimiser → resume or start → fit: this file is the table of contents.
"""

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard, leave

    guard()

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from vision.engine.options.combinations import UsageError, unused
from vision.engine.options.config import Parsed, parse
from vision.messages.advice import command
from vision.messages.terminal import painted

if TYPE_CHECKING:
    from pathlib import Path

    from vision.engine.interrupt import StopRequest
    from vision.engine.machine import Machine
    from vision.engine.runs.plan import Plan
    from vision.engine.training.console import Console


def train(parsed: "Parsed", console: "Console", stop: "StopRequest") -> None:
    """One session of a run, alone in its folder. Raises the errors of the rooms for what the user can fix."""
    from contextlib import nullcontext

    from vision.engine import machine
    from vision.engine.runs import resume
    from vision.engine.runs.lock import run_lock
    from vision.engine.state import seed_everything

    plan = resume.plan(parsed, console.warn)
    host = machine.prepare(plan.config, plan.checkpoint.threads if plan.checkpoint else None)
    seed_everything(plan.config.seed)
    with run_lock(plan.run) if host.group.is_main else nullcontext():
        if host.group.is_main:
            resume.require_unchanged(plan)
        train_planned(plan, host, console, stop)


def train_planned(plan: "Plan", host: "Machine", console: "Console", stop: "StopRequest") -> None:
    """Everything that is made before the first step, and the loop."""
    from vision.datasets.loading import make_loader
    from vision.datasets.packed.choice import train_set
    from vision.datasets.sampling import BatchSampler, repeats
    from vision.datasets.splits import open_splits
    from vision.engine.checkpoints.checkpoint import RunFacts
    from vision.engine.checkpoints.folder import RunFolder
    from vision.engine.evaluation import coco_map
    from vision.engine.memory import fit as fit_memory
    from vision.engine.model import build_from, input_spec, to_device, wrap_model
    from vision.engine.optim import build_optimizer, build_schedule
    from vision.engine.options.option import to_mapping
    from vision.engine.runs import disk, initial, resume
    from vision.engine.runs.metric_logger import NullLogger
    from vision.engine.runs.plan import settle_feed
    from vision.engine.training import report, start
    from vision.engine.training.loop import fit
    from vision.engine.training.session import Session
    from vision.ssd.build import build_loss
    from vision.transforms import presets
    from vision.transforms.device.feed import make_train_loader

    plan = settle_feed(plan, host.device)
    config, group = plan.config, host.group
    if config.validation_map or config.validation_mean_ap:
        coco_map.choose_backend("auto")  # not only after the first epoch
    spec = input_spec(config)

    feed = train_set(config.feed)
    train_data, val_data = open_splits(*config.datasets, validation=config.validation_dataset, train_set=feed)
    plan = resume.check_data(plan, train_data, val_data)

    model = build_from(config, len(train_data.classes))
    initial_weights = initial.initial_weights(model, plan, train_data.classes)
    model = to_device(model, config, host.device)
    loss = build_loss(model)
    plan, fitted = fit_memory.settle(plan, model, loss, host, len(train_data))
    config = plan.config

    shard: dict[str, Any] = {"rank": group.rank, "world": group.world}
    balanced = repeats(train_data, config.seed) if config.balance_data else None
    order = BatchSampler(
        len(train_data), config.batch_size, config.seed, drop_last=True, repeats=balanced, **shard
    )
    val_order = BatchSampler(len(val_data), config.batch_size, shuffle=False, **shard)
    pin = host.device.type == "cuda"
    augment, plain = (presets.build(name, spec, config.seed) for name in (config.augment, "none"))
    lost_pages_told = partial(start.lost_pages_told, train_data, plan.run)
    with lost_pages_told():  # a pack may be read whole, into the memory of a GPU
        loader = make_train_loader(config.feed, train_data, augment, order, config.workers, host.device)
    val_loader = make_loader(val_data, plain, val_order, config.workers, pin_memory=pin)

    optimizer = build_optimizer(model, config)
    schedule = build_schedule(config, order.steps_per_epoch)
    state = start.create_train_state(model, optimizer, schedule, config, host.amp_dtype)
    start.put_back(state, plan)

    run = RunFolder(plan.run)
    if group.is_main:
        removed = run.remove_leftovers()
        disk.require_room(run, state, config, order.steps_per_epoch)
    facts = RunFacts(
        args=to_mapping(config),
        classes=train_data.classes,
        original_category_ids=train_data.original_category_ids,
        dataset_digest=train_data.digest,
        order={"seed": config.seed, "batch_size": config.batch_size, "length": order.length},
        world_size=group.world,
        validation_digest=val_data.digest,
        data={"train": train_data.counts, "validation": val_data.counts},
    )
    session = Session(
        config=config, device=host.device, amp_dtype=host.amp_dtype, loss=loss, order=order,
        network=wrap_model(model, config, group, host.device),
        train=loader, validation=val_loader, validation_data=val_data, run=run, facts=facts,
        board=NullLogger(), console=console, stop=stop, group=group,
    )  # fmt: skip

    if group.is_main:  # what is refused is refused by now: a refused session leaves the folder as it was
        plan = start.rewind(state, plan, removed)
        resume.write_run_files(config, plan.run, train_data.classes)
        resume.record_session(plan, order.steps_per_epoch)
        session = start.open_logs(session, state, plan)
    report.begin(session, state, plan, host, initial_weights, fitted.describe())
    try:
        with lost_pages_told():
            finished = fit(state, session)
    finally:
        console.end()
        try:
            session.board.close()
        finally:
            group.leave()
    report.end(session, state, finished)
    if config.report and group.is_main:
        if finished and not stop.asked:
            say_report(plan.run, console)
        elif run.records():  # looking at the validation images may take long: not without being asked for
            console.say(f"report:    {command('python -m tools.report', plan.run)}")


def say_report(run: "Path", console: "Console") -> None:
    """``report.html`` in the run folder. What stands in its way is said, and nothing else: the training is done and saved."""
    from tools.report.__main__ import after_training
    from vision.messages.advice import UserError, shown
    from vision.messages.system_errors import said_of

    try:
        console.say(f"report:    {shown(after_training(run))}")
    except OSError as error:
        console.warn(f"no report: {said_of(error)}")
    except UserError as error:
        console.warn(f"no report: {error}")
    except Exception as error:  # a fault of ours in a page takes nothing from the training
        console.warn(f"no report: {type(error).__name__}: {error}")


def main(argv: "list[str] | None" = None) -> int:
    """0 done, 1 failed, 2 usage, 130 / 138 / 143 interrupted and saved."""
    parsed = parse(argv)
    from tools.foreign.data import NotImported, with_data_roots
    from vision.engine.interrupt import StopRequest
    from vision.messages.advice import UserError
    from vision.messages.system_errors import said_of

    try:
        parsed = with_data_roots(parsed, say)
    except NotImported as error:
        return int(error.args[0])
    except OSError as error:
        return failed(said_of(error), 1)
    except UserError as error:
        return failed(str(error), 2 if isinstance(error, UsageError) else 1)

    with StopRequest() as stop:  # before torch is imported, which takes seconds
        try:
            return _session(parsed, stop)
        except KeyboardInterrupt:
            return failed("interrupted a second time; not saved since the last checkpoint", 130)


def _session(parsed: Parsed, stop: "StopRequest") -> int:
    from vision.engine.training.console import Console

    console = Console(quiet=os.environ.get("RANK", "0") != "0")
    console.say("importing torch …")
    import torch

    from vision.messages.advice import UserError
    from vision.messages.system_errors import said_of

    for sentence in unused(parsed.config, parsed.explicit):
        console.warn(sentence)
    try:
        train(parsed, console, stop)
    except UsageError as error:
        return failed(str(error), 2)
    except OSError as error:
        return failed(said_of(error), 1)
    except UserError as error:  # anything else keeps its traceback
        return failed(str(error), 1)
    except torch.OutOfMemoryError as error:  # outside a step, which says more
        why = str(error).splitlines()[0]
        return failed(f"{why}\n  Try a smaller --batch-size or --resolution, or a narrower --width-mult.", 1)
    except RuntimeError as error:
        if "WORLD_SIZE" not in os.environ:
            raise
        # a collective that fails is all that a process sees of the end of another one
        return failed(
            f"another process is gone, or: {error}\n  fix: start all of them again with --resume auto", 1
        )
    return stop.exit_status


def say(line: str) -> None:
    """Once, however many processes train."""
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)


def failed(why: str, status: int) -> int:
    print(f"{painted('train_ssd.py:', 'red', sys.stderr)} {why}", file=sys.stderr)
    return status


if __name__ == "__main__":
    try:
        leave(main())
    except KeyboardInterrupt:  # before anything could be asked to stop
        sys.exit(130)
