"""A run folder around weights that were trained elsewhere: all of it appears at once, in a place where nothing is."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from tools.import_weights.imported import Imported
from vision.artefacts.files import TEMPORARY, fsync_folder, fsync_tree, space_errors
from vision.artefacts.targets import require_folder_place
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.checkpoints.run_place import require_place
from vision.engine.optim import build_optimizer, build_schedule
from vision.engine.options.config import TrainConfig
from vision.engine.options.option import to_mapping
from vision.engine.runs.resume import write_run_files
from vision.engine.state import TrainState
from vision.messages.advice import UserError, shown
from vision.nn.weights.class_names import coco_by_id


def require_new(run: Path) -> None:
    """Raises UserError or NotReplaced unless nothing is at ``run``, or an empty folder."""
    require_place(run)
    require_folder_place(run)
    if run.is_dir() and any(run.iterdir()):
        raise UserError(
            f"{shown(run)} is not empty\n  why: its files are somebody's, and an imported run needs a folder of its own\n"
            "  fix: name a new folder with --output"
        )


def publish(imported: Imported, config: TrainConfig, run: Path) -> Path:
    """Writes the run folder; gives its checkpoint.

    A checkpoint of step 0, without moments of an optimiser and without data: evaluation and export need none of these,
    and a resume says that there is nothing to resume.
    """
    run.parent.mkdir(parents=True, exist_ok=True)
    staging = run.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{run.name}")
    try:
        with space_errors(run):
            name = _write(imported, config, staging)
            fsync_tree(staging)
            os.replace(staging, run)  # over nothing, or an empty folder: never over files
            fsync_folder(run.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return run / name


def _write(imported: Imported, config: TrainConfig, folder: Path) -> str:
    model = imported.detector
    state = TrainState(model, build_optimizer(model, config), build_schedule(config, 1))
    facts = checkpoint.RunFacts(
        args=to_mapping(config),
        classes=imported.classes,
        original_category_ids=original_ids(imported.classes),
        dataset_digest="",
        order={"seed": config.seed, "batch_size": config.batch_size, "length": 1},
    )
    record = checkpoint.save(state, RunFolder(folder), facts)
    write_run_files(config, folder, imported.classes)
    return record.file


def original_ids(classes: list[str]) -> list[int]:
    """COCO's category ids where all classes are COCO's; else the numbers of the classes."""
    coco = coco_by_id()
    if all(name in coco for name in classes[1:]):
        return [0, *(coco.index(name) for name in classes[1:])]
    return list(range(len(classes)))
