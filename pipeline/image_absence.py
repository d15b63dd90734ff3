"""Pictures that are named and are not there, or cannot be read: that is about the moment, not about the picture.

A few are listed as rejects. More of them stop the check with a question, since a disk or network folder that is not
mounted, or a wrong folder, looks just like that; ``--accept-missing`` is the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from pipeline.image_check import ImageJob
from pipeline.image_files import is_absent, list_entries, printable
from pipeline.image_rules import image_folder
from pipeline.stage import StageError
from vision.artefacts.advice import shown
from vision.images.decode import ImageVerdict

HANDFUL = 5
"""So many, and not more than a quarter of the split, are listed without a question."""


def require_there(
    folder: Path,
    jobs: Sequence[ImageJob],
    found: Mapping[ImageJob, ImageVerdict],
    accept: str,
    accepted: bool,
) -> None:
    """Raises StageError where too many of ``jobs``, all of ``folder``, are absent.

    ``accept`` says how to go on without them; ``accepted``: somebody has said so. That all are absent is always an
    error.
    """
    absent = [job for job in jobs if is_absent(found[job].reason)]
    if not absent:
        return
    kinds = Counter((found[job].reason or "").split(":")[0] for job in absent)
    if len(absent) == len(jobs) and kinds["missing"] == len(jobs):
        raise _none_there(folder, absent)
    if accepted or (len(absent) <= HANDFUL and 4 * len(absent) <= len(jobs)):
        return
    first = absent[0]
    raise StageError(
        f"{len(absent):,} of {len(jobs):,} pictures cannot be read in {folder}: "
        f"{', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}, such as {shown(first.name)} "
        f"({found[first].reason})",
        "that may pass (a disk that is not mounted, permissions, a copy under way), so it is no verdict; "
        "what is checked is remembered",
        f"bring them back and run the same command again; to go on without them: {accept}",
    )


def _none_there(folder: Path, absent: Sequence[ImageJob]) -> StageError:
    """Another folder, or other names than those in it."""
    there = [printable(name) for name in islice(list_entries(folder), 100_000)]
    of_its_files = f"it holds {len(there):,} files, such as {there[0]!r}" if there else "it is empty"
    names = {name.rsplit("/", 1)[-1]: name for name in there}
    deeper = next(
        (names[job.name.rsplit("/", 1)[-1]] for job in absent if job.name.rsplit("/", 1)[-1] in names), None
    )
    hint = f"; {deeper!r} is there: names count from this folder" if deeper else ""
    return StageError(
        f"none of the {len(absent):,} pictures that the annotations name is in {folder}",
        f"the first is {shown(absent[0].name)!r}, and {of_its_files}{hint}",
        "name the folder in which the pictures are, or put them there under the names that the annotations have",
    )


def unreadable(found: Mapping[ImageJob, ImageVerdict]) -> list[str]:
    """Those that are there and may not be read, below the root: changed permissions are no change of a file."""
    return sorted(
        f"{image_folder(job.split)}/{job.name}"
        for job, verdict in found.items()
        if is_absent(verdict.reason) and not (verdict.reason or "").startswith("missing")
    )
