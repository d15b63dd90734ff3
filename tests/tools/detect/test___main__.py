"""tools.detect: images and JSON from a checkpoint and from the exported file; bad images are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import tools.detect.__main__
from tools.detect.__main__ import build_parser, main, nothing_above
from tools.export_onnx import main as export
from vision.export import detectnet
from vision.images.formats import EXIF_CHOICES
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
    image = str(sorted((miniature_root / "val2017").iterdir())[0])
    same = ["--threshold", "0.02", "--resize", "bilinear", "--post", "nms"]
    assert main([str(run), image, "--output", str(tmp_path / "a"), *same]) == 0
    assert main([str(run / "ssd-mobilenet.onnx"), image, "--output", str(tmp_path / "b"), *same]) == 0
    (first,), (second,) = _detections(tmp_path / "a"), _detections(tmp_path / "b")
    assert [one["class"] for one in first["detections"]] == [one["class"] for one in second["detections"]]  # type: ignore[attr-defined, index]
    drawn = Image.open(tmp_path / "a" / str(first["picture"]))
    assert drawn.size == Image.open(image).size


def test_a_bad_image_is_named_and_the_others_are_done(
    run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(sorted((miniature_root / "val2017").iterdir())[0], folder / "good.jpg")
    (folder / "bad.jpg").write_bytes(b"<html>")
    assert main([str(run / "ssd-mobilenet.onnx"), str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "bad.jpg" in capsys.readouterr().err
    rows = _detections(tmp_path / "out")
    assert ["error" in row for row in rows] == [True, False] and (tmp_path / "out/good.jpg").is_file()


def test_the_user_is_told_what_would_show_something(
    run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(sorted((miniature_root / "val2017").iterdir())[0])
    line = [str(run / "ssd-mobilenet.onnx"), image, "--output", str(tmp_path / "o")]
    assert main([*line, "--threshold", "1"]) == 0
    said = capsys.readouterr().out
    best = _detections(tmp_path / "o")[0]["best_score"]
    assert said.splitlines()[0].startswith("0 detections in 1 image:"), "no line for an image with nothing"
    assert f"nothing has a score of 1; the best was {best:.4f}" in said


def test_what_is_advised_shows_something() -> None:
    for best in np.random.default_rng(0).uniform(0.01, 1, 500).tolist():
        advised = float(nothing_above(1.0, best).rpartition("--threshold ")[2])
        assert 0 < advised <= best and advised > best - 0.1


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (0.31, "the best score was 0.31: try --threshold 0.3"),
        (0.3, "try --threshold 0.3"),
        (0.087, "the best score was 0.09: try --threshold 0.08"),
        (0.004, "the best was 0.0040: the network has not learned any of this yet"),
        (0.0, "the network has not learned any of this yet"),
    ],
)
def test_what_is_advised_is_below_the_best(best: float, said: str) -> None:
    assert nothing_above(0.5, best).endswith(said)


@pytest.mark.parametrize(
    ("text", "hint"), [("5", "5 % is 0.05"), ("50%", "50 % is 0.5"), ("-0.1", ""), ("nan", "")]
)
def test_a_threshold_is_from_0_to_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, hint: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["x.onnx", "x.png", "--output", str(tmp_path / "o"), f"--threshold={text}"])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "expected a number from 0 to 1" in said and hint in said


def test_images_that_a_camera_turned_are_told_and_turned_when_asked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "phone.jpg", exif=exif)
    line = [str(run / "ssd-mobilenet.onnx"), str(tmp_path / "phone.jpg"), "--output", str(tmp_path / "o")]
    assert main(line) == 0
    assert "1 image marked as turned by a camera (EXIF) and looked at as stored" in capsys.readouterr().out
    assert _detections(tmp_path / "o")[0]["width"] == 60 and Image.open(tmp_path / "o/phone.jpg").size == (
        60,
        40,
    )
    assert main([*line, "--exif", "apply"]) == 0
    assert "1 image turned upright (EXIF)" in capsys.readouterr().out
    assert _detections(tmp_path / "o")[0]["width"] == 40 and Image.open(tmp_path / "o/phone.jpg").size == (
        40,
        60,
    )


def test_what_exif_takes_is_what_the_stages_take() -> None:
    action = next(action for action in build_parser()._actions if action.dest == "exif")
    assert (action.choices, action.default) == (EXIF_CHOICES, None)


@pytest.mark.parametrize(
    ("upright", "asked", "width", "said"),
    [
        (2, [], 40, "trained with --exif apply: so images are looked at"),
        (2, ["--exif", "stored"], 60, "trained with --exif apply: --exif stored as asked"),
        (0, [], 60, ""),
        (
            0,
            ["--exif", "apply"],
            40,
            "trained on images of which none was turned upright (EXIF): --exif apply as asked",
        ),
        (None, [], 60, ""),
    ],
)
def test_images_are_looked_at_in_the_frame_of_the_training(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    upright: int | None, asked: list[str], width: int, said: str,
) -> None:  # fmt: skip
    content = torch.load(next(small_run.glob("*.pth")), weights_only=True)
    if upright is None:  # an older checkpoint
        del content["data"]
    else:
        content["data"]["train"]["upright"] = upright
    torch.save(content, tmp_path / "x.pth")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "phone.jpg", exif=exif)
    line = [str(tmp_path / "x.pth"), str(tmp_path / "phone.jpg"), "--output", str(tmp_path / "o")]
    assert main([*line, *asked]) == 0
    told = capsys.readouterr().out
    assert said in told if said else "trained " not in told
    assert _detections(tmp_path / "o")[0]["width"] == width


def test_images_of_one_name_beside_the_users_own(run: Path, tmp_path: Path) -> None:
    """Results go into the folder of the originals: none of those is touched, and a second run makes the same again."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.jpg", "a.png", "a.webp", "b.jpg")):
        Image.fromarray(np.full((20, 20, 3), 40 * number, np.uint8)).save(folder / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    line = [str(run / "ssd-mobilenet.onnx"), str(folder), "--output", str(folder)]
    assert main(line) == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: first[name] for name in before} == before
    made = {row["picture"] for row in _detections(folder)}
    assert set(first) - set(before) == made | {"detections.json"} and len(made) == 4
    assert {"a.png.jpg", "a.webp.jpg"} <= made
    assert main(line) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_foreign_record_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "detections.json").write_text("[]")
    assert main([str(run / "ssd-mobilenet.onnx"), str(tmp_path / "x.png"), "--output", str(tmp_path)]) == 1
    assert "detections.json is in the way" in capsys.readouterr().err
    assert (tmp_path / "detections.json").read_text() == "[]"


def test_names_that_are_none_are_told_and_the_others_done(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "clip.mp4").write_bytes(b"")
    (tmp_path / "link.jpg").symlink_to("nothing")
    words = [str(tmp_path / name) for name in ("x.png", "clip.mp4", "link.jpg")] + ["csi://0"]
    assert main([str(run / "ssd-mobilenet.onnx"), *words, "--output", str(tmp_path / "o")]) == 1
    out, err = capsys.readouterr()
    assert "3 names of 4 not looked at" in out and "Errno" not in err and len(err.splitlines()) == 3
    assert [len(_detections(tmp_path / "o")), (tmp_path / "o/x.png.jpg").is_file()] == [4, True]


@pytest.mark.parametrize("wrong", ["y.png", "imges/", "no*.jpg", "clip.mp4"])
def test_a_mistyped_name_among_good_ones_stops_before_anything_is_written(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the model is opened, too: there is none here."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save("x.png")
    for model in ("net.onnx", "run"):
        assert main([model, "x.png", wrong, "x.png", "--output", "found"]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[0].startswith(f"not read: {wrong}: ") and said[1:] == [
            "error: 1 name of what is not there",
            "  why: all images are looked up before anything is written: see above",
            "  fix: check the paths; nothing was written to found",
        ]
    assert not Path("found").exists()


@pytest.mark.parametrize("wrong", ["empty", "bad.jpg"])
def test_where_nothing_was_looked_at_the_results_stay(
    wrong: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save("x.png")
    Path("empty").mkdir()
    Path("bad.jpg").write_bytes(b"<html>")
    line = [str(run / "ssd-mobilenet.onnx"), "--output", "found"]
    assert main([*line, wrong]) == 1
    assert not list(Path().glob("found/*"))
    assert main([*line, "x.png"]) == 0
    before = {path.name: path.read_bytes() for path in Path("found").iterdir()}
    capsys.readouterr()
    assert main([*line, wrong]) == 1
    out, err = capsys.readouterr()
    assert "detections in" not in out and err.splitlines()[0].startswith("not read: ")
    assert err.splitlines()[1:] == [
        "error: no image was looked at",
        "  why: 1 name given, and no image among them that can be read: see above",
        "  fix: check the paths; nothing was written to found",
    ]
    assert {path.name: path.read_bytes() for path in Path("found").iterdir()} == before


def test_a_wrong_file_of_names_is_told_in_a_few_lines(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "x.png")
    wrong = tmp_path / "README.md"
    wrong.write_text("# A text\n\n" + "  a line of it, which is no name\n\n" * 300)
    line = [str(run / "ssd-mobilenet.onnx"), str(tmp_path / "x.png"), "--output", str(tmp_path / "o")]
    assert main([*line, "--labels", str(wrong)]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) <= 6 and "more; is it a list of class names" in said
    with wrong.open("r+b") as stream:
        stream.truncate(2 << 30)
    assert main([*line, "--labels", str(wrong)]) == 1
    assert "2,147,483,648 bytes are no list of class names" in capsys.readouterr().err


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
    ("ssd-mobilenet.onnx", "or make it: python -m tools.export_onnx"), ("labels.txt", "name it: --labels FILE"),
])  # fmt: skip
def test_what_is_missing_is_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lacking: str, message: str
) -> None:
    (run / lacking).unlink()
    assert main([str(run / "ssd-mobilenet.onnx"), str(run), "--output", str(tmp_path / "o")]) == 1
    said = capsys.readouterr().err
    assert lacking in said and message in said


def test_odd_images_are_looked_at_in_the_frame_of_training(run: Path, tmp_path: Path) -> None:
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
        found, suppressed = detectnet.cluster_detections, tools.detect.__main__._suppressed
        patch.setattr(
            detectnet, "cluster_detections", lambda *given: (used.append("detectnet"), found(*given))[1]
        )
        patch.setattr(
            tools.detect.__main__, "_suppressed", lambda *given: (used.append("nms"), suppressed(*given))[1]
        )
        assert main([str(run / name), str(tmp_path / "x.png"), "--output", str(tmp_path / "o")]) == 0
    assert used == [resize, post]


def test_suppression_here_is_that_of_evaluation() -> None:
    """The same overlap (0.45), the threshold itself shown, and priors that are not a number hide nobody."""
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (5, 1))
    boxes[1] += [0.4 * (1 - 0.46) / 1.46, 0, 0.4 * (1 - 0.46) / 1.46, 0]
    boxes[2] += [0.4 * (1 - 0.44) / 1.44, 0, 0.4 * (1 - 0.44) / 1.44, 0]
    boxes[3] = np.nan
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.5, 0.5], [0.0, 1.0], [np.nan, np.nan]], np.float32)
    corners, values, labels = tools.detect.__main__._suppressed(scores, boxes, 0.5)
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
    assert "x.onnx is not a network" in what and says in why and fix.startswith("  fix: ")


def test_a_network_that_overflows_is_an_error_and_not_a_bad_network(
    overflowing: Path, run: Path, miniature_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was drawn before is claimed all the same: the same command may be run again."""
    network = onnx.load(run / "ssd-mobilenet.onnx")
    for tensor in network.graph.initializer:
        if len(tensor.dims) == 4:
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1e30, tensor.name)
            )
    onnx.save(network, run / "large.onnx")
    for model, post in ((overflowing, "nms"), (run / "large.onnx", "detectnet")):
        line = [str(model), str(miniature_root / "val2017"), "--output", str(tmp_path / "o"), "--post", post]
        assert main(line) == 1
        what, why, fix = capsys.readouterr().err.splitlines()
        assert (
            what == "error: the network's outputs are not finite" and "overflow" in why and "  fix: " in fix
        )
        assert not (tmp_path / "o/detections.json").exists()
