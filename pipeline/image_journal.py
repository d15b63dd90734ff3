"""What the image check knew before it was stopped: a line for each picture done, with the file it was about.

The journal is a note, not an artefact: what can not be read of it, or is about other files or other settings, is
checked again. It is not synced, since a lost line costs one decode.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pipeline.image_check import Checked, ImageJob
from pipeline.image_files import FileFacts, facts_now
from vision.images.decode import ImageVerdict


class ImageJournal:
    """``path`` is read when it is opened, if it was written under the same ``settings``; a context manager."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path, self._settings = path, dict(settings)
        self._known: dict[ImageJob, Checked] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> ImageJournal:
        rows = _readable_rows(self._path)
        header, end = next(rows, (None, 0))
        if header != self._settings:
            self._file = self._path.open("wb")
            self._write([self._settings])
            return self
        for row, end in rows:  # noqa: B007 — the last end is the point
            self._remember(row)
        self._file = self._path.open("r+b")
        self._file.truncate(end)  # a torn line must not stand before new ones
        self._file.seek(0, 2)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def find(self, job: ImageJob) -> Checked | None:
        """What is known of ``job``, if its file is still the one that was checked."""
        known = self._known.get(job)
        if known is None or known.facts != facts_now(Path(job.folder), job.name):
            return None
        return known

    def add(self, done: Iterable[tuple[ImageJob, Checked]]) -> None:
        """Writes down what was found about files; what was no file is looked at again next time."""
        self._write([_row(job, checked) for job, checked in done if checked.facts is not None])

    def _remember(self, row: dict[str, Any]) -> None:
        try:
            expected = row["expected_hw"]
            job = ImageJob(row["split"], row["folder"], row["name"], tuple(expected) if expected else None)
            self._known[job] = Checked(ImageVerdict(*row["verdict"]), FileFacts(*row["facts"]))
        except (KeyError, TypeError):
            return  # a line of another version: the picture is checked again

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        assert self._file is not None
        self._file.write(b"".join(map(_line, rows)))
        self._file.flush()


def _row(job: ImageJob, checked: Checked) -> dict[str, Any]:
    of = checked.verdict
    verdict = [of.verdict, of.reason, of.width, of.height]
    return job._asdict() | {"verdict": verdict, "facts": checked.facts}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _readable_rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """(row, offset of its end) up to the first line that is not whole."""
    if not path.is_file():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                return
            if not isinstance(row, dict):
                return
            yield row, end
