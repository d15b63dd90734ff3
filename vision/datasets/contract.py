"""What every data set offers to the rooms below, and the errors of this room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from vision.core.sample import InputSpec, Objects, Sample
from vision.messages.advice import UserError


class DatasetError(UserError):
    """A data set cannot be opened; the message says what was expected where, and which command makes it."""


class SampleError(UserError):
    """One image cannot be loaded or transformed; the message names its file and image id."""


class Dataset(Protocol):
    """A list of images with boxes.

    * classes: names by label; ``classes[0] == "BACKGROUND"``
    * original_category_ids: by label, 0 for background
    * image_ids: by index
    * digest: sha256 (hex) over what defines the data set; the same digest means the same samples
    """

    @property
    def classes(self) -> list[str]: ...

    @property
    def original_category_ids(self) -> list[int]: ...

    @property
    def image_ids(self) -> list[int]: ...

    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...

    def load(self, index: int) -> Sample:
        """The image, decoded in the frame of its boxes. Raises SampleError."""
        ...

    def objects(self, indices: Sequence[int]) -> Objects:
        """All but the pixels of several images."""
        ...

    def pixels(self, index: int) -> np.ndarray:
        """The image of ``load`` alone. Raises SampleError."""
        ...

    def describe(self, index: int) -> str:
        """File and image id, for messages; never fails for 0 ≤ index < len."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is shown of N images.

    * objects: of what is shown
    * paint: (which of N, its pixels as a data set gives them, (h, w, 3) uint8): paints the image there
    """

    objects: Objects
    paint: Callable[[int, np.ndarray, np.ndarray], None]


class Transform(Protocol):
    """A pure function of (sample, epoch, index); the result has the size of ``input_spec``."""

    @property
    def input_spec(self) -> InputSpec: ...

    def __call__(self, sample: Sample, epoch: int, index: int) -> Sample: ...


@runtime_checkable
class BatchTransform(Transform, Protocol):
    """A transform that draws the samples of a batch together, before their pixels are there."""

    def draw(self, objects: Objects, epochs: Sequence[int], indices: Sequence[int]) -> Drawn | None:
        """What calling it gives of each image, to the bit; None where there is nothing to draw."""
        ...
