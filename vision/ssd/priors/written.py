"""Prior boxes that no profile of a row has: as text in a run's arguments, and as a record in a file. No torch.

The text is all that a run keeps, ``0.05x0.07,0.1x0.1;0.3x0.4``: width x height of each shape as fractions of the input, ``;`` between
two maps, finest first. The file may go; the run is whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from vision.artefacts.records import RecordError, from_plain, read_json, within
from vision.messages.advice import UserError, shown
from vision.ssd.priors.profiles import MapPriors, PriorProfile, Shape

MOST_BYTES = 1 << 20
MOST_MAPS = 64
_SHAPE = re.compile(r"(\d*\.?\d+(?:e-?\d+)?)x(\d*\.?\d+(?:e-?\d+)?)", re.I)
_TEXT = re.compile(r"[\dxe.,;+-]+", re.I)


@dataclass(frozen=True)
class PriorFile:
    """A file of ``tools.fit_priors``.

    * maps: the text of each map's shapes, finest first
    * cells: (h, w) of each map that they were fitted on
    * data: what they were fitted to; coverage: by split, before and after; neither is read again
    * digest: of ``maps``; null where a person has written them
    """

    maps: Annotated[list[str], within(1, MOST_MAPS)]
    schema: Literal[1] = 1
    digest: str | None = None
    net: str = ""
    resolution: list[int] = field(default_factory=list)
    cells: list[list[int]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)


def read_prior_file(path: Path) -> str:
    """The text of the boxes in a file. Raises UserError, also where digest and boxes do not belong together; OSError."""
    where = shown(path)
    try:
        record = from_plain(PriorFile, read_json(path, MOST_BYTES), where)
        text = ";".join(record.maps)
        _require_boxes(text, f"{where}: maps")
    except RecordError as error:
        raise UserError(
            f"--priors: {error}\n  why: prior boxes are read from a file written by tools.fit_priors\n"
            "  fix: name such a file, or a profile such as coco"
        ) from None
    if record.digest is not None and record.digest != digest_of(text):
        raise UserError(
            f"--priors: {where}: its boxes are not those of its digest\n  why: it was changed, or is damaged\n"
            '  fix: fit them again; if the change is intended, write into the file "digest": null'
        )
    return text


def _require_boxes(text: str, where: str) -> None:
    try:
        if from_text(text) is None:
            raise ValueError("expected shapes such as 0.05x0.07,0.1x0.1")
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from None


def as_texts(maps: Sequence[Sequence[Shape]]) -> list[str]:
    """The shapes of each map → its text."""
    return [",".join(f"{width!r}x{height!r}" for width, height in shapes) for shapes in maps]


def from_text(text: str) -> PriorProfile | None:
    """Text → a profile; None where it is no such text, but a name. Raises ValueError for shapes that are none."""
    if not _TEXT.fullmatch(text) or "x" not in text:
        return None
    maps = []
    for number, part in enumerate(text.split(";"), start=1):
        shapes = [_shape(word, number) for word in part.split(",")]
        maps.append(MapPriors(tuple(shapes)))
    return PriorProfile(called(text), tuple(maps))


def profile_of(priors: str, profiles: Mapping[str, PriorProfile], net: str) -> PriorProfile:
    """The profile of that name, or the boxes that ``priors`` spells.

    Raises ValueError for another name, and for boxes that are not as many on each map as those of ``profiles``.
    """
    if priors in profiles:
        return profiles[priors]
    profile = from_text(priors)
    if profile is None:
        raise ValueError(f"no prior profile is called {priors[:60]!r}: {net} has {', '.join(profiles)}")
    wanted, given = (one.shapes_per_cell for one in (next(iter(profiles.values())), profile))
    if given != wanted:
        raise ValueError(
            f"the prior boxes were made for another net than {net}\n"
            f"  why: they are {', '.join(map(str, given))} a cell of each map, and {net} has {', '.join(map(str, wanted))}\n"
            f"  fix: tools.fit_priors fits boxes for this net with --net {net}"
        )
    return profile


def _shape(word: str, number: int) -> tuple[float, float]:
    found = _SHAPE.fullmatch(word)
    sides = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not all(1e-4 <= side <= 1 for side in sides):
        raise ValueError(
            f"prior boxes of map {number}: {word[:40]!r} is no width x height between 0.0001 and 1"
        )
    return sides


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def called(priors: str) -> str:
    """What people read: the name of a profile, or ``fitted`` and the beginning of the boxes' digest."""
    return f"fitted {digest_of(priors)[:8]}" if "x" in priors and _TEXT.fullmatch(priors) else priors


def difference(before: str, after: str) -> str:
    """Two prior sets as ``called``, and the shapes in which they differ where both have as many."""
    line = f"{called(before)} → {called(after)}"
    parts = [text.split(";") if called(text) != text else [] for text in (before, after)]
    changed = [
        f"map {number}: {old} → {new}"
        for number, maps in enumerate(zip(*parts, strict=False), start=1)
        for old, new in zip(*(one.split(",") for one in maps), strict=False)
        if old != new
    ]
    more = f" … and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"{line} ({', '.join(changed[:3])}{more})" if changed else line
