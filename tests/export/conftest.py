"""A detector that looks opened from a checkpoint, and an ONNX file small enough to break on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.export.made import CLASSES, HW, convert_once, make_opened
from vision.engine.checkpoints.open_detector import LoadedDetector


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    """The first blocks of mb2-ssd-lite at width 0.25 for 96×64 px, 3 classes with background; first weights."""
    return make_opened(tmp_path_factory.mktemp("opened"))


@pytest.fixture
def images() -> list[np.ndarray]:
    """Two images of noise, (1, 3, H, W) float32 in [−1, 1]."""
    draw = np.random.default_rng(0)
    return [draw.uniform(-1, 1, (1, 3, *HW)).astype(np.float32) for _ in range(2)]


@pytest.fixture
def drawn_by_hand(tmp_path: Path) -> Callable[..., Path]:
    """Writes a graph of three nodes that meets every clause, after ``change(parts)`` has had its way with it.

    Made with onnx alone, without the exporter: input_0 (1, 3, 8, 12) → its mean + bias (1, 5, 3) → softmax → scores;
    a constant (1, 5, 4) → boxes.
    """

    def write(change: Callable[[SimpleNamespace], Any] = lambda parts: None) -> Path:
        parts = whole()
        change(parts)
        graph = helper.make_graph(parts.nodes, "net", parts.inputs, parts.outputs, parts.initializers)
        model = helper.make_model(graph, opset_imports=parts.opsets, ir_version=parts.ir)
        path = tmp_path / "net.onnx"
        onnx.save(model, str(path), **parts.save)
        return path

    return write


def whole() -> SimpleNamespace:
    value = helper.make_tensor_value_info
    boxes = np.tile(np.array([0.1, 0.2, 0.5, 0.6], np.float32), (1, 5, 1))
    return SimpleNamespace(
        nodes=[
            helper.make_node("ReduceMean", ["input_0"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
            helper.make_node("Add", ["mean", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=2),
            helper.make_node("Constant", [], ["boxes"], value=numpy_helper.from_array(boxes)),
        ],
        inputs=[value("input_0", TensorProto.FLOAT, [1, 3, 8, 12])],
        outputs=[
            value("scores", TensorProto.FLOAT, [1, 5, len(CLASSES)]),
            value("boxes", TensorProto.FLOAT, [1, 5, 4]),
        ],
        initializers=[numpy_helper.from_array(np.ones((1, 5, len(CLASSES)), np.float32), "bias")],
        opsets=[helper.make_opsetid("", 13)],
        ir=7,
        save={},
    )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def conversions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        convert_once(patch)
        yield
