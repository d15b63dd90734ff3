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
from tools.foreign.weights import Told, run_of
from tools.problem import run_tool
from vision.messages.advice import shown


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("eval_ssd", "python -m tools.evaluate", argv)

    def work() -> int:
        told = Told(old.net, old.label_file, width_mult=old.mb2_width_mult)
        run = run_of(old.trained_model, told, "vgg16-ssd", print)
        root, _ = data_root(old.dataset_type, old.dataset, print)
        output = old.eval_dir / f"{run.stem if run.suffix == '.pth' else run.name}-on-{root.resolve().name}"
        device = [] if old.use_cuda else ["--device", "cpu"]
        status = start(
            "tools.evaluate", run, "--datasets", root, "--output", output, "--metrics", "voc", *device
        )
        if not status:
            print(per_class(output / "metrics.json", "11" if old.use_2007_metric else "all"))
        return status

    try:
        return run_tool(work)
    except NotImported as error:
        return int(error.args[0])


def per_class(metrics: Path, points: str) -> str:
    """As the old script ended: VOC's AP over ``11`` points of recall or ``all``, of the classes that the data have."""
    voc, key = json.loads(metrics.read_text(encoding="utf-8"))["voc"], f"ap_{points}_points"
    lines = [f"{shown(row['name'])}: {row[key]}" for row in voc["per_class"] if row["boxes"]]
    of = f"VOC's, at IoU 0.5, {points} points of recall"
    mean = f"Average Precision Across All Classes: {voc[f'mean_{key}']}"
    return "\n".join(["", f"Average Precision Per-class ({of}):", *lines, "", mean])


if __name__ == "__main__":
    leave(main())
