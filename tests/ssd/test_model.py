"""mb2-ssd-lite: its published numbers, the names of its weights, and what training asks of it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vision.core.sample import Batch, InputSpec
from vision.ssd.build import build_detector, build_loss
from vision.ssd.heads import flatten_predictions
from vision.ssd.model import Detector
from vision.ssd.variants import find


def _small(classes: int = 4, hw: tuple[int, int] = (96, 128)) -> Detector:
    torch.manual_seed(0)
    return build_detector(find("mb2-ssd-lite"), classes, InputSpec(*hw), 0.25)


def test_published_numbers(detector):
    assert sum(parameter.numel() for parameter in detector.parameters()) == 4_450_228
    assert len(detector.priors_cxcywh) == 3000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits, offsets = detector(torch.zeros(1, 3, 300, 300))
    assert (logits.shape, offsets.shape) == ((1, 3000, 81), (1, 3000, 4))
    assert counter.get_total_flops() / 2 / 1e9 == pytest.approx(0.788, abs=5e-4)


def test_names_and_shapes_are_the_ancestors(detector):
    """The names that the ancestors' files use, with the shapes that follow from the published layout."""
    own = {name: tuple(value.shape) for name, value in detector.state_dict().items()}
    expected = {
        "base_net.0.0.weight": (32, 3, 3, 3),
        "base_net.0.1.running_var": (32,),
        "base_net.1.conv.0.weight": (32, 1, 3, 3),
        "base_net.1.conv.3.weight": (16, 32, 1, 1),
        "base_net.2.conv.0.weight": (96, 16, 1, 1),
        "base_net.14.conv.0.weight": (576, 96, 1, 1),
        "base_net.14.conv.3.weight": (576, 1, 3, 3),
        "base_net.17.conv.7.bias": (320,),
        "base_net.18.0.weight": (1280, 320, 1, 1),
        "extras.0.conv.0.weight": (256, 1280, 1, 1),
        "extras.0.conv.6.weight": (512, 256, 1, 1),
        "extras.3.conv.6.weight": (64, 64, 1, 1),
        "classification_headers.0.0.bias": (576,),
        "classification_headers.0.1.running_mean": (576,),
        "classification_headers.0.3.weight": (486, 576, 1, 1),
        "classification_headers.5.weight": (486, 64, 1, 1),
        "regression_headers.4.3.bias": (24,),
        "regression_headers.5.bias": (24,),
    }
    assert {name: own[name] for name in expected} == expected
    assert {name.split(".")[0] for name in own} == {
        "base_net",
        "extras",
        "classification_headers",
        "regression_headers",
    }
    assert max(int(name.split(".")[1]) for name in own if name.startswith("base_net.")) == 18


@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 0), (1, 2)])
def test_predictions_are_in_the_order_of_the_priors(row, column):
    """Mark one cell of a map of 2 × 3: only its priors may answer. Rows and columns exchanged would be seen in (0, 1)."""
    detector = _small().eval()
    maps = [torch.zeros(1, c, 2, 3) for c in detector.extras.out_channels]
    head = detector.regression_headers[5]  # a plain 1×1: no neighbours
    torch.nn.init.ones_(head.weight)
    features = maps[5]
    features[0, :, row, column] = 1
    answers = flatten_predictions(head(features), 4)[0].abs().sum(dim=1)
    shapes = 6
    cell = row * 3 + column
    assert answers.nonzero().flatten().tolist() == list(range(cell * shapes, (cell + 1) * shapes))


def test_training_and_evaluation_give_the_same_kind_of_output():
    detector = _small()
    images = torch.randn(2, 3, 96, 128)
    for mode in (True, False):
        logits, offsets = detector.train(mode)(images)
        assert logits.shape == (2, len(detector.priors_cxcywh), 4)
        assert offsets.shape == (2, len(detector.priors_cxcywh), 4)


def test_untrained_net_gives_objects_their_share():
    """As the row says, on average over the priors; the heads' small weights spread it a little."""
    detector = _small(21).eval()
    with torch.no_grad():
        logits, _ = detector(torch.randn(2, 3, 96, 128))
    objects = 1 - logits.softmax(dim=-1)[..., 0]
    assert float(objects.mean()) == pytest.approx(detector.variant.initial_objects, rel=0.2)


def test_state_dict_has_no_priors():
    assert not [name for name in _small().state_dict() if "prior" in name]


def test_last_batch_of_one_trains():
    detector = _small().train()
    logits, offsets = detector(torch.randn(1, 3, 96, 128))
    (logits.sum() + offsets.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())


def test_channels_last_gives_the_same_and_stays():
    detector = _small().eval()
    images = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        expected = detector(images)
        detector.to(memory_format=torch.channels_last)
        found = detector(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_same_seed_same_weights():
    first, second = _small().state_dict(), _small().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_few_steps_lower_the_loss():
    """Four images of noise with one box each, 12 steps: the parts work together."""
    detector = _small().train()
    generator = torch.Generator().manual_seed(3)
    batch = Batch(
        images=torch.randint(0, 256, (4, 3, 96, 128), dtype=torch.uint8, generator=generator),
        boxes_xyxy=torch.tensor([[[0.2, 0.2, 0.6, 0.7]]]).repeat(4, 1, 1),
        labels=torch.tensor([[1], [2], [3], [1]]),
        ignore_xyxy=torch.zeros(4, 1, 4),
        image_ids=torch.arange(4),
        original_hw=torch.full((4, 2), 96),
    )
    loss = build_loss(detector)
    optimizer = torch.optim.Adam(detector.parameters(), lr=3e-3)
    images = detector.input_spec.normalise(batch.images)
    history = []
    for _ in range(12):
        total = loss(*detector(images), batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(float(total.detach()))
    assert history[-1] < 0.5 * history[0]


def test_heads_are_bounded_at_six():
    """ReLU6 before the last 1×1 of every separable head: what comes in loud goes on as 6, what is negative as 0."""
    detector = _small().eval()
    for headers in (detector.classification_headers, detector.regression_headers):
        for header, channels in zip(headers[:-1], detector.extras.out_channels, strict=False):
            noise = torch.randn(1, channels, 4, 4, generator=torch.Generator().manual_seed(1)) * 1000
            with torch.no_grad():
                inner = header[:-1](noise)
            assert (float(inner.min()), float(inner.max())) == (0.0, 6.0)


@pytest.mark.parametrize("classes", [2, 21, 81])
def test_first_bias_gives_objects_their_share_exactly(classes):
    """With nothing but the bias: all object classes together have the row's share, and each as much as any other."""
    detector = _small(classes)
    expected = detector.variant.initial_objects
    for header in detector.classification_headers:
        last = header[-1] if isinstance(header, torch.nn.Sequential) else header
        shares = last.bias.detach().double().view(-1, classes).softmax(dim=1)
        torch.testing.assert_close(1 - shares[:, 0], torch.full((6,), expected).double(), atol=1e-6, rtol=0)
        torch.testing.assert_close(
            shares[:, 1:], torch.full((6, classes - 1), expected / (classes - 1)).double(), atol=1e-6, rtol=0
        )
    assert all(not _last_bias(header).detach().any() for header in detector.regression_headers)


@pytest.mark.parametrize(("share", "bias"), [(0.01, -math.log(99)), (1 / (1 + math.exp(2.1)), -2.1)])
def test_first_bias_of_sigmoids_is_that_of_the_row(share, bias):
    """One value for each object class, none for background."""
    row = replace(find("mb2-ssd-lite"), score_function="sigmoid", initial_objects=share)
    detector = build_detector(row, 5, InputSpec(96, 96), 0.25).eval()
    for last in detector.classification_headers.last_layers.values():
        assert last.bias.tolist() == pytest.approx([bias] * 6 * 4)
    logits, _ = detector(torch.zeros(1, 3, 96, 96))
    assert logits.shape == (1, len(detector.priors_cxcywh), 4)


def _last_bias(header: torch.nn.Module) -> torch.Tensor:
    return (header[-1] if isinstance(header, torch.nn.Sequential) else header).bias


def test_first_weights_of_the_heads_are_small():
    """Normal, standard deviation 0.01: of 10⁴ numbers and more its estimate is off by less than 2 %."""
    detector = build_detector(find("mb2-ssd-lite"), 21, InputSpec(96, 128), 0.5)
    for headers in (detector.classification_headers, detector.regression_headers):
        weight = headers[1][-1].weight
        assert weight.numel() > 10_000
        assert float(weight.std()) == pytest.approx(0.01, rel=0.04)
        assert abs(float(weight.mean())) < 0.001
