"""One net: what each convolution gives, costs and sees, and what stands on each of its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tools.models.fields import fields_of
from vision.core.sample import InputSpec
from vision.ssd.build import assemble, map_sizes
from vision.ssd.cost import LayerCost, cost
from vision.ssd.variants import Variant

PARTS = {
    "base_net": "backbone",
    "extras": "neck",
    "classification_headers": "class heads",
    "regression_headers": "box heads",
}


@dataclass(frozen=True)
class Map:
    """``cells`` (rows, columns), ``step`` and ``field`` (y, x) in px, None where it is all; the shapes of its boxes as fractions, its priors."""

    cells: tuple[int, int]
    step: tuple[float, float]
    field: tuple[float, float] | None
    shapes: tuple[tuple[float, float], ...]
    priors: int


@dataclass(frozen=True)
class Layer:
    """A convolution: its ``cost``, and the ``field`` (y, x) of its output in px; None: the whole map."""

    cost: LayerCost
    field: tuple[float, float] | None


@dataclass(frozen=True)
class Anatomy:
    layers: tuple[Layer, ...]
    maps: tuple[Map, ...]


def take_apart(
    row: Variant, num_classes: int, spec: InputSpec, width_mult: float, priors: str = "coco"
) -> Anatomy:
    """Of ``row`` at ``spec``, without a number computed. Raises ValueError as ``build_detector`` does."""
    counted = cost(row, num_classes, spec, width_mult, priors)
    with torch.device("meta"):
        detector = assemble(row, num_classes, spec, width_mult, priors)
        layers, maps = fields_of(detector, torch.empty(1, spec.channels, spec.height, spec.width))
    profile, cells = row.profile(priors), map_sizes(row, spec, width_mult)
    return Anatomy(
        tuple(
            Layer(one, field.size if field else None)
            for one, field in zip(counted.layers, layers, strict=True)
        ),
        tuple(
            Map(
                (h, w),
                (spec.height / h, spec.width / w),
                field.size if field else None,
                single.shapes,
                h * w * len(single.shapes),
            )
            for (h, w), field, single in zip(cells, maps, profile.maps, strict=True)
        ),
    )


def layer_lines(layers: Sequence[Layer]) -> list[str]:
    """A line a convolution, a heading a part, the part's sum behind it."""
    lines = [f"{'layer':<44} {'c × h × w':>15} {'parameters':>11} {'MMAC':>9} {'sees, px':>11}"]
    for part, title in PARTS.items():
        own = [layer for layer in layers if layer.cost.name.startswith(f"{part}.")]
        if not own:
            continue
        parameters = sum({layer.cost.name: layer.cost.parameters for layer in own}.values())
        macs = sum(layer.cost.macs for layer in own)
        lines.append(f"{f'{title} ({part})':<44} {'':>15} {parameters:>11,} {macs / 1e6:>9,.1f}")
        for layer in own:
            one = layer.cost
            shape = "×".join(map(str, one.output))
            lines.append(
                f"  {one.name.removeprefix(f'{part}.'):<42} {shape:>15} {one.parameters:>11,} {one.macs / 1e6:>9,.2f} "
                f"{across(layer.field):>11}"
            )
    return lines


def map_lines(maps: Sequence[Map]) -> list[str]:
    """A line a map."""
    lines = [
        f"{'map, columns × rows':<20} {'step, px':>11} {'scores see, px':>15} {'boxes':>6} {'priors':>7}  boxes, % of the input (w×h)"
    ]
    for one in maps:
        rows, columns = one.cells
        shapes = " ".join(
            f"{100 * min(width, 1):.0f}×{100 * min(height, 1):.0f}" for width, height in one.shapes
        )
        lines.append(
            f"{f'{columns}×{rows}':<20} {across(one.step):>11} {across(one.field):>15} {len(one.shapes):>6} {one.priors:>7,}  {shapes}"
        )
    return lines


def across(pair: tuple[float, float] | None) -> str:
    """(y, x) → the number, or x×y where they differ; None → "all", as a gate sees the map."""
    if pair is None:
        return "all"
    y, x = (f"{value:.4g}" if value < 1000 else f"{value:.0f}" for value in pair)
    return x if x == y else f"{x}×{y}"
