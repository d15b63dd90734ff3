"""One annotation file from end to end: categories first, then everything else.

COCO's categories are at the end of the file, so a look ahead finds them and one pass does the rest. A file in
which they or the images are elsewhere than they seemed to is looked through first; the result is the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pipeline.annotations.reader import AnnotationError, AnnotationFile, Part
from pipeline.remap_categories.category_map import Category, CategoryMap, NoSuchImage, read_categories
from pipeline.remap_categories.writer import ImageCheck, OutOfOrder, Remapping, SplitCounts, among

MapOf = Callable[[tuple[Category, ...]], CategoryMap]
"""From the categories of a file to the map that holds for it; raises AnnotationError where there is none."""


def remap_one(
    file: AnnotationFile,
    map_of: MapOf,
    split: str,
    check: ImageCheck,
    out: IO[bytes],
    listing: IO[bytes],
    folder: Path | None = None,
    areas: tuple[float, float] | None = None,
) -> tuple[SplitCounts, CategoryMap]:
    """Writes the remapped file to ``out`` (empty, seekable) and a line for each drop or change to ``listing``.

    ``folder`` is that of the images, where it is known. With ``areas`` (px², bounds included) only images are kept that have a
    kept object in between which is no crowd region: they are found by a remap before, of which nothing is kept. Raises AnnotationError for a file that cannot be read, or of which no image can be used; Interrupted.
    """
    begun = listing.tell()
    ahead = file.guess("categories")
    categories = _categories(file, ahead)
    if ahead is not None and categories is not None:
        map_ = map_of(categories)
        try:
            passing = _selecting(file, map_, split, check, ahead.start, folder, areas)
            counts = Remapping(file, map_, split, passing, listing, ahead.start, folder).write(out)
            return _checked(counts, file), map_
        except OutOfOrder:
            for stream, position in ((out, 0), (listing, begun)):
                stream.seek(position)
                stream.truncate()
    map_ = map_of(read_categories(file))
    passing = _selecting(file, map_, split, check, None, folder, areas)
    counts = Remapping(file, map_, split, passing, listing, folder=folder).write(out)
    return _checked(counts, file), map_


def _selecting(
    file: AnnotationFile,
    map_: CategoryMap,
    split: str,
    check: ImageCheck,
    ahead: int | None,
    folder: Path | None,
    areas: tuple[float, float] | None,
) -> ImageCheck:
    """``check``, and of what passes it only images with an object in ``areas``; all of a split without objects (test)."""
    if areas is None:
        return check
    with Path(os.devnull).open("wb") as nowhere:
        looking = Remapping(file, map_, split, check, nowhere, ahead, folder, areas)
        counts = _checked(looking.write(nowhere), file)
    if split == "test" and not counts.annotations_in:
        return check
    if not looking.selected:
        upper = f" to {areas[1]:.12g} px²" if math.isfinite(areas[1]) else " px² on"
        raise NoSuchImage(
            f"{file.path}: no image has an object of {', '.join(map_.classes[1:4])}{' …' * (len(map_.classes) > 4)} "
            f"with an area from {areas[0]:.12g}{upper}"
        )
    return among(looking.selected, check)


def _categories(file: AnnotationFile, ahead: Part | None) -> tuple[Category, ...] | None:
    """Those found ahead; None where they do not look like it, since they may really be elsewhere."""
    if ahead is None:
        return None
    try:
        return read_categories(file, ahead)
    except AnnotationError:
        return None


def _checked(counts: SplitCounts, file: AnnotationFile) -> SplitCounts:
    """A file of which no image can be used is a fault, not a result."""
    if not counts.images_in:
        raise AnnotationError(f"{file.path}: no image is left: the list of images is empty")
    if not counts.images_kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.images_dropped.most_common(3))
        raise AnnotationError(
            f"{file.path}: no image of {counts.images_in:,} can be used ({reasons}); the first: {counts.first_dropped}"
        )
    return counts
