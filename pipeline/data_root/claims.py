"""Claims: which paths a stage has begun to make, noted before the first of them is published.

A receipt is written last, so a kill may leave outputs that no receipt names; a claim says that they are ours all the
same. It also survives a receipt that is damaged, and half-done work that is thrown away. What neither a receipt nor a
claim names is its owner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vision.artefacts.data_layout import claim_name
from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, from_plain, read_json, to_plain

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Aside:
    """The older content of the output ``of`` that was not as its receipt has it: kept under another name.

    ``sha256`` as in ``receipts.Recorded``; empty for a link, which is never taken for what the stage makes.
    """

    of: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """``outputs``: paths relative to the root. ``aside``: by path, what a run that has not finished has put aside."""

    schema: int
    stage: str
    outputs: list[str]
    aside: dict[str, Aside] = field(default_factory=dict)


def claim_path(root: Path, stage: str) -> Path:
    return root / claim_name(stage)


def read(root: Path, stage: str) -> Claim | None:
    """The claim of ``stage``; None when there is none.

    Raises:
        RecordError: there is one that cannot be read or is another's.
    """
    path = claim_path(root, stage)
    try:
        claim = from_plain(Claim, read_json(path), str(path))
    except FileNotFoundError:
        return None
    if (claim.schema, claim.stage) != (SCHEMA, stage):
        raise RecordError(f"{path}: schema {claim.schema} of {claim.stage!r}, expected {SCHEMA} of {stage!r}")
    return claim


def note(root: Path, stage: str, outputs: Iterable[str], aside: Mapping[str, Aside] | None = None) -> None:
    """Claims ``outputs`` beside what is claimed already; ``aside`` (None: as it is) replaces the list of that name."""
    try:
        before = read(root, stage)
    except RecordError:  # what it named is named again where it is still made
        before = None
    claimed = sorted({*outputs, *(before.outputs if before else ())})
    kept = before.aside if aside is None and before else dict(aside or {})
    after = Claim(SCHEMA, stage, claimed, kept)
    if after != before:
        publish_json(claim_path(root, stage), to_plain(after))
