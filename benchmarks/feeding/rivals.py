"""Others' loaders, written as their authors write them: numpy as in pytorch-ssd, torchvision's v2, albumentations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.augmentation import SPEC, albumentations_recipe
from vision.datasets.coco import CocoDetection

PRIORS = 3000
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


def ancestor(dataset: CocoDetection) -> Way:
    """Float image, distortion in HSV, canvas, sampled crop, flip, resize, normalised; priors matched."""
    rng, match = np.random.default_rng(0), Matching()

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
        pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))
        return pixels, *match(torch.from_numpy(boxes.astype(np.float32)), torch.from_numpy(labels))

    return way


class Matching:
    """Which object each of 3,000 priors learns, a sample at a time in torch: IoU 0.5, the best prior of each object forced; then the offsets."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        centres, sides = (torch.rand(PRIORS, 2, generator=generator) for _ in range(2))
        self.centres, self.sides = centres, 0.02 + 0.5 * sides
        self.corners = torch.cat([centres - self.sides / 2, centres + self.sides / 2], dim=1)

    def __call__(self, boxes: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(G, 4) fractions and (G,) → (P, 4) offsets and (P,) labels."""
        if not len(boxes):
            return torch.zeros(PRIORS, 4), torch.zeros(PRIORS, dtype=torch.int64)
        low = torch.max(self.corners[:, None, :2], boxes[None, :, :2])
        high = torch.min(self.corners[:, None, 2:], boxes[None, :, 2:])
        shared = (high - low).clamp(min=0).prod(dim=2)  # (P, G)
        areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1) for each in (self.corners, boxes)]
        iou = shared / (areas[0][:, None] + areas[1][None] - shared + 1e-5)
        best, which = iou.max(dim=1)
        _, prior = iou.max(dim=0)
        for number, index in enumerate(prior):
            which[index] = number
        best.index_fill_(0, prior, 2.0)
        learned = labels[which]
        learned[best < 0.5] = 0
        own = boxes[which]
        centres, sides = (own[:, :2] + own[:, 2:]) / 2, (own[:, 2:] - own[:, :2]).clamp(min=1e-6)
        offsets = torch.cat(
            [(centres - self.centres) / self.sides / 0.1, torch.log(sides / self.sides) / 0.2], 1
        )
        return offsets, learned


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
    """``Compose`` built once; matching is the loss's."""
    compose = albumentations_recipe()
    return lambda index, epoch: _through(compose, dataset, index)


def albumentations_each(dataset: CocoDetection) -> Way:
    """As the ancestor's successor has it: ``Compose`` built for each sample, and priors matched in the worker."""
    match = Matching()

    def way(index: int, epoch: int) -> object:
        pixels, boxes, labels = _through(albumentations_recipe(), dataset, index)
        return pixels, *match(boxes / SPEC.width, labels)

    return way


def _through(
    compose: Any, dataset: CocoDetection, index: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes, labels = _objects(dataset, index)
    done = compose(image=_imread(dataset, index), bboxes=boxes, labels=labels)
    pixels = (done["image"].astype(np.float32) - 127.0) / 128.0
    made = np.asarray(done["bboxes"], np.float32).reshape(-1, 4), np.asarray(done["labels"], np.int64)
    return torch.from_numpy(pixels.transpose(2, 0, 1)), torch.from_numpy(made[0]), torch.from_numpy(made[1])


def stacked(samples: list[Any]) -> object:
    """A batch of images, and the targets of each."""
    images = torch.stack([torch.as_tensor(sample[0]) for sample in samples])
    return images, [sample[1:] for sample in samples]
