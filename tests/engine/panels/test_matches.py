"""Priors, matching and the class of each cell: what is drawn is what is computed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vision.core.sample import Detections, InputSpec, Sample
from vision.datasets.loading import collate
from vision.drawing import sheet
from vision.drawing.palette import AMBER, BLUE, GREEN, RED, colour
from vision.engine.model import build_from
from vision.engine.options.config import TrainConfig
from vision.engine.panels import matches, predictions, priors, tile_grid
from vision.engine.panels.scene import Scene, scene_of
from vision.engine.panels.tile_grid import MapGrid, by_map, grids_of
from vision.ssd.coding import BoxCoder
from vision.ssd.losses.detection import SsdLoss

SPEC = InputSpec(20, 30)
MAPS = [MapGrid(2, 2, 1), MapGrid(1, 1, 2)]
PRIORS = torch.tensor(
    [[0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5],
     [0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.4, 1.0]]
)  # fmt: skip


def sample(boxes: list[list[float]], crowd: list[bool]) -> Sample:
    """60 × 40 px, grey."""
    return Sample(
        np.full((40, 60, 3), 100, np.uint8), np.array(boxes, np.float32).reshape(-1, 4),
        np.arange(1, len(boxes) + 1), np.array(crowd, bool), np.ones(len(boxes), np.float32), 1, (40, 60),
    )  # fmt: skip


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[sheet.Tile]:
    seen: list[sheet.Tile] = []

    def draw_sheet(given: Any, *rest: Any, **named: Any) -> np.ndarray:
        seen.extend(given)
        return sheet.draw_sheet(given, *rest, **named)

    for module in (tile_grid, predictions, priors):
        monkeypatch.setattr(module, "draw_sheet", draw_sheet)
    return seen


def has(tile: sheet.Tile, rgb: tuple[int, int, int]) -> np.ndarray:
    assert tile.pixels is not None
    return (tile.pixels == rgb).all(axis=-1)


def drawn(one: Sample) -> None:
    model: Any = SimpleNamespace(priors_cxcywh=PRIORS, input_spec=SPEC)
    loss = SsdLoss(PRIORS, BoxCoder())
    matches.draw_matches([one], collate([one]), loss, model, MAPS, "step 0")


def test_positive_forced_and_ignored_priors_have_their_colours(tiles: list[sheet.Tile]) -> None:
    """A box as the first prior; a small one in the lower right, forced on the fourth; a crowd at the upper right."""
    drawn(sample([[0, 0, 30, 18], [50, 34, 54, 38], [30, 0, 60, 20]], [False, False, True]))
    truth, fine, coarse = tiles
    assert has(truth, GREEN).any() or has(truth, AMBER).any()
    assert not has(truth, RED).any() and truth.caption == "2 objects, 2 priors"
    assert fine.caption == "2 x 2 cells: 2 positive, 2 forced, 1 ignored" and coarse.caption.endswith("none")
    height, width = has(fine, BLUE).shape
    rows, columns = np.nonzero(has(fine, BLUE))
    assert abs(columns.mean() - 0.75 * width) < 3 and abs(rows.mean() - 0.25 * height) < 3
    rows, columns = np.nonzero(has(fine, AMBER))
    assert rows.max() > height * 0.9 and not has(coarse, AMBER).any() and not has(coarse, GREEN).any()


def test_a_prior_by_its_overlap_is_green(tiles: list[sheet.Tile]) -> None:
    """The whole image: forced on the large prior; nothing else overlaps it by half but the thin one, not enough."""
    drawn(sample([[0, 0, 60, 40], [0, 0, 30, 20], [0, 0, 30, 19]], [False] * 3))
    truth, fine, coarse = tiles
    assert "3 objects, 3 priors" in truth.caption
    assert "positive" in coarse.caption and "positive" in fine.caption
    thick = sample([[4, 0, 56, 40]], [False])
    tiles.clear()
    drawn(thick)
    assert tiles[2].caption == "1 x 1 cells: 1 positive, 1 forced"
    wide = PRIORS.clone()
    wide[5] = torch.tensor([0.5, 0.5, 0.9, 0.9])
    tiles.clear()
    model: Any = SimpleNamespace(priors_cxcywh=wide, input_spec=SPEC)
    matches.draw_matches([thick], collate([thick]), SsdLoss(wide, BoxCoder()), model, MAPS, "step 0")
    assert tiles[2].caption == "1 x 1 cells: 2 positive, 1 forced" and has(tiles[2], GREEN).any()
    assert tiles[0].caption == "1 object, 2 priors" and has(tiles[0], GREEN).any()


def test_an_object_without_a_prior_is_red(tiles: list[sheet.Tile]) -> None:
    """More objects in one place than priors that overlap it."""
    drawn(sample([[1, 1, 5, 4]] * 4, [False] * 4))
    assert tiles[0].caption == "4 objects, 2 priors, 2 without"
    assert has(tiles[0], RED).any() and has(tiles[0], AMBER).any()


def test_an_image_without_objects_is_drawn(tiles: list[sheet.Tile]) -> None:
    drawn(sample([], []))
    assert tiles[0].caption == "0 objects, 0 priors" and tiles[1].caption == "2 x 2 cells: none"


def test_priors_of_a_map_are_those_of_its_grid(tiles: list[sheet.Tile]) -> None:
    priors.draw_priors(np.zeros((200, 300, 3), np.uint8), PRIORS.numpy(), MAPS)
    fine, coarse = tiles
    rows, columns = np.nonzero(has(fine, colour(1)))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (150, 299, 100, 199), (
        "the cell in the middle"
    )
    centres = np.argwhere(has(fine, (255, 255, 255)))
    assert len(np.unique(centres // 60, axis=0)) == 4
    assert coarse.caption == "1 x 1 cells, 2 boxes each" and has(coarse, colour(2)).any()


def test_maps_of_a_net_hold_its_priors() -> None:
    config = TrainConfig(net="mb2-ssd-lite", resolution=(64,), mb2_width_mult=0.1)
    model, maps = build_from(config, 3), grids_of(config)
    assert sum(grid.priors for grid in maps) == len(model.priors_cxcywh)
    for grid, own in by_map(maps):
        centres = model.priors_cxcywh[own, :2].unique(dim=0)
        assert len(centres) == grid.rows * grid.columns


def scene() -> Scene:
    return scene_of(sample([[0, 0, 30, 20]], [False]), SPEC)


def test_cells_have_the_colour_of_their_best_class(tiles: list[sheet.Tile]) -> None:
    scores = torch.zeros(1, 6, 3)
    scores[0, 1, 2], scores[0, 4, 1], scores[0, 5, 2] = 1.0, 0.2, 0.9
    predictions.best_of_cells([scene()], scores, MAPS, ["BACKGROUND", "cat", "dog"], "step 0")
    _, fine, coarse = tiles
    assert fine.caption == "2 x 2: 1.00 dog" and coarse.caption == "1 x 1: 0.90 dog"
    pixels = has(fine, colour(2))
    assert pixels[:100, 150:].all() and not pixels[100:].any() and not pixels[:, :150].any()
    assert coarse.pixels is not None and np.ptp(coarse.pixels[..., 0]) == 0


def test_predictions_stand_beside_the_truth(tiles: list[sheet.Tile]) -> None:
    found = Detections(
        torch.tensor([[0.5, 0.5, 1, 1], [0.1, 0.1, 0.3, 0.3]]), torch.tensor([0.9, 0.2]), torch.tensor([2, 1])
    )
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    names = ["image 1", "image 2"]
    predictions.truth_and_predictions(
        [scene(), scene()], [found, nothing], names, ["BACKGROUND", "cat", "dog"], "step 0"
    )
    truth, one, _, none = tiles
    assert has(truth, colour(1)).any() and not has(one, colour(1)).any(), "0.2 is not drawn"
    rows, columns = np.nonzero(has(one, colour(2)))
    assert columns.max() == 299 and rows.max() == 199
    assert one.caption == "found: 1 from 0.3 on, best score 0.90"
    assert (
        none.caption == "found: 0 from 0.3 on, no score above 0.01" and truth.caption == "image 1: truth, 1"
    )
