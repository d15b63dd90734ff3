"""tools.detect: pictures and JSON from a checkpoint and from the exported file; bad pictures are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tools.detect
from tools.detect import main, named_apart
from tools.export_onnx import main as export
from vision.engine import detectnet
from vision.transforms.resize import RESIZES


@pytest.fixture(scope="module")
def exported(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(small_run, run)
    assert export([str(run)]) == 0
    return run


@pytest.fixture
def run(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "run"))


def _detections(folder: Path) -> list[dict[str, object]]:
    return json.loads((folder / "detections.json").read_text())["images"]


def test_checkpoint_and_export_find_the_same(run: Path, miniature_root: Path, tmp_path: Path) -> None:
    picture = str(sorted((miniature_root / "val2017").iterdir())[0])
    same = ["--threshold", "0.02", "--resize", "bilinear", "--post", "nms"]
    assert main([str(run), picture, "--output", str(tmp_path / "a"), *same]) == 0
    assert main([str(run / "ssd-mobilenet.onnx"), picture, "--output", str(tmp_path / "b"), *same]) == 0
    (first,), (second,) = _detections(tmp_path / "a"), _detections(tmp_path / "b")
    assert [one["class"] for one in first["detections"]] == [one["class"] for one in second["detections"]]  # type: ignore[attr-defined, index]
    drawn = Image.open(tmp_path / "a" / str(first["picture"]))
    assert drawn.size == Image.open(picture).size


def test_a_bad_picture_is_named_and_the_others_are_done(
    run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(sorted((miniature_root / "val2017").iterdir())[0], folder / "good.jpg")
    (folder / "bad.jpg").write_bytes(b"<html>")
    assert main([str(run / "ssd-mobilenet.onnx"), str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "bad.jpg" in capsys.readouterr().err
    rows = _detections(tmp_path / "out")
    assert ["error" in row for row in rows] == [True, False] and (tmp_path / "out/good.jpg").is_file()


def test_pictures_of_one_name_do_not_overwrite_each_other() -> None:
    paths = [Path("a/x.jpg"), Path("b/x.png"), Path("c/x-2.jpg")]
    assert [name for name, _ in named_apart(paths)] == ["x.jpg", "x-2.jpg", "x-2-2.jpg"]


def test_labels_of_another_model_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    (run / "labels.txt").write_text("BACKGROUND\nperson\n")
    assert (
        main([str(run / "ssd-mobilenet.onnx"), str(tmp_path / "x.png"), "--output", str(tmp_path / "o")]) == 1
    )
    assert "do not belong together" in capsys.readouterr().err


def test_labels_with_windows_line_ends_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """detectNet would show every name with a \\r."""
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    names = (run / "labels.txt").read_bytes()
    (tmp_path / "dos.txt").write_bytes(names.replace(b"\n", b"\r\n"))
    line = [str(run / "ssd-mobilenet.onnx"), str(tmp_path / "x.png"), "--output", str(tmp_path / "o")]
    assert main([*line, "--labels", str(tmp_path / "dos.txt")]) == 1
    assert r"dos.txt breaks detectNet's contract" in capsys.readouterr().err


@pytest.mark.parametrize(("lacking", "message"), [
    ("ssd-mobilenet.onnx", "python -m tools.export_onnx makes it"), ("labels.txt", "--labels names the class names"),
])  # fmt: skip
def test_what_is_missing_is_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lacking: str, message: str
) -> None:
    (run / lacking).unlink()
    assert main([str(run / "ssd-mobilenet.onnx"), "x.png", "--output", str(tmp_path / "o")]) == 1
    said = capsys.readouterr().err
    assert lacking in said and message in said


def test_odd_pictures_are_looked_at_in_the_frame_of_training(run: Path, tmp_path: Path) -> None:
    """Grey, CMYK, palette, 16 bit and turned by EXIF: all are read, and nothing is turned, as COCO's boxes ask."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    colour = Image.fromarray(pixels)
    folder = tmp_path / "odd"
    folder.mkdir()
    colour.convert("L").save(folder / "grey.jpg")
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    colour.convert("P").save(folder / "palette.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=turned)
    assert main([str(run / "ssd-mobilenet.onnx"), str(folder), "--output", str(tmp_path / "out")]) == 0
    rows = _detections(tmp_path / "out")
    assert [(row["width"], row["height"]) for row in rows] == [(60, 40)] * 5
    assert all(Image.open(tmp_path / "out" / str(row["picture"])).size == (60, 40) for row in rows)


@pytest.mark.parametrize(("name", "resize", "post"), [
    ("ssd-mobilenet.onnx", "detectnet", "detectnet"),  # what the Jetson will show
    ("", "bilinear", "nms"),  # what evaluation scores
])  # fmt: skip
def test_a_file_is_looked_at_as_the_device_does_and_a_run_as_evaluation(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, resize: str, post: str
) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    used: list[str] = []
    with monkeypatch.context() as patch:
        for kind, function in RESIZES.items():
            patch.setitem(
                RESIZES,
                kind,
                lambda *given, kind=kind, function=function: (used.append(kind), function(*given))[1],
            )
        found, suppressed = detectnet.found, tools.detect._suppressed
        patch.setattr(detectnet, "found", lambda *given: (used.append("detectnet"), found(*given))[1])
        patch.setattr(tools.detect, "_suppressed", lambda *given: (used.append("nms"), suppressed(*given))[1])
        assert main([str(run / name), str(tmp_path / "x.png"), "--output", str(tmp_path / "o")]) == 0
    assert used == [resize, post]


def test_suppression_here_is_that_of_evaluation() -> None:
    """The same overlap (0.45), the threshold itself shown, and priors that are not a number hide nobody."""
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (5, 1))
    boxes[1] += [0.4 * (1 - 0.46) / 1.46, 0, 0.4 * (1 - 0.46) / 1.46, 0]
    boxes[2] += [0.4 * (1 - 0.44) / 1.44, 0, 0.4 * (1 - 0.44) / 1.44, 0]
    boxes[3] = np.nan
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5], [0.0, 1.0], [np.nan, np.nan]], np.float32)
    corners, values, labels = tools.detect._suppressed(scores, boxes, 0.5)
    np.testing.assert_allclose(corners, boxes[[0, 2]], atol=1e-6)
    assert values.tolist() == pytest.approx([0.9, 0.5]) and labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"<html>404</html>", "it is an HTML page"), (b"", "it is an empty file"), (b"\x08\x08\x12\x07pytorch:\xff", "ONNXRuntimeError")],
)  # fmt: skip
def test_what_is_no_network_is_three_lines(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    (tmp_path / "labels.txt").write_text("BACKGROUND\ncat\n")
    assert main([str(tmp_path / "x.onnx"), str(tmp_path), "--output", str(tmp_path / "found")]) == 1
    what, why, fix = capsys.readouterr().err.splitlines()
    assert "x.onnx is no network" in what and says in why and fix.startswith("  fix: ")
