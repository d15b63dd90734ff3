"""What is kept of what a reader gives: images with a file and a size, boxes with an area in them and a class."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pipeline.annotations.rules import MAX_COORDINATE, MAX_SIDE, Drop, check_box, file_name_problem
from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem
from pipeline.import_data.classes import fault_of
from pipeline.import_data.report import Report
from pipeline.plain_paths import MAX_NAME, folded
from vision.images.formats import BadImage, may_be_image


@dataclass(slots=True)
class Kept:
    """An image that is used. ``name`` below its folder: as the layout has it until ``give_names``; ``boxes``: xyxy within the image; ``path``: of the file itself, at the
    end of any link."""

    path: Path
    name: str
    split: str | None
    hw: tuple[int, int]
    boxes: list[ForeignBox]
    where: str


@dataclass(slots=True)
class Judge:
    """Goes through the images once; ``used`` counts the boxes of each class name as written."""

    size_of: Callable[[Path], tuple[int, int]]
    difficult: str
    report: Report
    kept: list[Kept] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    _files: set[tuple[str | None, str]] = field(default_factory=set)

    def judge_all(self, foreign: Foreign) -> list[Kept]:
        for image in foreign.images:
            self._judge(image)
        for orphan in foreign.orphans():
            self.report.taken_in["box"] += 1
            self.report.drop("box", "", orphan)
        return self.kept

    def _judge(self, image: ForeignImage) -> None:
        report = self.report
        report.taken_in["image"] += 1
        report.taken_in["box"] += len(image.boxes) + len(image.problems)
        file = image.name or image.where
        for problem in image.problems:
            report.drop("box", file, problem)
        found = self._usable(image)
        if isinstance(found, Problem):
            report.drop("image", file, found)
            for box in image.boxes:
                report.drop("box", file, Problem("image_dropped", found.reason, box.where))
            return
        boxes = [kept for box in image.boxes if (kept := self._box(box, found, file)) is not None]
        assert image.path is not None
        report.kept["image"] += 1
        report.kept["box"] += len(boxes)
        path = os.path.realpath(image.path)
        self.used.update(box.name for box in boxes)
        self.kept.append(Kept(Path(path), file, image.split, found, boxes, image.where or file))

    def _usable(self, image: ForeignImage) -> tuple[int, int] | Problem:
        """(height, width), or why not."""
        where = image.where or image.name
        if image.fault is not None or image.path is None:
            return image.fault or Problem("missing_image", "there is no file", where)
        path = image.path
        if not path.is_file():
            return Problem("not_a_file", f"{path.name}: no regular file", where)
        if not may_be_image(path.name):
            return Problem("not_an_image", f"{path.name!r} does not have the name of an image", where)
        key = image.split, os.path.realpath(path)
        if key in self._files:
            return Problem("duplicate_image", f"{path.name} was named before", where)
        self._files.add(key)
        try:
            hw = image.hw or self.size_of(path)
        except BadImage as error:
            code, _, words = error.reason.partition(": ")
            return Problem(code, words or "no image that can be used", where)
        if max(hw) > MAX_SIDE:
            return Problem("bad_size", f"{hw[1]}×{hw[0]}: a side is longer than {MAX_SIDE} px", where)
        return hw

    def _box(self, box: ForeignBox, hw: tuple[int, int], file: str) -> ForeignBox | None:
        report = self.report
        if (fault := fault_of(box.name)) is not None:
            report.drop("box", file, Problem(*fault, box.where))
            return None
        if box.ignored and self.difficult == "drop":
            report.drop(
                "box",
                file,
                Problem("difficult", "marked as difficult (--difficult keep or ignore)", box.where),
            )
            return None
        (x0, y0, x1, y1), changed = box.xyxy, box.changed
        if not all(-MAX_COORDINATE <= side <= MAX_COORDINATE for side in box.xyxy):
            report.drop(
                "box", file, Problem("bad_box", f"{box.xyxy} is beyond ±{MAX_COORDINATE:.0f} px", box.where)
            )
            return None
        if x0 > x1 or y0 > y1:
            changed, (x0, x1), (y0, y1) = "swapped_corners", sorted((x0, x1)), sorted((y0, y1))
        found = check_box([x0, y0, x1 - x0, y1 - y0], hw[1], hw[0])
        if isinstance(found, Drop):
            report.drop("box", file, Problem(found.reason, found.detail, box.where))
            return None
        if changed:
            report.change("box", file, Problem(changed, f"{box.xyxy}", box.where))
        if found[1] is not None:
            report.change("box", file, Problem(found[1].reason, found[1].detail, box.where))
            x, y, w, h = found[0]
            x0, y0, x1, y1 = x, y, x + w, y + h
        area = min(box.area, (x1 - x0) * (y1 - y0)) if box.area else None
        crowd = box.crowd or (box.ignored and self.difficult == "ignore")
        return ForeignBox(box.name, (x0, y0, x1, y1), crowd, False, box.where, area)


def give_names(images: Iterable[Kept], report: Report) -> None:
    """Each image of one split gets a plain path that no other one has on any disk: its own, nearly always."""
    taken: set[str] = set()
    folders: set[str] = set()
    for image in images:
        name = image.name
        if file_name_problem(name) is not None or name.startswith("-") or not may_be_image(name):
            last = PurePath(name.replace("\\", "/"))
            plain = re.sub(r"[^\w.-]", "_", last.stem, flags=re.ASCII).lstrip("-._")
            suffix = last.suffix if may_be_image(f"x{last.suffix}") else image.path.suffix
            name = _fitting(plain or "image", suffix)
        if taken & _above(name):  # one of its folders is called like an image before it
            name = _fitting(name.replace("/", "_").rpartition(".")[0], f".{name.rpartition('.')[2]}")
        stem, dot, end = name.rpartition(".")
        number = 1
        while folded(name) in taken | folders:
            number += 1
            name = _fitting(stem, f"-{number}{dot}{end}")
        taken.add(folded(name))
        folders |= _above(name)
        if name != image.name:
            report.change("image", image.name, Problem("renamed", f"{name} in the data root", image.where))
            image.name = name


def _above(name: str) -> set[str]:
    return {folded(str(folder)) for folder in PurePath(name).parents}


def _fitting(stem: str, end: str) -> str:
    """Both as one path whose last name a disk takes: the stem loses letters at its end."""
    folder, slash, last = stem.rpartition("/")
    return folder + slash + last.encode()[: MAX_NAME - len(end.encode())].decode(errors="ignore") + end
