"""What can be done next with a root: the commands that are printed when a run ends, or when one is needed."""

from __future__ import annotations

import hashlib
import math
import os
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.data_root import receipts
from pipeline.data_root import saved_options as choices
from pipeline.runner import own_data
from pipeline.stage import Choices, Settings, StageError
from pipeline.stages import named
from vision.artefacts.data_layout import REPORT, SPLITS, import_wanted, root_meant
from vision.artefacts.records import RecordError
from vision.messages.advice import at_home, command, here, quoted, shown

RECIPE = "configs/coco_mb2_ssd_lite.yaml"
"""What README trains with; the trainer's bare defaults are those of the ancestors, kept for their commands."""
COCO_RUN = "my-experiment-1"
SMALL_RECIPE, SMALL_BATCH, SMALL_EPOCHS = "configs/demo.yaml", 16, 10
"""A small net that a CPU trains, and what its recipe says."""
SMALL, LEAST_STEPS = 10_000, 500
"""Fewer images are trained with it, in at least so many steps: the warm-up of RECIPE alone has 2,000 of 128 images."""
GPUS = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/dxg")))
"""One is there where a driver has found a GPU: of a computer, a Jetson, Windows' Linux."""
TRAINED_ON = ("train", "val")
"""The splits that the trainer reads."""


def after_all(settings: Settings) -> list[str]:
    """Lines for a root of which every stage is done: training where both splits are there, else what is missing."""
    root, absent = settings.root, [split for split in TRAINED_ON if split not in settings.splits]
    if not absent and (empty := _without_boxes(settings)):
        return [_for_boxes(settings, empty)]
    if not absent:
        return _training(settings)
    wanted = [split for split in SPLITS if split in {*settings.splits, *TRAINED_ON}]
    run = command("python -m pipeline run", "--root", root, "--splits", ",".join(wanted))
    look = "next: " + command("python -m pipeline.index query", "--root", root, "--limit", 5)
    if settings.choices.own:
        sources = " and ".join(str(root / path) for split in absent for path in own_data.sources(split))
        return [f"training needs train and val: put {sources} there, then: {run}", look]
    return [f"training needs train and val, and {' and '.join(absent)} is not here: {run}", look]


def _training(settings: Settings) -> list[str]:
    """The recipe for a GPU; for few images, or as a choice where there is no GPU, the one for a CPU."""
    images = _noted(settings, "train", "images", SMALL)
    has_gpu, is_small = any(path.exists() for path in GPUS), images < SMALL
    words = ("--datasets", settings.root, "--checkpoint-folder", run_folder(settings.root))
    epochs = math.ceil(LEAST_STEPS / max(1, images // SMALL_BATCH))
    more = ("--epochs", epochs) if epochs > SMALL_EPOCHS else ()
    device = ("--device", "auto") if has_gpu else ()
    small = command("python train_ssd.py --config", at_home(SMALL_RECIPE), *words, *more, *device)
    if is_small:
        return [f"next: {small}"]
    lines = ["next: " + command("python train_ssd.py --config", at_home(RECIPE), *words)]
    return lines if has_gpu else [*lines, f"on this machine, which has no GPU, a small net: {small}"]


def _noted(settings: Settings, split: str, what: str, unknown: int) -> int:
    """What the last receipt has counted of ``split``."""
    made = None
    with suppress(RecordError):  # one that is damaged says nothing
        made = receipts.read(settings.root, "index")
    return int(made.notes.get(split, {}).get(what, unknown)) if made else unknown


def _without_boxes(settings: Settings) -> list[str]:
    """The splits that the trainer would refuse, by the last receipt."""
    return [split for split in TRAINED_ON if not _noted(settings, split, "annotations", 1)]


def _for_boxes(settings: Settings, empty: list[str]) -> str:
    """What to do about splits without a box: all classes where some were named, else boxes in the file."""
    root, classes = settings.root, settings.choices.classes
    run = command("python -m pipeline run", "--root", root, *(("--classes", "all") if classes else ()))
    files = " and ".join(shown(root / own_data.sources(split)[1]) for split in empty)
    first = "take all classes, or name others" if classes else f"put boxes into {files}, then"
    lacking = " and ".join(empty)
    return f"training needs boxes, and {lacking} has none (why: {shown(root / REPORT)}): {first}: {run}"


def run_folder(root: Path) -> Path:
    """Where training on ``root`` is told to put its run: each root has a folder of its own, COCO that of README.

    The name says which root it is for those in the current folder, in which ``models`` is, too; the others have a digest
    of where they are behind it. A link and what it leads to are one root.
    """
    place = root.resolve()
    if place == Settings().root.resolve():
        return Path("models", COCO_RUN)
    if place.parent == Path.cwd() and place.name != COCO_RUN:
        return Path("models", place.name)
    return Path("models", f"{place.name or 'data'}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}")


def after_clean(root: Path, everything: bool) -> str:
    """The ``run`` that makes again what is removed; of an owner's root the choices go with ``everything``, those of its packs, too."""
    chosen = Choices()
    with suppress(StageError):  # a note that is damaged stays
        chosen = choices.read(root)
    if not (chosen.own and everything):
        return command("python -m pipeline run", "--root", root)
    spelled = _spelled(root, chosen, "splits", "classes", *choices.AREAS, "exif", "thorough")
    run = " ".join([here("python -m pipeline run"), spelled, *map(quoted, ("--from", own_data.FIRST))])
    if chosen.pack_format is None or not chosen.packed_splits:
        return run
    there = replace(chosen, pack_splits=chosen.pack_splits and chosen.packed_splits)
    return f"{run} && {command('python -m pipeline.pack')} {_spelled(root, there, *choices.PACK)}"


def _spelled(root: Path, chosen: Choices, *names: str) -> str:
    """Those of the choices ``names`` that are others than usual."""
    usual = Choices()
    others = {name: value for name in names if (value := getattr(chosen, name)) != getattr(usual, name)}
    return choices.spelled(Namespace(root=root, **others))


def run_again(arguments: Namespace, settings: Settings) -> str:
    """The ``run`` that brings a root in which something is missing or stale to its end; first, the root that was meant."""
    if foreign := import_wanted(settings.root):
        return foreign
    if meant := root_meant(settings.root):
        return command("python -m pipeline status", "--root", meant)
    more = own_data.way_on(settings, named("extract"))
    return " ".join([here("python -m pipeline run"), choices.spelled(arguments), *map(quoted, more)])
