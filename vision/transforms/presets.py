"""Augmentations by name: lists of named steps, drawn from (seed, epoch, index).

The numbers of an image do not depend on the order it came in, on the worker or on any generator's state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.core.sample import InputSpec, Objects, Sample, objects_of
from vision.datasets.contract import Drawn
from vision.transforms import augment
from vision.transforms.draw import Colour, Flip, IouCrop, Shift, Step, ZoomOut
from vision.transforms.draw import Resize as ResizeStep
from vision.transforms.geometry import View, Views, wholes
from vision.transforms.resize import RESIZES, Resize, resize_sample

_AUGMENT_STREAM = 0x6175676D656E74
"""The second word of the Philox key; the order of images has another."""

SMALLEST_SIDE_PX = 1.0
"""An object whose shown box has a shorter side, in px of the network's input, is no target after augmentation."""


def _none() -> list[Step]:
    return []


def _light() -> list[Step]:
    return [
        Colour(brightness=16.0, contrast=0.2, saturation=0.2, hue=0.0),
        Shift(smallest=0.8, largest=1.1, stretch=0.1),
        Flip(),
    ]


def _ssd() -> list[Step]:
    return [Colour(), ZoomOut(), IouCrop(), Flip()]


PRESETS: dict[str, Callable[[], list[Step]]] = {"ssd": _ssd, "light": _light, "none": _none}
"""By the name that a user types; resizing to the network's size is always the last step."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A list of steps for one network; a pure function of (sample, epoch, index). Picklable."""

    name: str
    steps: tuple[Step, ...]
    input_spec: InputSpec
    seed: int
    resize: Resize

    def __call__(self, sample: Sample, epoch: int, index: int) -> Sample:
        """The sample in the size of ``input_spec``, augmented. What its image shows, its boxes say.

        Objects may be left out: whose centre was cropped away (SSD's rule), or smaller than a pixel.
        """
        if len(self.steps) == 1:  # nothing random: the plain resize of evaluation and deployment
            return resize_sample(sample, (self.input_spec.height, self.input_spec.width), self.resize)
        return self._show(sample, self.views(objects_of([sample]), [epoch], [index])[-1][0])

    def views(self, objects: Objects, epochs: Sequence[int], indices: Sequence[int]) -> list[Views]:
        """What is shown of N images after each of ``steps``: of each what would be shown of it alone."""
        uniform = _uniform(self.seed, epochs, indices, sum(step.numbers for step in self.steps))
        targets = objects.only(~objects.is_crowd)
        views, drawn, first = wholes(objects.frames_hw), [], 0
        for step in self.steps:
            own = uniform[:, first : first + step.numbers]
            views = step.draw(views, targets.boxes_xyxy_px, targets.first_box, own)
            drawn.append(views)
            first += step.numbers
        return drawn

    def draw(self, objects: Objects, epochs: Sequence[int], indices: Sequence[int]) -> Drawn | None:
        """The samples (epoch, index) of N images, whose pixels come later: what calling would give of each, to the bit."""
        if len(self.steps) == 1:
            return None
        views = self.views(objects, epochs, indices)[-1]
        painter = augment.Painter(views, objects.frames_hw, round(self.input_spec.mean))
        return Drawn(augment.shown_objects(objects, views, SMALLEST_SIDE_PX), painter.paint)

    def trace(self, sample: Sample, epoch: int, index: int) -> list[tuple[str, Sample]]:
        """(step's name, sample after it), for panels; the last one is what calling gives."""
        views = self.views(objects_of([sample]), [epoch], [index])[:-1]
        shown = [
            (step.name, self._show(sample, view[0])) for step, view in zip(self.steps, views, strict=False)
        ]
        return [*shown, (self.steps[-1].name, self(sample, epoch, index))]

    def _show(self, sample: Sample, view: View) -> Sample:
        return augment.show(sample, view, fill=round(self.input_spec.mean), smallest_side_px=SMALLEST_SIDE_PX)


def build(name: str, input_spec: InputSpec, seed: int, resize: str = "bilinear") -> Augmentation:
    """The augmentation ``ssd``, ``light`` or ``none`` for a network.

    :param seed: 0 ≤ seed < 2**64; with epoch and index it decides everything
    :param resize: ``bilinear``, or ``detectnet`` to see what the device sees (with ``none`` only)
    :raises ValueError: an unknown name, or a resize that does not go with it
    """
    if name not in PRESETS:
        raise ValueError(f"augmentation {name!r}: there is {', '.join(PRESETS)}")
    if resize not in RESIZES:
        raise ValueError(f"resize {resize!r}: there is {', '.join(RESIZES)}")
    steps = PRESETS[name]()
    if steps and resize != "bilinear":
        raise ValueError(f"resize {resize!r} is for evaluation: it goes with 'none', not with {name!r}")
    last = ResizeStep(input_spec.height, input_spec.width)
    return Augmentation(name, (*steps, last), input_spec, seed, RESIZES[resize])


def _uniform(seed: int, epochs: Sequence[int], indices: Sequence[int], count: int) -> np.ndarray:
    """(N, count) float64 in [0, 1) from 53 bits each of Philox (Salmon et al. 2011), whose stream NumPy guarantees.

    Each row is a stream of its own, counted from its epoch and index. One generator is moved from row to row: making one
    takes longer than the numbers of an image.
    """
    stream = np.random.Philox(key=[seed, _AUGMENT_STREAM])
    start: Any = stream.state
    raw = np.empty((len(indices), count), np.uint64)
    for row, epoch, index in zip(raw, epochs, indices, strict=True):
        start["state"]["counter"][:] = (0, 0, epoch, index)
        stream.state = start
        row[:] = stream.random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53
