"""What download and extract have put into a data root file by file: archives and annotation files.

What was there already with the right content is used and stays its owner's: a receipt lists it as an output, and only
this record tells the two apart. (Of folders with many files their manifests tell it: ``trees.Brought``.)
"""

from __future__ import annotations

from pathlib import Path

from pipeline.data_root.receipts import Receipt
from vision.artefacts import log
from vision.artefacts.data_layout import ARCHIVES, BROUGHT
from vision.artefacts.records import RecordError

STAGES = ("download", "extract")
"""Those whose outputs may have stood there before them."""


def note(root: Path, path: str, sha256: str) -> None:
    """The stage has put, or is about to put, a file with this digest at ``path`` (relative to the root)."""
    log.append(root / BROUGHT, {"path": path, "sha256": sha256}, sync=True)


def read(root: Path, receipt: Receipt | None = None) -> dict[str, set[str]]:
    """The digests by path; nothing where the record is damaged, since then nobody knows.

    ``receipt``: of download, which told in its notes what it had fetched before there was such a record.
    """
    found: dict[str, set[str]] = {}
    fetched = receipt.notes.get("fetched") if receipt and not (root / BROUGHT).exists() else None
    for path in fetched if isinstance(fetched, list) else ():
        recorded = receipt.made.get(f"{ARCHIVES}/{path}") if receipt else None
        if recorded is not None:
            found.setdefault(f"{ARCHIVES}/{path}", set()).add(recorded.sha256)
    try:
        for row in log.read(root / BROUGHT):
            found.setdefault(str(row["path"]), set()).add(str(row["sha256"]))
    except (OSError, RecordError, KeyError):
        return {}
    return found
