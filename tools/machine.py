"""What this machine has: this Python, memory, a compiler, a GPU. Facts only; ``tools.doctor`` judges them.

Runs with the standard library alone and never imports torch: it reads the version that torch
wrote into its own ``version.py`` and asks the driver through ``libcuda``, in tenths of a second instead of seconds.
"""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.doctor")

import contextlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vision.messages.imports import not_installed

# Asks the driver, in a process of its own, since a broken driver can hang or crash the one that asks. 75, 76: the
# major and minor number of the compute capability (CUdevice_attribute in cuda.h).
DRIVER_PROBE = r"""
import ctypes, json
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    print(json.dumps({"error": str(error)}))
    raise SystemExit
code, version, name, device = cuda.cuInit(0), ctypes.c_int(0), ctypes.create_string_buffer(100), ctypes.c_int(0)
cuda.cuDriverGetVersion(ctypes.byref(version))
said = {"error": "cuInit returned error %d" % code if code else None, "cuda": version.value}
if not code and not cuda.cuDeviceGet(ctypes.byref(device), 0):
    parts = [ctypes.c_int(0), ctypes.c_int(0)]
    for part, attribute in zip(parts, (75, 76)):
        cuda.cuDeviceGetAttribute(ctypes.byref(part), attribute, device)
    cuda.cuDeviceGetName(name, 100, device)
    said.update(name=name.value.decode(), capability=[part.value for part in parts])
print(json.dumps(said))
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
NO_GPU = "none found (no driver in /proc, no NVIDIA device on PCI, no Jetson): training runs on the CPU, tens of times slower"


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
    """This Python, which torch it would import (None: none), and the rest; bytes, None where the machine does not say.

    * installers: those of venv, ensurepip, pip and uv that are there; missing: names of requirements.txt that are not
    """

    python: str
    version: tuple[int, int, int]
    installers: tuple[str, ...]
    system: str
    cores: int = 1
    memory: int | None = None
    shared_memory: int | None = None
    compiler: str | None = None
    headers: bool = True
    gpu: Gpu | None = None
    torch: str | None = None
    torch_cuda: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def release(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def minor(self) -> str:
        return "{}.{}".format(*self.version)


def read_machine() -> Machine:
    shm = Path("/dev/shm")
    torch, torch_cuda = installed_torch()
    there = [name for name in ("venv", "ensurepip", "pip") if find_spec(name)]
    return Machine(
        python=sys.executable,
        version=sys.version_info[:3],
        installers=tuple(there + (["uv"] if shutil.which("uv") else [])),
        system=f"{platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=read_memory(),
        shared_memory=shutil.disk_usage(shm).total if shm.is_dir() else None,
        compiler=next(filter(None, map(shutil.which, ["c++", "g++", "clang++"])), None),
        headers=Path(sysconfig.get_paths()["include"], "Python.h").is_file(),
        gpu=read_gpu(),
        torch=torch,
        torch_cuda=torch_cuda,
        missing=tuple(not_installed()),
    )


def installed_torch() -> tuple[str | None, str | None]:
    """Its version and that of CUDA that it was built for."""
    spec = find_spec("torch")
    if spec is None or not spec.origin:
        return None, None
    text = read_text(Path(spec.origin).with_name("version.py"))
    version = re.search(r"^__version__ = '([^']+)'", text, re.M)
    cuda = re.search(r"^cuda[^=]*= '([^']+)'", text, re.M)
    return version[1] if version else "?", cuda[1] if cuda else None


def torch_that_stays(pins: str) -> str:
    """The version of a torch that somebody put here instead of the one in the file ``pins`` (Jetson, older driver).

    A build without CUDA never is that of the pins: its libraries would be fetched for nothing. Empty where there is none.
    """
    version, cuda = installed_torch()
    pin = re.search(r"^torch==([^\s;]+)", read_text(pins), re.M)
    pinned = pin and cuda and version and pin[1] == version.partition("+")[0]
    return "" if pinned else version or ""


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


def read_text(path: str | Path) -> str:
    """The text of a small system file; empty when there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").replace("\0", "")
    except OSError:
        return ""


def read_gpu() -> Gpu | None:
    """The first NVIDIA GPU: by its driver, by its board (Jetson), or by PCI where no driver is loaded."""
    said = run_probe(DRIVER_PROBE, seconds=30) or {"error": "the CUDA driver does not answer"}
    board = read_text("/proc/device-tree/model")
    jetson = "jetson" in board.lower() or Path("/etc/nv_tegra_release").exists()
    kernel = re.search(r"Kernel Module.*?(\d{3,}\.\d+(?:\.\d+)?)", read_text("/proc/driver/nvidia/version"))
    if not (jetson or kernel or "name" in said or on_pci()):
        return None
    number = said.get("cuda") or 0
    return Gpu(
        name=board or "NVIDIA Jetson" if jetson else said.get("name", "NVIDIA GPU"),
        driver=kernel[1] if kernel else None,
        cuda=(number // 1000, number % 1000 // 10) if number else None,
        capability=tuple(said["capability"]) if "capability" in said else None,
        jetson=jetson,
        error=said["error"],
    )


def on_pci(devices: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Whether a display or compute device (class 03) of NVIDIA (10de) is plugged in, with or without a driver."""
    return any(
        read_text(one / "vendor").strip() == "0x10de" and read_text(one / "class").startswith("0x03")
        for one in (devices.iterdir() if devices.is_dir() else ())
    )


def torch_reaches_gpu() -> tuple[bool, str]:
    """Imports torch (seconds) and adds two numbers on the GPU: did it work, and what was said."""
    answer = run_probe(TORCH_PROBE, seconds=120) or {"usable": False, "said": "importing torch failed"}
    return answer["usable"], answer["said"]


def run_probe(code: str, seconds: float) -> dict | None:
    """What ``code`` printed as JSON, run by this Python in a process of its own, or None when it could not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, check=False
        )
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None


# ---------------------------------------------------------------- for people


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def looked_at(machine: Machine, folders: list[Path]) -> dict[str, str]:
    """Name → value, a line each, whether or not anything is wrong with it. ``folders``: whose disks are of interest."""
    soft, hard = (
        "no limit" if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    absent = [f"no {name}" for name in ("venv", "ensurepip", "pip", "uv") if name not in machine.installers]
    facts = {
        "Python": f"{machine.release}, {machine.python}",
        "installers": ", ".join([*machine.installers, *absent]),
        "compiler": f"{machine.compiler or 'no C++ compiler'}; Python.h {'there' if machine.headers else 'not there'}",
        "system": f"{machine.system}, {machine.cores} core{'' if machine.cores == 1 else 's'}",
        "memory": "not known" if machine.memory is None else gigabytes(machine.memory),
        "/dev/shm": "none" if machine.shared_memory is None else gigabytes(machine.shared_memory),
        **{f"disk of {folder}": f"{gigabytes(shutil.disk_usage(folder).free)} free" for folder in folders},
        "open files": f"{soft} a process, {hard} if asked for",
        "text": f"{sys.stdout.encoding or 'no encoding'} on stdout, file names in {sys.getfilesystemencoding()}",
    }
    # R36 (release), REVISION: 4.0: JetPack 6 is R36, JetPack 5 is R35
    jetpack = read_text("/etc/nv_tegra_release").split("\n")[0].partition(", GCID")[0].lstrip("# ").strip()
    if jetpack or (machine.gpu and machine.gpu.jetson):
        facts["Jetson Linux"] = jetpack or "no release file (/etc/nv_tegra_release)"
    facts["GPU"] = describe_gpu(machine.gpu)
    built = f"CUDA {machine.torch_cuda}" if machine.torch_cuda else "built without CUDA"
    facts["torch"] = f"{machine.torch}, {built}" if machine.torch else "not installed"
    return facts


def describe_gpu(gpu: Gpu | None) -> str:
    parts = [NO_GPU]
    if gpu is not None:
        speaks = "CUDA up to {}.{}".format(*gpu.cuda) if gpu.cuda else "no CUDA"
        parts = [gpu.name, f"driver {gpu.driver or 'not known'}", speaks]
        parts += ["compute capability {}.{}".format(*gpu.capability)] if gpu.capability else []
        parts += [f"not reachable: {gpu.error}"] if gpu.error else []
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return ", ".join(parts + ([] if hidden is None else [f"CUDA_VISIBLE_DEVICES={hidden!r}"]))
