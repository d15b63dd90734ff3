"""Walking an ONNX model: every node and every constant, also those inside branches, loops and functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(model: Any) -> Iterator[Any]:
    return (node for graph in _graphs(model) for node in graph.node)


def named(node: Any) -> str:
    """What a person finds it by: its name, else its kind."""
    return str(node.name or node.op_type)


def constants(model: Any) -> Iterator[tuple[str, Any]]:
    """(name, tensor) of weights, of what Constant nodes hold (priors, variances), and of any other node's tensors."""
    for graph in _graphs(model):
        for tensor in getattr(graph, "initializer", ()):
            yield tensor.name, tensor
    for node in nodes(model):
        for attribute in node.attribute:
            for tensor in (*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors):
                yield tensor.name or node.output[0], tensor


def without_copies(model: Any) -> None:
    """Lets every node take its weights from the initializer itself, not from an Identity of it.

    The exporter keeps equal weights once and gives the other layers an Identity, which TensorRT takes for a computed
    tensor where it wants weights.
    """
    initial = {tensor.name for tensor in model.graph.initializer}
    shown = {value.name for value in model.graph.output}
    source: dict[str, str] = {}
    kept = []
    for node in model.graph.node:  # in the order of computation: a copy of a copy comes after it
        node.input[:] = [source.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.input[0] in initial and node.output[0] not in shown:
            source[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _graphs(model: Any) -> Iterator[Any]:
    """The graph, those inside its nodes (branches, loops), and functions."""
    waiting = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        attributes = [attribute for node in graph.node for attribute in node.attribute]
        waiting += [inner for a in attributes for inner in (*([a.g] if a.HasField("g") else []), *a.graphs)]
