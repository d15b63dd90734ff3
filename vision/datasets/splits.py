"""Data roots → the two data sets of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vision.artefacts.data_layout import REPORT, original_path, receipt_name
from vision.artefacts.records import RecordError, read_json
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.merged import DataSet, merged
from vision.messages.advice import command, shown
from vision.messages.terminal import counted


def open_splits(
    *roots: str | Path,
    validation: str | Path | None = None,
    train_set: Callable[[str | Path], CocoDetection] | None = None,
) -> tuple[DataSet, DataSet]:
    """Training data of all ``roots`` with the union of their classes; validation data of all of them, or of the root
    ``validation`` alone.

    ``train_set`` opens the train split of a root, such as out of its pack (default: its image files); images to measure on are always read as they are.

    Raises DatasetError where they are missing, do not fit each other, or one is named twice.
    """
    require_different(roots)
    first, *others = map(train_set or CocoDetection, roots)
    train, val = first, CocoDetection(validation or roots[0], "val")
    if len(roots) == 1 and validation is None:
        _require_one_map(roots[0], train, val)
        both: tuple[DataSet, DataSet] = train, val
    else:
        learned = merged([train, *others])
        measured = (
            [val, *(CocoDetection(root, "val") for root in roots[1:])]
            if validation is None
            else measured_on(validation, roots)
        )
        both = learned, merged(measured, learned.classes, learned.original_category_ids)
    for (name, to), data in zip((("train", "learn"), ("val", "measure")), both, strict=True):
        _require_boxes(data, name, to)
    return both


def _is_among(root: str | Path, others: Sequence[str | Path]) -> bool:
    return Path(root).resolve() in {Path(other).resolve() for other in others}


def require_different(roots: Sequence[str | Path]) -> None:
    """Raises DatasetError for one that is named twice."""
    for number, root in enumerate(roots):
        if _is_among(root, roots[:number]):
            raise DatasetError(
                f"{root} is named twice\n  why: each of its images would count twice\n  fix: name it once in --datasets"
            )


def measured_on(validation: str | Path, learned: Sequence[str | Path]) -> list[CocoDetection]:
    """The val split of a ``--validation-dataset``; all of it where its import has drawn a split that nobody stated, and
    it is none of the roots whose train split is ``learned``."""
    whole = _is_drawn(Path(validation)) and not _is_among(validation, learned)
    return [CocoDetection(validation, half) for half in (("val", "train") if whole else ("val",))]


def _is_drawn(root: Path) -> bool:
    try:
        return bool(read_json(root / receipt_name("import_data"))["notes"]["drawn"])
    except (OSError, RecordError, LookupError, TypeError):
        return False


def _require_one_map(root: str | Path, train: CocoDetection, val: CocoDetection) -> None:
    if (train.classes, train.original_category_ids) != (val.classes, val.original_category_ids):
        raise DatasetError(
            f"{root}: train and val have other classes ({len(train.classes)} and {len(val.classes)}); "
            f"make both from one map: "
            + command("python -m pipeline run", "--root", root, "--from", "remap_categories", "--force")
        )


def _require_boxes(data: DataSet, name: str, to: str) -> None:
    root = data.root
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
