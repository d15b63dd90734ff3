"""Runs side by side: arguments that differ, numbers, and per class which differences are more than chance.

python -m tools.compare models/my-experiment-1 models/my-experiment-2
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.problem import tool
from tools.report.history import History, history_of
from vision.messages.advice import command
from vision.messages.command_line import Parser

if TYPE_CHECKING:
    from tools.compare.paired import Difference

EXAMPLES = """examples:
  python -m tools.compare models/a models/b
  python -m tools.compare models/a models/b models/c --html side.html

The first run is what the others are compared with. Classes are compared image by image where all runs kept detections of the same
validation images (python -m tools.report RUN makes them).
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.compare",
        description="Puts runs side by side: arguments, numbers, and differences by class with intervals.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="run folders, two or more; the first is the one to beat",
    )
    add(
        "--datasets",
        "--data",
        type=Path,
        metavar="DIR",
        help="where the validation data are now (as the first run recorded)",
    )
    add("--html", type=Path, metavar="FILE", help="write a page, too")
    return parser


def compare(arguments: argparse.Namespace) -> int:
    from tools.compare import side
    from tools.report.__main__ import require_ours
    from vision.artefacts.files import publish_bytes

    if len(arguments.runs) < 2:
        build_parser().error("two runs or more are wanted")
    if arguments.html:
        require_ours(arguments.html)
    runs = [history_of(run) for run in arguments.runs]
    pairs, why_not = _pairs(runs, arguments.datasets)
    print("\n".join(side.text(runs, pairs, why_not)))
    if arguments.html:
        publish_bytes(arguments.html, side.html(runs, pairs, why_not))
        print(arguments.html)
    return 0


def _pairs(runs: Sequence[History], datasets: Path | None) -> tuple[list[list[Difference]], str]:
    """Differences of each run to the first; or none, and why. Raises DatasetError where the data are gone."""
    from vision.engine.evaluation.kept import read_kept

    kept = [read_kept(run.run) for run in runs]
    for run, one in zip(runs, kept, strict=True):
        best = run.best
        if one is None or best is None or one[1].sha256 != best.sha256:
            line = command("python -m tools.report", run.run)
            return [], f"no detections of the best checkpoint are kept; make them: {line}"
    facts = [one[1] for one in kept if one is not None]
    if len({one.dataset_digest for one in facts}) > 1:
        return [], "the runs were validated on other images"
    from tools.compare.paired import differences
    from tools.report.measured import measured_data
    from vision.engine.evaluation.ground_truth import ground_truth_of

    first = runs[0]
    roots = [str(root) for root in first.arguments.get("datasets") or ["coco-data"]]
    line = command("python -m tools.compare", *(run.run for run in runs), "--datasets")
    data = measured_data(roots, first.arguments.get("validation_dataset"), first.run, datasets, line)
    if data.digest != facts[0].dataset_digest:
        return [], "the data there now are not those that the runs were validated on"
    return differences([one[0] for one in kept if one is not None], ground_truth_of(data)), ""


main = tool(build_parser, compare)


if __name__ == "__main__":
    leave(main())
