"""Detections and true boxes drawn by a seed: near ones, wrong names, doubles, noise, crowds, equal scores."""

from __future__ import annotations

import numpy as np

from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results, from_xyxy_px

HEIGHT, WIDTH = 240, 320


def truth_of(
    image: list[int],
    category: list[int],
    boxes: list[list[float]],
    crowd: list[bool] | None = None,
    images: int = 3,
) -> GroundTruth:
    """Boxes (x, y, w, h) px in images 1, 2, …; classes a, b, c with ids 5, 2, 9."""
    xywh = np.array(boxes, np.float64).reshape(-1, 4)
    return GroundTruth(
        np.arange(1, images + 1), np.full(images, HEIGHT), np.full(images, WIDTH),
        np.array(image, np.int64), np.array(category, np.int64), xywh, xywh[:, 2] * xywh[:, 3],
        np.array(crowd or [False] * len(image), bool), tuple({"id": id_, "name": name} for id_, name in ((5, "a"), (2, "b"), (9, "c"))),
    )  # fmt: skip


def found(rows: list[tuple[int, int, list[float], float]]) -> Results:
    """(image id, category id, (x, y, w, h) px, score)."""
    xywh = np.array([row[2] for row in rows], np.float64).reshape(-1, 4)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return from_xyxy_px(
        np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64), corners,
        np.array([row[3] for row in rows], np.float64),
    )  # fmt: skip


def drawn(
    seed: int, images: int = 40, classes: int = 5, crowds: float = 0.1, unseen: float = 0.1, ties: bool = True
) -> tuple[Results, GroundTruth]:
    """Ids of images and categories are neither from 0 nor in order; the last class has no object."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.arange(10, 10 + 3 * images, 3))
    categories = rng.permutation(np.arange(2, 2 + 2 * classes, 2))
    per = rng.poisson(4, images)
    image, total = np.repeat(ids, per), int(per.sum())
    category = rng.choice(categories[:-1], total)
    size = np.exp(rng.normal(3.6, 0.8, (total, 2))).clip(5, 200)
    xywh = np.concatenate([rng.random((total, 2)) * (np.array([WIDTH, HEIGHT]) - size), size], 1).round(2)
    truth = GroundTruth(
        ids, np.full(images, HEIGHT), np.full(images, WIDTH), image, category, xywh,
        size.prod(axis=1) * rng.uniform(0.5, 1, total), rng.random(total) < crowds,
        tuple({"id": int(id_), "name": f"class {id_}"} for id_ in categories),
    )  # fmt: skip
    near = np.repeat(np.flatnonzero(rng.random(total) >= unseen), 3)
    jitter = xywh[near] + rng.normal(0, 0.12, (len(near), 4)) * np.tile(xywh[near, 2:], 2)
    jitter[:, 2:] = jitter[:, 2:].clip(2)
    noise = images * 8
    size = np.exp(rng.normal(3.6, 0.8, (noise, 2))).clip(5, 200)
    far = np.concatenate([rng.random((noise, 2)) * (np.array([WIDTH, HEIGHT]) - size), size], 1)
    named = np.where(rng.random(len(near)) < 0.8, category[near], rng.choice(categories, len(near)))
    boxes = np.concatenate([jitter, far])
    scores = np.concatenate([rng.beta(2, 2, len(near)), rng.beta(1, 8, noise)])
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    at = np.concatenate([image[near], rng.choice(ids, noise)])
    order = np.lexsort((-scores, at))
    results = from_xyxy_px(
        at[order], np.concatenate([named, rng.choice(categories, noise)])[order], corners[order],
        scores[order].round(2) if ties else scores[order],
    )  # fmt: skip
    if not ties:
        results = Results(results.image_ids, results.category_ids, results.boxes_xywh_px, scores[order])
    return results, truth
