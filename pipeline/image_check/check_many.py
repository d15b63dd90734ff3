"""Checks many images: workers, journal, progress; the part that the stage and the folder mode share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pipeline.bar import bar
from pipeline.image_check.check import Checked, ImageJob, check, thumbnail_of
from pipeline.image_check.journal import ImageJournal
from pipeline.image_check.safe_read import DiskFault, facts_now, is_absent, is_readable
from pipeline.image_check.settings import JOURNAL, NAME, PLAIN, How, check_settings
from pipeline.image_check.worker_pool import WorkerCrash, WorkerPool, WorkFailed
from pipeline.stage import StageError
from pipeline.stop import NEVER, Stop
from vision.images.decode import ImageVerdict
from vision.images.thumbnail import THUMBNAIL_WH
from vision.messages.terminal import counted

Job = TypeVar("Job")
"""Hashable, with the ``folder`` and ``name`` of an image."""
PRELOAD = "pipeline.image_check.check"
BAR = {"mininterval": 0.5, "smoothing": 0.05, "dynamic_ncols": True}
ROUNDS = 3
"""So often at most an image is looked at that is another one each time."""


def check_all(
    jobs: Sequence[ImageJob],
    staging: Path,
    workers: int,
    how: How = PLAIN,
    stop: Stop = NEVER,
) -> dict[ImageJob, ImageVerdict]:
    """A verdict for every job; resumes the journal in ``staging`` and leaves it there.

    In the end every file is still the one that its verdict is about: what changed meanwhile is looked at again.

    :raises Interrupted: when ``stop`` says so; what is done is in the journal
    :raises StageError: when the machine, not an image, is at fault
    """
    found: dict[ImageJob, Checked] = {}
    every = list(dict.fromkeys(jobs))
    with ImageJournal(staging / JOURNAL, check_settings(how), stop) as journal:
        for job in every:
            stop.check()
            if (known := journal.find(job)) is not None:
                found[job] = known
        journal.forget_others(found)
        work = partial(check, how=how, large_image_lock=str(staging / "large.lock"))
        open_jobs = [job for job in every if job not in found]
        with (
            bar(
                NAME, len(every), " images", initial=len(found), disable=None if every else True, **BAR
            ) as shown,
            WorkerPool(work, workers, PRELOAD) as pool,
        ):
            for _ in range(ROUNDS):
                for chunk in _said(pool, open_jobs, stop):
                    done = [(job, _settled(job, result)) for job, result in chunk]
                    journal.add(done)
                    found.update(done)
                    shown.update(len(done))
                open_jobs = _changed(found, stop)
                if not open_jobs:
                    return {job: checked.verdict for job, checked in found.items()}
                shown.update(-len(open_jobs))
    raise StageError(
        f"{counted(len(open_jobs), 'image', 'changes')} during the check, such as {open_jobs[0].folder}/{open_jobs[0].name}",
        f"each of {ROUNDS} looks found another file, or none where there is one now",
        "run the same command again when nothing else writes there",
    )


def _changed(found: Mapping[ImageJob, Checked], stop: Stop) -> list[ImageJob]:
    """Those whose file is not the one any more that the verdict is about, or that were absent and are there now."""
    changed = []
    for job, checked in found.items():
        stop.check()
        folder = Path(job.folder)
        if checked.facts is not None:
            other = checked.facts != facts_now(folder, job.name)
        else:
            other = is_absent(checked.verdict.reason) and is_readable(folder, job.name)
        if other:
            changed.append(job)
    return changed


def thumbnails_of(
    jobs: Iterable[ImageJob], workers: int, stop: Stop = NEVER, most_wh: tuple[int, int] = THUMBNAIL_WH
) -> dict[ImageJob, np.ndarray | None]:
    """What can be seen of images that may be bad, (H, W, 3) uint8 of at most ``most_wh`` px; None for nothing."""
    seen = by_workers(partial(thumbnail_of, most_wh=most_wh), jobs, workers, stop)
    return {job: None if isinstance(result, WorkerCrash) else result for job, result in seen}


def by_workers(
    work: Callable[[Job], Any], jobs: Iterable[Job], workers: int, stop: Stop = NEVER
) -> Iterator[tuple[Job, Any]]:
    """(job, result of ``work`` or WorkerCrash) as they are done; in processes, since images may crash a lenient decoder."""
    with WorkerPool(work, workers, PRELOAD) as pool:
        for chunk in _said(pool, dict.fromkeys(jobs), stop):
            yield from chunk


def _said(pool: WorkerPool, jobs: Iterable[Job], stop: Stop) -> Iterator[list[tuple[Job, Any]]]:
    try:
        yield from pool.run(jobs, stop)
    except WorkFailed as failure:
        if isinstance(failure.cause, ImportError):
            raise failure.cause from None  # says nothing about the image either
        name = f"{failure.item.folder}/{failure.item.name}"
        if isinstance(failure.cause, DiskFault):
            raise StageError(
                f"{name} cannot be read",
                f"{failure.cause.strerror}; that says nothing about the image, so it is not counted as bad",
                "check the disk and the memory (dmesg, df, free), then run the same command again",
            ) from failure
        raise StageError(
            f"the check of {name} failed",
            failure.trace.strip(),
            "this is a fault of the check; please report it",
        ) from failure


def _settled(job: ImageJob, result: Checked | WorkerCrash) -> Checked:
    """An image that crashes the decoder every time is bad; one whose process was killed is not thereby bad."""
    if not isinstance(result, WorkerCrash):
        return result
    if result.crashed:
        return Checked(ImageVerdict("reject", f"crashes_decoder: {result}", None, None), None)
    raise StageError(
        f"{job.folder}/{job.name} could not be checked",
        f"its process was {result}, three times on this image alone; this does not prove the image bad",
        "free memory or use fewer --workers, then run the same command again: it resumes from here",
    )
