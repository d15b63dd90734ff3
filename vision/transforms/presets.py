"""Augmentations by name: lists of named steps, drawn from (seed, epoch, index).

The numbers of an image do not depend on the order it came in, on the worker or on any generator's state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vision.core.sample import InputSpec, Sample
from vision.transforms import augment
from vision.transforms.draw import Colour, Flip, IouCrop, Shift, Step, ZoomOut
from vision.transforms.draw import Resize as ResizeStep
from vision.transforms.geometry import View, whole
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
        return self._show(sample, self.views(sample, epoch, index)[-1])

    def views(self, sample: Sample, epoch: int, index: int) -> list[View]:
        """What is shown after each of ``steps``."""
        uniform = _uniform(self.seed, epoch, index, sum(step.numbers for step in self.steps))
        objects = sample.boxes_xyxy_px[~sample.is_crowd]
        view, views, first = whole(sample.height, sample.width), [], 0
        for step in self.steps:
            view = step.draw(view, objects, uniform[first : first + step.numbers])
            views.append(view)
            first += step.numbers
        return views

    def trace(self, sample: Sample, epoch: int, index: int) -> list[tuple[str, Sample]]:
        """(step's name, sample after it), for panels; the last one is what calling gives."""
        views = self.views(sample, epoch, index)[:-1]
        shown = [(step.name, self._show(sample, view)) for step, view in zip(self.steps, views, strict=False)]
        return [*shown, (self.steps[-1].name, self(sample, epoch, index))]

    def _show(self, sample: Sample, view: View) -> Sample:
        return augment.show(sample, view, fill=round(self.input_spec.mean), smallest_side_px=SMALLEST_SIDE_PX)


def build(name: str, input_spec: InputSpec, seed: int, resize: str = "bilinear") -> Augmentation:
    """The augmentation ``ssd``, ``light`` or ``none`` for a network.

    :param seed: 0 ≤ seed < 2**64; with epoch and index it decides everything
    :param resize: ``bilinear``, or ``detectnet`` to see what the device sees (with ``none`` only)
    :raises ValueError: an unknown name, or a resize that does not go with it
    :raises ImportError: ``ssd`` or ``light`` without albumentations
    """
    if name not in PRESETS:
        raise ValueError(f"augmentation {name!r}: there is {', '.join(PRESETS)}")
    if resize not in RESIZES:
        raise ValueError(f"resize {resize!r}: there is {', '.join(RESIZES)}")
    steps = PRESETS[name]()
    if steps and resize != "bilinear":
        raise ValueError(f"resize {resize!r} is for evaluation: it goes with 'none', not with {name!r}")
    if steps:
        augment.require()
    last = ResizeStep(input_spec.height, input_spec.width)
    return Augmentation(name, (*steps, last), input_spec, seed, RESIZES[resize])


def _uniform(seed: int, epoch: int, index: int, count: int) -> np.ndarray:
    """(count,) float64 in [0, 1) from 53 bits each of Philox (Salmon et al. 2011), whose stream NumPy guarantees."""
    stream = np.random.Philox(key=[seed, _AUGMENT_STREAM], counter=[0, 0, epoch, index])
    return (stream.random_raw(count) >> np.uint64(11)) * 2.0**-53
