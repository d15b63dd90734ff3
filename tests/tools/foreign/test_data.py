"""A folder in another layout is imported once, beside itself, and found there; the trainer then has a data root."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.engine.ranks import ends, train_ranks
from tests.engine.tiny_runs import TINY
from tests.foreign_layouts import voc_of
from tests.pipeline.foreign import as_voc, draw
from tests.printed import ODD, Printed
from tools.foreign import data
from tools.foreign.data import NotImported, data_root, with_data_roots
from vision.engine.options.combinations import UsageError
from vision.engine.options.config import parse
from vision.messages.advice import UserError

Calls = list[list[str]]
AGAIN = "pipeline/import_data/request.py:Request.again"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The words of each import, none of which is made; its root appears."""
    seen: Calls = []

    def imported(words: list[str]) -> int:
        seen.append(words)
        receipt = Path(words[words.index("--root") + 1], ".pipeline/import_data.json")
        receipt.parent.mkdir(parents=True, exist_ok=True)
        receipt.touch()
        return 0

    monkeypatch.setattr(data, "_imported", imported)
    return seen


def test_it_is_imported_once_and_found_again(
    calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / ODD
    (source / "Annotations").mkdir(parents=True)
    first = data_root("voc", source, print, workers=0)
    assert first == data_root("voc", source, print) == (tmp_path / f"{ODD}-imported", "voc")
    assert calls[0] == ["--from", "voc", "--source", str(source), "--root", str(first[0]), "--workers", "0"]
    said = capsys.readouterr().out
    assert "imported once, into" in said and "imported already into" in said
    source.rename(tmp_path / "elsewhere")
    assert data_root("voc", source, print) == first and len(calls) == 2
    assert "is missing; using its import" in capsys.readouterr().out


def test_a_data_root_is_taken_as_it_is(calls: Calls, miniature_root: Path) -> None:
    for kind in ("voc", "coco", None):
        assert data_root(kind, miniature_root, print) == (miniature_root, None)
    assert data_root("coco", Path("nowhere"), print) == (Path("nowhere"), None), (
        "the trainer says what is wrong"
    )
    assert not calls


def test_what_is_not_there_is_said(calls: Calls, tmp_path: Path, miniature_root: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)no such folder.*--dataset-type voc.*check the path"):
        data_root("voc", tmp_path / "nix" / "nix", print)
    assert not calls


def test_an_import_that_ends_early_ends_the_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from train_ssd import main

    (tmp_path / "Annotations").mkdir()
    monkeypatch.setattr(data, "_imported", lambda words: 143)
    assert main(["--dataset-type=voc", "--data", str(tmp_path)]) == 143
    with pytest.raises(NotImported):
        data_root("voc", tmp_path, print)
    assert "torch" not in capsys.readouterr().out


def test_a_changed_source_is_said_with_both_ways_on(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("pipeline.import_data.driver")
    monkeypatch.chdir(tmp_path)
    source = voc_of(miniature_root, Path(ODD))
    assert (
        data._imported(["--from=voc", "--source", str(source), "--root", f"{ODD}-imported", "--no-run"]) == 0
    )
    kept = source / "ImageSets/Main/test.txt"
    kept.write_text("".join(kept.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(NotImported):
        data_root("voc", source, print)
    said = capsys.readouterr()
    assert f"as it is: --datasets '{ODD}-imported'\n" in said.out and "has changed" in said.err
    printed(said.err, AGAIN, "--no-run")
    assert Path(f"{ODD}-imported-2").is_dir()


def test_another_layout_than_was_named_is_told_by_a_command_that_imports_it(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """No option of the import is one of the trainer's: what is printed works for whoever has typed the trainer."""
    monkeypatch.chdir(tmp_path)
    source = voc_of(miniature_root, Path(ODD))
    with pytest.raises(NotImported):
        data_root("yolo", source, print)
    said = capsys.readouterr()
    assert "its files are those of voc" in said.err and not Path(f"{ODD}-imported").exists()
    assert (
        "nothing was imported; where a command imports it: --datasets with its --root trains on that"
        in said.out
    )
    printed(said.err, AGAIN, "--no-run")
    assert "next: python train_ssd.py" not in capsys.readouterr().out
    assert data_root(None, source, print, workers=0) == (Path(f"{ODD}-imported"), "voc")
    assert "next:" not in capsys.readouterr().out, "the trainer goes on by itself"


def test_images_that_are_elsewhere_are_told_by_a_command(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    source, images = voc_of(miniature_root, Path(ODD)), tmp_path / "elsewhere"
    (source / "JPEGImages").rename(images)
    with pytest.raises(NotImported):
        data_root("voc", source, print)
    said = capsys.readouterr().err
    assert "if the images are elsewhere, in DIR" in said
    printed(said, AGAIN, "--no-run", fill={"DIR": images})
    assert len(list(Path(f"{ODD}-imported/train2017").iterdir())) == 16


# ---------------------------------------------------------------- several processes


def slow_import(seen: Path) -> None:
    """Notes each import in a file, and takes long enough for the others to get ahead."""
    real = data._imported

    def imported(words: list[str]) -> int:
        with seen.open("a") as file:
            file.write("import\n")
        time.sleep(2)
        return real(words)

    data._imported = imported


def test_of_several_processes_one_imports_and_the_others_wait(tmp_path: Path) -> None:
    source, run, seen = as_voc(tmp_path / ODD, draw(6, 2)), tmp_path / "run", tmp_path / "seen"
    words = [
        "--dataset-type=voc",
        "--data",
        source,
        *TINY,
        "--epochs=1",
        "--batch-size=2",
        "--checkpoint-folder",
        run,
    ]
    (status, first), (other_status, other) = ends(
        train_ranks(2, tmp_path / "ranks", *words, before=slow_import, given=(seen,)), limit_s=240
    )
    assert (status, other_status) == (0, 0), (first, other)
    assert seen.read_text() == "import\n" and "imported once, into" in first and "index: done" in first
    assert "import" not in other and (run / "checkpoints.json").is_file()


def test_an_import_that_fails_ends_all_of_them(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "Annotations").mkdir(parents=True)
    found = ends(train_ranks(2, tmp_path / "ranks", "--dataset-type=voc", "--data", source), limit_s=240)
    assert [status for status, _ in found] == [1, 1], found
    assert sum("fix:" in said for _, said in found) >= 1 and "Traceback" not in str(found)


def killed(words: list[str]) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def killed_import() -> None:
    data._imported = killed


def test_the_first_process_is_gone_before_the_import_is_done(tmp_path: Path) -> None:
    (tmp_path / "source/Annotations").mkdir(parents=True)
    words = ["--dataset-type=voc", "--data", tmp_path / "source"]
    (first, _), (other, said) = ends(
        train_ranks(2, tmp_path / "ranks", *words, before=killed_import), limit_s=240
    )
    assert (first, other) == (-signal.SIGKILL, 1) and "Traceback" not in said
    assert "why: the first process, which does it for all, has ended" in said


# ---------------------------------------------------------------- the options of a training


def test_voc_trains_as_its_trainers_did(
    calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Annotations").mkdir()
    parsed = with_data_roots(parse(["--dataset_type", "voc", "--data", str(tmp_path)]), print)
    config = parsed.config
    assert (config.dataset_type, config.datasets) == ("coco", (f"{tmp_path}-imported",))
    assert (config.optim_choose, config.lr, config.weight_decay, config.scheduler) == (
        "SGD",
        0.01,
        5e-4,
        "cosine",
    )
    said = capsys.readouterr().out
    assert "--optim-choose SGD" in said and "from scratch" in said and "datasets" in parsed.explicit


def test_what_is_named_wins_over_the_old_defaults(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    line = ["--dataset-type=voc", f"--data={tmp_path}", "--lr=0.1"]
    assert with_data_roots(parse(line), print).config.lr == 0.1
    config = with_data_roots(parse([*line, "--optim-choose=Adam"]), print).config
    assert (config.optim_choose, config.weight_decay, config.scheduler) == ("Adam", 0.0, "none")


def test_dusty_nvs_bare_command_finds_its_data(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``train_ssd.py --data=data/fruit`` means Open Images there, and without ``--data`` the folder ``data``."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/sub-train-annotations-bbox.csv").touch()
    for line in (["--data=data"], []):
        config = with_data_roots(parse([*line, "--batch-size=4"]), print).config
        assert (
            config.datasets == ("data-imported",) and config.optim_choose == "SGD" and config.batch_size == 4
        )
    assert "data/ is taken" in capsys.readouterr().out


def test_no_data_at_all_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--data FOLDER"):
        with_data_roots(parse(["--dataset-type=voc"]), print)


def test_published_weights_are_asked_for_before_the_import(calls: Calls, tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    line = [
        "--dataset-type=voc",
        f"--data={tmp_path}",
        "--pretrained-ssd=models/mobilenet-v1-ssd-mp-0_675.pth",
    ]
    with pytest.raises(FileNotFoundError, match=r"fix: fetch https://.*save it as models/mobilenet"):
        with_data_roots(parse(line), print)
    assert not calls
    for option in ("--pretrained-ssd", "--base-net"):
        with pytest.raises(FileNotFoundError, match=f"why: {option} takes weights of it"):
            with_data_roots(parse([*line[:2], f"{option}={tmp_path / 'gone.pth'}"]), print)
    assert not calls
    with_data_roots(parse([*line[:2], "--base-net=MobileNet_V2_Weights.IMAGENET1K_V1"]), print)
    assert calls
