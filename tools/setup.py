"""What ``./setup_coco.sh`` does: says the cost, asks the doctor, makes the environment, starts the data stages.

Runs with the standard library alone, since nothing may be installed yet. The work itself is
``python -m pipeline run`` or, with --demo, ``python -m tools.demo``, started with the Python of the environment.
"""

from __future__ import annotations

from vision.artefacts.data_layout import CHOICES

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.costs import COCO_2017, SPLITS, Cost, data_cost, missing_bytes, read_splits, read_table
from tools.doctor import (
    ENVIRONMENT_BYTES,
    GB,
    REPOSITORY,
    Finding,
    Need,
    check_gpu,
    examine,
    gigabytes,
)
from tools.environment import RUN, Environment, EnvironmentProblem, existing_python, find_python
from tools.machine import Interpreter, Machine, read_interpreter, read_machine
from vision.messages.addresses import redacted_text
from vision.messages.advice import command as spelled
from vision.messages.command_line import Parser
from vision.messages.imports import required_distributions

ENVIRONMENT_COST = Cost(3 * GB, ENVIRONMENT_BYTES, 3)  # measured: 28 s with uv, 185 s with pip
DEMO_COST = Cost(0, 0.3 * GB, 10)
DEFAULT_ROOT, DEMO_ROOT, SAMPLE = "coco-data", "demo-data", "val"

DESCRIPTION = """\
From a clean clone to checked training data: makes .venv, fetches COCO 2017, checks every image, remaps the
category ids and builds the index. Safe to stop (Ctrl-C) and to run again: it resumes, and a second
run with nothing to do takes seconds. Nothing outside this folder is changed, and nothing needs root.
"""


def cost_table() -> str:
    """The rows of ``--help``, computed like the cost that is said before a run."""
    rows = [
        ("environment", ENVIRONMENT_COST, "torch with its CUDA libraries, mostly; none with --no-env"),
        ("--demo", DEMO_COST, "rendered images; trains, evaluates and exports, without a GPU"),
        (
            "--sample",
            data_cost(COCO_2017, [SAMPLE]),
            "the 5,000 real images of val2017, to evaluate and look",
        ),
        ("train,val", data_cost(COCO_2017, ["train", "val"]), "118,287 + 5,000 images; the default"),
        ("train,val,test", data_cost(COCO_2017, SPLITS), "and 40,670 images without annotations"),
    ]
    lines = ["what it costs           fetched    on disk  minutes (100 Mbit/s, four cores)"]
    for name, cost, text in rows:
        fetched = gigabytes(cost.fetch) if cost.fetch else "nothing"
        lines.append(f"  {name:18} {fetched:>10} {gigabytes(cost.disk):>10} {round(cost.minutes):8}  {text}")
    return "\n".join(lines)


def build_parser() -> Parser:
    parser = Parser(
        prog="./setup_coco.sh",
        description=DESCRIPTION,
        epilog=cost_table()
        + "\n\nPYTHON=/path/to/python ./setup_coco.sh uses that Python as it is, like --no-env.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--demo",
        action="store_true",
        help="no COCO: the whole path on rendered images (demo-data, models/demo)",
    )
    add("--sample", action="store_true", help="little to fetch: the same as --splits val")
    add("--root", metavar="DIR", help="where the data goes (default: coco-data beside this script)")
    add(
        "--splits",
        metavar="LIST",
        help="comma-separated list of train, val, test (default: as in the last run, else train,val)",
    )
    add(
        "--release",
        metavar="FILE",
        help="use the files of this table, not COCO's: path, bytes, sha256 of each (JSON)",
    )
    add(
        "--mirror",
        action="append",
        metavar="URL",
        help="fetch from here; sizes and digests stay those of the release",
    )
    add(
        "--no-keep-archives",
        action="store_true",
        help="remove the archives when all is unpacked: half the disk, but a repair needs the network",
    )
    add("--workers", type=int, metavar="N", help="processes for the stages (default: the number of cores)")
    add("--no-env", action="store_true", help="make no .venv; use PYTHON=... or the python3 on PATH as it is")
    return parser


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    refusal = contradiction(arguments)
    if refusal:
        parser.error(refusal)
    arguments.splits = SAMPLE if arguments.sample else arguments.splits
    arguments.root = from_caller(arguments.root) if arguments.root else DEFAULT_ROOT
    if arguments.release:
        arguments.release = from_caller(arguments.release)
        if not (REPOSITORY / arguments.release).is_file():
            parser.error(f"--release {arguments.release}: there is no such file")
    return arguments


def contradiction(arguments: argparse.Namespace) -> str | None:
    """What does not go together; an option that would be ignored is a misunderstanding, not to be swallowed."""
    options = ("sample", "root", "splits", "release", "mirror", "no_keep_archives", "workers")
    given = [
        f"--{name.replace('_', '-')}" for name in options if getattr(arguments, name) not in (None, False)
    ]
    if arguments.demo and given:
        return f"--demo renders its own data and takes no {', '.join(given)}"
    if arguments.sample and arguments.splits not in (None, SAMPLE):
        return f"--sample means --splits {SAMPLE}; leave one of the two out"
    unknown = sorted(set(splits_of(arguments.splits or SAMPLE)) - set(SPLITS))
    if unknown:
        return f"--splits takes {', '.join(SPLITS)}, separated by commas; found {unknown[0]!r}"
    if arguments.workers is not None and arguments.workers < 0:
        return f"--workers must be 0 or more, found {arguments.workers}"
    return None


def splits_of(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def from_caller(path: str) -> str:
    """The script changes into its own folder first; a relative path is meant from where it was called."""
    caller = Path(os.environ.get("SETUP_CALLED_FROM") or ".").absolute()
    return path if caller == REPOSITORY or Path(path).is_absolute() else str(caller / path)


def announce(arguments: argparse.Namespace, environment: Environment | None) -> list[Need]:
    """Prints what this run may cost at most, before anything is done; returns it as needs for the doctor."""
    needs = []
    if environment is not None and environment.lacks(RUN):
        fresh = not environment.starts()
        print(f"environment  .venv: {ENVIRONMENT_COST if fresh else 'to be completed'}", flush=True)
        needs.append(Need(environment.folder, ENVIRONMENT_BYTES if fresh else GB // 2, "the environment"))
    needs.append(announce_demo() if arguments.demo else announce_data(arguments))
    return needs


def announce_demo() -> Need:
    print(f"demo         {DEMO_ROOT}, models/demo: {DEMO_COST}", flush=True)
    return Need(REPOSITORY / DEMO_ROOT, int(DEMO_COST.disk), "the demo")


def announce_data(arguments: argparse.Namespace) -> Need:
    """By the table that --release names, else by the one the root was made with, else by COCO's."""
    root = REPOSITORY / arguments.root
    choices = root / CHOICES
    table = read_table(REPOSITORY / arguments.release if arguments.release else choices)
    table = table or ({} if arguments.release else COCO_2017)
    splits = splits_of(arguments.splits) if arguments.splits else read_splits(choices)
    missing = missing_bytes(table, splits, root)
    if missing:
        there = (
            "" if missing >= data_cost(table, splits).disk else f" ({gigabytes(missing)} of it still to come)"
        )
        print(f"data         {root} ({', '.join(splits)}): {data_cost(table, splits)}{there}", flush=True)
    return Need(root, missing, "the data")


def stopped_by(findings: Sequence[Finding]) -> bool:
    """Prints the findings; true when one of them stops the work."""
    for finding in findings:
        print(finding, file=sys.stderr, flush=True)
    return any(finding.stops for finding in findings)


def command(python: str, arguments: argparse.Namespace) -> list[str]:
    """What is run in the end; a user could type it as well."""
    if arguments.demo:
        return [python, "-m", "tools.demo"]
    line = [python, "-m", "pipeline", "run", "--root", arguments.root]
    for name in ("splits", "release", "workers"):
        value = getattr(arguments, name)
        line += [f"--{name}", str(value)] if value is not None else []
    for url in arguments.mirror or []:
        line += ["--mirror", url]
    return line + (["--no-keep-archives"] if arguments.no_keep_archives else [])


def prepare(arguments: argparse.Namespace) -> str | None:
    """The Python to continue with, after the doctor and the environment; None when the doctor says stop."""
    own = not (arguments.no_env or os.environ.get("PYTHON"))
    environment = Environment() if own else None
    needs = announce(arguments, environment)
    machine = read_machine()
    if environment is None:
        given = existing_python(os.environ, required_distributions())
        return None if stopped_by(examine(given, machine, needs, own_environment=False)) else given.executable
    return prepare_own(environment, machine, needs)


def prepare_own(environment: Environment, machine: Machine, needs: Sequence[Need]) -> str | None:
    """The doctor looks at the base Python before an install, and at the GPU again when torch is there."""
    inside = read_interpreter(str(environment.python)) if environment.lacks(RUN) is None else None
    base: Interpreter = inside or find_python()
    if stopped_by(examine(base, machine, needs, own_environment=inside is None)):
        return None
    python = str(environment.ensure(base=base))
    if inside is None:
        stopped_by(list(check_gpu(machine.gpu, read_interpreter(python) or base)))
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
        print(f"running: {redacted_text(spelled(*line))}", flush=True)
        os.execv(line[0], line)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
