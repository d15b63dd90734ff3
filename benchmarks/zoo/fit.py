"""Eight drawn images by heart: a net, its priors, its loss and its post-processing fit each other, or this fails.

The images are those of ``pipeline.miniature``; all are one batch, without augmentation. The net is narrow and the input
small, so that a CPU is done in a minute.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.miniature.scene import render
from vision.core.sample import Batch, InputSpec, Sample
from vision.engine.evaluation.coco_map import score
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.predict import predict
from vision.ssd.build import build_detector, build_loss
from vision.ssd.variants import VARIANTS
from vision.transforms.resize import resize_sample

IMAGES, SIDE, WIDTH, RATE, SCORE_EVERY = 8, 160, 0.25, 2e-3, 20
BAR = 0.9


def drawn() -> tuple[Batch, list[int]]:
    """The images and their objects, no crowds; the original ids of the classes that are there, by label from 1."""
    scenes = [render(np.random.default_rng([8, 0, number])) for number in range(IMAGES)]
    objects = [[thing for thing in scene.things if not thing["iscrowd"]] for scene in scenes]
    ids = sorted({thing["category_id"] for things in objects for thing in things})
    most = max(map(len, objects))
    images, boxes, labels = [], torch.zeros(IMAGES, most, 4), torch.zeros(IMAGES, most, dtype=torch.int64)
    for number, (scene, things) in enumerate(zip(scenes, objects, strict=True)):
        corners = np.array([thing["bbox"] for thing in things], np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        named = np.array([ids.index(thing["category_id"]) + 1 for thing in things], np.int64)
        rest = (np.zeros(len(things), bool), np.ones(len(things), np.float32), number, scene.image.shape[:2])
        sample = resize_sample(Sample(scene.image, corners, named, *rest), (SIDE, SIDE))
        images.append(torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1))
        boxes[number, : len(things)] = torch.from_numpy(sample.boxes_xyxy_px) / SIDE
        labels[number, : len(things)] = torch.from_numpy(named)
    sizes = torch.full((IMAGES, 2), SIDE)
    return Batch(
        torch.stack(images), boxes, labels, torch.zeros(IMAGES, 0, 4), torch.arange(IMAGES), sizes
    ), ids


def truth_of(batch: Batch, ids: list[int]) -> GroundTruth:
    number, place = (batch.labels > 0).nonzero(as_tuple=True)
    corners = batch.boxes_xyxy[number, place].double().numpy() * SIDE
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    sides = np.full(IMAGES, SIDE)
    return GroundTruth(
        np.arange(IMAGES), sides, sides, number.numpy(), np.array([0, *ids])[batch.labels[number, place].numpy()],
        boxes, boxes[:, 2] * boxes[:, 3], np.zeros(len(boxes), bool), tuple({"id": i, "name": str(i)} for i in ids),
    )  # fmt: skip


def fit(name: str, seconds: float, steps: int) -> dict[str, Any]:
    """Trains until AP50 reaches ``BAR``, or for so many steps or seconds of processor time; the best AP50 that was seen."""
    row, (batch, ids) = VARIANTS[name], drawn()
    truth, width = truth_of(batch, ids), WIDTH
    torch.manual_seed(0)
    detector = build_detector(row, len(ids) + 1, InputSpec(SIDE, SIDE), width).train()
    loss, optimizer = build_loss(detector), torch.optim.Adam(detector.parameters(), lr=RATE)
    images: Tensor = detector.input_spec.normalise(batch.images)
    best, step, began = 0.0, 0, time.process_time()
    while best < BAR and step < steps and time.process_time() - began < seconds:
        for group in optimizer.param_groups:  # warm-up: the first steps of deep nets are their wildest
            group["lr"] = RATE * min(1.0, (step + 1) / SCORE_EVERY)
        optimizer.zero_grad()
        logits, offsets = detector(images)
        loss(logits, offsets, batch).total.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        step += 1
        if step % SCORE_EVERY == 0 or step == steps:
            found = predict(detector, [batch], "cpu", [0, *ids])
            best = max(best, score(found, truth).metrics["AP50"])
    return {"width": width, "ap50": best, "steps": step, "seconds": time.process_time() - began}
