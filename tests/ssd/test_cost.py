"""Counts against torch's own counter, and the sizes that were counted in ssds.pytorch."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vision.core.sample import InputSpec
from vision.ssd.build import build_detector
from vision.ssd.cost import cost
from vision.ssd.variants import VARIANTS, find

# millions of parameters and GMAC at 300 × 300 px (yolo: 416), 81 classes
PUBLISHED = {
    "ssd-vgg16": (35.09, 35.49), "ssd-resnet50": (23.15, 11.59), "ssd-darknet19": (34.42, 5.96),
    "ssd-darknet53": (55.19, 14.73), "ssd-lite-mobilenet-v1": (16.14, 2.51), "ssd-lite-mobilenet-v2": (9.25, 0.95),
    "rfb-vgg16": (42.76, 39.33), "rfb-resnet50": (30.82, 15.43), "rfb-darknet53": (62.86, 15.74),
    "rfb-lite-mobilenet-v1": (19.37, 3.00), "rfb-lite-mobilenet-v2": (9.64, 0.96), "fssd-vgg16": (39.92, 40.91),
    "fssd-resnet50": (27.98, 17.00), "fssd-darknet53": (62.52, 29.22), "fssd-lite-mobilenet-v1": (25.14, 17.00),
    "fssd-lite-mobilenet-v2": (10.69, 4.72), "yolo-v2-darknet19": (50.96, 14.73), "yolo-v2-mobilenet-v1": (34.35, 7.24),
    "yolo-v2-mobilenet-v2": (26.44, 5.17), "yolo-v3-darknet53": (62.11, 32.98), "yolo-v3-mobilenet-v1": (24.74, 10.42),
    "yolo-v3-mobilenet-v2": (22.85, 9.26), "mb2-ssd-lite": (4.45, 0.79),
}  # fmt: skip


def of_ssds_pytorch(name: str) -> tuple[float, float]:
    """What ssds.pytorch has beyond the net here: parameters, and multiply-adds.

    * MobileNetV2's first block expands 32 channels to 32 there; in the paper, and here, it does not expand.
    * the separable convolutions of rfb-lite are full ones there.
    """
    parameters = macs = 0
    if "mobilenet-v2" in name:
        half = find(name).resolution[0] // 2
        parameters, macs = 32 * 32 + 2 * 32, 32 * 32 * half * half
    if name.startswith("rfb-lite"):
        first, last = (512, 1024) if name.endswith("v1") else (96, 320)
        for channels, convolutions, cells in ((first // 4, 4, 19 * 19), (last // 8 // 2 * 3, 2, 5 * 5)):
            more = convolutions * (channels - 1) * channels * 9
            parameters, macs = parameters + more, macs + more * cells
    return parameters, macs


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name in VARIANTS])
def test_sizes_are_the_published_ones(name):
    counted, (parameters, macs) = cost(find(name)), of_ssds_pytorch(name)
    # as exactly as they are printed: two decimals
    assert counted.parameters + parameters == pytest.approx(PUBLISHED[name][0] * 1e6, abs=0.0051e6)
    assert counted.macs + macs == pytest.approx(PUBLISHED[name][1] * 1e9, abs=0.0051e9)


@pytest.mark.parametrize("name", ["ssd-lite-mobilenet-v2", "yolo-v3-mobilenet-v2"])
def test_macs_are_half_of_torchs_operations(name):
    """torch counts two operations a multiply-add, of matrix products too: those that resize maps are taken off."""
    row, spec = find(name), InputSpec(96, 64, channels=1)
    detector = build_detector(row, 5, spec, 0.25).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        detector(torch.zeros(1, 1, 96, 64))
    flops = {str(op): n for op, n in counter.get_flop_counts()["Global"].items()}
    found = cost(row, 5, spec, 0.25)
    assert found.macs == sum(n for op, n in flops.items() if "convolution" in op) // 2
    assert found.parameters == sum(parameter.numel() for parameter in detector.parameters())
    assert found.priors == len(detector.priors_cxcywh)


def test_layers_add_up():
    found = cost(find("mb2-ssd-lite"))
    assert (found.parameters, found.priors) == (4_450_228, 3000)
    assert sum(layer.macs for layer in found.layers) == found.macs
    first, last = found.layers[0], found.layers[-1]
    assert (first.name, first.output, first.macs) == ("base_net.0.0", (32, 150, 150), 32 * 27 * 150 * 150)
    assert (last.name, last.output, last.parameters) == ("regression_headers.5", (24, 1, 1), 24 * 64 + 24)
