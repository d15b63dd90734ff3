"""The image check on a folder of the user's own: no annotations, one report, the same guarantees."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.command.run_stage import reported, say
from pipeline.command.sinks import is_sink, write_into_sink
from pipeline.command.working_folder import working_folder
from pipeline.image_check.check import ImageJob
from pipeline.image_check.check_many import check_all
from pipeline.image_check.safe_read import list_entries, printable
from pipeline.image_check.settings import How
from pipeline.stage import StageError
from pipeline.stop import Stop
from vision.artefacts.files import atomic_publish
from vision.artefacts.targets import not_ours, require_file_place
from vision.images.decode import ImageVerdict
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted


def check_folder(images: Path, report: Path, workers: int, how: How) -> int:
    """Writes ``report``, one line ``{"file", "verdict", "reason"}`` for every entry below ``images``.

    Gives the exit code: 0 when the report is written, whatever is in it; 1 when something is in the way; 130 or 143
    when interrupted, and then the same command resumes.
    """
    with Stop() as stop:

        def work() -> None:
            if is_sink(report):
                _check_into_sink(images, report, workers, how, stop)
                return
            _require_folder(images)  # before the place of the report, which may be named after it
            require_file_place(report)
            _require_own_report(report)
            with working_folder([report], "checking") as working:
                names = list(_entries(images, report, working))
                found = check_all([_job(images, name) for name in names], working, workers, how, stop)
                verdicts = [(name, found[_job(images, name)]) for name in names]
                _publish(report, verdicts)
            say(_summary(verdicts, report))

        return reported(work, stop)


ROW = ("file", "verdict", "reason")
"""The keys of a line of the report."""
LONGEST_LINE = 1 << 16
"""Bytes: a path, a verdict and a reason are shorter."""


def _require_own_report(report: Path) -> None:
    """Raises NotReplaced for a file that is no report of this check: it is its owner's."""
    try:
        with report.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                if not _is_row(line):
                    break
            else:
                return
    except FileNotFoundError:
        return
    raise not_ours(
        report, f"only a report of this check gives way: lines with {', '.join(ROW)} alone", "--report"
    )


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and tuple(row) == ROW


def _check_into_sink(images: Path, report: Path, workers: int, how: How, stop: Stop) -> None:
    """The lines on stdout, or none at all, and the summary on stderr: there is no report to resume."""
    with tempfile.TemporaryDirectory() as folder:
        names = list(_entries(images, report, Path(folder)))
        found = check_all([_job(images, name) for name in names], Path(folder), workers, how, stop)
    verdicts = [(name, found[_job(images, name)]) for name in names]
    write_into_sink(report, _lines(verdicts))
    print(_summary(verdicts, report), file=sys.stderr)


def _require_folder(images: Path) -> None:
    if not images.is_dir():
        why = "the folder with the images is named there"
        raise StageError(instead_of("folder", images), why, "check the path")


def _entries(images: Path, report: Path, working: Path) -> Iterator[str]:
    """Everything in the folder but our own report and working folder, should they be in it."""
    _require_folder(images)
    own = report.resolve()
    own_folder = working.resolve()
    for name in list_entries(images):
        path = Path(os.path.abspath(images / name))  # noqa: PTH100 — resolve() would follow the links
        if path != own and own_folder != path and own_folder not in path.parents:
            yield name


def _job(images: Path, name: str) -> ImageJob:
    return ImageJob("", str(images), name, None)


def _publish(report: Path, verdicts: list[tuple[str, ImageVerdict]]) -> None:
    with atomic_publish(report) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(_lines(verdicts))


def _lines(verdicts: list[tuple[str, ImageVerdict]]) -> Iterator[str]:
    for name, of in verdicts:
        row = {"file": printable(name), "verdict": of.verdict, "reason": of.reason}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _summary(verdicts: list[tuple[str, ImageVerdict]], report: Path) -> str:
    counts = Counter(of.verdict for _, of in verdicts)
    reasons = Counter((of.reason or "").split(":")[0] for _, of in verdicts if of.verdict == "reject")
    refused = f" ({', '.join(f'{n:,} {reason}' for reason, n in reasons.most_common())})" if reasons else ""
    return (
        f"{counted(len(verdicts), 'file')}: {counts['ok']:,} ok, {counts['convert']:,} to convert, "
        f"{counts['reject']:,} refused{refused}\n{report}"
    )
