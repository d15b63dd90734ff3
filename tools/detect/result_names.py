"""Names for drawn images in a folder of results: the same for the same image, and never that of anything else.

``detections.json`` there says which image each result was made of; what it does not claim belongs to somebody else and
is not replaced.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.detect.given_images import source_of
from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import UserError

RECORD = "detections.json"
LARGEST_RECORD = 1 << 30
LONGEST_NAME = 200
"""Bytes of a name; file systems take 255, and publishing needs a few for itself."""


@dataclass(frozen=True)
class Claimed:
    """What earlier runs made here: absolute path of the image → name of the result."""

    by_source: dict[str, str]

    def paths(self, folder: Path) -> list[Path]:
        return [folder / name for name in self.by_source.values()]

    def left(self, folder: Path, done: set[str]) -> list[dict[str, str]]:
        """Of other images than ``done``, those whose result is still there: they stay claimed."""
        return [
            {"source": source, "picture": name}
            for source, name in self.by_source.items()
            if source not in done and (folder / name).is_file()
        ]


def claimed_in(folder: Path) -> Claimed:
    """Raises ValueError (three lines) where a file of that name is no record of ours."""
    path = folder / RECORD
    if not os.path.lexists(path):
        return Claimed({})
    try:
        content = read_json(path, max_bytes=LARGEST_RECORD)
        rows = [*content["images"], *content.get("earlier", [])] if "model" in content else None
        if rows is None:
            raise RecordError("no model")
        return Claimed({_source(row): _bare(row["picture"]) for row in rows if "picture" in row})
    except (RecordError, OSError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is in the way\n  why: this command did not write it\n"
            "  fix: move it aside, or name another folder with --output"
        ) from None


def _source(row: dict[str, Any]) -> str:
    return str(row["source"]) if "source" in row else source_of(Path(str(row["file"])))


def _bare(name: Any) -> str:
    if not isinstance(name, str) or Path(name).name != name:
        raise TypeError("a name with a folder in it")
    return name


def names_for(images: Sequence[Path], folder: Path, claimed: Claimed) -> list[str | None]:
    """A name for each image, whatever their order; None where every name for it is somebody else's.

    ``a.jpg`` stays ``a.jpg``, ``a.png`` becomes ``a.png.jpg``. Where that is another image's or a file that is not ours,
    eight digits that follow from the image's place are added.
    """
    wished = Counter(natural_name(path).lower() for path in images)
    others = {name: source for source, name in claimed.by_source.items()}

    def free(name: str, source: str) -> bool:
        if name in others:
            return others[name] == source
        return not os.path.lexists(folder / name)

    names: list[str | None] = []
    for path in images:
        source, natural = source_of(path), natural_name(path)
        candidates = [claimed.by_source[source]] if source in claimed.by_source else []
        candidates += [natural] if wished[natural.lower()] == 1 else []
        candidates.append(placed_name(path))
        names.append(next((name for name in candidates if free(name, source)), None))
    return names


def natural_name(path: Path) -> str:
    name = path.name if path.suffix == ".jpg" else f"{path.name}.jpg"
    return name if len(os.fsencode(name)) <= LONGEST_NAME else placed_name(path)


def placed_name(path: Path) -> str:
    """With digits of the image's absolute path; a very long name is cut before them."""
    digits = hashlib.sha256(os.fsencode(source_of(path))).hexdigest()[:8]
    stem = os.fsencode(path.name.removesuffix(".jpg"))[: LONGEST_NAME - 13].decode("utf-8", "ignore")
    return f"{stem}-{digits}.jpg"
