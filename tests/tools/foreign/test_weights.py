"""Weights of another trainer become a run once, and are found again by everything they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tools.foreign import weights
from tools.foreign.data import NotImported
from tools.foreign.weights import Told, run_of
from vision.core.sample import InputSpec
from vision.messages.advice import UserError
from vision.ssd.build import build_detector
from vision.ssd.variants import find


def test_what_is_this_toolkits_is_used_as_it_is(small_run: Path) -> None:
    for model in (small_run, next(small_run.glob("*.pth")), Path("x/ssd-mobilenet.onnx")):
        assert run_of(model, Told(), "mb1-ssd", print) == model


def test_published_weights_that_are_not_there_are_explained() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"(?s)no such file.*mb2-ssd-lite trained on VOC.*fix: fetch https"
    ):
        run_of(Path("models/mb2-ssd-lite-mp-0_686.pth"), Told(), "mb2-ssd-lite", print)


def test_they_are_imported_once_and_again_with_other_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64), prior_profile="ancestor")
    file, labels = tmp_path / "old.pth", tmp_path / "names.txt"
    torch.save(detector.state_dict(), file)
    labels.write_text("BACKGROUND\na\nb\n")
    told = Told(labels=labels)
    run = run_of(file, told, "mb2-ssd-lite", print)
    assert (
        run.parent == tmp_path
        and run.name.startswith("old-imported-")
        and (run / "checkpoints.json").is_file()
    )
    capsys.readouterr()
    assert run_of(file, told, "mb2-ssd-lite", print) == run and "imported already" in capsys.readouterr().out
    labels.write_text("BACKGROUND\na\nc\n")
    assert run_of(file, told, "mb2-ssd-lite", print) != run
    labels.write_text("BACKGROUND\na\n")
    with pytest.raises(NotImported):
        run_of(file, told, "mb2-ssd-lite", print)


def test_the_run_is_here_where_nothing_can_be_made_beside_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(b"x")
    assert weights._run_for(file, ("n",)).parent == tmp_path
    monkeypatch.setattr("os.access", lambda *_: False)
    assert weights._run_for(file, ("n",)).parent == Path()


def test_what_contradicts_a_checkpoint_is_refused_with_the_fix(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = small_run / "labels.txt"
    copy, other, short = (tmp_path / name for name in ("copy.txt", "other.txt", "short.txt"))
    copy.write_text(own.read_text())
    other.write_text(own.read_text().replace("person", "somebody"))
    short.write_text("person\n")
    file = next(small_run.glob("*.pth"))
    same = Told("sq-ssd-lite", copy, width_mult=0.25)
    assert run_of(small_run, same, "", print) == small_run and run_of(file, same, "", print) == file
    for told, what, fix in (
        (Told("mb1-ssd"), "net mb1-ssd: .* is a sq-ssd-lite", "name sq-ssd-lite"),
        (Told("mb1-sdd"), "net mb1-sdd: no such net", "name the net"),
        (Told(labels=other), "labels .*other.txt: .* knows 80 classes: person", "name .*labels.txt"),
        (Told(labels=short), "labels .*short.txt: .* knows 80 classes", "name .*labels.txt"),
        (Told(resolution=512), "size 512: .* takes 96×64 px", "leave the size out.*--resolution"),
        (Told(width_mult=0.5), "width 0.5: .* the width 0.25", "name 0.25"),
    ):
        with pytest.raises(UserError, match=rf"(?s)^{what}.*\n  why: .*\n  fix: .*{fix}"):
            run_of(small_run, told, "", print)
    with pytest.raises(FileNotFoundError):
        run_of(file, Told(labels=tmp_path / "nowhere.txt"), "", print)
    run_of(Path("x.onnx"), Told("mb1-ssd"), "", print)
    assert "note: mb1-ssd: ignored, since x.onnx is the whole net" in capsys.readouterr().out
