"""What of an image is shown: a window, mirrored or not, in which colours. Boxes follow the window.

Legend: G boxes; a window is in px of the stored image and may reach beyond it (zoom-out).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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


def as_stored(view: View, frame_hw: tuple[int, int], stored_hw: tuple[int, int]) -> View:
    """``view`` of a frame, for an image of ``stored_hw`` px that shows all of that frame: the same result."""
    y, x = stored_hw[0] / frame_hw[0], stored_hw[1] / frame_hw[1]
    left, top, right, bottom = view.window_xyxy_px
    return replace(view, window_xyxy_px=(left * x, top * y, right * x, bottom * y), size_hw=view.result_hw)


def scales_and_offsets(view: View) -> tuple[float, float, float, float]:
    """(sx, ox, sy, oy): a point (x, y) of the stored image is shown at (sx·x + ox, sy·y + oy)."""
    height, width = view.result_hw
    left, top, right, _ = view.window_xyxy_px
    scale_x, scale_y = width / view.width, height / view.height
    if view.mirrored:
        return -scale_x, right * scale_x, scale_y, -top * scale_y
    return scale_x, -left * scale_x, scale_y, -top * scale_y


def show_boxes(boxes_xyxy_px: np.ndarray, view: View) -> np.ndarray:
    """(G, 4) px of the stored image → (G, 4) float32 px of what is shown, not clipped."""
    scale_x, offset_x, scale_y, offset_y = scales_and_offsets(view)
    scale = np.array([scale_x, scale_y, scale_x, scale_y])
    shown = boxes_xyxy_px * scale + np.array([offset_x, offset_y, offset_x, offset_y])
    if view.mirrored:
        shown = shown[:, [2, 1, 0, 3]]
    return shown.astype(np.float32)


def clip_boxes(boxes_xyxy_px: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """(G, 4) px → the same, cut off at the border of an image of ``size_hw``."""
    height, width = size_hw
    return boxes_xyxy_px.clip(0, np.array([width, height, width, height], boxes_xyxy_px.dtype))


def centres_inside(boxes_xyxy_px: np.ndarray, windows_xyxy_px: np.ndarray) -> np.ndarray:
    """(G, 4) and (..., 4) → (..., G) bool: whether the centre of a box is inside a window."""
    centres = (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2  # (G, 2)
    windows = np.asarray(windows_xyxy_px)[..., None, :]  # (..., 1, 4)
    return ((centres > windows[..., :2]) & (centres < windows[..., 2:])).all(axis=-1)


def pairwise_iou(boxes_xyxy_px: np.ndarray, windows_xyxy_px: np.ndarray) -> np.ndarray:
    """(G, 4) and (T, 4) → (T, G) float64 intersection over union; 0 where a box is empty."""
    boxes, windows = boxes_xyxy_px[None].astype(np.float64), windows_xyxy_px[:, None]
    sides = np.minimum(boxes[..., 2:], windows[..., 2:]) - np.maximum(boxes[..., :2], windows[..., :2])
    shared = sides.clip(0).prod(axis=-1)  # (T, G)
    areas = [(xyxy[..., 2:] - xyxy[..., :2]).clip(0).prod(axis=-1) for xyxy in (boxes, windows)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=(shared > 0) & (union > 0))


def objects_to_keep(
    boxes_xyxy_px: np.ndarray, is_crowd: np.ndarray, view: View, smallest_side_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (G, 4) in px of the stored image → (G, 4) clipped px of what is shown, and (G,) bool which stay.

    A crowd region stays as long as any of it is seen. An object stays when its centre is in the window (where the
    view asks for that) and both sides are at least ``smallest_side_px`` of what is shown; empty boxes never stay.
    """
    clipped = clip_boxes(show_boxes(boxes_xyxy_px, view), view.result_hw)
    sides = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf)
    seen = sides > 0
    is_object = seen & (sides >= smallest_side_px)
    if view.centred_only:
        is_object &= centres_inside(boxes_xyxy_px, np.array(view.window_xyxy_px))
    return clipped, np.where(is_crowd, seen, is_object)
