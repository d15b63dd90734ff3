"""The random steps of one image, a number at a time: how they were written before images of a batch were drawn together.

What a run has drawn before it stopped was drawn like this, so that this never changes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vision.transforms.colour import _RGB_TO_YIQ, _YIQ_TO_RGB, LUMA
from vision.transforms.geometry import View, whole

RULES = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
TRIES = 50


def numbers_of(seed: int, epoch: int, index: int, count: int) -> np.ndarray:
    stream = np.random.Philox(key=[seed, 0x6175676D656E74], counter=[0, 0, epoch, index])
    return (stream.random_raw(count) >> np.uint64(11)) * 2.0**-53


def ssd(height: int, width: int, boxes: np.ndarray, seed: int, epoch: int, index: int) -> list[View]:
    """The view after colour, zoom-out, crop and flip; ``boxes`` (G, 4) of objects, no crowds."""
    numbers = numbers_of(seed, epoch, index, 1420)
    views = [coloured(whole(height, width), numbers[:8], (32.0, 0.5, 0.5, 18.0))]
    views.append(zoomed_out(views[-1], numbers[8:12]))
    views.append(cropped(views[-1], boxes, numbers[12:1419]))
    return [*views, flipped(views[-1], numbers[1419])]


def light(height: int, width: int, seed: int, epoch: int, index: int) -> list[View]:
    numbers = numbers_of(seed, epoch, index, 13)
    views = [coloured(whole(height, width), numbers[:8], (16.0, 0.2, 0.2, 0.0))]
    views.append(shifted(views[-1], numbers[8:12]))
    return [*views, flipped(views[-1], numbers[12])]


def coloured(view: View, uniform: np.ndarray, most: tuple[float, float, float, float]) -> View:
    happens, amount = uniform[:4] < 0.5, 2 * uniform[4:8] - 1
    shift, contrast, saturation, hue = np.eye(4), np.eye(4), np.eye(4), np.eye(4)
    shift[:3, 3] = most[0] * amount[0]
    contrast[[0, 1, 2], [0, 1, 2]] = 1 + most[1] * amount[1]
    factor = 1 + most[2] * amount[2]
    saturation[:3, :3] = factor * np.eye(3) + (1 - factor) * LUMA
    angle = math.radians(most[3] * amount[3])
    turn = np.array(
        [[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]]
    )
    hue[:3, :3] = _YIQ_TO_RGB @ turn @ _RGB_TO_YIQ
    product = np.eye(4)
    for change, does in zip((shift, contrast, saturation, hue), happens, strict=True):
        product = change @ product if does else product
    return replace(view, colour=product[:3].astype(np.float32)) if happens.any() else view


def zoomed_out(view: View, uniform: np.ndarray) -> View:
    if uniform[0] >= 0.5:
        return view
    ratio = 1 + (4.0 - 1) * uniform[1]
    width, height = view.width * ratio, view.height * ratio
    left = view.window_xyxy_px[0] - (width - view.width) * uniform[2]
    top = view.window_xyxy_px[1] - (height - view.height) * uniform[3]
    return _with(view, left, top, width, height)


def cropped(view: View, boxes: np.ndarray, uniform: np.ndarray) -> View:
    tries = uniform[7:].reshape(7, TRIES, 4)
    for kind in np.argsort(uniform[:7], kind="stable").tolist():
        rule = RULES[kind]
        if rule is None:
            break
        windows = _windows(view, tries[kind])
        good = np.flatnonzero(_meets(rule, windows, boxes))
        if len(good):
            x1, y1, x2, y2 = windows[good[0]].tolist()
            return replace(view, window_xyxy_px=(x1, y1, x2, y2), centred_only=True)
    return view


def _windows(view: View, uniform: np.ndarray) -> np.ndarray:
    scale = 0.3 + (1 - 0.3) * uniform[:, 0]
    lowest, highest = np.maximum(0.5, scale**2), np.minimum(2.0, scale**-2)
    aspect = lowest + (highest - lowest) * uniform[:, 1]
    sides = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], axis=1).clip(max=1.0)
    size, origin = np.array([view.width, view.height]), np.array(view.window_xyxy_px[:2])
    low = origin + (1 - sides) * uniform[:, 2:] * size
    return np.concatenate([low, low + sides * size], axis=1)


def _meets(rule: float, windows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    if not len(boxes):
        return np.ones(len(windows), bool)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres > windows[:, None, :2]) & (centres < windows[:, None, 2:])).all(axis=-1).any(axis=1)
    return inside & (_pairwise_iou(boxes[None].astype(np.float64), windows[:, None]).max(axis=1) >= rule)


def _pairwise_iou(boxes: np.ndarray, windows: np.ndarray) -> np.ndarray:
    sides = np.minimum(boxes[..., 2:], windows[..., 2:]) - np.maximum(boxes[..., :2], windows[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(xyxy[..., 2:] - xyxy[..., :2]).clip(0).prod(axis=-1) for xyxy in (boxes, windows)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=(shared > 0) & (union > 0))


def shifted(view: View, uniform: np.ndarray) -> View:
    scale = 0.8 + (1.1 - 0.8) * uniform[0]
    aspect = (1 + 0.1) ** (2 * uniform[1] - 1)
    width, height = view.width * scale * aspect**0.5, view.height * scale / aspect**0.5
    left = view.window_xyxy_px[0] + (view.width - width) * uniform[2]
    top = view.window_xyxy_px[1] + (view.height - height) * uniform[3]
    return replace(_with(view, left, top, width, height), centred_only=True)


def flipped(view: View, number: float) -> View:
    return replace(view, mirrored=not view.mirrored) if number < 0.5 else view


def _with(view: View, left: float, top: float, width: float, height: float) -> View:
    window = (float(left), float(top), float(left + width), float(top + height))
    return replace(view, window_xyxy_px=window)
