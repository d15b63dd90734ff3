"""What TensorRT's ONNX parser asks of a graph, clause by clause, for every release that reads its opset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vision.export.graphs import constants, named, nodes
from vision.export.tensorrt_operators import (
    CONSTANT_INPUTS,
    CONTROL_FLOW,
    DATA_DEPENDENT,
    DATA_TYPES,
    MODE_DEFAULTS,
    MOST_DIMENSIONS,
    ONE_OUTPUT,
    SPATIAL,
    UNDILATED,
    Target,
    targets_of,
)
from vision.messages.terminal import counted

INT32 = np.iinfo(np.int32)


def broken_clauses(model: Any, opset: int) -> list[str]:
    """One sentence for each clause that ``model`` (an onnx ModelProto that the checker accepts) breaks."""
    targets = targets_of(opset)
    broken = [
        *_about_operators(model, targets),
        *_about_constants(model, targets),
        *_about_shapes(model),
    ]
    inside = constant_names(model)
    for node in nodes(model):
        broken += [sentence for clause in NODE_CLAUSES for sentence in clause(node, inside)]
        broken += _about_modes(node, targets)
    return list(dict.fromkeys(broken))


def constant_names(model: Any) -> set[str]:
    """Initializers, and what Constant nodes give: the parser knows both as weights."""
    initial = {tensor.name for tensor in model.graph.initializer}
    return initial | {node.output[0] for node in nodes(model) if node.op_type == "Constant"}


def _about_operators(model: Any, targets: tuple[Target, ...]) -> Iterator[str]:
    if len(model.functions):
        yield f"{counted(len(model.functions), 'function')} of its own ({model.functions[0].name}), which TensorRT before 9 cannot read"
    for node in nodes(model):
        if node.op_type in CONTROL_FLOW:
            yield f"node {named(node)}: {node.op_type} is control flow; one image takes one way through the net"
        if node.op_type in DATA_DEPENDENT:
            yield f"node {named(node)}: the size of what {node.op_type} gives depends on the image"
        lacking = [target for target in targets if node.op_type not in target.operators]
        if lacking:
            yield f"node {named(node)}: the parser of {_names(lacking)} has no {node.op_type}"


def _about_constants(model: Any, targets: tuple[Target, ...]) -> Iterator[str]:
    """Their types, and integers that do not fit where they are cast to 32 bits."""
    if len(model.graph.sparse_initializer):
        yield "sparse weights, which the parser cannot read"
    for node in nodes(model):
        other = [a.name for a in node.attribute if node.op_type == "Constant" and a.name != "value"]
        if other:
            yield f"node {named(node)}: a Constant with {other[0]}; every parser reads value alone"
    casting = [target for target in targets if not target.keeps_int64]
    for name, tensor in constants(model):
        kind = _type_name(tensor.data_type)
        if kind not in DATA_TYPES:
            yield f"constant {name}: {kind}, which the parser does not take ({', '.join(sorted(DATA_TYPES))})"
        elif kind == "INT64" and casting and not _fits(tensor):
            yield f"constant {name}: beyond 32 bits; {_names(casting)} cast INT64 to INT32, and clamp or refuse"


def _about_shapes(model: Any) -> Iterator[str]:
    """Every tensor of the graph has a type that TensorRT computes in, and a size that is known beforehand."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    known = {value.name: value.type.tensor_type for value in (*inferred.value_info, *inferred.output)}
    for node in model.graph.node:
        for name in filter(None, node.output):
            kind = known.get(name)
            if kind is None or not kind.HasField("shape"):
                yield f"tensor {name} of node {named(node)}: its size is not known beforehand"
                continue
            if any(not dim.HasField("dim_value") for dim in kind.shape.dim):
                yield f"tensor {name} of node {named(node)}: its size is not fixed"
            if len(kind.shape.dim) > MOST_DIMENSIONS:
                yield f"tensor {name} of node {named(node)}: {counted(len(kind.shape.dim), 'dimension')}, at most {MOST_DIMENSIONS}"
            if _type_name(kind.elem_type) not in DATA_TYPES:
                yield f"tensor {name} of node {named(node)}: {_type_name(kind.elem_type)}, which the parser does not take"


# ---------------------------------------------------------------- node by node


def _about_inputs(node: Any, inside: set[str]) -> Iterator[str]:
    for position, what in CONSTANT_INPUTS.get(node.op_type, {}).items():
        given = node.input[position] if position < len(node.input) else ""
        if given and given not in inside:
            yield f"node {named(node)}: {what} of {node.op_type} must be an initializer, it is computed ({given})"


def _about_outputs(node: Any, inside: set[str]) -> Iterator[str]:
    if node.op_type in ONE_OUTPUT and len([name for name in node.output if name]) > 1:
        yield f"node {named(node)}: only the first output of {node.op_type} is read"


def _about_space(node: Any, inside: set[str]) -> Iterator[str]:
    sizes = {attribute.name: list(attribute.ints) for attribute in node.attribute}
    kernel = sizes.get("kernel_shape")
    if node.op_type in SPATIAL and kernel is not None and len(kernel) not in (2, 3):
        yield f"node {named(node)}: {node.op_type} in {counted(len(kernel), 'dimension')}; 2 and 3 are read"
    if node.op_type in UNDILATED and any(step != 1 for step in sizes.get("dilations", ())):
        yield f"node {named(node)}: {node.op_type} with dilations is not read"


NODE_CLAUSES: tuple[Callable[[Any, set[str]], Iterator[str]], ...] = (
    _about_inputs,
    _about_outputs,
    _about_space,
)


def _about_modes(node: Any, targets: tuple[Target, ...]) -> Iterator[str]:
    import onnx

    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    for target in targets:
        for attribute, allowed in target.modes.get(node.op_type, {}).items():
            value = given.get(attribute, MODE_DEFAULTS[node.op_type, attribute])
            value = value.decode() if isinstance(value, bytes) else value
            if value not in allowed:
                yield (
                    f"node {named(node)}: {attribute} {value} of {node.op_type}; {target.name} reads "
                    f"{', '.join(map(str, sorted(allowed, key=str)))}"
                )


def _names(targets: list[Target]) -> str:
    return ", ".join(f"{target.name} (JetPack {target.jetpack})" for target in targets)


def _type_name(number: int) -> str:
    import onnx

    return str(onnx.TensorProto.DataType.Name(number))


def _fits(tensor: Any) -> bool:
    import onnx

    array = onnx.numpy_helper.to_array(tensor)
    return not array.size or bool(array.min() >= INT32.min and array.max() <= INT32.max)
