"""Says what this machine has, and what of it would stop the work or slow it down: what, why and how to fix it.

    python -m tools.doctor            everything, with a real test of the GPU (imports torch: seconds)
    python -m tools.doctor --quick    without that test
    python -m tools.doctor --json     for programs

Runs with the standard library alone, so that it can complain about the rest.
Exit status: 0 = nothing stops the work (slower or narrower things may still be listed), 1 = something does.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard(only_prints=True)

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.machine import Gpu, Machine, gigabytes, looked_at, read_machine, torch_reaches_gpu
from vision.messages.advice import quoted
from vision.messages.command_line import Parser
from vision.messages.supported_python import NEWEST

REPOSITORY = Path(__file__).resolve().parents[1]
OWN_PYTHON = REPOSITORY / ".venv" / "bin" / "python"
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
        return f"{'STOP' if self.stops else 'note'}: {self.what}\n  why: {self.why}\n  fix: {self.fix}"


@dataclass(frozen=True)
class Need:
    """Room that something will take: ``size`` bytes below ``folder`` (which need not exist yet)."""

    folder: Path
    size: int
    purpose: str


def check_python(machine: Machine) -> Iterator[Finding]:
    """One that is too old gets its line from ``vision.messages.supported_python``."""
    if machine.version[:2] > NEWEST:
        yield Finding(
            "python",
            f"Python {machine.release} ({machine.python}) is newer than what was tested",
            "3.10 to 3.13 are supported; some libraries may have no build for a newer one",
            "continue and see, or install python3.12 and run again with PYTHON=python3.12",
        )


def check_installer(machine: Machine) -> Iterator[Finding]:
    """An environment needs venv, and something that installs into it: uv, ensurepip or pip."""
    there = set(machine.installers)
    if "venv" not in there or not there - {"venv"}:
        yield Finding(
            "installer",
            f"{machine.python} has no {'ensurepip, pip and uv' if 'venv' in there else 'venv'}",
            "the environment in .venv needs it",
            f"apt install python{machine.minor}-venv, or install uv, or use your own environment: PYTHON=… --no-env",
            stops=True,
        )


def check_packages(machine: Machine, named: str) -> Iterator[Finding]:
    """``named``: what the command line says of the Python to use, such as ``--no-env``; empty where it says nothing."""
    if machine.missing:
        otherwise = (
            f"run without {named}" if named else "run ./setup_coco.sh, which makes .venv with all of it"
        )
        yield Finding(
            "packages",
            f"not installed in {machine.python}: {', '.join(machine.missing)}",
            "code that uses them will fail; requirements.txt says what each is for",
            f"{quoted(machine.python)} -m pip install -r requirements.txt, or {otherwise}",
        )


def check_disk(needs: Sequence[Need]) -> Iterator[Finding]:
    """Needs on the same disk are added up: each may fit alone and not all together."""
    by_disk: dict[int, tuple[Path, list[Need]]] = {}
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
                "the disk would be full before the work ends",
                "free some space, or put the data on another disk: --root /path/on/it",
                stops=True,
            )


def nearest_existing(folder: Path) -> Path:
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


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
            "workers pass batches through it; if it is full they die with a bus error",
            "start the container with --shm-size=2g (or --ipc=host), or train with --workers=0",
        )


def check_compiler(machine: Machine) -> Iterator[Finding]:
    lacking = [] if machine.compiler else ["a C++ compiler"]
    lacking += [] if machine.headers else [f"Python.h of Python {machine.minor}"]
    if lacking:
        yield Finding(
            "compiler",
            f"{' and '.join(lacking)} not found",
            "torch.compile builds code with them; without them training runs slower",
            f"apt install g++ python{machine.minor}-dev",
        )


def check_gpu(machine: Machine) -> Iterator[Finding]:
    """A GPU that the installed torch cannot use. No finding without a GPU, or before torch is installed."""
    if machine.gpu is None or machine.torch is None:
        return
    problem = unreachable(machine.gpu) or wrong_wheel(machine.gpu, machine)
    if problem is not None:
        what, fix = problem
        why = "training would run on the CPU, tens of times slower"
        yield Finding("gpu", f"{machine.gpu.name} is there, but {what}", why, fix)


def unreachable(gpu: Gpu) -> tuple[str, str] | None:
    """(what, fix) when no program at all can reach the GPU."""
    if gpu.error is None:
        return None
    fix = "install or repair NVIDIA's driver (nvidia-smi must list the GPU)"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        fix = "start the container with the GPU: --gpus all (Jetson: --runtime nvidia)"
    return f"not reachable: {gpu.error}", fix


def wrong_wheel(gpu: Gpu, machine: Machine) -> tuple[str, str] | None:
    """(what, fix) when the driver works and the build of torch does not fit it."""
    driver = f"driver {gpu.driver or 'of unknown version'} ({speaks(gpu)})"
    if machine.torch_cuda is None:
        fix = f"install the build for CUDA of torch and torchvision into {machine.python}: {WHERE_WHEELS}"
        if gpu.jetson:
            fix = (
                "install the torch and torchvision wheels that NVIDIA builds for your JetPack, then run again"
            )
        return f"torch {machine.torch} was built without CUDA; {driver}", fix
    wheel = int(machine.torch_cuda.split(".")[0])
    built = f"torch {machine.torch} was built for CUDA {machine.torch_cuda}"
    if gpu.cuda and gpu.cuda[0] < wheel:
        newer = f"update the driver to {MINIMUM_DRIVER.get(wheel, 'a newer one')} or later"
        older = f"or install torch and torchvision for CUDA {gpu.cuda[0]}.x: {WHERE_WHEELS}"
        return f"{built}, which is newer than its {driver}", f"{newer}, {older}"
    if gpu.capability and wheel >= 13 and gpu.capability < CUDA13_CAPABILITY:
        has = "{}.{}".format(*gpu.capability)
        fix = f"install torch and torchvision built for CUDA 12.6: {WHERE_WHEELS}"
        return f"{built}, which left out its compute capability {has}; {driver}", fix
    return None


def speaks(gpu: Gpu) -> str:
    return "CUDA {}.{}".format(*gpu.cuda) if gpu.cuda else "no CUDA"


def try_gpu(machine: Machine) -> Iterator[Finding]:
    """The same asked of torch itself, which has the last word; takes seconds."""
    if machine.gpu is None or machine.torch is None:
        return
    usable, said = torch_reaches_gpu()
    if not usable:
        driver = f"driver {machine.gpu.driver} ({speaks(machine.gpu)})"
        yield Finding(
            "gpu",
            f"{machine.gpu.name} is there, but torch cannot use it: {driver}, torch {machine.torch} (CUDA {machine.torch_cuda})",
            f"training would run on the CPU; torch says: {said or 'nothing'}",
            f"install torch and torchvision for the driver's CUDA, or update the driver: {WHERE_WHEELS}",
        )


def examine(machine: Machine, needs: Sequence[Need], own_environment: bool, named: str = "") -> list[Finding]:
    """All that can be found in a second. ``own_environment``: one will be made in .venv with this Python; ``named``: see
    ``check_packages``."""
    installed = check_installer(machine) if own_environment else check_packages(machine, named)
    rest = (check_disk(needs), check_memory(machine), check_compiler(machine), check_gpu(machine))
    return [finding for check in (check_python(machine), installed, *rest) for finding in check]


def say(findings: Iterable[Finding]) -> bool:
    """Prints the findings; true when one of them stops the work."""
    stops = False
    for finding in findings:
        print(finding, file=sys.stderr, flush=True)
        stops |= finding.stops
    return stops


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.doctor",
        description="Look for what would stop or slow the work: Python, disk, memory, /dev/shm, compiler, GPU.",
        epilog="Exit status 1 only for a finding that stops the work (STOP); notes leave it at 0.",
    )
    parser.add_argument("--python", help="the Python to check (default: .venv's, else this one)")
    parser.add_argument(
        "--root", type=Path, default=Path("coco-data"), help="where the data will go (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="do not import torch to try the GPU")
    parser.add_argument("--json", action="store_true", help="print checks and findings as JSON")
    return parser


NO_ENVIRONMENT = Finding(
    "environment",
    "nothing is installed for this project yet",
    "training and the stages need the libraries of requirements.txt",
    "./setup_coco.sh makes .venv (or: tools/environment.sh); then: source .venv/bin/activate",
)


@dataclass(frozen=True)
class Report:
    """What was looked at (name → value), and what of it is not as it should be."""

    looked_at: dict[str, str]
    findings: list[Finding]


def look(arguments: argparse.Namespace) -> Report:
    """At the Python that runs this and at the machine."""
    machine = read_machine()
    own_environment = machine.torch is None and not arguments.python
    needs = [Need(REPOSITORY, ENVIRONMENT_BYTES, "the environment")] if own_environment else []
    needs.append(Need(arguments.root, GB, "any data at all"))
    findings = examine(machine, needs, own_environment) + ([NO_ENVIRONMENT] if own_environment else [])
    folders = dict.fromkeys(nearest_existing(folder) for folder in (REPOSITORY, arguments.root))
    facts = looked_at(machine, list(folders))
    if not arguments.quick and machine.gpu and machine.torch:
        tried = list(try_gpu(machine))
        facts["torch"] += ", cannot use the GPU" if tried else ", uses the GPU"
        findings += [] if any(finding.name == "gpu" for finding in findings) else tried
    return Report(facts, findings)


def look_from(python: str, words: Sequence[str]) -> int | Finding:
    """The same in another Python, which looks at itself; its exit status."""
    line = [python, "-m", "tools.doctor", *words]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DOCTOR_LOOKS_AT": python}
    try:
        if not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
            return subprocess.run(line, env=environ, check=False).returncode
    except OSError:
        pass
    fix = "name one that does: --python /usr/bin/python3.11"
    return Finding("python", f"{python} does not start", "nothing can run", fix, stops=True)


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = build_parser().parse_args(words)
    python = arguments.python or (str(OWN_PYTHON) if os.access(OWN_PYTHON, os.X_OK) else sys.executable)
    if python in (sys.executable, os.environ.get("DOCTOR_LOOKS_AT")):
        report = look(arguments)
    else:
        found = look_from(python, words)
        if isinstance(found, int):
            return found
        report = Report({}, [found])
    if arguments.json:
        print(json.dumps(asdict(report), indent=1))
    else:
        print("\n".join(f"{name + ':':14} {value}" for name, value in report.looked_at.items()))
        print("\n".join(map(str, report.findings)) or "doctor: no problem found")
    return 1 if any(finding.stops for finding in report.findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())
