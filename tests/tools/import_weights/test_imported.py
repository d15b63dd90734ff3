"""Nothing of an imported net is its own first weights, and no class is guessed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.printed import Printed
from tests.tools.import_weights.conftest import NAMES, call


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
