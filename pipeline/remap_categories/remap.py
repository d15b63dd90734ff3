"""One annotation file from end to end: categories first, then everything else.

COCO's categories are at the end of the file, so a look ahead finds them and one pass does the rest. A file in
which they or the images are elsewhere than they seemed to is looked through first; the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

from pipeline.annotations.reader import AnnotationError, AnnotationFile, Part
from pipeline.remap_categories.category_map import Category, CategoryMap, read_categories
from pipeline.remap_categories.writer import ImageCheck, OutOfOrder, Remapping, SplitCounts

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
) -> tuple[SplitCounts, CategoryMap]:
    """Writes the remapped file to ``out`` (empty, seekable) and a line for each drop or change to ``listing``.

    ``folder`` is that of the images, where it is known. Raises AnnotationError for a file that cannot be read, or of which no image can be used; Interrupted.
    """
    begun = listing.tell()
    ahead = file.guess("categories")
    categories = _categories(file, ahead)
    if ahead is not None and categories is not None:
        map_ = map_of(categories)
        try:
            counts = Remapping(file, map_, split, check, listing, ahead.start, folder).write(out)
            return _checked(counts, file), map_
        except OutOfOrder:
            for stream, position in ((out, 0), (listing, begun)):
                stream.seek(position)
                stream.truncate()
    map_ = map_of(read_categories(file))
    counts = Remapping(file, map_, split, check, listing, folder=folder).write(out)
    return _checked(counts, file), map_


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
