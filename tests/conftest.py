"""Fixtures that every room uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with README.md."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def coco_mini() -> Path:
    """The folder with real COCO pictures in the layout of the official release, or a skip."""
    folder = os.environ.get("COCO_MINI")
    if not folder or not Path(folder, "release.json").is_file():
        pytest.skip("COCO_MINI does not name a folder with real COCO pictures (release.json)")
    return Path(folder)
