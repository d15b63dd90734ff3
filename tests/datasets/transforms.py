"""Transforms of the tests: importable, so that spawned workers find them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vision.core.sample import InputSpec, Sample

SPEC = InputSpec(24, 32)


@dataclass(frozen=True)
class Shrink:
    """To the size of ``input_spec``; the first pixel tells epoch and index."""

    input_spec: InputSpec = SPEC

    def __call__(self, sample: Sample, epoch: int, index: int) -> Sample:
        height, width = self.input_spec.height, self.input_spec.width
        image = cv2.resize(sample.image, (width, height))
        image[0, 0] = (epoch, index, 0)
        scale = np.array([width / sample.width, height / sample.height] * 2, np.float32)
        return replace(sample, image=image, boxes_xyxy_px=sample.boxes_xyxy_px * scale)


@dataclass(frozen=True)
class Mishap(Shrink):
    """Does ``deed`` at the image ``at``; ``dawdle`` at every one."""

    deed: str = "raise"
    at: int = 5

    def __call__(self, sample: Sample, epoch: int, index: int) -> Sample:
        if index == self.at:
            if self.deed == "raise":
                raise ZeroDivisionError("no such colour")
            if self.deed == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.deed == "exit":
                os._exit(3)
            if self.deed == "hang":
                time.sleep(1000)
        if self.deed == "dawdle":
            time.sleep(0.3)
        return super().__call__(sample, epoch, index)
