"""Weights from files: every wrapping that is in use, classes that change, and files that are no weights."""

from __future__ import annotations

import copy
import io
import math
import urllib.error
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn

from tests.nn.weight_corpus import Odd
from vision.core.sample import InputSpec
from vision.nn.weights import pretrained
from vision.nn.weights.normalisation import PYTORCH_SSD, fold
from vision.nn.weights.state_dicts import LEAST_SHARE, LoadReport
from vision.nn.weights.weight_file import BadWeights
from vision.ssd.build import build_detector
from vision.ssd.model import Detector
from vision.ssd.variants import find

CLASSES = ["BACKGROUND", "cat", "dog"]


def _detector(classes: list[str], seed: int) -> Detector:
    torch.manual_seed(seed)
    return build_detector(find("mb2-ssd-lite"), len(classes), InputSpec(96, 96), 0.25)


@pytest.fixture(scope="module")
def trained() -> Detector:
    return _detector(CLASSES, 1)


def load(model: Detector, path: Path, classes: list[str], priors: str = "ancestor") -> LoadReport:
    """Files without a record have pytorch-ssd's priors."""
    return pretrained.load_detector(model, pretrained.open_detector_file(path), classes, priors)


def _published(net: Detector) -> Detector:
    """What is made of ``net`` where it is taken for pytorch-ssd's, whose input is another one."""
    made = copy.deepcopy(net)
    made.load_state_dict(fold(net.state_dict(), "base_net.0.0", "base_net.0.1", PYTORCH_SSD, net.input_spec))
    return made


def _equal(a: nn.Module, b: nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("key", [None, "weights", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_wrapping_loads_whole(tmp_path, trained, key, prefix):
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save({"epoch": 3, key: state} if key else state, tmp_path / "ssd.pth")
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES) + "\n")
    model = _detector(CLASSES, 2)
    report = load(model, tmp_path / "ssd.pth", CLASSES)
    assert _equal(model, _published(trained)) and not _equal(model, trained)
    assert not (report.missing or report.unexpected or report.misshaped)
    assert "heads kept for 3 of 3 classes" in str(report)
    assert "its input, taken to be (pixel − 127) / 128, folded into the first layer" in str(report)


def test_of_a_checkpoint_with_an_average_that_is_taken(tmp_path, trained):
    """It is what the checkpoint's scores are of; both ways of starting from a file say so."""
    raw = _detector(CLASSES, 3).state_dict()
    content = {"weights": raw, "ema": {"count": 3, "weights": trained.state_dict()}, "classes": CLASSES}
    content["args"] = {"priors": "ancestor"}
    torch.save(content, tmp_path / "ssd.pth")
    model, other = _detector(CLASSES, 2), _detector(CLASSES, 2)
    report = load(model, tmp_path / "ssd.pth", CLASSES)
    base = pretrained.load_base_net(other, str(tmp_path / "ssd.pth"))
    assert _equal(model, trained) and _equal(other.base_net, trained.base_net)
    assert pretrained.AVERAGED in str(report) and pretrained.AVERAGED in str(base)
    torch.save({**content, "ema": {}}, tmp_path / "ssd.pth")
    report = load(model, tmp_path / "ssd.pth", CLASSES)
    assert all(torch.equal(value, raw[name]) for name, value in model.state_dict().items())
    assert pretrained.AVERAGED not in str(report)


def test_unknown_classes_begin_the_heads_anew(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "ssd.pth")
    model, untouched = _detector(CLASSES, 2), _detector(CLASSES, 2)
    report = load(model, tmp_path / "ssd.pth", CLASSES)
    assert _equal(model.base_net, _published(trained).base_net)
    assert _equal(model.extras, trained.extras)
    assert _equal(model.classification_headers, untouched.classification_headers)
    assert _equal(model.regression_headers, untouched.regression_headers)
    assert "heads are initialised anew" in str(report)
    assert not report.missing


def test_rows_of_classes_with_the_same_name_are_kept(tmp_path, trained):
    torch.save({"weights": trained.state_dict(), "classes": CLASSES}, tmp_path / "ssd.pth")
    classes = ["BACKGROUND", "dog", "horse", "cat"]
    model, untouched = _detector(classes, 2), _detector(classes, 2)
    report = load(model, tmp_path / "ssd.pth", classes)
    assert "3 of 4 classes" in str(report)
    assert not report.misshaped
    for header, old, first in zip(
        model.classification_headers,
        trained.classification_headers,
        untouched.classification_headers,
        strict=True,
    ):
        last, was, began = (h[-1] if isinstance(h, nn.Sequential) else h for h in (header, old, first))
        for shape in range(6):  # row of class c of shape a: a · C + c
            for new, before in ((0, 0), (1, 2), (3, 1)):
                assert torch.equal(last.weight[shape * 4 + new], was.weight[shape * 3 + before])
                assert torch.equal(last.bias[shape * 4 + new], was.bias[shape * 3 + before])
            assert torch.equal(last.weight[shape * 4 + 2], began.weight[shape * 4 + 2])
    assert _equal(model.regression_headers, trained.regression_headers)


def test_rows_of_heads_without_background_are_kept_by_name(tmp_path):
    """Sigmoids: row of class c of shape a is a · (C − 1) + c − 1."""
    row = replace(find("mb2-ssd-lite"), score_function="sigmoid")

    def detector(classes: list[str]) -> Detector:
        return build_detector(row, len(classes), InputSpec(96, 96), 0.25)

    trained, classes = detector(CLASSES), ["BACKGROUND", "dog", "horse", "cat"]
    torch.save({"weights": trained.state_dict(), "classes": CLASSES}, tmp_path / "ssd.pth")
    model = detector(classes)
    report = load(model, tmp_path / "ssd.pth", classes)
    assert "3 of 4 classes" in str(report) and not report.misshaped
    was, last = (net.classification_headers[5].weight.unflatten(0, (6, -1)) for net in (trained, model))
    assert torch.equal(last[:, 0], was[:, 1]) and torch.equal(last[:, 2], was[:, 0])
    assert _equal(model.regression_headers, trained.regression_headers)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"weights": {"a": torch.tensor([float("nan")])}}, "NaN"),
        ({"epoch": 3}, "no weights in it"),
        ([1, 2], "found a list"),
        ({"somewhere.else": torch.zeros(3)}, "0 of this net's 320 tensors"),
    ],
)
def test_what_is_no_detector_is_refused(tmp_path, content, says):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=says):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        pretrained.load_base_net(_detector(CLASSES, 0), "nowhere.pth")


def test_misshaped_and_unexpected_are_reported(tmp_path, trained):
    state = trained.state_dict()
    state["base_net.0.0.weight"] = torch.zeros(1, 2, 3)
    state["extra.thing"] = torch.zeros(1)
    del state["base_net.0.1.bias"]
    torch.save(state, tmp_path / "x.pth")
    report = load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)
    assert report.missing == ("base_net.0.1.bias",)
    assert report.unexpected == ("extra.thing",)
    assert report.misshaped == ("base_net.0.0.weight: (1, 2, 3), expected (8, 3, 3, 3)",)
    assert "1 misshaped" in str(report)


@pytest.mark.parametrize("prefix", ["", "features.", "module.features.", "base_net."])
def test_base_net_from_a_file(tmp_path, trained, prefix):
    state = {prefix + name: value for name, value in trained.base_net.state_dict().items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2)}, tmp_path / "backbone.pth")
    model = _detector(CLASSES, 2)
    report = pretrained.load_base_net(model, str(tmp_path / "backbone.pth"))
    assert _equal(model.base_net, trained.base_net)
    assert not (report.missing or report.unexpected)
    assert "input range is not recorded" in str(report)


@pytest.fixture
def imagenet_net(tmp_path) -> tuple[nn.Module, Path]:
    torch.manual_seed(5)
    net = torchvision.models.mobilenet_v2(weights=None).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
    torch.save(net.state_dict(), tmp_path / "mobilenet_v2.pth")
    return net, tmp_path / "mobilenet_v2.pth"


def test_torchvision_name_takes_the_cached_file_if_its_digest_is_that_of_its_name(
    monkeypatch, tmp_path, imagenet_net
):
    """Nothing is fetched where the file is in torch's cache; a flipped bit there is found by the name."""
    _, file = imagenet_net
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("torch.hub.urlopen", lambda _: pytest.fail("it was asked for"))
    cached = tmp_path / "home" / "hub" / "checkpoints" / "mobilenet_v2-b0353104.pth"
    cached.parent.mkdir(parents=True)
    file.rename(cached)
    model = build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64))
    with pytest.raises(ValueError, match=f"{cached} has another SHA-256 than its name says"):
        pretrained.load_base_net(model, "MobileNet_V2_Weights.IMAGENET1K_V1")
    monkeypatch.setattr(pretrained, "sha256_of", lambda _: "b0353104" + "0" * 56)
    assert not pretrained.load_base_net(model, "MobileNet_V2_Weights.IMAGENET1K_V1").missing


def test_offline_says_url_cache_and_flag(monkeypatch, tmp_path):
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(ValueError) as caught:
        pretrained.load_base_net(_detector(CLASSES, 0), "MobileNet_V2_Weights.IMAGENET1K_V2")
    message = str(caught.value)
    assert "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth" in message
    assert str(tmp_path / "hub" / "checkpoints" / "mobilenet_v2-7ebf99e0.pth") in message
    assert "--base-net FILE" in message


class _Answer(io.BytesIO):
    """What a server sent; the connection ends after ``len(data)`` bytes of the 100 that were promised."""

    def info(self):
        return SimpleNamespace(get_all=lambda name: ["100"])


def test_a_download_of_other_bytes_is_not_kept(monkeypatch, tmp_path):
    """The digest is in torchvision's file name; what does not have it is neither used nor left in the cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", lambda _: _Answer(b"half of it"))
    with pytest.raises(ValueError, match=r"could not be fetched whole from https://(.|\n)*invalid hash"):
        pretrained.load_base_net(_detector(CLASSES, 0), "MobileNet_V2_Weights.IMAGENET1K_V2")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04" + bytes(50)])
def test_a_damaged_file_in_the_cache_is_named(monkeypatch, tmp_path, content):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "mobilenet_v2-7ebf99e0.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    with pytest.raises(ValueError, match=f"{cached} .one that is there may be damaged"):
        pretrained.load_base_net(_detector(CLASSES, 0), "MobileNet_V2_Weights.IMAGENET1K_V2")


def test_weights_of_another_family_are_refused_before_they_are_fetched(monkeypatch):
    monkeypatch.setattr("torch.hub.urlopen", lambda _: pytest.fail("it was asked for"))
    with pytest.raises(ValueError, match="takes MobileNet_V2_Weights"):
        pretrained.load_base_net(_detector(CLASSES, 0), "ResNet50_Weights.IMAGENET1K_V2")


def test_unknown_torchvision_name():
    with pytest.raises(ValueError, match="no such weights"):
        pretrained.load_base_net(_detector(CLASSES, 0), "MobileNet_V2_Weights.IMAGENET1K_V9")


def test_weights_of_another_width_are_refused_with_theirs(imagenet_net):
    _, file = imagenet_net
    with pytest.raises(ValueError) as caught:
        pretrained.load_base_net(_detector(CLASSES, 0), str(file))
    what, why, fix = str(caught.value).splitlines()
    assert what == f"--base-net {file}: 0 of this net's 260 tensors are in it, and 90% have to be"
    assert (
        "torchvision's MobileNetV2 (a classifier) at --width-mult 1; 0.0.weight: (32, 3, 3, 3), expected (8,"
        in why
    )
    assert fix.startswith("  fix: name weights of this net")


# ---------------------------------------------------------------- whose boxes the heads know


def test_heads_of_other_priors_begin_anew_aloud(tmp_path, trained):
    """Offsets from other boxes mean nothing: AP 0.348 became 0.011 where they were kept."""
    torch.save(
        {"weights": trained.state_dict(), "classes": CLASSES, "args": {"priors": "coco"}},
        tmp_path / "ssd.pth",
    )
    source = pretrained.open_detector_file(tmp_path / "ssd.pth")
    assert (source.priors, source.ours) == ("coco", True)
    kept, anew, untouched = _detector(CLASSES, 2), _detector(CLASSES, 2), _detector(CLASSES, 2)
    assert "heads kept for 3 of 3" in str(pretrained.load_detector(kept, source, CLASSES, "coco"))
    assert _equal(kept, trained)
    report = pretrained.load_detector(anew, source, CLASSES, "ancestor")
    assert (
        "the heads are initialised anew: they were trained on the prior boxes 'coco', and this run has 'ancestor'"
        in str(report)
    )
    assert _equal(anew.base_net, trained.base_net) and not report.missing
    assert _equal(anew.regression_headers, untouched.regression_headers)
    assert _equal(anew.classification_headers, untouched.classification_headers)


def test_whose_priors_a_file_has(tmp_path, trained):
    """Its own record, else the training_args.json of its run beside it, else pytorch-ssd's."""
    torch.save(trained.state_dict(), tmp_path / "ssd.pth")
    assert pretrained.open_detector_file(tmp_path / "ssd.pth").priors == "ancestor"
    (tmp_path / "training_args.json").write_text('{"net": "mb2-ssd-lite", "lr": 0.01}')
    assert pretrained.open_detector_file(tmp_path / "ssd.pth").priors == "ancestor"
    (tmp_path / "training_args.json").write_text('{"priors": "coco"}')
    assert pretrained.open_detector_file(tmp_path / "ssd.pth").priors == "coco"
    (tmp_path / "training_args.json").write_text("{")
    assert pretrained.open_detector_file(tmp_path / "ssd.pth").priors == "ancestor"


# ---------------------------------------------------------------- another net


@pytest.mark.parametrize("flag", ["--pretrained-ssd", "--base-net"])
def test_the_share_that_has_to_fit(tmp_path, trained, flag):
    """Just enough loads and what is missing is reported; one tensor less is refused."""
    whole = trained.state_dict() if flag == "--pretrained-ssd" else trained.base_net.state_dict()
    names = [n for n in whole if not n.startswith(pretrained.HEADS) and not n.endswith("num_batches_tracked")]
    fewest = math.ceil(LEAST_SHARE * len(names))
    for left_out, fine in ((len(names) - fewest, True), (len(names) - fewest + 1, False)):
        torch.save({n: v for n, v in whole.items() if n not in names[:left_out]}, tmp_path / "x.pth")
        go = (
            load
            if flag == "--pretrained-ssd"
            else (lambda model, path, _: pretrained.load_base_net(model, str(path)))
        )
        if fine:
            assert len(go(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES).missing) == left_out
        else:
            with pytest.raises(
                ValueError, match=f"^{flag} .*: {fewest - 1} of this net's {len(names)} tensors are in it"
            ):
                go(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_a_backbone_alone_is_sent_to_base_net(tmp_path, trained):
    torch.save({f"base_net.{n}": v for n, v in trained.base_net.state_dict().items()}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"looks like the backbone of mb2-ssd(.|\n)*given with --base-net"):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_a_detector_of_another_width_is_told_its_own(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "x.pth")
    model = build_detector(find("mb2-ssd-lite"), 3, InputSpec(64, 64), 0.5)
    with pytest.raises(
        ValueError,
        match=r"looks like mb2-ssd-lite at --width-mult 0\.25(.|\n)*fix: --width-mult 0\.25",
    ):
        load(model, tmp_path / "x.pth", CLASSES)


def test_whole_numbers_are_no_weights(tmp_path, trained):
    torch.save({n: v.round().long() for n, v in trained.state_dict().items()}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"0 of this net's 320 tensors are in it(.|\n)*of int64"):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_a_negative_variance_is_named(tmp_path, trained):
    state = trained.state_dict()
    name = next(name for name in state if name.endswith("running_var"))
    state[name] = -state[name]
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=rf"{name} holds a negative variance; take another"):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_what_a_float32_can_not_hold_is_not_finite(tmp_path, trained):
    state = trained.state_dict()
    state["base_net.0.1.bias"] = torch.full((8,), 1e300, dtype=torch.float64)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"base_net\.0\.1\.bias holds NaN or infinite values"):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)


def test_code_in_a_file_is_refused_by_both(tmp_path):
    torch.save({"weights": {"a": torch.zeros(1)}, "x": Odd(print, "run")}, tmp_path / "x.pth")
    with pytest.raises(BadWeights, match=r"builtin.*\.print; refused"):
        load(_detector(CLASSES, 0), tmp_path / "x.pth", CLASSES)
    with pytest.raises(BadWeights, match=r"builtin.*\.print; refused"):
        pretrained.load_base_net(_detector(CLASSES, 0), str(tmp_path / "x.pth"))
