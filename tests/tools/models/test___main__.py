"""tools.models: the table, one net, its prior boxes drawn, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.models.__main__ import main
from tools.models.catalogue import Asked, look_at, markdown
from vision.ssd.variants import VARIANTS


def test_a_table_has_every_net_of_a_kind_or_a_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns stand under their heads, behind the longest name there is too; what takes so long is said on stderr."""
    assert main(["fssd-depthwise", "--classes", "3", "--channels", "1", "--resolution", "1024"]) == 0
    said = capsys.readouterr()
    header, *rows, last = said.out.splitlines()
    assert header.split()[:2] == ["net", "input"]
    names = [name for name in VARIANTS if name.startswith("fssd-depthwise-")]
    assert [row.split()[0] for row in rows] == names and max(VARIANTS, key=len) in names
    for column, first in (("input", "1024"), ("strides", "8"), ("export", "yes")):
        assert [row[header.index(column) :].split()[0].split("×")[0] for row in rows] == [first] * len(rows)
    assert said.err.startswith(f"counting {len(rows)} nets, about ")
    assert last.startswith(f"{len(rows)} nets, 3 classes and background")


def test_numbers_are_the_published_ones_and_follow_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mb2-ssd-lite", "--json"]) == 0
    net = json.loads(capsys.readouterr().out)
    assert (net["parameters"], net["priors"], net["strides"]) == (
        4_450_228,
        3000,
        [16, 30, 60, 100, 150, 300],
    )
    assert sum(layer["cost"]["macs"] for layer in net["layers"]) == net["macs"] and net["exports"]
    assert sum(one["priors"] for one in net["maps"]) == 3000
    assert "cpu_ms" not in net
    line = [
        "mb2-ssd-lite",
        "--json",
        "--resolution",
        "128",
        "64",
        "--width-mult",
        "0.25",
        "--channels",
        "1",
        "--classes",
        "2",
    ]
    assert main([*line, "--heads", "full", "--time"]) == 0
    small = json.loads(capsys.readouterr().out)
    assert (small["width"], small["height"], small["channels"]) == (128, 64, 1)
    assert small["maps"][0]["cells"] == [4, 8] and small["layers"][0]["cost"]["output"][1:] == [32, 64]
    assert small["parameters"] < net["parameters"] / 2 and small["cpu_ms"] > 0


def test_one_net_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields by hand: the first convolution sees 3 px, the next depthwise 3 + 2 · 2 = 7."""
    assert main(["mb2-ssd-lite"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "4,450,228 parameters, 0.788 GMAC, 3,000 priors (coco)" in lines[1]
    layers = [line.split() for line in lines if "×" in line]
    assert ["0.0", "32×150×150", "864", "19.44", "3"] in layers and [
        "1.conv.0",
        "32×150×150",
        "288",
        "6.48",
        "7",
    ] in layers
    assert any(line.split()[:5] == ["19×19", "15.79", "299", "6", "2,166"] for line in lines)


@pytest.mark.parametrize(
    "name", list({row.backbone: name for name, row in reversed(VARIANTS.items())}.values())
)
def test_a_net_on_each_backbone_is_shown_and_gates_see_all(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The convolutions of MobileNetV3's squeeze-and-excitation stand behind a mean over the map; no others do."""
    assert main([name, "--resolution", "96"]) == 0
    layers = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(layers) > 10
    gates = {words[0] for words in layers if words[0].endswith((".fc1", ".fc2"))}
    assert {words[0] for words in layers if words[-1] == "all"} == gates
    assert bool(gates) == ("mobilenet-v3" in VARIANTS[name].backbone)


def test_prior_boxes_are_drawn_and_nothing_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "priors.png"
    line = ["mb2-ssd-lite", "--resolution", "128", "64", "--width-mult", "0.25", "--priors-image", str(path)]
    assert main(line) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    image = cv2.imread(str(path))
    assert image is not None
    panel = image[16 : 16 + 200, 16 : 16 + 400]  # twice as wide as high, as the input
    assert (panel[0] == 60).all() and (image[16 + 201] != 60).any()
    coloured = np.ptp(panel.astype(int), axis=2) > 60
    down, across = np.nonzero(coloured)
    # the boxes of the finest map are all within a quarter of the input, around the cell at the middle
    assert 0 < coloured.mean() < 0.2 and 100 < across.min() < across.max() < 325 and down.min() > 30
    before = path.read_bytes()
    assert main(line) == 1
    assert "exists already" in capsys.readouterr().err and path.read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["mb2-ssd"], "did you mean 'mb2-ssd-lite'"),
        (["--resolution", "8"], "--resolution"),
        (["--width-mult", "0"], "--width-mult"),
        (["--classes", "0"], "--classes"),
        (["--priors-image", "x.png"], "name it"),
        (["mb2-ssd-lite", "--priors-image", "x.txt"], ".png"),
        (["mb2-ssd-lite", "--priors", "nope"], "no prior profile is called 'nope'"),
    ],
)
def test_mistakes_name_what_is_meant(
    wrong: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2 and named in capsys.readouterr().err


TABLE = "| net | input |"


def test_the_table_in_the_docs_is_what_the_tool_prints(repository: Path) -> None:
    """Its names are all of them; of the numbers every 16th row, which is all kinds and most backbones in turn."""
    text = (repository / "docs" / "nets.md").read_text(encoding="utf-8")
    rows = text[text.index(TABLE) :].split("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == list(VARIANTS), (
        "python -m tools.models --markdown writes it anew"
    )
    names = list(VARIANTS)[::16]
    head, marks, *now = markdown([look_at(name, Asked()) for name in names]).splitlines()
    assert rows[:2] == [head, marks] and rows[2::16] == now
