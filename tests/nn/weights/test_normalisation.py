"""A folded first layer on this toolkit's input gives what the published one gives on its own, but for the border."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.messages.advice import UserError
from vision.nn.weights import normalisation
from vision.nn.weights.normalisation import (
    DEPLOYED,
    IMAGENET,
    PYTORCH_SSD,
    PYTORCH_SSD_VGG,
    Normalisation,
    fold,
)


def first_layer(with_norm: bool) -> nn.Sequential:
    torch.manual_seed(3)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1, bias=not with_norm)]
    if with_norm:
        layers.append(nn.BatchNorm2d(8))
        nn.init.uniform_(layers[1].running_mean, -1, 1)
        nn.init.uniform_(layers[1].running_var, 0.5, 2)
    return nn.Sequential(*layers).eval()


def normalised(pixels: Tensor, theirs: Normalisation) -> Tensor:
    mean, std = (torch.tensor(each)[:, None, None] for each in (theirs.mean, theirs.std))
    return (pixels.float() - mean) / std


@pytest.mark.parametrize(
    "theirs", [IMAGENET, PYTORCH_SSD, PYTORCH_SSD_VGG, DEPLOYED], ids=lambda each: each.words
)
@pytest.mark.parametrize("with_norm", [True, False])
@torch.no_grad()
def test_features_are_equal_away_from_the_padding(theirs: Normalisation, with_norm: bool) -> None:
    published, ours = first_layer(with_norm), first_layer(with_norm)
    spec, pixels = InputSpec(20, 30), torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8)
    ours.load_state_dict(fold(published.state_dict(), "0", "1" if with_norm else None, theirs, spec))
    expected, found = published(normalised(pixels, theirs)), ours(spec.normalise(pixels))
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(
        found[inner], expected[inner], atol=2e-4 if theirs is PYTORCH_SSD_VGG else 1e-5, rtol=1e-5
    )
    assert torch.equal(ours[0].weight, published[0].weight) == (theirs is DEPLOYED)


@pytest.mark.parametrize("shape", [None, (8, 2, 3, 3), (8,)])
def test_what_is_no_first_layer_for_rgb_stays_as_it_is(shape: tuple[int, ...] | None) -> None:
    weights = {"0.bias": torch.ones(8)} | ({} if shape is None else {"0.weight": torch.ones(shape)})
    assert fold(weights, "0", None, PYTORCH_SSD, InputSpec()) == weights
    no_bias = {"0.weight": torch.ones(8, 3, 3, 3)}
    assert fold(no_bias, "0", None, PYTORCH_SSD, InputSpec()).keys() == no_bias.keys()


@torch.no_grad()
def test_a_grey_first_layer_is_folded_where_its_numbers_are_told_and_else_refused() -> None:
    torch.manual_seed(3)
    published, ours = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
    spec, pixels = InputSpec(9, 9), torch.randint(0, 256, (2, 1, 9, 9)).float()
    folded = fold(nn.Sequential(published).state_dict(), "0", None, PYTORCH_SSD, spec)
    nn.Sequential(ours).load_state_dict(folded)
    torch.testing.assert_close(ours((pixels - spec.mean) / spec.std), published((pixels - 127) / 128))
    for theirs, zero in ((IMAGENET, None), (PYTORCH_SSD_VGG, None), (PYTORCH_SSD, (123.0, 117.0, 104.0))):
        with pytest.raises(UserError, match=r"takes one grey channel\n  why: .*\n  fix: use RGB weights"):
            fold(nn.Sequential(published).state_dict(), "0", None, theirs, spec, zero)


def test_constants_are_torchvisions() -> None:
    preset = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    assert normalisation.IMAGENET.mean == tuple(each * 255 for each in preset.mean)
    assert normalisation.IMAGENET.std == tuple(each * 255 for each in preset.std)
