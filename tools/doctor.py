"""Says what this machine has, and what of it would stop the work or slow it down: what, why and how to fix it.

    python -m tools.doctor            everything, with a real test of the GPU (imports torch: seconds)
    python -m tools.doctor --quick    without that test
    python -m tools.doctor --json     for programs

Runs with the standard library alone, so that it can complain about the rest.
Exit status: 0 = nothing stops the work (slower or narrower things may still be listed), 1 = something does.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard(only_prints=True)

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.looked_at import looked_at
from tools.machine import Gpu, Interpreter, Machine, read_interpreter, read_machine, torch_reaches_gpu
from vision.messages.command_line import Parser
from vision.messages.imports import required_distributions
from vision.messages.supported_python import NEWEST as NEWEST_PYTHON
from vision.messages.supported_python import OLDEST as OLDEST_PYTHON

REPOSITORY = Path(__file__).resolve().parents[1]
GB = 10**9

ENVIRONMENT_BYTES = (
    6_300_000_000  # measured: du -sb .venv, pip, torch 2.15.0 with its CUDA libraries (uv: 6.1 GB)
)
MEMORY_BYTES = 4 * GB  # main process, two workers and the page cache of a training run at 300 × 300
SHARED_MEMORY_BYTES = 512 * 2**20  # 12 workers × 2 batches × 24 images × 270 kB = 156 MB, with room to spare

# The oldest driver for each CUDA major version: any wheel of that major runs on it (CUDA's minor version
# compatibility, CUDA Compatibility guide, table "minimum required driver version").
MINIMUM_DRIVER = {11: "450.80", 12: "525.60", 13: "580.65"}
CUDA13_CAPABILITY = (7, 5)  # CUDA 13 dropped Maxwell, Pascal and Volta (its release notes)
WHERE_WHEELS = "pytorch.org/get-started/locally lists the commands"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. ``stops``: the work cannot continue until it is fixed."""

    name: str
    what: str
    why: str
    fix: str
    stops: bool = False

    def __str__(self) -> str:
        mark = "STOP" if self.stops else "note"
        return f"{mark}: {self.what}\n  why: {self.why}\n  fix: {self.fix}"


@dataclass(frozen=True)
class Need:
    """Room that something will take: ``size`` bytes below ``folder`` (which need not exist yet)."""

    folder: Path
    size: int
    purpose: str
    stops: bool = True


def check_python(interpreter: Interpreter) -> Iterator[Finding]:
    version = interpreter.version[:2]
    where = f"Python {interpreter.release} ({interpreter.executable})"
    if version < OLDEST_PYTHON:
        yield Finding(
            "python",
            f"{where} is too old",
            "the code and the libraries it needs are for Python 3.10 to 3.13",
            "install a newer one (apt install python3.11 python3.11-venv, or: uv python install 3.11)",
            stops=True,
        )
    elif version > NEWEST_PYTHON:
        yield Finding(
            "python",
            f"{where} is newer than what was tested",
            "3.10 to 3.13 are supported; some libraries may have no build for a newer one",
            "continue and see, or install python3.12 and run again with PYTHON=python3.12",
        )


def check_installer(interpreter: Interpreter, machine: Machine) -> Iterator[Finding]:
    """An environment needs venv, and something that installs into it: uv, ensurepip or pip."""
    installer = machine.uv or interpreter.ensurepip or interpreter.pip
    if interpreter.venv and installer:
        return
    version = "{}.{}".format(*interpreter.version[:2])
    lacking = "venv" if not interpreter.venv else "ensurepip, pip and uv"
    yield Finding(
        "installer",
        f"{interpreter.executable} has no {lacking}",
        "without it no environment can be made in .venv",
        f"apt install python{version}-venv, or install uv, or use an environment of yours: PYTHON=… --no-env",
        stops=True,
    )


def check_packages(interpreter: Interpreter) -> Iterator[Finding]:
    if interpreter.missing:
        yield Finding(
            "packages",
            f"not installed in {interpreter.executable}: {', '.join(interpreter.missing)}",
            "what uses them will fail when it is called; requirements.txt says what each is for",
            f"{interpreter.executable} -m pip install -r requirements.txt (or run without --no-env)",
        )


def check_disk(needs: Sequence[Need]) -> Iterator[Finding]:
    """Needs on the same disk are added up: each may fit alone and not all together."""
    by_disk: dict = {}
    for need in needs:
        folder = nearest_existing(need.folder)
        by_disk.setdefault(folder.stat().st_dev, (folder, []))[1].append(need)
    for folder, wanted in by_disk.values():
        free, total = shutil.disk_usage(folder).free, sum(need.size for need in wanted)
        if total > free:
            parts = " + ".join(f"{gigabytes(need.size)} for {need.purpose}" for need in wanted)
            yield Finding(
                "disk",
                f"{gigabytes(free)} free on the disk of {folder}, {gigabytes(total)} needed ({parts})",
                "the work would stop in the middle with a full disk",
                "free some space, or put the data on another disk: --root /path/on/it",
                stops=any(need.stops for need in wanted),
            )


def nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def gigabytes(size: float) -> str:
    return f"{size / GB:.1f} GB" if size >= GB / 10 else f"{size / 1e6:.0f} MB"


def check_memory(machine: Machine) -> Iterator[Finding]:
    if machine.memory is not None and machine.memory < MEMORY_BYTES:
        yield Finding(
            "memory",
            f"{gigabytes(machine.memory)} of memory, {gigabytes(MEMORY_BYTES)} wanted",
            "training with several workers may be killed by the kernel",
            "use --workers=1 and a smaller --batch-size, or add swap",
        )
    if machine.shared_memory is not None and machine.shared_memory < SHARED_MEMORY_BYTES:
        yield Finding(
            "shared memory",
            f"/dev/shm holds {gigabytes(machine.shared_memory)}, {gigabytes(SHARED_MEMORY_BYTES)} wanted",
            "the workers hand batches over through it; when it is full they die with a bus error",
            "start the container with --shm-size=2g (or --ipc=host), or train with --workers=0",
        )


def check_compiler(interpreter: Interpreter, machine: Machine) -> Iterator[Finding]:
    version = "{}.{}".format(*interpreter.version[:2])
    lacking = [] if machine.compiler else ["a C++ compiler"]
    lacking += [] if interpreter.headers else [f"Python.h of Python {version}"]
    if lacking:
        yield Finding(
            "compiler",
            f"{' and '.join(lacking)} not found",
            "torch.compile builds code with them; without, training runs the slower plain way",
            f"apt install g++ python{version}-dev",
        )


def check_gpu(gpu: Gpu | None, interpreter: Interpreter) -> Iterator[Finding]:
    """A GPU that the installed torch cannot use. No finding without a GPU, or before torch is installed."""
    if gpu is None or interpreter.torch is None:
        return
    problem = unreachable(gpu) or wrong_wheel(gpu, interpreter)
    if problem is not None:
        what, fix = problem
        why = "training would run on the CPU, tens of times slower"
        yield Finding("gpu", f"{gpu.name} is there, but {what}", why, fix)


def unreachable(gpu: Gpu) -> tuple[str, str] | None:
    """(what, fix) when no program at all can reach the GPU."""
    if gpu.error is None:
        return None
    if in_container():
        return (
            f"not reachable: {gpu.error}",
            "start the container with the GPU: --gpus all (Jetson: --runtime nvidia)",
        )
    return f"not reachable: {gpu.error}", "install or repair NVIDIA's driver (nvidia-smi must list the GPU)"


def in_container() -> bool:
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def wrong_wheel(gpu: Gpu, interpreter: Interpreter) -> tuple[str, str] | None:
    """(what, fix) when the driver works and the build of torch does not fit it."""
    torch, python = interpreter.torch, interpreter.executable
    speaks = "CUDA {}.{}".format(*gpu.cuda) if gpu.cuda else "no CUDA"
    driver = f"driver {gpu.driver or 'of unknown version'} ({speaks})"
    if interpreter.torch_cuda is None:
        if gpu.jetson:
            fix = (
                "install the torch and torchvision wheels that NVIDIA builds for your JetPack, then run again"
            )
        else:
            fix = f"install the build for CUDA of torch and torchvision into {python}: {WHERE_WHEELS}"
        return f"torch {torch} was built without CUDA; {driver}", fix
    wheel = tuple(int(part) for part in interpreter.torch_cuda.split(".")[:2])
    built = f"torch {torch} was built for CUDA {interpreter.torch_cuda}"
    if gpu.cuda and gpu.cuda[0] < wheel[0]:
        newer = f"update the driver to {MINIMUM_DRIVER.get(wheel[0], 'a newer one')} or later"
        older = f"or install torch and torchvision for CUDA {gpu.cuda[0]}.x: {WHERE_WHEELS}"
        return f"{built}, which is newer than its {driver}", f"{newer}, {older}"
    if gpu.capability and wheel[0] >= 13 and gpu.capability < CUDA13_CAPABILITY:
        has = "{}.{}".format(*gpu.capability)
        fix = f"install torch and torchvision built for CUDA 12.6: {WHERE_WHEELS}"
        return f"{built}, which left out its compute capability {has}; {driver}", fix
    return None


def try_gpu(gpu: Gpu | None, interpreter: Interpreter) -> Iterator[Finding]:
    """The same asked of torch itself, which has the last word; takes seconds."""
    if gpu is None or interpreter.torch is None:
        return
    usable, said = torch_reaches_gpu(interpreter.executable)
    if not usable:
        speaks = "CUDA {}.{}".format(*gpu.cuda) if gpu.cuda else "no CUDA"
        versions = (
            f"driver {gpu.driver} ({speaks}), torch {interpreter.torch} (CUDA {interpreter.torch_cuda})"
        )
        yield Finding(
            "gpu",
            f"{gpu.name} is there, but torch cannot use it: {versions}",
            f"training would run on the CPU; torch says: {said or 'nothing'}",
            f"install torch and torchvision for the driver's CUDA, or update the driver: {WHERE_WHEELS}",
        )


def examine(
    interpreter: Interpreter, machine: Machine, needs: Sequence[Need], own_environment: bool
) -> list[Finding]:
    """All that can be found in a second. ``own_environment``: one will be made in .venv with this Python."""
    findings = list(check_python(interpreter))
    findings += check_installer(interpreter, machine) if own_environment else check_packages(interpreter)
    findings += check_disk(needs)
    findings += check_memory(machine)
    findings += check_compiler(interpreter, machine)
    findings += check_gpu(machine.gpu, interpreter)
    return findings


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.doctor",
        description="Looks for what would stop or slow the work: Python, disk, memory, /dev/shm, compiler, GPU.",
        epilog="Exit status 1 only for a finding that stops the work (STOP); notes leave it at 0.",
    )
    parser.add_argument(
        "--python", default=None, help="the Python to look at (default: .venv's, else this one)"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("coco-data"), help="where the data will go (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="do not import torch to try the GPU")
    parser.add_argument(
        "--json", action="store_true", help="print what was looked at and the findings as JSON"
    )
    return parser


def default_python() -> str:
    own = REPOSITORY / ".venv" / "bin" / "python"
    return str(own) if os.access(own, os.X_OK) else sys.executable


NO_ENVIRONMENT = Finding(
    "environment",
    "nothing is installed for this project yet",
    "training and the stages need the libraries of requirements.txt",
    "./setup_coco.sh makes .venv (or: python -m tools.environment); then: source .venv/bin/activate",
)


@dataclass(frozen=True)
class Report:
    """What was looked at (name → value), and what of it is not as it should be."""

    looked_at: dict[str, str]
    findings: list[Finding]


def examine_default(arguments: argparse.Namespace) -> Report:
    python = arguments.python or default_python()
    interpreter = read_interpreter(python, required_distributions())
    if interpreter is None:
        fix = "name one that does: --python /usr/bin/python3.11"
        return Report({}, [Finding("python", f"{python} does not start", "nothing can run", fix, stops=True)])
    machine = read_machine()
    own_environment = interpreter.torch is None and not arguments.python
    needs = [Need(REPOSITORY, ENVIRONMENT_BYTES, "the environment")] if own_environment else []
    needs.append(Need(arguments.root, GB, "any data at all"))
    findings = examine(interpreter, machine, needs, own_environment)
    if own_environment:
        findings.append(NO_ENVIRONMENT)
    folders = dict.fromkeys(nearest_existing(folder) for folder in (REPOSITORY, arguments.root))
    facts = looked_at(interpreter, machine, list(folders), gigabytes)
    if not arguments.quick and machine.gpu and interpreter.torch:
        tried = list(try_gpu(machine.gpu, interpreter))
        facts["torch"] += ", cannot use the GPU" if tried else ", uses the GPU"
        findings += [] if any(finding.name == "gpu" for finding in findings) else tried
    return Report(facts, findings)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    report = examine_default(arguments)
    if arguments.json:
        print(json.dumps(asdict(report), indent=1))
    else:
        print("\n".join(f"{name + ':':14} {value}" for name, value in report.looked_at.items()))
        print("\n".join(map(str, report.findings)) or "doctor: no problem found")
    return 1 if any(finding.stops for finding in report.findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())
