"""What the net says about images of the validation split, the same ones each time.

Legend: N images, P priors, C classes with background, c logits a prior.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from vision.core.sample import Detections
from vision.drawing.boxes import draw_boxes
from vision.drawing.palette import colour
from vision.drawing.sheet import Tile, draw_sheet
from vision.engine.panels.scene import Scene, dimmed
from vision.engine.panels.tile_grid import MapGrid, by_map, draw_grid

SHOWN_SCORE, MOST_SHOWN = 0.3, 20
"""What is drawn of the detections; the best score is written beside them whatever it is."""


def truth_and_predictions(
    scenes: Sequence[Scene],
    found: Sequence[Detections],
    names: Sequence[str],
    classes: Sequence[str],
    title: str,
) -> np.ndarray:
    """Two tiles an image, ``names`` below the first: what is there, and what is found."""
    tiles = []
    for scene, name, one in zip(scenes, names, found, strict=True):
        scores = one.scores.numpy()
        clear = scores >= SHOWN_SCORE
        boxes, labels = scene.px(one.boxes_xyxy.numpy())[clear], one.labels.numpy()[clear]
        drawn = draw_boxes(
            scene.image, boxes[:MOST_SHOWN], labels[:MOST_SHOWN], classes, scores[clear][:MOST_SHOWN]
        )
        best = f"best score {scores.max():.2f}" if len(scores) else "no score above 0.01"
        tiles += [
            Tile(scene.with_truth(classes), f"{name}: truth, {len(scene.labels)}"),
            Tile(drawn, f"found: {clear.sum()} from {SHOWN_SCORE} on, {best}"),
        ]
    return draw_sheet(tiles, f"validation, truth and predictions, {title}")


def best_of_cells(
    scenes: Sequence[Scene],
    scores: Tensor,
    grids: Sequence[MapGrid],
    classes: Sequence[str],
    title: str,
) -> np.ndarray:
    """Scores (N, P, C) → each cell in the colour of its best class, as opaque as its score."""
    rows = []
    for scene, of_image in zip(scenes, scores.float().cpu().numpy(), strict=True):
        tiles = [Tile(scene.with_truth(classes), "truth")]
        for grid, own in by_map(grids):
            objects = of_image[own, 1:].reshape(grid.rows * grid.columns, -1)  # (cells, priors · (C − 1))
            best = objects.argmax(axis=1)
            score, label = objects.max(axis=1), best % (of_image.shape[1] - 1) + 1
            top = int(score.argmax())
            caption = f"{grid.columns} x {grid.rows}: {score[top]:.2f} {classes[label[top]]}"
            tiles.append(Tile(_overlaid(scene.image, score, label, grid), caption))
        rows.append(tiles)
    return draw_grid(rows, f"best class of each cell by map, opaque as its score, {title}")


def _overlaid(image: np.ndarray, score: np.ndarray, label: np.ndarray, grid: MapGrid) -> np.ndarray:
    height, width = image.shape[:2]
    table = np.array([colour(number) for number in range(int(label.max()) + 1)], np.float32)
    shape = (grid.rows, grid.columns)
    cells = np.dstack([table[label].reshape(*shape, 3), score.reshape(shape).astype(np.float32)])
    large = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    opacity = np.nan_to_num(large[..., 3:]).clip(0, 1)
    return (dimmed(image) * (1 - opacity) + large[..., :3] * opacity).astype(np.uint8)
