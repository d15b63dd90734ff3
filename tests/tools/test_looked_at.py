"""Every fact has its line, with the value of this machine or the words that say that there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import looked_at as module
from tools.doctor import gigabytes
from tools.looked_at import describe_gpu, describe_torch, jetpack_line, looked_at
from tools.machine import Gpu, Interpreter, Machine

PYTHON = Interpreter(
    "/usr/bin/python3.10", (3, 10, 12), ensurepip=False, torch="2.5.1+cu124", torch_cuda="12.4"
)
BARE = Machine("Linux aarch64", None, None, None, None)


def test_all_of_it_is_listed(tmp_path: Path) -> None:
    facts = looked_at(
        PYTHON,
        Machine("Linux x86_64", 8 * 10**9, 64 << 20, "/usr/bin/g++", None, None, 1),
        [tmp_path],
        gigabytes,
    )
    assert facts["Python"] == "3.10.12, /usr/bin/python3.10"
    assert facts["installers"] == "venv, pip, no ensurepip, no uv"
    assert facts["compiler"] == "/usr/bin/g++; Python.h there"
    assert facts["system"] == "Linux x86_64, 1 core"
    assert (facts["memory"], facts["/dev/shm"]) == ("8.0 GB", "67 MB")
    free = shutil.disk_usage(tmp_path).free
    assert abs(float(facts[f"disk of {tmp_path}"].split()[0]) * 1e9 - free) < 0.02 * free + 1e9
    assert facts["torch"] == "2.5.1+cu124, CUDA 12.4"


def test_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    facts = looked_at(PYTHON, BARE, [], gigabytes)
    assert (facts["memory"], facts["/dev/shm"]) == ("not known", "none")
    assert facts["compiler"].startswith("no C++ compiler")
    assert facts["GPU"].startswith("none found") and "training runs on the CPU" in facts["GPU"]
    assert describe_torch(Interpreter("p", (3, 11, 1))) == "not installed"
    assert describe_torch(Interpreter("p", (3, 11, 1), torch="2.5.1+cpu")) == "2.5.1+cpu, built without CUDA"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert describe_gpu(None).endswith("CUDA_VISIBLE_DEVICES=''")


def test_a_gpu_with_all_that_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpu = Gpu("NVIDIA H100", "580.159.04", (13, 0), (9, 0))
    assert describe_gpu(gpu) == "NVIDIA H100, driver 580.159.04, CUDA up to 13.0, compute capability 9.0"
    assert describe_gpu(Gpu("NVIDIA GPU", error="no libcuda")).endswith("no CUDA, not reachable: no libcuda")


def test_the_release_of_a_jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64\n# KERNEL_VARIANT: oot\n"
    monkeypatch.setattr(module, "read_text", lambda path: line)
    assert jetpack_line() == "R36 (release), REVISION: 4.0"
    assert looked_at(PYTHON, BARE, [], gigabytes)["Jetson Linux"] == "R36 (release), REVISION: 4.0"


def test_the_command_prints_a_line_each(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.doctor", "--quick", "--root", str(tmp_path / "not" / "yet")]
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=repository, env=environ, capture_output=True, text=True, check=False)
    for name in (
        "Python:",
        "installers:",
        "memory:",
        "/dev/shm:",
        f"disk of {tmp_path}:",
        "open files:",
        "GPU:",
        "torch:",
    ):
        assert any(line.startswith(name) for line in done.stdout.splitlines()), (name, done.stdout)
