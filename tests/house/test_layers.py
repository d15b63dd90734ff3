"""Data flows down the house, imports point up it, and importing does nothing. Each finding names file and line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.law import (
    REPOSITORY,
    Import,
    Room,
    file_of,
    imports_of,
    is_library,
    module_name,
    python_files,
    read_law,
    room_of,
)

TORCH_FREE = (
    "vision/artefacts/",
    "vision/images/",
    "vision/drawing/",
    "pipeline/",
    "vision/engine/options/",
    "vision/ssd/variants.py",
    "vision/ssd/naming/",
    "vision/nn/backbone_rows.py",
)
ALBUMENTATIONS = ("benchmarks/augmentation.py",)


@pytest.fixture(scope="module")
def law() -> list[Room]:
    return read_law((REPOSITORY / "docs" / "house.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def imports(law: list[Room]) -> list[Import]:
    return [found for file in python_files(law) for found in imports_of(file)]


def test_the_table_is_read_as_it_is_meant(law: list[Room]) -> None:
    by_number = {room.number: room for room in law}
    assert list(by_number) == ["0", "0b", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert by_number["0"].rooms == {"0"} and by_number["0"].libraries == {"numpy"}
    assert {"numpy", "PIL", "cv2", "skimage"} <= (by_number["0b"].libraries or set())
    assert by_number["0b"].places == ("vision/images/", "vision/drawing/")
    assert by_number["7"].rooms == {"0", "0b", "2", "3", "4", "5", "6", "7"}
    assert by_number["2"].libraries is None and "1" not in by_number["8"].rooms
    assert by_number["9"].places == ("train_ssd.py", "tools/", "compat/", "benchmarks/")


def test_imports_point_up(law: list[Room], imports: list[Import]) -> None:
    wrong = []
    for found in imports:
        room, target = room_of(found.file, law), file_of(found.module)
        other = room_of(target, law) if target else None
        if room and other and other.number not in room.rooms:
            may = ", ".join(one.number for one in law if one.number in room.rooms)
            wrong.append(f"{found} of room {other.number}; room {room.number} may import {may}")
    assert not wrong, "\n".join(wrong)


def test_rooms_above_the_core_use_only_their_libraries(law: list[Room], imports: list[Import]) -> None:
    wrong = []
    for found in imports:
        room = room_of(found.file, law)
        top = found.module.partition(".")[0]
        if room and room.libraries is not None and is_library(found.module) and top not in room.libraries:
            wrong.append(f"{found}; room {room.number} may use {', '.join(sorted(room.libraries))}")
    assert not wrong, "\n".join(wrong)


def test_albumentations_stands_behind_one_module(imports: list[Import]) -> None:
    users = [found for found in imports if found.module.partition(".")[0] in ("albumentations", "albucore")]
    wrong = [
        str(found) for found in users if found.file.relative_to(REPOSITORY).as_posix() not in ALBUMENTATIONS
    ]
    wrong = [line for line in wrong if not line.startswith("tests/")]
    assert not wrong, "\n".join(wrong)


# Imports the named modules one after another and notes what each does beside defining names. Only what our own code
# does counts: the innermost frame that is neither the standard library nor the import system decides whose deed it is.
WATCH = r"""
import importlib, json, logging, os, signal, sys, threading
repository, modules = sys.argv[1], sys.argv[2:]
sys.path.insert(0, repository)
found, now = [], [""]
def culprit(frame):
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(repository + os.sep) and os.sep + ".venv" not in name:
            return "%s:%d" % (os.path.relpath(name, repository), frame.f_lineno)
        if "site-packages" in name or "dist-packages" in name:
            return None
        frame = frame.f_back
    return None
def note(what, frame):
    where = culprit(frame)
    if where:
        found.append("%s: importing %s %s" % (where, now[0], what))
class Arguments(list):
    def __getitem__(self, key):
        note("reads the command line", sys._getframe(1))
        return list.__getitem__(self, key)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def audit(event, args):
    if event == "sys._getframe":
        return
    frame = sys._getframe(1)
    if event == "open" and isinstance(args[2], int) and args[2] & WRITES and args[0] != os.devnull:
        note("writes %s" % (args[0],), frame)
    elif event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree", "tempfile.mkdtemp"):
        note("changes files (%s)" % event, frame)
    elif event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        found.append("importing %s uses the network (%s %s)" % (now[0], event, args[-1]))
    elif event in ("subprocess.Popen", "os.system", "os.fork"):
        note("starts a process", frame)
sys.argv = Arguments(["import-test", "--no-such-option"])
sys.addaudithook(audit)
brought_torch = []
for name in modules:
    now[0] = name
    before = (list(logging.root.handlers), logging.root.level, signal.getsignal(signal.SIGINT),
              signal.getsignal(signal.SIGTERM), "torch" in sys.modules)
    try:
        importlib.import_module(name)
    except Exception as error:
        found.append("importing %s fails: %s: %s" % (name, type(error).__name__, error))
    after = (list(logging.root.handlers), logging.root.level, signal.getsignal(signal.SIGINT),
             signal.getsignal(signal.SIGTERM), "torch" in sys.modules)
    if before[:2] != after[:2]:
        found.append("importing %s sets logging up" % name)
    if before[2:4] != after[2:4]:
        found.append("importing %s installs a signal handler" % name)
    if after[4] and not before[4]:
        brought_torch.append(name)
if "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized():
    found.append("importing initialises CUDA")
print(json.dumps({"found": found, "torch": brought_torch}))
"""


def watch_imports(modules: list[str], folder: Path) -> dict:
    """Imports ``modules`` in a fresh interpreter that stands in the empty ``folder``."""
    environ = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", HOME=str(folder), CUDA_VISIBLE_DEVICES="")
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(REPOSITORY), *modules],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_rooms_without_torch_import_without_it(law: list[Room], tmp_path: Path) -> None:
    names = [file.relative_to(REPOSITORY).as_posix() for file in python_files(law)]
    modules = [module_name(REPOSITORY / name) for name in names if name.startswith(TORCH_FREE)]
    assert len(modules) > 20
    seen = watch_imports(modules, tmp_path)
    assert not seen["torch"], (
        f"importing {seen['torch'][0]} imports torch, directly or through another module"
    )


def test_importing_does_nothing(law: list[Room], tmp_path: Path) -> None:
    modules = [
        module_name(file) for file in python_files(law) if not file.is_relative_to(REPOSITORY / "tests")
    ]
    seen = watch_imports(modules, tmp_path)
    assert not seen["found"], "\n".join(seen["found"])
    made = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert not made, f"importing left files behind: {made}"


def test_the_watch_sees_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that does everything it must not do, so that the test above is known to be able to fail."""
    (tmp_path / "bad.py").write_text(
        "import logging, os, sys, signal, socket\n"
        "first = sys.argv[1:]\n"
        "os.mkdir('made')\n"
        "open('written.txt', 'w').close()\n"
        "logging.basicConfig()\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "socket.getaddrinfo('127.0.0.1', 9)\n"
    )
    monkeypatch.setattr("tests.house.test_layers.REPOSITORY", tmp_path)
    found = "\n".join(watch_imports(["bad"], tmp_path)["found"])
    for expected in ("bad.py:2: importing bad reads", "bad.py:3", "bad.py:4", "logging", "signal", "network"):
        assert expected in found
