"""What every reader of a foreign layout takes and gives. The core (``pipeline.import_data``) judges, splits and writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.stop import NEVER, Stop

FORMATS = ("coco", "voc", "yolo", "open_images", "cvat", "labelme")
"""Each is the module ``pipeline.formats.<name>`` with ``read(Source) -> Foreign``."""
WORDS = {
    "train": "train", "training": "train", "trainval": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What layouts call a split → what it is here."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not used: a code, words for people, and where it stands (file, row or object)."""

    reason: str
    detail: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class ForeignBox:
    """One labelled box.

    * name: of its class, as written
    * xyxy: 0-based continuous px of the image that was labelled: the left edge of the first pixel is 0, right and bottom
      edge are exclusive, so that a box of the whole image is (0, 0, W, H)
    * crowd: stands for several objects; ignored: is to be neither learned nor counted against the detector (VOC's difficult)
    * area: px² where the layout says it (a mask's), else None; where: file, row or object
    * changed: a code for what was put right in reading it (``swapped_corners``); "" for nothing
    """

    name: str
    xyxy: tuple[float, float, float, float]
    crowd: bool = False
    ignored: bool = False
    where: str = ""
    area: float | None = None
    changed: str = ""


@dataclass(frozen=True, slots=True)
class ForeignImage:
    """One image that the layout names; each is counted.

    * path: the file; None where there is none (then ``fault`` says why)
    * name: what it is called below its folder of images, with ``/``
    * split: ``train``, ``val``, ``test``, or None where the layout does not say
    * hw: height and width in px that the boxes are in; None: not stated, the file tells
    * problems: boxes that cannot be read, each of which counts as one; fault: why the image cannot be used at all
    """

    path: Path | None
    name: str
    split: str | None
    hw: tuple[int, int] | None
    boxes: tuple[ForeignBox, ...] = ()
    problems: tuple[Problem, ...] = ()
    fault: Problem | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A layout that was opened.

    * classes: in the order that the layout states (``labels.txt``, ``data.yaml``, …); () where it states none
    * images: read while they are asked for
    * notes: called after that: lines for people, what was left aside and how much; orphans: boxes of no image that is named
    """

    classes: tuple[str, ...]
    images: Iterable[ForeignImage]
    notes: Callable[[], list[str]] = list
    orphans: Callable[[], list[Problem]] = list


@dataclass(frozen=True, slots=True)
class Source:
    """What is read: a folder or a file, where its images are (None: the layout says), and what measures one.

    size_of: (height, width) in px of the frame that fractions count in; raises ``vision.images.formats.BadImage``.
    """

    path: Path
    images: Path | None
    size_of: Callable[[Path], tuple[int, int]]
    stop: Stop = NEVER
    include_depiction: bool = False


def split_of(name: str) -> str | None:
    """``instances_train2017`` → train, ``valid`` → val; None where no word, or several, say a split."""
    words = re.split(r"[^a-z]+", name.lower())
    found = {WORDS[word] for word in words if word in WORDS}
    return found.pop() if len(found) == 1 else None


def hull(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The box around points, of which there is at least one."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
