"""What the image check knows of earlier runs, stopped or done: a line for each image, with the file it was about.

The journal is a note, not an artefact: what cannot be read of it, or is about other files or other settings, is
checked again. It is not synced, since a lost line costs one decode.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import starmap
from pathlib import Path
from typing import Any

from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.safe_read import FileFacts, facts_now, printable
from pipeline.stop import NEVER, Stop
from vision.artefacts import log
from vision.artefacts.files import atomic_publish
from vision.artefacts.records import RecordError
from vision.images.decode import ImageVerdict

FEW = 1000
"""Lines that are not worth a journal written anew."""


class ImageJournal:
    """``path`` is taken over if it was written under the same ``settings``, else started empty; a context manager.

    Raises Interrupted when asked to stop while it is read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], stop: Stop = NEVER) -> None:
        self._path, self._settings = path, dict(settings)
        self._known, self._rows = _read(path, self._settings, stop)
        if not self._known:
            path.unlink(missing_ok=True)
        self._open()

    def _open(self) -> None:
        self._lines = log.JsonLines(self._path)
        if not self._path.stat().st_size:
            self._lines.append(self._settings)

    def __enter__(self) -> ImageJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def find(self, job: ImageJob) -> Checked | None:
        """What is known of ``job``, if its file is still the one that was checked and may still be read."""
        known, folder = self._known.get(_key(job)), Path(job.folder)
        if known is None or known.facts != facts_now(folder, job.name):
            return None
        return known if os.access(folder / job.name, os.R_OK) else None

    def forget_others(self, found: Mapping[ImageJob, Checked]) -> None:
        """Writes the journal anew where most lines are about other files of these splits than those of ``found`` now."""
        splits = {job.split for job in found}
        kept = {job: checked for job, checked in self._known.items() if job.split not in splits} | dict(found)
        if self._rows <= 2 * len(kept) + FEW:
            return
        self._lines.close()
        with atomic_publish(self._path) as temporary:
            temporary.write_bytes(b"".join(map(log.line, [self._settings, *starmap(_row, kept.items())])))
        self._open()

    def add(self, done: Iterable[tuple[ImageJob, Checked]]) -> None:
        """Writes down what was found about files; what was no file is looked at again next time."""
        for job, checked in done:
            if checked.facts is not None:
                self._lines.append(_row(job, checked))


def _row(job: ImageJob, checked: Checked) -> dict[str, Any]:
    of = checked.verdict
    verdict = [of.verdict, of.reason, of.width, of.height, of.orientation]
    row = job._asdict() | {"verdict": verdict, "facts": checked.facts}
    return row | {"folder": printable(job.folder), "name": printable(job.name)}


def _key(job: ImageJob) -> ImageJob:
    """Wherever the data root is now, and however it is named: there the split says which folder it is."""
    return job._replace(folder="") if job.split else job


def _read(path: Path, settings: dict[str, Any], stop: Stop) -> tuple[dict[ImageJob, Checked], int]:
    """What is known, and out of how many lines.

    Nothing when there is no journal, it is damaged, or it was written under other settings.
    """
    known: dict[ImageJob, Checked] = {}
    lines = 0
    try:
        rows = log.read(path)
        if next(rows, None) != settings:
            return {}, 0
        for row in rows:
            lines += 1
            stop.check()
            expected = row["expected_hw"]
            job = ImageJob(row["split"], row["folder"], row["name"], tuple(expected) if expected else None)
            known[_key(job)] = Checked(ImageVerdict(*row["verdict"]), FileFacts(*row["facts"]))
    except (RecordError, OSError, KeyError, TypeError):
        return {}, 0
    return known, lines
