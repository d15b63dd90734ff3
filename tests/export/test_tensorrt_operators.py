"""The table of what TensorRT reads: whole, in order, and about operators that there are."""

from __future__ import annotations

from itertools import pairwise

import onnx
import pytest

from vision.export import tensorrt_operators as table
from vision.export.onnx import OPSETS
from vision.export.tensorrt_operators import TARGETS, targets_of

SCHEMAS = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
OF_OTHERS = {"ParametricSoftplus", "ScaledTanh", "ImageScaler"}
"""Operators of ONNX's first, experimental years, which the parser still knows."""


def test_every_operator_is_one_of_onnx() -> None:
    named = frozenset().union(*(target.operators for target in TARGETS))
    assert named - SCHEMAS <= OF_OTHERS
    for some in (
        table.CONSTANT_INPUTS,
        table.DATA_DEPENDENT,
        table.CONTROL_FLOW,
        table.SPATIAL,
        table.ONE_OUTPUT,
    ):
        assert set(some) <= SCHEMAS


def test_a_later_release_reads_more_and_newer_opsets() -> None:
    for older, newer in pairwise(TARGETS):
        assert older.operators < newer.operators and older.opset < newer.opset
    assert all(target.source and target.jetpack for target in TARGETS)
    assert [target.opset for target in TARGETS] == [11, 13, 17, 20]
    assert [len(target.operators) for target in TARGETS] == [108, 118, 130, 147]  # docs/export.md


@pytest.mark.parametrize(
    ("operator", "reads"),
    [
        ("Slice", [True, True, True, True]), ("Hardmax", [False, False, False, True]),
        ("NonZero", [False, False, False, True]), ("CumSum", [False, True, True, True]),
        ("Einsum", [False, False, True, True]), ("Unique", [False] * 4), ("Det", [False] * 4),
        ("Reciprocal", [False, False, False, True]), ("LayerNormalization", [False, False, False, True]),
    ],
)  # fmt: skip
def test_some_rows_as_they_stand_in_the_parsers_own_table(operator: str, reads: list[bool]) -> None:
    assert [operator in target.operators for target in TARGETS] == reads


def test_every_opset_that_is_offered_has_a_board() -> None:
    assert [len(targets_of(opset)) for opset in OPSETS] == [4, 3, 3, 2, 2, 2, 2, 1, 1, 1]
    assert not targets_of(21)


def test_positions_of_constant_inputs_are_those_of_onnx() -> None:
    """Names in the newest schema that has the operator; the table may say it in one word more."""
    renamed = {"BatchNormalization": {3: "input_mean", 4: "input_var"}}
    for operator, inputs in table.CONSTANT_INPUTS.items():
        if operator == "Upsample":  # deprecated; its last schema has no inputs any more
            continue
        schema = onnx.defs.get_schema(operator)
        for position, name in inputs.items():
            assert schema.inputs[position].name == renamed.get(operator, {}).get(position, name), operator
