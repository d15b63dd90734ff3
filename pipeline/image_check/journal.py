"""What the image check knew before it was stopped: a line for each image done, with the file it was about.

The journal is a note, not an artefact: what cannot be read of it, or is about other files or other settings, is
checked again. It is not synced, since a lost line costs one decode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.safe_read import FileFacts, facts_now, printable
from pipeline.stop import NEVER, Stop
from vision.artefacts import log
from vision.artefacts.records import RecordError
from vision.images.decode import ImageVerdict


class ImageJournal:
    """``path`` is taken over if it was written under the same ``settings``, else started empty; a context manager.

    Raises Interrupted when asked to stop while it is read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], stop: Stop = NEVER) -> None:
        self._known = _read(path, dict(settings), stop)
        if not self._known:
            path.unlink(missing_ok=True)
        self._lines = log.JsonLines(path)
        if not self._known:
            self._lines.append(dict(settings))

    def __enter__(self) -> ImageJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def find(self, job: ImageJob) -> Checked | None:
        """What is known of ``job``, if its file is still the one that was checked."""
        known = self._known.get(job)
        if known is None or known.facts != facts_now(Path(job.folder), job.name):
            return None
        return known

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


def _read(path: Path, settings: dict[str, Any], stop: Stop) -> dict[ImageJob, Checked]:
    """Nothing when there is no journal, it is damaged, or it was written under other settings."""
    known: dict[ImageJob, Checked] = {}
    try:
        rows = log.read(path)
        if next(rows, None) != settings:
            return {}
        for row in rows:
            stop.check()
            expected = row["expected_hw"]
            job = ImageJob(row["split"], row["folder"], row["name"], tuple(expected) if expected else None)
            known[job] = Checked(ImageVerdict(*row["verdict"]), FileFacts(*row["facts"]))
    except (RecordError, OSError, KeyError, TypeError):
        return {}
    return known
