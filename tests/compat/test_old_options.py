"""pytorch-ssd's scripts: the words that people type, and the command that each stands for."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from compat import old_options
from compat.old_options import GONE, OLD, asked, lowest_loss
from tools.foreign.weights import Told
from vision.artefacts.files import publish_json

Started = list[list[str]]
EVALUATE = "--net mb1-ssd --dataset d --trained_model m.pth --label_file l.txt"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The new commands; none is started, data and weights are taken for this toolkit's."""
    seen: Started = []

    def start(module: str, *words: object) -> int:
        seen.append([module, *map(str, words)])
        if module == "tools.evaluate":
            values = (("a", 0.5, 0.4, 3), ("b", -1.0, -1.0, 0), ("c", 0.25, 0.2, 1))
            keys = ("name", "ap_11_points", "ap_all_points", "boxes")
            rows = [dict(zip(keys, row, strict=True)) for row in values]
            voc = {"mean_ap_11_points": 0.375, "mean_ap_all_points": 0.3, "per_class": rows}
            publish_json(Path(str(words[words.index("--output") + 1])) / "metrics.json", {"voc": voc})
        return 0

    for name in ("eval_ssd", "onnx_export", "run_ssd_example", *PLAIN):
        script = importlib.import_module(f"compat.{name}")
        monkeypatch.setattr(script, "start", start)
        if hasattr(script, "run_of"):
            monkeypatch.setattr(script, "run_of", made)
    monkeypatch.setattr("compat.eval_ssd.data_root", lambda kind, folder, say: (folder, kind))
    return seen


def made(model: Path, told: Told, unless_told: str, say: object) -> Path:
    parts = [told.net or unless_told, *(["with labels"] if told.labels else [])]
    parts += [str(value) for value in (told.resolution, told.width_mult) if value]
    return model if model.is_dir() else Path(f"run of {model} ({', '.join(parts)})")


PLAIN = ("coco_downloader", "validate_image_files", "fix_coco_annotations", "open_images_downloader")
LINES = {
    "coco_downloader --path coco-data": "pipeline run --root coco-data --until extract",
    "coco_downloader --root=c --num_workers 4": "pipeline run --root c --until extract --parallel 4",
    "coco_downloader --data c --no-download --workers=4": "pipeline run --root c --from extract --until extract",
    "validate_image_files --path x/images": "pipeline.validate_images --images x/images --report x/images-verdicts.jsonl",
    "validate_image_files --path=root/train2017 --num-workers 12": "pipeline.validate_images --root root --workers 12",
    "fix_coco_annotations": "pipeline run --root coco-data --from validate_images",
    "open_images_downloader --class_names Apple,Orange --stats-only --data=d": (
        "pipeline.open_images --class_names Apple,Orange --stats-only --data=d"
    ),
    "run_ssd_example mb1-ssd m.pth l.txt a.jpg": (
        "tools.detect run of m.pth (mb1-ssd, with labels) a.jpg --output run_ssd_example_output --threshold 0.4"
    ),
    f"eval_ssd {EVALUATE}": (
        "tools.evaluate run of m.pth (mb1-ssd, with labels) --datasets d --output eval_results/run of m.pth (mb1-ssd, with labels)-on-d --metrics voc"
    ),
    f"eval_ssd {EVALUATE} --use_cuda=False --eval-dir e": (
        "tools.evaluate run of m.pth (mb1-ssd, with labels) --datasets d --output e/run of m.pth (mb1-ssd, with labels)-on-d"
        " --metrics voc --device cpu"
    ),
    "eval_ssd --dataset d --trained_model m.pth --mb2_width_mult 0.5": (
        "tools.evaluate run of m.pth (vgg16-ssd, 0.5) --datasets d --output eval_results/run of m.pth (vgg16-ssd, 0.5)-on-d --metrics voc"
    ),
    "onnx_export --input=old/a-Loss-0.3.pth --resolution=512 --labels=named.txt": (
        "tools.export_onnx run of old/a-Loss-0.3.pth (mb1-ssd, with labels, 512) --output old/ssd-mobilenet.onnx"
    ),
    "onnx_export --model-dir=ours": "tools.export_onnx ours",
    "onnx_export --model-dir=ours --output=a.onnx": "tools.export_onnx ours --output ours/a.onnx",
    "onnx_export --model_dir old": (
        "tools.export_onnx run of old/b-Loss-2e-1.pth (mb1-ssd, with labels) --output old/ssd-mobilenet.onnx"
    ),
    "onnx_export --net=vgg16-ssd --input=old/a-Loss-0.3.pth --width 512 --height=512": (
        "tools.export_onnx run of old/a-Loss-0.3.pth (vgg16-ssd, with labels, 512) --output old/vgg16-ssd.onnx"
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_an_old_line_is_the_new_one(
    line: str, started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (
        "root/train2017/a.jpg",
        "ours/checkpoints.json",
        "old/a-Loss-0.3.pth",
        "old/b-Loss-2e-1.pth",
        "old/labels.txt",
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    script, *words = line.split()
    assert importlib.import_module(f"compat.{script}").main(words) == 0
    assert " ".join(started[0]) == LINES[line]


def test_evaluation_ends_as_it_did(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from compat.eval_ssd import main

    monkeypatch.chdir(tmp_path)
    assert main([*EVALUATE.split(), "--nms_method", "soft", "--iou-threshold=0.4"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("note: --nms-method: no effect: ") and "note: --iou-threshold: no effect" in said
    assert "Average Precision Per-class" in said and "a: 0.5\nc: 0.25\n" in said
    assert said.endswith("Average Precision Across All Classes: 0.375\n")
    assert main([*EVALUATE.split(), "--use_2007=False"]) == 0
    said = capsys.readouterr().out
    assert "a: 0.4\nc: 0.2\n" in said and said.endswith("Across All Classes: 0.3\n")


def test_the_command_is_printed_and_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    assert (
        old_options.start("pipeline.validate_images", "--images", folder, "--report", tmp_path / "r.jsonl")
        == 0
    )
    assert (
        f"this is now: python -m pipeline.validate_images --images '{folder}' --report"
        in capsys.readouterr().out
    )
    with pytest.raises(SystemExit):
        old_options.start("tools.export_onnx", "--help")
    with pytest.raises(SystemExit):
        old_options.start("pipeline run", "--help")
    assert "usage: python -m pipeline run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "words", "said"),
    [
        ("eval_ssd", ["--dataset", "d"], "required: --trained-model"),
        ("eval_ssd", [*EVALUATE.split(), "--use_cuda", "maybe"], "True or False"),
        ("onnx_export", ["--model-dri", "x"], "did you mean '--model-dir'"),
        ("coco_downloader", ["--num-workers", "many"], "whole number"),
    ],
)
def test_a_mistake_is_answered(
    script: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        asked(script, "", words)
    assert left.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize("script", OLD)
def test_help_names_the_new_command(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        importlib.import_module(f"compat.{script}").main(["--help"])
    assert left.value.code == 0 and "Now: python -m " in " ".join(capsys.readouterr().out.split())


def test_an_export_without_anything_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    from compat.onnx_export import main

    assert main([]) == 1 and "fix: --model-dir=models/NAME" in capsys.readouterr().err
    assert main(["--input=x.pth", "--width=300", "--height=200"]) == 1
    assert "--resolution PX" in capsys.readouterr().err


@pytest.mark.parametrize("script", GONE)
def test_what_is_gone_says_what_to_use(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module(f"compat.{script}").main(["mb1-ssd", "m.pth", "--any", "l.txt"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {script}.py has no successor\n  why: "), said
    assert re.search(r"\n  fix: .*(detectnet --model=|python -m tools\.export_onnx RUN)", said), said


def test_the_lowest_loss_is_read_as_a_number(tmp_path: Path) -> None:
    """``Loss-1.2e-05`` was read as 5 there."""
    for name in ("a-Loss-0.5.pth", "b-Loss-1.2e-05.pth", "c-Loss-none.pth", "d.pth"):
        (tmp_path / name).touch()
    assert lowest_loss(tmp_path) == tmp_path / "b-Loss-1.2e-05.pth"
    assert lowest_loss(tmp_path / "nothing") is None
