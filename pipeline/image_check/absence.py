"""Images that are named and are not there, or cannot be read: that is about the moment, not about the image.

A few are listed as rejects. More of them stop the check with a question, since a disk or network folder that is not
mounted, or a wrong folder, looks just like that; ``--accept-missing`` is the answer.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.image_check.check import ImageJob
from pipeline.image_check.safe_read import facts_now, is_absent, list_entries, printable
from pipeline.image_check.settings import NAME
from pipeline.stage import StageError
from vision.artefacts.data_layout import image_folder
from vision.images.decode import ImageVerdict
from vision.images.formats import may_be_image
from vision.messages.advice import command, shown
from vision.messages.command_line import listed
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
    "name the folder that the file names are relative to: --images DIR",
    "restore them and run the same command again",
    "the same command with --accept-missing",
    "run the same command with the folder that the names are relative to: --images DIR",
)


def advice(root: Path, own: bool) -> Advice:
    """For a data root, whose images are the owner's (``own``) or can be unpacked again."""
    run = command("python -m pipeline run", "--root", root)
    without = command("python -m pipeline run", "--root", root, "--from", NAME, "--accept-missing")
    if own:
        return Advice(
            f"put them there under these names, then: {run}", f"restore them, then: {run}", without, run
        )
    return Advice(f"unpack them: {run}", f"restore them: {run}", without, run)


def require_there(
    folder: Path,
    jobs: Sequence[ImageJob],
    named: Collection[str],
    found: Mapping[ImageJob, ImageVerdict],
    to_do: Advice,
) -> list[str]:
    """Raises StageError where so many of ``jobs``, all of ``folder``, are absent that somebody has to be asked.

    Where a few are, returns what there is to say of them: that they are there under almost the same names. ``named``: what
    the annotations name at all, also in entries that cannot be used.
    """
    absent = [job for job in jobs if is_absent(found[job].reason)]
    if not absent:
        return []
    kinds = Counter((found[job].reason or "").split(":")[0] for job in absent)
    there = list(map(printable, list_entries(folder)))
    missing = Counter(job.name for job in absent if (found[job].reason or "").startswith("missing"))
    told = list(_near_misses(folder, {*named}, there, missing))
    near, explained = [line for line, _ in told], {name for _, names in told for name in names}
    others = [job for job in absent if job.name not in explained]
    if kinds["missing"] == len(jobs):
        what = f"no image of the {len(absent):,} that the annotations name is in {folder}"
        why = f"the first is {shown((others or absent)[0].name)!r}, and the folder: {_holding(there)}"
        fix, without = to_do.bring, ""
    elif len(absent) <= HANDFUL and 4 * len(absent) <= len(jobs):
        lines = [f"note: in {folder} {line}; {RENAME}" for line in near]
        if others:
            names = listed(
                [shown(f"{job.name} ({(found[job].reason or '').split(':')[0]})") for job in others]
            )
            lines.append(f"note: left out, since they are not in {shown(folder)}: {names}; {to_do.back}")
        return lines
    else:
        what = (
            f"{len(absent):,} of {counted(len(jobs), 'image')} cannot be read in {folder}: "
            f"{', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}, such as {shown(absent[0].name)} "
            f"({found[absent[0]].reason})"
        )
        why, fix = MAY_PASS, to_do.back
        without = f"\n       to continue without them: {to_do.without}"
    if near:
        why = "; ".join([*near, *([f"of the others: {why}"] if others else [])])
        fix = f"{RENAME}; the others: {fix}" if others else f"{RENAME}, then: {to_do.again}"
    raise StageError(what, why, fix + without)


def _holding(there: Sequence[str]) -> str:
    """What is in a folder, by an image where there is one."""
    if not there:
        return "it is empty"
    example = next(filter(may_be_image, there), there[0])
    return f"it holds {counted(len(there), 'other')}, such as {shown(example)!r}"


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
RENAME = (
    "where they are the same images, write the names into the annotations as they are on the disk, counted from that "
    "folder, or rename the files"
)
MAY_PASS = (
    "this may be temporary (a disk that is not mounted, permissions, a copy that still runs), so no image is rejected for "
    "it; the images that are there are checked, and the results are kept"
)


def _near_misses(
    folder: Path, named: Collection[str], there: Iterable[str], missing: Mapping[str, int]
) -> Iterator[tuple[str, Collection[str]]]:
    """A line for each way in which names differ from those of images in ``folder``, and the names.

    ``named`` are all names of the annotations, ``there`` all of the folder, ``missing`` how often each absent one is
    named. One that could be more than one file, or a file that could be more than one name, tells nothing.
    """
    images, left = list(filter(may_be_image, there)), dict(missing)
    for how, same in ALMOST if left else ():
        on_disk, wanted = _only(same, images), _only(same, named)
        pairs = {
            name: file
            for key, name in wanted.items()
            if name in left and (file := on_disk.get(key)) and facts_now(folder, file)
        }
        images = list({*images}.difference(pairs.values()))
        count = sum(left.pop(name) for name in pairs)
        if pairs:
            are = "is" if count == 1 else "are"
            name, file = map(ascii if same is _composed else repr, min(pairs.items()))
            line = (
                f"{count:,} of them {are} there under names that differ {how}: {name} is {file} on the disk"
            )
            yield line, pairs


def _only(same: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    """By what is the ``same`` in it: each name that alone has that."""
    keys = {name: same(name) for name in names}
    times = Counter(keys.values())
    return {key: name for name, key in keys.items() if key and times[key] == 1}


def unreadable(found: Mapping[ImageJob, ImageVerdict]) -> list[str]:
    """Those that are there and may not be read, below the root: changed permissions are no change of a file."""
    return sorted(
        f"{image_folder(job.split)}/{job.name}"
        for job, verdict in found.items()
        if is_absent(verdict.reason) and not (verdict.reason or "").startswith("missing")
    )
