"""Necks on maps of any size: what they give, and the parts that are special, each against a second way to compute it."""

from __future__ import annotations

import io
import itertools
import warnings

import numpy as np
import onnx
import onnx.reference
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vision.nn.blocks import L2Norm, UnpaddedConv2d, resized
from vision.nn.necks.extra_layers import ssd_neck
from vision.nn.necks.fssd import FusedPyramid
from vision.nn.necks.rfb import RfbNeck, rfb, rfb_a
from vision.nn.necks.yolo import PassThrough, TopDown, _folded

SHRUNK = (("halve", 64), ("halve", 32), ("shrink", 32), ("shrink", 32))
HALVED = (("rfb", 64), ("halve", 32), ("halve", 32), ("halve", 16))
PYRAMID = (32, 32, 32, 32, 16, 16)
CHANNELS = (16, 32, 64)
MAPS_AT_300 = [(38, 38), (19, 19), (10, 10)]


def run(neck: nn.Module, sizes: list[tuple[int, int]], channels=CHANNELS) -> list[tuple[int, ...]]:
    maps = [torch.randn(2, c, *hw) for c, hw in zip(channels, sizes, strict=True)]
    found = neck.train()(maps)
    sum(each.sum() for each in found).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in neck.parameters())
    assert tuple(each.shape[1] for each in found) == neck.out_channels
    return [tuple(each.shape[2:]) for each in found]


@pytest.mark.parametrize("lite", [False, True])
def test_ssd_shrinks_to_one_cell(lite):
    neck = ssd_neck(CHANNELS[1:], 1.0, SHRUNK, lite)
    assert neck.out_channels == (32, 64, 64, 32, 32, 32)
    sizes = run(neck, MAPS_AT_300[:2], CHANNELS[1:])
    assert [h for h, _ in sizes] == [w for _, w in sizes] == [38, 19, 10, 5, 3, 1]


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("sizes", [[(4, 6), (2, 3)], [(6, 3), (3, 2)], [(2, 2), (1, 1)]])
def test_ssd_has_six_maps_at_any_size(lite, sizes):
    assert run(ssd_neck(CHANNELS[1:], 0.5, SHRUNK, lite), sizes, CHANNELS[1:])[2:] == [
        (max(1, -(-h // 2)), max(1, -(-w // 2))) if step == 0 else (1, 1)
        for step, (h, w) in enumerate([sizes[1]] * 4)
    ]


def test_the_first_source_alone_is_normalised():
    neck = ssd_neck((8, 16), 1.0, SHRUNK)
    maps = [torch.randn(1, 8, 4, 4) * 100, torch.randn(1, 16, 2, 2) * 100]
    first, second, *_ = neck(maps)
    torch.testing.assert_close(first.norm(dim=1), torch.full((1, 4, 4), 20.0))
    assert second is maps[1]


def test_a_cell_of_zeros_has_a_gradient_that_fits_half_precision():
    x = torch.zeros(1, 3, 1, 1, requires_grad=True)
    y = L2Norm(3)(x)
    y.sum().backward()
    assert not y.any() and x.grad.half().isfinite().all()


def test_length_is_summed_in_float32():
    x = torch.full((1, 512, 1, 1), 300.0, dtype=torch.float16)
    assert float(L2Norm(512)(x).detach().float().norm()) == pytest.approx(20, rel=1e-2)


@pytest.mark.parametrize("value", [0.02, 50.0, 150.0])
def test_a_board_that_computes_in_half_precision_gets_the_length_too(value):
    """The exported graph with everything in float16, squares as well, by onnx's reference."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            L2Norm(512).eval(), (torch.ones(1, 512, 1, 1),), buffer, dynamo=False, opset_version=13
        )
    model = onnx.load_from_string(buffer.getvalue())
    graph = model.graph
    held = [a.t for node in graph.node if node.op_type == "Constant" for a in node.attribute]
    for tensor in (*graph.initializer, *held):
        if tensor.data_type == onnx.TensorProto.FLOAT:
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, tensor.name))
    for shown in (*graph.input, *graph.output):
        shown.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for node in (node for node in graph.node if node.op_type == "Cast"):
        node.attribute[0].i = onnx.TensorProto.FLOAT16
    x = np.full((1, 512, 1, 1), value, np.float16)
    (found,) = onnx.reference.ReferenceEvaluator(model).run(None, {graph.input[0].name: x})
    assert found.dtype == np.float16
    assert float(np.linalg.norm(found.astype(np.float64))) == pytest.approx(20, rel=0.02)


def test_an_unpadded_convolution_is_the_plain_one_where_the_kernel_fits():
    ours, x = UnpaddedConv2d(4, 5, 3), torch.randn(1, 4, 5, 3)
    torch.testing.assert_close(ours(x), F.conv2d(x, ours.weight, ours.bias))
    # one row, two columns and five: sides that are too short keep their cells
    small = torch.randn(1, 4, 1, 2)
    torch.testing.assert_close(ours(small), F.conv2d(F.pad(small, (1, 1, 1, 1)), ours.weight, ours.bias))
    assert ours(torch.randn(1, 4, 2, 5)).shape == (1, 5, 2, 3)


@pytest.mark.parametrize("wanted", [(38, 30), (10, 14), (5, 3), (1, 1), (19, 7), (10, 7)])
def test_resizing_is_torchs(wanted):
    x = torch.randn(2, 3, 10, 7, requires_grad=True)
    expected = F.interpolate(x, size=wanted, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resized(x, *wanted), expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(expected)
    ours = torch.autograd.grad((resized(x, *wanted) * weight).sum(), x)[0]
    theirs = torch.autograd.grad((expected * weight).sum(), x)[0]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_an_evaluation_resized_with_trains_on():
    """The matrices are kept; made in inference mode they could not be used in a backward pass."""
    with torch.inference_mode():
        resized(torch.randn(1, 1, 11, 11), 23, 23)
    resized(torch.randn(1, 1, 11, 11, requires_grad=True), 23, 23).sum().backward()


# ---------------------------------------------------------------- RFB


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("sizes", [[(19, 19), (10, 10)], [(5, 3), (3, 2)], [(2, 2), (1, 1)]])
def test_rfb_at_any_size(lite, sizes):
    found = run(RfbNeck(CHANNELS[1:], 0.5, HALVED, lite), sizes, CHANNELS[1:])
    assert found[:2] == sizes
    assert all(
        after == tuple(-(-side // 2) for side in before) for before, after in itertools.pairwise(found[1:])
    )


def test_rfb_shrinks_as_ssd_does():
    neck = RfbNeck((16, 32), 1.0, (("rfb", 32), ("rfb", 32), ("shrink", 16), ("shrink", 16)))
    assert [h for h, _ in run(neck, MAPS_AT_300[:2], (16, 32))] == [38, 19, 10, 5, 3, 1]


def _spreads(block: nn.Module) -> list[nn.Conv2d]:
    return [branch[-1][0] for branch in block.branches]


@pytest.mark.parametrize(
    ("block", "dilations", "groups"),
    [
        (lambda: rfb_a(64, lite=False), [1, 3, 3, 5], [1, 1, 1, 1]),
        (lambda: rfb_a(64, lite=True), [1, 3, 3, 5], [16, 16, 16, 16]),
        (lambda: rfb(64, 32), [3, 5], [1, 1]),
        (lambda: rfb(64, 32, 2, lite=True), [3, 5], [12, 12]),
    ],
)
def test_branches_look_as_far_as_published_and_separable_ones_are(block, dilations, groups):
    last = _spreads(block())
    assert [conv.dilation for conv in last] == [(d, d) for d in dilations]
    assert [conv.padding for conv in last] == [(d, d) for d in dilations]
    assert [conv.groups for conv in last] == groups


def test_a_block_adds_its_input():
    """With the merge set to nothing: the lite one gives ReLU of its input, the other ReLU of its projection."""
    x = torch.randn(1, 16, 5, 4)
    for lite in (False, True):
        block = rfb_a(16, lite).eval()
        nn.init.zeros_(block.merge[0].weight)
        expected = x if lite else block.shortcut(x)
        torch.testing.assert_close(block(x), expected.relu())


# ---------------------------------------------------------------- FSSD


@pytest.mark.parametrize("kind", [{}, {"lite": True}, {"lite": True, "depthwise": True}])
@pytest.mark.parametrize("extra", [None, 64])
def test_fssd_gives_six_maps_from_the_finest(kind, extra):
    used = CHANNELS if extra is None else CHANNELS[:2]
    neck = FusedPyramid(used, 1.0, PYRAMID, extra, **kind)
    sizes = MAPS_AT_300[: len(used)]
    assert run(neck, sizes, used) == [(c, c) for c in (38, 19, 10, 5, 3, 1)]
    assert run(neck, [(9, 5), (5, 3), (3, 2)][: len(used)], used) == [
        (9, 5),
        (5, 3),
        (3, 2),
        (2, 1),
        (2, 1),
        (2, 1),
    ]
    deep = [m for m in neck.levels.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert all((conv.groups == conv.in_channels) == bool(kind.get("depthwise")) for conv in deep)


def test_fssd_transforms_each_map_to_half_the_last_ones_channels():
    neck = FusedPyramid(CHANNELS, 1.0, PYRAMID)
    assert [t[0].out_channels for t in neck.transforms] == [32, 32, 32] and neck.norm.num_features == 96


# ---------------------------------------------------------------- YOLO


@pytest.mark.parametrize(
    "sizes", [[(26, 26), (13, 13)], [(5, 8), (3, 4)], [(5, 7), (2, 3)], [(1, 2), (1, 1)]]
)
def test_yolo_v2_at_any_size(sizes):
    """Odd maps too, of backbones that round up (3 of 5) and of those that round down (2 of 5)."""
    assert run(PassThrough((16, 32), 0.02), sizes, (16, 32)) == [sizes[1]]


def test_folding_by_hand():
    finer = torch.arange(16.0).view(1, 1, 4, 4)
    expected = torch.tensor(
        [[[[0.0, 2], [8, 10]], [[1, 3], [9, 11]], [[4, 6], [12, 14]], [[5, 7], [13, 15]]]]
    )
    assert torch.equal(_folded(finer, torch.empty(1, 1, 2, 2)), expected)
    assert torch.equal(
        _folded(finer[:, :, :3, :3], torch.empty(1, 1, 2, 2))[0, 3], torch.tensor([[5.0, 6], [9, 10]])
    )
    assert torch.equal(
        _folded(finer[:, :, :3, :3], torch.empty(1, 1, 1, 1))[0, :, 0, 0], torch.tensor([0.0, 1, 4, 5])
    )


@pytest.mark.parametrize(
    "sizes", [[(52, 52), (26, 26), (13, 13)], [(9, 5), (5, 3), (3, 2)], [(9, 5), (4, 2), (2, 1)]]
)
def test_yolo_v3_at_any_size(sizes):
    neck = TopDown(CHANNELS, 1 / 32)
    assert neck.out_channels == (8, 16, 32)
    assert run(neck, sizes) == sizes
