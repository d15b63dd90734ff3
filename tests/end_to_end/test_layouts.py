"""One drawn data set in each layout × import, stages, two epochs, exact resume, evaluation, export, detection.

A layout's cells stand on each other: each is made once, in this process, by the public command's ``main``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.__main__ import main as pipeline
from pipeline.formats.contract import FORMATS
from pipeline.import_data.__main__ import main as import_data
from tests.engine.tiny_runs import TINY, assert_same_run
from tests.pipeline.foreign import CLASSES, LAYOUTS, Drawn, draw
from tests.printed import ODD
from tools.detect.__main__ import main as detect
from tools.evaluate.__main__ import main as evaluate
from tools.export_onnx import main as export
from train_ssd import main as train

SCENES = draw(6, 2)
TWO_EPOCHS = [*TINY, "--epochs=2", "--batch-size=2"]
"""Of three steps each; of two where a layout has no images without a box."""


@dataclass(frozen=True)
class Cells:
    """What one layout becomes, made when it is first looked at; what cannot be made fails the tests that look."""

    layout: str
    folder: Path

    @cached_property
    def root(self) -> Path:
        source = LAYOUTS[self.layout](self.folder / "source", SCENES)
        words = ["--from", self.layout, "--source", str(source), "--root", str(self.folder / "root")]
        assert import_data([*words, "--workers", "0"]) == 0
        return self.folder / "root"

    @cached_property
    def run(self) -> Path:
        return self.trained("run")

    def trained(self, name: str, *more: str) -> Path:
        run = self.folder / name
        words = ["--datasets", str(self.root), *TWO_EPOCHS, "--checkpoint-folder", str(run)]
        assert train([*words, *more]) == 0
        return run

    @cached_property
    def exported(self) -> Path:
        assert export([str(self.run)]) == 0
        return self.run / "ssd-mobilenet.onnx"

    def scenes(self, split: str) -> list[Drawn]:
        """Those that the layout can name: Open Images has no row of an image without a box."""
        return [
            scene
            for scene in SCENES
            if scene.split == split and (scene.boxes or self.layout != "open_images")
        ]


@pytest.fixture(scope="module")
def all_cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cells]]:
    folder, threads = tmp_path_factory.mktemp(ODD), torch.get_num_threads()
    made = {layout: Cells(layout, folder / layout) for layout in LAYOUTS}
    yield made.__getitem__
    torch.set_num_threads(threads)


@pytest.fixture(params=LAYOUTS)
def cells(request: pytest.FixtureRequest, all_cells: Callable[[str], Cells]) -> Cells:
    return all_cells(request.param)


def test_every_layout_has_its_row() -> None:
    assert set(LAYOUTS) == set(FORMATS)


def test_import(cells: Cells) -> None:
    """Every scene is there, with each of its boxes where it was drawn."""
    for split in ("train", "val"):
        content = json.loads((cells.root / f"annotations/instances_{split}2017.json").read_text())
        found = {Path(row["file_name"]).stem: boxes_of(content, row["id"]) for row in content["images"]}
        assert found.keys() == {scene.stem for scene in cells.scenes(split)}
        for scene in cells.scenes(split):
            for (name, *box), (truth, *true_box) in zip(found[scene.stem], sorted(scene.boxes), strict=True):
                assert name == truth and box == pytest.approx(true_box, abs=0.01)


def boxes_of(content: dict[str, Any], image: int) -> Sequence[Sequence[Any]]:
    names = {row["id"]: row["name"] for row in content["categories"]}
    own = [
        (names[row["category_id"]], *row["bbox"])
        for row in content["annotations"]
        if row["image_id"] == image
    ]
    return sorted((name, x, y, x + w, y + h) for name, x, y, w, h in own)


def test_validate(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    """Every image is decoded and accepted, and everything is what its receipt says."""
    rows = [json.loads(line) for line in (cells.root / "report/images.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["ok"] * sum(
        len(cells.scenes(split)) for split in ("train", "val")
    )
    assert (cells.root / "annotations/labels.txt").read_text().splitlines()[1:] == list(labels(cells.layout))
    capsys.readouterr()
    assert pipeline(["verify", "--root", str(cells.root), "--deep"]) == 0
    assert "stages verified" in capsys.readouterr().out


def labels(layout: str) -> Sequence[str]:
    """In the order that the layout states; Open Images and LabelMe state none."""
    return sorted(CLASSES) if layout in ("open_images", "labelme") else CLASSES


def test_train_and_resume_exactly(cells: Cells) -> None:
    """Stopped in the middle of the second epoch and resumed, it ends in the same weights, bit for bit."""
    stopped = cells.trained("stopped", "--stop-after-step=3")
    assert train(["--resume", str(stopped)]) == 0
    assert_same_run(stopped, cells.run)
    assert (stopped / "labels.txt").read_text() == (cells.root / "annotations/labels.txt").read_text()
    epochs = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in epochs if row["kind"] == "epoch"] == [0, 1]


def test_evaluate(cells: Cells) -> None:
    assert evaluate([str(cells.run), "--workers", "0", "--metrics", "coco,voc"]) == 0
    metrics = json.loads((cells.run / "metrics.json").read_text())
    assert metrics["images"] == 2 and 0 <= metrics["AP50"] <= 1


def test_export(cells: Cells) -> None:
    """The file gets its name only where onnxruntime gives what the network gives."""
    assert cells.exported.is_file()
    assert (cells.run / "labels.txt").read_text().splitlines() == ["BACKGROUND", *labels(cells.layout)]


def test_detect(cells: Cells) -> None:
    image, out = next((cells.root / "val2017").rglob("*.jpg")), cells.folder / "found"
    assert detect([str(cells.exported), str(image), "--threshold", "0.01", "--output", str(out)]) == 0
    (found,) = json.loads((out / "detections.json").read_text())["images"]
    assert {each["class"] for each in found["detections"]} <= set(CLASSES) and (
        out / found["picture"]
    ).is_file()
