"""Each finding on a machine that has the trouble, and none on one that has not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tools import doctor
from tools.doctor import Need, examine
from tools.machine import Gpu, Machine

GOOD_GPU = Gpu("NVIDIA H100", driver="580.159.04", cuda=(13, 0), capability=(9, 0))
GOOD = Machine(
    "/usr/bin/python3.11", (3, 11, 9), ("venv", "ensurepip", "pip"), "Linux x86_64", 8, 32 * 10**9, 16 * 10**9,
    "/usr/bin/g++", gpu=GOOD_GPU, torch="2.15.0+cu132", torch_cuda="13.2",
)  # fmt: skip


def found(
    machine: Machine = GOOD, needs: Sequence[Need] = (), own_environment: bool = True
) -> dict[str, doctor.Finding]:
    return {one.name: one for one in examine(machine, needs, own_environment)}


def test_nothing_is_found_on_a_good_machine(tmp_path: Path) -> None:
    assert found(needs=[Need(tmp_path, 1, "a byte")]) == {}


def test_a_finding_is_three_lines_what_why_fix() -> None:
    finding = found(replace(GOOD, version=(3, 14, 0)))["python"]
    lines = str(finding).splitlines()
    assert lines[0] == "note: Python 3.14.0 (/usr/bin/python3.11) is newer than what was tested"
    assert [line[:7] for line in lines[1:]] == ["  why: ", "  fix: "] and not finding.stops


def test_python_that_can_make_no_environment() -> None:
    bare = replace(GOOD, installers=("venv",))
    assert "python3.11-venv" in found(bare)["installer"].fix
    assert found(bare)["installer"].stops
    assert not found(replace(GOOD, installers=("venv", "uv")))
    assert not found(replace(GOOD, installers=("venv", "pip")))
    assert "has no venv" in found(replace(GOOD, installers=("ensurepip", "pip")))["installer"].what
    assert "installer" not in found(bare, own_environment=False)


def test_packages_missing_in_a_python_of_the_user() -> None:
    lacking = replace(GOOD, missing=("pycocotools", "albumentations"))
    finding = found(lacking, own_environment=False)["packages"]
    assert "pycocotools, albumentations" in finding.what and not finding.stops
    assert finding.fix.endswith("or run ./setup_coco.sh, which makes .venv with all of it"), (
        "nobody said --no-env"
    )
    assert "packages" not in found(lacking, own_environment=True)


def test_needs_on_one_disk_are_added_up(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    half = Need(tmp_path / "not" / "there" / "yet", free * 6 // 10, "one")
    assert "disk" not in found(needs=[half])
    finding = found(needs=[half, replace(half, folder=tmp_path, purpose="the other")])["disk"]
    assert finding.stops and "for one" in finding.what and "for the other" in finding.what


def test_little_memory_and_a_small_shared_memory() -> None:
    small = replace(GOOD, memory=2 * 10**9, shared_memory=64 * 2**20)
    findings = found(machine=small)
    assert findings["memory"].what.startswith("2.0 GB") and "--shm-size" in findings["shared memory"].fix
    assert not any(finding.stops for finding in findings.values())
    assert not found(machine=replace(GOOD, memory=None, shared_memory=None))


def test_no_compiler_or_no_headers() -> None:
    assert "a C++ compiler not found" in found(replace(GOOD, compiler=None))["compiler"].what
    assert "Python.h" in found(replace(GOOD, headers=False))["compiler"].what


GPU_TROUBLE = {
    "driver too old": (GOOD, replace(GOOD_GPU, driver="535.104", cuda=(12, 2)), ["535.104", "CUDA 12.2", "CUDA 13.2", "580.65"]),
    "built without CUDA": (replace(GOOD, torch_cuda=None), GOOD_GPU, ["without CUDA", "580.159.04", "pytorch.org"]),
    "GPU too old": (GOOD, replace(GOOD_GPU, capability=(6, 1)), ["compute capability 6.1", "CUDA 12.6"]),
    "no driver": (GOOD, replace(GOOD_GPU, cuda=None, error="libcuda.so.1: no such file"), ["libcuda.so.1"]),
    "Jetson": (replace(GOOD, torch_cuda=None), Gpu("NVIDIA Jetson Orin", cuda=(12, 6), jetson=True), ["JetPack"]),
}  # fmt: skip


@pytest.mark.parametrize("trouble", GPU_TROUBLE)
def test_gpu_that_the_installed_torch_cannot_use(trouble: str) -> None:
    machine, gpu, expected = GPU_TROUBLE[trouble]
    finding = found(replace(machine, gpu=gpu))["gpu"]
    assert all(word in str(finding) for word in expected), str(finding)
    assert not finding.stops


def test_gpu_is_no_trouble_when_it_fits_or_torch_is_not_there_yet() -> None:
    assert not found(GOOD)  # a driver runs any wheel of its CUDA major version
    assert not found(replace(GOOD, gpu=None))
    assert not found(replace(GOOD, torch=None, gpu=replace(GOOD_GPU, cuda=(11, 4))))


def test_torch_has_the_last_word_about_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "torch_reaches_gpu", lambda: (False, "CUDA initialization: unknown error"))
    (finding,) = doctor.try_gpu(GOOD)
    assert "CUDA initialization: unknown error" in finding.why and "580.159.04" in finding.what
    monkeypatch.setattr(doctor, "torch_reaches_gpu", lambda: (True, ""))
    assert not list(doctor.try_gpu(GOOD))


def test_command_prints_json_and_its_exit_status_says_whether_work_stops(
    tmp_path: Path, repository: Path
) -> None:
    command = [sys.executable, "-m", "tools.doctor", "--quick", "--json", "--root", str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    findings = report["findings"]
    assert report["looked_at"]["Python"].startswith("{}.{}.".format(*sys.version_info[:2]))
    assert done.returncode == int(any(finding["stops"] for finding in findings))
    missing = subprocess.run(
        [*command, "--python", str(tmp_path / "none")],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 1
    assert [(one["name"], one["stops"]) for one in json.loads(missing.stdout)["findings"]] == [
        ("python", True)
    ]


def test_another_python_looks_at_itself(
    tmp_path: Path, repository: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    assert doctor.main(["--quick", "--python", str(other), "--root", str(tmp_path)]) == 0
    assert f"disk of {tmp_path}:" in capfd.readouterr().out


BOOTSTRAP = ("doctor", "setup")


@pytest.mark.parametrize("name", BOOTSTRAP)
def test_what_runs_before_the_install_needs_nothing_installed(name: str, repository: Path) -> None:
    """Answers in an interpreter that sees the standard library and this repository, and no package."""
    command = [sys.executable, "-S", "-m", f"tools.{name}", "--help"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
