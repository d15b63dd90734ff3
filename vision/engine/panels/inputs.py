"""What the net is given: a training batch, the steps that made one image, and the same image under eight draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from vision.core.sample import Sample
from vision.datasets.loading import TransformedDataset
from vision.datasets.packed.detection import rgb_of
from vision.datasets.sampling import SampleKey
from vision.drawing.sheet import Tile, draw_sheet
from vision.engine.panels.scene import scene_of
from vision.messages.terminal import counted

MOST_IMAGES = 8
DRAWS = 8


def training_batch(data: TransformedDataset, keys: Sequence[SampleKey], title: str) -> np.ndarray:
    """The first images of a batch, to the pixel what the net is given, with boxes and names."""
    tiles = []
    for key in keys[:MOST_IMAGES]:
        sample = data[key]
        pixels = scene_of(sample, data.transform.input_spec).with_truth(data.dataset.classes)
        objects = int((~sample.is_crowd).sum())
        tiles.append(Tile(pixels, f"image {sample.image_id}: {counted(objects, 'object')}"))
    more = f", the first {MOST_IMAGES} of {counted(len(keys), 'image')}" if len(keys) > MOST_IMAGES else ""
    return draw_sheet(tiles, f"training batch as the net sees it, {title}{more}")


def preprocessing(data: TransformedDataset, key: SampleKey, title: str) -> np.ndarray:
    """One image as stored, and after each step of the augmentation."""
    spec, classes = data.transform.input_spec, data.dataset.classes
    stored = data.dataset.load(key.index)
    trace = getattr(data.transform, "trace", lambda *_: [("resize", data[key])])
    tiles = []
    for name, sample in [("stored", _as_framed(stored)), *trace(stored, key.epoch, data.drawn_from(key))]:
        size = f"{sample.width} x {sample.height} px, {counted(len(sample.labels), 'box')}"
        tiles.append(Tile(scene_of(sample, spec).with_truth(classes), f"{name}: {size}"))
    return draw_sheet(tiles, f"preprocessing of image {stored.image_id}, {title}", columns=3)


def _as_framed(stored: Sample) -> Sample:
    """The image of a pack, as its planes and its square are of no use to an eye, in the frame of its boxes."""
    if stored.frame_hw is None:
        return stored
    height, width = stored.frame_hw
    return replace(stored, image=cv2.resize(rgb_of(stored.image), (width, height)), frame_hw=None)


def draws(data: TransformedDataset, key: SampleKey, title: str) -> np.ndarray:
    """The same image as this epoch and the next ones see it."""
    tiles = []
    for epoch in range(key.epoch, key.epoch + DRAWS):
        sample = data[replace(key, epoch=epoch)]
        pixels = scene_of(sample, data.transform.input_spec).with_truth(data.dataset.classes)
        tiles.append(Tile(pixels, f"epoch {epoch}"))
    return draw_sheet(tiles, f"one image under {DRAWS} draws of the augmentation, {title}")
