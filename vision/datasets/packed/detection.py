"""A data set whose images are those of a pack. The reader of a pack without torch is ``vision.images.packs.file``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.artefacts.data_layout import PACKS
from vision.artefacts.records import RecordError
from vision.core.sample import Sample
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError, SampleError
from vision.images.formats import BadImage
from vision.images.packs.file import PackFile as PackFile
from vision.images.packs.pixels import YUV_TO_RGB as YUV_TO_RGB
from vision.images.packs.pixels import planes, to_rgb
from vision.images.packs.record import PIXELS, list_digest, raw_shape
from vision.messages.advice import command, shown
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted

JPEG_FEED = "jpeg"
"""The word for the image files themselves."""
AS_STORED = ("rgb", "yuv420")
"""Formats whose samples hold the mapped record itself: transforms sample from it, and nothing is copied before."""
CHECKED = 16
"""Images of a pack whose CRC-32 is looked at when it is opened."""


class PackedDetection(CocoDetection):
    """The images of a split out of its pack ``name``; boxes, classes and digest are those of the image files.

    :raises DatasetError: where the pack is missing, damaged, or of other images than the arrays
    """

    def __init__(self, root: str | Path, split: str, name: str) -> None:
        super().__init__(root, split)
        folder = self.root / PACKS / f"{split}2017.{name}"
        try:
            self.pack = PackFile(folder)
            wrong = self.pack.damaged(range(0, len(self), max(1, len(self) // CHECKED)))
            if wrong is not None:
                raise ValueError(f"image {wrong} is not as it was packed")
        except FileNotFoundError as error:
            raise _unusable(folder, in_words(error), self.root, name) from None
        except (OSError, RecordError, ValueError, IndexError) as error:
            raise _unusable(folder, in_words(error), self.root, name, "--force") from None
        if self.pack.record.list_sha256 != list_digest(self._record):
            raise _unusable(folder, "it is of other images than the arrays", self.root, name)

    def load(self, index: int) -> Sample:
        """The packed image with the boxes of its frame. Raises SampleError for a record that does not decode."""
        return replace(self._sample(index, self.pixels(index)), frame_hw=self._frame(index))

    def pixels(self, index: int) -> np.ndarray:
        try:
            return self._packed(index)
        except (BadImage, ValueError) as error:
            again = command("python -m pipeline verify --deep", "--root", self.root)
            raise SampleError(
                f"{self.describe(index)}: its record in {self.pack.folder} is damaged: {in_words(error)}\n  fix: {again}"
            ) from None

    def _packed(self, index: int) -> np.ndarray:
        record = self.pack.record
        if record.format in AS_STORED:
            return self.pack.bytes_of(index).reshape(raw_shape(record.format, record.size))
        return self.pack.rgb(index)


def packed_parts(data: Any) -> list[PackedDetection]:
    """Of a data set or of several as one, those that are fed from packs."""
    return [part for part in data.parts if isinstance(part, PackedDetection)]


def require_whole(data: Any) -> None:
    """Raises DatasetError where a pack that ``data`` maps has been cut since it was opened. A look at sizes."""
    for part in packed_parts(data):
        if (lost := part.pack.lost_bytes()) > 0:
            name, why = (
                part.pack.folder.name.partition(".")[2],
                f"{PIXELS} has lost {counted(lost, 'byte')} since it was opened",
            )
            raise _unusable(part.pack.folder, why, part.root, name, "--force")


def stored_hw(image: np.ndarray) -> tuple[int, int]:
    """Height and width in px of a packed image: RGB, or planes Y, U and V of (3·S/2, S)."""
    return (image.shape[0], image.shape[1]) if image.ndim == 3 else (image.shape[1], image.shape[1])


def planes_of(image: np.ndarray) -> tuple[np.ndarray, ...]:
    """What is sampled of a packed image: the RGB image, or its planes; each shows all of the frame."""
    return (image,) if image.ndim == 3 else planes(image.reshape(-1), "yuv420", image.shape[1])


def rgb_of(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a packed image."""
    return image if image.ndim == 3 else to_rgb(image.reshape(-1), "yuv420", image.shape[1])


def _unusable(folder: Path, why: str, root: Path, name: str, *more: str) -> DatasetError:
    pack_format, _, size = name.partition("-")
    again = command("python -m pipeline.pack", "--root", root, "--format", pack_format, "--size", size, *more)
    return DatasetError(
        f"{shown(folder)} cannot be used\n  why: {why}\n  fix: {again}, or --feed {JPEG_FEED}"
    )
