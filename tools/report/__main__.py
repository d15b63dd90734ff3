"""One HTML file that shows what a run learned and where it fails; it needs no network and nothing beside it.

python -m tools.report models/my-experiment-1
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.problem import tool
from vision.messages.advice import UserError, command
from vision.messages.advice import shown as shown_name
from vision.messages.command_line import Parser, whole_from
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

if TYPE_CHECKING:
    from vision.datasets.merged import DataSet
    from vision.engine.checkpoints.open_detector import LoadedDetector
    from vision.engine.evaluation.kept import KeptFacts
    from vision.engine.evaluation.results import Results

NAME = "report.html"
EXAMPLES = """examples:
  python -m tools.report models/my-experiment-1                    writes models/my-experiment-1/report.html
  python -m tools.report models/my-experiment-1 --output here.html

Detections are those that the training kept of its best validation. Where there are none, the best checkpoint looks at the
validation images once, and what it finds is kept.
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.report",
        description="Writes report.html: scores, curves, classes, thresholds, kinds of mistakes, the worst images.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add(
        "--datasets",
        "--data",
        type=Path,
        metavar="DIR",
        help="where its validation data are now (as the run recorded)",
    )
    add("--output", type=Path, metavar="FILE", help="the file to write (RUN/report.html)")
    add("--predict", action=argparse.BooleanOptionalAction, default=True,
        help="look at the validation images where no detections are kept (%(default)s)")  # fmt: skip
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    add(
        "--workers",
        type=whole_from(0),
        default=2,
        metavar="N",
        help="processes that read images (%(default)s)",
    )
    return parser


def report(arguments: argparse.Namespace) -> int:
    print("importing torch …", flush=True)
    output = arguments.output or arguments.run / NAME
    require_ours(output)
    written = write(
        arguments.run, output, arguments.datasets, arguments.predict, arguments.device, arguments.workers
    )
    print(written)
    return 0


def after_training(run: Path) -> Path:
    """The report of a session that has just ended, from what it kept. Raises UserError and OSError."""
    require_ours(run / NAME)
    return write(run, run / NAME, None, predict=False)


MARK = (
    b'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
)
"""How a file of ours begins."""


def require_ours(path: Path) -> None:
    """Raises UserError where ``path`` is something that no report may replace."""
    if not path.exists() and not path.is_symlink():
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as stream:
            if stream.read(len(MARK)) == MARK:
                return
    raise UserError(
        f"{shown_name(path)} is in the way\n  why: it is no report that this command wrote\n"
        "  fix: move it aside, or name another file"
    )


def write(
    run: Path, output: Path, datasets: Path | None, predict: bool, device: str = "auto", workers: int = 0
) -> Path:
    """Publishes the page. Raises UserError: no run, data that are gone, nothing that could be read."""
    from tools.report import failures, sections, thumbnails
    from tools.report.history import history_of
    from tools.report.page import page
    from vision.artefacts.files import publish_bytes
    from vision.engine.analysis.analyse import analyse
    from vision.engine.checkpoints.open_detector import open_detector
    from vision.engine.evaluation.ground_truth import ground_truth_of

    if run.is_file():
        raise UserError(
            f"{instead_of('folder', run)}\n  why: a report is of a whole run\n  fix: name its folder"
        )
    opened = open_detector(run, ask=lambda found: command("python -m tools.report", found))
    history = history_of(run)
    told = _told(opened, history)
    data = _data(opened, run, datasets) if predict or datasets else _data_or_none(opened, run)
    figures: list[str] = []
    if data is None:
        told = dataclasses.replace(
            told, lacking="The validation data are not where the run has them: nothing could be compared."
        )
    else:
        told = dataclasses.replace(told, data=_described(data), own_digest=data.digest)
        results, source = _detections(opened, data, run, predict, device, workers)
        if results is None:
            told = dataclasses.replace(told, lacking=source)
        else:
            found = analyse(results, ground_truth_of(data))
            told = dataclasses.replace(
                told, analysis=found, source=source, metrics=told.metrics or _scored(results, data)
            )
            figures = thumbnails.figures(found, data, opened.classes)
            if not len(results):
                told = dataclasses.replace(
                    told, lacking="Nothing was detected at all, with a score of 0.01 or more."
                )
    parts = [
        sections.training(told), failures.errors(told), sections.classes(told), sections.thresholds(told),
        failures.confusion(told), failures.groups(told), failures.worst(told, figures), sections.deployment(told),
        sections.provenance(told),
    ]  # fmt: skip
    output.parent.mkdir(parents=True, exist_ok=True)
    require_ours(output)  # it may have come while the images were looked at
    publish_bytes(output, page(f"Report: {run.absolute().name}", sections.head(told), parts))
    return output


def _told(opened: LoadedDetector, history: Any) -> Any:
    """What needs no detections."""
    from tools.evaluate.evaluations import of_run
    from tools.report.sections import Told
    from vision.engine.checkpoints.versions import code
    from vision.engine.options.config import as_yaml

    checkpoint = opened.checkpoint
    best = history.best
    validated = best is not None and best.file == opened.path.name and "AP" in best.metrics
    return Told(
        history=history,
        net=f"{opened.detector.variant.name}, {opened.detector.input_spec}, {counted(len(opened.classes) - 1, 'class')}",
        data="validation data",
        classes=len(opened.classes) - 1,
        metrics=best.metrics if validated and best else {},
        evaluations=of_run(history.run),
        latency=_latency(opened),
        recipe=as_yaml(checkpoint.config),
        facts=[
            ("run", str(history.run.absolute())),
            ("checkpoint", f"{opened.path.name}; epoch {checkpoint.epoch}, step {checkpoint.step:,}, {opened.weights} weights"),
            ("training data", f"{', '.join(checkpoint.config.datasets)}; digest {checkpoint.dataset_digest or 'unknown'}"),
            ("validation data", f"digest {checkpoint.validation_digest or 'unknown'}"),
            ("trained with", ", ".join(f"{name} {value}" for name, value in checkpoint.versions.items() if value) or "unknown"),
            *(history.started_by() or [("code of this report", code())]),
        ],
    )  # fmt: skip


def _latency(opened: LoadedDetector) -> str:
    import torch

    from tools.models.timing import median_ms
    from vision.engine.checkpoints.versions import cpu_model

    spent = median_ms(opened.detector, seconds=0.2)
    return (
        f"{spent:.1f} ms an image by the net alone on {cpu_model() or 'the CPU'} here, {counted(torch.get_num_threads(), 'thread')}, "
        "float32, batch 1: no decoding, no suppression of boxes. The device has its own number."
    )


def _data(opened: LoadedDetector, run: Path, datasets: Path | None) -> DataSet:
    from tools.report.measured import measured_data

    config = opened.checkpoint.config
    line = command("python -m tools.report", run, "--datasets")
    return measured_data(
        config.datasets, config.validation_dataset, run, datasets, line, opened.checkpoint.imported
    )


def _data_or_none(opened: LoadedDetector, run: Path) -> DataSet | None:
    from vision.datasets.contract import DatasetError

    try:
        return _data(opened, run, None)
    except DatasetError:
        return None


def _described(data: DataSet) -> str:
    """The folder, and how many images and boxes."""
    counts = data.counts
    return f"{shown_name(data.root)}: {counted(counts['images'], 'validation image')}, {counted(counts['boxes'], 'box')}"


def _detections(
    opened: LoadedDetector, data: DataSet, run: Path, predict: bool, device: str, workers: int
) -> tuple[Results | None, str]:
    """Those that are kept of this checkpoint and these data, or new ones; and what they are, or why there are none."""
    from vision.engine.checkpoints.folder import RunFolder
    from vision.engine.evaluation.kept import KeptFacts, keep, read_kept

    digests = {record.file: record.sha256 for record in RunFolder(run).records()}
    sha256 = digests.get(opened.path.name, "")
    kept = read_kept(run)
    if kept is not None and (kept[1].sha256, kept[1].dataset_digest) == (sha256, data.digest) and sha256:
        return kept[0], _source(kept[1], len(kept[0]))
    if not predict:
        return (
            None,
            "No detections of the best checkpoint are kept (its epoch had no mAP, or --report was off): tools.report makes them.",
        )
    results = _predicted(opened, data, device, workers)
    facts = KeptFacts(
        opened.path.name, sha256, opened.checkpoint.epoch, opened.checkpoint.step, data.digest, len(data)
    )
    if sha256 and data.digest == opened.checkpoint.validation_digest:
        keep(run, results, facts)
    return results, _source(facts, len(results))


def _source(facts: KeptFacts, detections: int) -> str:
    return f"{counted(detections, 'detection')} of {facts.checkpoint} (epoch {facts.epoch}), with a score of 0.01 or more."


def _predicted(opened: LoadedDetector, data: DataSet, device: str, workers: int) -> Results:
    from vision.datasets.loading import make_loader
    from vision.datasets.sampling import BatchSampler
    from vision.engine.evaluation.predict import predict
    from vision.engine.machine import choose_device
    from vision.engine.training.console import Console
    from vision.transforms import presets

    where = choose_device(device)
    plain = presets.build("none", opened.detector.input_spec, seed=0)
    order = BatchSampler(len(data), 32, shuffle=False)
    loader = make_loader(data, plain, order, workers, pin_memory=where.type == "cuda")
    with Console().task("detections for the report", len(data)) as advance:
        return predict(opened.detector.to(where), loader, where, data.original_category_ids, advance=advance)


def _scored(results: Results, data: DataSet) -> dict[str, float]:
    """COCO's numbers, where the run recorded none."""
    from vision.engine.evaluation import coco_map

    return coco_map.score(results, data).metrics


main = tool(build_parser, report)


if __name__ == "__main__":
    leave(main())
