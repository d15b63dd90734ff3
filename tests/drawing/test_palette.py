"""Colours of classes: told apart by everybody, and legible with what is written on them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vision.drawing.palette import BLACK, WHITE, colour, hex_colour, ink_on

VIEWS = {  # Machado, Oliveira, Fernandes 2009, severity 1, of linear RGB
    "ordinary": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}  # fmt: skip
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])  # fmt: skip


def linear(rgb: np.ndarray) -> np.ndarray:
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def cielab(rgb: np.ndarray, view: np.ndarray) -> np.ndarray:
    share = np.clip(linear(rgb) @ view.T, 0, 1) @ XYZ.T / [0.95047, 1, 1.08883]
    curved = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    x, y, z = np.moveaxis(curved, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("view", VIEWS)
def test_neighbours_differ_much_and_any_two_a_little(view: str) -> None:
    """COCO's 80 classes; ΔE 1976. The circle of hues of before came to 2.6 between book and apple, and 0.2 for a deutan."""
    lab = cielab(np.array([colour(label) for label in range(1, 81)], float), np.array(VIEWS[view]))
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(80)
    assert np.diagonal(apart, 1).min() > 15 and apart.min() > 5 and apart[:20, :20].min() > 12


def test_lightness_varies_too() -> None:
    lab = cielab(np.array([colour(label) for label in range(1, 81)], float), np.eye(3))
    assert lab[:, 0].min() < 45 and lab[:, 0].max() > 85 and lab[:, 0].std() > 10


def test_background_is_grey_and_labels_above_begin_again() -> None:
    assert len({*colour(0)}) == 1 and colour(0) not in [colour(label) for label in range(1, 81)]
    assert len({colour(label) for label in range(1, 81)}) == 80
    assert colour(81) == colour(1) and colour(601) == colour(41)
    assert hex_colour(1) == "#e69f00" and hex_colour(6) == "#d55e00"  # Okabe and Ito


def test_ink_is_the_one_with_more_contrast() -> None:
    for label in range(81):
        ground = colour(label)
        luminance = {
            rgb: float(XYZ[1] @ linear(np.array(rgb, float))) + 0.05 for rgb in (BLACK, WHITE, ground)
        }
        contrast = {
            ink: max(a / b for a, b in itertools.permutations((luminance[ink], luminance[ground])))
            for ink in (BLACK, WHITE)
        }
        assert ink_on(ground) == max(contrast, key=lambda ink: contrast[ink]) and max(contrast.values()) > 4.5
