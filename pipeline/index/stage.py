"""Stage: makes ``index.sqlite`` for questions and ``arrays/{split}2017/`` for the trainer from the remapped files.

``python -m pipeline.index query --classes person --min-area 1024 --limit 20`` asks it.
"""

from __future__ import annotations

from typing import Any

from pipeline.annotations.reader import AnnotationError
from pipeline.image_check.verdicts import read_verdicts
from pipeline.index.schema import COCO, USER_VERSION, dataset_of
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from vision.artefacts.data_layout import IMAGE_REPORT, INDEX, UPRIGHT_SCHEMA, arrays_path, remapped_path
from vision.messages.advice import command
from vision.messages.terminal import counted


def _inputs(settings: Settings) -> list[str]:
    return [*(remapped_path(split) for split in settings.splits), IMAGE_REPORT]


def _outputs(settings: Settings) -> list[str]:
    return [INDEX, *(arrays_path(split) for split in settings.splits)]


def _params(settings: Settings) -> dict[str, Any]:
    made = {"splits": list(settings.splits), "user_version": USER_VERSION, "arrays_schema": UPRIGHT_SCHEMA}
    dataset = dataset_of(settings.choices)
    return (
        made if dataset == COCO else made | {"dataset": dataset}
    )  # an index of COCO from before stays as it is


def _run(context: StageContext) -> Counts:
    from pipeline.index.build import build_index  # numpy: --help does not wait for it

    root, splits = context.root, context.settings.splits
    try:
        verdicts = read_verdicts(root / IMAGE_REPORT, splits)
        dataset = dataset_of(context.settings.choices)
        found = build_index(root, splits, verdicts, context.staging, context.stop, dataset, context.inputs)
    except AnnotationError as error:
        raise StageError(
            str(error),
            "the remapped file was damaged or is not one",
            f"make it again: {command('python -m pipeline.remap_categories', '--root', root, '--force')}",
        ) from error
    except FileNotFoundError as error:
        raise StageError(
            f"{error.filename}: no such file",
            "it comes from an earlier stage",
            f"run the whole pipeline: {command('python -m pipeline run', '--root', root)}",
        ) from error
    counts = Counts()
    for split, (images, boxes) in found.items():
        counts.taken_in += images + boxes
        counts.notes[split] = {"images": images, "annotations": boxes}
        context.say(f"{split}: {counted(images, 'image')}, {counted(boxes, 'box')}")
    counts.kept = counts.taken_in
    return counts


STAGE = Stage(
    name="index",
    summary="make index.sqlite (query it: python -m pipeline.index query --help) and flat arrays for the trainer",
    version=1,
    after=("validate_images", "remap_categories"),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
)
