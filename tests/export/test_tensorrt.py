"""Every clause of TensorRT's parsers, broken one at a time in a graph that was made without the exporter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export.contract import ContractBroken, check
from vision.export.onnx import as_onnx

Draw = Callable[..., Path]
Change = Callable[[SimpleNamespace], Any]
node = helper.make_node


def _between(*extra: Any, constants: dict[str, np.ndarray] | None = None) -> Change:
    """``extra`` nodes from ``wide`` (1, 5, 3) to ``logits``; ``constants`` become initializers."""

    def change(parts: SimpleNamespace) -> None:
        parts.nodes[1].output[0] = "wide"
        parts.nodes[2:2] = extra
        parts.initializers += [
            numpy_helper.from_array(value, name) for name, value in (constants or {}).items()
        ]

    return change


def _beside(*extra: Any, constants: dict[str, np.ndarray] | None = None) -> Change:
    """``extra`` nodes whose results nobody reads; ``mean`` and ``logits`` are there to start from."""

    def change(parts: SimpleNamespace) -> None:
        parts.nodes += extra
        parts.initializers += [
            numpy_helper.from_array(value, name) for name, value in (constants or {}).items()
        ]

    return change


def _whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _computed(
    kind: str, inputs: list[str], what: str, constants: dict[str, np.ndarray], **attributes: Any
) -> Change:
    """``kind`` with one input that an Identity makes of a constant: known, and yet no initializer."""
    passed = [f"{what}_made" if name == what else name for name in inputs]
    nodes = [
        node("Identity", [what], [f"{what}_made"]),
        node(kind, passed, ["logits"], name="asked", **attributes),
    ]
    return _between(*nodes, constants=constants)


SLICE = {"starts": _whole(0), "ends": _whole(3), "axes": _whole(2), "steps": _whole(1)}
CUT = ["wide", *SLICE]
PADS = {"pads": _whole(0, 0, 0, 0, 0, 0), "filling": np.array(0, np.float32)}
ONES = np.ones(5, np.float32)
NORM = {"scale": ONES, "B": ONES, "average": ONES, "var": ONES}
KERNEL = {"W": np.zeros((3, 3, 1, 1), np.float32), "bias_of_it": np.zeros(3, np.float32)}


def _convolution(what: str) -> Change:
    """Of the image itself; its result is looked at by nobody."""
    inputs = ["input_0", *(f"{name}_made" if name == what else name for name in KERNEL)]
    nodes = [node("Identity", [what], [f"{what}_made"]), node("Conv", inputs, ["seen"], name="asked")]
    return _beside(*nodes, constants=KERNEL)


COMPUTED: dict[str, tuple[Change, str]] = {
    **{
        f"Slice by computed {name}": (_computed("Slice", CUT, name, SLICE), f"asked: {name} of Slice must be an initializer")
        for name in SLICE
    },
    "Reshape": (_computed("Reshape", ["wide", "to"], "to", {"to": _whole(1, 5, 3)}), "asked: shape of Reshape"),
    "Pad": (_computed("Pad", ["wide", *PADS], "pads", PADS), "asked: pads of Pad"),
    "Pad's value": (_computed("Pad", ["wide", *PADS], "filling", PADS), "asked: constant_value of Pad"),
    "Tile": (_computed("Tile", ["wide", "times"], "times", {"times": _whole(1, 1, 1)}), "asked: repeats of Tile"),
    "Expand": (_computed("Expand", ["wide", "to"], "to", {"to": _whole(1, 5, 3)}), "asked: shape of Expand"),
    "Resize": (
        _computed("Resize", ["wide", "", "by"], "by", {"by": ONES[:3]}, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        "asked: scales of Resize",
    ),
    "Unsqueeze": (
        _between(
            node("Identity", ["at"], ["at_made"]), node("Unsqueeze", ["wide", "at_made"], ["one"], name="asked"),
            node("Squeeze", ["one", "at"], ["logits"]), constants={"at": _whole(0)},
        ),
        "asked: axes of Unsqueeze",
    ),
    "Squeeze": (
        _between(
            node("Identity", ["at"], ["at_made"]), node("Unsqueeze", ["wide", "at"], ["one"]),
            node("Squeeze", ["one", "at_made"], ["logits"], name="asked"), constants={"at": _whole(0)},
        ),
        "asked: axes of Squeeze",
    ),
    "Split": (_computed("Split", ["wide", "lengths"], "lengths", {"lengths": _whole(3)}, axis=2), "asked: split of Split"),
    "ReduceSum": (_computed("ReduceSum", ["wide", "over"], "over", {"over": _whole(0)}), "asked: axes of ReduceSum"),
    "TopK": (
        _between(
            node("Identity", ["most"], ["most_made"]), node("TopK", ["wide", "most_made"], ["logits", "places"], name="asked"),
            constants={"most": _whole(3)},
        ),
        "asked: K of TopK",
    ),
    "Clip's bound": (
        _computed("Clip", ["wide", "low", "high"], "high", {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}),
        "asked: max of Clip must be an initializer",
    ),
    "BatchNormalization": (
        _computed("BatchNormalization", ["wide", *NORM], "average", NORM), "asked: mean of BatchNormalization",
    ),
    "PRelu": (_computed("PRelu", ["wide", "slope"], "slope", {"slope": np.array([0.1], np.float32)}), "asked: slope of PRelu"),
    "Conv's weights": (_convolution("W"), "asked: W of Conv must be an initializer"),
    "Conv's bias": (_convolution("bias_of_it"), "asked: B of Conv must be an initializer"),
}  # fmt: skip

NOT_READ: dict[str, tuple[Change, str]] = {
    "Hardmax": (_between(node("Hardmax", ["wide"], ["logits"])), r"Hardmax: the parser of TensorRT 8\.0–8\.2 .* has no Hardmax"),
    "NonZero": (_beside(node("NonZero", ["logits"], ["where"])), "the size of what NonZero gives depends on the image"),
    "Unique": (_beside(node("Unique", ["logits"], ["kinds"])), "the size of what Unique gives depends on the image"),
    "Compress": (
        _beside(node("Compress", ["logits", "these"], ["some"]), constants={"these": np.array([True, False])}),
        "the size of what Compress gives depends on the image",
    ),
    "Einsum": (_beside(node("Einsum", ["logits"], ["sum"], equation="abc->a")), r"TensorRT 8\.0–8\.2 \(JetPack 4\.6\) has no Einsum"),
    "Det": (_beside(node("Det", ["square"], ["determinant"]), constants={"square": np.eye(3, dtype=np.float32)}), "has no Det"),
    "Reciprocal": (_between(node("Reciprocal", ["wide"], ["logits"])), "has no Reciprocal"),
    "HardSwish": (_between(node("HardSwish", ["wide"], ["logits"])), "HardSwish"),
    "MaxPool with indices": (
        _beside(node("MaxPool", ["input_0"], ["most", "where"], kernel_shape=[2, 2])), "only the first output of MaxPool is read",
    ),
    "MaxPool with dilations": (
        _beside(node("MaxPool", ["input_0"], ["most"], kernel_shape=[2, 2], dilations=[2, 2])), "MaxPool with dilations is not read",
    ),
    "one dimension": (_beside(node("MaxPool", ["logits"], ["most"], kernel_shape=[2])), "MaxPool in 1 dimension; 2 and 3 are read"),
    "cubic Resize": (
        _beside(
            node("Resize", ["input_0", "", "by"], ["larger"], mode="cubic"), constants={"by": np.array([1, 1, 2, 2], np.float32)},
        ),
        "mode cubic of Resize; TensorRT 8.0–8.2 reads linear, nearest",
    ),
    "reflected Pad": (
        _beside(
            node("Pad", ["input_0", "pads"], ["wider"], mode="reflect"), constants={"pads": _whole(0, 0, 1, 1, 0, 0, 1, 1)},
        ),
        "mode reflect of Pad; TensorRT 8.0–8.2 reads constant",
    ),
}  # fmt: skip


def _loop(kind: str) -> Change:
    """``kind`` around a graph that gives back what it got."""
    value = helper.make_tensor_value_info

    def change(parts: SimpleNamespace) -> None:
        if kind == "If":
            inside = helper.make_graph(
                [node("Identity", ["logits"], ["kept"])], "inside", [], [value("kept", 1, [1, 5, 3])]
            )
            parts.nodes.append(node("If", ["yes"], ["out"], then_branch=inside, else_branch=inside))
        elif kind == "Loop":
            ports = [value("turn", 7, []), value("go", 9, []), value("state", 1, [1, 5, 3])]
            body = helper.make_graph(
                [node("Identity", ["go"], ["go_on"]), node("Identity", ["state"], ["next"])], "inside", ports,
                [value("go_on", 9, []), value("next", 1, [1, 5, 3])],
            )  # fmt: skip
            parts.nodes.append(node("Loop", ["turns", "yes", "logits"], ["out"], body=body))
        else:
            body = helper.make_graph(
                [node("Identity", ["row"], ["same"])],
                "inside",
                [value("row", 1, [5, 3])],
                [value("same", 1, [5, 3])],
            )
            parts.nodes.append(node("Scan", ["logits"], ["out"], body=body, num_scan_inputs=1))
        parts.initializers += [
            numpy_helper.from_array(np.array(True), "yes"),
            numpy_helper.from_array(np.array(2), "turns"),
        ]

    return change


def _unused(array: np.ndarray) -> Change:
    return lambda parts: parts.initializers.append(numpy_helper.from_array(array, "unused"))


def _held_by_a_node(array: np.ndarray) -> Change:
    return _beside(node("Constant", [], ["unused"], value=numpy_helper.from_array(array)))


def _of_a_kind(kind: int) -> Change:
    return lambda parts: parts.initializers.append(helper.make_tensor("unused", kind, [1], [1]))


TYPES: dict[str, tuple[Change, str]] = {
    **{
        f"{kind} weights": (_unused(np.ones(2, kind)), f"constant unused: {kind.upper()}, which the parser does not take")
        for kind in ("uint8", "uint16", "uint32", "uint64", "int16")
    },
    "unsigned in a Constant": (_held_by_a_node(np.ones(2, np.uint8)), "constant unused: UINT8"),
    "double weights": (_unused(np.ones(2)), "constant unused: DOUBLE, which the parser does not take"),
    "bfloat16 weights": (_of_a_kind(TensorProto.BFLOAT16), "constant unused: BFLOAT16"),
    "words": (_beside(node("Constant", [], ["unused"], value_string="cat")), "a Constant with value_string; every parser reads value"),
    "numbers apart": (_beside(node("Constant", [], ["unused"], value_floats=[1e9])), "a Constant with value_floats"),
    "int64 beyond 32 bits": (_unused(_whole(2**31)), r"constant unused: beyond 32 bits; TensorRT 8\.0–8\.2 .* cast INT64"),
    "the least int64": (_held_by_a_node(_whole(-(2**31) - 1)), "constant unused: beyond 32 bits"),
    "to the end of an axis": (
        _between(node("Slice", CUT, ["logits"]), constants={**SLICE, "ends": _whole(2**63 - 1)}), "constant ends: beyond 32 bits",
    ),
    "a double between": (
        _between(node("Cast", ["wide"], ["fine"], to=TensorProto.DOUBLE), node("Cast", ["fine"], ["logits"], to=TensorProto.FLOAT)),
        "tensor fine of node Cast: DOUBLE, which the parser does not take",
    ),
    "an unsigned between": (
        _between(node("Cast", ["wide"], ["bytes"], to=TensorProto.UINT8), node("Cast", ["bytes"], ["logits"], to=TensorProto.FLOAT)),
        "tensor bytes of node Cast: UINT8",
    ),
    "a weight that FP16 cannot hold, in a ConstantOfShape": (
        _beside(
            node("ConstantOfShape", ["size"], ["filled"], value=numpy_helper.from_array(np.array([1e6], np.float32))),
            constants={"size": _whole(3)},
        ),
        r"a weight of 1e\+06 does not fit FP16",
    ),
    "nine dimensions": (
        _beside(node("Reshape", ["wide_too", "to"], ["deep"]), constants={"wide_too": ONES[:1], "to": np.ones(9, np.int64)}),
        "tensor deep of node Reshape: 9 dimensions, at most 8",
    ),
    "a size that is computed": (
        _beside(node("NonZero", ["logits"], ["where"])), "tensor where of node NonZero: its size is not fixed",
    ),
}  # fmt: skip

REFUSED = {
    **COMPUTED,
    **NOT_READ,
    **TYPES,
    **{kind: (_loop(kind), f"{kind} is control flow") for kind in ("If", "Loop", "Scan")},
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_clause_of_the_parser_is_named(drawn_by_hand: Draw, case: str) -> None:
    change, message = REFUSED[case]
    opset = 14 if case == "HardSwish" else 13
    with pytest.raises(ContractBroken, match=message):
        check(drawn_by_hand(partial(_at, change, opset)), opset, 3)


def _at(change: Change, opset: int, parts: SimpleNamespace) -> None:
    change(parts)
    parts.opsets = [helper.make_opsetid("", opset)]


def test_sparse_weights_and_functions_of_its_own_are_named(drawn_by_hand: Draw) -> None:
    path = drawn_by_hand()
    model = onnx.load(str(path))
    values = numpy_helper.from_array(np.array([1.0], np.float32), "few")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(_whole(2), "places"), [9])
    )
    body = [node("Identity", ["x"], ["y"])]
    model.functions.append(
        helper.make_function("own", "twice", ["x"], ["y"], body, [helper.make_opsetid("", 13)])
    )
    model.ir_version = 8
    onnx.save(model, str(path))
    with pytest.raises(ContractBroken) as caught:
        check(path, 13, 3)
    assert "sparse weights" in str(caught.value) and "1 function of its own (twice)" in str(caught.value)


@pytest.mark.parametrize("change", [
    _between(node("Slice", CUT, ["logits"]), constants=SLICE),
    _between(node("Reshape", ["wide", "to"], ["logits"]), constants={"to": _whole(1, 5, 3)}),
    _between(node("Constant", [], ["to"], value=numpy_helper.from_array(_whole(1, 5, 3))), node("Reshape", ["wide", "to"], ["logits"])),
    _between(node("BatchNormalization", ["wide", *NORM], ["logits"]), constants=NORM),
    _beside(node("Conv", ["input_0", *KERNEL], ["seen"]), constants=KERNEL),
    _unused(_whole(2**31 - 1, -(2**31))), _unused(np.ones(2, np.float16)), _unused(np.array([True])),
    _beside(node("MaxPool", ["input_0"], ["most"], kernel_shape=[2, 2], dilations=[1, 1])),
])  # fmt: skip
def test_what_keeps_the_clauses_passes(drawn_by_hand: Draw, change: Change) -> None:
    check(drawn_by_hand(change), 13, 3)


def test_integers_of_64_bits_are_kept_from_tensorrt_10_on(drawn_by_hand: Draw) -> None:
    """A file of opset 18 is for TensorRT 10.3 alone, whose parser no longer casts."""

    def change(parts: SimpleNamespace) -> None:
        _at(_unused(_whole(2**40)), 18, parts)
        parts.nodes[0] = node("Identity", ["value"], ["mean"])
        parts.initializers.append(numpy_helper.from_array(np.array(0, np.float32), "value"))

    check(drawn_by_hand(change), 18, 3)


def test_an_older_opset_is_for_more_boards(drawn_by_hand: Draw) -> None:
    """CumSum: opset 13 is read by TensorRT 8 and later, 11 by 7.1 too, which has none."""
    change = _between(node("CumSum", ["wide", "axis"], ["logits"]), constants={"axis": np.array(2)})
    check(drawn_by_hand(change), 13, 3)
    with pytest.raises(ContractBroken, match=r"TensorRT 7\.1 \(JetPack 4\.4\) has no CumSum"):
        check(drawn_by_hand(lambda parts: (_at(change, 11, parts), setattr(parts, "ir", 6))), 11, 3)


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_the_export_keeps_every_clause(opened: LoadedDetector, tmp_path: Path, opset: int) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, opset))
    assert check(path, opset, 3).opset == opset


def test_weights_that_are_equal_are_given_to_every_layer_itself(opened: LoadedDetector) -> None:
    """The biases of a new net are all alike; the exporter keeps one and hands copies of it to the other layers."""
    model = onnx.load_from_string(as_onnx(opened.detector, 13))
    initial = {tensor.name for tensor in model.graph.initializer}
    convolutions = [one for one in model.graph.node if one.op_type == "Conv"]
    assert len(convolutions) > 20 and all(set(one.input[1:]) <= initial for one in convolutions)
    assert not [one for one in model.graph.node if one.op_type == "Identity"]


def test_constants_that_were_not_folded_are_refused(
    opened: LoadedDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flag of the exporter: the bounds of its Slices are computed then."""
    export = torch.onnx.export
    monkeypatch.setattr(
        torch.onnx, "export", lambda *a, **named: export(*a, **{**named, "do_constant_folding": False})
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(as_onnx(opened.detector, 13))
    with pytest.raises(ContractBroken, match="starts of Slice must be an initializer, it is computed"):
        check(path, 13, 3)
