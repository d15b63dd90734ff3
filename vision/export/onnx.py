"""Export → contract → parity → publish: an ``.onnx`` gets its name when all of it holds, and not before."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.export_onnx")

import io
import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vision.artefacts.data_layout import LABELS_NAME
from vision.artefacts.files import TEMPORARY, atomic_publish, publish_bytes, publish_json, sha256_of
from vision.artefacts.records import RecordError, read_json, to_plain
from vision.artefacts.targets import require_file_place
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export import contract, parity
from vision.export.contract import BOXES, INPUT, SCORES, GraphFacts
from vision.export.graph import DetectNetGraph, for_rgb
from vision.export.graphs import without_copies
from vision.export.labels import labels_text
from vision.export.parity import ParityReport
from vision.messages.advice import UserError, quoted, shown
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
    exported: dict[str, list[str]]
    """The digests of all networks that exports have made in the folder, by name: what may be replaced there."""


def export(
    opened: LoadedDetector,
    output: Path,
    images: Sequence[np.ndarray],
    opset: int = DEFAULT_OPSET,
    elsewhere: Callable[[Path], str] = lambda output: f"--output {quoted(output)}",
) -> ExportReport:
    """Writes ``output``, ``labels.txt`` and ``export_report.json`` beside it.

    :param images: (1, 3, H, W) float32, normalised, to compare on
    :param elsewhere: the command that makes this export under another name, to be printed
    :raises ContractBroken, ParityBroken, OutOfSpace: no network was published, an older file is as it was
    :raises ValueError: an opset that is not offered, a name that does not end in ``.onnx``, or a file there that no export
        has made, or names of another model
    :raises NotReplaced: what stands in the place of a file is none
    """
    if opset not in OPSETS:
        raise UserError(f"--opset {opset}: {OPSETS[0]} to {OPSETS[-1]} are supported")
    if output.suffix != ".onnx":
        raise UserError(
            f"--output {output}: detectNet tells the kind of file by its name; it must end in .onnx"
        )
    labels = labels_text(opened.classes)
    exported = _require_own(output, opened.classes, elsewhere)
    _remove_leftovers(output)
    detector = opened.detector.eval()
    with atomic_publish(output) as temporary:
        temporary.write_bytes(as_onnx(detector, opset))
        try:
            facts = contract.check(temporary, opset, len(opened.classes))
            compared = parity.compare(temporary, detector, images)
        except contract.NotPublished as error:
            error.args = (str(error).replace(str(temporary), str(output)),)
            raise
        digest = sha256_of(temporary)
        exported[output.name] = [each for each in exported.get(output.name, []) if each != digest] + [digest]
        report = ExportReport(
            output.name,
            digest,
            opened.path.name,
            sha256_of(opened.path),
            opened.weights,
            len(opened.classes),
            facts,
            compared,
            exported,
        )
        publish_bytes(
            output.parent / LABELS_NAME, labels
        )  # first: a new network never stands beside old names
        publish_json(
            output.parent / REPORT, to_plain(report)
        )  # before the network: nobody's, if a kill comes between
    return report


def _require_own(output: Path, classes: list[str], elsewhere: Callable[[Path], str]) -> dict[str, list[str]]:
    """That nothing is replaced but what exports have made; the digests of those, by name.

    Raises ValueError (three lines) for anything else; NotReplaced.
    """
    report, names = output.parent / REPORT, output.parent / LABELS_NAME
    for path in (output, report, names):
        require_file_place(path)
    exported = _exported(report)
    number = 2
    while os.path.lexists(other := output.parent / f"{output.stem}-{number}" / output.name):
        number += 1

    def refused(path: Path, why: str) -> UserError:
        return UserError(
            f"{shown(path)} is not replaced\n  why: {why}\n  fix: export to another place: {elsewhere(other)}"
        )

    if exported is None:
        raise refused(report, "it is no report of an export")
    if output.exists() and sha256_of(output) not in exported.get(output.name, []):
        raise refused(output, f"no {REPORT} beside it says that an export made it: it is somebody's")
    if names.exists() and _other_names(names, classes):
        raise refused(names, f"it names other classes than the checkpoint ({len(classes)} with background)")
    return exported


def _exported(report: Path) -> dict[str, list[str]] | None:
    """What exports have made in the folder, by their report; None where the file is no report."""
    try:
        found = read_json(report)
        last = {
            str(found["onnx"]): [str(found["sha256"])]
        }  # reports of earlier versions have no more than this
        return {str(name): [str(each) for each in of] for name, of in found.get("exported", last).items()}
    except FileNotFoundError:
        return {}
    except (RecordError, KeyError, TypeError, AttributeError):
        return None


def _other_names(path: Path, classes: list[str]) -> bool:
    """Whether the names that are there, maybe with ``\\r`` or a byte order mark, are not the same ones."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()] != classes


def _remove_leftovers(output: Path) -> None:
    """Temporary files of exports to ``output`` that were killed."""
    names = (output.name, LABELS_NAME, REPORT)
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
    graph = DetectNetGraph(for_rgb(detector.cpu())).eval().to(memory_format=torch.contiguous_format)
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
