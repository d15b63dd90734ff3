"""Training samples a second by each way to the pixels: others' loaders, our image files, our packs, the bare gather.

    python -m pipeline.pack --root coco-data --format yuv420   # and any other packs that are to be measured
    python -m benchmarks.feeding --datasets coco-data          # a table, also in benchmarks/results/; --quick for a first look

One core, by processor time, one way after the other in each round, so that whatever else the machine does falls on all of
them. The rivals are written here as their authors write them: the ancestor's numpy pipeline with float distortion and priors matched a
sample (pytorch-ssd), torchvision.transforms.v2 with the recipe of its SSD reference, albumentations with ``Compose`` built once.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
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

from benchmarks.augmentation import SPEC, albumentations_recipe
from benchmarks.results import device, publish, today
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import Dataset, DatasetError
from vision.datasets.packed.choice import packs_of
from vision.datasets.packed.detection import PackedDetection
from vision.images.packs.pixels import reduced
from vision.transforms import presets

PRIORS = 3000
ANCESTOR = "ancestor-like: numpy, float distortion, priors matched a sample"
BATCH = 32
Way = Callable[[int, int], object]
"""Makes the sample of (index, epoch)."""


def _objects(dataset: CocoDetection, index: int) -> tuple[np.ndarray, np.ndarray]:
    boxes, labels = dataset.columns("boxes_xyxy_px", "labels")
    own = dataset.boxes_of(index)
    return np.array(boxes[own]), np.array(labels[own])


def _imread(dataset: CocoDetection, index: int) -> np.ndarray:
    image = cv2.imread(str(dataset.path(index)))
    assert image is not None, dataset.describe(index)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


# ---------------------------------------------------------------- rivals


def ancestor(dataset: CocoDetection) -> Way:
    """Float image, distortion in HSV, canvas, sampled crop, flip, resize, normalised; IoU of every prior with every box."""
    rng = np.random.default_rng(0)
    centres, sides = rng.random((PRIORS, 2), np.float32), rng.random((PRIORS, 2), np.float32) * 0.5
    priors = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)

    def way(index: int, epoch: int) -> object:
        boxes, labels = _objects(dataset, index)
        image = _distorted(_imread(dataset, index).astype(np.float32), rng)
        if rng.random() < 0.5:
            image, boxes = _expanded(image, boxes, rng)
        image, boxes, labels = _cropped(image, boxes, labels, rng)
        if rng.random() < 0.5:
            image = image[:, ::-1]
            boxes = np.stack(
                [image.shape[1] - boxes[:, 2], boxes[:, 1], image.shape[1] - boxes[:, 0], boxes[:, 3]], 1
            )
        boxes = boxes / np.array([image.shape[1], image.shape[0]] * 2)
        image = (cv2.resize(image, (SPEC.width, SPEC.height)) - 127.0) / 128.0
        return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)), _iou(priors, boxes).argmax(
            axis=1
        )

    return way


def _distorted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        image = image + rng.uniform(-32, 32)
    if rng.random() < 0.5:
        image = image * rng.uniform(0.5, 1.5)
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    if rng.random() < 0.5:
        hsv[..., 1] = hsv[..., 1] * rng.uniform(0.5, 1.5)
    if rng.random() < 0.5:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-18, 18)) % 360
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _expanded(
    image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    ratio = rng.uniform(1, 4)
    left, top = int(rng.uniform(0, width * ratio - width)), int(rng.uniform(0, height * ratio - height))
    canvas = np.zeros((int(height * ratio), int(width * ratio), 3), image.dtype)
    canvas[...] = 127.0
    canvas[top : top + height, left : left + width] = image
    return canvas, boxes + np.array([left, top, left, top], boxes.dtype)


def _cropped(
    image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    while len(boxes):
        rule = (None, 0.1, 0.3, 0.7, 0.9, 0.0)[rng.integers(6)]
        if rule is None:
            break
        for _ in range(50):
            w, h = rng.uniform(0.3 * width, width), rng.uniform(0.3 * height, height)
            if not 0.5 <= h / w <= 2:
                continue
            left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
            window = np.array([int(left), int(top), int(left + w), int(top + h)])
            if _iou(boxes, window[None]).max() < rule:
                continue
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            inside = ((centres > window[:2]) & (centres < window[2:])).all(axis=1)
            if inside.any():
                kept = boxes[inside].clip([*window[:2]] * 2, [*window[2:]] * 2) - np.array([*window[:2]] * 2)
                return image[window[1] : window[3], window[0] : window[2]], kept, labels[inside]
    return image, boxes, labels


def _iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.zeros((len(boxes), 1))
    sides = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(
        boxes[:, None, :2], others[None, :, :2]
    )
    shared = sides.clip(0).prod(axis=2)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared + 1e-5))


def torchvision_recipe(dataset: CocoDetection) -> Way:
    """``references/detection/presets.py``, data augmentation "ssd", and the resize of the net."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    steps = v2.Compose([
        v2.RandomPhotometricDistort(), v2.RandomZoomOut(fill={tv_tensors.Image: (123, 117, 104), "others": 0}), v2.RandomIoUCrop(),
        v2.RandomHorizontalFlip(p=0.5), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
        v2.Resize((SPEC.height, SPEC.width), antialias=True), v2.SanitizeBoundingBoxes(),
    ])  # fmt: skip

    def way(index: int, epoch: int) -> object:
        boxes, labels = _objects(dataset, index)
        image = tv_tensors.Image(torch.from_numpy(_imread(dataset, index)).permute(2, 0, 1))
        given = tv_tensors.BoundingBoxes(torch.from_numpy(boxes), format="XYXY", canvas_size=image.shape[1:])
        return steps(image, {"boxes": given, "labels": torch.from_numpy(labels)})

    return way


def albumentations_once(dataset: CocoDetection) -> Way:
    compose = albumentations_recipe()

    def way(index: int, epoch: int) -> object:
        boxes, labels = _objects(dataset, index)
        return compose(image=_imread(dataset, index), bboxes=boxes, labels=labels)

    return way


# ---------------------------------------------------------------- ours


def ours(dataset: Dataset) -> Way:
    shown = presets.build("ssd", SPEC, 0)
    return lambda index, epoch: shown(dataset.load(index), epoch, index)


def gather(pack: PackedDetection) -> Way:
    """Records into a buffer that is used again, as for geometry on a device; jpegs too, as they are."""
    longest = int(np.diff(pack.pack.first_byte).max())
    ring = np.empty((BATCH, longest), np.uint8)

    def way(index: int, epoch: int) -> object:
        record = pack.pack.bytes_of(index)
        np.copyto(ring[index % BATCH, : len(record)], record)
        return ring

    return way


def ways_of(dataset: CocoDetection) -> dict[str, Way]:
    ways: dict[str, Way] = {
        ANCESTOR: ancestor(dataset), "torchvision v2, its SSD recipe": torchvision_recipe(dataset),
        "albumentations, Compose built once": albumentations_once(dataset), "--feed jpeg": ours(dataset),
    }  # fmt: skip
    for name in packs_of(dataset.root):
        pack = PackedDetection(dataset.root, dataset.split, name)
        ways[f"--feed {name}"] = ours(pack)
        ways[f"gather alone, {name}"] = gather(pack)
    return ways


def measured(ways: dict[str, Way], indices: Sequence[int], rounds: int) -> dict[str, list[float]]:
    """Processor milliseconds a sample of each round; the first, which warms up, does not count."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            for index in indices:
                way(index, epoch)
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


def report(dataset: CocoDetection, indices: Sequence[int], spent: dict[str, list[float]], rounds: int) -> str:
    base = spent[ANCESTOR]
    rows = []
    for name, each in spent.items():
        ratios = [other / own for other, own in zip(base, each, strict=True)]
        rows.append(
            f"| {name} | {1000 / statistics.median(each):,.0f} | {statistics.median(each):.3f} ({min(each):.3f}–{max(each):.3f}) "
            f"| {statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f}) |"
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
        prog="python -m benchmarks.feeding", description="Training samples a second."
    )
    parser.add_argument(
        "--datasets", default="coco-data", metavar="ROOT", help="data root with packs (%(default)s)"
    )
    parser.add_argument("--images", type=int, default=200, help="at most (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="24 images, 3 rounds")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    images, rounds = (24, 3) if asked.quick else (asked.images, asked.rounds)
    try:
        dataset = CocoDetection(asked.datasets)
        ways = ways_of(dataset)
    except DatasetError as error:
        parser.exit(1, f"{error}\n")
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    indices = range(0, len(dataset), max(1, len(dataset) // images))[:images]
    text = report(dataset, indices, measured(ways, indices, rounds), rounds)
    print(text)
    if not asked.no_file:
        publish("feeding", "python -m benchmarks.feeding" + (" --quick" if asked.quick else ""), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
