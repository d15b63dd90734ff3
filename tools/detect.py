"""Detections drawn on pictures, and as JSON, from a checkpoint or from the exported ONNX file.

python -m tools.detect models/my-experiment-1/ssd-mobilenet.onnx photo.jpg folder/ --output found
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.artefacts.early import guard

    guard()

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.problem import run_tool
from vision.artefacts.advice import command, shown
from vision.artefacts.command_line import Parser
from vision.artefacts.file_kinds import HEAD_BYTES, kind_by_head

if TYPE_CHECKING:
    import numpy as np

    Found = tuple[np.ndarray, np.ndarray, np.ndarray]
    """boxes (D, 4) as fractions, scores (D,), labels (D,)."""
    Predictor = Callable[[np.ndarray], Found]

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
EXAMPLES = """examples:
  python -m tools.detect models/demo/ssd-mobilenet.onnx demo-data/val2017 --output found
  python -m tools.detect models/demo photo.jpg --output found --threshold 0.3        the best checkpoint of a run
  python -m tools.detect FILE.onnx photo.jpg --output found --post nms --resize bilinear

An ONNX file is looked at as detectNet does (its resize, its merging of boxes), a checkpoint as in evaluation.
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.detect",
        description="Detects objects in pictures; writes annotated pictures and detections.json.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a run folder, a .pth checkpoint or an .onnx file")
    add("pictures", type=Path, nargs="+", metavar="IMAGE_OR_FOLDER", help="pictures, or folders of pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="where the results go")
    add(
        "--threshold",
        type=float,
        default=0.5,
        metavar="S",
        help="least score shown (%(default)s, as detectNet)",
    )
    add(
        "--resize",
        choices=("bilinear", "detectnet"),
        help="to the network's size (detectnet for .onnx, else bilinear)",
    )
    add(
        "--post",
        choices=("nms", "detectnet"),
        help="what becomes of boxes that lie on each other (as --resize)",
    )
    add("--labels", type=Path, metavar="FILE", help="class names for an .onnx file (labels.txt beside it)")
    return parser


def detect(arguments: argparse.Namespace) -> int:
    """Every picture that can be read is done; 1 when one could not."""
    from vision.artefacts.files import publish_json

    deployed = arguments.model.suffix == ".onnx"
    resize = arguments.resize or ("detectnet" if deployed else "bilinear")
    post = arguments.post or ("detectnet" if deployed else "nms")
    open_model = _open_onnx if deployed else _open_checkpoint
    predict, classes = open_model(arguments, resize, post)
    paths = list(pictures_of(arguments.pictures))
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows, bad = [], 0
    for name, path in named_apart(paths):
        try:
            rows.append(_one(path, arguments.output / name, predict, classes, arguments.threshold))
        except (ValueError, OSError) as error:
            print(f"not read: {path}: {error}", file=sys.stderr)
            rows.append({"file": str(path), "error": str(error)})
            bad += 1
    publish_json(arguments.output / "detections.json", {"model": str(arguments.model), "images": rows})
    total = sum(len(row.get("detections", ())) for row in rows)
    print(f"{total} detections in {len(rows) - bad} pictures: {arguments.output}/  (detections.json)")
    return 1 if bad else 0


def pictures_of(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as named; of a folder its pictures, sorted. Raises ValueError for a folder without any."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise ValueError(f"{path}: no pictures in this folder ({', '.join(sorted(SUFFIXES))})")
        yield from inside


def named_apart(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Names for the results: two pictures of the same name in two folders do not overwrite each other."""
    taken: set[str] = set()
    for path in paths:
        name, number = f"{path.stem}.jpg", 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}.jpg"
        taken.add(name)
        yield name, path


def _one(
    path: Path, output: Path, predict: Predictor, classes: list[str], threshold: float
) -> dict[str, Any]:
    import cv2
    import numpy as np

    from tools.drawing import draw_detections
    from vision.artefacts.files import publish_bytes
    from vision.images.decode import decode_rgb

    image = decode_rgb(path.read_bytes(), str(path))
    boxes, scores, labels = predict(image)
    shown = scores >= threshold
    boxes, scores, labels = boxes[shown], scores[shown], labels[shown]
    height, width = image.shape[:2]
    corners = boxes * np.array([width, height, width, height], dtype=np.float32)
    drawn = draw_detections(image, corners, scores, labels, classes)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(drawn[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])
    publish_bytes(output, encoded.tobytes())
    found = [
        {
            "class": classes[label],
            "score": round(float(score), 4),
            "box_xyxy_px": [round(float(v), 1) for v in box],
        }
        for box, score, label in zip(corners, scores, labels.tolist(), strict=True)
    ]
    print(f"{path}: " + (", ".join(f"{one['class']} {one['score']:.2f}" for one in found) or "nothing"))
    return {"file": str(path), "picture": output.name, "width": width, "height": height, "detections": found}


def _open_checkpoint(arguments: argparse.Namespace, resize: str, post: str) -> tuple[Predictor, list[str]]:
    import torch

    from vision.engine.opening import open_detector
    from vision.export.graph import DetectNetGraph

    again = [*arguments.pictures, "--output", arguments.output]
    opened = open_detector(arguments.model, ask=lambda run: command("python -m tools.detect", run, *again))
    print(f"{opened.path}: {opened.describe()}")
    graph = DetectNetGraph(opened.detector).eval()

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            scores, boxes = graph(torch.from_numpy(image))
        return scores[0].numpy(), boxes[0].numpy()

    spec = opened.detector.input_spec
    return _predictor(run, (spec.height, spec.width), resize, post, arguments.threshold), opened.classes


def _session(path: Path) -> Any:
    """Raises ValueError for what onnxruntime does not take, in three lines."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises a kind of its own for each way in which a file is wrong
        with path.open("rb") as stream:
            kind = kind_by_head(stream.read(HEAD_BYTES), path.stat().st_size)
        why = f"it is {kind}" if "ONNX" not in kind else shown(str(error).splitlines()[0][:200])
        raise ValueError(
            f"{shown(path)} is no network that onnxruntime takes\n  why: {why}\n"
            "  fix: make it again: python -m tools.export_onnx RUN"
        ) from None


def _open_onnx(arguments: argparse.Namespace, resize: str, post: str) -> tuple[Predictor, list[str]]:
    from vision.export.contract import BOXES, INPUT, SCORES
    from vision.export.labels import LABELS, read_labels, require_as_many

    if not arguments.model.is_file():
        raise FileNotFoundError(f"{arguments.model}: no such file; python -m tools.export_onnx makes it")
    labels = arguments.labels or arguments.model.with_name(LABELS)
    if not labels.is_file():
        raise FileNotFoundError(f"{labels}: no such file; --labels names the class names of the network")
    classes = read_labels(labels.read_bytes(), str(labels))
    session = _session(arguments.model)
    shape = session.get_inputs()[0].shape
    outputs = {output.name: output.shape for output in session.get_outputs()}
    if SCORES not in outputs or BOXES not in outputs:
        raise ValueError(f"{arguments.model}: outputs {sorted(outputs)}, expected {SCORES} and {BOXES}")
    require_as_many(classes, outputs[SCORES][-1], str(arguments.model), str(labels))

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, boxes = session.run([SCORES, BOXES], {INPUT: image})
        return scores[0], boxes[0]

    return _predictor(run, (shape[2], shape[3]), resize, post, arguments.threshold), classes


def _predictor(
    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    size_hw: tuple[int, int],
    resize: str,
    post: str,
    threshold: float,
) -> Predictor:
    """Picture of any size → resize → network → boxes that lie on each other merged or suppressed."""
    from vision.engine import detectnet
    from vision.transforms.resize import RESIZES

    def predict(image: np.ndarray) -> Found:
        scores, boxes = run(detectnet.network_input(RESIZES[resize](image, size_hw)))
        if post == "detectnet":
            return detectnet.found(scores, boxes, image.shape[:2], threshold)
        return _suppressed(scores, boxes, threshold)

    return predict


def _suppressed(scores: np.ndarray, boxes: np.ndarray, threshold: float) -> Found:
    """Scores (P, C) and boxes (P, 4) → what is left after non-maximum suppression within each class."""
    import numpy as np
    import torch

    from vision.ssd.postprocess import best
    from vision.ssd.variants import Nms

    row = Nms()
    above = float(np.nextafter(np.float32(threshold), np.float32(-1)))  # the threshold itself is shown
    given = (torch.from_numpy(scores)[None], torch.from_numpy(boxes)[None])
    (left,) = best(*given, above, row.iou_threshold, row.candidates, row.limit)
    return left.boxes_xyxy.numpy(), left.scores.numpy(), left.labels.numpy()


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    return run_tool(lambda: detect(arguments))


if __name__ == "__main__":
    sys.exit(main())
