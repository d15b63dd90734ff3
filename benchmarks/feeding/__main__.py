"""Measure training samples a second by each way to the pixels: others' loaders, our image files, our packs, the bare gather.

    python -m pipeline.pack --root coco-data --format yuv420   # and any other packs that are to be measured
    python -m benchmarks.feeding --datasets coco-data          # a table, also benchmarks/results/feeding_<device>_<date>.md
    python -m benchmarks.feeding --quick                       # 32 images, 3 rounds: a first look

It needs a data root, its packs and requirements-dev.txt.

One core, by processor time, one way after the other in each round, so that whatever else the machine does falls on all of
them. The rivals are written here as their authors write them: the ancestor's numpy pipeline with float distortion and priors matched a
sample (pytorch-ssd), its successor's with albumentations' ``Compose`` built a sample, torchvision.transforms.v2 with the recipe of its
SSD reference, albumentations with ``Compose`` built once. Then whole loaders with all cores: theirs behind torch's ``DataLoader``.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from benchmarks.augmentation import SPEC
from benchmarks.feeding import loaders
from benchmarks.feeding.rivals import (
    Way,
    albumentations_each,
    albumentations_once,
    ancestor,
    stacked,
    torchvision_recipe,
)
from benchmarks.results import device, publish, today
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.loading import TransformedDataset
from vision.datasets.packed.choice import packs_of
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.sampling import SampleKey
from vision.engine.machine import keep_freed_memory
from vision.images.packs.pixels import reduced
from vision.transforms import presets

ANCESTOR = "ancestor-like: numpy, float distortion, priors matched a sample"
EACH = "albumentations, Compose built and priors matched a sample"
ONCE = "albumentations, Compose built once"
TORCHVISION = "torchvision v2, its SSD recipe"
BATCH = 32
Batches = Callable[[Sequence[int], int], object]
"""Makes the samples of (indices, epoch)."""
SKEW = 64
"""Bytes: where source and target are as far from a page of 4 KiB, as 384² of YUV are, a copy takes four times as long."""


def one_by_one(way: Way) -> Batches:
    return lambda indices, epoch: [way(index, epoch) for index in indices]


def ours(dataset: CocoDetection) -> Batches:
    samples = TransformedDataset(dataset, presets.build("ssd", SPEC, 0))
    return lambda indices, epoch: samples.batch(
        [SampleKey(epoch, index) for index in indices], lambda key: None
    )


def gather(pack: PackedDetection) -> Way:
    """Records into a buffer that is used again, as for geometry on a device; jpegs too, as they are."""
    longest = int(np.diff(pack.pack.first_byte).max())
    ring = np.empty((BATCH, longest + SKEW), np.uint8)

    def way(index: int, epoch: int) -> object:
        record = pack.pack.bytes_of(index)
        np.copyto(ring[index % BATCH, SKEW : SKEW + len(record)], record)
        return ring

    return way


def rivals_of(dataset: CocoDetection) -> dict[str, Way]:
    return {
        ANCESTOR: ancestor(dataset), EACH: albumentations_each(dataset), ONCE: albumentations_once(dataset),
        TORCHVISION: torchvision_recipe(dataset),
    }  # fmt: skip


def ways_of(dataset: CocoDetection) -> dict[str, Batches]:
    ways = {name: one_by_one(way) for name, way in rivals_of(dataset).items()}
    ways["--feed jpeg"] = ours(dataset)
    for name in packs_of(dataset.root):
        pack = PackedDetection(dataset.root, dataset.split, name)
        ways[f"--feed {name}"] = ours(pack)
        ways[f"gather alone, {name}"] = one_by_one(gather(pack))
    return ways


def measured(ways: dict[str, Batches], indices: Sequence[int], rounds: int) -> dict[str, list[float]]:
    """Processor milliseconds a sample of each round; the first, which warms up, does not count."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            for first in range(0, len(indices), BATCH):
                way(indices[first : first + BATCH], epoch)
            spent[name].append(1000 * (time.process_time() - began) / len(indices))
    return {name: each[1:] for name, each in spent.items()}


def memcpy_rate(rounds: int) -> float:
    """GB/s of copying 64 MiB, which no cache holds, by processor time."""
    source, target = np.ones(1 << 26, np.uint8), np.zeros(1 << 26, np.uint8)
    rates = []
    for _ in range(rounds + 1):
        began = time.process_time()
        np.copyto(target, source)
        rates.append(source.nbytes / 1e9 / (time.process_time() - began))
    return statistics.median(rates[1:])


def fidelity(dataset: CocoDetection, name: str, indices: Sequence[int]) -> str:
    """PSNR of packed images against the decoded ones, both reduced to the network's input."""
    pack = PackedDetection(dataset.root, dataset.split, name)
    found = []
    for index in indices:
        a, b = (
            reduced(image, SPEC.height, SPEC.width)
            for image in (dataset.load(index).image, pack.pack.rgb(index))
        )
        error = float(np.mean((a.astype(np.float64) - b) ** 2))
        found.append(10 * np.log10(255**2 / max(error, 1e-3)))
    return f"{statistics.mean(found):.1f} dB ({min(found):.1f} the worst)"


def with_all_cores(dataset: CocoDetection, indices: Sequence[int], rounds: int, workers: int) -> list[str]:
    """The lines of the table of whole loaders."""
    many = loaders.Loaders(workers)
    passes = {
        name: many.theirs(way, indices, stacked)
        for name, way in rivals_of(dataset).items()
        if name != TORCHVISION
    }
    passes["--feed jpeg"] = many.ours(dataset, indices, 2)
    for name in packs_of(dataset.root):
        pack = PackedDetection(dataset.root, dataset.split, name)
        passes[f"--feed {name}"] = many.ours(pack, indices, 4 if name.startswith("jpeg") else 16)
    try:
        found = loaders.measured(passes, many, rounds)
    finally:
        many.close()
    rows = []
    for name, (clock, processor) in found.items():
        ratios = [
            _spread([base / own for base, own in zip(of_base, of_own, strict=True)])
            for of_base, of_own in zip(found[ANCESTOR], (clock, processor), strict=True)
        ]
        rows.append(
            f"| {name} | {1000 / statistics.median(clock):,.0f} | {ratios[0]} | {statistics.median(processor):.3f} | {ratios[1]} |"
        )
    return [
        (
            f"Whole loaders, batches of {loaders.BATCH}, {workers} workers (threads for packs, processes else), {len(indices)} images; "
            f"processor time is that of all processes; load average {os.getloadavg()[0]:.1f} at the end"
        ), "",
        "| loader | images/s | × the ancestor-like, by the clock | processor ms an image | × the ancestor-like, by it |",
        "|---|---:|---:|---:|---:|", *rows,
    ]  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def report(dataset: CocoDetection, indices: Sequence[int], spent: dict[str, list[float]], rounds: int) -> str:
    base = spent[ANCESTOR]
    rows = []
    for name, each in spent.items():
        ratios = [other / own for other, own in zip(base, each, strict=True)]
        rows.append(
            f"| {name} | {1000 / statistics.median(each):,.0f} | {statistics.median(each):.3f} ({min(each):.3f}–{max(each):.3f}) "
            f"| {_spread(ratios)} |"
        )
    rate = memcpy_rate(rounds)
    packs = []
    for name in packs_of(dataset.root):
        pack = PackedDetection(dataset.root, dataset.split, name).pack
        size = pack.record.bytes / len(pack)
        got = size / 1e6 / statistics.median(spent[f"gather alone, {name}"])
        packs.append(
            f"| {name} | {size:,.0f} | {got:.1f}, {got / rate:.0%} of memcpy | {fidelity(dataset, name, indices)} |"
        )
    return "\n".join([
        f"## Feeding, {today()}", "",
        (f"{device()}, {os.cpu_count()} cores; {len(indices)} images of {dataset.root.name} {dataset.split} → {SPEC}; median of {rounds} rounds (least–most); "
        f"load average {os.getloadavg()[0]:.1f} at the end; memcpy {rate:.1f} GB/s a core"), "",
        "| way | images/s a core | processor ms an image | × the ancestor-like |", "|---|---:|---:|---:|", *rows, "",
        "| pack | bytes an image | gather, GB/s | PSNR against the image file at the net's size |", "|---|---:|---:|---:|", *packs,
    ])  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feeding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--datasets", default="coco-data", metavar="ROOT", help="data root with packs (%(default)s)"
    )
    parser.add_argument(
        "--images", type=int, default=200, help="images to measure with, at most (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds; their median counts (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes or threads of the whole loaders (%(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="32 images, 3 rounds")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    images, rounds = (32, 3) if asked.quick else (asked.images, asked.rounds)
    try:
        dataset = CocoDetection(asked.datasets)
        ways = ways_of(dataset)
    except DatasetError as error:
        parser.exit(1, f"{error}\n")
    keep_freed_memory()  # as the trainer does; the rivals have it too
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

    def some(count: int) -> range:
        return range(0, len(dataset), max(1, len(dataset) // count))[:count]

    indices = some(images)
    text = report(dataset, indices, measured(ways, indices, rounds), rounds)
    text += "\n\n" + "\n".join(with_all_cores(dataset, some(2 * images), rounds, asked.workers))
    print(text)
    if not asked.no_file:
        publish("feeding", "python -m benchmarks.feeding" + (" --quick" if asked.quick else ""), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
