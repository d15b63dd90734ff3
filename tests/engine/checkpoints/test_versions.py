"""What a resume puts back or names of the machine: generators of random numbers, threads, versions."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.tiny_runs import TINY, assert_same_run
from vision.engine.checkpoints import versions
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.runs.resume import machine_notes
from vision.engine.training import loop

Train = Callable[..., int]
LINE = [word for word in TINY if not word.startswith("--threads")]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, float]]:
    """What each step drew from the three generators; one normal number leaves another one cached in two of them."""
    numbers: list[tuple[float, float, float]] = []
    train_step = loop.train_step

    def step(*rest: Any) -> dict[str, Any]:
        numbers.append((random.gauss(0, 1), float(np.random.standard_normal()), float(torch.rand(()))))
        return train_step(*rest)

    monkeypatch.setattr(loop, "train_step", step)
    return numbers


def test_the_generators_go_on_where_they_stood(
    drawn: list[tuple[float, float, float]], train: Train, tiny: list[str], tmp_path: Path
) -> None:
    assert train(*tiny, "--checkpoint-folder", tmp_path / "whole", "--stop-after-step", 6) == 0
    whole = drawn.copy()
    drawn.clear()
    for stop in (3, 4, 6):
        line = [*tiny, "--checkpoint-folder", tmp_path / "parts", "--resume", "auto"]
        assert train(*line, "--stop-after-step", stop) == 0
    assert drawn == whole and len(set(whole)) == 6


def test_what_a_library_draws_at_its_first_use_changes_nothing(
    drawn: list[tuple[float, float, float]],
    train: Train,
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An import within a step or validation draws from the global generators: here behind each of one run, of the other none."""
    library = []

    def drawing(name: str) -> Callable[..., Any]:
        inner = getattr(loop, name)

        def draw(*rest: Any) -> Any:
            made = inner(*rest)
            if library:
                random.random(), np.random.random(), torch.rand(())
            return made

        return draw

    for name in ("train_step", "validate"):
        monkeypatch.setattr(loop, name, drawing(name))
    steps = {}
    for run, stops in (("whole", [8]), ("parts", [2, 5, 8])):
        for stop in stops:
            line = [*tiny, "--checkpoint-folder", tmp_path / run, "--resume", "auto"]
            assert train(*line, "--stop-after-step", stop) == 0
        steps[run] = drawn.copy()
        drawn.clear()
        library.append("imported")
    assert steps["parts"] == steps["whole"] and len(steps["whole"]) == 8
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


# ---------------------------------------------------------------- threads


@pytest.fixture
def two_threads(miniature_root: Path, tmp_path: Path, train: Train) -> Iterator[Path]:
    """A run that was never told a number of threads; torch's choice was 2. Then it is 1."""
    torch.set_num_threads(2)
    run = tmp_path / "run"
    line = ["--datasets", miniature_root, *LINE, "--checkpoint-folder", run, "--stop-after-step", 1]
    assert train(*line) == 0
    torch.set_num_threads(1)
    yield run


def test_the_threads_of_the_run_come_back(
    two_threads: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--resume", two_threads, "--stop-after-step", 2) == 0
    said = capsys.readouterr().out
    assert torch.get_num_threads() == 2 and "float32, 2 CPU threads" in said and "--threads" not in said


def test_other_threads_are_taken_when_named_and_said(
    two_threads: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--resume", two_threads, "--stop-after-step", 2, "--threads", 3) == 0
    said = capsys.readouterr().out
    assert torch.get_num_threads() == 3 and "float32, 3 CPU threads" in said
    assert "note: --threads 2 → 3: results may differ in the last bits" in said


# ---------------------------------------------------------------- versions


def test_what_makes_the_numbers_is_stored() -> None:
    found = versions.versions()
    made = {"python", "torch", "numpy", "opencv", "simplejpeg", "pillow", "augmentation", "cpu"}
    assert not [name for name in made if not found[name]], found
    assert {"machine", "cpu_kernels", "cuda", "cudnn", "gpu"} <= set(found)
    assert bool(found["gpu"]) == bool(found["cudnn"]) == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "Some CPU @ 2 GHz"),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n", "ARM 0x41 0xd42"),
    ],
)
def test_the_processor_has_a_name(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert versions.cpu_model(tmp_path / "cpuinfo") == name


def test_each_difference_is_named_on_resume(
    train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-step", 1) == 0
    path = run / RunFolder(run).records()[-1].file
    content = torch.load(path, weights_only=True)
    assert content["versions"] == versions.versions()
    content["versions"].update({name: "0.1" for name in content["versions"]})
    content["world_size"] = 2
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run, elsewhere)
    (elsewhere / "checkpoints.json").unlink()
    torch.save(content, elsewhere / path.name)
    capsys.readouterr()
    assert train("--resume", elsewhere / path.name, "--stop-after-step", 2) == 0
    said = capsys.readouterr().out
    for name, now in versions.versions().items():
        assert f"note: {name} 0.1 → {now or 'none'}: " in said, name
    assert f"opencv 0.1 → {versions.versions()['opencv']}: the pixels of the images may differ" in said
    assert "processes 2 → 1" in said


def test_pixels_of_an_older_augmentation_are_named() -> None:
    """Its draws are those of today, its pixels are not; what it did not store was the first."""
    known = versions.versions()
    was = {name: version for name, version in known.items() if name != "augmentation"}
    before = SimpleNamespace(versions=was, threads=1, world_size=1)
    (note,) = machine_notes(before, known, 1, 1)  # type: ignore[arg-type]
    assert note == f"augmentation 1 → {versions.AUGMENTATION}: the pixels of the images may differ"


def test_nothing_is_said_where_nothing_differs(
    train: Train, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-step", 1) == 0
    capsys.readouterr()
    assert train("--resume", run, "--stop-after-step", 2) == 0
    assert "note:" not in capsys.readouterr().out


def test_code_is_a_commit_of_this_copy_or_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that merely lies in somebody's repository is not told by that one's commit."""
    assert re.fullmatch(r"[0-9a-f]{12,}(-dirty)?|version 0\.\d+\.\d+", versions.code())
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "7.8.9"\n')
    monkeypatch.setattr(versions, "TOOLKIT", tmp_path)
    assert versions.code() == "version 7.8.9"
    (tmp_path / ".git").mkdir()  # a broken one
    assert versions.code() == "version 7.8.9"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x.x"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], text=True).strip()
    assert versions.code() == head
    (tmp_path / "pyproject.toml").write_text("")
    assert versions.code() == f"{head}-dirty"
    monkeypatch.setenv("PATH", str(tmp_path))  # no git: as in a small container
    monkeypatch.setattr(versions.metadata, "version", {"coco-pretraining-toolkit": "1.2.3"}.__getitem__)
    assert versions.code() == "version 1.2.3"
    (tmp_path / "pyproject.toml").unlink()
    assert versions.code() == "version unknown"
