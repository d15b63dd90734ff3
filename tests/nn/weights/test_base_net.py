"""ImageNet weights of every backbone that torchvision has them of: folded, renamed, and what is left out is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.nn.backbones.drawn import with_statistics
from vision.core.sample import InputSpec, grey
from vision.nn.backbones import vgg16
from vision.nn.weights import pretrained
from vision.nn.weights.state_dicts import LoadReport
from vision.ssd.build import BACKBONES
from vision.ssd.variants import BACKBONE_ROWS

models: Any = torchvision.models
SMALL_FC = {
    "classifier.0.weight": (512, 64 * 49),
    "classifier.0.bias": (512,),
    "classifier.3.weight": (512, 512),
    "classifier.3.bias": (512,),
}


def narrow_vgg() -> nn.Module:
    """torchvision's VGG16 at an eighth of its width: the whole has 138 M parameters."""
    cfg = [layer if layer == "M" else layer // 8 for layer in models.vgg.cfgs["D"]]
    net = nn.Module()
    net.features = models.vgg.make_layers(cfg)
    net.classifier = nn.ModuleDict({"0": nn.Linear(64 * 49, 512), "3": nn.Linear(512, 512)})
    return net


# backbone → its sources, width, torchvision's net, and the layers up to the first activation, there and here
CASES: dict[str, tuple[tuple[str, ...], float, Any, Any, int]] = {
    "vgg16": (("8", "16"), 1 / 8, narrow_vgg, lambda net: net.features[:2], 2),
    "squeezenet": (("16", "last-16"), 1, lambda: models.squeezenet1_1(weights=None), lambda net: net.features[:2], 2),
    "resnet18": (("8", "16"), 1, lambda: models.resnet18(weights=None), lambda net: nn.Sequential(net.conv1, net.bn1, net.relu), 3),
    "mobilenet-v2": (("16", "32"), 1, lambda: models.mobilenet_v2(weights=None), lambda net: net.features[:1], 1),
    "mobilenet-v3-small": (("16", "last-32"), 1, lambda: models.mobilenet_v3_small(weights=None), lambda net: net.features[:1], 1),
}  # fmt: skip


def imagenet(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) in 0..255, as torchvision's presets normalise it."""
    return torchvision.transforms.functional.normalize(
        pixels / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )


def load(
    name: str, sources: tuple[str, ...], width: float, channels: int, file: str
) -> tuple[Any, LoadReport]:
    net = SimpleNamespace(
        base_net=BACKBONES[name](sources, width, channels).eval(),
        variant=BACKBONE_ROWS[name],
        input_spec=InputSpec(64, 96, channels=channels),
    )
    report = pretrained.load_base_net(net, file)  # type: ignore[arg-type]
    return net, report


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("name", CASES)
def test_equal_features_away_from_the_padding(
    name: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel sees what three channels with the same grey in each would see; every other layer is as it was."""
    torch.manual_seed(0)
    monkeypatch.setattr(vgg16, "CLASSIFIER", SMALL_FC)
    sources, width, build, first, layers = CASES[name]
    theirs = with_statistics(build())
    torch.save(theirs.state_dict(), tmp_path / "imagenet.pth")
    net, report = load(name, sources, width, channels, str(tmp_path / "imagenet.pth"))
    assert not (report.missing or report.unexpected or report.misshaped)
    assert "normalisation folded" in str(report)
    pixels = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    seen = pixels.float() if channels == 3 else grey(pixels.float()).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = first(theirs)(imagenet(seen))[..., 2:-2, 2:-2]
        ours = nn.Sequential(*list(net.base_net)[:layers])
        found = ours(net.input_spec.normalise(pixels))[..., 2:-2, 2:-2]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    own = {n.removeprefix("features."): v for n, v in theirs.state_dict().items()}
    changed = {f"{net.base_net.first_layer[0]}.weight", f"{net.base_net.first_layer[1]}.running_mean"}
    changed |= {"0.bias"} if net.base_net.first_layer[1] is None else set()
    for key, value in net.base_net.from_torchvision(own).items():
        if key in net.base_net.state_dict() and key not in changed:
            assert torch.equal(net.base_net.state_dict()[key], value), key


def test_layers_behind_the_last_map_are_left_out_and_named(tmp_path: Path) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    _, report = load("resnet18", ("8",), 1, 3, str(tmp_path / "resnet18.pth"))
    assert "layers left out, which this net does not have: layer3, layer4" in str(report)


def test_a_reduced_mobilenet_v3_takes_all_but_its_narrower_layers(tmp_path: Path) -> None:
    """Of the 13 and more layers that are as wide as torchvision's all are loaded; the rest is said."""
    whole = models.mobilenet_v3_small(weights=None).state_dict()
    torch.save(whole, tmp_path / "v3.pth")
    net, report = load("mobilenet-v3-small", ("expansion-16", "reduced-32"), 1, 3, str(tmp_path / "v3.pth"))
    assert "half of the published channels here begin anew" in str(report)
    assert not report.missing and report.misshaped
    assert {line.partition(".")[0] for line in report.misshaped} == {"9", "10", "11", "12"}
    for number in range(1, 9):
        prefix = f"{number}."
        for key, value in net.base_net.state_dict().items():
            assert not key.startswith(prefix) or torch.equal(value, whole[f"features.{key}"])


def test_without_its_classifier_a_resnet_may_expect_anything(tmp_path: Path) -> None:
    state = {n: v for n, v in models.resnet18(weights=None).state_dict().items() if not n.startswith("fc.")}
    torch.save(state, tmp_path / "trunk.pth")
    _, report = load("resnet18", ("32",), 1, 3, str(tmp_path / "trunk.pth"))
    assert "input range is not recorded" in str(report) and not report.unexpected


def test_pytorch_ssds_mobilenet_v1_is_a_classifier_with_layers_below_model(tmp_path: Path) -> None:
    trunk = BACKBONES["mobilenet-v1"](("16", "32"), 0.25, 3)
    state = {f"model.{name}": value for name, value in trunk.state_dict().items()}
    torch.save({**state, "fc.weight": torch.zeros(2, 256)}, tmp_path / "mb1.pth")
    net, report = load("mobilenet-v1", ("16", "32"), 0.25, 3, str(tmp_path / "mb1.pth"))
    assert not (report.missing or report.unexpected)
    assert all(torch.equal(v, trunk.state_dict()[n]) for n, v in net.base_net.state_dict().items())


@pytest.mark.parametrize("name", sorted(BACKBONE_ROWS))
def test_names_of_torchvisions_weights_are_its_own(name: str) -> None:
    """Each enum that a row names is there and has ImageNet weights with the folded normalisation."""
    family = BACKBONE_ROWS[name].torchvision_weights
    if family is None:
        with pytest.raises(ValueError, match="torchvision has no weights of this net's backbone\n  fix: "):
            source = next(iter(BACKBONE_ROWS[name].strides))
            load(name, (source,), 0.25, 3, "MobileNet_V1_Weights.IMAGENET1K_V1")
        return
    preset = models.get_weight(f"{family}.IMAGENET1K_V1").transforms()
    assert (preset.mean, preset.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def test_weights_of_another_backbone_are_refused_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"takes ResNet50_Weights, such as ResNet50_Weights\.IMAGENET1K_V1"):
        load("resnet50", ("8",), 0.25, 3, "ResNet18_Weights.IMAGENET1K_V1")


def test_weights_of_another_input_range_are_refused_before_they_are_fetched() -> None:
    """Those of torchvision's ssd300_vgg16 expect pixels without a deviation; their classifier is NaN."""
    with pytest.raises(ValueError, match=r"another input range .*\n  fix: take VGG16_Weights\.IMAGENET1K_V1"):
        load("vgg16", ("8",), 0.1, 3, "VGG16_Weights.IMAGENET1K_FEATURES")
