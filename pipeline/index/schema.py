"""Names and versions of what the index stage makes; nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

USER_VERSION = 2
"""``PRAGMA user_version`` of the index."""
READABLE_VERSIONS = (1, USER_VERSION)
"""Those that can be asked; 1 lacks ``images.orientation``."""
SMALL_PX, LARGE_PX = 32**2, 96**2
"""COCO's bounds of an object's area between small, medium and large, px²."""
DATASET = "coco2017"
