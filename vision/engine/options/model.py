"""Options of the net, its input, its boxes, its first weights. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from vision.engine.options.option import MODEL, option
from vision.ssd.variants import DEFAULT_VARIANT


@dataclass(frozen=True)
class ModelOptions:
    net: str = option(
        DEFAULT_VARIANT, "the detector: a published name, or DETECTOR-BACKBONE such as ssd-lite-mobilenet-v2; "
        "python -m tools.models lists them", MODEL, "fixed", metavar="NAME",
    )  # fmt: skip
    heads: str | None = option(
        None, "full = 3×3 convolutions, lite = depthwise and 1×1 (SSDLite); default the net's own",
        MODEL, "fixed", choices=("full", "lite"),
    )  # fmt: skip
    mb2_width_mult: float = option(
        1.0, "width multiplier of the whole net", MODEL, "fixed",
        aliases=("--mb2-width-mult",), above=0, high=8,
    )  # fmt: skip
    resolution: tuple[int, ...] = option(
        (300,), "input size in px: one number, or width and height; default for yolo-* 416, pyramids 320, classroom 128 64", MODEL, "fixed", metavar="PX",
        low=32, high=4096,
    )  # fmt: skip
    channels: int = option(
        3, "input channels: 3 = RGB, 1 = grey made from RGB (default of classroom); the export takes RGB for both", MODEL, "fixed",
        choices=(1, 3),
    )  # fmt: skip
    priors: str = option(
        "coco", "prior boxes: coco = sizes fitted to COCO's objects; ancestor or published = those the net was published with; "
        "or a file of python -m tools.fit_priors, whose boxes the run then keeps", MODEL, "fixed", metavar="NAME|FILE",
    )  # fmt: skip
    box_regression: bool = option(
        True, "learn box offsets; without, the boxes are the unchanged prior boxes", MODEL, "fixed"
    )
    base_net: str | None = option(
        None, "weights of the backbone: a file, or a torchvision enum such as "
        "MobileNet_V2_Weights.IMAGENET1K_V1, or none = from scratch", MODEL, "fixed", metavar="WEIGHTS",
    )  # fmt: skip
    pretrained_ssd: str | None = option(
        None, "weights of a whole detector to start from: a .pth file; the averaged ones (EMA) if it has them",
        MODEL, "fixed", metavar="FILE",
    )  # fmt: skip
