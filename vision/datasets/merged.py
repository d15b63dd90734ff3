"""Several data sets as one, of classes in one order: their images behind one another, their labels by name.

Every set has to name the same classes. Where one does not label what another does, an object of that class in its images would be
learned as background, so that this is refused.

Legend: I images and B boxes of all sets.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Union

import numpy as np

from vision.core.sample import Sample
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.messages.advice import shown
from vision.messages.command_line import listed

DataSet = Union[CocoDetection, "MergedDetection"]


def merged(
    parts: Sequence[CocoDetection], classes: Sequence[str] | None = None, ids: Sequence[int] | None = None
) -> DataSet:
    """``parts`` as one set with ``classes`` (background first; those of the first part unless told).

    ``ids``: original category ids of ``classes``, for sets that are only measured on: these may lack classes.

    A single part that has its classes in this order is given back as it is. Raises DatasetError for other classes.
    """
    classes = list(classes or parts[0].classes)
    for part in parts:
        more = set(part.classes) - set(classes)
        if differing := more if ids else more | (set(classes) - set(part.classes)):
            why = (
                "the run learns no such class" if ids
                else "objects that only some of the sets label would be learned as background in the others"
            )  # fmt: skip
            raise DatasetError(
                f"{shown(part.root)}: other classes than {'the others' if len(parts) > 1 else 'the run'}: {listed(sorted(differing), 5)}\n"
                f"  why: {why}\n"
                "  fix: make all of them with the same --classes (an option of the stages), or name fewer sets"
            )
    if len(parts) == 1 and parts[0].classes == classes:
        return parts[0]
    own = dict(zip(parts[0].classes, parts[0].original_category_ids, strict=True))
    return MergedDetection(parts, classes, ids or [own[name] for name in classes])


class MergedDetection:
    """What ``vision.datasets.contract`` asks for, over ``parts``.

    Image ids stay where no two images have the same one, else they are 1..I in order.
    """

    def __init__(self, parts: Sequence[CocoDetection], classes: Sequence[str], ids: Sequence[int]) -> None:
        self.parts, self.classes, self.original_category_ids = list(parts), list(classes), list(ids)
        self.root = parts[0].root
        self._ends = list(accumulate(map(len, parts)))
        self._labels = [
            np.array([self.classes.index(name) for name in part.classes], np.int64) for part in parts
        ]
        ids = [one for part in parts for one in part.image_ids]
        self.renumbered = len(set(ids)) < len(ids)
        self.image_ids = list(range(1, len(ids) + 1)) if self.renumbered else ids

    def __len__(self) -> int:
        return self._ends[-1]

    def _at(self, index: int) -> tuple[int, int]:
        """Part, and index in it."""
        part = bisect.bisect_right(self._ends, index)
        return part, index - (self._ends[part - 1] if part else 0)

    def load(self, index: int) -> Sample:
        part, own = self._at(index)
        sample = self.parts[part].load(own)
        return replace(sample, labels=self._labels[part][sample.labels], image_id=self.image_ids[index])

    def describe(self, index: int) -> str:
        part, own = self._at(index)
        return self.parts[part].describe(own)

    @cached_property
    def digest(self) -> str:
        """sha256 over those of the parts in their order, and the classes."""
        defining = {"parts": [part.digest for part in self.parts], "classes": self.classes}
        return hashlib.sha256(json.dumps(defining).encode()).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        of_parts = [part.counts for part in self.parts]
        return {name: sum(counts[name] for counts in of_parts) for name in of_parts[0]}

    def columns(self, *names: str) -> list[np.ndarray]:
        """Whole arrays by name, (I,), (I + 1,) or (B,) long, in memory."""
        return [self._column(name) for name in names]

    def _column(self, name: str) -> np.ndarray:
        if name == "image_ids":
            return np.array(self.image_ids, np.int64)
        columns = [part.columns(name)[0] for part in self.parts]
        if name == "labels":
            columns = [of[column] for of, column in zip(self._labels, columns, strict=True)]
        if name != "first_box":
            return np.concatenate(columns)
        starts = accumulate((int(column[-1]) for column in columns), initial=0)
        return np.concatenate(
            [
                *(column[:-1] + start for column, start in zip(columns, starts, strict=False)),
                [sum(int(column[-1]) for column in columns)],
            ]
        )
