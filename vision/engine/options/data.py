"""Options of what a run is trained and validated on, and how images come. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vision.artefacts.data_layout import DEFAULT_ROOT
from vision.engine.options.option import DATA, option

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class DataOptions:
    dataset_type: str = option(
        "coco", "layout of --datasets; what is no data root yet is imported once, into FOLDER-imported beside it",
        DATA, "fixed", choices=("coco", "voc", "open_images", "yolo", "cvat", "labelme"),
    )  # fmt: skip
    datasets: tuple[str, ...] = option(
        (DEFAULT_ROOT,), "data root(s) as made by ./setup_coco.sh; of several the classes are united by name, and what one does "
        "not label is no background there", DATA, "free", aliases=("--data",), metavar="DIR",
    )  # fmt: skip
    validation_dataset: str | None = option(
        None, "data root whose val split is used for validation (all of it if an import drew the split); default: those of --datasets",
        DATA, "free", metavar="DIR",
    )  # fmt: skip
    balance_data: bool = option(
        False, "show images of rare classes more often: up to √(mean / own) times if a class has fewer images than the mean of all; "
        "an epoch becomes longer and leaves out no image", DATA, "fixed",
    )  # fmt: skip
    augment: str = option(
        "ssd", "training augmentation: ssd = crop, zoom-out, flip, colour; light = flip and colour; none", DATA, "named",
        choices=("ssd", "light", "none"),
    )  # fmt: skip
    feed: str = option(
        "auto", "training images: jpeg = the files; pack = that of python -m pipeline.pack, or its name, as yuv420-384; device = a raw pack "
        "that the GPU makes images of (device:NAME); auto = the one pack there is, on a GPU by device; on resume what the run has", DATA, "named", metavar="NAME")  # fmt: skip
    workers: int = option(
        min(6, CORES), "processes that read and augment image files, or draw for --feed device; threads for other packs; 0 = in the "
        "training process. Changes no result",
        DATA, "free", aliases=("--num-workers",), low=0, high=512,
    )  # fmt: skip
