"""What a fresh run starts from: weights of a file, held against the record of their run, and the priors they know."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from vision.engine.options.config import TrainConfig
from vision.messages.advice import UserError, command, shown
from vision.ssd.priors.written import called
from vision.ssd.variants import find as find_variant

if TYPE_CHECKING:
    from vision.engine.runs.plan import Plan
    from vision.nn.weights.pretrained import DetectorFile
    from vision.ssd.model import Detector


NEW_FROM = "python train_ssd.py --pretrained-ssd"


def start_from(file: Path, config: TrainConfig) -> str:
    """The command that starts a new run, beside that of ``file``, from its weights."""
    words: list[str | int | Path] = [file, "--net", config.net]
    if config.resolution != TrainConfig().resolution:
        words += ["--resolution", *config.resolution]
    return command(
        NEW_FROM, *words, "--checkpoint-folder", file.parent.with_name(f"{file.parent.name}-trained")
    )


def open_initial(
    config: TrainConfig, explicit: frozenset[str]
) -> tuple[TrainConfig, DetectorFile | None, list[str]]:
    """The file of ``--pretrained-ssd``, read; the arguments with its priors unless others are named; notes for people.

    Heads are offsets from prior boxes: on other boxes they mean nothing. Raises FileNotFoundError, DamagedCheckpoint and
    ValueError before anything else is opened.
    """
    for path in filter(None, (config.pretrained_ssd, config.base_net)):
        require_as_recorded(Path(path))
    if config.pretrained_ssd is None:
        return config, None, []
    from vision.nn.weights.pretrained import open_detector_file

    source = open_detector_file(config.pretrained_ssd)
    known = source.classes is not None and _fit(source.priors, config)
    if not known or source.priors == config.priors or "priors" in explicit:
        return config, source, []
    told = "as the heads of that file were trained" if source.ours else "which files of pytorch-ssd have"
    note = (
        f"--priors {called(source.priors)}: taken from --pretrained-ssd, {told}; "
        f"--priors {called(config.priors)} on the command line initialises new heads"
    )
    return dataclasses.replace(config, priors=source.priors), source, [note]


def _fit(priors: str, config: TrainConfig) -> bool:
    try:
        return bool(find_variant(config.net).profile(priors))
    except ValueError:
        return False


def require_as_recorded(path: Path) -> None:
    """Where the file's run records its digest, it has that. Raises DamagedCheckpoint, and ValueError for a folder."""
    from vision.engine.checkpoints.folder import RunFolder

    if path.is_dir():
        files = [record.file for record in RunFolder(path).records() if not record.pruned]
        fix = (
            command("python train_ssd.py --pretrained-ssd", path / files[-1]) if files else "name a .pth file"
        )
        raise UserError(f"{shown(path)} is a folder\n  why: weights are read from a file\n  fix: {fix}")
    run = RunFolder(path.parent)
    if path.is_file() and run.record_path.is_file():
        for record in run.records():
            if record.file == path.name:
                run.verify(record)


def initial_weights(model: Detector, plan: Plan, classes: list[str]) -> str:
    """Load ``--pretrained-ssd`` or ``--base-net`` where a run starts; says where the weights come from."""
    config = plan.config
    if plan.checkpoint is not None:
        return f"{plan.file} (epoch {plan.checkpoint.epoch}, step {plan.checkpoint.step:,})"
    if plan.initial is not None or config.base_net:
        from vision.nn.weights import pretrained

    if plan.initial is not None:
        return str(pretrained.load_detector(model, plan.initial, classes, config.priors))
    if config.base_net:
        return str(pretrained.load_base_net(model, config.base_net))
    return f"from scratch, drawn from --seed {config.seed}"
