"""The worst images, small: what is there on the left, what was found on the right, in one palette."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

import base64
import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tools.report.page import text
from vision.datasets.contract import SampleError
from vision.drawing.boxes import draw_boxes
from vision.engine.analysis.analyse import Analysis
from vision.messages.terminal import counted

SIDE_PX = 320
QUALITIES = (80, 60, 40, 20)
MOST_BYTES = 2_000_000
"""Of all images together, before they are written as text; the quality goes down until they fit."""


def figures(found: Analysis, data: Any, classes: list[str]) -> list[str]:
    """HTML for each of ``found.worst``. ``data``: a data set of ``vision.datasets``; ``classes``: with background."""
    position = {image_id: index for index, image_id in enumerate(data.image_ids)}
    drawn: list[tuple[str, str, list[np.ndarray]]] = []
    for one in found.worst:
        index = position[int(found.scene.image_ids[one.position])]
        said = f"{counted(one.missed, 'object')} of {one.objects} missed, {counted(one.false, 'false detection')}"
        try:
            drawn.append((data.path(index).name, said, _pair(found, data, index, one.position, classes)))
        except (SampleError, OSError):
            drawn.append((data.path(index).name, f"{said}; the image cannot be read", []))
    for quality in QUALITIES:
        pairs = [[_jpeg(image, quality) for image in images] for _, _, images in drawn]
        if sum(len(each) for pair in pairs for each in pair) <= MOST_BYTES:
            break
    return [_figure(name, said, pair) for (name, said, _), pair in zip(drawn, pairs, strict=True)]


def _pair(found: Analysis, data: Any, index: int, position: int, classes: list[str]) -> list[np.ndarray]:
    sample, scene = data.load(index), found.scene
    scale = min(1.0, SIDE_PX / max(sample.image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in sample.image.shape[:2])
    image = cv2.resize(sample.image, (width, height), interpolation=cv2.INTER_AREA)
    there = draw_boxes(image, sample.boxes_xyxy_px * scale, sample.labels, classes)
    own = np.flatnonzero((scene.image == position) & (scene.score >= found.thresholds.best))
    boxes = np.concatenate([scene.xywh[own, :2], scene.xywh[own, :2] + scene.xywh[own, 2:]], axis=1) * scale
    return [there, draw_boxes(image, boxes, scene.label[own] + 1, classes, scene.score[own])]


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _figure(name: str, said: str, pair: list[bytes]) -> str:
    images = "".join(
        f'<img alt="{kind}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for kind, data in zip(("what is there", "what was found"), pair, strict=False)
    )
    return f'<figure><div class="pair">{images}</div><figcaption>{text(name)}: {text(said)}</figcaption></figure>'
