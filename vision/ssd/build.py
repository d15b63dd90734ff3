"""Row → modules: the one place where the names of ``variants.py`` become classes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vision.core.sample import InputSpec
from vision.nn.backbones.classroom import Classroom
from vision.nn.backbones.darknet import DarkNet19, DarkNet53
from vision.nn.backbones.mobilenet_v1 import MobileNetV1
from vision.nn.backbones.mobilenet_v2 import MobileNetV2
from vision.nn.backbones.mobilenet_v3 import LARGE, SMALL, MobileNetV3
from vision.nn.backbones.resnet import ResNet
from vision.nn.backbones.squeezenet import SqueezeNet
from vision.nn.backbones.vgg16 import VGG16
from vision.nn.initialise import initialise_convolutions
from vision.nn.necks.extra_layers import (
    bare_separable_extras,
    inverted_residual_extras,
    mobile_extras,
    no_layers,
    ssd_neck,
)
from vision.nn.necks.fssd import FusedPyramid
from vision.nn.necks.pyramids import BiFpn, Fpn
from vision.nn.necks.rfb import RfbNeck
from vision.nn.necks.yolo import PassThrough, TopDown
from vision.ssd.coding import BoxCoder
from vision.ssd.heads import (
    Headers,
    NoOffsets,
    SharedHeaders,
    bare_lite_headers,
    bias_to_background,
    full_headers,
    initialise_headers,
    lite_headers,
    mobile_headers,
    point_headers,
    shared_headers,
    ssd_lite_headers,
    tower_headers,
)
from vision.ssd.losses.detection import LossOfClasses, SsdLoss
from vision.ssd.losses.focal import SigmoidFocal, SoftmaxFocal
from vision.ssd.losses.multibox import Multibox
from vision.ssd.model import Detector
from vision.ssd.priors.generate import make_priors
from vision.ssd.variants import DEFAULT_PRIORS, Variant

BACKBONES: dict[str, Callable[[Sequence[str], float, int], Any]] = {
    "vgg16": VGG16,
    "mobilenet-v1": MobileNetV1,
    "mobilenet-v2": MobileNetV2,
    "mobilenet-v3-large": functools.partial(MobileNetV3, LARGE),
    "mobilenet-v3-small": functools.partial(MobileNetV3, SMALL),
    "squeezenet": SqueezeNet,
    "resnet18": functools.partial(ResNet, (2, 2, 2, 2), False),
    "resnet34": functools.partial(ResNet, (3, 4, 6, 3), False),
    "resnet50": functools.partial(ResNet, (3, 4, 6, 3), True),
    "resnet101": functools.partial(ResNet, (3, 4, 23, 3), True),
    "classroom": Classroom,
    "darknet19": DarkNet19,
    "darknet53": DarkNet53,
}
"""Name → ``(sources, width_mult, in_channels)`` → a module that gives a list of maps, with their ``out_channels``."""
NECKS: dict[str, Callable[..., Any]] = {
    "inverted-residual-extras": inverted_residual_extras, "ssd": ssd_neck, "rfb": RfbNeck, "fssd": FusedPyramid,
    "bare-separable-extras": bare_separable_extras, "mobile-extras": mobile_extras,
    "yolo-v2": PassThrough, "yolo-v3": TopDown, "fpn": Fpn, "bifpn": BiFpn, "none": no_layers,
}  # fmt: skip
"""Name → ``(in_channels of its maps, width_mult, **neck_options)`` → a module from maps to maps, with ``out_channels``."""
HEADS: dict[str, Callable[[Sequence[int], Sequence[int], int], Headers | SharedHeaders]] = {
    "ssd-lite": ssd_lite_headers, "full": full_headers, "lite": lite_headers, "point": point_headers,
    "bare-lite": bare_lite_headers, "mobile": mobile_headers,
    "shared": shared_headers, "tower": tower_headers,
}  # fmt: skip
"""Name → ``(channels of the maps, shapes a cell of each, values a shape)`` → ``Headers``, or one that is shared."""
CODERS = {"ssd": BoxCoder}
LOSSES: dict[str, Callable[..., LossOfClasses]] = {
    "multibox": Multibox,
    "softmax-focal": SoftmaxFocal,
    "sigmoid-focal": SigmoidFocal,
}
"""Name → ``(**loss_options)`` → the loss of classes; what it takes logits for is the row's ``score_function``."""


def build_detector(
    variant: Variant,
    num_classes: int,
    input_spec: InputSpec,
    width_mult: float = 1.0,
    prior_profile: str = DEFAULT_PRIORS,
    box_regression: bool = True,
) -> Detector:
    """An initialised detector for ``num_classes`` (background included) on the CPU; boxes are its priors where it has no
    ``box_regression``.

    Raises ValueError for fewer than 2 classes, a width that is not positive and an unknown profile.
    """
    detector = assemble(variant, num_classes, input_spec, width_mult, prior_profile, box_regression)
    initialise(detector)
    return detector


def assemble(
    variant: Variant,
    num_classes: int,
    input_spec: InputSpec,
    width_mult: float,
    prior_profile: str,
    box_regression: bool = True,
) -> Detector:
    """``build_detector`` without its first weights: for shapes and counts."""
    if num_classes < 2:
        raise ValueError(
            f"num_classes {num_classes}: a detector needs background and at least one object class"
        )
    if not width_mult > 0:
        raise ValueError(f"width multiplier {width_mult}: must be above 0 (1 = the published net)")
    profile = variant.profile(prior_profile)
    base_net, extras, channels = _trunk(variant, width_mult, input_spec.channels)
    make_headers = HEADS[variant.heads]
    return Detector(
        base_net=base_net,
        extras=extras,
        classification_headers=make_headers(
            channels, profile.shapes_per_cell, num_classes - variant.first_class
        ),
        regression_headers=make_headers(channels, profile.shapes_per_cell, 4)
        if box_regression
        else NoOffsets(profile.shapes_per_cell),
        priors_cxcywh=make_priors(profile, map_sizes(variant, input_spec, width_mult), input_spec),
        coder=CODERS[variant.coder](),
        num_classes=num_classes,
        input_spec=input_spec,
        variant=variant,
    )


def build_loss(detector: Detector) -> SsdLoss:
    """The loss of the detector's variant on its priors."""
    row = detector.variant
    return SsdLoss(
        detector.priors_cxcywh,
        detector.coder,
        LOSSES[row.loss](**row.loss_options),
        row.matching.object_from,
        row.matching.background_below,
        box_regression=not isinstance(detector.regression_headers, NoOffsets),
        first_class=row.first_class,
    )


def initialise(detector: Detector) -> None:
    """First weights, drawn from torch's global generator."""
    initialise_convolutions(detector)
    initialise_heads(detector)


def initialise_heads(detector: Detector) -> None:
    """First weights of the heads' last layers: offsets 0, classes at the variant's share of objects."""
    row = detector.variant
    for headers in (detector.classification_headers, detector.regression_headers):
        initialise_headers(headers, row.head_std)
    bias_to_background(
        detector.classification_headers, detector.num_classes, row.initial_objects, row.first_class
    )


def map_sizes(variant: Variant, input_spec: InputSpec, width_mult: float = 1.0) -> list[tuple[int, int]]:
    """(h, w) of every map that the heads look at, finest first: from a run without numbers."""
    return list(_map_sizes(variant, input_spec, width_mult))


@functools.cache  # building a deep net takes a while
def _map_sizes(variant: Variant, spec: InputSpec, width_mult: float) -> tuple[tuple[int, int], ...]:
    with shapes_device(spec), without_first_weights():
        base_net, extras, _ = _trunk(variant, width_mult, spec.channels)
        trunk = shapes_alone(nn.Sequential(base_net, extras))
        maps = trunk(torch.empty(1, spec.channels, spec.height, spec.width))
    return tuple((features.shape[2], features.shape[3]) for features in maps)


def shapes_device(spec: InputSpec) -> torch.device:
    """Where maps without numbers are: torch's meta device imports for seconds, but large maps take no memory there."""
    return torch.device("meta" if spec.height * spec.width > 1 << 20 else "cpu")


@contextmanager
def without_first_weights() -> Iterator[None]:
    """Nets that are built here have what memory held for weights, which nobody draws: others are loaded, or shapes alone count.

    What is never written to takes no memory. No gradient is kept of what is run.
    """
    with torch.no_grad(), _NoFirstWeights():
        yield


class _NoFirstWeights(TorchFunctionMode):
    DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"]
        if func in self.DRAWS:
            return args[0]
        return func(*args, **given)


ELEMENTWISE = (nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid)


def shapes_alone(module: nn.Module) -> nn.Module:
    """``module``, for a run without numbers: plain convolutions give a map of the right size, with nothing in it."""
    for layer in module.modules():
        if type(layer) is nn.Conv2d:
            layer.forward = functools.partial(_convolved, layer)  # type: ignore[method-assign]
    return elementwise_passed_over(module)


def elementwise_passed_over(module: nn.Module) -> nn.Module:
    """``module`` without the layers that change no shape: most of the time of a run without numbers."""
    for layer in module.modules():
        if isinstance(layer, ELEMENTWISE):
            layer.forward = _as_it_is  # type: ignore[method-assign]
    return module.eval()


def _convolved(layer: nn.Conv2d, input: Tensor) -> Tensor:
    assert input.shape[1] == layer.in_channels and not isinstance(layer.padding, str)
    each = zip(input.shape[2:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True)
    sides = [(n + 2 * padding - dilation * (k - 1) - 1) // step + 1 for n, k, step, padding, dilation in each]
    assert min(sides) > 0, f"{layer} on {tuple(input.shape)}"
    return input.new_empty(input.shape[0], layer.out_channels, *sides)


def _as_it_is(input: Tensor) -> Tensor:
    return input


def _trunk(
    variant: Variant, width_mult: float, in_channels: int
) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """Backbone, neck, and the channels of the maps that the neck gives."""
    base_net = BACKBONES[variant.backbone](variant.sources, width_mult, in_channels)
    extras = NECKS[variant.neck](base_net.out_channels, width_mult, **variant.neck_options)
    return base_net, extras, extras.out_channels
