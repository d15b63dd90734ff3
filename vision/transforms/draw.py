"""The random steps. Each is a pure function (views, boxes, random numbers) → views; no pixel is touched here.

A step takes a fixed count of uniform numbers in [0, 1) an image, so that what one image needs never shifts what another
step draws. The images of a batch are drawn together, and each gets the view that it would get alone, to the bit: an epoch
may be resumed with another batch. Powers, sines and cosines are taken one number at a time: NumPy's own of an array may
differ from those of a number by the last bit.

Legend: N images, B boxes of objects of all of them (no crowd regions), W windows an image and M in all at a time, P pairs of a window and a box.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from vision.core.sample import ragged_rows
from vision.transforms import colour
from vision.transforms.geometry import Views


class Step(Protocol):
    """A named step that takes ``numbers`` uniform numbers an image."""

    name: ClassVar[str]

    @property
    def numbers(self) -> int: ...

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        """What ``views`` become.

        :param boxes_xyxy_px: (B, 4) float32 in px of the stored images, those of an image behind one another
        :param first_box: (N + 1,) int64: where those of each image begin
        :param uniform: (N, numbers) float64
        """
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

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        happens, amount = uniform[:, :4] < self.probability, (2 * uniform[:, 4:8] - 1).T
        changes = (
            colour.brightness(self.brightness * amount[0]),
            colour.contrast(1 + self.contrast * amount[1]),
            colour.saturation(1 + self.saturation * amount[2]),
            colour.hue(self.hue * amount[3]),
        )
        drawn = [
            np.where(does[:, None, None], change, np.eye(4))
            for change, does in zip(changes, happens.T, strict=True)
        ]
        return replace(views, coloured=np.asarray(happens.any(axis=1)), colour=colour.combined(*drawn))


@dataclass(frozen=True, slots=True)
class ZoomOut:
    """The image on a canvas up to ``largest`` times as wide and high (Liu et al. 2016 §3.6: makes small objects)."""

    probability: float = 0.5
    largest: float = 4.0
    name: ClassVar[str] = "zoom-out"
    numbers: ClassVar[int] = 4

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        happens = uniform[:, 0] < self.probability
        ratio = 1 + (self.largest - 1) * uniform[:, 1:2]
        sides = views.sides * ratio
        origins = views.origins - (sides - views.sides) * uniform[:, 2:4]
        windows = np.concatenate([origins, origins + sides], axis=1)
        return replace(views, windows_xyxy_px=np.where(happens[:, None], windows, views.windows_xyxy_px))


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

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        """Windows of all images in the order in which one alone would try them: a few first, which is enough for half of them."""
        kinds = len(self.RULES)
        order = np.argsort(uniform[:, :kinds], axis=1, kind="stable")  # (N, kinds)
        tries = uniform[:, kinds:].reshape(len(views), kinds, self.tries, 4)
        most = (order == self.RULES.index(None)).argmax(axis=1) * self.tries  # (N,) windows before the whole
        windows, centred = views.windows_xyxy_px.copy(), views.centred_only.copy()
        largest = _largest(boxes_xyxy_px, first_box) / views.sides.prod(axis=1)
        waiting, begin, count = np.flatnonzero(most), 0, FIRST_TRIES
        while len(waiting):
            which = np.arange(begin, min(begin + count, int(most[waiting].max())))  # (W,)
            rules = order[waiting][:, which // self.tries]  # (n, W)
            scale = self._scale(tries[waiting[:, None], rules, which % self.tries, 0])
            # no window can have a larger IoU than the largest object and itself have, as parts of the whole
            possible = _IOU[rules] * scale**2 <= largest[waiting, None]
            rows, columns = np.nonzero(possible & (which < most[waiting, None]))  # (M,) rising
            images, rules = waiting[rows], rules[rows, columns]
            numbers = tries[images, rules, which[columns] % self.tries]
            found = self._windows(views.origins[images], views.sides[images], numbers)
            met = np.flatnonzero(_meets(_IOU[rules], found, boxes_xyxy_px, first_box, images))
            met = met[np.diff(images[met], prepend=-1) > 0]  # the first one of each image
            windows[images[met]], centred[images[met]] = found[met], True
            begin, boxes = begin + len(which), int((first_box[waiting + 1] - first_box[waiting]).sum())
            count = max(FIRST_TRIES, min(12 * count, MOST_PAIRS // max(1, boxes)))
            done = np.zeros(len(views), bool)
            done[images[met]] = True
            waiting = waiting[~done[waiting] & (most[waiting] > begin)]
        return replace(views, windows_xyxy_px=windows, centred_only=centred)

    def _scale(self, uniform: np.ndarray) -> np.ndarray:
        return self.smallest + (1 - self.smallest) * uniform

    def _windows(self, origins: np.ndarray, whole: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """(M, 4) uniform → (M, 4) windows in px of the stored image, inside that of ``origins`` and of sides ``whole`` (M, 2)."""
        scale = self._scale(uniform[:, 0])
        lowest, highest = np.maximum(0.5, scale**2), np.minimum(2.0, scale**-2)
        aspect = lowest + (highest - lowest) * uniform[:, 1]  # within these bounds no side is above 1
        root = np.sqrt(aspect)
        sides = np.minimum(np.stack([scale * root, scale / root], axis=1), 1.0)
        low = origins + (1 - sides) * uniform[:, 2:] * whole
        return np.concatenate([low, low + sides * whole], axis=1)


FIRST_TRIES = 6
"""Windows of each image that are looked at first; then all that are left, as far as memory allows."""
MOST_PAIRS = 1 << 17
"""Of a window and a box, looked at together (1 MB of each number), but for ``FIRST_TRIES`` of each image."""
ROUNDED = 1 + 1e-6
"""What rounding may add to a share."""
_IOU = np.array([np.nan if rule is None else rule for rule in IouCrop.RULES])


def _largest(boxes_xyxy_px: np.ndarray, first_box: np.ndarray) -> np.ndarray:
    """(N,) float64 px², rounded up: the largest object of each image; infinite without any."""
    largest, having = np.full(len(first_box) - 1, np.inf), np.flatnonzero(np.diff(first_box))
    if len(having):
        sides = np.maximum(boxes_xyxy_px[:, 2:].astype(np.float64) - boxes_xyxy_px[:, :2], 0)
        largest[having] = ROUNDED * np.maximum.reduceat(sides[:, 0] * sides[:, 1], first_box[having])
    return largest


def _meets(
    rules: np.ndarray,
    windows_xyxy_px: np.ndarray,
    boxes_xyxy_px: np.ndarray,
    first_box: np.ndarray,
    images: np.ndarray,
) -> np.ndarray:
    """(M,) bool: whether a window meets its rule. An image without objects has nothing to lose: every window will do.

    :param rules: (M,) least IoU with some object       :param windows_xyxy_px: (M, 4) float64
    :param images: (M,) whose windows they are
    """
    good, (rows, counts) = np.ones(len(images), bool), ragged_rows(first_box, images)
    if not len(rows):
        return good
    having, counts = np.flatnonzero(counts), counts[counts > 0]
    boxes = boxes_xyxy_px.T[:, rows]  # (4, P)
    windows = np.repeat(windows_xyxy_px.T[:, having], counts, axis=1)  # (4, P)
    centres = (boxes[:2] + boxes[2:]) / 2
    inside = ((centres > windows[:2]) & (centres < windows[2:])).all(axis=0)
    starts = np.cumsum(counts) - counts
    good[having] = np.logical_or.reduceat(inside, starts)
    good[having] &= np.maximum.reduceat(_iou(boxes.astype(np.float64), windows), starts) >= rules[having]
    return good


def _iou(boxes_xyxy_px: np.ndarray, windows_xyxy_px: np.ndarray) -> np.ndarray:
    """(4, P) float64 each → (P,) intersection over union; 0 where a box is empty."""
    low, high = (np.stack([boxes_xyxy_px[half], windows_xyxy_px[half]]) for half in (slice(2), slice(2, 4)))
    sides = np.maximum(high.min(axis=0) - low.max(axis=0), 0)
    shared = sides[0] * sides[1]
    each = np.maximum(high - low, 0)
    areas = each[:, 0] * each[:, 1]
    return shared / np.maximum(areas[0] + areas[1] - shared, np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Shift:
    """A window of about the whole, somewhere near: sides of ``smallest`` to ``largest``, stretched by ``stretch``."""

    smallest: float = 0.8
    largest: float = 1.1
    stretch: float = 0.1
    name: ClassVar[str] = "shift"
    numbers: ClassVar[int] = 4

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        scale = self.smallest + (self.largest - self.smallest) * uniform[:, 0]
        aspects = [(1 + self.stretch) ** (2 * each - 1) for each in uniform[:, 1].tolist()]
        root = np.array([aspect**0.5 for aspect in aspects])
        sides = views.sides * scale[:, None]
        sides = np.stack([sides[:, 0] * root, sides[:, 1] / root], axis=1)
        origins = views.origins + (views.sides - sides) * uniform[:, 2:4]
        windows = np.concatenate([origins, origins + sides], axis=1)
        return replace(views, windows_xyxy_px=windows, centred_only=np.ones(len(views), bool))


@dataclass(frozen=True, slots=True)
class Flip:
    """Left and right are swapped with ``probability``."""

    probability: float = 0.5
    name: ClassVar[str] = "flip"
    numbers: ClassVar[int] = 1

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        return replace(views, mirrored=views.mirrored ^ (uniform[:, 0] < self.probability))


@dataclass(frozen=True, slots=True)
class Resize:
    """To the network's size; nothing is drawn."""

    height: int
    width: int
    name: ClassVar[str] = "resize"
    numbers: ClassVar[int] = 0

    def draw(
        self, views: Views, boxes_xyxy_px: np.ndarray, first_box: np.ndarray, uniform: np.ndarray
    ) -> Views:
        return replace(views, size_hw=(self.height, self.width))
