"""What ``./setup_coco.sh`` does: says the cost, asks the doctor, then has the data stages run in the environment.

Runs with the standard library alone, since nothing may be installed yet. ``tools/environment.sh`` makes the
environment and starts ``python -m pipeline run`` or, with --demo, ``python -m tools.demo`` in it.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from pipeline.command.options import count, split_list
from pipeline.data_root import on_disk, saved_options
from pipeline.release import COCO_2017, ReleaseFile, archive_path
from pipeline.stage import StageError
from pipeline.transfer.partial import bytes_here
from tools.doctor import ENVIRONMENT_BYTES, GB, OWN_PYTHON, REPOSITORY, Need, examine, nearest_existing, say
from tools.machine import gigabytes, read_machine
from vision.artefacts.data_layout import ANNOTATIONS, DEFAULT_ROOT, SPLITS, image_folder
from vision.messages.addresses import redacted_text
from vision.messages.advice import command as spelled
from vision.messages.advice import quoted
from vision.messages.command_line import Parser
from vision.messages.system_errors import instead_of

DEMO_BYTES = 300_000_000
DEMO_ROOT, SAMPLE = "demo-data", "val"
FETCH_BYTES_PER_MINUTE = 100e6 / 8 * 60  # a line of 100 Mbit/s
WORK_BYTES_PER_MINUTE = 4e9  # four cores: unpack, decode every image once, remap, index

DESCRIPTION = """\
From a clean clone to checked training data: makes .venv, fetches COCO 2017, checks every image, remaps the
category ids and builds the index. Safe to stop (Ctrl-C) and to run again: it resumes, and a second
run with nothing to do takes seconds. Nothing outside this folder is changed, and nothing needs root.
"""


def cost(fetch: float, disk: float, minutes: float) -> str:
    fetched = f"{gigabytes(fetch)} to fetch, " if fetch else ""
    return f"{fetched}{gigabytes(disk)} on disk, about {max(1, round(minutes))} min"


ENVIRONMENT_COST = (3 * GB, ENVIRONMENT_BYTES, 3)  # measured: 28 s with uv, 185 s with pip
DEMO_COST = (0, DEMO_BYTES, 10)


def data_cost(files: Sequence[ReleaseFile], here: Collection[ReleaseFile] = ()) -> tuple[float, float, float]:
    """Bytes to fetch, bytes on disk and minutes of a run that starts with nothing but the archives ``here``."""
    archives = sum(file.bytes for file in files)
    fetch = sum(file.bytes for file in files if file not in here)
    disk = archives + sum(file.unpacked_bytes for file in files)
    return fetch, disk, fetch / FETCH_BYTES_PER_MINUTE + archives / WORK_BYTES_PER_MINUTE


def missing_bytes(files: Iterable[ReleaseFile], root: Path, linked: Collection[ReleaseFile] = ()) -> int:
    """Disk that the run will still take in ``root``: archives, image folders and annotations that are not there.

    ``linked``: archives that get a second name, which takes no room.
    """
    total = 0
    for file in files:
        archive, split = root / archive_path(file), file.split()
        total += 0 if archive.is_file() or file in linked else file.bytes - bytes_here(archive)
        total += (
            0 if (root / (image_folder(split) if split else ANNOTATIONS)).is_dir() else file.unpacked_bytes
        )
    return total


def cost_table() -> str:
    """The rows of ``--help``, computed like the cost that is said before a run."""
    rows = [
        ("environment", ENVIRONMENT_COST, "torch with its CUDA libraries, mostly; none with --no-env"),
        ("--demo", DEMO_COST, "rendered images; trains, evaluates and exports, without a GPU"),
        (
            "--sample",
            data_cost(COCO_2017.needed((SAMPLE,))),
            "the 5,000 real images of val2017, to evaluate and look",
        ),
        ("train,val", data_cost(COCO_2017.needed(("train", "val"))), "118,287 + 5,000 images; the default"),
        ("train,val,test", data_cost(COCO_2017.needed(SPLITS)), "and 40,670 images without annotations"),
    ]
    lines = ["what it costs           fetched    on disk  minutes (100 Mbit/s, four cores)"]
    for name, (fetch, disk, minutes), text in rows:
        fetched = gigabytes(fetch) if fetch else "nothing"
        lines.append(f"  {name:18} {fetched:>10} {gigabytes(disk):>10} {round(minutes):8}  {text}")
    return "\n".join(lines)


def build_parser() -> Parser:
    parser = Parser(
        prog="./setup_coco.sh",
        description=DESCRIPTION,
        epilog=cost_table()
        + "\n\nPYTHON=/path/to/python ./setup_coco.sh uses that Python as it is, like --no-env.",
    )
    add = parser.add_argument
    add(
        "--demo",
        action="store_true",
        help="run every step on rendered images, without COCO (demo-data, models/demo)",
    )
    add("--sample", action="store_true", help="fetch little: the same as --splits val")
    add("--root", metavar="DIR", help="where the data goes (default: coco-data beside this script)")
    add(
        "--splits",
        metavar="LIST",
        type=split_list,
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
        "--have",
        metavar="DIR",
        type=from_caller,
        help="use COCO that is on this disk already: verify the archives in this folder, link or copy them, and fetch only the others; without archives of images, use unpacked images and their annotations",
    )
    add(
        "--no-keep-archives",
        action="store_true",
        help="remove the archives after unpacking: half the disk space, but a repair needs the network",
    )
    add(
        "--workers",
        type=count,
        metavar="N",
        help="processes for the stages (default: the number of cores)",
    )
    add("--no-env", action="store_true", help="make no .venv; use PYTHON=... or python3 on PATH, unchanged")
    return parser


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if refusal := contradiction(arguments):
        parser.error(refusal)
    arguments.splits = (SAMPLE,) if arguments.sample else arguments.splits
    arguments.root = from_caller(arguments.root) if arguments.root else DEFAULT_ROOT
    if arguments.release:
        arguments.release = from_caller(arguments.release)
        if not (REPOSITORY / arguments.release).is_file():
            parser.error(f"--release: {instead_of('file', REPOSITORY / arguments.release)}")
    return arguments


def contradiction(arguments: argparse.Namespace) -> str | None:
    """What does not go together; an option that would be ignored is a misunderstanding, not to be swallowed."""
    options = ("sample", "root", "splits", "release", "mirror", "have", "no_keep_archives", "workers")
    given = [
        f"--{name.replace('_', '-')}" for name in options if getattr(arguments, name) not in (None, False)
    ]
    if arguments.demo and given:
        return f"--demo renders its own data and takes no {', '.join(given)}"
    if arguments.sample and arguments.splits not in (None, (SAMPLE,)):
        return f"--sample means --splits {SAMPLE}; leave one of the two out"
    return None


def from_caller(path: str) -> str:
    """The script changes into its own folder first; a relative path is meant from where it was called."""
    caller = Path(os.environ.get("SETUP_CALLED_FROM") or ".").absolute()
    return path if caller == REPOSITORY or Path(path).is_absolute() else str(caller / path)


def announce(arguments: argparse.Namespace, to_make: bool) -> list[Need]:
    """Prints what this run may cost at most, before anything is done; returns it as needs for the doctor."""
    needs = []
    if to_make:
        fresh = not os.access(OWN_PYTHON, os.X_OK)
        print(f"environment  .venv: {cost(*ENVIRONMENT_COST) if fresh else 'to be completed'}", flush=True)
        needs.append(Need(REPOSITORY, ENVIRONMENT_BYTES if fresh else GB // 2, "the environment"))
    if arguments.demo:
        print(f"demo         {DEMO_ROOT}, models/demo: {cost(*DEMO_COST)}", flush=True)
        return [*needs, Need(REPOSITORY / DEMO_ROOT, DEMO_BYTES, "the demo")]
    return [*needs, announce_data(arguments)]


def announce_data(arguments: argparse.Namespace) -> Need:
    """By the choices that the pipeline will find. Raises StageError where it would refuse them."""
    root = REPOSITORY / arguments.root
    chosen = saved_options.chosen(argparse.Namespace(**vars(arguments) | {"root": root}))
    files = [] if chosen.own else chosen.files()
    here, linked = _on_disk(root, Path(arguments.have), chosen.splits, files) if arguments.have else ([], [])
    if arguments.have and linked == [] and (hint := on_disk.own_archives(Path(arguments.have), files)):
        print(f"--have       {hint}", flush=True)
    files = files if linked is not None else []
    missing = missing_bytes(files, root, linked or ())
    if missing:
        whole = data_cost(files, here)
        there = "" if missing >= whole[1] else f" ({gigabytes(missing)} of it still to come)"
        print(f"data         {root} ({', '.join(chosen.splits)}): {cost(*whole)}{there}", flush=True)
    return Need(root, missing, "the data")


def _on_disk(
    root: Path, have: Path, splits: Sequence[str], files: list[ReleaseFile]
) -> tuple[list[ReleaseFile], list[ReleaseFile] | None]:
    """What of ``files`` need not be fetched, and which archives take no room; None where all images get a second name.

    Raises StageError where ``have`` cannot be used.
    """
    on_disk.require_usable(root, have, files)
    one_disk = nearest_existing(root).stat().st_dev == have.stat().st_dev
    if on_disk.all_unpacked(have, splits, files):
        return files, None if one_disk else files
    here = [file for file in files if on_disk.has(have, file)]
    return here, here if one_disk else []


def command(arguments: argparse.Namespace) -> list[str]:
    """What is run in the end; a user could type it as well."""
    if arguments.demo:
        return ["-m", "tools.demo"]
    line = ["-m", "pipeline", "run", "--root", arguments.root]
    line += ["--splits", ",".join(arguments.splits)] if arguments.splits else []
    for name in ("release", "have", "workers"):
        value = getattr(arguments, name)
        line += [f"--{name}", str(value)] if value is not None else []
    for url in arguments.mirror or []:
        line += ["--mirror", url]
    return line + (["--no-keep-archives"] if arguments.no_keep_archives else [])


def named_python(arguments: argparse.Namespace) -> str:
    """How the user told which Python to use, as it was typed; ``./setup_coco.sh --no-env`` itself says ``PYTHON=python3``."""
    python = os.environ.get("PYTHON", "")
    said = [f"PYTHON={quoted(python)}"] if python and not (arguments.no_env and python == "python3") else []
    return " and ".join([*said, *(["--no-env"] if arguments.no_env else [])])


def main(argv: Sequence[str] | None = None) -> int:
    """Says what is coming, then becomes it; returns only where nothing comes."""
    arguments = parse(argv)
    own = not (arguments.no_env or os.environ.get("PYTHON"))
    to_make = own and Path(sys.prefix).resolve() != OWN_PYTHON.parents[1].resolve()
    try:
        needs = announce(arguments, to_make)
    except StageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if say(examine(read_machine(), needs, own_environment=to_make, named=named_python(arguments))):
        return 1
    line = command(arguments)
    python = str(OWN_PYTHON) if own else sys.executable
    print(f"running: {redacted_text(spelled(python, *line))}", flush=True)
    program = [str(REPOSITORY / "tools/environment.sh"), "--"] if to_make else [sys.executable]
    return os.execv(program[0], [*program, *line])


if __name__ == "__main__":
    raise SystemExit(main())
