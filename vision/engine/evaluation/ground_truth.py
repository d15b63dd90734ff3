"""The true boxes of a split, as the scorers want them: original category ids, px of the original image.

Legend: I images, B boxes with crowd regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vision.engine.evaluation.results import Results
from vision.messages.advice import UserError
from vision.messages.terminal import counted

ARRAYS = ("image_ids", "heights", "widths", "first_box", "boxes_xyxy_px", "labels", "is_crowd", "area")


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What is scored against. Images without boxes are in it, rejected images are not.

    * image_ids, heights, widths: (I,) integers; px
    * box_image_ids: (B,) int64
    * category_ids: (B,) int64, those of the published annotations
    * boxes_xywh_px: (B, 4) float64
    * area: (B,) float64, px² of the object's mask, which says whether it counts as small, medium or large
    * is_crowd: (B,) bool; a crowd region takes detections without being missed itself
    * categories: ``{"id", "name"}`` of every class, in the order of the labels
    * unlabelled: (image ids, category ids whose objects are not marked in these images), if there are any
    """

    image_ids: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    box_image_ids: np.ndarray
    category_ids: np.ndarray
    boxes_xywh_px: np.ndarray
    area: np.ndarray
    is_crowd: np.ndarray
    categories: tuple[dict[str, Any], ...]
    unlabelled: Sequence[tuple[ArrayLike, ArrayLike]] = ()

    def judged(self, results: Results) -> Results:
        """Without what may be right and has no box: detections of a class in images that are not labelled with it.

        LVIS's rule for images that are not exhaustively labelled (Gupta et al. 2019): they count neither way.
        """
        for image_ids, category_ids in self.unlabelled:
            unjudged = np.isin(results.image_ids, image_ids) & np.isin(results.category_ids, category_ids)
            results = results.only(~unjudged)
        return results

    def with_boxes(self, which: np.ndarray) -> GroundTruth:
        """The same images with the boxes at ``which`` (places or bool) in that order."""
        columns = ("box_image_ids", "category_ids", "boxes_xywh_px", "area", "is_crowd")
        return replace(self, **{name: getattr(self, name)[which] for name in columns})

    def with_images(self, which: np.ndarray) -> GroundTruth:
        """The images at ``which`` in that order; the boxes stay."""
        return replace(
            self, image_ids=self.image_ids[which], heights=self.heights[which], widths=self.widths[which]
        )

    def images(self) -> list[dict[str, Any]]:
        """As ``instances_*.json`` lists them, without names of files."""
        sizes = zip(self.image_ids.tolist(), self.heights.tolist(), self.widths.tolist(), strict=True)
        return [{"id": id_, "height": height, "width": width} for id_, height, width in sizes]

    def to_coco(self) -> dict[str, Any]:
        """A dict as ``instances_*.json`` has it, without segmentations.

        Annotations are numbered again from 1: pycocotools takes a match with annotation 0 for no match.
        """
        columns = zip(
            self.box_image_ids.tolist(),
            self.category_ids.tolist(),
            self.boxes_xywh_px.tolist(),
            self.area.tolist(),
            self.is_crowd.tolist(),
            strict=True,
        )
        return {
            "info": {},
            "images": self.images(),
            "categories": [dict(row) for row in self.categories],
            "annotations": [
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(crowd),
                }
                for number, (image_id, category_id, box, area, crowd) in enumerate(columns, start=1)
            ],
        }


def from_arrays(
    arrays: dict[str, np.ndarray], classes: list[str], original_category_ids: list[int]
) -> GroundTruth:
    """Labels → original category ids, corners → corner and size."""
    originals = np.asarray(original_category_ids, np.int64)
    corners = np.asarray(arrays["boxes_xyxy_px"], np.float64)
    per_image = np.diff(arrays["first_box"])
    named = zip(original_category_ids[1:], classes[1:], strict=True)
    return GroundTruth(
        image_ids=np.asarray(arrays["image_ids"], np.int64),
        heights=np.asarray(arrays["heights"]),
        widths=np.asarray(arrays["widths"]),
        box_image_ids=np.repeat(np.asarray(arrays["image_ids"], np.int64), per_image),
        category_ids=originals[np.asarray(arrays["labels"])],
        boxes_xywh_px=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        area=np.asarray(arrays["area"], np.float64),
        is_crowd=np.asarray(arrays["is_crowd"], bool),
        categories=tuple({"id": int(id_), "name": name} for id_, name in named),
    )


def ground_truth_of(dataset: Any) -> GroundTruth:
    """Of a data set of ``vision.datasets`` that keeps its boxes in arrays (``columns``)."""
    arrays = dict(zip(ARRAYS, dataset.columns(*ARRAYS), strict=True))
    truth = from_arrays(arrays, dataset.classes, dataset.original_category_ids)
    unlabelled = getattr(dataset, "unlabelled", ())
    return replace(truth, unlabelled=[(np.asarray(images), np.asarray(ids)) for images, ids in unlabelled])


def truth_of(dataset: Any) -> GroundTruth:
    """Of a data set, or the one that ``dataset`` is."""
    return dataset if isinstance(dataset, GroundTruth) else ground_truth_of(dataset)


def require_known(results: Results, truth: GroundTruth) -> None:
    """Ids that the ground truth does not have would be left out without a word by the scorers: raises UserError."""
    for kind, found, known in (
        ("image", results.image_ids, truth.image_ids),
        ("category", results.category_ids, np.array([row["id"] for row in truth.categories], np.int64)),
    ):
        strange = np.setdiff1d(found, known)
        if len(strange):
            shown = ", ".join(map(str, strange[:5].tolist())) + (" …" if len(strange) > 5 else "")
            raise UserError(
                f"results name {counted(len(strange), f'{kind} id')} that the ground truth does not have: {shown}; "
                "they belong to another data set or split"
            )
