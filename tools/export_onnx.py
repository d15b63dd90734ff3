"""One ``.onnx`` + ``labels.txt`` that jetson-inference's detectNet loads, proven before they get their names.

python -m tools.export_onnx models/my-experiment-1
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.problem import add_model, tool
from vision.artefacts.data_layout import require_no_data
from vision.messages.advice import command, quoted, shown
from vision.messages.command_line import Parser
from vision.messages.terminal import counted

if TYPE_CHECKING:
    import numpy as np

    from vision.engine.checkpoints.open_detector import LoadedDetector
    from vision.export.onnx import ExportReport

DEFAULT_NAME = "ssd-mobilenet.onnx"
COMPARED = 8
EXAMPLES = """examples:
  python -m tools.export_onnx models/my-experiment-1                     into the run folder, for TensorRT 8 and later
  python -m tools.export_onnx models/my-experiment-1 --opset 11          TensorRT 7.1 (JetPack 4.4)
  python -m tools.export_onnx FILE.pth --output models/street/ssd-mobilenet.onnx

opset by JetPack: 4.4 = 11; 4.6 = 13; 5.x and 6.0 = up to 17; 6.1 and later = 9 to 20
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.export_onnx",
        description="Export a detector for detectNet: check it clause by clause, compare it with onnxruntime, then publish it.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add_model(parser)
    add("--output", type=Path, metavar="FILE.onnx", help=f"default: {DEFAULT_NAME} beside the checkpoint")
    add("--opset", type=int, default=13, metavar="N", help="ONNX operator set (%(default)s)")
    add(
        "--datasets",
        "--data",
        type=Path,
        metavar="DIR",
        help="data root with the validation images for the comparison (that of the training)",
    )
    return parser


def export(arguments: argparse.Namespace) -> int:
    from vision.engine.checkpoints.open_detector import open_detector
    from vision.export import onnx

    if arguments.output:
        require_no_data(arguments.output.parent, f"models/street/{DEFAULT_NAME}")
    which = () if arguments.which == "best" else ("--which", arguments.which)
    opened = open_detector(
        arguments.model, arguments.which, ask=lambda run: command("python -m tools.export_onnx", run, *which)
    )
    print(opened.describe())
    output = arguments.output or opened.folder / DEFAULT_NAME
    images, source = comparison_images(arguments.datasets, opened)
    result = onnx.export(opened, output, images, arguments.opset, lambda other: _again(arguments, other))
    print(report(result, output, source, opened))
    return 0


def _again(arguments: argparse.Namespace, output: Path) -> str:
    """The same export to another place."""
    data = ("--datasets", arguments.datasets) if arguments.datasets else ()
    asked = (arguments.model, "--which", arguments.which, "--opset", arguments.opset, *data)
    return command("python -m tools.export_onnx", *asked, "--output", output)


def comparison_images(named: Path | None, opened: LoadedDetector) -> tuple[list[np.ndarray], str]:
    """Validation images as detectNet feeds them: of the root that was ``named``, which must have some, else of all those of the
    training; where these are gone or have none, photographs of scikit-image."""
    from vision.datasets.contract import DatasetError, SampleError
    from vision.export import detectnet

    roots = [named] if named else opened.data_roots
    try:
        found, source = _validation_images(roots), f"images of {', '.join(map(shown, roots))}"
    except (DatasetError, SampleError) as error:
        if named:
            raise
        why = str(error).splitlines()[0]
        if opened.checkpoint.imported:
            why = "imported weights name no data (--datasets DIR compares on the validation images of a data root)"
        print(f"note: {why}; comparing on photographs that ship with scikit-image")
        found, source = list(_photographs()), "photographs of scikit-image"
    spec = opened.detector.input_spec
    return [detectnet.network_input(detectnet.resize(image, spec)) for image in found], source


def _validation_images(roots: Sequence[Path]) -> list[np.ndarray]:
    """The first ones of each, in turns."""
    from vision.datasets.coco import CocoDetection
    from vision.datasets.contract import DatasetError

    sets = [CocoDetection(root, "val") for root in roots]
    places = [(data, index) for index in range(COMPARED) for data in sets if index < len(data)]
    if not places:
        raise DatasetError(f"{', '.join(map(shown, roots))}: its split 'val' has no images")
    return [data.load(index).image for data, index in places[:COMPARED]]


def _photographs() -> Iterator[np.ndarray]:
    import numpy as np
    import skimage.data

    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        yield np.ascontiguousarray(getattr(skimage.data, name)()[..., :3])


def report(result: ExportReport, output: Path, source: str, opened: LoadedDetector) -> str:
    """What was proven, and the line to type on the Jetson."""
    graph, parity = result.graph, result.parity
    spec = opened.detector.input_spec
    folder = f"models/{output.resolve().parent.name}"
    return "\n".join(
        [
            f"  opset {graph.opset}, IR {graph.ir_version}, {counted(graph.nodes, 'node')}, {graph.bytes:,} bytes, one file",
            f"  input_0 {list(graph.input_shape)} float32, RGB, pixel / 127.5 − 1 ({spec.width}×{spec.height} px)",
            f"  scores {list(graph.scores_shape)} ({opened.detector.variant.score_function} inside), boxes {list(graph.boxes_shape)} (decoded inside), no NMS",
            (
                f"  {result.weights} weights; {parity.runtime} is away from float64 by at most {parity.scores.onnxruntime:.1e} "
                f"(scores, {parity.scores.allowed:.1e} allowed) and {parity.boxes.onnxruntime:.1e} (boxes, "
                f"{parity.boxes.allowed:.1e} allowed) on {parity.images} {source}"
            ),
            f"  largest weight {graph.largest_weight:.4g}, largest activation {parity.largest_activation:.4g}: both fit FP16",
            f"{output}  sha256 {result.sha256}",
            f"{output.parent / 'labels.txt'}  {counted(result.classes, 'line')}",
            "on the Jetson, with both files in a folder that can be written to:",
            (
                f"  detectnet --model={quoted(f'{folder}/{output.name}')} --labels={quoted(f'{folder}/labels.txt')} --input-blob=input_0 "
                "--output-cvg=scores --output-bbox=boxes csi://0"
            ),
            f"here, with images or folders of yours as IMAGE…: {command('python -m tools.detect', output)} IMAGE… --output found",
        ]
    )


main = tool(build_parser, export)


if __name__ == "__main__":
    leave(main())
