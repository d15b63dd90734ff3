"""What ``tools.doctor`` looked at, with values: a line each, whether or not anything is wrong with it."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.machine import Gpu, Interpreter, Machine, read_text

NO_GPU = "none found (no nvidia-smi, no driver in /proc, no Jetson): training runs on the CPU, tens of times slower"


def looked_at(
    interpreter: Interpreter, machine: Machine, folders: Sequence[Path], size: Callable[[float], str]
) -> dict[str, str]:
    """Name → value, for people. ``folders``: whose disks are of interest (there already); ``size``: bytes as text."""
    facts = {
        "Python": f"{interpreter.release}, {interpreter.executable}",
        "installers": installers(interpreter, machine),
        "compiler": f"{machine.compiler or 'no C++ compiler'}; Python.h {'there' if interpreter.headers else 'not there'}",
        "system": f"{machine.system}, {machine.cores} core{'' if machine.cores == 1 else 's'}",
        "memory": "not known" if machine.memory is None else size(machine.memory),
        "/dev/shm": "none" if machine.shared_memory is None else size(machine.shared_memory),
    }
    for folder in folders:
        facts[f"disk of {folder}"] = f"{size(shutil.disk_usage(folder).free)} free"
    facts["open files"] = "{} a process, {} if asked for".format(
        *map(limit, resource.getrlimit(resource.RLIMIT_NOFILE))
    )
    facts["text"] = (
        f"{sys.stdout.encoding or 'no encoding'} on stdout, file names in {sys.getfilesystemencoding()}"
    )
    release = jetpack_line()
    if release or (machine.gpu and machine.gpu.jetson):
        facts["Jetson Linux"] = release or "no release file (/etc/nv_tegra_release)"
    facts["GPU"] = describe_gpu(machine.gpu)
    facts["torch"] = describe_torch(interpreter)
    return facts


def installers(interpreter: Interpreter, machine: Machine) -> str:
    there = [name for name in ("venv", "ensurepip", "pip") if getattr(interpreter, name)]
    there += [f"uv ({machine.uv})"] if machine.uv else []
    absent = [name for name in ("venv", "ensurepip", "pip") if not getattr(interpreter, name)]
    return ", ".join(there + [f"no {name}" for name in absent + ([] if machine.uv else ["uv"])])


def limit(number: int) -> str:
    return "no limit" if number == resource.RLIM_INFINITY else str(number)


def jetpack_line() -> str:
    """``R36 (release), REVISION: 4.0``: JetPack 6 is R36, JetPack 5 is R35. Empty where there is no such file."""
    return read_text("/etc/nv_tegra_release").split("\n")[0].partition(", GCID")[0].lstrip("# ").strip()


def describe_gpu(gpu: Gpu | None) -> str:
    if gpu is None:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        return NO_GPU if hidden is None else f"{NO_GPU}; CUDA_VISIBLE_DEVICES={hidden!r}"
    parts = [gpu.name, f"driver {gpu.driver or 'not known'}"]
    parts.append("CUDA up to {}.{}".format(*gpu.cuda) if gpu.cuda else "no CUDA")
    if gpu.capability:
        parts.append("compute capability {}.{}".format(*gpu.capability))
    if gpu.error:
        parts.append(f"not reachable: {gpu.error}")
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        parts.append(f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']!r}")
    return ", ".join(parts)


def describe_torch(interpreter: Interpreter) -> str:
    if interpreter.torch is None:
        return "not installed"
    return f"{interpreter.torch}, " + (
        f"CUDA {interpreter.torch_cuda}" if interpreter.torch_cuda else "built without CUDA"
    )
