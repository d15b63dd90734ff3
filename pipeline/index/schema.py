"""Names and versions of what the index stage makes; nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

USER_VERSION = 2
"""``PRAGMA user_version`` of the index."""
READABLE_VERSIONS = (1, USER_VERSION)
"""Those that can be asked; 1 lacks ``images.orientation``."""
ARRAYS_SCHEMA = 1
"""``schema`` in ``arrays.json``."""
UPRIGHT_SCHEMA = 2
"""That where ``orientations.npy`` is there, too: some image is used upright by its EXIF orientation."""
DATASET = "coco2017"
