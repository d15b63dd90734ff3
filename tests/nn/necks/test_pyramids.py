"""Pyramids against torchvision's, against the equations of the paper, and for maps of odd sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from vision.nn.necks.pyramids import BiFpn, Fpn, WeightedSum, enlarged, halved

ODD = ((19, 33), (10, 17), (5, 9))
EVEN = ((16, 24), (8, 12), (4, 6))


def _maps(sizes: tuple[tuple[int, int], ...], channels: tuple[int, ...] = (4, 6, 8)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, c, *hw, generator=generator) for c, hw in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize("sizes", [ODD, EVEN])
def test_from_the_top_down_it_is_torchvisions(sizes: tuple[tuple[int, int], ...]) -> None:
    """The same 1×1 in both, and no 3×3, which are separable here."""
    torch.manual_seed(0)
    ours, theirs = Fpn((4, 6, 8), channels=16, extra=0).eval(), FeaturePyramidNetwork([4, 6, 8], 16)
    for number in range(3):
        ours.laterals[number] = theirs.inner_blocks[number]
        ours.outputs[number] = theirs.layer_blocks[number] = nn.Identity()
    maps = _maps(sizes)
    expected = theirs({str(i): features for i, features in enumerate(maps)})
    torch.testing.assert_close(ours(maps), list(expected.values()))


@pytest.mark.parametrize("neck", [Fpn, BiFpn])
@pytest.mark.parametrize("sizes", [ODD, EVEN, ((2, 3), (1, 2), (1, 1))])
def test_maps_of_any_size_and_coarser_ones(neck: type[nn.Module], sizes: tuple[tuple[int, int], ...]) -> None:
    made = neck((4, 6, 8), 0.5, channels=32, extra=2)
    found = made(_maps(sizes))
    (h, w) = sizes[-1]
    coarser = [(-(-h // 2), -(-w // 2)), (-(-h // 4), -(-w // 4))]
    assert [tuple(x.shape) for x in found] == [(2, 16, *hw) for hw in (*sizes, *coarser)]
    assert made.out_channels == (16,) * 5
    sum(x.square().sum() for x in found).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_a_cell_is_that_of_half_its_position() -> None:
    coarse = torch.arange(20.0).view(1, 1, 4, 5)
    for height, width in ((8, 10), (7, 9), (8, 9)):
        y, x = torch.meshgrid(torch.arange(height) // 2, torch.arange(width) // 2, indexing="ij")
        assert torch.equal(enlarged(coarse, torch.zeros(1, 1, height, width))[0, 0], coarse[0, 0][y, x])


def test_weights_of_a_sum_are_shares_and_never_negative() -> None:
    """Tan et al. 2020, section 3.3: O = Σ w_i I_i / (ε + Σ w_j), w ≥ 0 by ReLU."""
    merge = WeightedSum(3)
    assert merge.weights.tolist() == [0.5, 0.5, 0.5]
    maps = _maps(((3, 3),) * 3, (2, 2, 2))
    torch.testing.assert_close(merge(*maps), sum(maps) / 3, atol=1e-5, rtol=1e-5)
    merge.weights.data.copy_(torch.tensor([3.0, -2.0, 1.0]))
    torch.testing.assert_close(merge(*maps), (3 * maps[0] + maps[2]) / (4 + 1e-6))


def test_a_stack_is_that_of_the_paper() -> None:
    """Section 3.3, written out for four maps; without the convolutions, whose place a factor takes."""
    torch.manual_seed(1)
    made = BiFpn((4, 4, 4), channels=4, extra=1, stacks=1)
    stack = made.stacks[0]
    for module in (*stack.down_sums, *stack.up_sums):
        nn.init.uniform_(module.weights)
    stack.down = nn.ModuleList(_Times(n) for n in (2.0, 3.0, 4.0))
    stack.up = nn.ModuleList(_Times(n) for n in (5.0, 6.0, 7.0))
    p3, p4, p5 = _maps(((12, 12), (6, 6), (3, 3)), (4, 4, 4))
    p6 = halved(p5)

    def merged(weights: Tensor, *maps: Tensor) -> Tensor:
        return sum(w * x for w, x in zip(weights, maps, strict=True)) / (weights.sum() + 1e-6)  # type: ignore[return-value]

    down, up = ([one.weights.detach() for one in sums] for sums in (stack.down_sums, stack.up_sums))
    m5 = 4 * merged(down[2], p5, enlarged(p6, p5))
    m4 = 3 * merged(down[1], p4, enlarged(m5, p4))
    o3 = 2 * merged(down[0], p3, enlarged(m4, p3))
    o4 = 5 * merged(up[0], p4, m4, halved(o3))
    o5 = 6 * merged(up[1], p5, m5, halved(o4))
    o6 = 7 * merged(up[2], p6, halved(o5))
    torch.testing.assert_close(stack([p3, p4, p5, p6]), [o3, o4, o5, o6])


class _Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor
