"""Stage: makes ``index.sqlite`` for questions and ``arrays/{split}2017/`` for the trainer from the remapped files.

``python -m pipeline.index query --classes person --min-area 1024 --limit 20`` asks it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import query
from pipeline.annotations import AnnotationError, remapped_path
from pipeline.arrays import ARRAYS_SCHEMA, write_arrays
from pipeline.columns import Columns, read_columns
from pipeline.command import stage_main
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from pipeline.tables import DATASET, USER_VERSION, write_tables
from pipeline.verdicts import IMAGE_REPORT, Verdict, read_verdicts
from vision.artefacts.files import atomic_publish, publish_tree, sha256_of

INDEX = "index.sqlite"


def arrays_path(split: str) -> str:
    return f"arrays/{split}2017"


def build_index(
    root: Path,
    splits: Sequence[str] = ("train", "val"),
    verdicts: dict[str, dict[int, Verdict]] | None = None,
    staging: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Columns]:
    """Makes the database and the arrays of ``splits`` below ``root`` from its remapped files.

    Without ``verdicts`` images count as unchecked. ``staging`` is a folder on the same file system.
    """
    columns = [read_columns(root / remapped_path(split), split, should_stop) for split in splits]
    digests = {split: sha256_of(root / remapped_path(split)) for split in splits}
    provenance = {f"sha256 of {remapped_path(split)}": digest for split, digest in digests.items()}
    provenance |= {
        "dataset": DATASET,
        "boxes": "x, y, w, h in px of the stored picture, origin at the top left",
    }
    if verdicts is not None:
        provenance[f"sha256 of {IMAGE_REPORT}"] = sha256_of(root / IMAGE_REPORT)
    with atomic_publish(root / INDEX) as temporary:
        write_tables(temporary, [(of, (verdicts or {}).get(of.split)) for of in columns], provenance)
    with tempfile.TemporaryDirectory(dir=staging or root, prefix=".arrays-") as folder:
        for of in columns:
            made = Path(folder) / of.split
            made.mkdir()
            write_arrays(of, made, remapped_path(of.split), digests[of.split])
            _replace_tree(made, root / arrays_path(of.split))
    return columns


def _replace_tree(made: Path, final: Path) -> None:
    final.parent.mkdir(exist_ok=True)
    if final.exists():
        shutil.rmtree(final)
    publish_tree(made, final)


def _inputs(settings: Settings) -> list[str]:
    return [*(remapped_path(split) for split in settings.splits), IMAGE_REPORT]


def _outputs(settings: Settings) -> list[str]:
    return [INDEX, *(arrays_path(split) for split in settings.splits)]


def _params(settings: Settings) -> dict[str, Any]:
    return {"splits": list(settings.splits), "user_version": USER_VERSION, "arrays_schema": ARRAYS_SCHEMA}


def _run(context: StageContext) -> Counts:
    root, splits = context.root, context.settings.splits
    try:
        verdicts = read_verdicts(root / IMAGE_REPORT, splits)
        columns = build_index(root, splits, verdicts, context.staging, context.should_stop)
    except AnnotationError as error:
        raise StageError(
            str(error), "the remapped file was damaged", "run the remap stage with --force"
        ) from error
    except FileNotFoundError as error:
        raise StageError(
            f"{error.filename}: no such file",
            "it comes from an earlier stage",
            "run the whole pipeline, `python -m pipeline run`",
        ) from error
    counts = Counts()
    for of in columns:
        counts.taken_in += len(of.image_ids) + len(of.ids)
        counts.notes[of.split] = {"images": len(of.image_ids), "annotations": len(of.ids)}
    counts.kept = counts.taken_in
    context.say(
        "\n".join(f"{of.split}: {len(of.image_ids):,} images, {len(of.ids):,} boxes" for of in columns)
    )
    return counts


STAGE = Stage(
    name="index",
    summary="makes index.sqlite for questions and flat arrays for the trainer",
    version=1,
    after=("validate_images", "remap_categories"),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
)


def main(argv: Sequence[str] | None = None) -> int:
    """``query …`` asks the index; anything else makes it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["query"]:
        return query.main(arguments[1:])
    return stage_main(STAGE, arguments)


if __name__ == "__main__":
    sys.exit(main())
