"""The environment is made, recognised, repaired and left alone; with installers that only write down their work."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.tools.checkout import DEV, IMPORTED, PINS, RUN, VERSION, Project


@pytest.fixture
def bare(tmp_path: Path, repository: Path) -> Project:
    return Project(tmp_path, repository)


@pytest.fixture
def project(bare: Project) -> Project:
    return bare.with_uv()


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Project:
    """Read only."""
    project = Project(tmp_path_factory.mktemp("installed"), repository).with_uv()
    assert "there is no .venv yet" in project.call()
    return project


@pytest.fixture
def installed(project: Project, installed_once: Project) -> Project:
    """A checkout of its own with a complete environment, which is a copy."""
    shutil.copytree(installed_once.venv, project.venv, symlinks=True)
    shutil.copy(installed_once.log, project.log)
    return project


def test_made_once_and_then_nothing_to_do(project: Project) -> None:
    said = project.call()
    assert f"there is no .venv yet; installing requirements.txt into {project.venv}" in said
    assert project.asked() == [f"uv --quiet --require-hashes -r {PINS}"]
    assert project.call() == project.call("--find") == "", "nothing to do"
    assert project.call("--dev") == "", "the pins hold the tools for the tests as well"
    assert len(project.asked()) == 1 and not (project.bin / "X").exists()


@pytest.mark.parametrize("file", [RUN, PINS])
def test_changed_requirements_or_pins_are_installed(installed: Project, file: str) -> None:
    path = installed.folder / file
    path.write_text(path.read_text() + "\n# a comment changes nothing\n")
    assert installed.call() == ""
    path.write_text(path.read_text() + "scipy\n")
    (installed.venv / "kept").touch()
    assert "requirements.txt or its constraints changed" in installed.call()
    assert len(installed.asked()) == 2 and installed.call() == "" and (installed.venv / "kept").exists()


def test_what_was_uninstalled_by_hand_comes_back(installed: Project) -> None:
    shutil.rmtree(installed.site() / "numpy-1.0.dist-info")
    assert "numpy no longer in .venv" in installed.call()
    assert len(installed.asked()) == 2 and installed.call() == ""


def test_without_pins_the_ranges_and_the_tools_for_tests_are_added(project: Project) -> None:
    (project.folder / PINS).unlink()
    project.call()
    project.call("--dev")
    assert project.asked()[0] == f"uv --quiet -r {RUN}" and f"-r {DEV}" in project.asked()[1]
    assert project.call() == project.call("--dev") == ""
    (project.folder / RUN).write_text("numpy\nscipy\n")
    project.call()
    assert "changed, or were not installed yet" in project.call("--dev")


def test_an_interrupted_install_starts_over(project: Project) -> None:
    """A package whose files were written in part looks installed: only a new environment is certain."""
    assert project.start("--base", sys.executable, CUT="0").wait() == -signal.SIGKILL
    (project.venv / "half-written").touch()
    assert "the last install was interrupted" in project.call()
    assert not (project.venv / "half-written").exists() and project.call() == ""


def test_an_environment_of_the_user_is_never_removed(project: Project) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project.venv)], check=True)
    (project.venv / "theirs").touch()
    assert project.start("--base", sys.executable, CUT="0").wait() == -signal.SIGKILL
    project.call()
    assert (project.venv / "theirs").exists() and project.call() == ""


def test_what_a_link_leads_to_is_never_removed(installed: Project) -> None:
    """The environment of another checkout, made by its own script."""
    elsewhere = installed.venv.rename(installed.bin / "elsewhere")
    installed.venv.symlink_to(elsewhere)
    (installed.folder / RUN).write_text("numpy\nscipy\n")
    assert installed.start("--base", sys.executable, CUT="0").wait() == -signal.SIGKILL
    (elsewhere / "theirs").touch()
    installed.call()
    assert installed.venv.is_symlink() and (elsewhere / "theirs").exists() and installed.call() == ""


def test_a_python_that_went_away_is_replaced(installed: Project) -> None:
    (installed.venv / "bin/python").unlink()
    (installed.venv / "bin/python").symlink_to("/nowhere/python3.11")
    assert "the Python that .venv was made with is gone" in installed.call()
    assert installed.call() == ""


def test_an_environment_of_the_users_that_does_not_start(project: Project) -> None:
    (project.venv / "bin").mkdir(parents=True)
    (project.venv / "bin/python").write_text("no program")
    (project.venv / "bin/python").chmod(0o755)
    said = project.call(status=1)
    fix = said.rpartition("remove it (")[2].partition(")\n")[0].rpartition(" and run")[0].rstrip(")")
    assert fix.startswith("rm -r ") and "was not made by this script and is broken" in said
    subprocess.run(["bash", "-c", fix], cwd=project.bin, check=True)
    assert not project.venv.exists() and not (project.bin / "X").exists()


def test_a_torch_of_another_build_is_left_alone(project: Project) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project.venv)], check=True)
    (project.site() / "torch").mkdir()
    (project.site() / "torch/__init__.py").touch()
    (project.site() / "torch/version.py").write_text("__version__ = '2.11.0+nv26.1'\ncuda = '12.6'\n")
    assert "torch 2.11.0+nv26.1 is installed already and is left alone" in project.call()
    assert project.asked() == [f"uv --quiet -r {RUN} -c .venv/kept.txt"]
    assert (project.venv / "kept.txt").read_text() == "torch==2.11.0+nv26.1\n"


def test_two_at_once_install_once(project: Project) -> None:
    both = [project.start("--base", sys.executable, SECONDS_TO_INSTALL="1") for _ in range(2)]
    said = "".join(one.communicate()[1] for one in both)
    assert [one.returncode for one in both] == [0, 0] and len(project.asked()) == 1, said
    assert "waiting for another install" in said


def test_ctrl_c_is_said_and_the_next_run_starts_over(project: Project) -> None:
    process = project.start("--base", sys.executable, SECONDS_TO_INSTALL="60")
    while not project.asked() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert "interrupted; run the same command to resume" in process.communicate()[1]
    assert process.returncode == 130
    assert "the last install was interrupted" in project.call()


def test_what_follows_is_run_in_it_without_the_lock(project: Project) -> None:
    code = "import os, sys; print(sys.prefix, os.listdir('/proc/self/fd'), sys.argv[1:])"
    process = project.start("--base", sys.executable, "--", "-c", code, "--dev", "a b")
    said, errors = process.communicate()
    assert process.returncode == 0 and said.startswith(str(project.venv)), errors
    assert "'9'" not in said and said.endswith("['--dev', 'a b']\n")


def test_an_environment_of_another_name(project: Project) -> None:
    """That of the oldest pair stands beside ``.venv`` and is made with the Python that asks for it."""
    process = project.start("--dev", "--venv", ".venv-oldest", "--base", sys.executable)
    assert process.communicate()[0] == f"{project.folder}/.venv-oldest/bin/python\n"
    assert not project.venv.exists()


def test_pip_is_tried_where_uv_fails_and_its_failure_is_told(project: Project) -> None:
    project.environ |= {"HIDDEN_IN_VENV": "ensurepip pip", "HIDDEN": "ensurepip pip"}
    said = project.call(status=1, STATUS_uv="2")
    assert "uv did not succeed (it does not read pip's settings); trying pip" in said
    assert "has neither ensurepip nor pip, and there is no uv" in said
    assert f"fix: apt install python{VERSION}-venv, or install uv" in said


def test_pip_of_the_base_python_fills_an_environment_without_one(bare: Project) -> None:
    project = bare.with_pip()
    said = project.call(status=1, STATUS_pip="1")
    assert "requirements.txt could not be installed" in said and "check the network and the disk" in said
    project.call()
    assert project.asked()[-1] == f"pip install --quiet --require-hashes -r {PINS}" and project.call() == ""


def test_a_pip_that_is_too_old_to_serve_another_python_brings_one_in(bare: Project) -> None:
    project = bare.with_pip()
    said = project.call(status=1, OLD_PIP="1")
    assert "no such option" not in said
    (there,) = project.venv.glob("lib/python*/site-packages/own_pip")
    assert (there / "__main__.py").exists() and "could not be installed" in said


def test_an_install_that_does_not_import_is_none(project: Project) -> None:
    said = project.call(status=1, BROKEN="raise ImportError('operator torchvision::nms does not exist')")
    assert "is installed and does not import\n  why: ImportError: operator torchvision::nms" in said
    assert "the last install was interrupted" in project.call()


# ---------------------------------------------------------------- which Python


def test_a_python_that_can_make_one_is_preferred(bare: Project) -> None:
    def find() -> tuple[int | None, str, str]:
        process = bare.start("--find")
        out, said = process.communicate()
        return process.returncode, out.strip(), said

    (bare.bin / "uv").unlink()
    status, out, said = find()
    assert (status, out) == (1, "") and said.startswith("STOP: no Python starts here")
    old = bare.pretend("python3", (3, 8, 1))
    assert find() == (0, str(old), "")
    without = bare.pretend("python3.11", (3, 11, 1), hidden="ensurepip pip")
    assert find() == (0, str(without), "")
    good = bare.pretend("python3.13", (3, 13, 0))
    assert find() == (0, str(good), "")
    assert not bare.venv.exists()


def test_python_that_was_named_is_the_only_one_tried(bare: Project) -> None:
    for words, environ, answer in (
        ([], {"PYTHON": str(bare.pretend("here", (3, 11, 1)))}, "here"),
        (["--no-env"], {}, "python3"),
        ([], {"PYTHON": str(bare.pretend("newer", (3, 14, 1)))}, "newer"),
    ):
        bare.pretend("python3", (3, 12, 1))
        process = bare.start(*words, **environ)
        out, said = process.communicate()
        assert (process.returncode, out) == (0, f"{bare.bin / answer}\n"), said
    assert said.startswith(f"note: Python 3.14.1 ({bare.bin / 'newer'}) is newer than what was tested")
    for environ, answer in (
        ({"PYTHON": "/nowhere/python"}, "STOP: PYTHON=/nowhere/python does not start"),
        (
            {"PYTHON": str(bare.pretend("old", (3, 9, 18)))},
            f"STOP: Python 3.9 ({bare.bin / 'old'}) is too old",
        ),
    ):
        process = bare.start(**environ)
        out, said = process.communicate()
        assert process.returncode == 1 and not out and said.startswith(answer), said
    assert not bare.venv.exists() and said.count("\n") == 1


def test_a_word_that_it_does_not_know(bare: Project) -> None:
    process = bare.start("--dve")
    assert "unknown argument --dve" in process.communicate()[1] and process.returncode == 2


# ---------------------------------------------------------------- the pins


TARGETS = [("3.10", "2.5.1"), ("3.11", "2.15.0"), ("3.12", "2.11.0")]


@pytest.mark.parametrize(("release", "torch"), TARGETS)
def test_the_pins_of_this_project(release: str, torch: str, repository: Path) -> None:
    """Each inside the ranges, each with hashes, and nothing that the requirements name left out."""
    requirements = pytest.importorskip("packaging.requirements")
    (pins,) = (repository / "constraints").glob(f"python{release}-*.txt")
    text = pins.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    versions = {}
    for line in lines:
        pin, *hashes = line.split(" --hash=")
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64} *", one) for one in hashes), pin
        name, _, version = pin.partition(";")[0].strip().partition("==")
        versions[name] = version
    assert versions["torch"] == torch
    named = [*(repository / RUN).read_text().splitlines(), *(repository / DEV).read_text().splitlines()]
    for line in (part.split("#")[0].strip() for part in named):
        if line and not line.startswith("-r"):
            wanted = requirements.Requirement(line)
            assert wanted.specifier.contains(versions[wanted.name.lower()]), line


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


def wheel(folder: Path) -> Path:
    """A package that holds all that is imported after an install, in a folder that pip takes as its only index."""
    path, info = folder / "tiny_thing-1.0-py3-none-any.whl", "tiny_thing-1.0.dist-info"
    folder.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*IMPORTED, "torch"):
            archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_a_file_whose_hash_differs_is_not_installed(bare: Project, tmp_path: Path) -> None:
    """With the real pip of the wheel that comes with Python; unpacked, so that it is compiled once and not for each call."""
    bundled = pytest.importorskip("ensurepip").__path__[0]
    pip = next(Path(bundled, "_bundled").glob("pip-*.whl"), None)
    if pip is None:
        pytest.skip("this Python has no wheel of pip in ensurepip/_bundled")
    zipfile.ZipFile(pip).extractall(tmp_path / "pip")
    bare.environ["PYTHONPATH"] += f":{tmp_path / 'pip'}"
    (bare.bin / "uv").unlink()
    file = wheel(tmp_path / "links")
    bare.environ |= {
        "PIP_FIND_LINKS": str(file.parent),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for name in (RUN, DEV):
        (bare.folder / name).write_text("tiny-thing\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (bare.folder / PINS).write_text(f"tiny-thing==1.0 --hash=sha256:{'0' * 64}\n")
    said = bare.call(status=1)
    assert "DO NOT MATCH THE HASHES" in said and digest in said and "Where hashes differ" in said
    assert not list(bare.site().glob("tiny_thing*"))
    assert '"state": "installing"' in (bare.venv / "setup.json").read_text()
