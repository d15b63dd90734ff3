"""Names and versions of what the index stage makes; nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

from pipeline.release import COCO_2017
from pipeline.stage import Choices

USER_VERSION = 2
"""``PRAGMA user_version`` of the index."""
READABLE_VERSIONS = (1, USER_VERSION)
"""Those that can be asked; 1 lacks ``images.orientation``."""
COCO, OWN = "coco2017", "own"


def dataset_of(choices: Choices) -> str:
    """What the index calls the data of a root: ``coco2017``, the name of another release, or ``own``."""
    if choices.own:
        return OWN
    return COCO if choices.release == COCO_2017 else choices.release.name
