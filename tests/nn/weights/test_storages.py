"""What a file claims of its tensors is held against its bytes; whole files are in ``test_weight_file.py``."""

from __future__ import annotations

import io

import pytest
import torch

from vision.artefacts.pickled import Named
from vision.nn.weights.storages import Storages, Wrong

FLOATS = Named("torch", "FloatStorage")


def test_storages_take_no_more_than_the_file_has_and_are_filled_later() -> None:
    storages = Storages(64)
    elements = storages.stored(("storage", FLOATS, "0", "cuda:0", 8))
    tensor = storages.build("torch._utils._rebuild_tensor_v2", (elements, 2, (2, 3), (1, 2), False, {}))
    storages.fill("0", io.BytesIO(torch.arange(8.0).numpy().tobytes()))
    assert tensor.tolist() == [[2, 4, 6], [3, 5, 7]]
    with pytest.raises(Wrong, match="two sizes"):
        storages.stored(("storage", FLOATS, "0", "cpu", 7))
    with pytest.raises(Wrong, match="more bytes than it has"):
        storages.stored(("storage", FLOATS, "1", "cpu", 9))
    with pytest.raises(Wrong, match="is cut"):
        storages.fill("0", io.BytesIO(bytes(31)))


@pytest.mark.parametrize("shape", [(1 << 62, 1 << 62), (-1,), (2**80,), (5, 5)])
def test_shapes_and_strides_are_held_against_the_data(shape: tuple[int, ...]) -> None:
    storages = Storages(1 << 10)
    elements = torch.zeros(16)
    with pytest.raises(ValueError, match=r"larger than its data|impossible shape"):
        storages.build("torch._utils._rebuild_tensor_v2", (elements, 0, shape, (1,) * len(shape), False, {}))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(13, (2, 2), (2, 1)), (0, (2, 2), (15, 1)), (-1, (1,), (1,)), (0, (2,), (-1,)), (17, (1,), (1,)), (0, (True,), (1,)), (0, (1,) * 17, (1,) * 17), (0, (2,), (1, 1))],
)  # fmt: skip
def test_offsets_and_strides_stay_inside(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    storages = Storages(1 << 10)
    with pytest.raises(ValueError, match=r"larger than its data|impossible shape"):
        storages.build(
            "torch._utils._rebuild_tensor_v2", (torch.zeros(16), offset, shape, strides, False, {})
        )
