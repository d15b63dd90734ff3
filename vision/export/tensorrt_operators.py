"""What the ONNX parser of each TensorRT on a Jetson reads. Data only; ``tensorrt.py`` holds a file against it.

Read in onnx/onnx-tensorrt, the parser that every TensorRT ships: ``docs/operators.md`` (what is supported, and the
column of restrictions) and ``docs/Changelog.md`` (since when). Where a release has no file of its own in that repository's
history, the nearest OLDER statement counts, so that an operator is missing here rather than on the board.
"""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IN_7_1 = _words(
    """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Clip Concat
    Constant ConstantOfShape Conv ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand
    Flatten Floor GRU Gather Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid Identity ImageScaler
    InstanceNormalization LRN LSTM LeakyRelu Less Log LogSoftmax Loop MatMul Max MaxPool Mean Min Mul Neg Not Or PRelu
    Pad ParametricSoftplus Pow QuantizeLinear RNN RandomUniform RandomUniformLike Range ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ScaledTanh
    Scan Selu Shape Sigmoid Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan
    Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where"""
)
_SINCE_8_0 = _words(
    """Celu CumSum EyeLike GatherElements GlobalLpPool GreaterOrEqual LessOrEqual LpNormalization LpPool
    ReverseSequence"""
)
_SINCE_8_4 = _words(
    """Dropout Einsum GatherND If IsNaN NonMaxSuppression Round Scatter ScatterElements ScatterND Sign Xor"""
)
_SINCE_10_3 = _words(
    """DeformConv GridSample GroupNormalization HardSwish Hardmax IsInf LayerNormalization MeanVarianceNormalization Mod
    NonZero OneHot RandomNormal RandomNormalLike Reciprocal RoiAlign Shrink Trilu"""
)

DATA_TYPES = frozenset({"FLOAT", "FLOAT16", "INT8", "INT32", "INT64", "BOOL"})
"""Of weights and of all that flows. DOUBLE is cast down and clamped from 8.0 on and unknown before; unsigned types are for
a network's own inputs only; BFLOAT16 exists from 9.0 on and in no net of this project."""

MOST_DIMENSIONS = 8
"""TensorRT's ``Dims::MAX_DIMS``."""


@dataclass(frozen=True, slots=True)
class Target:
    """One range of TensorRT releases: what the oldest of them reads.

    * opset: the newest it reads
    * keeps_int64: false where integers of 64 bits are cast to 32, and clamped or refused where they do not fit
    * modes: operator → attribute → the values it reads; an attribute that is not here may have any
    * source: where that is said
    """

    name: str
    jetpack: str
    opset: int
    operators: frozenset[str]
    keeps_int64: bool
    modes: dict[str, dict[str, frozenset[str | int]]]
    source: str


def _modes(resize: str, nearest: str, pad: str) -> dict[str, dict[str, frozenset[str | int]]]:
    return {
        "Resize": {
            "mode": frozenset({"nearest", "linear"}),
            "coordinate_transformation_mode": _words(resize),
            "nearest_mode": _words(nearest),
            "antialias": frozenset({0}),
            "keep_aspect_ratio_policy": frozenset({"stretch"}),
        },
        "Pad": {"mode": _words(pad)},
    }


_ALL_RESIZES = "half_pixel pytorch_half_pixel tf_half_pixel_for_nn asymmetric align_corners"
_ALL_NEAREST = "floor ceil round_prefer_floor round_prefer_ceil"

TARGETS = (
    Target(
        "TensorRT 7.1", "4.4", 11, _IN_7_1, False, _modes("asymmetric", "floor", "constant"),
        "operators.md for opset 11, headed 7.2; that of 7.0 (@84b5be1) supports the same",
    ),
    Target(
        "TensorRT 8.0–8.2", "4.6", 13, _IN_7_1 | _SINCE_8_0, False, _modes(_ALL_RESIZES, _ALL_NEAREST, "constant"),
        "operators.md headed 8.0; Changelog 8.0 for Resize, 8.2 for Pad",
    ),
    Target(
        "TensorRT 8.4–8.6", "5.x and 6.0", 17, _IN_7_1 | _SINCE_8_0 | _SINCE_8_4, False,
        _modes(_ALL_RESIZES, _ALL_NEAREST, "constant edge reflect"),
        "operators.md headed 8.4 (@009d654); opset 17 from the one headed 8.5 (@6d0ab7b)",
    ),
    Target(
        "TensorRT 10.3", "6.1 and later", 20, _IN_7_1 | _SINCE_8_0 | _SINCE_8_4 | _SINCE_10_3, True,
        _modes(_ALL_RESIZES, _ALL_NEAREST, "constant edge reflect wrap"),
        "operators.md headed 8.5 (@6d0ab7b), and what Changelog adds to it from 8.6 to 10.3",
    ),
)  # fmt: skip
"""Oldest first. A file of opset N is for every target that reads N, and has to suit all of them."""

MODE_DEFAULTS: dict[tuple[str, str], str | int] = {
    ("Resize", "mode"): "nearest",
    ("Resize", "coordinate_transformation_mode"): "half_pixel",
    ("Resize", "nearest_mode"): "round_prefer_floor",
    ("Resize", "antialias"): 0,
    ("Resize", "keep_aspect_ratio_policy"): "stretch",
    ("Pad", "mode"): "constant",
}
"""What ONNX means where the attribute is left out."""

_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
CONSTANT_INPUTS: dict[str, dict[int, str]] = {
    "BatchNormalization": {1: "scale", 2: "B", 3: "mean", 4: "var"},
    "Clip": {1: "min", 2: "max"},
    "ConstantOfShape": {0: "input"},
    "Conv": {1: "W", 2: "B"},
    "ConvTranspose": {1: "W", 2: "B"},
    "CumSum": {1: "axis"},
    "DequantizeLinear": {1: "x_scale", 2: "x_zero_point"},
    "Dropout": {1: "ratio", 2: "training_mode"},
    "Expand": {1: "shape"},
    "InstanceNormalization": {1: "scale", 2: "B"},
    "OneHot": {1: "depth"},
    "PRelu": {1: "slope"},
    "Pad": {1: "pads", 2: "constant_value", 3: "axes"},
    "QuantizeLinear": {1: "y_scale", 2: "y_zero_point"},
    "Range": {0: "start", 1: "limit", 2: "delta"},
    "Reshape": {1: "shape"},
    "Resize": {1: "roi", 2: "scales", 3: "sizes"},
    "Slice": {1: "starts", 2: "ends", 3: "axes", 4: "steps"},
    "Split": {1: "split"},
    "Squeeze": {1: "axes"},
    "Tile": {1: "repeats"},
    "TopK": {1: "K"},
    "Unsqueeze": {1: "axes"},
    "Upsample": {1: "scales"},
    **{f"Reduce{kind}": {1: "axes"} for kind in _REDUCTIONS},
}
"""Inputs that must be initializers or the values of Constant nodes: weights and bounds, as the column of restrictions asks in
one release or another, and everything that says a shape: all shapes of this graph are known when it is written, so
a computed one is a fault of the export (constants that were not folded), which older parsers fail on."""

DATA_DEPENDENT = frozenset({"Compress", "NonMaxSuppression", "NonZero", "StringSplit", "Unique"})
"""The size of what they give depends on the image; detectNet reads fixed sizes."""

CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})

SPATIAL = frozenset({"AveragePool", "Conv", "ConvTranspose", "MaxPool"})
"""In two or three dimensions only."""

UNDILATED = frozenset({"AveragePool", "LpPool", "MaxPool"})

ONE_OUTPUT = frozenset({"BatchNormalization", "Dropout", "LayerNormalization", "MaxPool"})
"""The others (indices, masks, statistics) are not read."""


def targets_of(opset: int) -> tuple[Target, ...]:
    """The targets that read ``opset``; empty beyond 20."""
    return tuple(target for target in TARGETS if opset <= target.opset)
