"""The stages in their order. The one place that knows them all; by name first, since ``--help`` needs no more."""

from __future__ import annotations

from importlib import import_module

from pipeline.stage import Stage

NAMES = ("download", "extract", "validate_images", "remap_categories", "index", "pack")
OPTIONAL = frozenset({"pack"})
"""Those that a run makes only where they have been asked for."""


def named(name: str) -> Stage:
    """The ``STAGE`` of the room ``pipeline/<name>/``."""
    stage: Stage = import_module(f"pipeline.{name}.stage").STAGE
    return stage


def all_stages() -> tuple[Stage, ...]:
    return tuple(named(name) for name in NAMES)
