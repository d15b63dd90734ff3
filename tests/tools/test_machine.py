"""Facts about this machine, held against other ways to learn them."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tools import machine
from tools.machine import Gpu, parse_nvidia_smi, read_interpreter, read_machine


def test_interpreter_is_the_one_that_runs_here() -> None:
    found = read_interpreter(sys.executable, ("numpy", "no-such-distribution"))
    assert found is not None
    assert found.version == sys.version_info[:3]
    assert found.missing == ("no-such-distribution",)
    assert (found.torch or "").partition("+")[0] == metadata.version("torch").partition("+")[0]


def test_cuda_of_torch_is_read_without_importing_it() -> None:
    torch = pytest.importorskip("torch")
    found = read_interpreter(sys.executable)
    assert found is not None and found.torch_cuda == torch.version.cuda


def test_a_name_that_does_not_start_is_no_python(tmp_path: Path) -> None:
    """As the shims of pyenv are: there on PATH, and no Python behind them."""
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'python3.12: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert read_interpreter(str(shim)) is None
    assert read_interpreter(str(tmp_path / "none")) is None


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "NVIDIA H100 80GB HBM3, 580.159.04, 9.0\n",
            Gpu("NVIDIA H100 80GB HBM3", "580.159.04", capability=(9, 0)),
        ),
        ("Tesla K80, 470.82, [N/A]\nTesla K80, 470.82, [N/A]\n", Gpu("Tesla K80", "470.82")),
        ("", None),
    ],
)
def test_what_nvidia_smi_prints(text: str, expected: Gpu | None) -> None:
    assert parse_nvidia_smi(text) == expected


def test_gpu_by_the_entry_of_the_driver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nvidia-smi, and with no libcuda to load: the driver's version and the reason are told."""
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"
    monkeypatch.setattr(machine, "read_text", lambda path: line if "nvidia" in path else "")
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": "libcuda.so.1: cannot open"})
    assert machine.read_gpu() == Gpu("NVIDIA GPU", "535.104.05", error="libcuda.so.1: cannot open")
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": None, "cuda": 12020})
    assert machine.read_gpu() == Gpu("NVIDIA GPU", "535.104.05", cuda=(12, 2))


def test_a_jetson_is_known_by_its_board(monkeypatch: pytest.MonkeyPatch) -> None:
    model = "NVIDIA Jetson Orin Nano Developer Kit"
    monkeypatch.setattr(machine, "read_text", lambda path: model if "device-tree" in path else "")
    monkeypatch.setattr(machine, "run_probe", lambda *a, **k: {"error": None, "cuda": 12060})
    assert machine.read_gpu() == Gpu(model, cuda=(12, 6), jetson=True)
