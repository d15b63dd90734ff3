"""Images that are named and are not there, or cannot be read: that is about the moment, not about the image.

A few are listed as rejects. More of them stop the check with a question, since a disk or network folder that is not
mounted, or a wrong folder, looks just like that; ``--accept-missing`` is the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.image_check.check import ImageJob
from pipeline.image_check.safe_read import is_absent, list_entries, printable
from pipeline.image_check.settings import NAME
from pipeline.stage import StageError
from vision.artefacts.data_layout import image_folder
from vision.images.decode import ImageVerdict
from vision.messages.advice import command, shown
from vision.messages.terminal import counted

HANDFUL = 5
"""So many, and not more than a quarter of all, are listed without a question."""


@dataclass(frozen=True, slots=True)
class Advice:
    """How to continue: ``bring`` the images (none is there), have them ``back`` (many are gone), or do ``without``."""

    bring: str
    back: str
    without: str


OF_A_FILE = Advice(
    "name the folder that the file names count from: --images DIR",
    "bring them back and run the same command again",
    "the same command with --accept-missing",
)


def advice(root: Path, own: bool) -> Advice:
    """For a data root, whose images are the owner's (``own``) or can be unpacked again."""
    run = command("python -m pipeline run", "--root", root)
    without = command("python -m pipeline run", "--root", root, "--from", NAME, "--accept-missing")
    if own:
        return Advice(
            f"put them there under these names, then: {run}", f"bring them back, then: {run}", without
        )
    return Advice(f"unpack them: {run}", f"bring them back: {run}", without)


def require_there(
    folder: Path, jobs: Sequence[ImageJob], found: Mapping[ImageJob, ImageVerdict], to_do: Advice
) -> None:
    """Raises StageError where so many of ``jobs``, all of ``folder``, are absent that somebody has to be asked."""
    absent = [job for job in jobs if is_absent(found[job].reason)]
    kinds = Counter((found[job].reason or "").split(":")[0] for job in absent)
    if absent and kinds["missing"] == len(jobs):
        raise _none_there(folder, absent, to_do)
    if len(absent) <= HANDFUL and 4 * len(absent) <= len(jobs):
        return
    first = absent[0]
    raise StageError(
        f"{len(absent):,} of {counted(len(jobs), 'image')} cannot be read in {folder}: "
        f"{', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}, such as {shown(first.name)} "
        f"({found[first].reason})",
        "that may pass (a disk that is not mounted, permissions, a copy under way), so it is not taken for a verdict; "
        "the others are checked, and that is remembered",
        f"{to_do.back}\n       to continue without them: {to_do.without}",
    )


def _none_there(folder: Path, absent: Sequence[ImageJob], to_do: Advice) -> StageError:
    """Another folder, or other names than those in it."""
    there = list(map(printable, list_entries(folder)))
    holds = (
        f"it holds {counted(len(there), 'other')}, such as {shown(there[0])!r}" if there else "it is empty"
    )
    by_last = {name.rsplit("/", 1)[-1]: name for name in there}
    same = next((by_last[last] for job in absent if (last := job.name.rsplit("/", 1)[-1]) in by_last), None)
    hint = f"; {shown(same)!r} is there, so the names count from another folder" if same else ""
    return StageError(
        f"no image of the {len(absent):,} that the annotations name is in {folder}",
        f"the first is {shown(absent[0].name)!r}, and the folder: {holds}{hint}",
        to_do.bring,
    )


def unreadable(found: Mapping[ImageJob, ImageVerdict]) -> list[str]:
    """Those that are there and may not be read, below the root: changed permissions are no change of a file."""
    return sorted(
        f"{image_folder(job.split)}/{job.name}"
        for job, verdict in found.items()
        if is_absent(verdict.reason) and not (verdict.reason or "").startswith("missing")
    )
