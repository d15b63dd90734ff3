"""Measure training samples a second: decode, augment, resize to 300×300, in one process and through the loader.

    python -m benchmarks.augmentation --datasets coco-data      # prints a table, writes benchmarks/results/augmentation_<device>_<date>.md

It needs a data root (python -m pipeline) and albumentations (requirements-dev.txt).

The rival is SSD's recipe as it is usually written: ``cv2.imread`` and albumentations' own transforms, ``Compose``
built once; again with our decoder, to tell the two apart. One thread each, measured in turns, so that whatever
else the machine does falls on all of them; the median of the rounds counts. One process is measured by its processor time,
the loader by the clock on the wall, against the rival by the wall.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import cv2
import torch

from benchmarks.results import device, publish, today
from benchmarks.stages import in_turns
from vision.core.sample import InputSpec, Sample
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.loading import Loader, make_loader
from vision.datasets.sampling import BatchSampler
from vision.transforms import presets

SPEC = InputSpec(300, 300)
BATCH_SIZE = 32
PRESETS = ("none", "light", "ssd")
RIVAL = "albumentations, cv2.imread"


def albumentations_recipe() -> Any:
    """Distortion, expansion, crop, flip and resize as one writes them with the library's own transforms."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as A

    steps = [
        A.ColorJitter(
            brightness=(0.875, 1.125), contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=(-0.05, 0.05), p=0.5
        ),
        A.CropAndPad(percent=(0.0, 1.5), keep_size=False, fill=128, p=0.5),
        A.RandomSizedBBoxSafeCrop(height=SPEC.height, width=SPEC.width, p=6 / 7),
        A.HorizontalFlip(p=0.5),
        A.Resize(SPEC.height, SPEC.width),
    ]
    boxes = A.BboxParams("pascal_voc", label_fields=["labels"], clip=True, filter_invalid_bboxes=True)
    return A.Compose(steps, bbox_params=boxes, seed=0)


def one_by_one(dataset: CocoDetection, make: Callable[[Sample, int, int], object]) -> Callable[[], None]:
    """Every image once; another epoch each time."""
    epochs = count()

    def way() -> None:
        epoch = next(epochs)
        for index in range(len(dataset)):
            make(dataset.load(index), epoch, index)

    return way


def through(compose: Any, sample: Sample, epoch: int, index: int) -> object:
    return compose(image=sample.image, bboxes=sample.boxes_xyxy_px, labels=sample.labels)


def as_usual(dataset: CocoDetection, compose: Any) -> Callable[[], None]:
    """cv2.imread, RGB, ``compose``; the boxes are at hand."""
    columns = dataset.columns("boxes_xyxy_px", "labels")

    def way() -> None:
        for index in range(len(dataset)):
            own = dataset.boxes_of(index)
            image = cv2.imread(str(dataset.path(index)))
            assert image is not None, dataset.describe(index)
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            compose(image=image, bboxes=columns[0][own], labels=columns[1][own])

    return way


def loaded(loader: Loader, sampler: BatchSampler) -> Callable[[], None]:
    """A whole epoch of batches; the workers live on."""
    epochs = count()

    def way() -> None:
        sampler.set_epoch(next(epochs))
        for _ in loader:
            pass

    return way


def ways_of(dataset: CocoDetection) -> dict[str, Callable[[], object]]:
    """In this process."""
    ways: dict[str, Callable[[], object]] = {"decode alone": one_by_one(dataset, lambda *_: None)}
    for name in PRESETS:
        ways[f"--augment {name}"] = one_by_one(dataset, presets.build(name, SPEC, 0))
    ways["albumentations, our decoder"] = one_by_one(dataset, partial(through, albumentations_recipe()))
    ways[RIVAL] = as_usual(dataset, albumentations_recipe())
    return ways


def loaders_of(dataset: CocoDetection, workers: Sequence[int]) -> dict[str, Callable[[], object]]:
    """The rival alone, and through worker processes."""
    ways: dict[str, Callable[[], object]] = {RIVAL: as_usual(dataset, albumentations_recipe())}
    for number in workers:
        sampler = BatchSampler(len(dataset), BATCH_SIZE, drop_last=False)
        loader = make_loader(dataset, presets.build("ssd", SPEC, 0), sampler, number)
        ways[f"--augment ssd, batches of {BATCH_SIZE}, --workers {number}"] = loaded(loader, sampler)
    return ways


def report(
    of_process: dict[str, float], of_loader: dict[str, float], dataset: CocoDetection, rounds: int
) -> str:
    facts = (
        (
            f"{device()}, {os.cpu_count()} cores ({len(os.sched_getaffinity(0))} for this run), Python {platform.python_version()}, "
            f"OpenCV {cv2.__version__}"
        ),
        f"{len(dataset):,} images of {dataset.root.name} {dataset.split}",
        f"median of {rounds} rounds in turns",
        f"load average {os.getloadavg()[0]:.1f} at the end",
    )
    title = f"## Augmentation, {today()}"
    tables = [
        part
        for clock, seconds in (("one core", of_process), ("on the wall", of_loader))
        for part in (*_table(clock, seconds, len(dataset)), "")
    ]
    return "\n".join([title, "", "; ".join(facts), "", *tables])


def _table(clock: str, seconds: dict[str, float], images: int) -> list[str]:
    rival = seconds[RIVAL]
    rows = [
        f"| {name} | {images / spent:,.0f} | {1000 * spent / images:.2f} | {rival / spent:.2f} |"
        for name, spent in seconds.items()
    ]
    return [f"| way | images/s, {clock} | ms an image | × the rival |", "|---|---:|---:|---:|", *rows]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.augmentation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--datasets", default="coco-data", metavar="ROOT", help="data root (%(default)s)")
    parser.add_argument("--split", default="train", help="whose images: train or val (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; their median counts (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        nargs="*",
        default=[1, 2, 4],
        metavar="N",
        help="numbers of processes to measure the loader with (1 2 4)",
    )
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    try:
        dataset = CocoDetection(asked.datasets, asked.split)
    except DatasetError as error:
        parser.exit(1, f"{error}\n")
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    of_process = in_turns(ways_of(dataset), asked.rounds, time.process_time)
    of_loader = in_turns(loaders_of(dataset, asked.workers), asked.rounds)
    text = report(of_process, of_loader, dataset, asked.rounds)
    print(text)
    if not asked.no_file:
        publish("augmentation", "python -m benchmarks.augmentation", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
