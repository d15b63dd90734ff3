"""The random steps. Each is a pure function (view, boxes, random numbers) → view; no pixel is touched here.

A step takes a fixed count of uniform numbers in [0, 1), so that what one image needs never shifts what another
step draws. Legend: G boxes of objects (no crowd regions), T tries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from vision.transforms import colour
from vision.transforms.geometry import View, centres_inside, pairwise_iou


class Step(Protocol):
    """A named step that takes ``numbers`` uniform numbers."""

    name: ClassVar[str]

    @property
    def numbers(self) -> int: ...

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        """``boxes_xyxy_px`` (G, 4) float32 in px of the stored image; ``uniform`` (numbers,) float64."""
        ...


@dataclass(frozen=True, slots=True)
class Colour:
    """Each of four changes with ``probability``; brightness first.

    The defaults are those of SSD's distortion (Liu et al. 2016, released recipe), but for the hue, which is ± 36° there
    (18 of OpenCV's units of 2°) and ± 18° here, as in torchvision and the ancestors. Its coin for contrast before or
    after saturation and hue is left out: here all three are linear, contrast scales, and the order changes nothing.

    * brightness: up to ± this in 0..255 units
    * contrast, saturation: factors in 1 ± this
    * hue: up to ± this in degrees
    """

    probability: float = 0.5
    brightness: float = 32.0
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 18.0
    name: ClassVar[str] = "colour"
    numbers: ClassVar[int] = 8

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        happens, amount = uniform[:4] < self.probability, 2 * uniform[4:8] - 1
        if not happens.any():
            return view
        changes = [
            colour.brightness(self.brightness * amount[0]),
            colour.contrast(1 + self.contrast * amount[1]),
            colour.saturation(1 + self.saturation * amount[2]),
            colour.hue(self.hue * amount[3]),
        ]
        drawn = [change for change, it_happens in zip(changes, happens, strict=True) if it_happens]
        return replace(view, colour=colour.combined(*drawn))


@dataclass(frozen=True, slots=True)
class ZoomOut:
    """The image on a canvas up to ``largest`` times as wide and high (Liu et al. 2016 §3.6: makes small objects)."""

    probability: float = 0.5
    largest: float = 4.0
    name: ClassVar[str] = "zoom-out"
    numbers: ClassVar[int] = 4

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        if uniform[0] >= self.probability:
            return view
        ratio = 1 + (self.largest - 1) * uniform[1]
        left, top, _, _ = view.window_xyxy_px
        width, height = view.width * ratio, view.height * ratio
        left -= (width - view.width) * uniform[2]
        top -= (height - view.height) * uniform[3]
        return replace(view, window_xyxy_px=_window(left, top, width, height))


@dataclass(frozen=True, slots=True)
class IouCrop:
    """SSD's crop (Liu et al. 2016 §2.2) as torchvision has it: a rule is drawn, then windows until one meets it.

    Rules: the whole; any window; or a window with IoU of at least 0.1, 0.3, 0.5, 0.7 or 0.9 with some object. A
    window has a scale s of ``smallest`` to 1, an aspect ratio of max(½, s²) to min(2, s⁻²) relative to the whole, so that no
    side is longer, and the centre of at least one object, which the release does not ask for (docs/augmentation.md). After
    ``tries`` windows in vain the next rule is drawn, so that the whole is the last resort. Objects whose centre is
    outside are left out.
    """

    tries: int = 50
    smallest: float = 0.3
    name: ClassVar[str] = "crop"
    RULES: ClassVar[tuple[float | None, ...]] = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)

    @property
    def numbers(self) -> int:
        return len(self.RULES) * (1 + 4 * self.tries)

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        kinds = len(self.RULES)
        tries = uniform[kinds:].reshape(kinds, self.tries, 4)
        for kind in np.argsort(uniform[:kinds], kind="stable").tolist():
            rule = self.RULES[kind]
            if rule is None:
                break
            windows = self._windows(view, tries[kind])
            good = np.flatnonzero(_meets(rule, windows, boxes_xyxy_px))
            if len(good):
                x1, y1, x2, y2 = windows[good[0]].tolist()
                return replace(view, window_xyxy_px=(x1, y1, x2, y2), centred_only=True)
        return view

    def _windows(self, view: View, uniform: np.ndarray) -> np.ndarray:
        """(T, 4) uniform → (T, 4) windows in px of the stored image, inside the view's window."""
        scale = self.smallest + (1 - self.smallest) * uniform[:, 0]
        lowest, highest = np.maximum(0.5, scale**2), np.minimum(2.0, scale**-2)
        aspect = lowest + (highest - lowest) * uniform[:, 1]  # within these bounds no side is above 1
        sides = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], axis=1).clip(max=1.0)  # (T, 2)
        size, origin = np.array([view.width, view.height]), np.array(view.window_xyxy_px[:2])
        low = origin + (1 - sides) * uniform[:, 2:] * size
        return np.concatenate([low, low + sides * size], axis=1)


def _meets(rule: float, windows_xyxy_px: np.ndarray, boxes_xyxy_px: np.ndarray) -> np.ndarray:
    """(T,) bool. An image without objects has nothing to lose: every window will do."""
    if not len(boxes_xyxy_px):
        return np.ones(len(windows_xyxy_px), bool)
    some_object = centres_inside(boxes_xyxy_px, windows_xyxy_px).any(axis=1)
    return some_object & (pairwise_iou(boxes_xyxy_px, windows_xyxy_px).max(axis=1) >= rule)


@dataclass(frozen=True, slots=True)
class Shift:
    """A window of about the whole, somewhere near: sides of ``smallest`` to ``largest``, stretched by ``stretch``."""

    smallest: float = 0.8
    largest: float = 1.1
    stretch: float = 0.1
    name: ClassVar[str] = "shift"
    numbers: ClassVar[int] = 4

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        scale = self.smallest + (self.largest - self.smallest) * uniform[0]
        aspect = (1 + self.stretch) ** (2 * uniform[1] - 1)
        width, height = view.width * scale * aspect**0.5, view.height * scale / aspect**0.5
        left = view.window_xyxy_px[0] + (view.width - width) * uniform[2]
        top = view.window_xyxy_px[1] + (view.height - height) * uniform[3]
        return replace(view, window_xyxy_px=_window(left, top, width, height), centred_only=True)


@dataclass(frozen=True, slots=True)
class Flip:
    """Left and right are swapped with ``probability``."""

    probability: float = 0.5
    name: ClassVar[str] = "flip"
    numbers: ClassVar[int] = 1

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        return replace(view, mirrored=not view.mirrored) if uniform[0] < self.probability else view


@dataclass(frozen=True, slots=True)
class Resize:
    """To the network's size; nothing is drawn."""

    height: int
    width: int
    name: ClassVar[str] = "resize"
    numbers: ClassVar[int] = 0

    def draw(self, view: View, boxes_xyxy_px: np.ndarray, uniform: np.ndarray) -> View:
        return replace(view, size_hw=(self.height, self.width))


def _window(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    return float(left), float(top), float(left + width), float(top + height)
