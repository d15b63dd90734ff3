"""Nothing of an imported net is its own first weights, and no class is guessed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from tests.printed import Printed
from tests.tools.import_weights.conftest import NAMES, NET, call
from vision.core.sample import InputSpec
from vision.engine.checkpoints.open_detector import open_detector
from vision.nn.weights.signatures import looks_like
from vision.ssd.build import build_detector
from vision.ssd.variants import find

AGAIN = "tools/import_weights/__main__.py:_again"


def short(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "base_net.18.1.bias"}


def narrow(state: dict[str, Any]) -> dict[str, Any]:
    return state | {"extras.0.conv.0.weight": torch.ones(8, 1280, 1, 1)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (short, "is not mb2-ssd-lite: 1 missing, 0 that it has not, 0 of another shape\n  why: base_net.18.1.bias"),
        (narrow, "is not mb2-ssd-lite: 0 missing, 0 that it has not, 1 of another shape\n  why: extras.0.conv.0.weight: (8, 1280, 1, 1)"),
        (
            lambda state: state | {"extras.norm.bias": torch.ones(8)},
            "is not mb2-ssd-lite: 0 missing, 1 that it has not, 0 of another shape\n  why: extras.norm.bias",
        ),
        (lambda state: {"features.0.weight": torch.ones(2)}, "holds no detector's heads"),
        (lambda state: {"format": 1, "weights": state, "args": {"priors": "coco"}}, "is a checkpoint of this toolkit"),
        (lambda state: {"weights": state, "args": {"priors": "cats"}}, "--net mb2-ssd-lite: its prior boxes are"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_refused(
    place: Path, published: dict[str, torch.Tensor], change: Callable[[dict[str, Any]], Any], says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    torch.save(change(dict(published)), place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth") == 1
    said = capsys.readouterr().err
    assert says in said and "why: " in said and "fix: " in said
    assert sorted(path.name for path in place.iterdir()) == ["labels.txt", "net.pth"]


@pytest.mark.parametrize("names", [["cat"], ["cat", "dog", "horse"], ["BACKGROUND", "cat", "dog", "horse"]])
def test_labels_of_another_number_are_refused(
    place: Path, published: dict[str, torch.Tensor], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(published, place / "net.pth")
    (place / "mine").write_text("\n".join(names))
    assert call(place / "net.pth", "--labels", place / "mine") == 1
    assert f"{len(names)} name" in capsys.readouterr().err and not (place / "run").exists()


def test_a_checkpoint_of_this_toolkit_needs_no_import(
    place: Path,
    small_run: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(place.parent)
    shutil.copytree(small_run, place / "trained")
    assert call(next((place / "trained").glob("*.pth"))) == 1
    printed(capsys.readouterr().err, "tools/import_weights/imported.py:open_foreign")
    assert list((place / "trained").glob("*.onnx"))


def test_who_made_a_file_of_shared_names_is_taken_not_known(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain state dict of this toolkit has pytorch-ssd's names, and another input and other boxes."""
    own = build_detector(find(NET), len(NAMES), InputSpec(96, 96), 1.0, "coco").state_dict()
    torch.save(own, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth") == 0
    assert (
        "net.pth: taken for pytorch-ssd's (input (pixel − 127) / 128, priors ancestor); if this toolkit made it, "
        "use its checkpoint, or --from this-toolkit (input pixel / 127.5 − 1, priors coco)\n"
    ) in capsys.readouterr().out
    shutil.rmtree(place / "run")
    assert call(place / "net.pth", "--from", "this-toolkit") == 0
    said, opened = capsys.readouterr().out, open_detector(place / "run")
    assert "net.pth: of this toolkit\n" in said and "folded" not in said and "prior boxes: coco" in said
    assert all(torch.equal(value, own[name]) for name, value in opened.detector.state_dict().items())
    assert opened.checkpoint.config.priors == "coco"


@pytest.fixture(scope="module")
def torchvisions() -> dict[str, torch.Tensor]:
    return ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict()


@pytest.mark.parametrize("net", [NET, "ssd300_vgg16"])
def test_the_net_of_a_file_is_named_before_its_boxes_and_the_command_imports_it(
    place: Path, torchvisions: dict[str, torch.Tensor], net: str, printed: Printed,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(place.parent)
    torch.save(torchvisions, place / "net.pth")
    assert call(place / "net.pth", net=net) == 1
    said = capsys.readouterr().err
    assert (
        f"--net {net}: these are weights of ssdlite320_mobilenet_v3_large: " in said and "prior" not in said
    )
    assert "--net ssdlite320_mobilenet_v3_large" in printed(said, AGAIN)
    assert "as torchvision has it" not in capsys.readouterr().out


def test_torchvisions_weights_in_a_net_of_other_settings_are_said(
    place: Path, torchvisions: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(torchvisions, place / "net.pth")
    assert call(place / "net.pth", net="mb3-large-ssd-lite") == 0
    said = capsys.readouterr().out
    assert f"net.pth: {looks_like(torchvisions)}\n" in said
    assert "  --net mb3-large-ssd-lite: 300×300 px, NMS at IoU 0.45 of 400\n" in said
    assert (
        "  --net ssdlite320_mobilenet_v3_large: 320×320 px, NMS at IoU 0.55 of 2000, as torchvision has it\n"
        in said
    )


def test_a_plain_file_of_a_net_that_pytorch_ssd_has_not(
    place: Path, printed: Printed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)
    net = "ssd-lite-mobilenet-v2"
    own = build_detector(find(net), len(NAMES), InputSpec(96, 96), 1.0, "coco").state_dict()
    torch.save(own, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    assert call(place / "net.pth", net=net) == 1
    printed(capsys.readouterr().err, AGAIN)
    assert open_detector(place / "run").checkpoint.config.priors == "coco"


@pytest.mark.parametrize("told", ["by --priors", "beside the file"])
def test_a_narrow_net_of_fitted_boxes_is_told_by_its_options(
    told: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its plain state dict of this toolkit: what nothing records is named, and the run holds all of it."""
    row = find(NET)
    maps = [",".join(["0.2x0.3"] * number) for number in row.profile("coco").shapes_per_cell]
    own = build_detector(row, len(NAMES), InputSpec(96, 96), 0.25, ";".join(maps)).state_dict()
    torch.save(own, place / "net.pth")
    (place / "labels.txt").write_text("\n".join(NAMES))
    (place / "boxes.json").write_text(json.dumps({"maps": maps}))
    words: list[object] = ["--from", "this-toolkit", "--priors", place / "boxes.json"]
    if told == "beside the file":
        (place / "training_args.json").write_text(json.dumps({"priors": ";".join(maps)}))
        words = []
    assert call(place / "net.pth", *words) == 1
    assert (
        "fix: --width-mult 0.25 makes this net as wide" in capsys.readouterr().err
        and not (place / "run").exists()
    )
    assert call(place / "net.pth", *words, "--width-mult", "0.25") == 0
    assert "prior boxes: fitted " in capsys.readouterr().out
    opened = open_detector(place / "run")
    assert all(torch.equal(value, own[name]) for name, value in opened.detector.state_dict().items())
    assert (
        opened.checkpoint.config.priors == ";".join(maps) and opened.checkpoint.config.mb2_width_mult == 0.25
    )


def test_boxes_of_another_net_and_a_width_that_is_none_are_refused(
    place: Path, published: dict[str, torch.Tensor], printed: Printed, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(place.parent)
    torch.save(published, place / "net.pth")
    (place / "boxes.json").write_text('{"maps": ["0.2x0.3"]}')
    for words, said in (
        (("--priors", place / "boxes.json"), "--priors: the prior boxes were made for another net than mb2-ssd-lite"), (("--width-mult", "0"), "--width-mult 0"),
        (("--priors", place / "gone.json"), "cannot be read: there is no file"), (("--priors", "cocoo"), "no prior profile is called 'cocoo'"),
    ):  # fmt: skip
        assert call(place / "net.pth", *words) == 1
        assert re.search(said, capsys.readouterr().err) and not (place / "run").exists(), words
    maps = [",".join(["0.2x0.3"] * number) for number in find(NET).profile("coco").shapes_per_cell]
    (place / "boxes.json").write_text(json.dumps({"maps": maps}))
    assert call(place / "net.pth", "--priors", place / "boxes.json") == 1
    line = printed(capsys.readouterr().err, AGAIN, fill={"LABELS": _labels(place)})
    assert "--priors" in line and open_detector(place / "run").checkpoint.config.priors == ";".join(maps)


def _labels(place: Path) -> Path:
    (place / "names").write_text("\n".join(NAMES))
    return place / "names"


@pytest.mark.parametrize("origin", ["pytorch-ssd", "this-toolkit"])
def test_from_does_not_gainsay_what_the_names_tell(
    place: Path, torchvisions: dict[str, torch.Tensor], origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(torchvisions, place / "net.pth")
    assert call(place / "net.pth", "--from", origin, net="ssdlite320_mobilenet_v3_large") == 1
    said = capsys.readouterr().err
    assert f"--from {origin}: " in said and "fix: leave --from out" in said and not (place / "run").exists()
