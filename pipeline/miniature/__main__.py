"""Command line of the miniature: renders a small COCO release."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.miniature.render import MiniatureSpec, write_release
from vision.messages.advice import command
from vision.messages.command_line import Parser
from vision.messages.terminal import counted

ADDRESS, PORT = "127.0.0.1", 8001


def parse(argv: Sequence[str]) -> argparse.Namespace:
    defaults = MiniatureSpec()
    parser = Parser(
        prog="python -m pipeline.miniature",
        description="Render the miniature COCO release: zips, annotations and release.json, as a server holds them.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where to write")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="same seed, same bytes (%(default)s)")
    parser.add_argument(
        "--train", type=int, default=defaults.train, help="number of training images (%(default)s)"
    )
    parser.add_argument(
        "--val", type=int, default=defaults.val, help="number of validation images (%(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        spec = MiniatureSpec(arguments.seed, arguments.train, arguments.val)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    release = write_release(arguments.output, spec)
    print(f"rendered {spec.train} + {counted(spec.val, 'image')}; release table: {release}")
    print(next_steps(arguments.output, release))
    return 0


def next_steps(output: Path, release: Path) -> str:
    """The command that serves what was rendered, and the one that makes a data root of it meanwhile, beside it."""
    serve = ("--bind", ADDRESS, "--directory", output)
    root = Path(f"{output.absolute()}-data" if output.name in ("", "..") else f"{output}-data")
    run = ("--root", root, "--release", release, "--mirror", f"http://{ADDRESS}:{PORT}")
    return (
        f"serve it, in another terminal: {command(f'python -m http.server {PORT}', *serve)}\n"
        f"next: {command('python -m pipeline run', *run)}"
    )


if __name__ == "__main__":
    sys.exit(main())
