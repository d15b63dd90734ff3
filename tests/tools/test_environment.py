"""The environment is made, recognised, repaired and left alone; with an installer that only writes down its work."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import environment
from tools.environment import (
    DEV,
    KEPT,
    RUN,
    STAMP,
    Environment,
    EnvironmentProblem,
    existing_python,
    find_python,
)
from tools.machine import Interpreter, read_interpreter
from vision.messages.imports import required_distributions


class Installer:
    """Stands in for uv and pip: takes down what it was asked to install, and can be cut off in the middle."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None]] = []
        self.cut_off = False

    def __call__(self, inside: Interpreter, base: object, requirements: Path, pins: Path | None) -> None:
        self.calls.append((requirements.name, pins.name if pins else None))
        if self.cut_off:
            raise KeyboardInterrupt
        venv = Path(inside.executable).parents[1]
        (venv / "bin" / "installed").touch()
        for name in {
            name for file in (RUN, DEV) for name in required_distributions(requirements.with_name(file))
        }:
            site_packages(venv).joinpath(f"{name}-1.0.dist-info").mkdir(exist_ok=True)


def site_packages(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> Installer:
    stand_in = Installer()
    monkeypatch.setattr(environment, "fill", stand_in)
    monkeypatch.setattr(environment, "try_imports", lambda python: None)
    return stand_in


@pytest.fixture
def base() -> Interpreter:
    found = read_interpreter(sys.executable)
    assert found is not None
    return found


@pytest.fixture
def project(tmp_path: Path) -> Environment:
    (tmp_path / RUN).write_text("numpy\n")
    (tmp_path / DEV).write_text("-r requirements.txt\npytest\n")
    (tmp_path / "constraints").mkdir()
    version = "{}.{}".format(*sys.version_info[:2])
    (tmp_path / "constraints" / f"python{version}-torch9.txt").write_text(
        "# pins\nnumpy==2.4.6 \\\n    --hash=sha256:00\ntorch==9.0.0 \\\n    --hash=sha256:00\n"
    )
    return Environment(tmp_path)


def stamp_of(project: Environment) -> dict:
    return json.loads((project.venv / STAMP).read_text())


def test_made_once_and_then_nothing_to_do(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    assert project.lacks(RUN) == "there is no .venv yet"
    python = project.ensure(base)
    version = "{}.{}".format(*sys.version_info[:2])
    assert os.access(python, os.X_OK) and installer.calls == [(RUN, f"python{version}-torch9.txt")]
    assert stamp_of(project)["state"] == "complete"
    project.ensure(base)
    assert len(installer.calls) == 1


@pytest.mark.parametrize("file", [RUN, "constraints"])
def test_changed_requirements_or_pins_are_installed(
    project: Environment, installer: Installer, base: Interpreter, file: str
) -> None:
    project.ensure(base)
    path = project.folder / file
    path = next(path.iterdir()) if path.is_dir() else path
    path.write_text(path.read_text() + "scipy\n")
    assert "changed" in (project.lacks(RUN) or "")
    project.ensure(base)
    assert len(installer.calls) == 2 and project.lacks(RUN) is None
    assert (project.venv / "bin" / "installed").exists()


def test_the_pins_hold_the_tools_for_the_tests_as_well(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    project.ensure(base)
    project.ensure(base, dev=True)
    assert len(installer.calls) == 1 and project.lacks(DEV) is None


def test_what_was_uninstalled_by_hand_comes_back(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    project.ensure(base, dev=True)
    site_packages(project.venv).joinpath("numpy-1.0.dist-info").rmdir()
    assert project.lacks(RUN) == "numpy no longer in .venv" and project.lacks(DEV) is None
    project.ensure(base)
    assert len(installer.calls) == 2 and project.lacks(RUN) is None


@pytest.fixture
def ranges_only(project: Environment) -> Environment:
    """A project without pins for this version of Python."""
    for pins in (project.folder / "constraints").iterdir():
        pins.unlink()
    return project


def test_tools_for_tests_are_added_to_what_is_there(
    ranges_only: Environment, installer: Installer, base: Interpreter
) -> None:
    ranges_only.ensure(base)
    ranges_only.ensure(base, dev=True)
    assert installer.calls == [(RUN, None), (DEV, None)]
    assert ranges_only.lacks(RUN) is None and ranges_only.lacks(DEV) is None


def test_requirements_that_changed_are_not_taken_for_those_of_the_tests(
    ranges_only: Environment, installer: Installer, base: Interpreter
) -> None:
    ranges_only.ensure(base, dev=True)
    (ranges_only.folder / RUN).write_text("numpy\nscipy\n")
    (ranges_only.folder / DEV).write_text("-r requirements.txt\npytest\nruff\n")
    ranges_only.ensure(base)
    assert ranges_only.lacks(DEV) is not None


def test_an_interrupted_install_starts_over(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    """A package whose files were written in part looks installed: only a new environment is certain."""
    installer.cut_off = True
    with pytest.raises(KeyboardInterrupt):
        project.ensure(base)
    (project.venv / "half-written").touch()
    assert project.lacks(RUN) == "the last install was interrupted"
    installer.cut_off = False
    project.ensure(base)
    assert not (project.venv / "half-written").exists() and project.lacks(RUN) is None


def test_an_environment_of_the_user_is_never_removed(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    environment.create(base, project.venv)
    (project.venv / "theirs").touch()
    assert project.lacks(RUN) == ".venv was not made by this script"
    installer.cut_off = True
    with pytest.raises(KeyboardInterrupt):
        project.ensure(base)
    installer.cut_off = False
    project.ensure(base)
    assert (project.venv / "theirs").exists() and project.lacks(RUN) is None


def test_a_python_that_went_away_is_replaced(
    project: Environment, installer: Installer, base: Interpreter
) -> None:
    project.ensure(base)
    project.python.unlink()
    project.python.symlink_to("/nowhere/python3.11")
    assert project.lacks(RUN) == "the Python that .venv was made with is gone"
    project.ensure(base)
    assert project.starts() and project.lacks(RUN) is None


def test_a_torch_of_another_build_is_left_alone(project: Environment, base: Interpreter) -> None:
    project.venv.mkdir()
    of_nvidia = Interpreter("python", base.version, torch="2.11.0+nv26.1")
    kept = project.pins(of_nvidia)
    assert kept is not None and kept.read_text() == "torch==2.11.0+nv26.1\n"
    pinned = project.pins(Interpreter("python", base.version, torch="9.0.0+cu132", torch_cuda="13.2"))
    assert pinned is not None and pinned.parent.name == "constraints"
    without_cuda = project.pins(Interpreter("python", base.version, torch="9.0.0+cpu"))
    assert without_cuda is not None and without_cuda.name == KEPT


TARGETS = [("3.10.12", "2.5.1"), ("3.11.9", "2.15.0"), ("3.12.3", "2.11.0")]


@pytest.mark.parametrize(("release", "torch"), TARGETS)
def test_the_pins_of_this_project(release: str, torch: str, repository: Path) -> None:
    """Each inside the ranges, each with hashes, and nothing that the requirements name left out."""
    requirements = pytest.importorskip("packaging.requirements")
    pins = Environment(repository).constraints(release)
    assert pins is not None and environment.pins_torch(pins, torch)
    text = pins.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    versions = {}
    for line in lines:
        pin, *hashes = line.split(" --hash=")
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64} *", one) for one in hashes), pin
        name, _, version = pin.partition(";")[0].strip().partition("==")
        versions[name] = version
    named = [*(repository / RUN).read_text().splitlines(), *(repository / DEV).read_text().splitlines()]
    for line in (part.split("#")[0].strip() for part in named):
        if line and not line.startswith("-r"):
            wanted = requirements.Requirement(line)
            assert wanted.specifier.contains(versions[wanted.name.lower()]), line


def test_a_python_without_pins_takes_the_ranges(repository: Path) -> None:
    assert Environment(repository).constraints("3.13.0") is None


def test_pip_comes_from_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(environment, "run", lambda command, problem, quiet=False: ran.append(command))
    inside = Interpreter("in", (3, 11, 2), ensurepip=False, pip=False)
    assert environment.pip_for(Interpreter("in", (3, 11, 2), pip=True), None) == ["in", "-m", "pip"]
    assert not ran
    assert environment.pip_for(Interpreter("in", (3, 11, 2), pip=False), None) == ["in", "-m", "pip"]
    assert ran == [["in", "-m", "ensurepip"]]
    assert environment.pip_for(inside, Interpreter("out", (3, 11, 2)))[:4] == ["out", "-m", "pip", "--python"]
    with pytest.raises(EnvironmentProblem, match=r"python3\.11-venv"):
        environment.pip_for(inside, Interpreter("out", (3, 11, 2), pip=False))


def test_uv_is_used_when_it_is_there_and_pip_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    uv = tmp_path / "uv"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pip = [
        sys.executable,
        "-c",
        f"import sys; open({str(log)!r}, 'a').write('pip ' + ' '.join(sys.argv[1:]))",
    ]
    monkeypatch.setattr(environment, "pip_for", lambda inside, base: pip)
    inside = Interpreter(sys.executable, (3, 11, 2))
    for status, expected in ((0, "uv pip install"), (1, "pip install")):
        uv.write_text(f'#!/bin/sh\nprintf "uv %s\\n" "$*" >> {log}\nexit {status}\n')
        uv.chmod(0o755)
        environment.fill(inside, None, tmp_path / RUN, tmp_path / "pins.txt")
        last = log.read_text().splitlines()[-1]
        assert last.startswith(expected) and f"--require-hashes -r {tmp_path / 'pins.txt'}" in last
        environment.fill(inside, None, tmp_path / RUN, tmp_path / KEPT)
        last = log.read_text().splitlines()[-1]
        assert last.startswith(expected) and f"-r {tmp_path / RUN} -c {tmp_path / KEPT}" in last


def test_a_python_in_range_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {
        "old": Interpreter("old", (3, 8, 1)),
        "bare": Interpreter("bare", (3, 11, 1), ensurepip=False, pip=False),
        "good": Interpreter("good", (3, 12, 1)),
    }
    monkeypatch.setattr(environment, "read_interpreter", offered.get)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    assert find_python(["none", "old", "bare", "good"]).executable == "good"
    assert find_python(["old", "bare"]).executable == "bare"
    assert find_python(["none", "old"]).executable == "old"
    with pytest.raises(EnvironmentProblem, match="no Python starts here"):
        find_python(["none"])


def test_python_that_was_named_is_the_only_one_tried() -> None:
    assert Path(existing_python({"PYTHON": sys.executable}).executable).samefile(sys.executable)
    with pytest.raises(EnvironmentProblem, match="PYTHON=/nowhere/python does not start"):
        existing_python({"PYTHON": "/nowhere/python"})


def test_a_python_of_the_user_that_is_too_old_or_untested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    offered = {"old": Interpreter("old", (3, 9, 18)), "new": Interpreter("new", (3, 14, 1))}
    monkeypatch.setattr(environment, "read_interpreter", lambda name, distributions: offered[name])
    with pytest.raises(EnvironmentProblem, match=r"Python 3\.9\.18 \(old\) is too old"):
        existing_python({"PYTHON": "old"})
    assert existing_python({"PYTHON": "new"}).executable == "new"
    assert "note: Python 3.14.1 (new) is newer than what was tested" in capsys.readouterr().err


def test_command_prints_nothing_but_the_path(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON", sys.executable)
    assert environment.main(["--dev"]) == 0
    assert Path(capsys.readouterr().out.strip()).samefile(sys.executable)
    monkeypatch.setenv("PYTHON", "/nowhere/python")
    assert environment.main([]) == 1
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("STOP: ")


def test_an_environment_of_another_name(
    project: Environment, installer: Installer, base: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the oldest pair stands beside ``.venv`` and is made with the Python that asks for it."""
    monkeypatch.setattr(environment, "REPOSITORY", project.folder)
    other = Environment(project.folder, ".venv-oldest")
    monkeypatch.setattr(environment, "Environment", lambda name: Environment(project.folder, name))
    assert environment.main(["--dev", "--venv", ".venv-oldest"]) == 0
    assert other.lacks(DEV) is None and project.lacks(DEV) == "there is no .venv yet"


def test_the_short_pass_names_tests_that_are_there(repository: Path) -> None:
    named = re.findall(
        r"(tests/[\w/]+\.py)(?:::(\w+))?", (repository / ".ci" / "oldest").read_text(encoding="utf-8")
    )
    assert len(named) > 10
    for file, test in named:
        text = (repository / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, (file, test)


def test_the_oldest_pair_is_passed_over_aloud(repository: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PYENV_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"}
    if shutil.which("python3.10", path=environ["PATH"]):
        pytest.skip("there is a python3.10 of the system")
    done = subprocess.run(
        [repository / ".ci" / "oldest"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.startswith("skipped: the oldest pair (Python 3.10, torch 2.5.1): no python3.10")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A small package in a folder that pip takes as its only index."""
    path, info = tmp_path / "links" / "tiny_thing-1.0-py3-none-any.whl", "tiny_thing-1.0.dist-info"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_thing.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_a_file_whose_hash_differs_is_not_installed(
    project: Environment,
    wheel: Path,
    base: Interpreter,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    """With the real pip."""
    if not base.pip:
        pytest.skip("no pip in this Python")
    monkeypatch.setattr(environment, "try_imports", lambda python: None)
    found = shutil.which
    monkeypatch.setattr(environment.shutil, "which", lambda name: None if name == "uv" else found(name))
    pip = [base.executable, "-m", "pip", "--python", str(project.python)]
    monkeypatch.setattr(environment, "pip_for", lambda inside, base: pip)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for file in (RUN, DEV):
        (project.folder / file).write_text("tiny-thing\n")
    pins = next((project.folder / "constraints").iterdir())
    pins.write_text(f"tiny-thing==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EnvironmentProblem, match="Where hashes differ"):
        project.ensure(base)
    said = capfd.readouterr().err
    assert "DO NOT MATCH THE HASHES" in said and hashlib.sha256(wheel.read_bytes()).hexdigest() in said
    assert not list(site_packages(project.venv).glob("tiny_thing*"))
    assert project.lacks(RUN) == "the last install was interrupted"
