"""VGG16 against torchvision's own layers, and its fully connected layers as convolutions against a loop."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision

from tests.nn.backbones.drawn import map_shapes, parameters_of
from vision.nn.backbones.vgg16 import CLASSIFIER, VGG16


def test_same_numbers_as_torchvision() -> None:
    """relu4_3, and fc7 behind pooling of stride 1 and a convolution that looks 13 cells wide."""
    torch.manual_seed(0)
    theirs = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]).eval()
    theirs[16].ceil_mode = True  # torchvision's classifier rounds down
    ours = VGG16().eval()
    found = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert (
        found.missing_keys == ["31.weight", "31.bias", "33.weight", "33.bias"] and not found.unexpected_keys
    )
    images = torch.randn(1, 3, 75, 102)
    with torch.no_grad():
        tap, last = ours(images)
        torch.testing.assert_close(tap, theirs[:23](images))
        x = F.max_pool2d(theirs[:30](images), 3, 1, 1)
        x = F.conv2d(x, ours[31].weight, ours[31].bias, padding=6, dilation=6).relu()
        torch.testing.assert_close(last, F.conv2d(x, ours[33].weight, ours[33].bias).relu())
    assert tap.shape[1:] == (512, 9, 13) and last.shape[1:] == (1024, 4, 6)  # 25 wide is rounded up to 13


def test_published_sizes() -> None:
    """14,714,688 of VGG16's convolutions (torchvision), 512·1024·9 + 1024 and 1024² + 1024."""
    assert parameters_of(VGG16()) == 14_714_688 + 4_719_616 + 1_049_600
    assert map_shapes(VGG16(), 300, 300) == [(512, 38, 38), (1024, 19, 19)]
    assert map_shapes(VGG16(("8",)), 240, 416) == [(512, 30, 52)]
    assert VGG16(width_mult=0.25).out_channels == (128, 256)


def test_torchvisions_state_dict_is_known_by_its_fully_connected_layers() -> None:
    with torch.device("meta"):
        whole = torchvision.models.vgg16(weights=None).state_dict()
    weights = {name.removeprefix("features."): value for name, value in whole.items()}
    assert VGG16.is_torchvision(weights)
    for name in CLASSIFIER:
        assert not VGG16.is_torchvision({n: v for n, v in weights.items() if n != name})
        assert not VGG16.is_torchvision(weights | {name: torch.zeros(())})


def test_fully_connected_layers_are_subsampled() -> None:
    """Every element by the rule of the papers, on a layer of 8 channels from 3 maps of 7 × 7."""
    torch.manual_seed(0)
    fc6, fc7 = torch.randn(8, 3 * 49), torch.randn(8, 8)
    biases = torch.randn(2, 8)
    kept = torch.randn(4)
    found = VGG16.from_torchvision(
        {"0.weight": kept, **dict(zip(CLASSIFIER, (fc6, biases[0], fc7, biases[1]), strict=True))}
    )
    assert list(found) == ["0.weight", "31.weight", "31.bias", "33.weight", "33.bias"]
    assert found["31.weight"].shape == (2, 3, 3, 3) and found["33.weight"].shape == (2, 2, 1, 1)
    for out in range(2):
        for map_ in range(3):
            for y in range(3):
                for x in range(3):
                    assert found["31.weight"][out, map_, y, x] == fc6[4 * out, 49 * map_ + 7 * 3 * y + 3 * x]
        for channel in range(2):
            assert found["33.weight"][out, channel, 0, 0] == fc7[4 * out, 4 * channel]
        assert found["31.bias"][out] == biases[0][4 * out] and found["33.bias"][out] == biases[1][4 * out]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_of_the_input(channels: int) -> None:
    assert map_shapes(VGG16(("8", "16"), 0.1, channels), 64, 96, channels)[0][1:] == (8, 12)
