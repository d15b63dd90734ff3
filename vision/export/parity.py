"""The same images through torch and through onnxruntime: what is shipped is what was trained.

Both compute in float32 and both round, the more the larger the net's logits are. So neither is held against the other: the
same network in float64 says what is right, torch's own distance from it says how much rounding costs this net, and
onnxruntime may be a few times as far away. One run of torch is one draw of that cost, and may be small by luck (measured: 4
times less than of the same net in another layout of memory), so two layouts are asked, and an image is allowed what the net
costs on the worst one, up to a few times what it costs on itself.

Legend: P priors, C classes with background.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vision.export.contract import (
    BOXES,
    DRAW_AGAIN,
    FP16_LARGEST,
    INPUT,
    SCORES,
    SMALLER_WEIGHTS,
    NotPublished,
)
from vision.export.graph import DetectNetGraph
from vision.ssd.model import Detector

TIMES_THE_ROUNDING = 4.0
"""How many times the rounding of torch onnxruntime's may be. Measured: up to 0.6 times for scores, 1.4 for boxes, in 12 nets
with logits of 3 to 4,000 on 8 images each, with and without onnxruntime's optimisations (docs/export.md, "Parity")."""

LUCK = 8.0
"""How many times its own rounding an image is allowed, where another image costs more: torch's is one draw of it."""

LAST_DIGITS = 4 * float(np.finfo(np.float32).eps)
"""Allowed besides, of a value of 1: that of softmax and of exp() themselves."""

SOFTMAX_PASSES_ON = 0.5
"""No score moves by more than half of the largest change of a logit (of a sigmoid by a quarter)."""

LARGEST_ROUNDING = 1e-2
"""Of a score, or of a corner as a share of the largest: a net that float32 computes no better has no right answer."""

PROBABILITY_TOLERANCE = 1e-3
"""Of the sum of a prior's scores: 81 of them, rounded to float32, are off by less than 1e-5."""


class ParityBroken(NotPublished):
    """onnxruntime does not compute what the network is."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Of one output on one image, from float64: how far onnxruntime is, and torch in float32 in the worse of two layouts;
    what is allowed."""

    image: int
    onnxruntime: float
    torch_float32: float
    allowed: float

    @property
    def share(self) -> float:
        """Of what is allowed; above 1 it is a fault, not rounding."""
        return self.onnxruntime / self.allowed


@dataclass(frozen=True, slots=True)
class ParityReport:
    """The worst gap of each output over ``images`` images, and the largest absolute value that any layer gave."""

    images: int
    scores: Gap
    boxes: Gap
    largest_activation: float
    loudest_image: int
    runtime: str


def compare(onnx_path: Path, detector: Detector, images: Iterable[np.ndarray]) -> ParityReport:
    """Images (1, 3, H, W) float32, normalised, through all three; every one counts. A grey detector gets their grey.

    Raises:
        ParityBroken: a difference that rounding does not explain, a net that float32 cannot compute, a value that is not
            finite, scores that are no probabilities, boxes that are no corners, an activation beyond FP16, or no image to
            compare on; names the image.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])
    graph = DetectNetGraph(detector.cpu()).eval()
    other_layout = copy.deepcopy(graph).to(memory_format=torch.channels_last)
    exact = copy.deepcopy(graph).double()
    scores, boxes, largest = [], [], []
    for number, image in enumerate(images):
        found = session.run([SCORES, BOXES], {INPUT: image})
        pixels = torch.from_numpy(image)
        seen: list[float] = []
        expected = _through_torch(graph, pixels, seen)
        again = _through_torch(other_layout, pixels.contiguous(memory_format=torch.channels_last))
        right = _through_torch(exact, pixels.double())
        _require_meaning(found, expected, number, detector.variant.score_function)
        scores.append(_errors_of_scores(found[0], (expected, again), right))
        boxes.append(_errors_of_boxes(found[1], (expected, again), right))
        largest.append(max(seen))
    if not largest:
        raise ParityBroken(
            "there is no image to compare on",
            ["the list of images is empty"],
            "name a data root with images: --datasets",
        )
    gaps = {"scores": _gaps(scores), "boxes": _gaps(boxes)}
    for what, of_all in gaps.items():
        _require_a_right_answer(what, max(of_all, key=lambda gap: gap.allowed))
        _require_rounding_only(onnx_path, what, _worst(of_all))
    return ParityReport(
        images=len(largest),
        scores=_worst(gaps["scores"]),
        boxes=_worst(gaps["boxes"]),
        largest_activation=max(largest),
        loudest_image=_require_half_precision(largest),
        runtime=f"onnxruntime {onnxruntime.__version__}",
    )


@dataclass(frozen=True, slots=True)
class _Outputs:
    """What one network gave: logits and scores (1, P, C), boxes (1, P, 4); float64."""

    logits: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


@torch.inference_mode()
def _through_torch(graph: DetectNetGraph, image: Tensor, seen: list[float] | None = None) -> _Outputs:
    """The outputs; ``seen`` gets the largest absolute value that each layer gives: above 65,504 it would overflow FP16."""
    logits: list[Tensor] = []
    layers = [] if seen is None else [module for module in graph.modules() if not list(module.children())]

    def look(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen.append(float(output.abs().max()))  # type: ignore[union-attr]

    hooks = [layer.register_forward_hook(look) for layer in layers]
    hooks.append(
        graph.detector.register_forward_hook(lambda _module, _inputs, output: logits.append(output[0]))
    )
    try:
        scores, boxes = graph(image)
    finally:
        for hook in hooks:
            hook.remove()
    return _Outputs(*(tensor.double().numpy() for tensor in (logits[0], scores, boxes)))


@dataclass(frozen=True, slots=True)
class _Errors:
    """Of one output on one image, from float64: of onnxruntime, of torch in float32, and what rounding explains at least."""

    onnxruntime: float
    torch_float32: float
    rounding: float


def _errors_of_scores(found: np.ndarray, expected: Sequence[_Outputs], right: _Outputs) -> _Errors:
    """Judged by the logits too: where softmax is nearly 0 or 1, what torch lost there says nothing."""
    own = max(_distance(way.scores, right.scores) for way in expected)
    of_logits = max(_distance(way.logits, right.logits) for way in expected)
    return _Errors(_distance(found, right.scores), own, max(own, SOFTMAX_PASSES_ON * of_logits))


def _errors_of_boxes(found: np.ndarray, expected: Sequence[_Outputs], right: _Outputs) -> _Errors:
    """As a share of the largest corner, where one is beyond the image."""
    scale = max(1.0, float(np.abs(right.boxes).max()))
    own = max(_distance(way.boxes, right.boxes) for way in expected) / scale
    return _Errors(_distance(found, right.boxes) / scale, own, own)


def _gaps(errors: list[_Errors]) -> list[Gap]:
    """A gap an image."""
    most = max(of.rounding for of in errors)
    return [
        Gap(
            number,
            of.onnxruntime,
            of.torch_float32,
            TIMES_THE_ROUNDING * min(most, LUCK * of.rounding) + LAST_DIGITS,
        )
        for number, of in enumerate(errors)
    ]


def _worst(gaps: list[Gap]) -> Gap:
    return max(gaps, key=lambda gap: gap.share)


def _require_a_right_answer(what: str, gap: Gap) -> None:
    if gap.allowed > LARGEST_ROUNDING:
        raise ParityBroken(
            f"torch in float32 is {gap.torch_float32:.2e} away from float64 in {what}; nothing was published",
            [
                (
                    f"the allowed rounding would be so large that it could hide a fault ({gap.allowed:.2e}, at most {LARGEST_ROUNDING:g}); "
                    "such logits come from weights that grew too large"
                )
            ],
            SMALLER_WEIGHTS,
        )


def _require_rounding_only(onnx_path: Path, what: str, gap: Gap) -> None:
    if gap.share > 1:
        raise ParityBroken(
            f"{onnx_path}: image {gap.image}, the worst, is {gap.onnxruntime:.2e} away from float64 in {what}; nothing was published",
            [f"rounding explains {gap.allowed:.2e} (torch in float32: {gap.torch_float32:.2e})"],
            DRAW_AGAIN,
        )


def _require_half_precision(largest: list[float]) -> int:
    """The image with the largest activation."""
    image = int(np.argmax(largest))
    if not largest[image] <= FP16_LARGEST:
        raise ParityBroken(
            f"image {image}: an activation of {largest[image]:.4g} does not fit FP16 (largest {FP16_LARGEST:g}); nothing was published",
            ["every Jetson uses FP16, in which it would become infinite"],
            SMALLER_WEIGHTS,
        )
    return image


def _require_meaning(found: list[np.ndarray], expected: _Outputs, image: int, score_function: str) -> None:
    """Scores (1, P, C) and boxes (1, P, 4) as detectNet reads them: finite, probabilities, and corners in order."""
    scores, boxes = found
    if not all(np.isfinite(array).all() for array in (scores, boxes, expected.scores, expected.boxes)):
        raise ParityBroken(
            f"image {image}: an output is not finite",
            ["weights or batch statistics are damaged, or overflow"],
            SMALLER_WEIGHTS,
        )
    objects = scores[..., 1:].astype(np.float64)
    shared = objects.sum(axis=2) if score_function == "softmax" else objects.max(axis=2)
    off = float(np.abs(scores[..., 0] + shared - 1).max())
    if off > PROBABILITY_TOLERANCE or scores.min() < 0:
        raise ParityBroken(
            f"image {image}: scores of a prior sum to 1 ± {off:.2g}",
            [f"{score_function} must be inside the graph"],
            DRAW_AGAIN,
        )
    if not (boxes[..., 2:] >= boxes[..., :2]).all():
        raise ParityBroken(
            f"image {image}: boxes are not x1, y1, x2, y2", ["decoding must be inside the graph"], DRAW_AGAIN
        )


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, in float64."""
    if a.shape != b.shape:
        raise ParityBroken("an output has another shape", [f"{a.shape} and {b.shape}"], DRAW_AGAIN)
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
