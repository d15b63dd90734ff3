"""Facts about this machine, held against other ways to learn them; each has its line for people."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tools import machine
from tools.machine import Gpu, Machine, describe_gpu, looked_at, read_machine, torch_that_stays

PYTHON = Machine("/usr/bin/python3.10", (3, 10, 12), ("venv", "pip"), "Linux x86_64")


def test_it_is_the_python_that_runs_here() -> None:
    found = read_machine()
    assert (found.python, found.version) == (sys.executable, sys.version_info[:3])
    assert (found.torch or "").partition("+")[0] == metadata.version("torch").partition("+")[0]
    torch = pytest.importorskip("torch")
    assert found.torch_cuda == torch.version.cuda


@pytest.mark.parametrize(
    ("torch", "stays"),
    [
        (("9.0.0+cu132", "13.2"), ""),
        (("9.0.0+cpu", None), "9.0.0+cpu"),
        (("2.11.0+nv26.1", "12.6"), "2.11.0+nv26.1"),
        ((None, None), ""),
    ],
)
def test_a_torch_of_another_build_stays(
    torch: tuple, stays: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pins.txt").write_text("numpy==2.4.6\ntorch==9.0.0 ; platform_machine == 'x86_64'\n")
    monkeypatch.setattr(machine, "installed_torch", lambda: torch)
    assert torch_that_stays(str(tmp_path / "pins.txt")) == stays
    assert torch_that_stays("") == (torch[0] or ""), "there are no pins for this Python"


def test_memory_is_at_most_what_the_kernel_has() -> None:
    found = read_machine()
    assert found.memory is not None
    assert 10**8 < found.memory <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found.cores >= 1


def test_memory_obeys_the_limit_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read_text", lambda path: "1048576\n" if path.endswith("memory.max") else "")
    assert machine.read_memory() == 1048576
    monkeypatch.setattr(machine, "read_text", lambda path: "max\n")
    assert (machine.read_memory() or 0) > 1048576


def test_gpu_by_the_entry_of_the_driver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no libcuda to load: the driver's version and the reason are told."""
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"
    monkeypatch.setattr(machine, "read_text", lambda path: line if "nvidia/version" in path else "")
    monkeypatch.setattr(machine, "on_pci", lambda: False)
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": "libcuda.so.1: cannot open"})
    assert machine.read_gpu() == Gpu("NVIDIA GPU", "535.104.05", error="libcuda.so.1: cannot open")
    said = {"error": None, "cuda": 12020, "name": "NVIDIA H100", "capability": [9, 0]}
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: said)
    assert machine.read_gpu() == Gpu("NVIDIA H100", "535.104.05", (12, 2), (9, 0))


def test_a_jetson_is_known_by_its_board(monkeypatch: pytest.MonkeyPatch) -> None:
    model = "NVIDIA Jetson Orin Nano Developer Kit"
    monkeypatch.setattr(machine, "read_text", lambda path: model if "device-tree" in path else "")
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": None, "cuda": 12060})
    assert machine.read_gpu() == Gpu(model, cuda=(12, 6), jetson=True)


def test_a_gpu_without_any_driver_is_seen_on_pci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, vendor, kind in (
        ("a", "0x10de", "0x030200"),
        ("b", "0x10de", "0x068000"),
        ("c", "0x1002", "0x030000"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert machine.on_pci(tmp_path)
    shutil.rmtree(tmp_path / "a")
    assert not machine.on_pci(tmp_path) and not machine.on_pci(tmp_path / "none")
    monkeypatch.setattr(machine, "read_text", lambda path: "")
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": "libcuda.so.1: cannot open"})
    for there in (True, False):
        monkeypatch.setattr(machine, "on_pci", lambda there=there: there)
        assert (machine.read_gpu() is not None) is there


LIBCUDA = """
#include <string.h>
int cuInit(unsigned flags) { return flags; }
int cuDriverGetVersion(int *version) { *version = 13010; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7; return number; }
int cuDeviceGetAttribute(int *value, int what, int device) { *value = what == 75 ? device + 1 : what == 76 ? 9 : -1; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, device == 7 ? "NVIDIA L4" : "", size); return 0; }
"""


def test_the_driver_is_asked_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library with the five functions, in the signatures of cuda.h."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    (tmp_path / "cuda.c").write_text(LIBCUDA)
    library = ["-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "cuda.c")]
    subprocess.run(["cc", "-shared", "-fPIC", *library], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = machine.read_gpu()
    assert found is not None and (found.name, found.cuda, found.capability, found.error) == (
        "NVIDIA L4",
        (13, 1),
        (8, 9),
        None,
    )


def test_a_driver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DRIVER_PROBE", "import os; os.abort()")
    monkeypatch.setattr(machine, "on_pci", lambda: True)
    found = machine.read_gpu()
    assert found is not None and found.error == "the CUDA driver does not answer"


# ---------------------------------------------------------------- for people


def test_all_of_it_is_listed(tmp_path: Path) -> None:
    facts = looked_at(
        Machine("/p", (3, 10, 12), ("venv", "pip"), "Linux x86_64", 1, 8 * 10**9, 64 << 20, "/usr/bin/g++", torch="2.5.1+cu124", torch_cuda="12.4"),
        [tmp_path],
    )  # fmt: skip
    assert facts["Python"] == "3.10.12, /p"
    assert facts["installers"] == "venv, pip, no ensurepip, no uv"
    assert facts["compiler"] == "/usr/bin/g++; Python.h there"
    assert facts["system"] == "Linux x86_64, 1 core"
    assert (facts["memory"], facts["/dev/shm"]) == ("8.0 GB", "67 MB")
    free = shutil.disk_usage(tmp_path).free
    assert abs(float(facts[f"disk of {tmp_path}"].split()[0]) * 1e9 - free) < 0.02 * free + 1e9
    assert " a process, " in facts["open files"] and " on stdout, " in facts["text"]
    assert facts["torch"] == "2.5.1+cu124, CUDA 12.4"


def test_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    facts = looked_at(PYTHON, [])
    assert (facts["memory"], facts["/dev/shm"], facts["torch"]) == ("not known", "none", "not installed")
    assert facts["compiler"].startswith("no C++ compiler")
    assert facts["GPU"].startswith("none found") and "training runs on the CPU" in facts["GPU"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert describe_gpu(None).endswith("CUDA_VISIBLE_DEVICES=''")


def test_a_gpu_with_all_that_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu = Gpu("NVIDIA H100", "580.159.04", (13, 0), (9, 0))
    assert describe_gpu(gpu) == "NVIDIA H100, driver 580.159.04, CUDA up to 13.0, compute capability 9.0"
    assert describe_gpu(Gpu("NVIDIA GPU", error="no libcuda")).endswith("no CUDA, not reachable: no libcuda")


def test_the_release_of_a_jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64\n# KERNEL_VARIANT: oot\n"
    monkeypatch.setattr(machine, "read_text", lambda path: line)
    assert looked_at(PYTHON, [])["Jetson Linux"] == "R36 (release), REVISION: 4.0"
