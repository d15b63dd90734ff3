"""The words that every room speaks: what an image, a batch and a result are made of.

Legend: N images a batch, G boxes an image (padded in a batch), K crowd regions, D detections,
H × W pixels. Boxes are corners ``x1, y1, x2, y2``; the suffix says the unit: ``_px`` is pixels of the
image at hand, no suffix is fractions of its width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

BACKGROUND = 0
"""The label of background and of padding; objects have labels 1..C−1."""

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey pixel (ITU-R BT.601, as Pillow and OpenCV weigh them); their sum is 1."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the network is fed: size and normalisation.

    The defaults are what jetson-inference's detectNet does on the device (``pixel / 127.5 − 1``).
    ``channels`` is 3 for RGB, or 1: the same RGB pixels, weighted by ``GREY`` to one channel.
    """

    height: int = 300
    width: int = 300
    mean: float = 127.5
    std: float = 127.5
    channels: int = 3

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"{self.channels} input channels: expected 3 (RGB) or 1 (grey)")
        if self.height < 1 or self.width < 1:
            raise ValueError(f"input size {self.width}×{self.height} px: both sides must be positive")

    def __str__(self) -> str:
        """``300×300 px`` (width first) and, where it is not RGB, ``grey``."""
        return f"{self.width}×{self.height} px{', grey' if self.channels == 1 else ''}"

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB in 0..255 → (N, channels, H, W) float32 in [−1, 1] (with the default mean and std)."""
        pixels = images.float()
        return ((grey(pixels) if self.channels == 1 else pixels) - self.mean) / self.std


def grey(images: Tensor) -> Tensor:
    """(N, 3, H, W) RGB, of pixels or normalised alike → (N, 1, H, W), each pixel weighted by ``GREY``."""
    return (images * images.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its objects, in NumPy; what datasets give and transforms take and give.

    * image: (H, W, 3) uint8, RGB; before a transform maybe the planes of a packed one, (3·S/2, S): ``vision.datasets.packed.detection``;
      (FIELDS,) int64 where a device makes it
    * boxes_xyxy_px: (G, 4) float32, pixels of ``image``, or of ``frame_hw`` where that is told
    * labels: (G,) int64 in 1..C−1
    * is_crowd: (G,) bool; a crowd box marks a region, it is no target
    * area: (G,) float32, px² of the object's mask in the original image
    * image_id: COCO's id
    * original_hw: height and width in px of the file, before any transform
    * unlabelled: labels of classes whose objects nobody has marked in this image, if there are any
    * frame_hw: height and width of what ``image`` shows all of, where it is stored at another size (packed); None: its own
    """

    image: np.ndarray
    boxes_xyxy_px: np.ndarray
    labels: np.ndarray
    is_crowd: np.ndarray
    area: np.ndarray
    image_id: int
    original_hw: tuple[int, int]
    unlabelled: tuple[int, ...] = ()
    frame_hw: tuple[int, int] | None = None

    @property
    def height(self) -> int:
        """px that the boxes are measured in."""
        return int((self.frame_hw or self.image.shape)[0])

    @property
    def width(self) -> int:
        """px that the boxes are measured in."""
        return int((self.frame_hw or self.image.shape)[1])

    def with_objects(self, boxes_xyxy_px: np.ndarray, keep: np.ndarray) -> Sample:
        """The same image with ``boxes_xyxy_px`` (G, 4) and only the objects where ``keep`` (G,) is true."""
        return replace(
            self,
            boxes_xyxy_px=np.ascontiguousarray(boxes_xyxy_px[keep], dtype=np.float32),
            labels=self.labels[keep],
            is_crowd=self.is_crowd[keep],
            area=self.area[keep],
        )


@dataclass(frozen=True, slots=True)
class Objects:
    """What N samples hold besides their pixels, as columns; B objects of all of them, those of an image behind one another.

    * frames_hw: (N, 2) int64, px that the boxes are measured in; original_hw: (N, 2) int64, px of the files
    * first_box: (N + 1,) int64, where the objects of each image begin
    * boxes_xyxy_px: (B, 4) float32; labels: (B,) int64; is_crowd: (B,) bool
    * image_ids: (N,) int64; unlabelled: N times labels
    """

    frames_hw: np.ndarray
    original_hw: np.ndarray
    first_box: np.ndarray
    boxes_xyxy_px: np.ndarray
    labels: np.ndarray
    is_crowd: np.ndarray
    image_ids: np.ndarray
    unlabelled: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def owners(self) -> np.ndarray:
        """(B,) int64, rising: the image of each object, from 0."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_box))

    def only(self, keep: np.ndarray) -> Objects:
        """The objects where ``keep`` (B,) is true."""
        return self._with_rows(keep, _starts(keep)[self.first_box])

    def at(self, which: np.ndarray) -> Objects:
        """The images ``which`` (M,) in that order."""
        rows, counts = ragged_rows(self.first_box, which)
        return replace(
            self._with_rows(rows, _starts(counts)),
            frames_hw=self.frames_hw[which],
            original_hw=self.original_hw[which],
            image_ids=self.image_ids[which],
            unlabelled=tuple(self.unlabelled[each] for each in which.tolist()),
        )

    def _with_rows(self, rows: np.ndarray, first_box: np.ndarray) -> Objects:
        return replace(
            self,
            first_box=first_box,
            boxes_xyxy_px=self.boxes_xyxy_px[rows],
            labels=self.labels[rows],
            is_crowd=self.is_crowd[rows],
        )


def ragged_rows(first: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of groups that begin at ``first`` (N + 1,), those of ``which`` (M,): their rows behind one another, and how many each has."""
    counts = first[which + 1] - first[which]
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) + np.repeat(first[which] - ends + counts, counts), counts


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def joined(several: Sequence[Objects]) -> Objects:
    """The images of all of ``several`` behind one another."""
    names = ("frames_hw", "original_hw", "boxes_xyxy_px", "labels", "is_crowd", "image_ids")
    counts = np.concatenate([np.diff(each.first_box) for each in several])
    return Objects(
        **{name: np.concatenate([getattr(each, name) for each in several]) for name in names},
        first_box=_starts(counts),
        unlabelled=tuple(labels for each in several for labels in each.unlabelled),
    )


def objects_of(samples: Sequence[Sample]) -> Objects:
    """The columns of ``samples``, at least one."""
    counts = [len(sample.labels) for sample in samples]
    return Objects(
        frames_hw=np.array([(sample.height, sample.width) for sample in samples], np.int64),
        original_hw=np.array([sample.original_hw for sample in samples], np.int64),
        first_box=_starts(np.array(counts)),
        boxes_xyxy_px=np.concatenate([sample.boxes_xyxy_px for sample in samples]),
        labels=np.concatenate([sample.labels for sample in samples]),
        is_crowd=np.concatenate([sample.is_crowd for sample in samples]),
        image_ids=np.array([sample.image_id for sample in samples], np.int64),
        unlabelled=tuple(sample.unlabelled for sample in samples),
    )


@dataclass(slots=True)
class Batch:
    """What the loader hands to the trainer. Images stay uint8 until they are on the device.

    * images: (N, 3, H, W) uint8, RGB; on its way to a device that makes them, places: ``vision.transforms.device``
    * boxes_xyxy: (N, G, 4) float32 in [0, 1], zero where padded
    * labels: (N, G) int64, 0 = padding
    * ignore_xyxy: (N, K, 4) float32 in [0, 1], crowd regions, zero where padded
    * image_ids: (N,) int64
    * original_hw: (N, 2) int64, px
    * unlabelled: (N, U) int64, labels of classes whose objects are not marked in the image, 0 = padding; U is 0 where all are
    """

    images: Tensor
    boxes_xyxy: Tensor
    labels: Tensor
    ignore_xyxy: Tensor
    image_ids: Tensor
    original_hw: Tensor
    unlabelled: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.images.shape[0])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on ``device``."""
        return Batch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self._tensors()))

    def pin_memory(self) -> Batch:
        """Called by the DataLoader's pinning thread."""
        return Batch(*(tensor.pin_memory() for tensor in self._tensors()))

    def _tensors(self) -> tuple[Tensor, ...]:
        return (
            self.images, self.boxes_xyxy, self.labels, self.ignore_xyxy, self.image_ids, self.original_hw,
            self.unlabelled,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one image, best score first.

    * boxes_xyxy: (D, 4) float32, fractions of the image, in [0, 1]
    * scores: (D,) float32 in [0, 1]
    * labels: (D,) int64 in 1..C−1
    """

    boxes_xyxy: Tensor
    scores: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    def cpu(self) -> Detections:
        return Detections(self.boxes_xyxy.cpu(), self.scores.cpu(), self.labels.cpu())
