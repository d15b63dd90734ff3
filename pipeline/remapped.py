"""Writes one annotation file anew with labels for category ids, and lists everything that it leaves out.

Two looks at the file: categories stand at the end of COCO's, so they are read first. The new file holds the same
keys; ``categories``, ``images`` and ``annotations`` come last, one element a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import orjson
from tqdm import tqdm

from pipeline.annotation_rules import (
    Change,
    Drop,
    annotation_fault,
    check_area,
    check_box,
    image_fault,
    shown,
)
from pipeline.annotations import AnnotationFile
from pipeline.categories import CategoryMap
from pipeline.stage import Interrupted

ImageCheck = Callable[[int, str], Drop | None]
"""From image id and file name: why this image can not be used, or None."""


@dataclass(slots=True)
class SplitCounts:
    """What was in one file and what became of it; in = kept + dropped, for images and for annotations."""

    split: str
    images_in: int = 0
    images_kept: int = 0
    annotations_in: int = 0
    annotations_kept: int = 0
    crowds: int = 0
    images_dropped: Counter[str] = field(default_factory=Counter)
    annotations_dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    per_label: Counter[int] = field(default_factory=Counter)


class Remapping:
    """The work on one file: ``write(out)`` writes the new one to ``out`` and a line for each drop to ``listing``."""

    def __init__(
        self,
        file: AnnotationFile,
        map_: CategoryMap,
        split: str,
        check: ImageCheck,
        listing: IO[bytes],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.file, self.map, self.check, self.listing, self.should_stop = (
            file,
            map_,
            check,
            listing,
            should_stop,
        )
        self.counts = SplitCounts(split)
        self._labels = map_.labels
        self._sizes: dict[int, tuple[int, int]] = {}
        self._lost: dict[int, str] = {}
        self._seen: set[int] = set()

    def write(self, out: IO[bytes]) -> SplitCounts:
        out.write(b"{")
        for key, section in self.file.sections.items():
            if key not in ("categories", "images", "annotations"):
                out.write(orjson.dumps(key) + b":")
                _write_value(out, self.file, key, section.count)
                out.write(b",\n")
        out.write(b'"categories":')
        _write_list(out, map(orjson.dumps, self.map.records()))
        out.write(b',\n"images":')
        _write_list(out, self._images())
        out.write(b',\n"annotations":')
        _write_list(out, self._annotations())
        out.write(b"}\n")
        return self.counts

    def _images(self) -> Iterator[bytes]:
        counts = self.counts
        for index, raw in enumerate(self._bar("images")):
            counts.images_in += 1
            drop = image_fault(raw) or self._known_image(raw)
            if drop is None:
                counts.images_kept += 1
                self._sizes[raw["id"]] = (raw["width"], raw["height"])
                yield orjson.dumps(raw)
                continue
            counts.images_dropped[drop.reason] += 1
            id_ = raw.get("id") if isinstance(raw, dict) else None
            if type(id_) is int and id_ not in self._sizes:
                self._lost[id_] = drop.reason
            self._list("image", index, raw, "dropped", drop)

    def _known_image(self, raw: dict[str, Any]) -> Drop | None:
        if raw["id"] in self._sizes:
            return Drop("duplicate_id", f"id {raw['id']} was used before; the first image with it is kept")
        return self.check(raw["id"], raw["file_name"])

    def _annotations(self) -> Iterator[bytes]:
        counts = self.counts
        for index, raw in enumerate(self._bar("annotations")):
            counts.annotations_in += 1
            drop = annotation_fault(raw) or self._misplaced(raw) or self._box(index, raw)
            if drop is not None:
                counts.annotations_dropped[drop.reason] += 1
                self._list("annotation", index, raw, "dropped", drop)
                continue
            self._seen.add(raw["id"])
            counts.annotations_kept += 1
            counts.crowds += raw["iscrowd"]
            counts.per_label[raw["category_id"]] += 1
            yield orjson.dumps(raw)

    def _misplaced(self, raw: dict[str, Any]) -> Drop | None:
        """What is wrong with an annotation in view of all others."""
        id_, image, category = raw["id"], raw["image_id"], raw["category_id"]
        if id_ in self._seen:
            return Drop("duplicate_id", f"id {id_} was used before; the first annotation with it is kept")
        if image not in self._sizes:
            lost = self._lost.get(image)
            if lost is None:
                return Drop("unknown_image", f"there is no image {image}")
            return Drop("image_dropped", f"image {image} was dropped: {lost}")
        if category not in self._labels:
            known = self.map.known.get(category)
            if known is None:
                return Drop("unknown_category", f"there is no category {category}")
            return Drop("class_not_chosen", f"{known.name!r} was not asked for")
        return None

    def _box(self, index: int, raw: dict[str, Any]) -> Drop | None:
        """Judges the box; what is kept gets its new values in place."""
        found = check_box(raw.get("bbox"), *self._sizes[raw["image_id"]])
        if isinstance(found, Drop):
            return found
        box, clipped = found
        area, replaced = check_area(raw, box, clipped is not None)
        for change in (clipped, replaced):
            if change is not None:
                self.counts.changed[change.reason] += 1
                self._list("annotation", index, raw, "changed", change)
        raw["category_id"] = self._labels[raw["category_id"]]
        raw["bbox"] = box
        raw["area"] = area
        raw["iscrowd"] = int(raw.get("iscrowd", 0))
        return None

    def _bar(self, key: str) -> Iterator[Any]:
        section = self.file.sections.get(key)
        if section is None and key == "annotations" and self.counts.split == "test":
            return  # image_info_test2017.json has none
        total = section.count if section else None
        desc = f"remap {self.counts.split}".strip()
        bar = tqdm(self.file.items(key), desc=desc, total=total, unit=f" {key}", disable=None, leave=False)
        for index, raw in enumerate(bar):
            if index % 1024 == 0 and self.should_stop():
                raise Interrupted
            yield raw

    def _list(self, kind: str, index: int, raw: Any, action: str, why: Drop | Change) -> None:
        row: dict[str, Any] = {"split": self.counts.split, "kind": kind, "index": index}
        keys = ("id", "file_name") if kind == "image" else ("id", "image_id", "category_id")
        for key in keys:
            row[key] = _plain(raw.get(key)) if isinstance(raw, dict) else None
        row |= {"action": action, "reason": why.reason, "detail": why.detail}
        self.listing.write(orjson.dumps(row) + b"\n")


def _plain(value: Any) -> Any:
    """An id as it stood in the file, unless it is something long."""
    if value is None or type(value) in (int, float, bool):
        return value
    return value[:100] if isinstance(value, str) else shown(value)


def _write_value(out: IO[bytes], file: AnnotationFile, key: str, count: int) -> None:
    if count < 0:
        out.write(orjson.dumps(file.value(key)))
    else:
        _write_list(out, map(orjson.dumps, file.items(key)))


def _write_list(out: IO[bytes], elements: Iterator[bytes]) -> None:
    separator = b"[\n"
    for element in elements:
        out.write(separator)
        out.write(element)
        separator = b",\n"
    out.write(b"[]" if separator == b"[\n" else b"\n]")
