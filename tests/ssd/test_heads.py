"""Headers shared by all maps, towers, and no headers at all."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.core.sample import InputSpec
from vision.ssd.build import HEADS, build_detector
from vision.ssd.heads import Headers, NoOffsets, shared_headers, tower_headers
from vision.ssd.variants import HEAD_KINDS, find


def _maps(channels: int, *sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, channels, side, side, generator=generator) * side for side in sizes]


def test_shared_weights_are_there_once_and_statistics_for_each_map():
    made = shared_headers((8, 8, 8), (6, 6, 6), 5, depth=2)
    state = made.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    assert sum(name.endswith("running_mean") for name in state) == 3 * 2
    convolutions = 2 * (8 * 9 + 8 * 8) + 8 * 9 + 8 * 30 + 30
    assert sum(p.numel() for p in made.parameters()) == convolutions + 3 * 2 * 2 * 8
    assert [*state][-1] == "last.1.bias" and state["last.1.bias"].shape == (30,)


def test_every_map_goes_through_the_shared_layers_by_its_own_statistics():
    torch.manual_seed(0)
    made, maps = shared_headers((8, 8), (2, 2), 3, depth=2), _maps(8, 6, 3)
    for _ in range(60):
        made.train()(maps)
    for number, features in enumerate(maps):
        filtered = made.layers[0](features)
        norm = made.norms[number][0]
        torch.testing.assert_close(norm.running_mean, filtered.mean(dim=(0, 2, 3)), atol=2e-3, rtol=2e-2)
        x = features
        for layer, own in zip(made.layers, made.norms[number], strict=True):
            x = own.eval()(layer(x)).clamp(0, 6)
        torch.testing.assert_close(made.eval()(maps)[number], made.last(x))
    means = [made.norms[number][0].running_mean for number in (0, 1)]
    assert (means[0] - means[1]).abs().max() > 0.1


def test_maps_that_differ_have_no_shared_header():
    with pytest.raises(ValueError):
        shared_headers((8, 16), (6, 6), 5)
    with pytest.raises(ValueError):
        shared_headers((8, 8), (6, 4), 5)


def test_a_tower_is_the_published_one():
    """Twice 3×3 256 with BN and ReLU, and a 3×3 with bias."""
    (header,) = tower_headers((64,), (12,), 1)
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2 + [nn.Conv2d]
    assert all(isinstance(layer, kind) for layer, kind in zip(header, kinds, strict=True))
    assert (
        sum(p.numel() for p in header.parameters())
        == 9 * 64 * 256 + 9 * 256 * 256 + 4 * 256 + (9 * 256 + 1) * 12
    )


def test_the_classroom_net_is_the_published_one():
    """Zero offsets without box regression; 12 boxes a cell: an eighth to all of the width, as high, half and twice (in px)."""
    detector = build_detector(
        find("classroom"), 2, InputSpec(64, 128, channels=1), prior_profile="published", box_regression=False
    ).eval()
    logits, offsets = detector(torch.zeros(2, 1, 64, 128))
    assert logits.shape == (2, 6144, 1) and offsets.shape == (2, 6144, 4) and not offsets.any()
    assert isinstance(detector.regression_headers, NoOffsets)
    sizes = detector.priors_cxcywh[:12, 2:] * torch.tensor([128, 64])
    assert sizes.tolist() == [
        [16, 16], [16, 8], [16, 32], [32, 32], [32, 16], [32, 64], [64, 64], [64, 32], [64, 64], [128, 64], [128, 64], [128, 64]
    ]  # fmt: skip
    (last,) = detector.classification_headers.last_layers.values()
    assert last.bias.tolist() == pytest.approx([-2.1] * 12)


@pytest.mark.parametrize("name", ["ssd-fpn-mobilenet-v2", "ssd-bifpn-mobilenet-v2"])
def test_pyramids_are_of_the_sizes_in_the_documents(name):
    """docs/ssd.md, "Pyramids": parameters at 81 classes; five maps of 6 boxes a cell at 320 px."""
    row = find(name)
    assert row.resolution == (320, 320)
    with torch.device("meta"):
        detector = build_detector(row, 81, InputSpec(320, 320))
    sizes = {"ssd-fpn-mobilenet-v2": 2_139_000, "ssd-bifpn-mobilenet-v2": 2_021_809}
    assert sum(p.numel() for p in detector.parameters()) == sizes[name]
    assert len(detector.priors_cxcywh) == 6 * (40**2 + 20**2 + 10**2 + 5**2 + 3**2)


# ---------------------------------------------------------------- one header a map, by name

CHANNELS, SHAPES, VALUES = (16, 24, 8), (6, 4, 5), 3


def made(name: str) -> Headers:
    torch.manual_seed(0)
    return HEADS[name](CHANNELS, SHAPES, VALUES)


@pytest.mark.parametrize("name", HEAD_KINDS)
@pytest.mark.parametrize("mode", [True, False])
def test_every_kind_gives_its_values_for_every_cell(name, mode):
    maps = [torch.randn(2, c, h, w) for c, h, w in zip(CHANNELS, (4, 2, 1), (5, 3, 1), strict=True)]
    found = made(name).train(mode)(maps)
    assert [tuple(each.shape) for each in found] == [(2, 18, 4, 5), (2, 12, 2, 3), (2, 15, 1, 1)]


@pytest.mark.parametrize("name", HEAD_KINDS)
def test_last_layers_are_what_gives_the_values(name):
    last = made(name).last_layers
    assert [layer.out_channels for layer in last.values()] == [18, 12, 15]
    assert all(layer.bias is not None for layer in last.values())


def kernels(header: nn.Module) -> list[tuple[int, bool]]:
    """Of each convolution its side, and whether each channel stands alone."""
    layers = [layer for layer in header.modules() if isinstance(layer, nn.Conv2d)]
    return [(layer.kernel_size[0], layer.groups == layer.in_channels > 1) for layer in layers]


@pytest.mark.parametrize(
    ("name", "finer", "last"),
    [
        ("full", [(3, False)], [(3, False)]),
        ("point", [(1, False)], [(1, False)]),
        ("lite", [(3, True), (1, False)], [(3, True), (1, False)]),
        ("ssd-lite", [(3, True), (1, False)], [(1, False)]),
    ],
)
def test_what_each_kind_is_made_of(name, finer, last):
    assert [kernels(header) for header in made(name)] == [finer, finer, last]
