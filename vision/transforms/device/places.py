"""What the device has to know of an image: which record, which window of it, which colours. Drawn as for the image files; no pixel.

A row of whole numbers an image, so that what follows from it is exact on every device. Legend: S × S px of a record, H × W of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vision.datasets.loading import TransformedDataset, columns
from vision.datasets.packed.detection import YUV_TO_RGB, PackFile
from vision.datasets.sampling import SampleKey
from vision.transforms.augment import shown_objects
from vision.transforms.geometry import Views, covered
from vision.transforms.presets import SMALLEST_SIDE_PX

RECORD = 0
AXES, X, Y = slice(1, 5), slice(1, 3), slice(3, 5)
"""Where the first result pixel begins along an axis and how far it is to the next, in px / 2²⁴ of the record; negative where mirrored."""
SEEN, LEFT, TOP, RIGHT, BOTTOM = slice(5, 9), 5, 6, 7, 8
"""Result px where the image is seen."""
COLOUR = slice(9, 21)
"""(3, 4), in 1 / 4096: what is stored → RGB in 0..255. Below 4096 in sum, as float32 has to hold it: SSD's colours reach 2,600."""
FIELDS = 21
PX_BITS, COLOUR_BITS = 24, 12


class PlacedDataset(TransformedDataset):
    """Samples of packs of one format, whose batches have places (N, FIELDS) int64 for their images; a single sample has its image, by the CPU."""

    has_images = False

    def batch(self, keys: Sequence[SampleKey], note: Callable[[SampleKey], None]) -> tuple[np.ndarray, ...]:
        """What a ``Batch`` holds. Nothing is read of an image. Raises SampleError."""
        augmentation: Any = self.transform
        indices = [key.index for key in keys]
        with self.searched(keys):
            objects = self.dataset.objects(indices)
            drawn = augmentation.views(objects, [key.epoch for key in keys], [*map(self.drawn_from, keys)])
        smallest_px = SMALLEST_SIDE_PX if len(drawn) > 1 else 0.0
        record = packs_in(self.dataset)[0].record
        rows = places(drawn[-1], objects.frames_hw, np.array(indices), record.format, record.size)
        return columns(rows, shown_objects(objects, drawn[-1], smallest_px))


def packs_in(data: Any) -> list[PackFile]:
    """Of each part of a set of packed images."""
    return [part.pack for part in data.parts]


def places(
    views: Views, frames_hw: np.ndarray, records: np.ndarray, pack_format: str, size: int
) -> np.ndarray:
    """(N, FIELDS) int64 of N images as ``views`` show them, out of ``records`` (N,) that show all of ``frames_hw`` (N, 2)."""
    count, (height, width) = len(views), views.result_hw
    px = size / frames_hw[:, ::-1]  # (N, 2): of the record, one px of the frame along x and y
    low, sides = views.origins * px, views.sides * px
    step = sides / [width, height]
    starts = [np.where(views.mirrored, low[:, 0] + sides[:, 0], low[:, 0]), low[:, 1]]
    steps = [np.where(views.mirrored, -step[:, 0], step[:, 0]), step[:, 1]]
    axes = np.stack([starts[0], steps[0], starts[1], steps[1]], axis=1)
    colour = views.colour.astype(np.float64)
    if pack_format == "yuv420":
        colour = colour @ YUV_TO_RGB
    rows = np.empty((count, FIELDS), np.int64)
    rows[:, RECORD], rows[:, SEEN] = records, covered(frames_hw, views)
    rows[:, AXES] = np.rint(axes * 2.0**PX_BITS)
    rows[:, COLOUR] = np.rint(colour * 2.0**COLOUR_BITS).reshape(count, 12)
    return rows
