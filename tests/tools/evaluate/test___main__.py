"""tools.evaluate: the numbers of a second implementation, published category ids, errors that help."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.printed import ODD, Printed
from tools.evaluate.__main__ import main
from vision.datasets.coco import CocoDetection
from vision.engine.evaluation import coco_map, predict, voc_ap
from vision.engine.evaluation.results import Results
from vision.transforms.resize import RESIZES


def test_the_results_file_scores_the_same_with_pycocotools_on_the_published_annotations(
    small_run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([str(small_run), "--output", str(tmp_path), "--workers", "0", "--score-threshold", "1e-5"]) == 0
    )
    said = capsys.readouterr().out
    assert "next: python -m tools.export_onnx" in said and "warning" not in said
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    results = json.loads((tmp_path / "detections_val2017.json").read_text())
    assert {row["category_id"] for row in results} <= {*range(1, 91)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(miniature_root / "annotations/instances_val2017.json"))
        scorer = COCOeval(truth, truth.loadRes(results), "bbox")
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
    np.testing.assert_allclose([metrics[name] for name in names], scorer.stats, atol=1e-9)
    assert (metrics["weights"], metrics["split"], metrics["resize"]) == ("ema", "val", "bilinear")


def test_vocs_numbers_are_beside_cocos(
    small_run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default nothing of them is shown or written; asked for, the rest of metrics.json stays as it is."""
    line = [str(small_run), "--output", str(tmp_path), "--workers", "0", "--score-threshold", "1e-5"]
    found = {}
    for metrics in ("", "coco,voc", "voc"):
        assert main([*line, *(["--metrics", metrics] if metrics else [])]) == 0
        said = capsys.readouterr().out
        assert ("Average Precision Per-class" in said) is ("Average Precision Across All Classes: " in said)
        assert ("Average Precision Per-class" in said) is ("voc" in metrics)
        assert ("AP75" in said) is (metrics != "voc")
        found[metrics] = json.loads((tmp_path / "metrics.json").read_text())
    voc = found["voc"].pop("voc")
    assert found["coco,voc"].pop("voc") == voc and found[""] == found["voc"] == found["coco,voc"]
    rows = json.loads((tmp_path / "detections_val2017.json").read_text())
    results = Results(
        *(np.array([row[key] for row in rows]) for key in ("image_id", "category_id", "bbox", "score"))
    )
    assert voc == json.loads(json.dumps(asdict(voc_ap.score(results, CocoDetection(miniature_root, "val")))))
    assert len(voc["per_class"]) == 80 and sum(row["boxes"] for row in voc["per_class"]) == found[""]["boxes"]
    with pytest.raises(SystemExit) as left:
        main([*line, "--metrics", "coco,vco"])
    assert (
        left.value.code == 2 and "expected coco, voc or coco,voc, found 'coco,vco'" in capsys.readouterr().err
    )


def test_the_average_and_the_raw_weights_are_told_apart(small_run: Path, tmp_path: Path) -> None:
    """small_run has both; with no threshold their detections differ in their scores."""
    found = {}
    for weights, recorded in (("auto", "ema"), ("ema", "ema"), ("raw", "raw")):
        output = tmp_path / weights
        line = [str(small_run), "--output", str(output), "--workers", "0", "--score-threshold", "1e-5"]
        assert main([*line, "--weights", weights]) == 0
        assert json.loads((output / "metrics.json").read_text())["weights"] == recorded
        found[weights] = (output / "detections_val2017.json").read_bytes()
    assert found["auto"] == found["ema"] != found["raw"]


def test_the_devices_resize_is_used_when_asked_for(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, truncating = [], RESIZES["detectnet"]

    def watched(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
        sizes.append(size_hw)
        return truncating(image, size_hw)

    monkeypatch.setitem(RESIZES, "detectnet", watched)
    for resize, expected in (("bilinear", 0), ("detectnet", 8)):
        output = tmp_path / resize
        assert main([str(small_run), "--output", str(output), "--workers", "0", "--resize", resize]) == 0
        assert sizes == [(64, 96)] * expected
        assert json.loads((output / "metrics.json").read_text())["resize"] == resize


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-run"], "no-such-run"),
        (["{run}", "--datasets", "no-such-data"], "no-such-data"),
        (["{run}", "--device", "cuda"], "sees 0 GPUs"),
        (["{run}", "--device", "tpu"], "--device tpu: expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_is_missing_is_named(
    small_run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main([argument.replace("{run}", str(small_run)) for argument in arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error:") and message in said and "Traceback" not in said


def test_data_that_were_moved_are_named_with_the_option_and_the_command_works(
    small_run: Path,
    miniature_root: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = torch.load(next(small_run.glob("*.pth")), weights_only=True)
    content["args"]["datasets"] = [str(tmp_path / "gone")]
    checkpoint = tmp_path / ODD / "x.pth"
    checkpoint.parent.mkdir()
    torch.save(content, checkpoint)
    assert main([str(checkpoint), "--workers", "0"]) == 1
    said = capsys.readouterr().err
    assert f"there is no folder {tmp_path / 'gone'}\n" in said
    fill: dict[str, object] = {"FOLDER": miniature_root}
    printed(said, "tools/evaluate/__main__.py:evaluate#2", "--workers", 0, fill=fill)


def test_data_of_other_classes_are_refused(
    small_run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many classes, two of them with each other's names: every detection of them would count as wrong."""
    root = tmp_path / "coco-data"
    shutil.copytree(miniature_root, root)
    path = root / "arrays/val2017/arrays.json"
    record = json.loads(path.read_text())
    record["classes"][1] = "somebody"
    path.write_text(json.dumps(record))
    assert main([str(small_run), "--datasets", str(root), "--output", str(tmp_path), "--workers", "0"]) == 1
    assert (
        "other classes than the run: somebody\n  why: the run does not learn these classes"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "metrics.json").exists()


def test_images_that_were_learned_from_are_said(
    small_run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another root of the same photographs measures with what was learned here."""
    root = tmp_path / "other"
    shutil.copytree(miniature_root, root)
    shutil.rmtree(root / "arrays/val2017")
    shutil.copytree(root / "arrays/train2017", root / "arrays/val2017")
    path = root / "arrays/val2017/arrays.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"split": "val"}))
    count = len(CocoDetection(root, "val"))
    line = [str(small_run), "--workers", "0", "--output", str(tmp_path / "found")]
    assert main([*line, "--datasets", str(root)]) == 0
    assert (
        f"warning: learned from, too: {count} of {count} measured images (such as " in capsys.readouterr().out
    )


def test_a_train_split_that_has_changed_is_said(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(next(small_run.glob("*.pth")), weights_only=True)
    torch.save(content | {"dataset_digest": "0" * 64}, tmp_path / "x.pth")
    assert main([str(tmp_path / "x.pth"), "--workers", "0"]) == 0
    assert "another train split than the checkpoint has learned from" in capsys.readouterr().out


def test_what_is_learned_from_nothing_is_one_line(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([str(small_run), "--output", str(tmp_path), "--workers", "0", "--score-threshold", "0.9"]) == 0
    )
    said = capsys.readouterr().out
    assert "no detections of a score of 0.9 or more after 2 steps of training: nothing is learned yet" in said
    assert "class  " not in said and "0.000" in said, "no table of classes, but the 12 numbers"


def test_imported_weights_that_find_nothing_are_not_called_untrained(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of tools.import_weights knows no data that it was trained on."""
    content = torch.load(next(small_run.glob("*.pth")), weights_only=True) | {"dataset_digest": ""}
    torch.save(content, tmp_path / "x.pth")
    assert main([str(tmp_path / "x.pth"), "--workers", "0", "--score-threshold", "0.9"]) == 0
    said = capsys.readouterr().out
    assert "no detections of a score of 0.9 or more by imported weights: check what the import took" in said
    assert "nothing is learned" not in said


@pytest.mark.parametrize("backend", ["auto", "pycocotools", "hotcoco"])
def test_without_a_scorer_nothing_is_predicted(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """It is missed before the minutes of work, not after them."""
    real = importlib.import_module

    def lacking(name: str) -> object:
        if name in ("pycocotools", "hotcoco"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it predicts")

    monkeypatch.setattr(coco_map.importlib, "import_module", lacking)
    monkeypatch.setattr(predict, "predict", never)
    missed = "hotcoco" if backend == "hotcoco" else "pycocotools"
    with pytest.raises(ModuleNotFoundError, match=missed):
        main([str(small_run), "--output", str(tmp_path / "o"), "--workers", "0", "--coco-backend", backend])
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("kind", ["read-only", "full"])
def test_where_nothing_can_be_written_nothing_is_scored(
    small_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    from vision.artefacts import writable
    from vision.engine.evaluation import predict as evaluate

    def never(*_: object, **__: object) -> None:
        raise AssertionError("scored before it was known that the results can be written")

    monkeypatch.setattr(evaluate, "predict", never)
    output = tmp_path / "out"
    if kind == "read-only":
        (tmp_path / "file").write_text("")
        output = tmp_path / "file" / "out"
    else:
        monkeypatch.setattr(writable, "free_bytes", lambda folder: 10)
    assert main([str(small_run), "--output", str(output), "--workers", "0"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "\n  why: " in said and "\n  fix: " in said and "Errno" not in said


def test_a_network_that_overflows_has_no_score(
    overflowing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(overflowing), "--workers", "0", "--output", str(tmp_path / "scores")]) == 1
    said = capsys.readouterr()
    assert "error: the network's outputs are not finite" in said.err and "next:" not in said.out
    assert not (tmp_path / "scores" / "metrics.json").exists()
