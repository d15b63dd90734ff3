"""All nets side by side: a row each, as text, as plain values and as the Markdown of ``docs/nets.md``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vision.core.sample import InputSpec
from vision.ssd.build import map_sizes
from vision.ssd.cost import cost
from vision.ssd.variants import DEFAULT_PRIORS, VARIANTS, Variant, find


@dataclass(frozen=True)
class Net:
    """What the table says of one net. ``cpu_ms``: milliseconds an image, None where they were not measured."""

    name: str
    title: str
    width: int
    height: int
    channels: int
    parameters: int
    macs: int
    priors: int
    strides: tuple[int, ...]
    boxes_per_cell: tuple[int, ...]
    exports: bool
    cpu_ms: float | None = None


@dataclass(frozen=True)
class Asked:
    """What holds for every net of a table: its own size and channels where None."""

    resolution: Sequence[int] | None = None
    channels: int | None = None
    width_mult: float = 1.0
    heads: str | None = None
    num_classes: int = 81

    def spec(self, row: Variant) -> InputSpec:
        width, *_, height = [*(self.resolution or row.resolution)] * 2
        return InputSpec(height=height, width=width, channels=self.channels or row.channels)


def look_at(name: str, asked: Asked, time: Callable[..., float] | None = None) -> Net:
    """Counts one net, and measures it with ``time``. Raises ValueError for heads that it has not."""
    row = find(name, asked.heads)
    spec = asked.spec(row)
    counted = cost(row, asked.num_classes, spec, asked.width_mult)
    cells = map_sizes(row, spec, asked.width_mult)
    return Net(
        name=name, title=row.title, width=spec.width, height=spec.height, channels=spec.channels,
        parameters=counted.parameters, macs=counted.macs, priors=counted.priors, strides=strides_of(cells, spec),
        boxes_per_cell=row.profile(DEFAULT_PRIORS).shapes_per_cell, exports=exports(row),
        cpu_ms=time(row, asked.num_classes, spec, asked.width_mult) if time else None,
    )  # fmt: skip


def strides_of(cells: Sequence[tuple[int, int]], spec: InputSpec) -> tuple[int, ...]:
    """Pixels from a cell to the next, across, rounded: 300 px by 19 cells are 16."""
    return tuple(round(spec.width / columns) for _, columns in cells)


def exports(row: Variant) -> bool:
    """Whether the exporter knows how the net's scores become probabilities with a column for background."""
    from vision.ssd.postprocess import SCORE_FUNCTIONS

    return row.score_function in SCORE_FUNCTIONS


def as_plain(net: Net) -> dict[str, Any]:
    """For ``--json``; without times where none were measured."""
    return {name: value for name, value in asdict(net).items() if value is not None}


COLUMNS = ("net", "input", "M par.", "GMAC", "priors", "strides", "export")


def cells_of(net: Net) -> list[str]:
    """A row's words, in the order of ``COLUMNS``; then the time where there is one."""
    grey = " grey" if net.channels == 1 else ""
    words = [
        net.name, f"{net.width}×{net.height}{grey}", f"{net.parameters / 1e6:.2f}", f"{net.macs / 1e9:.2f}",
        f"{net.priors:,}", " ".join(map(str, net.strides)), "yes" if net.exports else "no",
    ]  # fmt: skip
    return words if net.cpu_ms is None else [*words, f"{net.cpu_ms:.1f}"]


RIGHT = ("M par.", "GMAC", "priors", "CPU ms")
"""Columns of numbers."""
WIDTHS = (max(map(len, VARIANTS)), 14, 7, 9, 9, 20, 6, 7)
"""Of the text; fixed, so that rows can be printed one by one while others are measured."""


def text_row(words: Sequence[str]) -> str:
    names = (*COLUMNS, "CPU ms")
    parts = [
        word.rjust(width) if names[number] in RIGHT else word.ljust(width)
        for number, (word, width) in enumerate(zip(words, WIDTHS, strict=False))
    ]
    return " ".join(parts).rstrip()


def markdown(nets: Sequence[Net]) -> str:
    """The table of ``docs/nets.md``, without times."""
    marks = ["---:" if name in RIGHT else "---" for name in COLUMNS]
    rows = [COLUMNS, marks, *([f"`{words[0]}`", *words[1:]] for words in map(cells_of, nets))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
