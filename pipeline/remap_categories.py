"""Stage: gives the categories labels 1..C−1 and writes down everything that can not be used.

The published annotation files stay as they are. For each split there is a new one beside it, and ``labels.txt``,
``category_map.json``, ``report/annotations.jsonl`` (a line for each image or annotation dropped or changed) and
``report/annotations.txt`` (the counts, for people).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipeline.annotation_rules import Drop
from pipeline.annotations import AnnotationError, AnnotationFile, original_path, remapped_path
from pipeline.categories import Category, CategoryMap, check_agrees, choose
from pipeline.command import stage_main
from pipeline.remap_one import remap_one
from pipeline.remap_report import counts_of, report_text
from pipeline.remapped import ImageCheck, SplitCounts, any_image
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from pipeline.verdicts import IMAGE_REPORT, Verdict, read_verdicts
from vision.artefacts.files import atomic_publish, publish_bytes, publish_json

LABELS = "annotations/labels.txt"
CATEGORY_MAP = "annotations/category_map.json"
LISTING = "report/annotations.jsonl"
REPORT = "report/annotations.txt"


def remap(
    root: Path,
    splits: Sequence[str] = ("train", "val"),
    classes: Iterable[str] | None = None,
    verdicts: dict[str, dict[int, Verdict]] | None = None,
    say: Callable[[str], None] = lambda line: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[SplitCounts]:
    """Remaps the annotation files of ``splits`` below ``root``; the first one defines the map.

    ``classes`` names a subset; ``verdicts`` are those of the image check (None: images are not looked at).
    Raises AnnotationError for files that can not be read or do not agree; then nothing is published.
    """
    results: list[SplitCounts] = []
    map_: CategoryMap | None = None
    for folder in ("annotations", "report"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    with ExitStack() as published:
        listing = _open(published, root / LISTING)
        for split in splits:
            with AnnotationFile(root / original_path(split)) as file:
                map_of = partial(_map_of, file, map_, classes, original_path(splits[0]))
                check = _verdict_check(verdicts[split]) if verdicts is not None else any_image
                out = _open(published, root / remapped_path(split))
                counts, map_ = remap_one(file, map_of, split, check, out, listing, should_stop)
                results.append(counts)
        assert map_ is not None, "the runner gives at least one split"
        publish_bytes(root / LABELS, map_.labels_text())
        publish_json(root / CATEGORY_MAP, map_.document(original_path(splits[0])))
    text = report_text(results, map_)
    publish_bytes(root / REPORT, text.encode())
    summary = text.split("\n\n")[0]
    say(f"{summary}\nboxes per class: {root / REPORT}")
    return results


def _open(published: ExitStack, path: Path) -> IO[bytes]:
    """A file that appears under its name when ``published`` is left without an error."""
    temporary = published.enter_context(atomic_publish(path))
    return published.enter_context(temporary.open("wb", buffering=1 << 20))


def _map_of(
    file: AnnotationFile,
    first: CategoryMap | None,
    classes: Iterable[str] | None,
    source: str,
    categories: tuple[Category, ...],
) -> CategoryMap:
    """The first split makes the map; the others must agree with it."""
    map_ = choose(file, categories, classes) if first is None else first
    check_agrees(file, categories, map_, source)
    return map_


def _verdict_check(verdicts: dict[int, Verdict]) -> ImageCheck:
    """Drops what the image check rejected or never saw."""

    def check(image_id: int, file_name: str) -> Drop | None:
        found = verdicts.get(image_id)
        if found is None:
            return Drop("not_checked", f"{file_name}: not in {IMAGE_REPORT}")
        if found.verdict == "reject":
            return Drop("rejected", f"{file_name}: {found.reason}")
        return None

    return check


def _classes(settings: Settings) -> list[str] | None:
    """The option ``classes``: a list, or names with commas between them."""
    asked = settings.options.get("classes")
    if not asked:
        return None
    return sorted({name.strip() for name in (asked.split(",") if isinstance(asked, str) else asked)})


def _inputs(settings: Settings) -> list[str]:
    return [*(original_path(split) for split in settings.splits), IMAGE_REPORT]


def _outputs(settings: Settings) -> list[str]:
    return [*(remapped_path(split) for split in settings.splits), LABELS, CATEGORY_MAP, LISTING, REPORT]


def _params(settings: Settings) -> dict[str, Any]:
    return {"splits": list(settings.splits), "classes": _classes(settings)}


def _run(context: StageContext) -> Counts:
    settings = context.settings
    try:
        verdicts = read_verdicts(context.root / IMAGE_REPORT, settings.splits)
        results = remap(
            context.root, settings.splits, _classes(settings), verdicts, context.say, context.should_stop
        )
    except AnnotationError as error:
        raise StageError(str(error), "the annotations can not be used as they are", FIX) from error
    except FileNotFoundError as error:
        raise StageError(
            f"{error.filename}: no such file",
            "it comes from an earlier stage",
            "run the whole pipeline, `python -m pipeline run`",
        ) from error
    return counts_of(results)


FIX = "extract them again (`python -m pipeline run --only extract --force`), or repair your own file at that place"

STAGE = Stage(
    name="remap_categories",
    summary="gives the categories labels 1..80 and lists every annotation that can not be used",
    version=1,
    after=("extract", "validate_images"),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
)

if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
