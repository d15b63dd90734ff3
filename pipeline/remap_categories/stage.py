"""Stage: gives the categories labels 1..C−1 and writes down everything that cannot be used.

The published annotation files stay as they are. For each split there is a new one beside it, and ``labels.txt``,
``category_map.json``, ``report/annotations.jsonl`` (a line for each image or annotation dropped or changed) and
``report/annotations.txt`` (the counts, for people).

A file of your own: ``python -m pipeline.remap_categories --annotations FILE.json --images DIR --output FILE.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import Change, Drop
from pipeline.data_root.saved_options import ALL, AREAS, NONE, class_words
from pipeline.image_check.verdicts import Verdict, read_verdicts
from pipeline.remap_categories.category_map import (
    Category,
    CategoryMap,
    NoSuchClass,
    NoSuchImage,
    check_agrees,
    choose,
)
from pipeline.remap_categories.published_together import published_together
from pipeline.remap_categories.remap import remap_one
from pipeline.remap_categories.report import counts_of, report_text
from pipeline.remap_categories.writer import ImageCheck, SplitCounts, any_image, judged
from pipeline.runner.own_data import to_repair
from pipeline.stage import Counts, NoSuchChoice, Settings, Stage, StageContext, StageError
from pipeline.stop import NEVER, Stop
from vision.artefacts.data_layout import (
    CATEGORY_MAP,
    IMAGE_REPORT,
    LABELS,
    LISTING,
    REPORT,
    image_folder,
    original_path,
    remapped_path,
)
from vision.messages.advice import command


def remap(
    root: Path,
    splits: Sequence[str] = ("train", "val"),
    classes: Iterable[str] | None = None,
    verdicts: dict[str, dict[int, Verdict]] | None = None,
    say: Callable[[str], None] = lambda line: None,
    stop: Stop = NEVER,
    into: Path | None = None,
    areas: tuple[float, float] | None = None,
) -> list[SplitCounts]:
    """Remaps the annotation files of ``splits`` below ``root``, to files below ``into`` (None: there, too).

    The first one defines the map.

    ``classes`` names a subset; ``areas`` (least and largest px²) selects images by their objects; ``verdicts`` are those of the image check (None: images are not looked at).
    Raises AnnotationError for files that cannot be read or do not agree; then nothing is published.
    """
    results: list[SplitCounts] = []
    map_: CategoryMap | None = None
    names = [LABELS, CATEGORY_MAP, LISTING, REPORT, *(remapped_path(split) for split in splits)]
    paths = {name: (into or root) / name for name in names}
    with published_together(list(paths.values())) as files:
        for split in splits:
            with AnnotationFile(root / original_path(split), stop) as file:
                map_of = partial(_map_of, file, map_, classes, original_path(splits[0]))
                check = _verdict_check(verdicts[split]) if verdicts is not None else any_image
                out, listing = files[paths[remapped_path(split)]], files[paths[LISTING]]
                counts, map_ = remap_one(
                    file, map_of, split, check, out, listing, root / image_folder(split), areas
                )
                results.append(counts)
        assert map_ is not None, "the runner gives at least one split"
        text = report_text(results, map_)
        files[paths[LABELS]].write(map_.labels_text())
        files[paths[CATEGORY_MAP]].write(map_.document_text(original_path(splits[0])))
        files[paths[REPORT]].write(text.encode())
    summary = text.split("\n\n")[0]
    say(f"{summary}\nboxes per class: {root / REPORT}")
    return results


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

    def check(raw: dict[str, Any]) -> Drop | Change | None:
        found = verdicts.get(raw["id"])
        if found is None:
            return Drop("not_checked", f"{raw['file_name']}: not in {IMAGE_REPORT}")
        return judged(raw["file_name"], found.verdict, found.reason, found.orientation)

    return check


def _classes(settings: Settings) -> list[str] | None:
    return sorted({*settings.choices.classes}) if settings.choices.classes else None


def _inputs(settings: Settings) -> list[str]:
    return [*(original_path(split) for split in settings.splits), IMAGE_REPORT]


def _outputs(settings: Settings) -> list[str]:
    return [*(remapped_path(split) for split in settings.splits), LABELS, CATEGORY_MAP, LISTING, REPORT]


def _params(settings: Settings) -> dict[str, Any]:
    return {"splits": list(settings.splits), "classes": _classes(settings)} | {
        name: getattr(settings.choices, name) for name in AREAS
    }


def _run(context: StageContext) -> Counts:
    settings = context.settings
    try:
        verdicts = read_verdicts(context.root / IMAGE_REPORT, settings.splits)
        results = remap(
            context.root,
            settings.splits,
            _classes(settings),
            verdicts,
            context.say,
            context.stop,
            context.staging,
            settings.choices.areas,
        )
    except NoSuchClass as error:
        no_bound = ("--min-area", NONE, "--max-area", NONE) if settings.choices.areas else ()
        in_bounds = isinstance(error, NoSuchImage)
        classes = class_words(settings.choices.classes or ()) if in_bounds else ALL
        raise NoSuchChoice(
            str(error),
            f"the classes asked for are {', '.join(_classes(settings) or ('all',))}",
            ("choose other bounds, or none: " if in_bounds else "name others, or take all of them: ")
            + command("python -m pipeline run", "--root", context.root, "--classes", classes, *no_bound),
        ) from error
    except AnnotationError as error:
        raise StageError(
            str(error),
            "the annotations cannot be used as they are",
            to_repair(context.root, settings.choices),
        ) from error
    except FileNotFoundError as error:
        raise StageError(
            f"{error.filename}: no such file",
            "it comes from an earlier stage",
            f"run the whole pipeline: {command('python -m pipeline run', '--root', context.root)}",
        ) from error
    return counts_of(results)


STAGE = Stage(
    name="remap_categories",
    summary="number the categories from 1 as labels; list every annotation that cannot be used",
    version=2,  # 2: values of keys that are not COCO's keep their bytes
    after=("extract", "validate_images"),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
)
