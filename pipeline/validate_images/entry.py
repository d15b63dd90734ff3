"""One line of the table of image verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.image_check.check import ImageJob
from vision.images.decode import ImageVerdict


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table: an annotated image, or one that no annotation names (``image_id`` None)."""

    split: str
    image_id: int | None
    file_name: str
    verdict: ImageVerdict | None
    job: ImageJob | None = None

    @property
    def is_stray(self) -> bool:
        """Whether it is a file that no annotation names."""
        return self.verdict is STRAY


STRAY = ImageVerdict("reject", "not_in_annotations: no annotation file names it", None, None)
