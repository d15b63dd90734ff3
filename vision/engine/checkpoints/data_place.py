"""Where the data of a run are: stored as absolute paths, so that a resume from another folder finds them.

Arguments that were edited by hand, or written before paths were stored so, may hold relative ones: these are looked
for from the current folder, then from the run folder and each folder above it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from vision.artefacts.data_layout import ARRAYS
from vision.datasets.contract import DatasetError
from vision.engine.options.config import TrainConfig
from vision.messages.advice import UserError, command, shown, straight
from vision.messages.system_errors import instead_of


def with_absolute_data(config: TrainConfig) -> TrainConfig:
    """``--datasets`` of a command line, which are meant from the current folder."""
    validation = config.validation_dataset and str(_absolute(config.validation_dataset))
    roots = tuple(str(_absolute(root)) for root in config.datasets)
    return dataclasses.replace(config, datasets=roots, validation_dataset=validation)


def _absolute(root: str) -> Path:
    return straight(Path(root).absolute())


def located(
    config: TrainConfig, run: Path, named_now: bool, required: bool = True
) -> tuple[TrainConfig, list[str]]:
    """The arguments of ``run`` with absolute data roots, and a note for each that was not in the current folder.

    ``named_now``: they come from this command line. Raises DatasetError where one is gone, unless not ``required``.
    """
    if named_now:
        return with_absolute_data(config), []
    places = [recorded_root(root, run) for root in config.datasets]
    gone = [place for place in places if not place.is_dir()]
    if gone and required:
        raise moved(gone[0], run, command("python train_ssd.py --resume", run, "--datasets"))
    notes = [
        f"--datasets {root}: not in the current folder, taken from {place}"
        for root, place in zip(config.datasets, places, strict=True)
        if place != _absolute(root)
    ]
    measured = config.validation_dataset and str(recorded_root(config.validation_dataset, run))
    return dataclasses.replace(config, datasets=tuple(map(str, places)), validation_dataset=measured), notes


def moved(root: Path, run: Path, line: str, imported: bool = False) -> DatasetError:
    """For the data of ``run`` that are not at ``root`` (any more); ``line`` is a command that wants to be told their folder."""
    why, where = f"{shown(run)} names the data there", "where they are now"
    if imported:
        why = (
            f"{shown(run)} holds imported weights, which name no data: this folder is what is looked for then"
        )
        where = "a data root with the classes of these weights"
    return DatasetError(f"{instead_of('folder', root)}\n  why: {why}\n  fix: {line} FOLDER, {where}")


def recorded_root(root: str, run: Path) -> Path:
    """The absolute path of a data root that the arguments of ``run`` name; it need not exist."""
    above = [] if Path(root).is_absolute() else [run.absolute(), *run.absolute().parents]
    candidates = [_absolute(root), *(straight(folder / root) for folder in above)]
    return next((place for place in candidates if (place / ARRAYS).is_dir()), candidates[0])


def learned_from(config: TrainConfig, run: Path) -> list[Path]:
    """The data roots whose train split a run has learned from: its own, and those of the runs whose weights it began with."""
    from vision.engine.checkpoints.checkpoint import load

    roots, seen = [recorded_root(root, run) for root in config.datasets], set()
    while config.pretrained_ssd and (file := Path(config.pretrained_ssd)).is_file() and file not in seen:
        seen.add(file)
        try:
            before = load(file)
        except UserError:  # of another trainer
            break
        if before.imported:
            break
        config = before.config
        roots += [recorded_root(root, file.parent) for root in config.datasets]
    return roots
