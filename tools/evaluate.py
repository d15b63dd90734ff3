"""COCO's 12 numbers of a checkpoint, a table per class, and a results file with the published category ids.

python -m tools.evaluate models/my-experiment-1
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.artefacts.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.problem import run_tool
from vision.artefacts.advice import command, quoted
from vision.artefacts.command_line import Parser

if TYPE_CHECKING:
    from vision.engine.coco_map import Scores
    from vision.engine.opening import Opened

EXAMPLES = """examples:
  python -m tools.evaluate models/my-experiment-1                       the best checkpoint of a run
  python -m tools.evaluate models/my-experiment-1 --which last          the newest one
  python -m tools.evaluate models/my-experiment-1 --resize detectnet    as the device resizes: what deploying costs
  python -m tools.evaluate FILE.pth --datasets /data/coco-data
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.evaluate",
        description="Scores a run or a checkpoint on COCO; writes metrics.json and the results beside it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="RUN_OR_CHECKPOINT", help="a run folder, or a .pth file")
    add("--which", choices=("best", "last"), default="best", help="of a run folder (%(default)s)")
    add("--weights", choices=("auto", "ema", "raw"), default="auto",
        help="the moving average or the raw ones; auto = the average where there is one (%(default)s)")  # fmt: skip
    add("--datasets", "--data", type=Path, metavar="DIR", help="data root (that of the training)")
    add("--split", choices=("train", "val"), default="val", help="what to score (%(default)s)")
    add("--batch-size", type=int, default=32, metavar="N", help="pictures at a time (%(default)s)")
    add("--workers", type=int, default=2, metavar="N", help="processes that read pictures (%(default)s)")
    add(
        "--score-threshold",
        type=float,
        default=0.01,
        metavar="S",
        help="leave out less likely ones (%(default)s)",
    )
    add("--resize", choices=("bilinear", "detectnet"), default="bilinear",
        help="how pictures come to the network's size; detectnet = truncating nearest neighbour (%(default)s)")  # fmt: skip
    add(
        "--coco-backend",
        choices=("auto", "pycocotools", "hotcoco"),
        default="auto",
        help="who computes AP (%(default)s)",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="where metrics.json and the results go (beside the checkpoint)",
    )
    return parser


def evaluate(arguments: argparse.Namespace) -> int:
    """Predicts, scores, publishes, prints."""
    from vision.artefacts.files import publish_json
    from vision.datasets.coco import CocoDetection
    from vision.datasets.loading import make_loader
    from vision.datasets.sampling import BatchSampler
    from vision.engine import coco_map
    from vision.engine.evaluate import predict
    from vision.engine.opening import open_detector
    from vision.engine.results import publish_results
    from vision.transforms import presets

    opened = open_detector(
        arguments.model,
        arguments.which,
        arguments.weights,
        lambda run: command("python -m tools.evaluate", run),
    )
    print(f"{opened.path}: {opened.describe()} ({opened.chosen})")
    data = CocoDetection(arguments.datasets or opened.data_root, arguments.split)
    _require_same_classes(opened, data.classes)
    device = choose_device(arguments.device)
    plain = presets.build("none", opened.detector.input_spec, seed=0, resize=arguments.resize)
    order = BatchSampler(len(data), arguments.batch_size, shuffle=False)
    loader = make_loader(data, plain, order, arguments.workers, pin_memory=device.startswith("cuda"))
    results = predict(
        opened.detector.to(device), loader, device, data.original_category_ids,
        score_threshold=arguments.score_threshold,
    )  # fmt: skip
    scores = coco_map.score(results, data, arguments.coco_backend)
    folder = arguments.output or opened.folder
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / f"detections_{arguments.split}2017.json"
    publish_results(found, results)
    publish_json(folder / "metrics.json", metrics_file(scores, opened, arguments, data.digest))
    print(report(scores))
    print(f"{folder / 'metrics.json'}\n{found} ({len(results):,} detections)")
    print(f"next: python -m tools.export_onnx {quoted(arguments.model)}")
    return 0


def choose_device(asked: str) -> str:
    """``auto`` → cuda where torch can use it, else cpu."""
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {asked}: torch sees no GPU here; python -m tools.doctor says why")
    return asked


def _require_same_classes(opened: Opened, classes: Sequence[str]) -> None:
    if list(classes) != opened.classes:
        raise ValueError(
            f"{opened.path} was trained on {len(opened.classes) - 1} classes, the data have {len(classes) - 1} "
            "or name them otherwise; --datasets names other data"
        )


def metrics_file(
    scores: Scores, opened: Opened, arguments: argparse.Namespace, dataset_digest: str
) -> dict[str, object]:
    """What ``metrics.json`` holds: the 12 numbers first, then what they are numbers of."""
    import dataclasses

    return {
        **scores.metrics,
        "per_class": [dataclasses.asdict(row) for row in scores.per_class],
        "checkpoint": opened.path.name, "epoch": opened.checkpoint.epoch, "step": opened.checkpoint.step,
        "weights": opened.weights, "split": arguments.split, "dataset_digest": dataset_digest,
        "images": scores.images, "boxes": scores.boxes, "detections": scores.detections,
        "resize": arguments.resize, "score_threshold": arguments.score_threshold,
        "coco_backend": scores.backend, "coco_backend_version": scores.version,
    }  # fmt: skip


def report(scores: Scores) -> str:
    """The per-class table of the classes that the split has, then the 12 numbers."""
    present = [row for row in scores.per_class if row.boxes or row.detections]
    lines = [f"{'class':16}{'id':>4}{'boxes':>8}{'found':>8}{'AP':>8}{'AP50':>8}{'AP75':>8}{'AR100':>8}"]
    for row in present:
        numbers = "".join(_number(value) for value in (row.ap, row.ap50, row.ap75, row.ar100))
        lines.append(f"{row.name:16}{row.category_id:>4}{row.boxes:>8,}{row.detections:>8,}{numbers}")
    absent = len(scores.per_class) - len(present)
    if absent:
        lines.append(f"({absent} classes without boxes and detections are left out)")
    names = list(scores.metrics)
    lines += ["", f"{scores.images:,} pictures, {scores.boxes:,} boxes; {scores.backend} {scores.version}"]
    for group in (names[:6], names[6:]):
        lines.append("".join(f"{name:>8}" for name in group))
        lines.append("".join(_number(scores.metrics[name]) for name in group))
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{'–':>8}" if value < 0 else f"{value:>8.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    return run_tool(lambda: evaluate(arguments))


if __name__ == "__main__":
    sys.exit(main())
