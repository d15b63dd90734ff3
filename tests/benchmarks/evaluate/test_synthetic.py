"""The drawn split has val2017's shape, is the same each time, and is neither hopeless nor perfect to a scorer."""

from __future__ import annotations

import numpy as np

from benchmarks.evaluate.synthetic import DETECTIONS, a_split
from vision.engine.evaluation.coco_map import score


def test_a_split() -> None:
    truth, results = a_split(60)
    assert len(truth.image_ids) == 60 and len(truth.box_image_ids) == round(60 * 36_781 / 5_000)
    assert np.bincount(results.image_ids, minlength=61)[1:].tolist() == [DETECTIONS] * 60
    assert 0 < score(results, truth).metrics["AP"] < 0.9
    assert (truth.boxes_xywh_px[:, 2:] > 0).all() and (results.boxes_xywh_px[:, 2:] > 0).all()


def test_the_same_seed_is_the_same_split() -> None:
    (truth, results), (truth_again, results_again), (_, others) = a_split(5), a_split(5), a_split(5, seed=1)
    assert (truth.boxes_xywh_px == truth_again.boxes_xywh_px).all()
    assert (results.rows() == results_again.rows()).all() and (results.rows() != others.rows()).any()
