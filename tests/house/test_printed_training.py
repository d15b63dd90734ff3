"""What the trainer and the tools print is run in the situation in which it is printed."""

from __future__ import annotations

import os
import shutil
import signal
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import TINY
from tests.printed import ODD, Printed, main_of
from tools.demo import mirror
from tools.report.page import text
from vision.artefacts import log
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError, SampleError
from vision.datasets.splits import open_splits
from vision.engine import distributed, machine
from vision.engine.checkpoints.checkpoint import DamagedCheckpoint, load
from vision.engine.checkpoints.versions import code
from vision.engine.runs.initial import require_as_recorded
from vision.engine.training import loop
from vision.messages.advice import quoted


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to break; the current folder is another one."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(miniature_root, tmp_path / ODD))


@pytest.fixture(scope="module")
def run(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One epoch of four; in a folder of runs. Read only."""
    folder = tmp_path_factory.mktemp("models") / ODD / "run"
    assert (
        call(
            "train_ssd",
            "--datasets",
            miniature_root,
            *TINY,
            "--checkpoint-folder",
            folder,
            "--stop-after-step=1",
        )
        == 0
    )
    return folder


def call(module: str, *words: object) -> int:
    threads = torch.get_num_threads()
    try:
        code: int = main_of(module)([str(word) for word in words])
    finally:
        torch.set_num_threads(threads)
    return code


def opened(root: Path) -> tuple[CocoDetection, CocoDetection]:
    return open_splits(root)


def refused(root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        opened(root)
    return str(caught.value)


def test_from_the_end_of_a_session_to_found_objects(
    miniature_root: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each command in the output of the one before."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ODD / "run"
    line = ["--datasets", miniature_root, *TINY, "--checkpoint-folder", folder, "--stop-after-epoch=1"]
    assert call("train_ssd", *line) == 0
    said = capsys.readouterr().out
    printed(said, "vision/engine/training/report.py:end", "--stop-after-step=5")
    printed(said, "vision/engine/training/report.py:end#3")
    capsys.readouterr()
    printed(said, "vision/engine/training/report.py:end#2", "--workers=0", "--device=cpu", "--which=last")
    said = capsys.readouterr().out
    assert "--which last" in said, "what was scored is what is exported"
    printed(said, "tools/evaluate/__main__.py:evaluate#3")
    images: dict[str, object] = {"IMAGE…": miniature_root / "val2017"}
    printed(capsys.readouterr().out, "tools/export_onnx.py:report#2", fill=images)
    assert (tmp_path / "found").is_dir()


def test_an_interrupted_session_names_its_report(
    miniature_root: Path, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It is not made there: that may take as long as a validation. What was typed, and by what code, is in the report."""
    monkeypatch.chdir(tmp_path)
    folder, asked = tmp_path / ODD / "run", signal.SIGTERM
    time_to_save = loop._is_time_to_save

    def interrupted(*given: Any) -> bool:
        os.kill(os.getpid(), asked)
        return time_to_save(*given)

    monkeypatch.setattr(loop, "_is_time_to_save", interrupted)
    assert (
        call("train_ssd", "--datasets", miniature_root, *TINY, "--report", "--checkpoint-folder", folder)
        == 143
    )
    said = capsys.readouterr().out
    assert "interrupted and saved at step 2\n" in said and not (folder / "report.html").exists()
    assert call("train_ssd", "--resume", folder) == 143
    printed(said, "train_ssd.py:train_planned", "--workers=0", "--device=cpu")
    page, (first, second) = (folder / "report.html").read_text(), log.read(folder / "sessions.jsonl")
    assert [first["step"], second["step"]] == [0, 2] and first["code"] == second["code"] == code()
    for row, name in ((first, "started by"), (second, "resumed at step 2 by")):
        printed(row["command"], "vision/engine/runs/resume.py:record_session", "--print-config")
        assert f"<dt>{name}</dt><dd>{text(row['command'])}</dd><dt>code</dt><dd>{code()}</dd>" in page
    assert "code of this report" not in page


ASKING = [
    (
        "tools.evaluate",
        "tools/evaluate/__main__.py:evaluate",
        ["--workers=0", "--device=cpu", "--output={tmp}/made"],
        [],
    ),
    ("tools.report", "tools/report/__main__.py:write", ["--no-predict"], []),
    ("tools.export_onnx", "tools/export_onnx.py:export", ["--output={tmp}/made/net.onnx"], []),
    ("tools.inspect_checkpoint", "tools/inspect_checkpoint.py:inspect", [], []),
    ("tools.detect", "tools/detect/__main__.py:_open_checkpoint", [], ["{val}", "--output={tmp}/found"]),
]


@pytest.mark.parametrize(("tool", "site", "more", "given"), ASKING, ids=[row[0] for row in ASKING])
def test_the_folder_above_a_run_is_asked_for_the_run(
    tool: str, site: str, more: list[str], given: list[str], run: Path, miniature_root: Path, tmp_path: Path,
    printed: Printed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = [word.format(val=miniature_root / "val2017", tmp=tmp_path) for word in given]
    assert call(tool, run.parent, *given) == 1
    printed(capsys.readouterr().err, site, *[word.format(tmp=tmp_path) for word in more])


@pytest.mark.parametrize("place", ["in the run", "elsewhere"])
@pytest.mark.parametrize("content", [None, b"no network"])
def test_a_network_that_is_not_there_or_none_is_exported(
    place: str, content: bytes | None, run: Path, miniature_root: Path, tmp_path: Path, printed: Printed,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(run, tmp_path / ODD)) if place == "in the run" else tmp_path / ODD
    folder.mkdir(exist_ok=True)
    model = folder / "net.onnx"
    (folder / "labels.txt").write_bytes((run / "labels.txt").read_bytes())
    if content:
        model.write_bytes(content)
    line = (model, miniature_root / "val2017", "--output", tmp_path / "found")
    assert call("tools.detect", *line) == 1
    site = "tools/detect/__main__.py:_session" if content else "tools/detect/__main__.py:_made_by"
    printed(capsys.readouterr().err, site, fill={} if place == "in the run" else {"RUN": run})
    assert call("tools.detect", *line) == 0


def test_weights_that_are_no_checkpoint_start_a_new_run(
    run: Path, tmp_path: Path, miniature_root: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file that holds weights alone, of one that holds a scheduler too, and of a run's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ODD).mkdir()
    weights = load(next(run.glob("*.pth"))).weights
    alone, more = tmp_path / ODD / "alone.pth", tmp_path / ODD / "more.pth"
    torch.save(OrderedDict(weights), alone)
    scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.zeros(1)], 0.1), 1)
    torch.save({"model": weights, "scheduler": scheduler}, more)
    line = ["--datasets", miniature_root, *TINY, "--stop-after-step=1", "--checkpoint-folder"]
    for file, site in (
        (alone, "vision/engine/checkpoints/checkpoint.py:_typed"),
        (more, "vision/engine/checkpoints/checkpoint.py:load"),
    ):
        with pytest.raises(DamagedCheckpoint) as caught:
            load(file)
        printed(str(caught.value), site, *line, tmp_path / file.stem)
    with pytest.raises(ValueError, match="is a folder") as folder:
        require_as_recorded(run)
    printed(
        str(folder.value), "vision/engine/runs/initial.py:require_as_recorded", *line, tmp_path / "from-a-run"
    )


def test_splits_with_other_classes(root: Path, tmp_path: Path, printed: Printed) -> None:
    other = Path(shutil.copytree(root, tmp_path / "other"))
    assert call("pipeline", "run", "--root", other, "--classes", "person", "--workers", 1) == 0
    shutil.rmtree(root / "arrays/val2017")
    shutil.copytree(other / "arrays/val2017", root / "arrays/val2017")
    printed(refused(root), "vision/datasets/splits.py:_require_one_map", "--workers", 1)
    assert len(opened(root)) == 2


def test_a_split_without_images(root: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CocoDetection, "__len__", lambda self: 0)
    printed(refused(root), "vision/datasets/splits.py:_require_boxes")


def test_classes_of_which_nothing_is_there(root: Path, printed: Printed) -> None:
    train = CocoDetection(root, "train")
    present = {train.classes[label] for label in train.columns("labels")[0]}
    absent = next(name for name in train.classes[1:] if name not in present)
    assert call("pipeline", "run", "--root", root, "--classes", absent, "--workers", 1) == 0
    printed(refused(root), "vision/datasets/splits.py:_require_boxes#2", "--workers", 1)
    assert len(opened(root)) == 2


def test_arrays_that_are_damaged(root: Path, printed: Printed) -> None:
    (root / "arrays/val2017/arrays.json").write_text("{")
    printed(refused(root), "vision/datasets/coco.py:_damaged", "--workers", 1)
    assert len(opened(root)) == 2


def test_a_root_that_is_not_there(
    tmp_path: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """COCO is fetched into its own folder only: what else was typed is looked at, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    said = refused(tmp_path / ODD)
    printed(said, "vision/datasets/root_advice.py:root_wanted#3")
    assert "missing" in capsys.readouterr().out and "setup_coco" not in said and not any(tmp_path.iterdir())
    printed(refused(tmp_path / ODD / "coco-data"), "vision/datasets/root_advice.py:root_wanted#2")


def test_a_root_that_was_mistyped(root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]) -> None:
    for typed in (root.with_name(f"{ODD}s"), root / "train207", root.with_name(f"{ODD}s") / "val2017"):
        assert refused(typed).endswith(f"fix: name the data folder that is there: {quoted(root)}")
        for look, status in (("status", 0), ("verify", 1)):
            assert call("pipeline", look, "--root", typed) == status
            said = "".join(capsys.readouterr())
            assert "pipeline run" not in said
            printed(said, "pipeline/command/next_step.py:run_again")
            assert "done" in capsys.readouterr().out


RUN = "vision/datasets/root_advice.py:_run"


@pytest.mark.parametrize("left", ["release", "own", "own without val", "nothing"])
def test_arrays_that_are_not_there(
    left: str, root: Path, miniature_root: Path, miniature_release: Path, printed: Printed
) -> None:
    shutil.rmtree(root / "arrays")
    if left != "release":
        for path in [*root.iterdir(), *root.glob("annotations/*")]:
            keep = path.name in ("train2017", "val2017", "annotations") or path.name in ORIGINAL
            if left == "nothing" or not keep or (left == "own without val" and "val" in path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    said = refused(root)
    with mirror(miniature_release) as url:
        fetched = (
            ("--release", miniature_release / "release.json", "--mirror", url) if left == "nothing" else ()
        )
        printed(said, RUN, "--workers", 1, *fetched) if left != "nothing" else printed(
            said.splitlines()[1], RUN, "--workers", 1, *fetched
        )
    if left == "own without val":
        said = refused(root)
        assert said.split("fix: ")[1].startswith("put ")
        shutil.copytree(miniature_root / "val2017", root / "val2017")
        shutil.copy(miniature_root / "annotations" / ORIGINAL[1], root / "annotations")
        printed(said, RUN, "--workers", 1, "--splits", "train,val")
    assert len(opened(root)) == 2


ORIGINAL = ("instances_train2017.json", "instances_val2017.json")


@pytest.mark.parametrize("damage", ["gone", "no image"])
def test_an_image_that_is_not_what_it_was(damage: str, root: Path, printed: Printed) -> None:
    train = CocoDetection(root, "train")
    train.path(3).unlink() if damage == "gone" else train.path(3).write_text("no image")
    with pytest.raises(SampleError) as caught:
        train.load(3)
    printed(str(caught.value), RUN, "--workers", 1)
    assert len(opened(root)[0]) == (16 if damage == "gone" else 15)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_doctor_says_why_there_is_no_gpu(
    tmp_path: Path, printed: Printed, capfd: pytest.CaptureFixture[str]
) -> None:
    from vision.engine.training import report

    asked: dict[str, Any] = {
        "vision/engine/machine.py:choose_device": lambda: machine.choose_device("cuda:0"),
        "vision/engine/distributed.py:check": lambda: distributed.check(
            SimpleNamespace(sync_bn=True, device="cpu"),  # type: ignore[arg-type]
            torch.device("cpu"),
        ),
    }
    lines = {printed.line(report._no_gpu(_on_the_cpu()), "vision/engine/training/report.py:_no_gpu")}
    for site, ask in asked.items():
        with pytest.raises(ValueError) as caught:
            ask()
        said = str(caught.value)
        lines.add(printed.line(said, site))
    assert lines == {"python -m tools.doctor"}
    printed(said, "vision/engine/distributed.py:check")
    assert "GPU" in capfd.readouterr().out  # it may have asked the Python of .venv


def _on_the_cpu() -> Any:
    return SimpleNamespace(
        config=SimpleNamespace(device="auto", use_cuda=True), device=SimpleNamespace(type="cpu")
    )
