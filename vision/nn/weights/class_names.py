"""Which classes the heads of a file speak of: how many its shapes tell, and the lists of names that come with files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from vision.artefacts.data_layout import BACKGROUND
from vision.artefacts.records import open_regular
from vision.messages.advice import UserError, shown
from vision.messages.command_line import comma_list

MAX_BYTES = 1 << 20
NOTHING = "N/A"
"""What torchvision calls the numbers of COCO's paper that its data never use."""


def columns_of(weights: Mapping[str, Tensor]) -> int | None:
    """Scores that each prior has; None where the shapes of the heads do not tell."""
    rows, offsets = (_last_rows(weights, f"{kind}_headers.") for kind in ("classification", "regression"))
    if not rows or not offsets or offsets % 4 or rows % (offsets // 4):
        return None
    return rows // (offsets // 4)


def _last_rows(weights: Mapping[str, Tensor], prefix: str) -> int | None:
    biases = [value for name, value in weights.items() if name.startswith(prefix) and name.endswith(".bias")]
    return biases[-1].numel() if biases else None


def recorded(names: Sequence[str], weights: Mapping[str, Tensor]) -> tuple[str, ...] | None:
    """``names`` as a checkpoint of this toolkit records them, background first, where the heads may speak of them.

    Nets that score by sigmoids have no row for background; without boxes to be learned, nothing tells the number of shapes.
    """
    rows, offsets = (_last_rows(weights, f"{kind}_headers.") for kind in ("classification", "regression"))
    if len(names) < 2 or not rows:
        return None
    values = (len(names), len(names) - 1)
    fits = (
        rows in [offsets // 4 * one for one in values] if offsets else any(rows % one == 0 for one in values)
    )
    return tuple(names) if fits else None


def coco_by_id() -> list[str]:
    """COCO's names by category id, 0 to 90; ``NOTHING`` where an id has no class. From torchvision, which ships them."""
    from torchvision.models.detection import SSD300_VGG16_Weights

    return list(SSD300_VGG16_Weights.COCO_V1.meta["categories"])


def fitting(names: Sequence[str], columns: int | None) -> tuple[str, ...] | None:
    """``names`` with BACKGROUND first, where they are as many as ``columns`` with it; None where they are not.

    Lists of one's own lack it, torchvision's calls it ``__background__``.
    """
    if names and names[0].strip("_").upper() == BACKGROUND:
        names = names[1:]
    return (BACKGROUND, *names) if names and len(names) + 1 == columns else None


def read(path: Path) -> list[str]:
    """The names in a ``labels.txt``: a line each, or all in one line with commas between them (as qfgaohao's for VOC).

    Raises OSError, and UserError where a name is blank or stands there twice.
    """
    with os.fdopen(open_regular(path), "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    try:
        lines = data.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError:
        raise _no_list(path, "it is no UTF-8") from None
    if len(data) > MAX_BYTES:
        raise _no_list(path, f"it has more than {MAX_BYTES:,} bytes")
    try:
        names = (
            comma_list(lines[0]) if len(lines) == 1 and "," in lines[0] else [line.strip() for line in lines]
        )
    except ValueError as error:
        raise _no_list(path, str(error)) from None
    if not names:
        raise _no_list(path, "it has no names")
    for number, name in enumerate(names, 1):
        if not name or not name.isprintable():
            raise _no_list(path, f"name {number} is {'blank' if not name else 'not printable'}")
        if names.index(name) != number - 1 and name != NOTHING:
            raise _no_list(path, f"name {number} is {shown(name)!r}, as name {names.index(name) + 1} is")
    return names


def _no_list(path: Path, why: str) -> UserError:
    return UserError(
        f"{shown(path)} is not a list of class names\n  why: {why}\n"
        "  fix: write one class per line, in the order of the training, as UTF-8"
    )
