"""Names and versions of what the index stage makes; nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

INDEX = "index.sqlite"
USER_VERSION = 1
"""``PRAGMA user_version`` of the index."""
ARRAYS_SCHEMA = 1
"""``schema`` in ``arrays.json``."""
DATASET = "coco2017"


def arrays_path(split: str) -> str:
    return f"arrays/{split}2017"
