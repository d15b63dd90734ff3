"""Where a run starts: fresh, or from a checkpoint; and with which arguments.

On resume the run's ``training_args.json`` (which may be edited by hand) is the base, and what the command line
or the recipe names overrides it. Every difference from what the checkpoint was trained with is shown; what
makes it another run is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.artefacts import log
from vision.artefacts.data_layout import LABELS_NAME, labels_text
from vision.artefacts.files import publish_bytes, publish_json
from vision.artefacts.records import read_json
from vision.datasets.learned import learned_too
from vision.datasets.root_advice import with_exif
from vision.engine.checkpoints.data_place import learned_from, located, with_absolute_data
from vision.engine.options import config as options
from vision.engine.options.combinations import UsageError
from vision.engine.options.config import Parsed, TrainConfig, run_folder
from vision.engine.options.option import flag_of, options_of, read_mapping, to_mapping
from vision.engine.runs.initial import NEW_FROM, open_initial, start_from
from vision.engine.runs.plan import Plan
from vision.images.formats import EXIF_CHOICES
from vision.messages.advice import UserError, command, shown
from vision.messages.terminal import counted
from vision.ssd.priors.written import difference

if TYPE_CHECKING:
    from vision.datasets.merged import DataSet
    from vision.engine.checkpoints.checkpoint import Checkpoint

ARGS_NAME = "training_args.json"
SESSIONS_NAME = "sessions.jsonl"
MAX_ARGS_BYTES = 1 << 20
RESUME = "python train_ssd.py --resume"


class IncompatibleResume(UserError):
    """Resuming would not be the same run."""


def plan(parsed: Parsed, warn: Callable[[str], None]) -> Plan:
    """Find the checkpoint and settle the arguments. Raises UsageError, Refused, NoCheckpoint, DamagedCheckpoint."""
    config = parsed.config
    seen = _record(_folder_meant(config))  # before anything is decided by it
    planned = _planned(parsed, warn)
    return dataclasses.replace(planned, notes=(*parsed.notes, *planned.notes), seen=seen, typed=parsed.typed)


def require_unchanged(plan: Plan) -> None:
    """Under the lock of the run folder. Raises Refused where another session has trained there since the plan."""
    if _record(plan.run) != plan.seen:
        raise IncompatibleResume(
            f"{plan.run}: another process has trained there meanwhile; run the same command again to resume from its checkpoint"
        )


def _folder_meant(config: TrainConfig) -> Path:
    if config.resume is None or config.resume == "auto":
        return run_folder(config)
    path = Path(config.resume)
    return path if path.is_dir() else path.parent


def _record(run: Path) -> bytes:
    from vision.engine.checkpoints.folder import RunFolder

    try:
        return RunFolder(run).record_path.read_bytes()
    except OSError:
        return b""


def _planned(parsed: Parsed, warn: Callable[[str], None]) -> Plan:
    from vision.engine.checkpoints.folder import RunFolder
    from vision.engine.checkpoints.run_place import require_own_labels, require_place

    config = parsed.config
    if config.resume is None:
        return _fresh(parsed)
    found = _find(parsed, warn)
    if found is None:
        started = _fresh(parsed)
        note = f"nothing to resume in {started.run}: a fresh start"
        return dataclasses.replace(started, notes=(note, *started.notes))
    checkpoint, file = found
    run = file.parent
    if checkpoint.imported:
        raise IncompatibleResume(
            f"{shown(run)}: holds imported weights, and no training to resume\n"
            "  why: it has neither an optimiser's state nor data that it was trained on\n"
            f"  fix: {start_from(file, checkpoint.config)}"
        )
    if not any(record.file == file.name for record in RunFolder(run).records()):
        require_place(run)
        require_own_labels(run, checkpoint.classes)
    if "checkpoint_folder" in parsed.explicit and run_folder(config).resolve() != run.resolve():
        raise UsageError(
            f"--resume trains in the folder of its checkpoint, {shown(run)}\n"
            f"  why: --checkpoint-folder says {shown(run_folder(config))}\n"
            f"  fix: leave that out, or start a new run there: "
            f"{command(NEW_FROM, file, '--checkpoint-folder', run_folder(config))}"
        )
    settled, notes = merge_arguments(parsed, checkpoint.config, run)
    _require_epochs(settled, checkpoint, parsed)
    return Plan(settled, run, checkpoint, file, tuple(notes))


def _require_epochs(config: TrainConfig, checkpoint: Checkpoint, parsed: Parsed) -> None:
    """A run cannot be made shorter than it is. Raises UsageError with nothing written."""
    done, step = checkpoint.sampler["epoch"], checkpoint.sampler["step"]
    if config.epochs < done + (step > 0):
        where = "--epochs" if "epochs" in parsed.explicit else f"{ARGS_NAME}: epochs"
        begun = " and begun another one" if step else ""
        raise UsageError(
            f"{where} {config.epochs}: the run is past that\n"
            f"  why: it has done {counted(done, 'epoch')}{begun}; nothing was changed\n"
            f"  fix: name at least {done + (step > 0)}, or resume an older checkpoint of it"
        )


def _fresh(parsed: Parsed) -> Plan:
    from vision.engine.checkpoints.folder import RunFolder
    from vision.engine.checkpoints.run_place import require_nothing_foreign, require_place

    run = run_folder(parsed.config)
    require_place(run)
    if RunFolder(run).records():
        raise UsageError(
            f"{shown(run)} holds a run already\n  why: a new run would overwrite it\n"
            f"  fix: {command(RESUME, run)}, or choose another --checkpoint-folder"
        )
    require_nothing_foreign(run)
    config, initial, notes = open_initial(with_absolute_data(parsed.config), parsed.explicit)
    if config.resume is None and "resume" in parsed.explicit:
        notes.append("--resume none: a fresh start, as without it")
    return Plan(
        config, run, None, None, tuple(notes), initial=initial, free_batch="batch_size" not in parsed.explicit
    )


def _find(parsed: Parsed, warn: Callable[[str], None]) -> tuple[Checkpoint, Path] | None:
    """The checkpoint that ``--resume`` means; None for ``auto`` without any record."""
    from vision.engine.checkpoints.checkpoint import find
    from vision.engine.checkpoints.find_runs import no_checkpoint_in, resume_with, with_run_of
    from vision.engine.checkpoints.fit import load_to_go_on
    from vision.engine.checkpoints.folder import DamagedCheckpoint, NoCheckpoint, RunFolder

    config = parsed.config
    if config.resume == "auto":
        run = run_folder(config)
        found = _newest(run, warn)
        strays = RunFolder(run).strays()
        if found is None and strays and not RunFolder(run).record_path.is_file():
            raise NoCheckpoint(
                f"{shown(run)}: not starting from scratch\n"
                f"  why: it holds {shown(strays[-1].name)}, but no checkpoints.json\n"
                f"  fix: {command(RESUME, strays[-1])}, or choose another --checkpoint-folder"
            )
        return found
    path, net = Path(str(config.resume)), config.net if "net" in parsed.explicit else None
    if not path.is_dir():
        try:
            file = find(path, net=net)
            return load_to_go_on(file), file
        except DamagedCheckpoint as error:
            raise DamagedCheckpoint(with_run_of(error, path, resume_with)) from None
    found = _newest(path, warn)
    if found is None:
        raise no_checkpoint_in(path, resume_with, net)
    return found


def _newest(run: Path, warn: Callable[[str], None]) -> tuple[Checkpoint, Path] | None:
    """The newest checkpoint of a run that can be put back, damaged ones named; None without any record."""
    from vision.engine.checkpoints.fit import load_to_go_on
    from vision.engine.checkpoints.folder import RunFolder

    loaded: dict[Path, Checkpoint] = {}

    def check(path: Path) -> None:
        loaded[path] = load_to_go_on(path)

    newest = RunFolder(run).newest_valid(warn, check)
    return None if newest is None else (loaded[newest], newest)


# ---------------------------------------------------------------- arguments


def merge_arguments(parsed: Parsed, trained: TrainConfig, run: Path) -> tuple[TrainConfig, list[str]]:
    """The arguments in force, and a sentence for each difference. Raises Refused for those that are ``fixed``."""
    rules = {name: option.resume for name, option in options_of(TrainConfig).items()}
    session = {name: getattr(parsed.config, name) for name, rule in rules.items() if rule == "session"}
    named = {name: getattr(parsed.config, name) for name in parsed.explicit if rules[name] != "session"}
    values = {**_saved(run, trained), **named, **session, "checkpoint_folder": str(run)}
    config, notes = located(options.build(values), run, "datasets" in parsed.explicit)
    before, _ = located(dataclasses.replace(trained, **session), run, False, required=False)
    changed = [
        name
        for name, rule in rules.items()
        if rule != "session" and getattr(config, name) != getattr(before, name)
    ]
    lines = {
        name: f"{flag_of(name)}: {_change(name, getattr(before, name), getattr(config, name))}"
        for name in changed
    }
    fixed = [lines[name] for name in changed if rules[name] == "fixed"]
    if fixed:
        raise IncompatibleResume(
            f"{run}: this would be another run:\n    " + "\n    ".join(fixed) + "\n"
            "  Leave these as they were, or start a new run from its weights: "
            "--pretrained-ssd FILE --checkpoint-folder NEW"
        )
    return config, notes + [_note(name, lines[name], rules[name], config) for name in changed]


def _note(name: str, line: str, rule: str, config: TrainConfig) -> str:
    if name == "epochs" and config.t_max is None:
        return f"{line} (the schedule keeps its horizon; --t-max N would change it)"
    return line if rule == "free" else f"{line} (changes the training from here on)"


def _saved(run: Path, trained: TrainConfig) -> dict[str, Any]:
    """``training_args.json``, or what the checkpoint remembers where it is gone."""
    path, values = run / ARGS_NAME, vars(trained)
    if not path.is_file():
        return values
    content = read_json(path, max_bytes=MAX_ARGS_BYTES)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected an object with the arguments, found {type(content).__name__}")
    edited = read_mapping(TrainConfig, content, str(path))
    try:
        options.build(edited)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return {**values, **edited}


def _change(name: str, before: Any, after: Any) -> str:
    return difference(before, after) if name == "priors" else f"{_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def write_run_files(config: TrainConfig, run: Path, classes: list[str]) -> None:
    """``training_args.json`` and ``labels.txt`` of the run folder. Raises UserError for a name that is not one line."""
    labels = labels_text(classes)
    publish_json(run / ARGS_NAME, to_mapping(config))
    publish_bytes(run / LABELS_NAME, labels)


def record_session(plan: Plan, steps_per_epoch: int) -> None:
    """A row of ``sessions.jsonl``: from where this session trains, by which command and code. Raises OSError."""
    from vision.engine.checkpoints.versions import code

    step = plan.checkpoint.step if plan.checkpoint else 0
    row = {"step": step, "steps_per_epoch": steps_per_epoch, "code": code()}
    log.append(plan.run / SESSIONS_NAME, {**row, "command": command("python train_ssd.py", *plan.typed)})


# ---------------------------------------------------------------- data and machine


def check_data(plan: Plan, train: DataSet, validation: DataSet) -> Plan:
    """The plan, with notes about a union, what is learned too, and what cannot be told. Raises Refused where the data are not
    the checkpoint's."""
    from vision.datasets.merged import notes

    learned = learned_from(plan.config, plan.run)
    plan = dataclasses.replace(plan, notes=(*plan.notes, *notes(train), *learned_too(validation, learned)))
    if plan.checkpoint is None:
        return plan
    _require_order(plan.run, plan.checkpoint, train)
    _check_classes(plan.checkpoint, train)
    was = plan.checkpoint.data
    _check_digest("", "trained on", plan.checkpoint.dataset_digest, was.get("train"), train)
    if not plan.checkpoint.validation_digest:
        note = "the checkpoint is older and does not tell its validation data: taken to be these"
        return dataclasses.replace(plan, notes=(*plan.notes, note))
    digest = plan.checkpoint.validation_digest
    _check_digest("validation ", "validated with", digest, was.get("validation"), validation)
    return plan


def _require_order(run: Path, checkpoint: Checkpoint, data: DataSet) -> None:
    """The same sets behind one another otherwise are other data; this says so, and how they were."""
    from vision.datasets.merged import MergedDetection

    if not isinstance(data, MergedDetection) or checkpoint.dataset_digest == data.digest:
        return
    if order := data.in_the_order_of(checkpoint.dataset_digest):
        raise IncompatibleResume(
            "--datasets: the data sets of the run in another order\n"
            "  why: the order numbers images and classes, and with them what a step sees and what an output means\n"
            f"  fix: {command(RESUME, run, '--datasets', *order)}"
        )


def _check_classes(checkpoint: Checkpoint, data: DataSet) -> None:
    classes = data.classes
    if checkpoint.classes != classes:
        gone = [name for name in checkpoint.classes if name not in classes]
        new = [name for name in classes if name not in checkpoint.classes]
        raise IncompatibleResume(
            f"--datasets: other classes than the checkpoint's ({len(classes)}, it has {len(checkpoint.classes)}; "
            f"missing {gone[:5]}, new {new[:5]}{'' if gone or new else ', another order'}).\n"
            "  Start a new run from its weights: --pretrained-ssd FILE --checkpoint-folder NEW"
        )
    if checkpoint.original_category_ids != data.original_category_ids:
        raise IncompatibleResume("--datasets: the same class names with other original category ids")


def _check_digest(kind: str, done: str, digest: str, was: dict[str, int] | None, data: DataSet) -> None:
    """Validation data too: the best of a run is the best on one set of images."""
    if digest == data.digest:
        return
    why, fix = _difference(was, data)
    raise IncompatibleResume(
        f"--datasets: other {kind}data than the checkpoint was {done}\n  why: {why}\n"
        f"  fix: {fix}, or start a new run: --pretrained-ssd FILE --checkpoint-folder NEW"
    )


def _difference(was: dict[str, int] | None, data: DataSet) -> tuple[str, str]:
    """What is other about ``data``, as far as the counts of then tell, and how to have them as they were."""
    now, fix = data.counts, "name the old data root, or make this one as it was"
    if not was:
        return (
            "their digest is another one: other images or boxes, or made with other options of the stages",
            fix,
        )
    turned = was["upright"] - now["upright"]
    if turned and 0 in (was["upright"], now["upright"]) and abs(was["images"] - now["images"]) <= abs(turned):
        then, today = (_frame(counts["upright"]) for counts in (was, now))
        exif = EXIF_CHOICES[bool(was["upright"])]
        return f"the run has used {then}, these data {today}", with_exif(data.root, exif)
    counts = [
        f"{counted(each['images'], 'image')} with {counted(each['boxes'], 'box')}" for each in (now, was)
    ]
    if counts[0] == counts[1]:
        return f"as many images and boxes ({counts[0]}), and their names, sizes, boxes or classes differ", fix
    return f"{counts[0]}, the run has had {counts[1]}", fix


def _frame(upright: int) -> str:
    if not upright:
        return "all images as they are stored (--exif stored)"
    return f"{counted(upright, 'photograph')} upright, as EXIF turns them (--exif apply)"


def machine_notes(checkpoint: Checkpoint, versions: dict[str, str], threads: int, world: int) -> list[str]:
    """A sentence for each difference that ends bit-identity with an uninterrupted run."""
    from vision.engine.checkpoints.versions import change

    before = {"augmentation": "1", **checkpoint.versions}
    notes = [
        change(name, before[name], now) for name, now in versions.items() if before.get(name, now) != now
    ]
    if checkpoint.threads != threads:
        notes.append(f"--threads {checkpoint.threads} → {threads}: results may differ in the last bits")
    if checkpoint.world_size != world:
        notes.append(
            f"processes {checkpoint.world_size} → {world}: the same images a step, sums in another order"
        )
    return notes
