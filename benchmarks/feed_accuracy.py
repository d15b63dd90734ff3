"""Measure what packing costs in accuracy: the same training, seed, order, draws and steps, fed from the image files and from packs.

    python -m benchmarks.feed_accuracy --datasets ROOT --folder FOLDER --feeds jpeg yuv420-384 device:yuv420-384
    … killed or interrupted: the same command resumes

``ROOT`` has the packs (python -m pipeline.pack); the validation reads the image files in every run. A table of the last epoch's
COCO numbers, also in benchmarks/results/ with ``--output``.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import publish, today
from vision.artefacts import log

REPOSITORY = Path(__file__).resolve().parents[1]
NUMBERS = ("AP", "AP50", "APs", "APm", "APl", "val_loss", "train_total")


def trained(recipe: Path, root: Path, run: Path, feed: str, more: Sequence[str]) -> dict[str, Any]:
    """The row of the last epoch of the run in ``run``, which is trained to its end."""
    words = [
        "--config",
        recipe,
        "--datasets",
        root,
        "--checkpoint-folder",
        run,
        "--resume",
        "auto",
        "--feed",
        feed,
    ]
    subprocess.run([sys.executable, "train_ssd.py", *map(str, [*words, *more])], cwd=REPOSITORY, check=True)
    return [row for row in log.read(run / "metrics.jsonl") if row["kind"] == "epoch"][-1]


def table(rows: dict[str, dict[str, Any]], title: str) -> str:
    lines = [
        f"| {feed} | {row['epoch'] + 1} | {row['step']:,} | "
        + " | ".join(f"{row[name]:.3f}" if name in row else "–" for name in NUMBERS)
        + " |"
        for feed, row in rows.items()
    ]
    head = f"| --feed | epochs | steps | {' | '.join(NUMBERS)} |"
    return "\n".join([title, "", head, "|---" * (3 + len(NUMBERS)) + "|", *lines])


def main(argv: Sequence[str] | None = None) -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feed_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="What else is written goes to train_ssd.py, such as --epochs 5.",
    )
    parser.add_argument(
        "--datasets", type=Path, required=True, metavar="ROOT", help="data root with the packs"
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the runs go")
    parser.add_argument(
        "--feeds",
        nargs="+",
        required=True,
        metavar="FEED",
        help="jpeg and names of packs, as --feed takes them",
    )
    parser.add_argument(
        "--recipe", type=Path, default=REPOSITORY / "configs" / "demo.yaml", help="(%(default)s)"
    )
    parser.add_argument("--output", action="store_true", help="also write into benchmarks/results/")
    asked, more = parser.parse_known_args(argv)
    root, recipe = asked.datasets.resolve(), asked.recipe.resolve()
    rows = {
        feed: trained(recipe, root, asked.folder.resolve() / feed.replace(":", "-"), feed, more)
        for feed in asked.feeds
    }
    text = table(
        rows, f"## The same training by each feed, {today()}, {recipe.name} {' '.join(more)}".rstrip()
    )
    print(text)
    if asked.output:
        command = "python -m benchmarks.feed_accuracy " + " ".join(sys.argv[1:] if argv is None else argv)
        publish("feed_accuracy", command, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
