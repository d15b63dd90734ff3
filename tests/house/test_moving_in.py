"""docs/moving-in.md: each command that it shows is run here on small data, in a folder as its readers have one."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.foreign_layouts import voc_of
from tests.house.test_readme import as_program, commands_in

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "moving-in.md"
SMALL = [
    "--resolution=64",
    "--width-mult=0.1",
    "--device=cpu",
    "--threads=1",
    "--validation-map=false",
    "--workers=0",
]
VOC = "train_ssd --dataset-type=voc --data=data/NAME --model-dir=models/NAME"
RUN = {
    f"{VOC} --batch-size=4 --epochs=30 --workers=2": [*SMALL, "--stop-after-step=1"],
    f"{VOC} --resume=models/NAME": ["--stop-after-step=2"],
    "compat.onnx_export --model-dir=models/NAME": [],
    "compat.validate_image_files --path coco-data/train2017 --num-workers 12": ["--num-workers=1"],
    "compat.fix_coco_annotations --path coco-data": ["--num-workers=1"],
}
"""Command of the page → options added here so that it is done in a moment; in this order, in one folder."""
NETWORK, LARGE = "it fetches gigabytes", "the same code as a command above, with a net of its full size"
WEIGHTS = "it needs published weights; that it asks for them is tested below, the rest in tests/compat/ and tests/tools/foreign/"
NOT_RUN = {
    r"compat\.coco_downloader|compat\.open_images_downloader": NETWORK,
    r".*(0_675|71_8|reducedfc)\.pth.*": WEIGHTS,
    r"train_ssd --data=data/fruit .*|train_ssd --dataset-type=coco .*|train_ssd --resume models/my-.*": LARGE,
}


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """``module words`` of each of the page's commands that starts a program of ours."""
    calls = [call for command in commands_in(PAGE, PAGE.name) if (call := as_program(command))]
    return [" ".join([module, *words]) for module, words in calls]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def started(line: str, more: list[str]) -> int:
    module, *words = line.split()
    return int(importlib.import_module(module).main([*words, *more]))


def test_every_command_of_the_page_is_run_or_has_its_reason(shown: list[str]) -> None:
    assert len(shown) >= 12 and not [line for line in RUN if line not in shown]
    left = [line for line in shown if line not in RUN and not any(re.match(each, line) for each in NOT_RUN)]
    assert not left, "run these here, or say why not:\n" + "\n".join(left)


def test_the_commands_of_the_page_do_what_it_says(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    voc_of(miniature_root, Path("data/NAME"))
    shutil.copytree(miniature_root, "coco-data", symlinks=True)
    for line, more in RUN.items():
        assert started(line, more) == 0, (line, capsys.readouterr().err)
    for made in (
        "data/NAME-imported/report/import.jsonl",
        "models/NAME/labels.txt",
        "models/NAME/ssd-mobilenet.onnx",
    ):
        assert Path(made).is_file(), made
    said = capsys.readouterr().out
    assert said.count("imported once, into data/NAME-imported") == said.count("imported already into") == 1


def test_published_weights_are_asked_for(
    shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("VOC2007/Annotations", "VOC2012/Annotations", "data/fruit/Annotations"):
        Path(folder).mkdir(parents=True)
    lines = [line.replace("~/", "") for line in shown if re.search(r"(0_675|71_8|reducedfc)\.pth", line)]
    assert len(lines) >= 4
    for line in lines:
        assert started(line, []) == 1
        assert "fix: fetch https://" in capsys.readouterr().err, line


def test_what_the_tables_name_is_there(repository: Path) -> None:
    """Files and modules of the right-hand column, and options of the trainer in both columns."""
    rows = [
        row.split("|")[1:-1] for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| `")
    ]
    assert len(rows) > 40
    frozen = (repository / "tests/house/options.txt").read_text(encoding="utf-8").split()
    for _, here in rows:
        for name in re.findall(r"`(compat/\w+\.py|train_ssd\.py)`", here):
            assert (repository / name).is_file(), name
        for module in re.findall(r"`python -m ([\w.]+)", here):
            path = repository / module.replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").is_file() or module == "pipeline.open_images", (
                module
            )
    options = {
        flag
        for there, here in rows
        if there.strip().startswith("`--")
        for flag in re.findall(r"--[a-z0-9-]+", there + here)
    }
    missing = sorted(flag for flag in options if flag not in frozen)
    assert not missing
