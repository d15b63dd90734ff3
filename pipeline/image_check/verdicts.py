"""Reads ``report/images.jsonl``, the table of the image check: one verdict for each image."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.annotations import json_strict
from pipeline.annotations.json_strict import NotStrict
from pipeline.stage import StageError
from vision.images.formats import STORED
from vision.messages.advice import command
from vision.messages.system_errors import instead_of

BLOCK = 64
"""Lines that are parsed together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the image check found: ``ok``, ``convert`` (usable, not plain 8-bit RGB) or ``reject``.

    * width, height: px of the frame that is used
    * orientation: EXIF's (1..8), where it is to be applied; 1: the frame as stored
    """

    image_id: int
    file_name: str
    verdict: str
    reason: str
    width: int | None
    height: int | None
    orientation: int = STORED


def read_verdicts(path: Path, splits: Iterable[str]) -> dict[str, dict[int, Verdict]]:
    """The verdicts of each split by image id, out of ``path``, a data root's IMAGE_REPORT; rows without an id (stray files) belong to no annotation.

    Raises StageError where the table is missing or damaged.
    """
    if not path.is_file():
        raise _unusable(path, instead_of("file", path), "validate_images makes it")
    found: dict[str, dict[int, Verdict]] = {split: {} for split in splits}
    try:
        with path.open("rb") as lines:
            while block := list(islice(lines, BLOCK)):
                for row in _rows(block):
                    _take(found, row)
    except (NotStrict, KeyError, TypeError) as error:
        raise _unusable(
            path, f"{path} is damaged: {error!s:.300}", "it was changed after validate_images"
        ) from error
    return found


def _rows(lines: list[bytes]) -> list[Any]:
    """The value of each line; together where each is an object without another in it, which begins where its line does."""
    text = b",".join(lines)
    if text.count(b"{") == len(lines) and all(line.startswith(b"{") for line in lines):
        with suppress(NotStrict):
            rows: list[Any] = json_strict.loads_run(text)
            if len(rows) == len(lines):
                return rows
    return list(map(json_strict.loads, lines))


def _take(found: dict[str, dict[int, Verdict]], row: dict[str, Any]) -> None:
    of_split, image_id = found.get(row["split"]), row["image_id"]
    if of_split is None or image_id is None or image_id in of_split:
        return
    orientation = row.get("orientation", STORED)
    if type(orientation) is not int or not 1 <= orientation <= 8:
        raise TypeError(f"orientation {orientation!r} of image {image_id}: expected 1 to 8")
    of_split[image_id] = Verdict(
        image_id, row["file_name"], row["verdict"], row["reason"] or "", row["width"], row["height"], orientation
    )  # fmt: skip


def _unusable(path: Path, what: str, why: str) -> StageError:
    return StageError(what, why, command("python -m pipeline.validate_images", "--root", path.parents[1]))
