"""pytorch-ssd's eval_ssd.py: average precision of each class, and over all of them."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

import json
from collections.abc import Sequence
from pathlib import Path

from compat.old_options import asked, start
from tools.foreign.data import NotImported, data_root
from tools.foreign.weights import run_of
from tools.problem import run_tool


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("eval_ssd", "python -m tools.evaluate", argv)

    def work() -> int:
        run = run_of(old.trained_model, old.net, old.label_file, print)
        root, _ = data_root(old.dataset_type, old.dataset, print)
        output = old.eval_dir / f"{run.stem if run.suffix == '.pth' else run.name}-on-{root.resolve().name}"
        device = [] if old.use_cuda else ["--device", "cpu"]
        status = start("tools.evaluate", run, "--datasets", root, "--output", output, *device)
        if not status:
            print(per_class(output / "metrics.json"))
        return status

    try:
        return run_tool(work)
    except NotImported as error:
        return int(error.args[0])


def per_class(metrics: Path) -> str:
    """As the old script ended; COCO's AP at IoU 0.5, of the classes that the data have."""
    rows = [row for row in json.loads(metrics.read_text(encoding="utf-8"))["per_class"] if row["ap50"] >= 0]
    lines = [f"{row['name']}: {row['ap50']}" for row in rows]
    mean = sum(row["ap50"] for row in rows) / max(1, len(rows))
    return "\n".join(
        [
            "",
            "Average Precision Per-class (COCO's, at IoU 0.5):",
            *lines,
            "",
            f"Average Precision Across All Classes: {mean}",
        ]
    )


if __name__ == "__main__":
    leave(main())
