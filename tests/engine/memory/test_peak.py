"""What a step holds for an image, against sums by hand and against torch's own account."""

from __future__ import annotations

import pytest
import torch

from vision.core.sample import InputSpec
from vision.engine.memory.peak import bytes_an_image
from vision.nn.recompute import blocks_of, recompute
from vision.ssd.build import build_detector, build_loss
from vision.ssd.variants import find

CPU = torch.device("cpu")


def held(name: str, width: int, height: int, again: bool = False, mult: float = 0.25) -> int:
    net = build_detector(find(name), 3, InputSpec(height, width), mult)
    if again:
        recompute(blocks_of(net.base_net))
    return bytes_an_image(net, build_loss(net), CPU, None)


def test_it_grows_with_the_pixels_and_not_with_the_weights() -> None:
    small = held("mb2-ssd-lite", 64, 64)
    assert held("mb2-ssd-lite", 128, 128) == pytest.approx(4 * small, rel=0.15)
    assert held("mb2-ssd-lite", 128, 64) == pytest.approx(2 * small, rel=0.15)
    assert held("vgg16-ssd", 64, 64, mult=1) < 40e6  # its weights are 100 MB


def test_the_activations_of_the_first_block_by_hand() -> None:
    """At least input, and of the stem's 16 channels at half the size: convolution and clipped."""
    assert held("mb2-ssd-lite", 64, 64) > 4 * (3 * 64 * 64 + 2 * 16 * 32 * 32)


def test_less_is_held_of_what_is_computed_again() -> None:
    assert held("mb2-ssd-lite", 96, 96, again=True) < 0.7 * held("mb2-ssd-lite", 96, 96)
