"""The nets of pytorch-ssd as they were published: priors, parameters, and each name and shape of their weights.

Parameters are counted by hand from the published definitions (convolutions with their biases, two of BN a channel).
mb3 never ran there (its heads ask for channels that its backbone has not), so that torchvision's ssdlite320 is the measure.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.nn.backbones.drawn import parameters_of, with_statistics
from vision.core.sample import InputSpec
from vision.nn.weights.key_maps import form_of
from vision.ssd.build import build_detector, map_sizes
from vision.ssd.model import Detector
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import find

C = 81
Shapes = dict[str, tuple[int, ...]]


def build(name: str, classes: int = C, side: tuple[int, int] = (300, 300)) -> Detector:
    return build_detector(find(name), classes, InputSpec(*side), prior_profile="ancestor")


def conv(name: str, out: int, inside: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (out, inside, kernel, kernel), f"{name}.bias": (out,)}


def norm(name: str, channels: int) -> Shapes:
    each = {f"{name}.{kind}": (channels,) for kind in ("weight", "bias", "running_mean", "running_var")}
    return each | {f"{name}.num_batches_tracked": ()}


def headers(make: Any, channels: list[int], boxes: list[int]) -> Shapes:
    shapes: Shapes = {}
    for kind, values in (("classification", C), ("regression", 4)):
        for number, (inside, count) in enumerate(zip(channels, boxes, strict=True)):
            shapes |= make(f"{kind}_headers.{number}", number, inside, count * values)
    return shapes


def plain(name: str, number: int, inside: int, out: int) -> Shapes:
    return conv(name, out, inside, 3)


def separable(name: str, number: int, inside: int, out: int) -> Shapes:
    if number == 5:
        return conv(name, out, inside, 1)
    return conv(f"{name}.0", inside, 1, 3) | conv(f"{name}.2", out, inside, 1)


def extras(kind: str, sizes: list[tuple[int, int, int]]) -> Shapes:
    """(channels in, inside, out) of each."""
    shapes: Shapes = {}
    for i, (before, inside, out) in enumerate(sizes):
        shapes |= conv(f"extras.{i}.0", inside, before, 1)
        if kind == "plain":
            shapes |= conv(f"extras.{i}.2", out, inside, 3)
        else:
            shapes |= conv(f"extras.{i}.2.0", inside, 1, 3) | conv(f"extras.{i}.2.2", out, inside, 1)
    return shapes


def vgg16() -> Shapes:
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    out = (64, 64, 128, 128, 256, 256, 256, *[512] * 6)
    shapes: Shapes = {}
    for number, inside, channels in zip(numbers, (3, *out), out, strict=False):
        shapes |= conv(f"base_net.{number}", channels, inside, 3)
    shapes |= conv("base_net.31", 1024, 512, 3) | conv("base_net.33", 1024, 1024, 1)
    shapes |= norm("source_layer_add_ons.0", 512)
    shapes |= extras("plain", [(1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256)])
    return shapes | headers(plain, [512, 1024, 512, 256, 256, 256], [4, 6, 6, 6, 4, 4])


def mobilenet_v1(kind: str) -> Shapes:
    out = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    shapes: Shapes = {"base_net.0.0.weight": (32, 3, 3, 3)} | norm("base_net.0.1", 32)
    for block, (inside, channels) in enumerate(itertools.pairwise(out), 1):
        shapes |= {f"base_net.{block}.0.weight": (inside, 1, 3, 3)} | norm(f"base_net.{block}.1", inside)
        shapes |= {f"base_net.{block}.3.weight": (channels, inside, 1, 1)} | norm(
            f"base_net.{block}.4", channels
        )
    shapes |= extras(kind, [(1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256)])
    return shapes | headers(plain if kind == "plain" else separable, [512, 1024, 512, 256, 256, 256], [6] * 6)


def squeezenet() -> Shapes:
    fires = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)}
    fires |= {9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}
    shapes = conv("base_net.0", 64, 3, 3)
    for number, (inside, squeezed, expanded) in fires.items():
        name = f"base_net.{number}"
        shapes |= conv(f"{name}.squeeze", squeezed, inside, 1)
        shapes |= conv(f"{name}.expand1x1", expanded, squeezed, 1)
        shapes |= conv(f"{name}.expand3x3", expanded, squeezed, 3)
    shapes |= extras(
        "bare", [(512, 256, 512), (512, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256)]
    )
    return shapes | headers(separable, [512, 512, 512, 256, 256, 256], [6] * 6)


PUBLISHED = {
    "vgg16-ssd": (vgg16, 8732, [38, 19, 10, 5, 3, 1]),
    "mb1-ssd": (lambda: mobilenet_v1("plain"), 3000, [19, 10, 5, 3, 2, 1]),
    "mb1-ssd-lite": (lambda: mobilenet_v1("bare"), 3000, [19, 10, 5, 3, 2, 1]),
    "sq-ssd-lite": (squeezenet, 2568, [17, 10, 5, 3, 2, 1]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_shapes_and_priors_are_those_that_were_published(name: str) -> None:
    """The form of key_maps.py turns each published name into one here, with the same shape and nothing beside them."""
    shapes, priors, cells = PUBLISHED[name]
    published = shapes()
    detector = build(name)
    form = form_of(published)
    assert form is not None and form.priors == "ancestor"
    renamed = form.renamed({key: torch.empty(shape, device="meta") for key, shape in published.items()})
    assert {key: tuple(v.shape) for key, v in renamed.items()} == {
        key: tuple(v.shape) for key, v in detector.state_dict().items()
    }
    assert len(detector.priors_cxcywh) == priors
    assert map_sizes(detector.variant, detector.input_spec) == [(side, side) for side in cells]


def test_extra_layers_of_squeezenet_begin_behind_its_last_layer() -> None:
    """What the first head sees is layer 11, what the first extra layer sees is 12."""
    detector = build("sq-ssd-lite", 3, (96, 128)).eval()
    seen: dict[str, Tensor] = {}
    for name in ("base_net.11", "base_net.12", "extras.0"):
        detector.get_submodule(name).register_forward_hook(
            lambda _, args, out, name=name: seen.update({name: out, f"{name} in": args[0]})
        )
    with torch.no_grad():
        maps = detector.extras(detector.base_net(torch.randn(1, 3, 96, 128)))
    assert torch.equal(maps[0], seen["base_net.11"]) and len(maps) == 6
    assert torch.equal(seen["extras.0 in"], seen["base_net.12"])


@pytest.fixture(scope="module")
def ssdlite320() -> nn.Module:
    torch.manual_seed(0)
    models = torchvision.models.detection
    net: Any = models.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=C)
    return net.eval()


def test_mb3_large_has_the_size_of_torchvisions_ssdlite320(ssdlite320: Any) -> None:
    """3.44 M with torchvision's 91 classes."""
    assert parameters_of(build("mb3-large-ssd-lite", 91)) == 3_440_060
    assert parameters_of(build("mb3-large-ssd-lite")) == parameters_of(ssdlite320)
    assert len(build("mb3-large-ssd-lite").priors_cxcywh) == 3000
    assert len(build("mb3-small-ssd-lite").priors_cxcywh) == 3000


def test_mb3_large_gives_the_numbers_of_torchvisions_ssdlite320(ssdlite320: Any) -> None:
    ours = build("mb3-large-ssd-lite").eval()
    published = with_statistics(ssdlite320).state_dict()
    form = form_of(published)
    assert form is not None
    weights = form.renamed(published)
    ours.load_state_dict(weights, strict=True)
    images = torch.randn(1, 3, 96, 160)
    with torch.no_grad():
        maps = list(ssdlite320.backbone(images).values())
        expected = ssdlite320.head(maps)
        logits, offsets = ours(images)
    torch.testing.assert_close(logits, expected["cls_logits"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(offsets, expected["bbox_regression"], atol=1e-4, rtol=1e-4)


def test_torchvision_profiles_are_its_default_boxes(ssdlite320: Any) -> None:
    """As it gives them, in px of its input and by corners; at 300 px for the VGG16, which has steps."""
    ssd300: Any = torchvision.models.detection.ssd300_vgg16(
        weights=None, weights_backbone=None, num_classes=2
    )
    for name, theirs, side in (("mb3-large-ssd-lite", ssdlite320, 320), ("ssd300_vgg16", ssd300, 300)):
        row, spec = find(name), InputSpec(side, side)
        sizes = map_sizes(row, spec)
        images = torchvision.models.detection.image_list.ImageList(
            torch.empty(1, 3, side, side), [(side, side)]
        )
        (expected,) = theirs.anchor_generator(images, [torch.empty(1, 1, *hw) for hw in sizes])
        found = make_priors(row.priors["published"], sizes, spec)
        half = found[:, 2:] / 2
        corners = torch.cat([found[:, :2] - half, found[:, :2] + half], dim=1) * side
        torch.testing.assert_close(corners, expected, atol=1e-3, rtol=0)
