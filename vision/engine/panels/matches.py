"""Which priors each object of a batch got, by map: what the loss sees.

Positive priors are green, those that were forced on an object that no prior fits amber, ignored ones blue dots; an object without any
prior is red. Legend: N images, P priors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vision.core.boxes import cxcywh_to_xyxy
from vision.core.sample import BACKGROUND, Batch, Sample
from vision.drawing.boxes import Mark, draw_marks, outline
from vision.drawing.palette import AMBER, BLUE, GREEN, RED
from vision.drawing.sheet import Tile
from vision.engine.panels.scene import Scene, dimmed, scene_of
from vision.engine.panels.tile_grid import TILE_PX, MapGrid, by_map, draw_grid
from vision.messages.terminal import counted
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.losses.matching import Matches
from vision.ssd.model import Detector

MOST_IMAGES = 3
LEGEND = "green: a prior that learns an object, amber: forced, blue: ignored; red: an object without a prior"


def draw_matches(
    samples: Sequence[Sample],
    batch: Batch,
    loss: SsdLoss,
    model: Detector,
    grids: Sequence[MapGrid],
    title: str,
) -> np.ndarray:
    """``batch`` is made of ``samples``, on the device of ``loss``."""
    found = loss.match(batch)
    priors = cxcywh_to_xyxy(model.priors_cxcywh).cpu().numpy()
    rows = []
    for index, sample in enumerate(samples):
        scene = scene_of(sample, model.input_spec, TILE_PX)
        one = _Match(found, index, int((batch.labels[index] != BACKGROUND).sum()))
        maps = [Tile(*_of_map(scene, priors[own], one, own, str(grid))) for grid, own in by_map(grids)]
        rows.append([Tile(*_truth(scene, one)), *maps])
    return draw_grid(rows, f"matching, {title}; {LEGEND}")


class _Match:
    """One image's matches on the host: (P,) each; ``priors``: how many each of its objects has, ``forced``: those that were."""

    def __init__(self, matches: Matches, index: int, objects: int) -> None:
        self.gt_index = matches.gt_index[index].cpu().numpy()
        self.forced = matches.forced[index].cpu().numpy()
        self.ignored = matches.ignored[index].cpu().numpy()
        positive = self.gt_index >= 0
        self.priors = np.bincount(self.gt_index[positive], minlength=objects)
        self.only_forced = self.priors == np.bincount(
            self.gt_index[positive & self.forced], minlength=objects
        )


def _truth(scene: Scene, match: _Match) -> tuple[np.ndarray, str]:
    """Each object with the number of its priors."""
    marks = []
    for number, box in enumerate(scene.px(scene.boxes_xyxy).tolist()):
        priors = int(match.priors[number])
        colour = RED if not priors else AMBER if match.only_forced[number] else GREEN
        marks.append(Mark(box, colour, str(priors) if priors else "none"))
    without = int((match.priors == 0).sum())
    words = f"{counted(len(marks), 'object')}, {counted(int(match.priors.sum()), 'prior')}"
    return draw_marks(scene.image, marks), f"{words}, {without} without" if without else words


def _of_map(
    scene: Scene, priors_xyxy: np.ndarray, match: _Match, own: slice, name: str
) -> tuple[np.ndarray, str]:
    positive, forced = match.gt_index[own] >= 0, match.forced[own]
    drawn = Image.fromarray(dimmed(scene.image))
    pen = ImageDraw.Draw(drawn)
    boxes = scene.px(priors_xyxy)
    for x1, y1, x2, y2 in boxes[match.ignored[own]].tolist():
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        pen.rectangle((x - 1, y - 1, x + 1, y + 1), fill=BLUE)
    for index in np.flatnonzero(positive).tolist():
        x1, y1, x2, y2 = boxes[index].tolist()
        outline(pen, (x1, y1, x2, y2), AMBER if forced[index] else GREEN, 2)
    ignored = int(match.ignored[own].sum())
    words = [f"{positive.sum()} positive"] if positive.any() else []
    words += [f"{(positive & forced).sum()} forced"] if (positive & forced).any() else []
    words += [f"{ignored} ignored"] if ignored else []
    return np.asarray(drawn), f"{name}: {', '.join(words) or 'none'}"
