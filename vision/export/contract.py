"""What jetson-inference's detectNet asks of an ONNX file, clause by clause.

Read in jetson-inference @45da40a: ``c/detectNet.cpp``, ``c/tensorNet.cpp``, ``docs/pytorch-ssd.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vision.export.graphs import constants, named, nodes
from vision.export.tensorrt import broken_clauses
from vision.messages.advice import UserError
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted

INPUT, SCORES, BOXES = "input_0", "scores", "boxes"
FP16_LARGEST = 65504.0
FORBIDDEN = {"NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT"}
IR_OF_OPSET = {11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9}
"""The IR version that came with each opset; older parsers refuse newer ones."""


SMALLER_WEIGHTS = "name another checkpoint of the run, or train on with --weight-decay or a lower --lr"
DRAW_AGAIN = (
    "export again with the torch of constraints/, since others draw other graphs, or with another --opset"
)


class NotPublished(UserError):
    """The gate in front of an export: three lines, the reasons below each other."""

    def __init__(self, what: str, why: Sequence[str], fix: str) -> None:
        super().__init__("\n".join([what, "  why: " + "\n       ".join(why), f"  fix: {fix}"]))


class ContractBroken(NotPublished):
    """The file is not what detectNet loads; each clause that is broken is named."""


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What was read back from a file: shapes are (1, 3, H, W), (1, P, C), (1, P, 4)."""

    opset: int
    ir_version: int
    input_shape: tuple[int, ...]
    scores_shape: tuple[int, ...]
    boxes_shape: tuple[int, ...]
    nodes: int
    bytes: int
    largest_weight: float


def check(path: Path, opset: int, classes: int) -> GraphFacts:
    """Reads ``path`` and checks it with onnx's own checker, against detectNet's clauses and those of TensorRT's parsers.

    Raises:
        ContractBroken: names every clause that does not hold.
    """
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
        _require_one_file(path, model)  # before the checker, which would look for the other file
        onnx.checker.check_model(model, full_check=True)
    except ContractBroken:
        raise
    except Exception as error:  # protobuf and onnx raise kinds of their own for a broken file
        raise ContractBroken(
            f"{path} is not a valid ONNX file", [in_words(error).splitlines()[0]], DRAW_AGAIN
        ) from error
    broken = [
        *_about_version(model, opset),
        *_about_tensors(model, classes),
        *_about_clips(model),
        *(f"node {named(node)}: detectNet merges boxes itself" for node in nodes(model) if node.op_type in FORBIDDEN),
        *broken_clauses(model, opset),
    ]  # fmt: skip
    fixes = [DRAW_AGAIN] if broken else []
    weights = ((_largest(onnx.numpy_helper.to_array(tensor)), name) for name, tensor in constants(model))
    largest, loudest = max(weights, default=(0.0, ""))
    if largest == np.inf:
        broken.append(
            f"{loudest} holds NaN or infinite values: weights and batch statistics overflow where they are folded together"
        )
    elif largest > FP16_LARGEST:
        broken.append(
            f"a weight of {largest:g} does not fit FP16 (largest {FP16_LARGEST:g}), which every Jetson uses ({loudest})"
        )
    if not largest <= FP16_LARGEST:
        fixes.append(SMALLER_WEIGHTS)
    if broken:
        raise ContractBroken(f"{path} breaks detectNet's contract", broken, "; ".join(fixes))
    shapes = [_shape(value) for value in (model.graph.input[0], *_outputs(model))]
    return GraphFacts(
        opset,
        model.ir_version,
        shapes[0],
        shapes[1],
        shapes[2],
        len(model.graph.node),
        path.stat().st_size,
        largest,
    )


def _require_one_file(path: Path, model: Any) -> None:
    elsewhere = [name for name, tensor in constants(model) if tensor.external_data]
    if elsewhere:
        why = f"{counted(len(elsewhere), 'weight')} ({elsewhere[0]} …) in another file, which the device's engine cache does not notice when it changes"
        raise ContractBroken(
            f"{path} breaks detectNet's contract",
            [why],
            "export a network of less than 2 GB, which is one file",
        )


def _about_version(model: Any, opset: int) -> list[str]:
    found = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    broken = []
    if found != {"ai.onnx": opset}:
        broken.append(f"operator sets {found}, asked for opset {opset} alone")
    newest = IR_OF_OPSET.get(opset)
    if newest is not None and model.ir_version > newest:
        broken.append(f"IR version {model.ir_version}; parsers of opset {opset} read up to {newest}")
    return broken


def _about_clips(model: Any) -> list[str]:
    """TensorRT 7 takes the bounds of a Clip for weights without looking whether they are there (NVIDIA/TensorRT #1178)."""
    clips = [node for node in nodes(model) if node.op_type == "Clip"]
    bare = [named(node) for node in clips if len([name for name in node.input if name]) != 3]
    return [f"node {name}: a Clip without both bounds, which TensorRT 7 cannot read" for name in bare]


def _about_tensors(model: Any, classes: int) -> list[str]:
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initial]
    outputs = [value.name for value in model.graph.output]
    if [value.name for value in inputs] != [INPUT]:
        return [f"inputs {[value.name for value in inputs]}, expected one: {INPUT}"]
    if sorted(outputs) != sorted((SCORES, BOXES)):
        return [f"outputs {outputs}, expected {SCORES} and {BOXES}"]
    scores, boxes = _outputs(model)
    broken = [
        f"{value.name} is not float32" for value in (inputs[0], scores, boxes) if not _is_float32(value)
    ]
    height_width = _shape(inputs[0])
    if len(height_width) != 4 or height_width[:2] != (1, 3) or min(height_width) < 1:
        broken.append(f"{INPUT} has shape {height_width}, expected (1, 3, H, W), all fixed")
    priors = _shape(scores)[1:2]
    if _shape(scores) != (1, *priors, classes) or min(_shape(scores)) < 1:
        broken.append(f"{SCORES} has shape {_shape(scores)}, expected (1, N, {classes}), all fixed")
    if _shape(boxes) != (1, *priors, 4):
        broken.append(f"{BOXES} has shape {_shape(boxes)}, expected (1, {priors[0] if priors else 'N'}, 4)")
    return broken


def _outputs(model: Any) -> tuple[Any, Any]:
    """scores and boxes, found by name as detectNet does."""
    by_name = {value.name: value for value in model.graph.output}
    return by_name[SCORES], by_name[BOXES]


def _shape(value: Any) -> tuple[int, ...]:
    """0 for a dimension that is not fixed."""
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)


def _is_float32(value: Any) -> bool:
    import onnx

    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def _largest(array: np.ndarray) -> float:
    """Of a float array; infinite where a value is not a number."""
    if array.dtype.kind != "f" or not array.size:
        return 0.0
    return float(np.nan_to_num(np.abs(array), nan=np.inf, posinf=np.inf).max())
