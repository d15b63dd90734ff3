"""Every row of the table: what it gives, at two sizes that are not square, and the few at one that is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.ssd.all_nets import NARROW, few, of_all_nets, parts
from vision.core.sample import InputSpec
from vision.ssd.build import assemble, build_detector, map_sizes, shapes_alone, without_first_weights
from vision.ssd.cost import cost
from vision.ssd.variants import DEFAULT_PRIORS, VARIANTS

CLASSES = 5
SQUARE, WIDE, TALL = InputSpec(96, 96), InputSpec(64, 160), InputSpec(160, 64)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_priors_and_outputs_agree_and_sides_are_not_exchanged(name: str) -> None:
    """Of all rows, without numbers: a value for every prior; width and height exchanged give the maps exchanged."""
    row, maps, given = VARIANTS[name], {}, list[list[Tensor]]()
    shapes = row.priors[DEFAULT_PRIORS].shapes_per_cell
    with without_first_weights():
        net = shapes_alone(assemble(row, CLASSES, WIDE, NARROW, DEFAULT_PRIORS))
        net.extras.register_forward_hook(lambda _module, _maps, output: given.append(output))
        for spec in (WIDE, TALL, *([SQUARE] if name in few() else [])):
            logits, offsets = net(torch.empty(2, spec.channels, spec.height, spec.width))
            maps[spec] = [tuple(each.shape[2:]) for each in given[-1]]
            priors = sum(h * w * each for (h, w), each in zip(maps[spec], shapes, strict=True))
            assert logits.shape == (2, priors, CLASSES - row.first_class) and offsets.shape == (2, priors, 4)
            if spec == WIDE:
                assert net.priors_cxcywh.shape == (priors, 4) and maps[spec] == map_sizes(row, spec, NARROW)
    assert all(h == w for h, w in maps.get(SQUARE, ())) and all(h <= w for h, w in maps[WIDE])
    assert [(w, h) for h, w in maps[WIDE]] == maps[TALL] != maps[WIDE]


@of_all_nets
def test_a_net_gives_what_its_shapes_say(name: str) -> None:
    """With numbers, in the order of the priors; the parameters are as many as were counted without them."""
    row, spec = VARIANTS[name], WIDE
    torch.manual_seed(0)
    detector = build_detector(
        row, CLASSES, spec, NARROW
    ).train()  # statistics of a batch: there are no others yet
    with torch.no_grad():
        logits, offsets = detector(torch.randn(2, spec.channels, spec.height, spec.width))
    priors = detector.priors_cxcywh
    assert logits.shape == (2, len(priors), CLASSES - row.first_class)
    assert offsets.shape == (2, len(priors), 4)
    assert logits.isfinite().all() and offsets.isfinite().all() and priors.isfinite().all()
    counted = cost(row, CLASSES, spec, NARROW)
    assert counted.parameters == sum(parameter.numel() for parameter in detector.parameters())
    assert counted.priors == len(priors)
    expected = 1 - row.initial_objects if row.score_function == "softmax" else row.initial_objects
    found = logits.softmax(dim=-1)[..., 0] if row.score_function == "softmax" else logits.sigmoid()
    assert float(found.mean()) == pytest.approx(expected, abs=0.1), "first weights say: mostly background"


def test_the_default_run_meets_every_part() -> None:
    met = set[object]().union(*(parts(VARIANTS[name]) for name in few()))
    assert met == set[object]().union(*map(parts, VARIANTS.values()))
