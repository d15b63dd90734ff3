"""Lines in a terminal: each letter of the Braille block is two dots across and four down."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.curves")

import math
from collections.abc import Sequence
from dataclasses import dataclass

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a letter by row and column of its dots (Unicode 16, chapter 21.1)."""
EMPTY = 0x2800


@dataclass(frozen=True)
class Curve:
    """Points of one line; ``mark`` is its index among the colours."""

    x: Sequence[float]
    y: Sequence[float]
    mark: int


def draw(
    curves: Sequence[Curve],
    columns: int,
    rows: int,
    y_range: tuple[float, float],
    x_range: tuple[float, float],
) -> list[list[tuple[str, int | None]]]:
    """``rows`` of ``columns`` (letter, mark of the last line through it, None for an empty one)."""
    bits = [[0] * columns for _ in range(rows)]
    marks: list[list[int | None]] = [[None] * columns for _ in range(rows)]
    wide, high = 2 * columns - 1, 4 * rows - 1
    for curve in curves:
        places = [
            (
                (x - x_range[0]) / (x_range[1] - x_range[0]) * wide,
                (y_range[1] - y) / (y_range[1] - y_range[0]) * high,
            )
            for x, y in zip(curve.x, curve.y, strict=True)
            if math.isfinite(x) and math.isfinite(y)
        ]
        for (x0, y0), (x1, y1) in zip(places, [*places[1:], *places[-1:]], strict=True):
            steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
            for step in range(steps + 1):
                across = round(x0 + (x1 - x0) * step / steps)
                down = round(y0 + (y1 - y0) * step / steps)
                if 0 <= across <= wide and 0 <= down <= high:
                    bits[down // 4][across // 2] |= DOTS[down % 4][across % 2]
                    marks[down // 4][across // 2] = curve.mark
    return [
        [(chr(EMPTY + bit) if bit else " ", mark) for bit, mark in zip(line, own, strict=True)]
        for line, own in zip(bits, marks, strict=True)
    ]
