"""The Python environment: finds a Python, makes ``.venv`` with it, and repairs one that was left half made.

    python3 -m tools.environment          makes or checks .venv; prints the path of its Python on stdout
    python3 -m tools.environment --dev    with the tools for tests as well
    PYTHON=/usr/bin/python3 … | --no-env  prints that Python (or the ``python3`` on PATH) and installs nothing

Runs with the standard library alone, before anything is installed; that is why it writes its own stamp instead of
using ``vision.artefacts.files``. Installing takes about 3 GB from the registry, 6.3 GB on disk and half
a minute (uv) to five minutes (pip), nearly all of it torch with its CUDA libraries; with nothing to do it takes a tenth of a second.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    from vision.messages.early import guard

    guard()

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.doctor import check_python
from tools.machine import Interpreter, read_interpreter
from vision.messages.advice import quoted
from vision.messages.command_line import Parser
from vision.messages.imports import required_distributions
from vision.messages.supported_python import NEWEST, OLDEST

REPOSITORY = Path(__file__).resolve().parents[1]
RUN, DEV = "requirements.txt", "requirements-dev.txt"
KEPT = "kept.txt"  # inside .venv: the pin of a torch that was there already
STAMP = "setup.json"  # inside .venv: what is installed there, written last

# Those with exact pins in constraints/ first, the newest of them before the others.
CANDIDATES = ("python3.11", "python3.12", "python3.10", "python3.13")

# What fails first when an install is incomplete or its parts do not fit: torchvision refuses another torch.
TRIAL_IMPORT = "import torch, torchvision, numpy, cv2, onnx, skimage"


class EnvironmentProblem(Exception):
    """No environment can be made: what, why and how to fix it, in three lines."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"STOP: {what}\n  why: {why}\n  fix: {fix}")


def say(text: str) -> None:
    """For people; stdout belongs to the path that scripts read."""
    print(text, file=sys.stderr, flush=True)


def existing_python(environ: Mapping[str, str], distributions: tuple[str, ...] = ()) -> Interpreter:
    """The Python of ``PYTHON=…`` or, with ``--no-env`` alone, the ``python3`` on PATH (an active environment's)."""
    named = environ.get("PYTHON") or "python3"
    found = read_interpreter(named, distributions)
    if found is None:
        raise EnvironmentProblem(
            f"PYTHON={named} does not start",
            "it was named as the Python to use, and nothing else is tried then",
            "name one that starts (PYTHON=/usr/bin/python3.11), or none",
        )
    refuse_python(found)
    return found


def refuse_python(interpreter: Interpreter) -> None:
    """Raises EnvironmentProblem for a Python that is too old; says it of one that is newer than what was tested."""
    for finding in check_python(interpreter):
        if finding.stops:
            raise EnvironmentProblem(finding.what, finding.why, finding.fix)
        say(str(finding))


def find_python(candidates: Sequence[str] | None = None) -> Interpreter:
    """The best Python on this machine to make an environment with: 3.10 to 3.13, able to install into it."""
    commands = candidates or [*CANDIDATES, "python3", *uv_pythons(), sys.executable]
    found = [interpreter for interpreter in map(read_interpreter, commands) if interpreter is not None]
    tested = [one for one in found if OLDEST <= one.version[:2] <= NEWEST]
    able = [one for one in tested if one.venv and (one.ensurepip or one.pip or shutil.which("uv"))]
    usable = able + tested + found  # a Python that is too old is handed to the doctor, who says so
    if not usable:
        raise EnvironmentProblem(
            "no Python starts here",
            f"tried {', '.join(commands)}",
            "install python3.11, or set PYTHON=/path/to/it",
        )
    return usable[0]


def uv_pythons() -> list[str]:
    """A Python in range that uv knows although it is not on PATH."""
    uv = shutil.which("uv")
    if uv is None:
        return []
    ask = [uv, "python", "find", "--no-python-downloads", "--system", ">=3.10,<3.14"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:1] if done.returncode == 0 else []


class Environment:
    """``.venv`` below ``folder``, or one of another ``name``. Its stamp says whether it is complete and of what."""

    def __init__(self, folder: Path = REPOSITORY, name: str = ".venv") -> None:
        self.folder, self.venv = folder, folder / name
        self.python = self.venv / "bin" / "python"
        self.stamp = self.venv / STAMP

    def read_stamp(self) -> dict:
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def write_stamp(self, **facts: object) -> None:
        part = self.stamp.with_suffix(".part")
        part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        part.replace(self.stamp)

    def starts(self) -> bool:
        """False for a missing environment and for one whose base Python went away (a dangling link)."""
        return os.access(self.python, os.X_OK)

    def constraints(self, release: str) -> Path | None:
        """The exact pins and hashes for this version of Python, tests' tools included, where there are any."""
        found = sorted((self.folder / "constraints").glob(f"python{release.rpartition('.')[0]}-*.txt"))
        return found[0] if found else None

    def digest(self, requirements: str, release: str) -> str:
        """Of everything that decides what gets installed for ``requirements``."""
        files = [self.folder / RUN, self.folder / requirements, self.constraints(release)]
        total = hashlib.sha256(release.encode())
        for file in files:
            total.update(file.read_bytes() if file else b"")
        return total.hexdigest()

    def lacks(self, requirements: str) -> str | None:
        """Why something has to be done, or None when ``requirements`` are installed as they are now."""
        stamp = self.read_stamp()
        if not self.venv.exists():
            return f"there is no {self.venv.name} yet"
        if not self.starts():
            return f"the Python that {self.venv.name} was made with is gone"
        if stamp.get("state") == "installing":
            return "the last install was interrupted"
        if not stamp:
            return f"{self.venv.name} was not made by this script"
        if stamp.get("digests", {}).get(requirements) != self.digest(requirements, stamp.get("python", "")):
            return f"{requirements} or its constraints changed, or were not installed yet"
        gone = (
            self.gone(requirements) if stamp.get("ours") else []
        )  # another one may see the system's packages
        return f"{', '.join(gone)} no longer in {self.venv.name}" if gone else None

    def gone(self, requirements: str) -> list[str]:
        """What ``requirements`` name and site-packages has no record of, as after an uninstall by hand."""
        records = self.venv.glob("lib/python*/site-packages/*.dist-info")
        there = {record.name.partition("-")[0].lower() for record in records}
        named = required_distributions(self.folder / requirements)
        return [name for name in named if re.sub(r"[-_.]+", "_", name).lower() not in there]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One install at a time; the lock is on the folder itself and leaves nothing behind."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def ensure(self, base: Interpreter | None = None, dev: bool = False) -> Path:
        """Makes, completes or repairs the environment when it lacks something; returns its Python."""
        requirements = DEV if dev else RUN
        if self.lacks(requirements):
            with self.locked():
                reason = self.lacks(requirements)  # another one may have done it meanwhile
                if reason:
                    say(f"environment: {reason}; installing {requirements} into {self.venv}")
                    self.install(base, requirements)
        return self.python

    def install(self, base: Interpreter | None, requirements: str) -> None:
        stamp = self.read_stamp()
        ours = stamp.get("ours", False) or not self.venv.exists()
        if ours and (stamp.get("state") == "installing" or not self.starts()):
            shutil.rmtree(self.venv, ignore_errors=True)  # half-written packages look installed: start over
        self.venv.mkdir(exist_ok=True)
        self.write_stamp(state="installing", ours=ours, digests={})
        if not self.starts():
            create(base or find_python(), self.venv)
        inside = read_interpreter(str(self.python))
        if inside is None:
            raise EnvironmentProblem(
                f"{self.python} does not start",
                f"{self.venv} was not made by this script and is broken",
                f"remove it (rm -r {quoted(self.venv)}) and run again",
            )
        pins = self.pins(inside)
        fill(inside, base, self.folder / requirements, pins)
        try_imports(self.python)
        whole = pins is not None and pins.name != KEPT  # the pins hold the tools for the tests as well
        done = {
            name: self.digest(name, inside.release) for name in ({RUN, DEV} if whole else {RUN, requirements})
        }
        self.write_stamp(state="complete", ours=ours, python=inside.release, digests=done)

    def pins(self, inside: Interpreter) -> Path | None:
        """The constraints, unless the user put a torch of another build here (Jetson, older driver): it stays."""
        pinned = self.constraints(inside.release)
        if inside.torch is None or (pinned and inside.torch_cuda and pins_torch(pinned, inside.torch)):
            return pinned
        say(f"environment: torch {inside.torch} is installed already and is left alone")
        kept = self.venv / KEPT
        kept.write_text(f"torch=={inside.torch}\n", encoding="utf-8")
        return kept


def create(base: Interpreter, venv: Path) -> None:
    """Without pip: Debian's Python has venv but not ensurepip, and uv needs neither."""
    run([base.executable, "-m", "venv", "--without-pip", str(venv)], "the environment could not be made")


def pins_torch(pinned: Path, version: str) -> bool:
    """Whether this is the torch of the pins; a build without CUDA never is (its libraries would be fetched for nothing)."""
    pin = re.search(r"^torch==([^\s;]+)", pinned.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return pin is not None and pin.group(1) == version.split("+")[0]


def wanted(requirements: Path, pins: Path | None) -> list[str]:
    """The installer's arguments: every file by its digest, or what the ranges allow beside a torch that stays."""
    if pins is None or pins.name == KEPT:
        return ["-r", str(requirements), *(["-c", str(pins)] if pins else [])]
    return ["--require-hashes", "-r", str(pins)]


def fill(inside: Interpreter, base: Interpreter | None, requirements: Path, pins: Path | None) -> None:
    """Installs with uv when it is there (measured: 28 s), else with pip (185 s)."""
    what = wanted(requirements, pins)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    uv = shutil.which("uv")
    if uv is not None:
        command = [uv, "pip", "install", "--python", inside.executable, *quiet, *what]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0:
            return
        say("environment: uv did not succeed (it does not read pip's settings); trying pip")
    pip = pip_for(inside, base)
    run([*pip, "install", *quiet, *what], f"{requirements.name} could not be installed")


def pip_for(inside: Interpreter, base: Interpreter | None) -> list[str]:
    """A pip that installs into the environment: its own, one made by ensurepip, or that of the base Python."""
    if not inside.pip and inside.ensurepip:
        run([inside.executable, "-m", "ensurepip"], "pip could not be put into the environment", quiet=True)
    if inside.pip or inside.ensurepip:
        return [inside.executable, "-m", "pip"]
    outside = base or find_python()
    if outside.pip:
        return [outside.executable, "-m", "pip", "--python", inside.executable]
    version = "{}.{}".format(*inside.version[:2])
    raise EnvironmentProblem(
        f"{outside.executable} has neither ensurepip nor pip, and there is no uv",
        "nothing can install packages into the environment",
        f"apt install python{version}-venv, or install uv",
    )


def run(command: Sequence[str], problem: str, quiet: bool = False) -> None:
    output = subprocess.DEVNULL if quiet else sys.stderr
    done = subprocess.run(command, stdout=output, check=False)
    if done.returncode:
        raise EnvironmentProblem(
            problem,
            f"`{' '.join(command[:5])} …` ended with status {done.returncode}; its own message is above",
            "check the network and the disk and run again; what was fetched is kept in the installer's cache. "
            "Where hashes differ, the index has files of its own: install its torch and torchvision into .venv first",
        )


def try_imports(python: Path) -> None:
    """An install that reports success can still hold a torchvision for another torch."""
    done = subprocess.run([str(python), "-c", TRIAL_IMPORT], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise EnvironmentProblem(
            "the environment is installed and does not import",
            last[:300],
            "torch and torchvision must be builds that belong together; else remove .venv and run again",
        )


def build_parser() -> Parser:
    parser = Parser(
        prog="python3 -m tools.environment",
        description="Makes or repairs .venv and prints the path of its Python. Nothing to do: a tenth of a second.",
        epilog="PYTHON=/path/to/python uses that one as it is and installs nothing.",
    )
    parser.add_argument(
        "--venv", metavar="NAME", help="make this folder instead of .venv, with the Python that runs this"
    )
    parser.add_argument("--dev", action="store_true", help="with the tools that run_tests.sh needs")
    parser.add_argument(
        "--no-env", action="store_true", help="install nothing; use PYTHON=… or the python3 on PATH"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    try:
        if arguments.venv:
            base = read_interpreter(sys.executable)
            python = str(Environment(name=arguments.venv).ensure(base, dev=arguments.dev))
        elif arguments.no_env or os.environ.get("PYTHON"):
            python = existing_python(os.environ).executable
        else:
            python = str(Environment().ensure(dev=arguments.dev))
    except EnvironmentProblem as problem:
        say(str(problem))
        return 1
    print(python)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
