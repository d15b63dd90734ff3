"""Which rows of the table a test looks at: each part once in the default run, all of them behind ``-m slow``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import pytest

from vision.ssd.variants import VARIANTS, Variant

OF_TORCHVISION = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
"""Names of the same kinds with other priors; ``tests/end_to_end/test_torchvision_imports.py`` holds them against torchvision's."""
SLOW = {
    "resnet101",
    "darknet53",
    "resnet50",
    "mobilenet-v2",
    "mobilenet-v3-large",
    "mobilenet-v3-small",
    "resnet34",
}
"""Backbones of many layers, each of which takes its time, however narrow it is."""
Test = TypeVar("Test", bound=Callable[..., object])
NARROW = 0.1
"""Width of the nets here."""


def parts(row: Variant) -> set[object]:
    """What a row is made of: its kind of detector, and every part that has a table of its own in ``build.py``."""
    kind = row.name.removesuffix(f"-{row.backbone}")
    named = ("backbone", "neck", "heads", "coder", "score_function", "loss")
    met = {(name, getattr(row, name)) for name in named}
    return met if row.name in OF_TORCHVISION else {("kind", kind), *met}


@functools.cache
def few() -> tuple[str, ...]:
    """Rows in which every part is found at least once: always the next that adds most, of equals the fastest."""
    rows = {name: parts(row) for name, row in VARIANTS.items()}
    left = set[object]().union(*rows.values())
    taken = list[str]()
    while left:
        taken.append(
            max(rows, key=lambda name: (len(rows[name] & left), VARIANTS[name].backbone not in SLOW))
        )
        left -= rows[taken[-1]]
    return tuple(taken)


def of_all_nets(test: Test) -> Test:
    """``name`` runs over ``few()``, and over the other rows behind the marker ``slow``."""
    cases = [
        pytest.param(name, marks=[] if name in few() else [pytest.mark.slow]) for name in sorted(VARIANTS)
    ]
    return pytest.mark.parametrize("name", cases)(test)  # type: ignore[return-value]
