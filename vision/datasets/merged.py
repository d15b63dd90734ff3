"""Several data sets as one: their images behind one another, the union of their classes, labels by name.

The classes are those of the first set in its order, then the new ones of each next set in its order. Names that differ in blanks
or case alone are one class, spelled as it came first. Where a set does not label what another does, nobody knows whether an
object of that class is in its images: each sample says which classes these are (``Sample.unlabelled``), the loss leaves them out
of what is background there (docs/ssd.md), and the scorers leave out what is detected of them.

Legend: I images and B boxes of all sets.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, count, permutations
from pathlib import Path
from typing import Union

import numpy as np

from vision.artefacts.data_layout import class_key
from vision.core.sample import Objects, Sample, joined
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.messages.advice import shown
from vision.messages.command_line import listed
from vision.messages.terminal import counted

DataSet = Union[CocoDetection, "MergedDetection"]
MOST_ORDERS = 6
"""Of so many sets all orders are looked through for the one that a run has had."""


def merged(
    parts: Sequence[CocoDetection], classes: Sequence[str] | None = None, ids: Sequence[int] | None = None
) -> DataSet:
    """``parts`` as one set with ``classes`` (background first), of which each part may lack some; unless told their union.

    ``ids``: original category ids of ``classes``; unless told those that they have in the first part that has them, or the next
    free number where that is another class's.

    A single part that has its classes in this order is given back as it is. Raises DatasetError for further classes.
    """
    wanted = list(classes or union(parts))
    for part in parts:
        if more := [name for name in part.classes if _spelled(name, wanted) not in wanted]:
            raise DatasetError(
                f"{shown(part.root)}: other classes than the run: {listed(sorted(more), 5)}\n"
                "  why: the run does not learn these classes\n"
                "  fix: make it with the --classes of the run (an option of the stages), or name other data"
            )
    if len(parts) == 1 and parts[0].classes == wanted:
        return parts[0]
    return MergedDetection(parts, wanted, ids or _ids(parts, wanted))


def union(parts: Sequence[CocoDetection]) -> list[str]:
    """The classes of the first, then the new ones of each next."""
    classes = list(parts[0].classes)
    for part in parts[1:]:
        classes += [name for name in part.classes if _spelled(name, classes) not in classes]
    return classes


def _spelled(name: str, classes: Sequence[str]) -> str:
    """``name`` as ``classes`` have it, where they do."""
    if name in classes:
        return name
    alike = [one for one in classes if class_key(one) == class_key(name)]
    return alike[0] if len(alike) == 1 else name


def _ids(parts: Sequence[CocoDetection], classes: Sequence[str]) -> list[int]:
    own: dict[str, int] = {}
    for part in parts:
        for name, id_ in zip(part.classes, part.original_category_ids, strict=True):
            own.setdefault(_spelled(name, classes), id_)
    ids: dict[str, int] = {}
    free = count(1 + max(own.values()))
    for name in classes:
        ids[name] = next(free) if own.get(name) in (None, *ids.values()) else own[name]
    return list(ids.values())


def notes(data: DataSet) -> list[str]:
    """What a person should know of a union: which set does not label what, and which spellings are taken for one."""
    if isinstance(data, CocoDetection):
        return []
    said = []
    for part, unlabelled in zip(data.parts, data.unlabelled_by_part, strict=True):
        if unlabelled:
            names = listed([shown(data.classes[label]) for label in unlabelled], 5)
            said.append(
                f"{shown(part.root)} does not label {names}: in its {counted(len(part), 'image')} "
                "that is no background, and what is detected of it counts neither way"
            )
        said += [
            f"{shown(part.root)}: {shown(name)} is taken for {shown(_spelled(name, data.classes))}"
            for name in part.classes
            if name not in data.classes
        ]
    return said


class MergedDetection:
    """What ``vision.datasets.contract`` asks for, over ``parts``.

    Image ids stay where no two images have the same one, else they are 1..I in order.
    ``unlabelled_by_part``: of each part the labels of the classes that it does not have.
    """

    def __init__(self, parts: Sequence[CocoDetection], classes: Sequence[str], ids: Sequence[int]) -> None:
        self.parts, self.classes, self.original_category_ids = list(parts), list(classes), list(ids)
        self.root = parts[0].root
        self._ends = list(accumulate(map(len, parts)))
        self._labels = [
            np.array([self.classes.index(_spelled(name, self.classes)) for name in part.classes], np.int64)
            for part in parts
        ]
        self.unlabelled_by_part = [
            tuple(label for label in range(len(self.classes)) if label not in own) for own in self._labels
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
        labels, unlabelled = self._labels[part][sample.labels], self.unlabelled_by_part[part]
        return replace(sample, labels=labels, image_id=self.image_ids[index], unlabelled=unlabelled)

    def pixels(self, index: int) -> np.ndarray:
        part, own = self._at(index)
        return self.parts[part].pixels(own)

    def objects(self, indices: Sequence[int]) -> Objects:
        found, order = [], []
        at = [self._at(index) for index in indices]
        for part, data in enumerate(self.parts):
            rows = [row for row, (own_part, _) in enumerate(at) if own_part == part]
            own = data.objects([at[row][1] for row in rows])
            ids = np.array([self.image_ids[indices[row]] for row in rows], np.int64)
            unlabelled = (self.unlabelled_by_part[part],) * len(rows)
            found.append(
                replace(own, labels=self._labels[part][own.labels], image_ids=ids, unlabelled=unlabelled)
            )
            order += rows
        return joined(found).at(np.argsort(order))

    def path(self, index: int) -> Path:
        part, own = self._at(index)
        return self.parts[part].path(own)

    def describe(self, index: int) -> str:
        part, own = self._at(index)
        return self.parts[part].describe(own)

    @property
    def unlabelled(self) -> list[tuple[list[int], list[int]]]:
        """(image ids, original category ids that these images are not labelled with), of each part that lacks any."""
        starts = [0, *self._ends]
        return [
            (self.image_ids[starts[part] : starts[part + 1]], [self.original_category_ids[one] for one in labels])
            for part, labels in enumerate(self.unlabelled_by_part)
            if labels
        ]  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """sha256 over those of the parts in their order, and the classes."""
        return _digest(self.parts, self.classes)

    def in_the_order_of(self, digest: str) -> list[Path] | None:
        """The roots in the order in which their union has this digest; None where it has it in none."""
        orders = permutations(self.parts) if len(self.parts) <= MOST_ORDERS else ()
        found = (order for order in orders if _digest(order, union(order)) == digest)
        return next(([part.root for part in order] for order in found), None)

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


def _digest(parts: Sequence[CocoDetection], classes: Sequence[str]) -> str:
    defining = {"parts": [part.digest for part in parts], "classes": list(classes)}
    return hashlib.sha256(json.dumps(defining).encode()).hexdigest()
