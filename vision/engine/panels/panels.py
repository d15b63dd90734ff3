"""When which panel is drawn, and where it goes: ``report/NAME.png`` of the run folder and TensorBoard.

The file is the newest; TensorBoard keeps those of all times. What is drawn is a function of the weights, the step and the data, so
that a resumed run ends with the panels of one that was never stopped.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vision.artefacts.files import publish_bytes
from vision.artefacts.writable import require_writable
from vision.datasets.loading import TransformedDataset, collate
from vision.datasets.sampling import BatchSampler, SampleKey
from vision.drawing.sheet import png_of
from vision.engine.evaluation.coco_map import Scores
from vision.engine.evaluation.predict import evaluation_mode, forward
from vision.engine.options.config import TrainConfig
from vision.engine.panels import inputs
from vision.engine.panels.matches import MOST_IMAGES as MATCHED
from vision.engine.panels.matches import draw_matches
from vision.engine.panels.pr_curves import pr_summaries
from vision.engine.panels.predictions import best_of_cells, truth_and_predictions
from vision.engine.panels.priors import draw_priors
from vision.engine.panels.scene import SIDE_PX, Scene, dimmed, scene_of
from vision.engine.panels.tile_grid import TILE_PX, MapGrid, grids_of
from vision.engine.runs.metric_logger import MetricLogger
from vision.messages.system_errors import in_words
from vision.ssd.coverage import measure, objects_of
from vision.ssd.losses.detection import SsdLoss
from vision.ssd.model import Detector
from vision.ssd.postprocess import SCORE_FUNCTIONS, detect

FOLDER = "report"
VALIDATION_IMAGES, HEAT_IMAGES, COVERAGE_IMAGES = 6, 3, 500
SPARE_BYTES = 64 << 20
"""A panel that would leave less room than this on the disk is not drawn: the next checkpoint needs it more."""

Drawn = Iterator[tuple[str, Callable[[], np.ndarray]]]
"""(name, what draws it); one that fails does not keep the others from being drawn."""


@dataclass
class Panels:
    """The panels of a session, in the process that writes. ``seconds``: what they have taken so far."""

    config: TrainConfig
    run: Path
    board: MetricLogger
    loss: SsdLoss
    order: BatchSampler
    train: TransformedDataset
    validation: TransformedDataset
    device: torch.device
    amp_dtype: torch.dtype | None
    warn: Callable[[str], None]
    seconds: float = field(default=0.0)

    def due(self, epoch: int) -> bool:
        """Whether they are drawn after ``epoch``."""
        every = self.config.panels_every
        return bool(every) and ((epoch + 1) % every == 0 or epoch + 1 == self.config.epochs)

    def at_step(self, model: Detector, step: int) -> None:
        """At steps 0 and 1 of the run."""
        if not self.config.panels_every or step > 1:
            return
        if step == self.order.steps_per_epoch and self.due(0):  # drawn after the epoch, which has one step
            return
        self._draw_all(step, self._of_data(model, 0, 0) if step == 0 else iter(()))
        self._draw_all(step, self._of_net(model, step))
        if step == 0:
            self._guarded("coverage", self._coverage, model)

    def at_epoch(self, model: Detector, epoch: int, step: int, scores: Scores | None) -> None:
        """After ``epoch``, whose last step was ``step``; ``scores``: those of its validation, where it had one."""
        if not self.due(epoch):
            return
        self._draw_all(step, self._of_data(model, epoch, self.order.steps_per_epoch - 1, step))
        self._draw_all(step, self._of_net(model, step))
        if scores is not None:
            self._guarded("pr_curves", self._curves, step, scores)

    def _draw_all(self, step: int, panels: Drawn) -> None:
        for name, draw in panels:
            self._guarded(name, self._publish, name, step, draw)

    def _guarded(self, name: str, act: Callable[..., None], *given: Any) -> None:
        """A panel is no reason to end a run, whatever happens to it."""
        began = time.perf_counter()
        try:
            with torch.no_grad():  # what inference mode makes could not be used in training any more
                act(*given)
        except Exception as error:
            self.warn(
                f"the panel {name} is not drawn: {type(error).__name__}: {in_words(error).splitlines()[0]}"
            )
        self.seconds += time.perf_counter() - began

    def _publish(self, name: str, step: int, draw: Callable[[], np.ndarray]) -> None:
        """The file first: whatever is wrong with the disk is found out before TensorBoard's file is written to."""
        pixels = draw()
        png, jpeg = png_of(pixels), io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=90, subsampling=0)
        folder = self.run / FOLDER
        require_writable(folder, len(png) + len(jpeg.getvalue()) + SPARE_BYTES, "for a panel")
        publish_bytes(folder / f"{name}.png", png)
        height, width = pixels.shape[:2]
        shown = {"height": height, "width": width, "colorspace": 3, "encoded_image_string": jpeg.getvalue()}
        self.board.summary(step, {"value": [{"tag": f"panels/{name}", "image": shown}]})

    # ------------------------------------------------------------ what there is to draw

    @cached_property
    def grids(self) -> list[MapGrid]:
        return grids_of(self.config)

    def _of_data(self, model: Detector, epoch: int, step_in_epoch: int, step: int = 0) -> Drawn:
        title = f"epoch {epoch}, step {step:,}"
        keys = self.order.keys(epoch, step_in_epoch)
        yield "training_batch", partial(inputs.training_batch, self.train, keys, title)
        yield "preprocessing", partial(inputs.preprocessing, self.train, keys[0], title)
        yield "augmentation", partial(inputs.draws, self.train, keys[0], title)
        if step == 0:
            yield "priors", partial(self._priors, model)
        yield "matching", partial(self._matching, model, keys[:MATCHED], title)

    def _of_net(self, model: Detector, step: int) -> Drawn:
        title = f"step {step:,}"
        yield "predictions", partial(self._predictions, model, title)
        yield "class_map", partial(self._class_map, model, title)

    def _priors(self, model: Detector) -> np.ndarray:
        scene = scene_of(self.validation[self._shown[0]], model.input_spec)
        priors = model.priors_cxcywh.cpu().numpy()
        return draw_priors(
            dimmed(scene.image), priors, self.grids, "priors by map: centres, and those of the middle cell"
        )

    def _matching(self, model: Detector, keys: Sequence[SampleKey], title: str) -> np.ndarray:
        samples = [self.train[key] for key in keys]
        batch = collate(samples).to(self.device)
        return draw_matches(samples, batch, self.loss, model, self.grids, title)

    @cached_property
    def _shown(self) -> list[SampleKey]:
        """Images of the validation split, evenly spread, those with objects first."""
        data = self.validation.dataset
        first_box = np.asarray(data.columns("first_box")[0])  # type: ignore[attr-defined]
        full = np.flatnonzero(np.diff(first_box))
        some = full if len(full) else np.arange(len(data))
        chosen = np.unique(np.linspace(0, len(some) - 1, VALIDATION_IMAGES + 2).round().astype(int)[1:-1])
        return [SampleKey(0, index) for index in some[chosen].tolist()]

    def _outputs(self, model: Detector, images: int) -> tuple[torch.Tensor, torch.Tensor]:
        batch = collate([self.validation[key] for key in self._shown[:images]]).to(self.device)
        with evaluation_mode(model):
            return forward(model, batch, self.amp_dtype)

    def _scenes(self, model: Detector, images: int, side_px: int) -> list[Scene]:
        data = self.validation.dataset
        return [scene_of(data.load(key.index), model.input_spec, side_px) for key in self._shown[:images]]

    def _predictions(self, model: Detector, title: str) -> np.ndarray:
        data = self.validation.dataset
        found = [one.cpu() for one in detect(*self._outputs(model, VALIDATION_IMAGES), model)]
        names = [f"image {data.image_ids[key.index]}" for key in self._shown]
        scenes = self._scenes(model, VALIDATION_IMAGES, SIDE_PX)
        return truth_and_predictions(scenes, found, names, data.classes, title)

    def _class_map(self, model: Detector, title: str) -> np.ndarray:
        logits, _ = self._outputs(model, HEAT_IMAGES)
        scores = SCORE_FUNCTIONS[model.variant.score_function](logits)
        scenes = self._scenes(model, HEAT_IMAGES, TILE_PX)
        return best_of_cells(scenes, scores, self.grids, self.validation.dataset.classes, title)

    # ------------------------------------------------------------ curves

    def _coverage(self, model: Detector) -> None:
        found = measure(objects_of(self.train.dataset, COVERAGE_IMAGES), model.priors_cxcywh)
        sizes = ("small", "medium", "large", "without_prior")
        values = [(size, getattr(found, size)) for size in sizes]
        known = [
            {"tag": f"coverage/{size}", "simple_value": value} for size, value in values if value == value
        ]
        self.board.summary(0, {"value": known})

    def _curves(self, step: int, scores: Scores) -> None:
        for summary in pr_summaries(scores):
            self.board.summary(step, summary)
