"""What the image check is called, where its files are, and what may change a verdict. Imports no decoder."""

from __future__ import annotations

import os
from typing import Any

from pipeline.stage import Settings
from vision.images.formats import MAX_BYTES, MAX_PIXELS

NAME = "validate_images"
SHEET = "report/bad_images.png"

UNREADABLE = "unreadable"
"""The note of a receipt with the images that were there and could not be read."""

CHECK_VERSION = 2
"""Raised when the same image may get another verdict; older journals and receipts then count for nothing."""


def check_settings(thorough: bool) -> dict[str, object]:
    """What changes a verdict beside the image."""
    return {"check": CHECK_VERSION, "thorough": thorough, "max_pixels": MAX_PIXELS, "max_bytes": MAX_BYTES}


def is_thorough(settings: Settings) -> bool:
    return bool(settings.options.get("thorough", False))


def image_folder(split: str) -> str:
    """The folder of a split's images, below the root."""
    return f"{split}2017"


def readable_again(settings: Settings, notes: dict[str, Any]) -> str | None:
    """Why the verdicts of a receipt with these notes may not hold any more; None where they do."""
    names = notes.get(UNREADABLE) or []
    now = [name for name in names if isinstance(name, str) and os.access(settings.root / name, os.R_OK)]
    return f"{now[0]} could not be read, and can be now" if now else None
