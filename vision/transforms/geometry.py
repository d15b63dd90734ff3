"""What of an image is shown: a window, mirrored or not, in which colours. Boxes follow the window.

Legend: G boxes; a window is in px of the stored image and may reach beyond it (zoom-out).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class View:
    """What the steps so far have decided.

    * window_xyxy_px: (x1, y1, x2, y2) float, px of the stored image; what is outside the image is filled
    * mirrored: left and right are swapped, after the window is cut
    * colour: (3, 4) float32, RGB1 → RGB in 0..255, or None to leave the colours
    * centred_only: objects whose centre is outside the window are left out (the rule of SSD's crop)
    * size_hw: px of the result; None = as many as the window has
    """

    window_xyxy_px: tuple[float, float, float, float]
    mirrored: bool = False
    colour: np.ndarray | None = None
    centred_only: bool = False
    size_hw: tuple[int, int] | None = None

    @property
    def width(self) -> float:
        return self.window_xyxy_px[2] - self.window_xyxy_px[0]

    @property
    def height(self) -> float:
        return self.window_xyxy_px[3] - self.window_xyxy_px[1]

    @property
    def result_hw(self) -> tuple[int, int]:
        """Height and width in px of what is shown."""
        return self.size_hw or (max(1, round(self.height)), max(1, round(self.width)))


def whole(height: int, width: int) -> View:
    """The view of a whole image, nothing changed."""
    return View((0.0, 0.0, float(width), float(height)))


@dataclass(frozen=True, slots=True)
class Views:
    """N ``View``s as arrays, whose fields mean the same.

    * windows_xyxy_px: (N, 4) float64
    * mirrored, centred_only: (N,) bool
    * coloured: (N,) bool; colour: (N, 3, 4) float32, the identity where ``coloured`` is false
    * size_hw: of all
    """

    windows_xyxy_px: np.ndarray
    mirrored: np.ndarray
    coloured: np.ndarray
    colour: np.ndarray
    centred_only: np.ndarray
    size_hw: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.windows_xyxy_px)

    def __getitem__(self, which: int) -> View:
        x1, y1, x2, y2 = self.windows_xyxy_px[which].tolist()
        return View(
            (x1, y1, x2, y2),
            bool(self.mirrored[which]),
            self.colour[which] if self.coloured[which] else None,
            bool(self.centred_only[which]),
            self.size_hw,
        )

    def at(self, rows: np.ndarray) -> Views:
        """Views of ``rows`` (M,), a row maybe several times."""
        return Views(
            self.windows_xyxy_px[rows], self.mirrored[rows], self.coloured[rows], self.colour[rows],
            self.centred_only[rows], self.size_hw,
        )  # fmt: skip

    @property
    def result_hw(self) -> tuple[int, int]:
        """Height and width in px of what is shown. Raises ValueError where each has its own."""
        if self.size_hw is None:
            raise ValueError("views of different sizes")
        return self.size_hw

    @property
    def origins(self) -> np.ndarray:
        """(N, 2) px: left and top of the windows."""
        return self.windows_xyxy_px[:, :2]

    @property
    def sides(self) -> np.ndarray:
        """(N, 2) px: widths and heights of the windows."""
        return self.windows_xyxy_px[:, 2:] - self.windows_xyxy_px[:, :2]


def wholes(frames_hw: np.ndarray) -> Views:
    """The views of whole images; (N, 2) px."""
    count = len(frames_hw)
    windows = np.zeros((count, 4))
    windows[:, 2:] = frames_hw[:, ::-1]
    no: Any = np.zeros(count, bool)
    return Views(windows, no, no, np.repeat(np.eye(3, 4, dtype=np.float32)[None], count, axis=0), no)


def alone(view: View) -> Views:
    """``view`` as the only one."""
    no_colour = np.eye(3, 4, dtype=np.float32) if view.colour is None else view.colour
    return Views(
        np.array([view.window_xyxy_px], np.float64),
        np.array([view.mirrored]),
        np.array([view.colour is not None]),
        no_colour[None],
        np.array([view.centred_only]),
        view.result_hw,
    )


def scales_and_offsets(views: Views) -> np.ndarray:
    """(N, 4) float64: of (sx, ox, sy, oy), by which a point (x, y) of the stored image is shown at (sx·x + ox, sy·y + oy)."""
    height, width = views.result_hw
    left, top, right, _ = views.windows_xyxy_px.T
    scale_x, scale_y = np.array([[width], [height]]) / views.sides.T
    offset_x = np.where(views.mirrored, right * scale_x, -left * scale_x)
    return np.stack([np.where(views.mirrored, -scale_x, scale_x), offset_x, scale_y, -top * scale_y], axis=1)


def show_boxes(boxes_xyxy_px: np.ndarray, views: Views) -> np.ndarray:
    """(G, 4) px of the stored image → (G, 4) float32 px of what is shown, not clipped; each by its own view, or all by the only one."""
    by = scales_and_offsets(views)
    shown = boxes_xyxy_px * by[:, [0, 2, 0, 2]] + by[:, [1, 3, 1, 3]]
    return np.where(views.mirrored[:, None], shown[:, [2, 1, 0, 3]], shown).astype(np.float32)


def clip_boxes(boxes_xyxy_px: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """(G, 4) px → the same, cut off at the border of an image of ``size_hw``."""
    height, width = size_hw
    return boxes_xyxy_px.clip(0, np.array([width, height, width, height], boxes_xyxy_px.dtype))


def covered(frames_hw: np.ndarray, views: Views) -> np.ndarray:
    """(N, 4) int64 left, top, right, bottom in px of the results: where images of (N, 2) px are seen."""
    wholes_xyxy = np.concatenate([np.zeros_like(frames_hw), frames_hw[:, ::-1]], axis=1)
    return clip_boxes(np.rint(show_boxes(wholes_xyxy, views)), views.result_hw).astype(np.int64)


def centres_inside(boxes_xyxy_px: np.ndarray, windows_xyxy_px: np.ndarray) -> np.ndarray:
    """(G, 4) and (G, 4), or one (1, 4) for all → (G,) bool: whether the centre of a box is inside its window."""
    centres = (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2  # (G, 2)
    return ((centres > windows_xyxy_px[:, :2]) & (centres < windows_xyxy_px[:, 2:])).all(axis=1)


def objects_to_keep(
    boxes_xyxy_px: np.ndarray, is_crowd: np.ndarray, views: Views, smallest_side_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (G, 4) in px of the stored images → (G, 4) clipped px of what is shown, and (G,) bool which stay.

    A crowd region stays as long as any of it is seen. An object stays when its centre is in the window (where the
    view asks for that) and both sides are at least ``smallest_side_px`` of what is shown; empty boxes never stay.

    :param views: one for each box, or the only one for all
    """
    clipped = clip_boxes(show_boxes(boxes_xyxy_px, views), views.result_hw)
    sides = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf)
    seen = sides > 0
    is_object = seen & (sides >= smallest_side_px)
    is_object &= centres_inside(boxes_xyxy_px, views.windows_xyxy_px) | ~views.centred_only
    return clipped, np.where(is_crowd, seen, is_object)
