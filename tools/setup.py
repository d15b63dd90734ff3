"""What ``./setup_coco.sh`` does: says the cost, asks the doctor, makes the environment, starts the data stages.

Runs with the standard library of any Python from 3.8 on, since nothing may be installed yet. The work itself is
``python -m pipeline run`` or, with --demo, ``python -m tools.demo``, started with the Python of the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.doctor import ENVIRONMENT_BYTES, GB, REPOSITORY, Need, check_gpu, examine, gigabytes
from tools.doctor import required_distributions as requirements
from tools.environment import RUN, Environment, EnvironmentProblem, existing_python, find_python
from tools.machine import Interpreter, Machine, read_interpreter, read_machine

# Bytes to fetch, of the official release (a test compares them with the table of the pipeline).
COCO_BYTES = {
    "train": 19_336_861_798,
    "val": 815_585_330,
    "test": 6_646_970_404,
    "annotations": 252_907_541,
    "test_annotations": 1_144_034,
}
# The archives stay, so that a repair needs no network; pictures come out of them at their own size (JPEGs do not
# shrink in a zip), and annotations, their remapped copy, index and arrays take about 2 GB.
UNPACKED_SHARE, ANNOTATION_DISK = 2.0, 2 * GB
ENVIRONMENT_FETCH = 3_000_000_000
DEMO_DISK = 300_000_000
FETCH_BYTES_PER_MINUTE = 100e6 / 8 * 60  # a line of 100 Mbit/s
WORK_BYTES_PER_MINUTE = 6 * GB  # extract, decode every picture once, index: four cores
DEFAULT_ROOT, DEFAULT_SPLITS, SAMPLE_SPLITS = "coco-data", "train,val", "val"

DESCRIPTION = """\
From a clean clone to checked training data: makes .venv, fetches COCO 2017, checks every picture, remaps the
category ids and builds the index. Safe to stop (Ctrl-C) and to run again: it goes on where it was, and a second
run with nothing to do takes seconds. Nothing outside this folder is changed, and nothing needs root.
"""
EPILOG = """\
what it costs (fetched / on disk / minutes at 100 Mbit/s and four cores)
  environment        3.0 GB /  5.8 GB /  1-5   torch with its CUDA libraries; none with --no-env
  --demo             nothing / 0.3 GB /  8-15  renders its own pictures, trains, evaluates, exports; no GPU needed
  --sample           1.1 GB /  3.9 GB /  3     the 5,000 real pictures of val2017
  train and val     20.4 GB / 42.3 GB / 35     118,287 + 5,000 pictures
  with test         27.1 GB / 55.6 GB / 45     + 40,670 pictures without annotations

environment variables
  PYTHON=/path/to/python   use this Python and what is installed in it, as with --no-env
"""


@dataclass(frozen=True)
class Cost:
    """fetch, disk: bytes; minutes: rough, for people."""

    fetch: float
    disk: float
    minutes: float

    def __str__(self) -> str:
        fetched = f"{gigabytes(self.fetch)} to fetch, " if self.fetch else ""
        return f"{fetched}{gigabytes(self.disk)} on disk, about {max(1, round(self.minutes))} min"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./setup_coco.sh",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--demo",
        action="store_true",
        help="no COCO: the whole path on rendered pictures, into demo-data and models/demo",
    )
    add(
        "--sample",
        action="store_true",
        help="real pictures, little to fetch: the same as --splits val (for evaluation)",
    )
    add("--root", metavar="DIR", help="where the data goes (default: coco-data beside this script)")
    add("--splits", metavar="LIST", help="of train, val, test, with commas (default: train,val)")
    add(
        "--release",
        metavar="FILE",
        help="another table of files than COCO's: path, bytes, sha256 of each (JSON)",
    )
    add("--mirror", metavar="URL", help="fetch from here; sizes and digests stay those of the release")
    add("--workers", type=int, metavar="N", help="processes for the stages (default: the number of cores)")
    add("--no-env", action="store_true", help="make no .venv; use PYTHON=... or the python3 on PATH as it is")
    return parser


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.demo:
        refuse_data_options(parser, arguments)
    if arguments.sample and arguments.splits not in (None, SAMPLE_SPLITS):
        parser.error(f"--sample means --splits {SAMPLE_SPLITS}; leave one of the two out")
    splits = SAMPLE_SPLITS if arguments.sample else arguments.splits or DEFAULT_SPLITS
    arguments.splits = splits.replace(" ", "")
    unknown = set(arguments.splits.split(",")) - {"train", "val", "test"}
    if unknown:
        parser.error(
            f"--splits takes train, val, test, separated by commas; found {', '.join(sorted(unknown))!r}"
        )
    if arguments.workers is not None and arguments.workers < 0:
        parser.error(f"--workers must be 0 or more, found {arguments.workers}")
    arguments.root = from_caller(arguments.root) if arguments.root else DEFAULT_ROOT
    if arguments.release:
        arguments.release = from_caller(arguments.release)
        if not (REPOSITORY / arguments.release).is_file():
            parser.error(f"--release {arguments.release}: there is no such file")
    return arguments


def refuse_data_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """The demo makes its own data: an option about COCO beside it is a misunderstanding, not to be swallowed."""
    options = ("sample", "root", "splits", "release", "mirror", "workers")
    given = [f"--{name}" for name in options if getattr(arguments, name) not in (None, False)]
    if given:
        parser.error(f"--demo renders its own data and takes no {', '.join(given)}")


def from_caller(path: str) -> str:
    """The script changes into its own folder first; a relative path is meant from where it was called."""
    caller = Path(os.environ.get("SETUP_CALLED_FROM") or ".").absolute()
    return path if caller == REPOSITORY or Path(path).is_absolute() else str(caller / path)


def fetched_bytes(arguments: argparse.Namespace) -> int:
    """What the stages will fetch at most: by COCO's table, or by the one that --release names."""
    splits = arguments.splits.split(",")
    if arguments.release:
        return release_bytes(REPOSITORY / arguments.release, splits)
    total = sum(COCO_BYTES[split] for split in splits)
    total += COCO_BYTES["annotations"] if {"train", "val"} & set(splits) else 0
    return total + (COCO_BYTES["test_annotations"] if "test" in splits else 0)


def release_bytes(file: Path, splits: Sequence[str]) -> int:
    """The sum over the files of a release that belong to ``splits``; 0 for a file that the pipeline will refuse."""
    try:
        files = json.loads(file.read_text(encoding="utf-8"))["files"]
        others = [f"{split}2017" for split in ("train", "val", "test") if split not in splits]
        return sum(
            int(row["bytes"]) for row in files if not any(f"/{other}." in row["path"] for other in others)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def data_cost(arguments: argparse.Namespace) -> Cost:
    if arguments.demo:
        return Cost(0, DEMO_DISK, 10)
    fetch = fetched_bytes(arguments)
    disk = fetch * UNPACKED_SHARE + min(ANNOTATION_DISK, fetch)
    return Cost(fetch, disk, fetch / FETCH_BYTES_PER_MINUTE + fetch / WORK_BYTES_PER_MINUTE)


def still_needed(cost: Cost, root: Path) -> int:
    """Disk that is not used yet: nothing once the archives are unpacked, less by what is fetched before that."""
    if (root / ".pipeline" / "extract.json").is_file():
        return 0
    present = sum(file.stat().st_size for file in root.glob("**/*.zip*")) if root.is_dir() else 0
    return max(0, int(cost.disk - present))


def announce(arguments: argparse.Namespace, environment: Environment | None, cost: Cost) -> list[Need]:
    """Prints what this run may cost at most, before anything is done; returns it as needs for the doctor."""
    needs = []
    if environment is not None and environment.lacks(RUN):
        size = ENVIRONMENT_BYTES if not environment.starts() else GB // 2
        needs.append(Need(environment.folder, size, "the environment"))
        print(f"environment  .venv: {Cost(ENVIRONMENT_FETCH, ENVIRONMENT_BYTES, 4)}", flush=True)
    root = REPOSITORY / ("demo-data" if arguments.demo else arguments.root)
    needs.append(Need(root, still_needed(cost, root), "the data"))
    if needs[-1].size:
        print(f"{'demo' if arguments.demo else 'data':11s}  {root}: {cost}", flush=True)
    return needs


def diagnose(
    interpreter: Interpreter, machine: Machine, needs: Sequence[Need], own_environment: bool
) -> bool:
    """Prints the doctor's findings; true when none of them stops the work."""
    findings = examine(interpreter, machine, needs, own_environment)
    for finding in findings:
        print(finding, file=sys.stderr, flush=True)
    return not any(finding.stops for finding in findings)


def command(python: str, arguments: argparse.Namespace) -> list[str]:
    """What is run in the end; a user could type it as well."""
    if arguments.demo:
        return [python, "-m", "tools.demo"]
    line = [python, "-m", "pipeline", "run", "--root", arguments.root, "--splits", arguments.splits]
    for name in ("release", "mirror", "workers"):
        value = getattr(arguments, name)
        line += [f"--{name}", str(value)] if value is not None else []
    return line


def prepare(arguments: argparse.Namespace) -> str | None:
    """The Python to go on with, after the doctor and the environment; None when the doctor says stop."""
    own = not (arguments.no_env or os.environ.get("PYTHON"))
    environment = Environment() if own else None
    needs = announce(arguments, environment, data_cost(arguments))
    machine = read_machine()
    if environment is None:
        interpreter = existing_python(os.environ)
        given = read_interpreter(interpreter.executable, requirements()) or interpreter
        return given.executable if diagnose(given, machine, needs, own_environment=False) else None
    ready = environment.lacks(RUN) is None
    base = read_interpreter(str(environment.python)) if ready else None
    base = base or find_python()
    if not diagnose(base, machine, needs, own_environment=not ready):
        return None
    python = str(environment.ensure(base=base))
    if not ready:
        for finding in check_gpu(machine.gpu, read_interpreter(python) or base):
            print(finding, file=sys.stderr, flush=True)
    return python


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    try:
        python = prepare(arguments)
    except EnvironmentProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    if python is not None:
        line = command(python, arguments)
        print(f"running: {' '.join(line)}", flush=True)
        os.execv(line[0], line)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
