"""Images that are measured and were learned, too: the same file to the byte, whatever it is called and wherever it lies.

What was learned is known by heart: a score on it is too good.
"""

from __future__ import annotations

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.artefacts.data_layout import receipt_name
from vision.artefacts.records import RecordError, read_json
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.merged import DataSet
from vision.messages.advice import shown
from vision.messages.terminal import counted

TAIL = 4096
"""Bytes at the end of an image that hardly any two have in common: more is read only where these are the same."""
File = tuple[Path, os.stat_result]


def learned_too(measured: DataSet, learned: Iterable[str | Path]) -> list[str]:
    """A sentence where images of ``measured`` are in the train split of a root of ``learned``, and one for each root that is gone.

    Only images of one size in px are looked at, and only files of one length are read. The two splits of one root are not
    compared: what their import has found is believed.
    """
    sets, said = [], []
    for root in dict.fromkeys(Path(each).resolve() for each in learned):
        try:
            sets.append(CocoDetection(root, "train"))
        except DatasetError:
            said.append(
                f"{shown(root)} is gone: which of the measured images were learned from there is not known"
            )
    found = [(part, list(_known(part, sets))) for part in measured.parts]
    if count := sum(max(len(known), _noted(part, sets)) for part, known in found):
        such = next((f" (such as {shown(part.path(known[0]))})" for part, known in found if known), "")
        said.insert(
            0,
            f"learned from, too: {count:,} of {counted(len(measured), 'measured image')}{such}: the score is too good",
        )
    return said


def _known(part: CocoDetection, learned: Sequence[CocoDetection]) -> Iterator[int]:
    """The images of ``part`` that a set of ``learned`` has, by their place."""
    here = part.root.resolve()
    if part.split == "train" and any(each.root == here for each in learned):
        yield from range(len(part))
        return
    others = [each for each in learned if each.root != here]
    sides = [np.unique(_sides(each)) for each in others]
    theirs: dict[int, list[File]] = defaultdict(list)
    for each in others:
        for _, file in _files(each, _sides(part)):
            theirs[file[1].st_size].append(file)
    for index, file in _files(part, np.concatenate(sides) if sides else np.empty(0)):
        if any(_is_same(file, other) for other in theirs.get(file[1].st_size, ())):
            yield index


def _noted(part: CocoDetection, learned: Sequence[CocoDetection]) -> int:
    """Images of this val split that the train split of the same root has, as its import has counted them."""
    if part.split != "val" or not any(each.root == part.root.resolve() for each in learned):
        return 0
    try:
        return int(read_json(part.root / receipt_name("import_data"))["notes"]["leak"])
    except (OSError, RecordError, LookupError, TypeError, ValueError):
        return 0


def _sides(data: CocoDetection) -> np.ndarray:
    """(I,) int64: both sides of each image in px, the same for an image and for itself upright."""
    both = np.sort(np.stack(data.columns("heights", "widths")), axis=0).astype(np.int64)
    return (both[0] << 32) + both[1]


def _files(data: CocoDetection, sides: np.ndarray) -> Iterator[tuple[int, File]]:
    for index in np.flatnonzero(np.isin(_sides(data), sides)).tolist():
        path = data.path(index)
        try:
            yield index, (path, path.stat())
        except OSError:  # who loads it says so
            continue


def _is_same(one: File, other: File) -> bool:
    (mine, here), (theirs, there) = one, other
    if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
        return True
    try:
        return _tail(mine, here.st_size) == _tail(theirs, there.st_size) and filecmp.cmp(
            mine, theirs, shallow=False
        )
    except OSError:
        return False


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, size - TAIL))
        return stream.read(TAIL)
