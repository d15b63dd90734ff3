"""Writes one annotation file with labels for category ids, and lists everything that it leaves out.

Categories are known before it begins; then one look at the file is enough where images come before annotations. The
new file holds the same keys in the same order, but for ``categories``, which come before images; one element a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from pipeline.annotations.json_strict import dumps
from pipeline.annotations.reader import AnnotationFile, Part
from pipeline.annotations.rules import (
    MAX_AREA,
    MAX_ID,
    MAX_SIDE,
    NUMBERS,
    Change,
    Drop,
    annotation_fault,
    check_area,
    check_box,
    fits,
    image_fault,
    shown,
)
from pipeline.bar import bar
from pipeline.remap_categories.category_map import CategoryMap
from pipeline.remap_categories.image_names import ImageNames
from vision.images.formats import STORED

ImageCheck = Callable[[dict[str, Any]], Drop | Change | None]
"""From a sound entry of ``images``: why this image cannot be used, what there is to say of it, or None."""


def any_image(raw: dict[str, Any]) -> Drop | Change | None:
    """The check that lets every image pass."""
    return None


def judged(file_name: str, verdict: str, reason: str | None, orientation: int) -> Drop | Change | None:
    """What the verdict of the image check means for an image, see ImageCheck."""
    if verdict == "reject":
        return Drop("rejected", f"{file_name}: {reason}")
    if orientation != STORED:
        return Change("exif_upright", f"{file_name}: {reason}")
    return None


NOT_SELECTED = "no_object_in_range"


def among(selected: Collection[int], check: ImageCheck) -> ImageCheck:
    """``check``, and of what passes it only the images whose ids are ``selected``."""

    def checked(raw: dict[str, Any]) -> Drop | Change | None:
        found = check(raw)
        if isinstance(found, Drop) or raw["id"] in selected:
            return found
        return Drop(NOT_SELECTED, f"{raw['file_name']}: it has no object of the chosen classes and areas")

    return checked


SIDES = MAX_SIDE + 1
_FIELDS = itemgetter("id", "image_id", "category_id", "iscrowd", "bbox", "area")


@dataclass(slots=True)
class SplitCounts:
    """What was in one file and what became of it; in = kept + dropped, for images and for annotations.

    * first_dropped: which image was left out first, and why
    """

    split: str
    images_in: int = 0
    images_kept: int = 0
    annotations_in: int = 0
    annotations_kept: int = 0
    crowds: int = 0
    images_dropped: Counter[str] = field(default_factory=Counter)
    first_dropped: str = ""
    images_noted: Counter[str] = field(default_factory=Counter)
    annotations_dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    per_label: Counter[int] = field(default_factory=Counter)


class OutOfOrder(Exception):
    """The parts of the file do not come as they are needed: it has to be looked through first."""


class Remapping:
    """The work on one file: ``write(out)`` writes the new one to ``out`` and a line for each drop to ``listing``.

    ``ahead`` is where the categories were found by a look ahead: the file is walked over once, and OutOfOrder is
    raised if they are elsewhere or annotations before images. Without it the parts are taken in the needed order.
    With ``areas``, ``selected`` are then the ids of the images with a kept object, no crowd region, whose area is in ``areas``, bounds included.
    ``folder`` is that of the images, where it is known. AnnotationError: two images are one file, or one id two files.
    """

    def __init__(
        self,
        file: AnnotationFile,
        map_: CategoryMap,
        split: str,
        check: ImageCheck,
        listing: IO[bytes],
        ahead: int | None = None,
        folder: Path | None = None,
        areas: tuple[float, float] | None = None,
    ) -> None:
        self.areas, self.selected = areas, set[int]()
        self.file, self.map, self.check, self.listing = file, map_, check, listing
        self.ahead = ahead
        self._names = ImageNames(folder)
        self._files: dict[int, str] = {}
        self._boxes: set[int] = set()
        self.counts = SplitCounts(split)
        self._labels = map_.labels
        self._sizes: dict[int, int] = {}  # width and height in one number: a pair takes three times the room
        self._lost: dict[int, str] = {}
        self._seen: set[int] = set()
        self._keys: list[str] = []
        self._bar = bar(f"remap {split}".strip(), file.size, leave=False)

    def write(self, out: IO[bytes]) -> SplitCounts:
        with self._bar:
            for part in self._parts():
                self._write(out, part)
                self._keys.append(part.key)
        self._require(self._keys)
        if "annotations" not in self._keys:
            out.write(b',\n"annotations":[]')
        out.write(b"}\n")
        return self.counts

    def _parts(self) -> Iterator[Part]:
        if self.ahead is not None:
            return self.file.walk()
        sections = self.file.sections
        self._require(sections)
        last = [key for key in ("images", "annotations") if key in sections]
        return map(self.file.part, [*(key for key in sections if key not in last), *last])

    def _require(self, found: Collection[str]) -> None:
        """Raises AnnotationError for a missing list; only the test split has no annotations."""
        for key in ("images", "categories", "annotations"):
            if key not in found and not (key == "annotations" and self.counts.split == "test"):
                raise self.file.missing(key, found)

    def _write(self, out: IO[bytes], part: Part) -> None:
        if part.key == "categories":
            if self.ahead not in (None, part.start):
                raise OutOfOrder
            return
        out.write(b",\n" if self._keys and self._keys != ["categories"] else b"{")
        if part.key == "images":
            out.write(b'"categories":')
            _write_list(out, map(dumps, self.map.records()))
            out.write(b",\n")
        out.write(dumps(part.key) + b":")
        if part.key == "images":
            _write_list(out, self._images(part))
        elif part.key == "annotations":
            if "images" not in self._keys:
                raise OutOfOrder
            _write_list(out, self._annotations(part))
        else:
            for piece in part.as_it_is():
                out.write(piece)
                self._bar.update(len(piece))

    def _images(self, part: Part) -> Iterator[bytes]:
        counts, self._at = self.counts, part.start
        for index, raw in self._items(part):
            counts.images_in += 1
            found = image_fault(raw) or self._known_image(raw)
            if not isinstance(found, Drop):
                if found is not None:
                    counts.images_noted[found.reason] += 1
                    self._list("image", index, raw, "kept", found)
                counts.images_kept += 1
                self._names.add(raw["file_name"], raw["id"])
                self._sizes[raw["id"]] = raw["width"] * SIDES + raw["height"]
                yield dumps(raw)
                continue
            counts.images_dropped[found.reason] += 1
            counts.first_dropped = counts.first_dropped or f"images[{index}]: {found.detail}"
            id_ = raw.get("id") if isinstance(raw, dict) else None
            if type(id_) is int and id_ not in self._sizes:
                self._lost[id_] = found.reason
            self._list("image", index, raw, "dropped", found)
        if problem := self._names.problem():
            raise self.file.error(part.start, "images", problem)

    def _known_image(self, raw: dict[str, Any]) -> Drop | Change | None:
        id_, name = raw["id"], raw["file_name"]
        first = self._files.setdefault(id_, name)
        if first != name:
            problem = f"id {id_} is that of {first!r} and of {name!r}: nothing tells whose its boxes are"
            raise self.file.error(self._at, "images", problem)
        if id_ in self._sizes:
            return Drop("duplicate_id", f"id {id_} was used before; the first image with it is kept")
        return self.check(raw)

    def _annotations(self, part: Part) -> Iterator[bytes]:
        counts = self.counts
        for index, raw in self._items(part):
            counts.annotations_in += 1
            drop = None
            if not self._is_usual(raw):
                drop = annotation_fault(raw) or self._misplaced(raw) or self._box(index, raw)
            if drop is not None:
                counts.annotations_dropped[drop.reason] += 1
                self._list("annotation", index, raw, "dropped", drop)
                continue
            id_, image, _, crowd, box, area = _FIELDS(raw)
            label = raw["category_id"] = self._labels[raw["category_id"]]
            self._seen.add(id_)
            what = hash((image, label, *box, crowd))
            if what in self._boxes:
                self._repeated(index, raw)
            self._boxes.add(what)
            counts.annotations_kept += 1
            counts.crowds += crowd
            if self.areas and self.areas[0] <= area <= self.areas[1] and not crowd:
                self.selected.add(image)
            counts.per_label[label] += 1
            yield dumps(raw)

    def _is_usual(self, raw: Any) -> bool:
        """Whether an annotation passes all rules and none changes it, in one look: nearly all do."""
        try:
            id_, image, category, crowd, box, area = _FIELDS(raw)
            x, y, w, h = box
            width, height = divmod(self._sizes[image], SIDES)
        except (KeyError, TypeError, ValueError):
            return False
        return (
            type(id_) is type(image) is type(category) is type(crowd) is int
            and type(box) is list
            and NUMBERS.issuperset(map(type, (x, y, w, h, area)))
            and 0 <= id_ <= MAX_ID
            and id_ not in self._seen
            and category >= 0
            and category in self._labels
            and 0 <= crowd <= 1
            and 0 <= area <= MAX_AREA
            and fits(x, y, w, h, width, height)
        )

    def _repeated(self, index: int, raw: dict[str, Any]) -> None:
        """An object that is there twice is kept, since the published numbers count it twice, and listed."""
        self.counts.changed["repeated"] += 1
        why = Change(
            "repeated", f"an earlier annotation of image {raw['image_id']} has this class and box, too"
        )
        self._list("annotation", index, raw, "kept", why)

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
        found = check_box(raw.get("bbox"), *divmod(self._sizes[raw["image_id"]], SIDES))
        if isinstance(found, Drop):
            return found
        box, clipped = found
        area, replaced = check_area(raw, box, clipped is not None)
        for change in (clipped, replaced):
            if change is not None:
                self.counts.changed[change.reason] += 1
                self._list("annotation", index, raw, "changed", change)
        raw["bbox"] = box
        raw["area"] = area
        raw["iscrowd"] = int(raw.get("iscrowd", 0))
        return None

    def _items(self, part: Part) -> Iterator[tuple[int, Any]]:
        part.expect_list()
        for index, raw in enumerate(part):
            if index % 1024 == 0:
                self._bar.update(max(0, part.end - self._bar.n))
            yield index, raw

    def _list(self, kind: str, index: int, raw: Any, action: str, why: Drop | Change) -> None:
        row: dict[str, Any] = {"split": self.counts.split, "kind": kind, "index": index}
        keys = ("id", "file_name") if kind == "image" else ("id", "image_id", "category_id")
        for key in keys:
            row[key] = _plain(raw.get(key)) if isinstance(raw, dict) else None
        row |= {"action": action, "reason": why.reason, "detail": why.detail}
        self.listing.write(dumps(row) + b"\n")


def _plain(value: Any) -> Any:
    """An id as it was in the file, unless it is something long."""
    if value is None or type(value) in (int, float, bool):
        return value
    return value[:100] if isinstance(value, str) else shown(value)


def _write_list(out: IO[bytes], elements: Iterator[bytes]) -> None:
    separator = b"[\n"
    for element in elements:
        out.write(separator + element)
        separator = b",\n"
    out.write(b"[]" if separator == b"[\n" else b"\n]")
