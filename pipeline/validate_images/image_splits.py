"""Finds images that stand in two splits: what is learned is then what is measured, and the score means nothing.

Told by content, size and CRC-32 as the manifests of the folders have them already, or by name and id together. Ids alone
say nothing in data of one's own: most tools number each split from 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data_root import manifests as trees
from vision.artefacts.data_layout import image_folder
from vision.messages.advice import shown

if TYPE_CHECKING:  # it brings the decoders, which a run with nothing to do need not import
    from pipeline.validate_images.entry import Entry

TWICE = "report/in_two_splits.jsonl"


def in_two_splits(root: Path, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """A row for each usable image that an earlier split has, too; images that no annotation names are not looked at."""
    first: dict[Any, Entry] = {}
    contents: dict[str, trees.Manifest] = {}
    rows = []
    for entry in entries:
        if entry.image_id is None or entry.verdict is None or entry.verdict.verdict == "reject":
            continue
        if entry.split not in contents:
            contents[entry.split] = trees.read_manifest(trees.manifest_path(root, image_folder(entry.split)))
        member = contents[entry.split].get(entry.file_name)
        keys: dict[str, Any] = {"name and id": (entry.file_name, entry.image_id)}
        if member is not None:
            keys = {"content": trees.content(member)} | keys
        same = {why: first.setdefault(key, entry) for why, key in keys.items()}
        for why, other in same.items():
            if other.split != entry.split:
                rows.append(_row(entry, other, why))
                break
    return rows


def _row(entry: Entry, other: Entry, why: str) -> dict[str, Any]:
    return {
        "split": entry.split, "image_id": entry.image_id, "file_name": entry.file_name,
        "also_split": other.split, "also_image_id": other.image_id, "also_file_name": other.file_name, "same": why,
    }  # fmt: skip


def warning(root: Path, rows: list[dict[str, Any]]) -> str:
    """One line for people."""
    row = rows[0]
    return (
        f"warning: images in two splits: {len(rows):,}, such as {shown(row['file_name'])!r} of {row['split']}, which is "
        f"{shown(row['also_file_name'])!r} of {row['also_split']} (same {row['same']}): the score will be too good; "
        f"all of them: {shown(root / TWICE)}"
    )
