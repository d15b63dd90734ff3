"""dusty-nv's onnx_export.py: a folder of checkpoints, or one of them, to ssd-mobilenet.onnx beside it."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence
from pathlib import Path

from compat.old_options import asked, lowest_loss, start
from tools.foreign.data import NotImported
from tools.foreign.weights import Told, run_of
from tools.problem import run_tool
from vision.messages.advice import UserError

UNLESS_TOLD = "ssd-mobilenet"
FIRST_NET = {UNLESS_TOLD: "mb1-ssd"}


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("onnx_export", "python -m tools.export_onnx", argv)

    def work() -> int:
        folder, model = old.model_dir, old.input or old.model_dir
        if model is None:
            raise UserError(
                "nothing to export\n  why: neither --model-dir nor --input is given\n  fix: --model-dir=models/NAME"
            )
        if folder and old.input and not old.input.exists():
            model = folder / old.input
        ours = model.is_dir() and (model / "checkpoints.json").is_file()
        if model.is_dir() and not ours:  # a folder of pytorch-ssd's trainer
            model = lowest_loss(model) or model
        beside = folder or model.parent
        labels = old.labels or Path("labels.txt")
        labels = labels if labels.exists() and old.labels else beside / labels
        if not old.labels and not labels.is_file():
            labels = None
        sides = {side for side in (old.resolution, old.width, old.height) if side}
        if len(sides) > 1:
            raise UserError(
                f"--width {old.width}, --height {old.height}, --resolution {old.resolution}\n"
                "  why: they are one size\n  fix: --resolution PX"
            )
        told = Told(FIRST_NET.get(old.net, old.net), labels, next(iter(sides), None))
        run = run_of(model, told, FIRST_NET[UNLESS_TOLD], print)
        output = old.output or (None if run == folder else Path(f"{old.net or UNLESS_TOLD}.onnx"))
        if output and not output.is_absolute() and beside:
            output = beside / output
        return start("tools.export_onnx", run, *(["--output", output] if output else []))

    try:
        return run_tool(work)
    except NotImported as error:
        return int(error.args[0])


if __name__ == "__main__":
    leave(main())
