"""What the image check is called, where its files are, and what may change a verdict. Imports no decoder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.stage import Settings
from vision.images.formats import EXIF_CHOICES, MAX_BYTES, MAX_PIXELS
from vision.messages.advice import command

NAME = "validate_images"

JOURNAL = "journal.jsonl"
"""What is known of each image so far, in the folder of half-done work."""

UNREADABLE = "unreadable"
"""The note of a receipt with the images that were there and could not be read."""

CHECK_VERSION = 2
"""Raised when the same image may get another verdict; older journals and receipts then count for nothing."""


@dataclass(frozen=True, slots=True)
class How:
    """How strictly images are decoded, and which frame of a photograph that was turned is used (EXIF_CHOICES)."""

    thorough: bool = False
    exif: str = EXIF_CHOICES[0]


PLAIN = How()


def how(settings: Settings) -> How:
    return How(settings.choices.thorough, settings.choices.exif)


def check_settings(by: How) -> dict[str, object]:
    """What changes a verdict beside the image; what was always so is not named, so that older receipts hold."""
    named: dict[str, object] = {"check": CHECK_VERSION, "thorough": by.thorough}
    named |= {"max_pixels": MAX_PIXELS, "max_bytes": MAX_BYTES}
    return named if by.exif == EXIF_CHOICES[0] else named | {"exif": by.exif}


def to_apply(root: Path) -> str:
    """The command that uses photographs upright that were labelled so."""
    return command("python -m pipeline run", "--root", root, "--exif", "apply")


def readable_again(settings: Settings, notes: dict[str, Any]) -> str | None:
    """Why the verdicts of a receipt with these notes may not hold any more; None where they do."""
    names = notes.get(UNREADABLE) or []
    now = [name for name in names if isinstance(name, str) and os.access(settings.root / name, os.R_OK)]
    return f"{now[0]} could not be read, and can be now" if now else None
