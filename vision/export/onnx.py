"""Export → contract → parity → publish: an ``.onnx`` gets its name when all of it holds, and not before."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vision.artefacts.files import TEMPORARY, atomic_publish, publish_bytes, publish_json, sha256_of
from vision.artefacts.records import to_plain
from vision.engine.opening import Opened
from vision.export import contract, parity
from vision.export.contract import BOXES, INPUT, SCORES, GraphFacts
from vision.export.graph import DetectNetGraph
from vision.export.graphs import without_copies
from vision.export.labels import LABELS, labels_text
from vision.export.parity import ParityReport
from vision.ssd.model import Detector

DEFAULT_OPSET = 13
OPSETS = range(11, 21)
"""What TensorRT 7.1 (11) to 10.3 (9–20) parse; the exporter itself begins at 11 here."""
REPORT = "export_report.json"
LEFTOVER_AGE_S = 3600
"""A temporary file of this export that is older was left by a kill: none takes so long."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Where the network came from, what was read back from the file, and how it compares."""

    onnx: str
    sha256: str
    checkpoint: str
    checkpoint_sha256: str
    weights: str
    classes: int
    graph: GraphFacts
    parity: ParityReport


def export(
    opened: Opened, output: Path, images: Sequence[np.ndarray], opset: int = DEFAULT_OPSET
) -> ExportReport:
    """Writes ``output``, ``labels.txt`` and ``export_report.json`` beside it.

    :param images: (1, 3, H, W) float32, normalised, to compare on
    :raises ContractBroken, ParityBroken, OutOfSpace: no network was published, an older file is as it was
    :raises ValueError: an opset that is not offered, a name that does not end in ``.onnx``, or a folder whose
        ``labels.txt`` belongs to another model
    """
    if opset not in OPSETS:
        raise ValueError(f"--opset {opset}: {OPSETS[0]} to {OPSETS[-1]} are offered")
    if output.suffix != ".onnx":
        raise ValueError(
            f"--output {output}: detectNet knows the kind of file by its name; it must end in .onnx"
        )
    labels = labels_text(opened.classes)
    _require_own_labels(output.parent / LABELS, opened.classes)
    _remove_leftovers(output)
    detector = opened.detector.eval()
    with atomic_publish(output) as temporary:
        temporary.write_bytes(as_onnx(detector, opset))
        facts = contract.check(temporary, opset, len(opened.classes))
        compared = parity.compare(temporary, detector, images)
        digest = sha256_of(temporary)
        publish_bytes(output.parent / LABELS, labels)  # first: a new network never stands beside old names
    report = ExportReport(
        output.name,
        digest,
        opened.path.name,
        sha256_of(opened.path),
        opened.weights,
        len(opened.classes),
        facts,
        compared,
    )
    publish_json(output.parent / REPORT, to_plain(report))
    return report


def _require_own_labels(path: Path, classes: list[str]) -> None:
    """Names that are there already, maybe with ``\\r`` or a byte order mark, have to be the same ones."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if [line.strip() for line in lines if line.strip()] != classes:
        raise ValueError(
            f"{path}: names other classes than the checkpoint ({len(classes)} with background); it belongs to "
            "another model. Choose another folder with --output, or move the file away"
        )


def _remove_leftovers(output: Path) -> None:
    """Temporary files of exports to ``output`` that were killed."""
    names = (output.name, LABELS, REPORT)
    for path in (path for name in names for path in output.parent.glob(f"{TEMPORARY}*-{name}")):
        with suppress(FileNotFoundError):  # another export may be removing it, too
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                path.unlink()


def as_onnx(detector: Detector, opset: int) -> bytes:
    """The graph of ``detector`` with weights inside, from the exporter that writes the opset it is asked for.

    (torch's newer exporter writes 18 when asked for 13, and a second file for the weights.)
    """
    import onnx

    spec = detector.input_spec
    example = torch.zeros(1, 3, spec.height, spec.width)
    graph = DetectNetGraph(detector.cpu()).eval().to(memory_format=torch.contiguous_format)
    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        torch.inference_mode(False),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")  # deprecation and tracing: the result is proven below, not trusted
        torch.onnx.export(
            graph, (example,), buffer, dynamo=False, opset_version=opset,  # type: ignore[arg-type]
            input_names=[INPUT], output_names=[SCORES, BOXES], do_constant_folding=True,
        )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    without_copies(model)
    return bytes(model.SerializeToString())
