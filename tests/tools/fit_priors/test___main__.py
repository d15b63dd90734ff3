"""tools.fit_priors: what it prints and writes, and a run on its boxes that never needs the file again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.printed import ODD, Printed
from tools.fit_priors.__main__ import main
from vision.engine.checkpoints.checkpoint import load
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.checkpoints.open_detector import open_detector
from vision.ssd.priors.written import read_prior_file

SIZE = ("--resolution", "96", "64")
SHORT = (
    "--mb2-width-mult=0.25", "--batch-size=8", "--epochs=3", "--workers=0", "--augment=light", "--device=cpu", "--threads=1",
    "--validation-map=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def fitted(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("priors") / ODD / "boxes.json"
    path.parent.mkdir()
    assert main([str(miniature_root), "--output", str(path), *SIZE]) == 0
    return path


def train(*line: object) -> int:
    from train_ssd import main

    return main([str(word) for word in line])


def newest(run: Path) -> Path:
    return run / RunFolder(run).records()[-1].file


def test_the_same_data_give_the_same_file_and_it_says_what_it_is(
    fitted: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again.json"
    assert main([str(miniature_root), "--output", str(again), *SIZE]) == 0
    said = capsys.readouterr().out
    assert again.read_bytes() == fitted.read_bytes()
    record = json.loads(fitted.read_text())
    assert (record["net"], record["resolution"], record["cells"][0]) == ("mb2-ssd-lite", [96, 64], [4, 6])
    assert set(record["coverage"]) == {"train", "val"}
    before, after = record["coverage"]["train"]["before"], record["coverage"]["train"]["after"]
    assert after["all"] > before["all"]
    assert f"train, after {after['all']:.1%}".split()[-1] in said and "few objects" in said


def test_the_printed_command_trains_on_them(
    miniature_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / ODD
    shutil.copytree(miniature_root, root / "data")
    assert main([str(root / "data"), "--output", str(root / "boxes.json"), *SIZE]) == 0
    said = capsys.readouterr().out
    run = root / "run"
    printed(
        said, "tools/fit_priors/__main__.py:_next", *SHORT, "--stop-after-step=1", "--checkpoint-folder", run
    )
    assert load(newest(run)).config.priors == read_prior_file(root / "boxes.json")


def test_a_run_is_whole_without_the_file(
    fitted: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed to the bit, opened and continued by another run, when the file is gone; another file is refused."""
    own, line = tmp_path / "own.json", ("--datasets", miniature_root, *SIZE, *SHORT)
    shutil.copy(fitted, own)
    text = read_prior_file(own)
    assert train(*line, "--priors", own, "--checkpoint-folder", tmp_path / "one", "--stop-after-step=3") == 0
    assert train(*line, "--priors", own, "--checkpoint-folder", tmp_path / "two", "--stop-after-step=1") == 0
    own.unlink()
    assert train("--resume", tmp_path / "two", "--stop-after-step=3") == 0
    one, two = (load(newest(tmp_path / name)) for name in ("one", "two"))
    assert one.step == two.step == 3 and one.config.priors == two.config.priors == text
    assert all(torch.equal(value, two.weights[name]) for name, value in one.weights.items())
    assert json.loads((tmp_path / "two" / "training_args.json").read_text())["priors"] == text
    detector = open_detector(tmp_path / "two", which="last").detector
    width, height = map(float, text.split(",")[0].split("x"))
    assert detector.priors_cxcywh[0, 2:].tolist() == pytest.approx([width, height])
    assert "(fitted " in capsys.readouterr().out

    new = tmp_path / "new"
    assert (
        train(
            *line,
            "--pretrained-ssd",
            newest(tmp_path / "two"),
            "--checkpoint-folder",
            new,
            "--stop-after-step=1",
        )
        == 0
    )
    assert load(newest(new)).config.priors == text
    said = capsys.readouterr().out
    assert "taken from --pretrained-ssd" in said and "heads kept" in said


def test_an_edited_file_is_another_run(
    fitted: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, run = tmp_path / "own.json", tmp_path / "run"
    shutil.copy(fitted, own)
    line = ("--datasets", miniature_root, *SIZE, *SHORT)
    assert train(*line, "--priors", own, "--checkpoint-folder", run, "--stop-after-step=1") == 0
    assert train("--resume", run, "--priors", own, "--stop-after-step=2") == 0, (
        "the same file is no difference"
    )
    record = json.loads(own.read_text())
    shape = record["maps"][0].split(",")[0]
    record["maps"][0] = record["maps"][0].replace(shape, "0.11x0.12")
    own.write_text(json.dumps(record))
    capsys.readouterr()
    with pytest.raises(SystemExit):  # before anything else is read
        train("--resume", run, "--priors", own)
    assert "its boxes are not those of its digest" in capsys.readouterr().err
    own.write_text(json.dumps({**record, "digest": None}))
    assert train("--resume", run, "--priors", own) == 1
    said = capsys.readouterr().err
    assert "this would be another run" in said and f"map 1: {shape} → 0.11x0.12" in said


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (("--net", "yolo-v3-mobilenet-v2"), "a cell of each map, and yolo-v3-mobilenet-v2 has 3, 3, 3"),
        (("--net", "mb2-ssd-lite", "--resolution", "64"), None),
    ],
)  # fmt: skip
def test_boxes_go_to_a_net_with_as_many_a_cell(
    fitted: Path, line: tuple[str, ...], part: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    from vision.engine.options.config import parse

    words = ["--priors", str(fitted), *line]
    if part is None:
        assert parse(words).config.priors == read_prior_file(fitted)
        return
    with pytest.raises(SystemExit) as caught:
        parse(words)
    assert caught.value.code == 2 and part in capsys.readouterr().err


def test_nothing_is_written_over(
    fitted: Path, miniature_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fitted.read_bytes()
    assert main([str(miniature_root), "--output", str(fitted), *SIZE]) == 1
    assert "exists already" in capsys.readouterr().err and fitted.read_bytes() == before
    assert main([str(miniature_root), "--output", str(miniature_root / "boxes.json"), *SIZE]) == 1
    assert not (miniature_root / "boxes.json").exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--resolution", "1", "2", "3"], "--resolution"), (["--resolution", "8"], "--resolution"), (["--images", "0"], "--images"),
        (["--net", "mb2-ssd"], "did you mean 'mb2-ssd-lite'"), (["--output", "x.txt"], ".json"),
    ],
)  # fmt: skip
def test_mistakes_name_the_option(wrong: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["somewhere", "--output", "x.json", *wrong])
    assert caught.value.code == 2
    assert named in capsys.readouterr().err
