"""Others' loaders, written as their authors write them: numpy as in pytorch-ssd, torchvision's v2, albumentations."""

from __future__ import annotations

from collections.abc import Callable

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
