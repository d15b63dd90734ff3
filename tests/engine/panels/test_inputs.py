"""What the net is given, as it is drawn: to the pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vision.core.sample import InputSpec, Sample
from vision.datasets.loading import TransformedDataset
from vision.datasets.sampling import SampleKey
from vision.drawing import sheet
from vision.drawing.palette import GREY, colour
from vision.engine.panels import inputs
from vision.engine.panels.scene import dimmed, fitted, scene_of
from vision.transforms import presets

SPEC = InputSpec(20, 30)
DATA = np.random.default_rng(0)
STORED = Sample(
    image=DATA.integers(0, 256, (40, 60, 3), np.uint8),
    boxes_xyxy_px=np.array([[6, 8, 30, 32], [0, 0, 60, 40]], np.float32),
    labels=np.array([1, 2]), is_crowd=np.array([False, True]), area=np.array([400.0, 2400.0], np.float32),
    image_id=7, original_hw=(40, 60),
)  # fmt: skip
EMPTY = replace(STORED.with_objects(STORED.boxes_xyxy_px, np.zeros(2, bool)), image_id=8)


class Images:
    classes = ("BACKGROUND", "cat", "dog")

    def __len__(self) -> int:
        return 2

    def load(self, index: int) -> Sample:
        return (STORED, EMPTY)[index]

    def describe(self, index: int) -> str:
        return str(index)


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[sheet.Tile]:
    """What is put on the sheet."""
    seen: list[sheet.Tile] = []

    def draw_sheet(given: Any, *rest: Any, **named: Any) -> np.ndarray:
        seen.extend(given)
        return sheet.draw_sheet(given, *rest, **named)

    monkeypatch.setattr(inputs, "draw_sheet", draw_sheet)
    return seen


def data(name: str, spec: InputSpec = SPEC) -> TransformedDataset:
    return TransformedDataset(Images(), presets.build(name, spec, seed=3))  # type: ignore[arg-type]


def test_a_training_batch_has_the_pixels_of_the_net(tiles: list[sheet.Tile]) -> None:
    of = data("none")
    inputs.training_batch(of, [SampleKey(0, 1), SampleKey(0, 0)], "step 0")
    bare, full = (tile.pixels for tile in tiles)
    expected = fitted(of[SampleKey(0, 1)].image, 300)
    assert bare is not None and full is not None and (bare == expected).all() and bare.shape == (200, 300, 3)
    assert (full[100, 50] == expected[100, 50]).all(), "in the middle of a box, which is not filled"
    assert (full[100, 30] == colour(1)).all() and (full[199, 150] == GREY).all(), (
        "its edge; that of the crowd"
    )
    assert [tile.caption for tile in tiles] == ["image 8: 0 objects", "image 7: 1 object"]


def test_the_steps_are_those_of_the_trace_and_end_with_what_is_trained_on(tiles: list[sheet.Tile]) -> None:
    of, key = data("ssd"), SampleKey(2, 1)
    inputs.preprocessing(of, key, "step 0")
    names = [tile.caption.split(":")[0] for tile in tiles]
    assert names == ["stored", *(name for name, _ in of.transform.trace(EMPTY, 2, 1))]  # type: ignore[attr-defined]
    assert tiles[-1].pixels is not None and (tiles[-1].pixels == fitted(of[key].image, 300)).all()
    assert tiles[0].caption == "stored: 60 x 40 px, 0 boxes"


def test_eight_draws_are_those_of_the_epochs_to_come(tiles: list[sheet.Tile]) -> None:
    of = data("ssd")
    inputs.draws(of, SampleKey(5, 1), "step 0")
    assert [tile.caption for tile in tiles] == [f"epoch {epoch}" for epoch in range(5, 13)]
    assert len({tile.pixels.tobytes() for tile in tiles if tile.pixels is not None}) == 8
    for tile, epoch in zip(tiles, range(5, 13), strict=True):
        assert tile.pixels is not None
        assert (tile.pixels == fitted(of[SampleKey(epoch, 1)].image, 300)).all()


def test_a_grey_net_is_shown_what_it_sees() -> None:
    grey = scene_of(EMPTY, replace(SPEC, channels=1), 60).image
    assert (np.ptp(grey, axis=2) == 0).all()
    weighted = EMPTY.image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - weighted).max() <= 0.5


def test_boxes_are_fractions_and_large_images_get_smaller() -> None:
    scene = scene_of(STORED, SPEC, 30)
    assert scene.image.shape == (20, 30, 3) and scene.labels.tolist() == [1]
    np.testing.assert_allclose(scene.px(scene.boxes_xyxy), [[3, 4, 15, 16]], atol=1e-4)
    np.testing.assert_allclose(scene.crowds_xyxy, [[0, 0, 1, 1]])
    assert dimmed(np.full((2, 2, 3), 255, np.uint8)).max() < 200


@pytest.mark.parametrize("layout", ["rgb", "planes"])
def test_an_image_of_a_pack_is_shown_in_the_frame_of_its_boxes(
    layout: str, tiles: list[sheet.Tile], monkeypatch: pytest.MonkeyPatch
) -> None:
    square = np.full((16, 16, 3), (90, 90, 90), np.uint8)
    image = (
        square
        if layout == "rgb"
        else np.concatenate([np.full((16, 16), 90), np.full((8, 16), 128)]).astype(np.uint8)
    )
    packed = replace(STORED, image=image, frame_hw=(40, 60))
    monkeypatch.setattr(Images, "load", lambda self, index: packed)
    inputs.preprocessing(data("none"), SampleKey(0, 0), "x")
    assert tiles[0].caption.startswith("stored: 60 x 40 px")
    assert tiles[0].pixels is not None
    assert abs(float(np.median(tiles[0].pixels)) - 90) <= 1, "the grey of the pack, not its planes"
