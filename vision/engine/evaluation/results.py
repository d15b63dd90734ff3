"""What was found in a data set, as COCO's results format has it: original category ids, boxes in px of the file.

Legend: D detections over all images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vision.artefacts.files import publish_bytes

BOX_DIGITS = 3
"""Boxes are kept to a thousandth of a pixel: what is scored is what the file says."""
SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Results:
    """Detections of many images, best score first within each.

    * image_ids: (D,) int64
    * category_ids: (D,) int64, the ids of the published annotations, not labels
    * boxes_xywh_px: (D, 4) float64, corner and size in px of the original image
    * scores: (D,) float64 in [0, 1]
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes_xywh_px: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.image_ids)

    @classmethod
    def empty(cls) -> Results:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def concatenate(cls, parts: Sequence[Results]) -> Results:
        """One after the other: batches of a loader, or shards of several processes."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.image_ids for part in parts]),
            np.concatenate([part.category_ids for part in parts]),
            np.concatenate([part.boxes_xywh_px for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )

    def only(self, keep: np.ndarray) -> Results:
        """Those where ``keep`` (D,) is true."""
        return Results(
            self.image_ids[keep], self.category_ids[keep], self.boxes_xywh_px[keep], self.scores[keep]
        )

    def rows(self) -> np.ndarray:
        """(D, 7) float64: image id, x, y, w, h, score, category id; what the scorers' ``loadRes`` takes."""
        return np.column_stack([self.image_ids, self.boxes_xywh_px, self.scores, self.category_ids])

    def to_coco(self) -> list[dict[str, Any]]:
        """The official results format, one object a detection."""
        columns = zip(
            self.image_ids.tolist(),
            self.category_ids.tolist(),
            self.boxes_xywh_px.tolist(),
            self.scores.tolist(),
            strict=True,
        )
        return [
            {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}
            for image_id, category_id, box, score in columns
        ]


def from_xyxy_px(
    image_ids: np.ndarray, category_ids: np.ndarray, boxes_xyxy_px: np.ndarray, scores: np.ndarray
) -> Results:
    """Corners (D, 4) in px → ``Results``, rounded to what the file keeps."""
    corners = np.asarray(boxes_xyxy_px, np.float64)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return Results(
        np.asarray(image_ids, np.int64),
        np.asarray(category_ids, np.int64),
        boxes.round(BOX_DIGITS),
        np.asarray(scores, np.float64).round(SCORE_DIGITS),
    )


def publish_results(path: Path, results: Results) -> None:
    """Writes ``results`` as a JSON list, one detection a line. Raises ValueError for numbers that are not finite."""
    if not (np.isfinite(results.boxes_xywh_px).all() and np.isfinite(results.scores).all()):
        raise ValueError(f"{path}: JSON has no numbers that are not finite")
    columns = (results.image_ids, results.category_ids, *results.boxes_xywh_px.T, results.scores)
    lines = [  # as json.dumps writes each, in less than half the time
        f'{{"image_id": {image}, "category_id": {category}, "bbox": [{x!r}, {y!r}, {w!r}, {h!r}], "score": {score!r}}}'
        for image, category, x, y, w, h, score in zip(*(each.tolist() for each in columns), strict=True)
    ]
    publish_bytes(path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())
