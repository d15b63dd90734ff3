"""Reads ``report/images.jsonl``, the table of the image check: one verdict for each picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vision.artefacts import log

IMAGE_REPORT = "report/images.jsonl"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the image check found: ``ok``, ``convert`` (usable, not plain 8-bit RGB) or ``reject``."""

    image_id: int
    file_name: str
    verdict: str
    reason: str
    width: int | None
    height: int | None


def read_verdicts(path: Path, splits: Iterable[str]) -> dict[str, dict[int, Verdict]]:
    """The verdicts of each split by image id; rows without an id (stray files) belong to no annotation."""
    found: dict[str, dict[int, Verdict]] = {split: {} for split in splits}
    for row in log.read(path):
        of_split, image_id = found.get(row["split"]), row["image_id"]
        if of_split is None or image_id is None or image_id in of_split:
            continue
        of_split[image_id] = Verdict(
            image_id, row["file_name"], row["verdict"], row["reason"] or "", row["width"], row["height"]
        )
    return found
