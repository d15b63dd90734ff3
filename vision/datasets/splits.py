"""A data root → the two data sets of a run."""

from __future__ import annotations

from pathlib import Path

from vision.artefacts.data_layout import REPORT, original_path
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.messages.advice import command, shown
from vision.messages.terminal import counted


def open_splits(root: str | Path) -> tuple[CocoDetection, CocoDetection]:
    """Training and validation data. Raises DatasetError where they are missing or do not fit each other."""
    train, val = CocoDetection(root, "train"), CocoDetection(root, "val")
    if (train.classes, train.original_category_ids) != (val.classes, val.original_category_ids):
        raise DatasetError(
            f"{root}: train and val have other classes ({len(train.classes)} and {len(val.classes)}); "
            f"make both from one map: "
            + command("python -m pipeline run", "--root", root, "--from", "remap_categories", "--force")
        )
    for name, data, to in (("train", train, "learn"), ("val", val, "measure")):
        if not len(data):
            raise DatasetError(
                f"{root}: the {name} split has no usable image; "
                + command("python -m pipeline status", "--root", root)
            )
        if not len(data.columns("labels")[0]):
            raise DatasetError(
                f"{root}: no image of the {name} split has a box of its {counted(len(data.classes) - 1, 'class')}, so there is "
                f"nothing to {to}\n  why: {shown(Path(root) / REPORT)} says what was in the annotations, and what was left out\n"
                f"  fix: put boxes into {shown(Path(root) / original_path(name))} and run the stages again; where classes were "
                f"left out: {command('python -m pipeline run', '--root', root, '--classes', 'all')}"
            )
    return train, val
