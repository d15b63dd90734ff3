"""Charts as inline SVG, as wide as their place: about 340 px, so that their letters stay legible on a telephone."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tools.report.page import text

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 34
COLOURS = ("var(--a)", "var(--b)", "var(--c)", "var(--d)")


@dataclass(frozen=True)
class Series:
    """A line. ``colour``: of CSS, "" for the next of ``COLOURS``; ``points``: dots instead of a line; ``thin``: in the background."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = ""
    points: bool = False
    thin: bool = False


def line_chart(
    title: str, series: Sequence[Series], x_name: str = "", y_name: str = "", x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None, mark_x: float | None = None, keys: bool = True,
) -> str:  # fmt: skip
    """A figure; "" where no series has a point. ``x_range``: from 0 to the last point. ``mark_x``: an upright dashed line there. ``title`` and names are text."""
    shown = [each for each in series if len(each.x)]
    if not shown:
        return ""
    x_low, x_high = x_range or (0.0, max((value for each in shown for value in each.x), default=0.0) or 1.0)
    y_low, y_high = y_range or value_range([value for each in shown for value in each.y])
    coloured = [(each, each.colour or COLOURS[index % len(COLOURS)]) for index, each in enumerate(shown)]

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
            HEIGHT
            - BOTTOM
            - (min(max(y, y_low), y_high) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM),
        )

    parts = [_axes((x_low, x_high), (y_low, y_high), x_name, y_name)]
    for each, colour in coloured:
        places = [
            at(x, y) for x, y in zip(each.x, each.y, strict=True) if math.isfinite(x) and math.isfinite(y)
        ]
        if each.points or len(places) == 1:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            width = ".8" if each.thin else "1.8"
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
    if mark_x is not None:
        x, _ = at(mark_x, y_low)
        parts.append(
            f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="var(--soft)" stroke-dasharray="4 3"/>'
        )
    key = "".join(
        f'<span><i style="border-color:{colour}"></i>{text(each.name)}</span>' for each, colour in coloured
    )
    return (
        f'<figure><b>{text(title)}</b><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}">'
        f"{''.join(parts)}</svg>{f'<div class=key>{key}</div>' if keys else ''}</figure>"
    )


def _axes(x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = []
    steps = {each: _step(*each) for each in (x, y)}
    for value in ticks(*y):
        place = HEIGHT - BOTTOM - (value - y[0]) / (y[1] - y[0]) * high
        parts.append(f'<path class="axis" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 4}" y="{place + 4:.1f}" text-anchor="end">{_short(value, steps[y])}</text>'
        )
    for value in ticks(*x):
        place = LEFT + (value - x[0]) / (x[1] - x[0]) * wide
        parts.append(
            f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{_short(value, steps[x])}</text>'
        )
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 4}" text-anchor="middle">{text(x_name)}</text>')
    if y_name:
        middle = TOP + high / 2
        parts.append(
            f'<text x="10" y="{middle}" text-anchor="middle" transform="rotate(-90 10 {middle})">{text(y_name)}</text>'
        )
    return "".join(parts)


def value_range(values: Sequence[float]) -> tuple[float, float]:
    """What an axis shows: from 0 where that is near, never empty."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if low >= 0 and low <= high / 2:
        low = 0.0
    if high == low == 0:
        return 0.0, 1.0
    if high - low <= 1e-12 * max(1.0, abs(high)):
        return low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    return low, high


def _step(low: float, high: float, about: int = 5) -> float:
    step = 10.0 ** math.floor(math.log10((high - low) / about))
    return step * next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= about)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    step = _step(low, high, about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _short(value: float, step: float) -> str:
    """As many places as tell ``value`` from the tick before it."""
    if abs(value) >= 1e4:
        return f"{value / 1000:.{3 if step < 1000 else 0}f}k"
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{places}f}" if places <= 5 else f"{value:.1e}"


def spark(title: str, y: Sequence[float], colour: str, said: str) -> str:
    """A small curve over 0 to 1 both ways, with its name and a number below."""
    wide, high = 140, 70
    path = " ".join(
        f"{index / max(1, len(y) - 1) * (wide - 2) + 1:.1f},{high - 1 - value * (high - 2):.1f}"
        for index, value in enumerate(y)
    )
    return (
        f'<figure><svg viewBox="0 0 {wide} {high}" role="img" aria-label="{text(title)}">'
        f'<path class="axis" d="M1 1V{high - 1}H{wide - 1}" fill="none"/>'
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/></svg>'
        f"<figcaption>{text(title)} · {text(said)}</figcaption></figure>"
    )


def heat_map(rows: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """(N, N) shares from 0 to 1 of ``names``, what is there from above, what was said from the left; for many classes.

    A pointer over a cell is told what it is.
    """
    side, cells = len(rows), []
    for y, row in enumerate(rows):
        for x, share in enumerate(row):
            if share >= 0.005:
                told = f"<title>{text(names[y])} said {text(names[x])}: {share:.0%}</title>"
                place = f'x="{x}" y="{y}" width="1" height="1"'
                cells.append(
                    f'<rect {place} fill="rgb(var(--bar))" fill-opacity="{0.15 + 0.85 * share:.2f}">{told}</rect>'
                )
    frame = f'<rect x="0" y="0" width="{side}" height="{side}" fill="none" stroke="var(--soft)" stroke-width=".1"/>'
    return (
        f'<figure style="max-width:640px"><svg viewBox="0 0 {side} {side}" shape-rendering="crispEdges" role="img" '
        f'aria-label="confusion">{"".join(cells)}{frame}</svg></figure>'
    )
