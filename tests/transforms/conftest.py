"""Images whose content can be recognised after they were moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vision.core.sample import Sample

MakeSample = Callable[..., Sample]


@pytest.fixture
def make_sample() -> MakeSample:
    """(height, width, boxes (x1, y1, x2, y2), crowd=()) → a sample of smooth noise; crowd lists positions."""

    def make(
        height: int,
        width: int,
        boxes: Sequence[Sequence[float]] = (),
        crowd: Sequence[int] = (),
        seed: int = 0,
    ) -> Sample:
        import cv2

        small = np.random.default_rng(seed).integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        is_crowd = np.zeros(len(boxes), bool)
        is_crowd[list(crowd)] = True
        return Sample(
            image,
            np.array(boxes, np.float32).reshape(-1, 4),
            np.arange(1, len(boxes) + 1, dtype=np.int64),
            is_crowd,
            np.linspace(10, 20, len(boxes), dtype=np.float32),
            77,
            (height, width),
        )

    return make
