"""Every clause of detectNet's contract, broken one at a time in a graph that was made without the exporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from vision.export.contract import DRAW_AGAIN, SMALLER_WEIGHTS, ContractBroken, check

Draw = Callable[..., Path]
Change = Callable[[SimpleNamespace], Any]
value = helper.make_tensor_value_info


def test_what_is_read_back(drawn_by_hand: Draw) -> None:
    path = drawn_by_hand()
    facts = check(path, 13, 3)
    assert (facts.opset, facts.ir_version, facts.nodes, facts.largest_weight) == (13, 7, 4, 1.0)
    assert (facts.input_shape, facts.scores_shape, facts.boxes_shape) == ((1, 3, 8, 12), (1, 5, 3), (1, 5, 4))
    assert facts.bytes == path.stat().st_size


def test_outputs_are_found_by_name(drawn_by_hand: Draw) -> None:
    facts = check(drawn_by_hand(lambda parts: parts.outputs.reverse()), 13, 3)
    assert (facts.scores_shape, facts.boxes_shape) == ((1, 5, 3), (1, 5, 4))


def _input(name: str = "input_0", kind: int = TensorProto.FLOAT, shape: Any = (1, 3, 8, 12)) -> Change:
    def change(parts: SimpleNamespace) -> None:
        parts.inputs[0] = value(name, kind, shape)
        parts.nodes[0].input[0] = name

    return change


def _second_input(parts: SimpleNamespace) -> None:
    parts.inputs.append(value("input_1", TensorProto.FLOAT, [1]))


def _rename_output(parts: SimpleNamespace) -> None:
    parts.nodes[2].output[0] = parts.outputs[0].name = "probabilities"


def _third_output(parts: SimpleNamespace) -> None:
    parts.outputs.append(value("logits", TensorProto.FLOAT, [1, 5, 3]))


def _no_boxes(parts: SimpleNamespace) -> None:
    del parts.outputs[1]


def _boxes(array: np.ndarray) -> Change:
    def change(parts: SimpleNamespace) -> None:
        parts.nodes[3] = helper.make_node("Constant", [], ["boxes"], value=numpy_helper.from_array(array))
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        parts.outputs[1] = value("boxes", kind, array.shape)

    return change


def _double_scores(parts: SimpleNamespace) -> None:
    parts.nodes[2].output[0] = "single"
    parts.nodes.append(helper.make_node("Cast", ["single"], ["scores"], to=TensorProto.DOUBLE))
    parts.outputs[0] = value("scores", TensorProto.DOUBLE, [1, 5, 3])


def _open_scores(parts: SimpleNamespace) -> None:
    parts.outputs[0] = value("scores", TensorProto.FLOAT, [1, "priors", 3])


def _flat_scores(parts: SimpleNamespace) -> None:
    parts.nodes[2].output[0] = "wide"
    parts.initializers.append(numpy_helper.from_array(np.array([15], np.int64), "flat"))
    parts.nodes.append(helper.make_node("Reshape", ["wide", "flat"], ["scores"]))
    parts.outputs[0] = value("scores", TensorProto.FLOAT, [15])


def _suppression() -> list[Any]:
    """A node of non-maximum suppression whose result nobody reads, and what it needs."""
    scores = numpy_helper.from_array(np.zeros((1, 1, 5), np.float32))
    return [
        helper.make_node("Constant", [], ["some"], value=scores),
        helper.make_node("NonMaxSuppression", ["boxes", "some"], ["kept"], name="nms"),
    ]


def _nms(parts: SimpleNamespace) -> None:
    parts.nodes += _suppression()


def _nms_in_a_branch(parts: SimpleNamespace) -> None:
    inside = helper.make_graph(_suppression(), "inside", [], [value("kept", TensorProto.INT64, None)])
    parts.initializers.append(numpy_helper.from_array(np.array(True), "yes"))
    parts.nodes.append(helper.make_node("If", ["yes"], ["out"], then_branch=inside, else_branch=inside))


def _half_clip(*bounds: str) -> Change:
    def change(parts: SimpleNamespace) -> None:
        parts.nodes[1].output[0] = "wide"
        parts.initializers.append(numpy_helper.from_array(np.array(6, np.float32), "six"))
        parts.nodes.insert(2, helper.make_node("Clip", ["wide", *bounds], ["logits"], name="clip"))

    return change


def _weight(number: float) -> Change:
    def change(parts: SimpleNamespace) -> None:
        parts.initializers[0] = numpy_helper.from_array(np.full((1, 5, 3), number, np.float32), "bias")

    return change


def _constant(number: float) -> Change:
    """A prior or a variance: held by a node, not by the list of weights."""
    return _boxes(np.full((1, 5, 4), number, np.float32))


def _other_domain(parts: SimpleNamespace) -> None:
    parts.opsets.append(helper.make_opsetid("com.example", 1))


def _set(name: str, to: Any) -> Change:
    return lambda parts: setattr(parts, name, to)


BROKEN: dict[str, tuple[Change, str]] = {
    "input's name": (_input("images"), "inputs .'images'., expected one: input_0"),
    "two inputs": (_second_input, "expected one: input_0"),
    "half input": (_input(kind=TensorProto.FLOAT16), "not a valid ONNX file|input_0 is not float32"),
    "open batch": (_input(shape=("n", 3, 8, 12)), "all fixed"),
    "open height": (_input(shape=(1, 3, "h", 12)), "all fixed"),
    "batch of two": (_input(shape=(2, 3, 8, 12)), r"\(2, 3, 8, 12\), expected \(1, 3, H, W\)"),
    "grey": (_input(shape=(1, 1, 8, 12)), r"expected \(1, 3, H, W\)"),
    "channels last": (_input(shape=(1, 8, 12, 3)), r"expected \(1, 3, H, W\)"),
    "output's name": (_rename_output, "outputs .'probabilities', 'boxes'., expected scores and boxes"),
    "third output": (_third_output, "expected scores and boxes"),
    "no boxes": (_no_boxes, "expected scores and boxes"),
    "double scores": (_double_scores, "scores is not float32"),
    "double boxes": (_boxes(np.zeros((1, 5, 4))), "boxes is not float32"),
    "open scores": (_open_scores, r"scores has shape \(1, 0, 3\), expected \(1, N, 3\), all fixed"),
    "flat scores": (_flat_scores, r"scores has shape \(15,\)"),
    "fewer boxes": (_boxes(np.zeros((1, 4, 4), np.float32)), r"boxes has shape \(1, 4, 4\), expected \(1, 5, 4\)"),
    "boxes of five": (_boxes(np.zeros((1, 5, 5), np.float32)), r"boxes has shape \(1, 5, 5\)"),
    "nms": (_nms, "node nms: detectNet merges boxes itself"),
    "nms in a branch": (_nms_in_a_branch, "node nms: detectNet merges boxes itself"),
    "clip without least": (_half_clip("", "six"), "node clip: a Clip without both bounds"),
    "clip without most": (_half_clip("six"), "node clip: a Clip without both bounds"),
    "clip without any": (_half_clip(), "node clip: a Clip without both bounds"),
    "opset 12": (_set("opsets", [helper.make_opsetid("", 12)]), "asked for opset 13 alone"),
    "another domain": (_other_domain, "asked for opset 13 alone"),
    "newer IR": (_set("ir", 8), "IR version 8; parsers of opset 13 read up to 7"),
    "large weight": (_weight(65_600.0), "weight of 65600 does not fit FP16"),
    "weight that is no number": (_weight(float("nan")), "bias holds NaN or infinite values: weights and batch statistics overflow"),
    "large constant": (_constant(-1e6), r"weight of 1e\+06 does not fit FP16"),
    "weights elsewhere": (
        _set("save", {"save_as_external_data": True, "location": "net.onnx.data", "size_threshold": 0}),
        r"1 weight \(bias …\) in another file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_each_broken_clause_is_named(drawn_by_hand: Draw, case: str) -> None:
    change, message = BROKEN[case]
    with pytest.raises(ContractBroken, match=message):
        check(drawn_by_hand(change), 13, 3)


def test_a_clip_with_both_bounds_is_allowed(drawn_by_hand: Draw) -> None:
    assert check(drawn_by_hand(_half_clip("six", "six")), 13, 3).nodes == 5


def test_the_largest_half_is_allowed(drawn_by_hand: Draw) -> None:
    assert check(drawn_by_hand(_weight(65_504.0)), 13, 3).largest_weight == 65_504


def test_another_number_of_classes(drawn_by_hand: Draw) -> None:
    with pytest.raises(ContractBroken, match=r"scores has shape \(1, 5, 3\), expected \(1, N, 81\)"):
        check(drawn_by_hand(), 13, 81)


@pytest.mark.parametrize("content", [b"", b"<html>", None])
def test_files_that_are_no_graph(drawn_by_hand: Draw, content: bytes | None) -> None:
    path = drawn_by_hand()
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ContractBroken, match="not a valid ONNX file"):
        check(path, 13, 3)


def test_all_that_is_broken_is_listed(drawn_by_hand: Draw) -> None:
    def change(parts: SimpleNamespace) -> None:
        _weight(1e9)(parts)
        _double_scores(parts)
        _nms(parts)

    with pytest.raises(ContractBroken) as caught:
        check(drawn_by_hand(change), 13, 3)
    what, *reasons, fix = str(caught.value).splitlines()
    assert "breaks detectNet's contract" in what and reasons[0].startswith("  why: ")
    assert [part in "".join(reasons) for part in ("FP16", "scores is not float32", "nms")] == [True] * 3
    assert fix == f"  fix: {DRAW_AGAIN}; {SMALLER_WEIGHTS}"
