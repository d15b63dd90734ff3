"""The moving average: the formula to the bit, however the weights lie in memory."""

from __future__ import annotations

from itertools import chain

import torch

from vision.engine.model import _is_dense, alike, build_from, make_ema, to_device
from vision.engine.options.config import build


def test_the_average_is_the_formula_to_the_bit() -> None:
    config = build({"net": "mb2-ssd-lite", "mb2_width_mult": 0.1, "resolution": (96,)})
    model = to_device(build_from(config, 3), config, torch.device("cpu"))
    average = make_ema(model, 0.3)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for count in range(4):
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.is_floating_point() and tensor is not model.priors_cxcywh:
                tensor.data = tensor.data + torch.randn_like(tensor)
        average.update_parameters(model)
        weight = 1 - ((1 + torch.tensor(count)) / (10 + torch.tensor(count))).clamp(max=0.3)
        for name, now in model.state_dict().items():
            if not count or not now.is_floating_point():
                expected[name] = now.clone()
            else:
                expected[name] = expected[name] + (now - expected[name]) * weight
    for name, tensor in average.module.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_pairs_that_lie_alike_are_together() -> None:
    planes = torch.zeros(2, 3, 4, 4)
    pixels = planes.contiguous(memory_format=torch.channels_last)
    gaps = torch.zeros(4, 4)[:, :2]
    pairs = [(planes, planes), (planes, pixels), (pixels, pixels), (gaps, gaps)]
    parts = alike([a for a, _ in pairs], [b for _, b in pairs])
    assert [[id(t) for t in own] for own, _ in parts] == [[id(planes), id(pixels)], [id(planes), id(gaps)]]
    assert not _is_dense(torch.zeros(1, 3).expand(4, 3)) and _is_dense(torch.zeros(0, 3))
    assert _is_dense(torch.zeros(8, 1, 3, 3).contiguous(memory_format=torch.channels_last))
    assert _is_dense(torch.tensor(1.0))


def test_the_nets_weights_lie_as_their_average_does() -> None:
    config = build({"mb2_width_mult": 0.1, "resolution": (96,)})
    model = to_device(build_from(config, 3), config, torch.device("cpu"))
    assert len(alike(list(model.parameters()), list(make_ema(model, 0.9).module.parameters()))) == 1
