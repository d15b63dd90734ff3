"""The whole way in a few minutes, with nothing but this repository: render → stages → train → stop → resume →
evaluate → export → detect → report.

    python -m tools.demo            # ./setup_coco.sh --demo does this after making the environment

Every step is one of the public commands, printed before it runs, so that what is seen here can be repeated by
hand. Killed half-way, the same command resumes.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vision.messages.advice import command as spelled
from vision.messages.command_line import Parser

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Where things go and how much is rendered.

    * data: root of the data stages; the rendered release is kept below it, in ``release/``
    * run: folder of the training run
    * recipe: the training recipe; its run folder and data root are overridden by ``run`` and ``data``
    * train, val: images to render
    * stop_after_epoch: where training is stopped once, to be resumed
    """

    data: Path
    run: Path
    recipe: Path
    train: int
    val: int
    stop_after_epoch: int


@dataclass(slots=True)
class Journey:
    """The steps taken so far, with their seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, name: str, *command: str) -> None:
        """Prints and runs one public command; its failure ends the demo with the same exit code."""
        print(f"\n── {name}\n$ {spelled('python', *command)}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, *command], cwd=REPOSITORY, check=False).returncode
        self.seconds[name] = time.monotonic() - started
        if code:
            raise StepFailed(name, code)


class StepFailed(Exception):
    """A command of the demo ended with another code than 0."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"demo: '{name}' ended with exit code {code}; its own message is above")
        self.code = code


def demo(plan: DemoPlan) -> Journey:
    """Goes the whole way; raises ``StepFailed`` where a command fails."""
    journey = Journey()
    release = plan.data / "release"
    journey.step(
        "render", "-m", "pipeline.miniature",
        "--output", str(release), "--train", str(plan.train), "--val", str(plan.val),
    )  # fmt: skip
    with mirror(release) as url:
        journey.step(
            "stages", "-m", "pipeline", "run",
            "--root", str(plan.data), "--release", str(release / "release.json"), "--mirror", url,
        )  # fmt: skip
    train = ["train_ssd.py", "--config", str(plan.recipe), "--datasets", str(plan.data),
             "--checkpoint-folder", str(plan.run), "--resume", "auto"]  # fmt: skip
    journey.step("train, and stop on the way", *train, "--stop-after-epoch", str(plan.stop_after_epoch))
    journey.step("resume", "train_ssd.py", "--resume", str(plan.run))
    journey.step("evaluate", "-m", "tools.evaluate", str(plan.run))
    journey.step("export", "-m", "tools.export_onnx", str(plan.run))
    shown = sorted((plan.data / "val2017").glob("*.jpg"))[:IMAGES_SHOWN]
    model = plan.run / "ssd-mobilenet.onnx"
    journey.step(
        "detect",
        "-m",
        "tools.detect",
        str(model),
        *map(str, shown),
        "--output",
        str(plan.run / "drawn"),
    )
    journey.step("report", "-m", "tools.report", str(plan.run))
    return journey


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """Serves ``folder`` on a free port of the loopback interface; gives the address."""
    handler = partial(_QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def parse(argv: list[str]) -> DemoPlan:
    parser = Parser(
        prog="python -m tools.demo",
        description="Render a small COCO, run the data stages on it, train, stop, resume, evaluate, export, detect, report.",
        epilog="No network, no GPU and no COCO needed. Run it again to resume after an interruption.",
    )
    parser.add_argument("--data", type=Path, default=Path("demo-data"), help="data root (%(default)s)")
    parser.add_argument("--run", type=Path, default=Path("models/demo"), help="run folder (%(default)s)")
    parser.add_argument("--recipe", type=Path, default=Path("configs/demo.yaml"), help="recipe (%(default)s)")
    parser.add_argument("--train", type=int, default=800, help="number of training images (%(default)s)")
    parser.add_argument("--val", type=int, default=120, help="number of validation images (%(default)s)")
    parser.add_argument(
        "--stop-after-epoch",
        type=int,
        default=4,
        help="stop training once after this epoch, to resume it (%(default)s)",
    )
    arguments = parser.parse_args(argv)
    paths = (arguments.data, arguments.run, arguments.recipe)
    data, run, recipe = (path if path.is_absolute() else Path.cwd() / path for path in paths)
    return DemoPlan(data, run, recipe, arguments.train, arguments.val, arguments.stop_after_epoch)


def report(plan: DemoPlan, journey: Journey) -> str:
    lines = ["", "── done", *(f"  {seconds:7.1f} s  {name}" for name, seconds in journey.seconds.items())]
    lines.append(f"  {sum(journey.seconds.values()):7.1f} s  in all")
    where = {
        "data": plan.data, "run": plan.run, "scores": plan.run / "metrics.json",
        "model": plan.run / "ssd-mobilenet.onnx", "drawn": plan.run / "drawn", "report": plan.run / "report.html",
    }  # fmt: skip
    lines += [f"{name:>9}: {_shown(path)}" for name, path in where.items()]
    lines += ["", "next, with real COCO (about 20 GB to fetch):", "  ./setup_coco.sh"]
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main(argv: list[str]) -> int:
    plan = parse(argv)
    try:
        journey = demo(plan)
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return failure.code if failure.code > 0 else 128 - failure.code
    except KeyboardInterrupt:
        print("\ndemo: interrupted; finished work is kept: run the same command to resume", file=sys.stderr)
        return 130
    print(report(plan, journey))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
