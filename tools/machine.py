"""What this machine has: a Python, memory, a compiler, a GPU. Facts only; ``tools.doctor`` judges them.

Runs with the standard library alone and never imports torch: it reads the version that torch
wrote into its own ``version.py`` and asks the driver through ``libcuda``, in tenths of a second instead of seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Run by the interpreter that is looked at, with the names of the distributions to look for as arguments.
INTERPRETER_PROBE = r"""
import importlib.util, json, os, re, sys, sysconfig
try:
    from importlib import metadata
except ImportError:
    metadata = None
def there(name):
    return importlib.util.find_spec(name) is not None
def missing(names):
    out = []
    for name in names:
        try:
            metadata.version(name)
        except Exception:
            out.append(name)
    return out
def torch_cuda():
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return None, None
    try:
        with open(os.path.join(os.path.dirname(spec.origin), "version.py")) as file:
            text = file.read()
    except OSError:
        return "?", None
    version = re.search(r"^__version__ = '([^']+)'", text, re.M)
    cuda = re.search(r"^cuda[^=]*= '([^']+)'", text, re.M)
    return (version.group(1) if version else "?"), (cuda.group(1) if cuda else None)
version, cuda = torch_cuda()
print(json.dumps({
    "executable": sys.executable,
    "version": list(sys.version_info[:3]),
    "venv": there("venv"),
    "ensurepip": there("ensurepip"),
    "pip": there("pip"),
    "headers": os.path.isfile(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
    "torch": version,
    "torch_cuda": cuda,
    "missing": missing(sys.argv[1:]),
}))
"""

# Asks the driver, in a process of its own, since a broken driver can hang or crash the one that asks.
DRIVER_PROBE = r"""
import ctypes, json
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    print(json.dumps({"error": str(error)}))
    raise SystemExit
code = cuda.cuInit(0)
version = ctypes.c_int(0)
cuda.cuDriverGetVersion(ctypes.byref(version))
print(json.dumps({"error": "cuInit returned error %d" % code if code else None, "cuda": version.value}))
"""

TORCH_PROBE = r"""
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        import torch
        usable = torch.cuda.is_available()
        if usable:
            torch.ones(1, device="cuda").add_(1).cpu()
        error = None
    except Exception as problem:
        usable, error = False, "%s: %s" % (type(problem).__name__, problem)
said = error or " ".join(str(warning.message) for warning in caught)
print(json.dumps({"usable": usable, "said": " ".join(said.split())}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python: where it is, what it can do, and which torch it would import (None: none)."""

    executable: str
    version: tuple[int, int, int]
    venv: bool = True
    ensurepip: bool = True
    pip: bool = True
    headers: bool = True
    torch: str | None = None
    torch_cuda: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def release(self) -> str:
        return ".".join(str(part) for part in self.version)


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU that the kernel or the board shows; whether a program can reach it is ``error is None``."""

    name: str
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    capability: tuple[int, int] | None = None
    jetson: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Machine:
    """Everything else; bytes, None where the machine does not say."""

    system: str
    memory: int | None
    shared_memory: int | None
    compiler: str | None
    uv: str | None
    gpu: Gpu | None = None
    cores: int = 1


def run_probe(python: str, code: str, arguments: tuple[str, ...] = (), seconds: float = 60) -> dict | None:
    """What ``code`` printed as JSON when ``python`` ran it, or None when it could not."""
    command = [python, "-c", code, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None


def read_interpreter(python: str, distributions: tuple[str, ...] = ()) -> Interpreter | None:
    """Looks at the Python that the command ``python`` starts; None when it does not start.

    A name on PATH proves nothing: the shims of pyenv exist for every version that any project installed.
    """
    path = shutil.which(python)
    facts = run_probe(path, INTERPRETER_PROBE, distributions) if path else None
    if facts is None:
        return None
    facts["version"] = tuple(facts["version"])
    facts["missing"] = tuple(facts["missing"])
    return Interpreter(**facts)


def read_machine() -> Machine:
    shm = Path("/dev/shm")
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        memory=read_memory(),
        shared_memory=shutil.disk_usage(shm).total if shm.is_dir() else None,
        compiler=next(filter(None, map(shutil.which, ["c++", "g++", "clang++"])), None),
        uv=shutil.which("uv"),
        gpu=read_gpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )


def read_memory() -> int | None:
    """Bytes of memory this process may use: the machine's, or the container's limit when that is smaller."""
    limits: list[int] = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = read_text(limit).strip()
        if text.isdigit():
            limits.append(int(text))
    return min(limits) if limits else None


def read_text(path: str) -> str:
    """The text of a small system file; empty when there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").replace("\0", "")
    except OSError:
        return ""


def read_gpu() -> Gpu | None:
    """The first NVIDIA GPU, by its board (Jetson), by nvidia-smi, or by the driver's entry in /proc."""
    board = read_text("/proc/device-tree/model")
    if "jetson" in board.lower() or Path("/etc/nv_tegra_release").exists():
        return ask_driver(Gpu(name=board or "NVIDIA Jetson", jetson=True))
    listed = ask_nvidia_smi()
    kernel = re.search(r"Kernel Module.*?(\d{3,}\.\d+(?:\.\d+)?)", read_text("/proc/driver/nvidia/version"))
    if listed is None and kernel is None:
        return None
    gpu = listed or Gpu(name="NVIDIA GPU", driver=kernel.group(1) if kernel else None)
    return ask_driver(gpu)


def ask_nvidia_smi() -> Gpu | None:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    query = [smi, "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Gpu(name="NVIDIA GPU", error="nvidia-smi does not answer")
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode:
        return None if "No devices were found" in said else Gpu(name="NVIDIA GPU", error=said[:200])
    return parse_nvidia_smi(done.stdout)


def parse_nvidia_smi(text: str) -> Gpu | None:
    """``NVIDIA H100 80GB HBM3, 580.159.04, 9.0`` → Gpu; old drivers print ``[N/A]`` for the last."""
    fields = [part.strip() for part in text.strip().splitlines()[0].split(",")] if text.strip() else []
    if len(fields) < 2:
        return None
    capability = re.match(r"(\d+)\.(\d+)$", fields[2]) if len(fields) > 2 else None
    pair = (int(capability.group(1)), int(capability.group(2))) if capability else None
    return Gpu(name=fields[0], driver=fields[1], capability=pair)


def ask_driver(gpu: Gpu) -> Gpu:
    """``gpu`` with the newest CUDA its driver speaks, and the reason when it cannot be reached."""
    said = run_probe(sys.executable, DRIVER_PROBE, seconds=30) or {"error": "the CUDA driver does not answer"}
    version = said.get("cuda") or 0
    cuda = (version // 1000, version % 1000 // 10) if version else None
    return Gpu(gpu.name, gpu.driver, cuda, gpu.capability, gpu.jetson, gpu.error or said["error"])


def torch_reaches_gpu(python: str) -> tuple[bool, str]:
    """Imports torch in ``python`` (seconds) and adds two numbers on the GPU: did it work, and what was said."""
    answer = run_probe(python, TORCH_PROBE, seconds=120) or {
        "usable": False,
        "said": "importing torch failed",
    }
    return answer["usable"], answer["said"]


if __name__ == "__main__":
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.doctor")
