"""What an import was asked for, and what it gives back."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vision.images.formats import EXIF_CHOICES
from vision.messages.advice import command
from vision.messages.command_line import comma_joined

NAME = "import_data"
"""Of the receipt, the claim and the staging folder."""
LINKS = ("hard", "soft", "copy")
DIFFICULT = ("ignore", "keep", "drop")
SPLITS = ("train", "val")
"""What an import makes: the trainer reads these two."""


@dataclass(frozen=True, slots=True)
class Request:
    """One import.

    * format: one of ``pipeline.formats.contract.FORMATS``; source: its folder or file; root: the data root to make
    * images: where the images are, None where the layout says; exif: the frame that fractions (YOLO, Open Images) count in
    * val: share of the images that is measured, where the layout has no split; seed: of that draw; resplit: draw it anyway
    * link: how an image gets into the root; ``hard`` becomes a copy where the file system has no second names for it
    * difficult: what becomes of VOC's difficult objects; include_depiction: whether Open Images' drawings are kept
    * classes: names that are to be there, None for all: only looked at, the remap stage leaves the others out
    """

    format: str
    source: Path
    root: Path
    images: Path | None = None
    val: float = 0.2
    seed: int = 0
    resplit: bool = False
    link: str = LINKS[0]
    difficult: str = DIFFICULT[0]
    include_depiction: bool = False
    exif: str = EXIF_CHOICES[0]
    classes: tuple[str, ...] | None = None

    def again(self, **change: Any) -> str:
        """The import as it is typed, with ``change`` in it: for whoever has not typed it so, too, such as the trainer."""
        asked, plain = replace(self, **change), Request("", Path(), Path())
        words: list[Any] = ["--from", asked.format, "--source", asked.source]
        words += ["--images", asked.images] if asked.images else []
        words += ["--root", asked.root]
        for name in ("val", "seed", "link", "difficult", "exif"):
            value = getattr(asked, name)
            words += [f"--{name}", value] if value != getattr(plain, name) else []
        words += ["--resplit"] * asked.resplit + ["--include-depiction"] * asked.include_depiction
        words += ["--classes", comma_joined(asked.classes)] if asked.classes else []
        return command("python -m pipeline.import_data", *words)

    def beside(self, **change: Any) -> str:
        """``again`` with a root that is not there yet, beside its own."""
        number = 2
        place = self.root if self.root.name not in ("", "..") else Path(os.path.abspath(self.root))  # noqa: PTH100
        while (root := place.with_name(f"{place.name}-{number}")).exists():
            number += 1
        return self.again(root=root, **change)

    def place(self) -> dict[str, Any]:
        """What is imported; another one into the same root is refused."""
        images = str(self.images.resolve()) if self.images else None
        return {"from": self.format, "source": str(self.source.resolve()), "images": images}

    def choices(self) -> dict[str, Any]:
        """What else changes the result."""
        return {
            "val": self.val, "seed": self.seed, "resplit": self.resplit, "difficult": self.difficult,
            "include_depiction": self.include_depiction, "exif": self.exif,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it. ``fresh``: False where the root held the same already. ``images``: by split."""

    root: Path
    fresh: bool
    classes: tuple[str, ...]
    images: dict[str, int]
    boxes: dict[str, int]
