"""Images that are named and are not there, or cannot be read: that is about the moment, not about the image.

A few are listed as rejects. More of them stop the check with a question, since a disk or network folder that is not
mounted, or a wrong folder, looks just like that; ``--accept-missing`` is the answer.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """How to continue: ``bring`` the images (none is there), have them ``back`` (many are gone), or do ``without``.

    ``again``: the same command, once something was repaired by hand.
    """

    bring: str
    back: str
    without: str
    again: str


OF_A_FILE = Advice(
    "name the folder that the file names count from: --images DIR",
    "bring them back and run the same command again",
    "the same command with --accept-missing",
    "the same command again, with the folder that they count from: --images DIR",
)


def advice(root: Path, own: bool) -> Advice:
    """For a data root, whose images are the owner's (``own``) or can be unpacked again."""
    run = command("python -m pipeline run", "--root", root)
    without = command("python -m pipeline run", "--root", root, "--from", NAME, "--accept-missing")
    if own:
        return Advice(
            f"put them there under these names, then: {run}", f"bring them back, then: {run}", without, run
        )
    return Advice(f"unpack them: {run}", f"bring them back: {run}", without, run)


def require_there(
    folder: Path, jobs: Sequence[ImageJob], found: Mapping[ImageJob, ImageVerdict], to_do: Advice
) -> list[str]:
    """Raises StageError where so many of ``jobs``, all of ``folder``, are absent that somebody has to be asked.

    Where a few are, returns what there is to say of them: that they are there under almost the same names.
    """
    absent = [job for job in jobs if is_absent(found[job].reason)]
    kinds = Counter((found[job].reason or "").split(":")[0] for job in absent)
    near = list(
        _near_misses(folder, [job.name for job in absent if (found[job].reason or "").startswith("missing")])
    )
    if absent and kinds["missing"] == len(jobs):
        raise _none_there(folder, absent, near, to_do)
    if len(absent) <= HANDFUL and 4 * len(absent) <= len(jobs):
        return [f"note: in {folder} {line}; {RENAME}" for line in near]
    first = absent[0]
    raise StageError(
        f"{len(absent):,} of {counted(len(jobs), 'image')} cannot be read in {folder}: "
        f"{', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}, such as {shown(first.name)} "
        f"({found[first].reason})",
        "; ".join(near)
        or "that may pass (a disk that is not mounted, permissions, a copy under way), so it is not taken for a verdict; "
        "the others are checked, and that is remembered",
        f"{f'{RENAME}, then: {to_do.again}' if near else to_do.back}\n       to continue without them: {to_do.without}",
    )


def _none_there(folder: Path, absent: Sequence[ImageJob], near: Sequence[str], to_do: Advice) -> StageError:
    """Another folder, or other names than those in it."""
    there = list(map(printable, list_entries(folder)))
    holds = (
        f"it holds {counted(len(there), 'other')}, such as {shown(there[0])!r}" if there else "it is empty"
    )
    return StageError(
        f"no image of the {len(absent):,} that the annotations name is in {folder}",
        "; ".join(near) or f"the first is {shown(absent[0].name)!r}, and the folder: {holds}",
        f"{RENAME}, then: {to_do.again}" if near else to_do.bring,
    )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


ALMOST: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("in Unicode's form (NFC, or the NFD of macOS)", _composed),
    ("in upper and lower case", lambda name: _composed(name).casefold()),
    ("in the ending", lambda name: _composed(name).casefold().rpartition(".")[0]),
    ("in the folder", lambda name: _composed(name).casefold().rpartition("/")[2]),
    (
        "in the folder and the ending",
        lambda name: _composed(name).casefold().rpartition("/")[2].rpartition(".")[0],
    ),
)
"""How a name in the annotations may differ from that of its file, and what is the same in both then."""
RENAME = "write the names into the annotations as they are on the disk, counted from that folder, or rename the files"


def _near_misses(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """A line for each way in which ``names``, none of which is in ``folder``, differ from names that are."""
    left, there = list(names), list(map(printable, list_entries(folder))) if names else []
    for how, same in ALMOST:
        known = {same(name): name for name in there}
        pairs = [(name, known[same(name)]) for name in left if same(name) and same(name) in known]
        if pairs:
            left = [name for name in left if same(name) not in known]
            name, on_disk = map(ascii if same is _composed else repr, pairs[0])
            yield (
                f"{len(pairs):,} of them {'is' if len(pairs) == 1 else 'are'} there under names that differ {how}: "
                f"{name} is {on_disk} on the disk"
            )


def unreadable(found: Mapping[ImageJob, ImageVerdict]) -> list[str]:
    """Those that are there and may not be read, below the root: changed permissions are no change of a file."""
    return sorted(
        f"{image_folder(job.split)}/{job.name}"
        for job, verdict in found.items()
        if is_absent(verdict.reason) and not (verdict.reason or "").startswith("missing")
    )
