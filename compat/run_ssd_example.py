"""pytorch-ssd's run_ssd_example.py: one image, drawn into run_ssd_example_output/ under its own name."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence

from compat.old_options import asked, start
from tools.foreign.data import NotImported
from tools.foreign.weights import Told, run_of
from tools.problem import run_tool

OUTPUT, THRESHOLD = "run_ssd_example_output", 0.4
"""The score from which the old script drew boxes."""


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("run_ssd_example", "python -m tools.detect", argv)

    def work() -> int:
        model = run_of(old.model, Told(old.net, old.labels), old.net, print)
        labels = ["--labels", old.labels] if model.suffix == ".onnx" else []
        return start("tools.detect", model, old.image, "--output", OUTPUT, "--threshold", THRESHOLD, *labels)

    try:
        return run_tool(work)
    except NotImported as error:
        return int(error.args[0])


if __name__ == "__main__":
    leave(main())
