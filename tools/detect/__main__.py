"""Detections drawn on images, and as JSON, from a checkpoint or from the exported ONNX file.

python -m tools.detect models/my-experiment-1/ssd-mobilenet.onnx photo.jpg folder/ --output found
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.detect.given_images import sort_out, source_of
from tools.detect.result_names import RECORD, claimed_in, names_for, placed_name
from tools.problem import tool
from vision.artefacts.data_layout import LABELS_NAME, require_no_data
from vision.artefacts.file_kinds import HEAD_BYTES, kind_by_head
from vision.images.formats import EXIF_CHOICES
from vision.messages.advice import NotFiniteOutputs, UserError, command, shown
from vision.messages.command_line import Parser, fraction, listed
from vision.messages.system_errors import in_words, instead_of, reason
from vision.messages.terminal import counted

if TYPE_CHECKING:
    import numpy as np

    Found = tuple[np.ndarray, np.ndarray, np.ndarray]
    """boxes (D, 4) as fractions, scores (D,), labels (D,)."""
    Predictor = Callable[[np.ndarray], tuple[Found, float]]
    """Image → what is found in it, and the best score of any object, below the threshold too."""
    Opened = tuple[Predictor, list[str], str | None]
    """With the names of the classes, and the frame of the training (one of EXIF_CHOICES) where it is on record."""

LARGEST_LABELS = 1 << 20
EXAMPLES = """examples:
  python -m tools.detect models/demo/ssd-mobilenet.onnx demo-data/val2017 --output found
  python -m tools.detect models/demo photo.jpg --output found --threshold 0.3        the best checkpoint of a run
  python -m tools.detect FILE.onnx photo.jpg --output found --post nms --resize bilinear

An ONNX file is looked at as detectNet does (its resize, its merging of boxes), a checkpoint as in evaluation.
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.detect",
        description="Detect objects in images; write the images with drawn boxes, and detections.json.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a run folder, a .pth checkpoint or an .onnx file")
    add(
        "images",
        nargs="+",
        metavar="IMAGE_OR_FOLDER",
        help="images, folders of images, or patterns ('*.jpg')",
    )
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add(
        "--threshold",
        type=fraction,
        default=0.5,
        metavar="S",
        help="lowest score to show, from 0 to 1 (%(default)s, as detectNet)",
    )
    add(
        "--resize",
        choices=("bilinear", "detectnet"),
        help="how to resize images to the network's input (detectnet for .onnx, else bilinear)",
    )
    add(
        "--post",
        choices=("nms", "detectnet"),
        help="how to treat overlapping boxes: suppress or merge (as --resize)",
    )
    add("--exif", choices=EXIF_CHOICES,
        help="use photographs that a camera marked as rotated as stored, or upright as viewers show them (as the run was "
        "trained; stored for .onnx, as detectNet)")  # fmt: skip
    add("--labels", type=Path, metavar="FILE", help="class names for an .onnx file (labels.txt beside it)")
    return parser


def detect(arguments: argparse.Namespace) -> int:
    """Every image that can be read is done; 1 when one could not."""
    from vision.artefacts.files import publish_json
    from vision.artefacts.writable import require_writable

    require_no_data(arguments.output, "found")
    claimed = claimed_in(arguments.output)
    given = sort_out(arguments.images, claimed.paths(arguments.output))
    for note in given.notes:
        print(note)
    if given.absent:
        for wrong in given.wrong:
            _not_read(*wrong)
        raise _nothing_done(
            f"{counted(given.absent, 'name')} of what is not there",
            "all images are looked up before anything is written: see above", arguments.output,
        )  # fmt: skip
    deployed = arguments.model.suffix == ".onnx"
    resize = arguments.resize or ("detectnet" if deployed else "bilinear")
    post = arguments.post or ("detectnet" if deployed else "nms")
    open_model = _open_onnx if deployed else _open_checkpoint
    predict, classes, trained = open_model(arguments, resize, post)
    arguments.exif = _frame(arguments.exif, trained)
    rows = [_not_read(name, why) for name, why in given.wrong]
    if given.images:
        require_writable(arguments.output, sum(path.stat().st_size for path in given.images))
    try:
        for path, name in zip(given.images, names_for(given.images, arguments.output, claimed), strict=True):
            rows.append(_one(path, name, arguments, predict, classes))
    finally:  # what was drawn before an error is claimed too
        done = {row["source"] for row in rows if "source" in row}
        if done:  # else the record of an earlier run stays
            record = {
                "model": str(arguments.model), "images": rows, "earlier": claimed.left(arguments.output, done),
            }  # fmt: skip
            publish_json(arguments.output / RECORD, record)
    if not done:
        why = f"{counted(len(rows), 'name')} given, and no image among them that can be read: see above"
        raise _nothing_done("no image was looked at", why, arguments.output)
    print(summary(rows, arguments))
    return 1 if any("error" in row for row in rows) else 0


def _nothing_done(what: str, why: str, output: Path) -> UserError:
    return UserError(f"{what}\n  why: {why}\n  fix: check the paths; nothing was written to {shown(output)}")


def _frame(asked: str | None, trained: str | None) -> str:
    """Which of EXIF_CHOICES holds; said where it is not what every image has been seen in so far."""
    if trained == "apply" or (trained and asked == "apply"):
        used = (
            "with --exif apply" if trained == "apply" else "on images of which none was turned upright (EXIF)"
        )
        print(f"  trained {used}: " + (f"--exif {asked} as asked" if asked else "so images are looked at"))
    return asked or trained or EXIF_CHOICES[0]


def summary(rows: Sequence[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """What was found in how many images, what was not, and what to try."""
    read = [row for row in rows if "error" not in row]
    total = sum(len(row["detections"]) for row in read)
    said = [
        f"{counted(total, 'detection')} in {counted(len(read), 'image')}: {arguments.output}/  ({RECORD})"
    ]
    empty = sum(not row["detections"] for row in read)
    if total and empty:
        said.append(f"nothing in {counted(empty, 'image')}")
    if len(read) < len(rows):
        said.append(f"{counted(len(rows) - len(read), 'name')} of {len(rows)} not looked at: see above")
    if read and not total:
        said.append(nothing_above(arguments.threshold, max(row["best_score"] for row in read)))
    turned = [row for row in read if row["exif_orientation"] != 1]
    if turned and arguments.exif == "stored":
        said.append(
            f"{counted(len(turned), 'image')} marked as turned by a camera (EXIF) and looked at as stored, "
            f"e.g. {shown(turned[0]['file'])}: --exif apply turns them upright, as training data made with --exif apply are"
        )
    elif turned:
        said.append(
            f"{counted(len(turned), 'image')} turned upright (EXIF); the boxes are in the upright frame"
        )
    return "\n".join(said)


def nothing_above(threshold: float, best: float) -> str:
    """The threshold that would show something, where there is a sensible one."""
    if best < 0.01:
        return f"nothing has a score of {threshold:g}; the best was {best:.4f}: the network has not learned any of this yet"
    step = 10 if best >= 0.1 else 100
    lower = math.floor(best * step) / step
    return f"nothing has a score of {threshold:g}; the best score was {best:.2f}: try --threshold {lower:g}"


def _not_read(name: str, why: str) -> dict[str, Any]:
    print(f"not read: {shown(name)}: {why}", file=sys.stderr)
    return {"file": name, "error": why}


def _one(
    path: Path, name: str | None, arguments: argparse.Namespace, predict: Predictor, classes: list[str]
) -> dict[str, Any]:
    """Looks at one image, draws, publishes; the row of ``detections.json``."""
    if name is None:
        return _not_read(
            str(path), f"{placed_name(path)} is in {arguments.output} already and was not made by this tool"
        )
    try:
        return _looked_at(path, arguments.output / name, arguments, predict, classes)
    except NotFiniteOutputs:
        raise  # no fault of the image
    except UserError as error:
        return _not_read(str(path), str(error).removeprefix(f"{path}: "))
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) != path:
            raise  # the results cannot be written: no fault of the image
        return _not_read(str(path), reason(error))


def _looked_at(
    path: Path, output: Path, arguments: argparse.Namespace, predict: Predictor, classes: list[str]
) -> dict[str, Any]:
    import cv2
    import numpy as np

    from vision.artefacts.files import publish_bytes
    from vision.drawing.boxes import draw_boxes
    from vision.images.decode import decode_rgb, orientation_of

    data = path.read_bytes()
    image = decode_rgb(data, str(path), upright=arguments.exif == "apply")
    (boxes, scores, labels), best = predict(image)
    clear = scores >= arguments.threshold
    boxes, scores, labels = boxes[clear], scores[clear], labels[clear]
    height, width = image.shape[:2]
    corners = boxes * np.array([width, height, width, height], dtype=np.float32)
    drawn = draw_boxes(image, corners, labels, classes, scores)
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
    names = listed([f"{one['class']} {one['score']:.2f}" for one in found])
    if names:
        print(f"{shown(path)}: {names}")
    return {
        "file": str(path), "source": source_of(path), "picture": output.name, "width": width, "height": height,
        "exif_orientation": orientation_of(data, str(path)), "best_score": round(best, 4), "detections": found,
    }  # fmt: skip


def _open_checkpoint(arguments: argparse.Namespace, resize: str, post: str) -> Opened:
    import torch

    from vision.engine.checkpoints.open_detector import open_detector
    from vision.export.graph import DetectNetGraph

    images = (Path(word) if os.path.lexists(word) else word for word in arguments.images)
    again = [*images, "--output", arguments.output]
    opened = open_detector(arguments.model, ask=lambda run: command("python -m tools.detect", run, *again))
    print(opened.describe())
    graph = DetectNetGraph(opened.detector).eval()

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            scores, boxes = graph(torch.from_numpy(image))
        return scores[0].numpy(), boxes[0].numpy()

    spec = opened.detector.input_spec
    predict = _predictor(run, (spec.height, spec.width), resize, post, arguments.threshold)
    return predict, opened.classes, opened.checkpoint.exif


def _session(path: Path) -> Any:
    """Raises ValueError for what onnxruntime does not take, in three lines."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises a kind of its own for each way in which a file is wrong
        with path.open("rb") as stream:
            kind = kind_by_head(stream.read(HEAD_BYTES), path.stat().st_size)
        why = f"it is {kind}" if "ONNX" not in kind else shown(in_words(error).splitlines()[0][:200])
        raise UserError(
            f"{shown(path)} is not a network that onnxruntime can load\n  why: {why}\n"
            f"  fix: make it again: {command('mv', path, path.with_name(path.name + '.old'))} && {_made_by(path)}"
        ) from None


def _made_by(path: Path) -> str:
    """The command that exports to ``path``: of the run that it lies in, or of one that the reader knows."""
    from vision.engine.checkpoints.folder import RECORD_NAME

    here = (path.parent / RECORD_NAME).is_file()
    line = command("python -m tools.export_onnx", path.parent if here else "RUN", "--output", path)
    return line if here else f"{line}, where RUN is its run folder"


def _open_onnx(arguments: argparse.Namespace, resize: str, post: str) -> Opened:
    from vision.export.contract import BOXES, INPUT, SCORES
    from vision.export.labels import read_labels, require_as_many

    if not arguments.model.is_file():
        raise FileNotFoundError(
            f"{instead_of('file', arguments.model)}\n  why: MODEL is a network or a run folder\n  fix: check the path, or make it: {_made_by(arguments.model)}"
        )
    labels = arguments.labels or arguments.model.with_name(LABELS_NAME)
    if not labels.is_file():
        raise FileNotFoundError(
            f"{instead_of('file', labels)}\n  why: it has the names of the network's classes, one a line\n  fix: name it: --labels FILE"
        )
    if labels.stat().st_size > LARGEST_LABELS:
        raise UserError(f"{labels}: {labels.stat().st_size:,} bytes are no list of class names, one a line")
    classes = read_labels(labels.read_bytes(), str(labels))
    session = _session(arguments.model)
    shape = session.get_inputs()[0].shape
    outputs = {output.name: output.shape for output in session.get_outputs()}
    if SCORES not in outputs or BOXES not in outputs:
        raise UserError(f"{arguments.model}: outputs {sorted(outputs)}, expected {SCORES} and {BOXES}")
    require_as_many(classes, outputs[SCORES][-1], str(arguments.model), str(labels))

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, boxes = session.run([SCORES, BOXES], {INPUT: image})
        return scores[0], boxes[0]

    return _predictor(run, (shape[2], shape[3]), resize, post, arguments.threshold), classes, None


def _predictor(
    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    size_hw: tuple[int, int],
    resize: str,
    post: str,
    threshold: float,
) -> Predictor:
    """Image of any size → resize → network → overlapping boxes merged or suppressed."""
    import numpy as np

    from vision.export import detectnet
    from vision.transforms.resize import RESIZES

    def predict(image: np.ndarray) -> tuple[Found, float]:
        scores, boxes = run(detectnet.network_input(RESIZES[resize](image, size_hw)))
        if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
            raise NotFiniteOutputs(f"an image of {image.shape[1]}×{image.shape[0]} px")
        best = float(scores[:, 1:].max(initial=0))
        if post == "detectnet":
            return detectnet.cluster_detections(scores, boxes, image.shape[:2], threshold), best
        return _suppressed(scores, boxes, threshold), best

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


main = tool(build_parser, detect)


if __name__ == "__main__":
    leave(main())
