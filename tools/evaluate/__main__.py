"""COCO's 12 numbers of a checkpoint or VOC's average precision, a table per class, and a results file with the published category ids.

python -m tools.evaluate models/my-experiment-1
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tools.evaluate.evaluations import DEFAULT_THRESHOLD, METRICS, Asked, comparison, place, require_free
from tools.problem import add_model, tool
from vision.artefacts.data_layout import require_no_data
from vision.messages.advice import command
from vision.messages.advice import shown as shown_name
from vision.messages.command_line import Parser, fraction, shortened, whole_from
from vision.messages.terminal import counted

if TYPE_CHECKING:
    from vision.datasets.merged import DataSet
    from vision.engine.checkpoints.checkpoint import Checkpoint
    from vision.engine.checkpoints.open_detector import LoadedDetector
    from vision.engine.evaluation.coco_map import Scores

EXAMPLES = """examples:
  python -m tools.evaluate models/my-experiment-1                       the best checkpoint of a run
  python -m tools.evaluate models/my-experiment-1 --which last          the newest one
  python -m tools.evaluate models/my-experiment-1 --resize detectnet    as the device resizes: what deploying costs
  python -m tools.evaluate FILE.pth --datasets /data/coco-data
  python -m tools.evaluate models/my-experiment-1 --metrics voc         average precision as VOC has it

metrics.json in the run folder is the run's own evaluation. One with other data, weights, checkpoint, resizing or
threshold goes to a folder of its own below evaluations/, and those on the same data are shown side by side.
"""
CLASSES_SHOWN = 30
DETECTIONS_AN_IMAGE, BYTES_A_DETECTION = 100, 128
NOTHING = 0.0005
"""AP50 below it is shown as 0.000."""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.evaluate",
        description="Score a run or a checkpoint as COCO and VOC do; write metrics.json and the detections.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add_model(parser)
    add("--weights", choices=("auto", "ema", "raw"), default="auto",
        help="which weights: the moving average or the raw ones; auto = the average if there is one (%(default)s)")  # fmt: skip
    add("--datasets", "--data", type=Path, nargs="+", metavar="DIR",
        help="data root(s), scored together (those of the training); classes that they lack do not count")  # fmt: skip
    add("--split", choices=("train", "val"), default="val", help="split to score (%(default)s)")
    add("--batch-size", type=whole_from(1), default=32, metavar="N", help="images at a time (%(default)s)")
    add(
        "--workers",
        type=whole_from(0),
        default=2,
        metavar="N",
        help="processes that read images (%(default)s)",
    )
    add(
        "--score-threshold",
        type=fraction,
        default=DEFAULT_THRESHOLD,
        metavar="S",
        help="leave out detections with a lower score (%(default)s)",
    )
    add("--resize", choices=("bilinear", "detectnet"), default="bilinear",
        help="how to resize images to the network's input; detectnet = truncating nearest neighbour (%(default)s)")  # fmt: skip
    add(
        "--coco-backend",
        choices=("auto", "pycocotools", "hotcoco"),
        default="auto",
        help="which library computes AP (%(default)s)",
    )
    add("--metrics", type=_metrics, default=("coco",), metavar="NAME,…",
        help="metrics to show: coco = its 12 numbers (always in metrics.json); voc = average precision at IoU 0.5 over "
        "11 points of recall and over all (then in metrics.json too); coco,voc = both (coco)")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="where metrics.json and the detections go (the run folder, or below its evaluations/)",
    )
    return parser


def _metrics(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not set(names) <= {"coco", "voc"}:
        raise argparse.ArgumentTypeError(f"expected coco, voc or coco,voc, found {text!r}")
    return names


def evaluate(arguments: argparse.Namespace) -> int:
    """Predicts, scores, prints, publishes."""
    print("importing torch …", flush=True)
    from vision.artefacts.files import publish_json
    from vision.artefacts.writable import require_writable
    from vision.datasets.coco import CocoDetection
    from vision.datasets.loading import make_loader
    from vision.datasets.merged import merged, notes
    from vision.datasets.sampling import BatchSampler
    from vision.datasets.splits import measured_on, require_different
    from vision.engine.checkpoints.data_place import moved
    from vision.engine.checkpoints.open_detector import open_detector
    from vision.engine.evaluation import coco_map, voc_ap
    from vision.engine.evaluation.predict import predict
    from vision.engine.evaluation.results import publish_results
    from vision.engine.evaluation.scoring import Scoring
    from vision.engine.machine import choose_device
    from vision.engine.training.console import Console
    from vision.transforms import presets

    if arguments.output:
        require_no_data(arguments.output, "evaluated")
    which = () if arguments.which == "best" else ("--which", arguments.which)
    opened = open_detector(
        arguments.model,
        arguments.which,
        arguments.weights,
        lambda run: command("python -m tools.evaluate", run, *which),
    )
    print(opened.describe())
    roots = arguments.datasets or opened.data_roots
    require_different(roots)
    gone = [root for root in roots if not root.is_dir()]
    if arguments.datasets is None and gone:
        line = command("python -m tools.evaluate", arguments.model, *which, "--datasets")
        raise moved(gone[0], opened.path, line, opened.checkpoint.imported)
    named, learned = opened.checkpoint.config.validation_dataset, opened.checkpoint.config.datasets
    whole = named and arguments.datasets is None and arguments.split == "val"
    parts = (
        measured_on(roots[0], learned) if whole else [CocoDetection(root, arguments.split) for root in roots]
    )
    data = merged(parts, opened.classes, opened.checkpoint.original_category_ids if named else None)
    for note in notes(data):
        print(f"  note: {note}")
    for line in _of_learned(opened, data):
        print(f"warning: {line}")
    coco_map.choose_backend(arguments.coco_backend)
    device = choose_device(arguments.device)
    asked = Asked(data.digest, roots[0], arguments.split, arguments.resize, arguments.score_threshold)
    folder, found = place(opened, asked, arguments.output), f"detections_{arguments.split}2017.json"
    require_free(folder, found, identity(opened, asked), named=arguments.output is not None)
    require_writable(folder, len(data) * DETECTIONS_AN_IMAGE * BYTES_A_DETECTION)
    plain = presets.build("none", opened.detector.input_spec, seed=0, resize=arguments.resize)
    order = BatchSampler(len(data), arguments.batch_size, shuffle=False)
    loader = make_loader(data, plain, order, arguments.workers, pin_memory=device.type == "cuda")
    with Scoring(data, arguments.coco_backend) as scoring:
        with Console().task("evaluation", len(data)) as advance:
            results = predict(
                opened.detector.to(device), loader, device, data.original_category_ids,
                score_threshold=arguments.score_threshold, take=scoring.take, advance=advance,
            )  # fmt: skip
        scores = scoring.scores(results)
    voc = voc_ap.score(results, data) if "voc" in arguments.metrics else None
    with_coco = "coco" in arguments.metrics
    if with_coco:
        print(report(scores, opened.checkpoint, arguments.score_threshold, folder / METRICS))
    elif scores.metrics["AP50"] < NOTHING:
        print(nothing_found(scores, opened.checkpoint, arguments.score_threshold))
    if voc:
        print("\n".join(["", *voc.table()]))
    sys.stdout.flush()  # writing half a million detections takes longer than scoring them
    publish_results(folder / found, results)
    publish_json(
        folder / METRICS,
        {**metrics_file(scores, opened), **identity(opened, asked), **({"voc": asdict(voc)} if voc else {})},
    )
    if with_coco and arguments.output is None and (beside := comparison(opened.folder, folder)):
        print(f"\n{beside}\n")
    print(f"{folder / METRICS}\n{folder / found} ({counted(len(results), 'detection')})")
    print(f"next: {command('python -m tools.export_onnx', arguments.model, *which)}")
    return 0


def _of_learned(opened: LoadedDetector, data: DataSet) -> list[str]:
    """What of ``data`` the checkpoint has learned from, as far as the data roots of its training tell it today."""
    from vision.datasets.coco import CocoDetection
    from vision.datasets.contract import DatasetError
    from vision.datasets.learned import learned_too
    from vision.datasets.merged import merged
    from vision.engine.checkpoints.data_place import learned_from

    checkpoint = opened.checkpoint
    if checkpoint.imported:
        return []
    roots = learned_from(checkpoint.config, opened.folder)
    said = learned_too(data, roots)
    try:
        own = [CocoDetection(root, "train") for root in roots[: len(checkpoint.config.datasets)]]
        changed = merged(own, opened.classes).digest != checkpoint.dataset_digest
    except DatasetError:
        return said
    if changed:
        said.append(
            f"{', '.join(shown_name(each.root) for each in own)}: another train split than the checkpoint has learned from: "
            "which of the measured images it has seen is not known"
        )
    return said


def identity(opened: LoadedDetector, asked: Asked) -> dict[str, object]:
    """What the numbers of a ``metrics.json`` are numbers of."""
    return {
        "checkpoint": opened.path.name, "step": opened.checkpoint.step, "weights": opened.weights,
        "split": asked.split, "dataset_digest": asked.dataset_digest, "resize": asked.resize,
        "score_threshold": asked.score_threshold,
    }  # fmt: skip


def metrics_file(scores: Scores, opened: LoadedDetector) -> dict[str, object]:
    """What ``metrics.json`` holds before its identity: the 12 numbers first, then the classes and what scored them."""
    return {
        **scores.metrics,
        "per_class": [asdict(row) for row in scores.per_class],
        "epoch": opened.checkpoint.epoch,
        "images": scores.images, "boxes": scores.boxes, "detections": scores.detections,
        "coco_backend": scores.backend, "coco_backend_version": scores.version,
    }  # fmt: skip


def report(scores: Scores, of: Checkpoint, threshold: float, metrics: Path) -> str:
    """The table of the classes that the split has, or one line where nothing was found; then the 12 numbers."""
    lines = (
        [nothing_found(scores, of, threshold)] if scores.metrics["AP50"] < NOTHING else table(scores, metrics)
    )
    names = list(scores.metrics)
    split = f"{counted(scores.images, 'image')}, {counted(scores.boxes, 'box')}"
    lines += ["", f"{split}; {scores.backend} {scores.version}"]
    for group in (names[:6], names[6:]):
        lines.append("".join(f"{name:>8}" for name in group))
        lines.append("".join(_number(scores.metrics[name]) for name in group))
    return "\n".join(lines)


def nothing_found(scores: Scores, of: Checkpoint, threshold: float) -> str:
    """A sentence in the place of a table of zeros."""
    if not scores.boxes:
        return "these images have no boxes: there is nothing to find"
    found = f"no detections of a score of {threshold:g} or more"
    if scores.detections:
        found = f"{counted(scores.detections, 'detection')}, none on an object (AP50 0.000)"
    if of.imported:
        return f"{found} by imported weights: check what the import took for their labels (in this order), --net and input"
    return f"{found} after {counted(of.step, 'step')} of training: nothing is learned yet"


def table(scores: Scores, metrics: Path) -> list[str]:
    """A line for each class that has boxes or detections; of many only the best and the worst by AP."""
    present = [row for row in scores.per_class if row.boxes or row.detections]
    lines = [f"{'class':16}{'id':>4}{'boxes':>8}{'found':>8}{'AP':>8}{'AP50':>8}{'AP75':>8}{'AR100':>8}"]
    shown = present
    if len(present) > CLASSES_SHOWN:
        half = CLASSES_SHOWN // 2
        ranked = sorted(present, key=lambda row: -row.ap)
        shown = ranked[:half] + ranked[-half:]
    for row in shown:
        numbers = "".join(_number(value) for value in (row.ap, row.ap50, row.ap75, row.ar100))
        name = shortened(shown_name(row.name), 15)
        lines.append(f"{name:16}{row.category_id:>4}{row.boxes:>8,}{row.detections:>8,}{numbers}")
    if len(present) > len(shown):
        rest = counted(len(present) - len(shown), "class")
        lines.insert(
            1 + CLASSES_SHOWN // 2, f"… {rest} between the best and the worst ones: per_class in {metrics}"
        )
    absent = len(scores.per_class) - len(present)
    if absent:
        lines.append(f"({counted(absent, 'class')} without boxes and detections left out)")
    return lines


def _number(value: float) -> str:
    return f"{'–':>8}" if value < 0 else f"{value:>8.3f}"


main = tool(build_parser, evaluate)


if __name__ == "__main__":
    leave(main())
