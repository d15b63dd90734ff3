"""An image a row, a map of the net a column; and which priors are of which map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from vision.core.sample import InputSpec
from vision.drawing.sheet import Tile, draw_sheet
from vision.engine.model import input_spec
from vision.engine.options.config import TrainConfig
from vision.ssd.build import map_sizes
from vision.ssd.variants import Variant, find

TILE_PX = 220


class MapGrid(NamedTuple):
    """A map that the heads look at: its cells, and the priors of each."""

    rows: int
    columns: int
    per_cell: int

    @property
    def priors(self) -> int:
        return self.rows * self.columns * self.per_cell

    def __str__(self) -> str:
        return f"{self.columns} x {self.rows} cells"


def grids_of(config: TrainConfig) -> list[MapGrid]:
    """Of the net that ``config`` describes."""
    variant = find(config.net, config.heads)
    return grids(variant, input_spec(config), config.mb2_width_mult, config.priors)


def grids(variant: Variant, spec: InputSpec, width_mult: float, priors: str) -> list[MapGrid]:
    """Finest first, in the order of the priors."""
    sizes = map_sizes(variant, spec, width_mult)
    counts = variant.profile(priors).shapes_per_cell
    return [MapGrid(rows, columns, count) for (rows, columns), count in zip(sizes, counts, strict=True)]


def by_map(maps: Sequence[MapGrid]) -> Iterator[tuple[MapGrid, slice]]:
    """Each map with its priors' places among all."""
    ends = accumulate((grid.priors for grid in maps), initial=0)
    for grid, (first, end) in zip(maps, pairwise(ends), strict=True):
        yield grid, slice(first, end)


def draw_grid(rows: Sequence[Sequence[Tile]], title: str) -> np.ndarray:
    """Rows of equal length → a sheet."""
    tiles = [tile for row in rows for tile in row]
    return draw_sheet(tiles, title, columns=len(rows[0]), tile_wh=None if not tiles else (TILE_PX, TILE_PX))
