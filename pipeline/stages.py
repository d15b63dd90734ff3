"""The stages in their order. The one place that knows them all."""

from __future__ import annotations

from pipeline import download, extract, index, remap_categories, validate_images
from pipeline.stage import Stage

STAGES: tuple[Stage, ...] = (
    download.STAGE,
    extract.STAGE,
    validate_images.STAGE,
    remap_categories.STAGE,
    index.STAGE,
)


def named(name: str) -> Stage:
    """The stage called ``name``; it exists."""
    return next(stage for stage in STAGES if stage.name == name)
