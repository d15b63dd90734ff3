"""The words that every room speaks: what an image, a batch and a result are made of.

Legend: N images a batch, G boxes an image (padded in a batch), K crowd regions, D detections,
H × W pixels. Boxes are corners ``x1, y1, x2, y2``; the suffix says the unit: ``_px`` is pixels of the
image at hand, no suffix is fractions of its width and height.
"""

from __future__ import annotations

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

    * image: (H, W, 3) uint8, RGB; before a transform maybe the planes of a packed one, (3·S/2, S): ``vision.datasets.packed.detection``
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


@dataclass(slots=True)
class Batch:
    """What the loader hands to the trainer. Images stay uint8 until they are on the device.

    * images: (N, 3, H, W) uint8, RGB
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
