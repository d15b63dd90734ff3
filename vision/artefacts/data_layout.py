"""Where every file of a data root is, below the root: for the stages that make them and the trainer that reads them.

``docs/artefacts.md`` says what is in each. Paths are relative, with ``/``; a split is ``train``, ``val`` or ``test``.
"""

from __future__ import annotations

SPLITS = ("train", "val", "test")

STATE = ".pipeline"
"""Our own notes about the root: receipts, claims, saved options."""
LOCK = f"{STATE}/lock"
CHOICES = f"{STATE}/choices.json"
BROUGHT = f"{STATE}/brought.jsonl"
MANIFESTS = f"{STATE}/manifests"
CLAIMS = f"{STATE}/claims"
STAGING = f"{STATE}/staging"
"""Below it each stage has a folder for half-done work."""

ARCHIVES = "archives"
ANNOTATIONS = "annotations"
LABELS = f"{ANNOTATIONS}/labels.txt"
CATEGORY_MAP = f"{ANNOTATIONS}/category_map.json"
REJECTS = "rejects.jsonl"
IMAGE_REPORT = "report/images.jsonl"
SHEET = "report/bad_images.png"
LISTING = "report/annotations.jsonl"
REPORT = "report/annotations.txt"
INDEX = "index.sqlite"
ARRAYS = "arrays"
ARRAYS_RECORD = "arrays.json"


def image_folder(split: str) -> str:
    """The folder of a split's images."""
    return f"{split}2017"


def original_path(split: str) -> str:
    """The published annotations of ``split``; the test split has image sizes only."""
    return f"{ANNOTATIONS}/{'image_info' if split == 'test' else 'instances'}_{split}2017.json"


def remapped_path(split: str) -> str:
    """What the remap stage makes of them."""
    return original_path(split).replace(".json", ".remapped.json")


def arrays_path(split: str) -> str:
    """The flat arrays of a split, for the trainer."""
    return f"{ARRAYS}/{split}2017"


def receipt_name(stage: str) -> str:
    """What a stage read, made and counted."""
    return f"{STATE}/{stage}.json"


def claim_name(stage: str) -> str:
    """Which paths a stage has begun to make."""
    return f"{CLAIMS}/{stage}.json"
