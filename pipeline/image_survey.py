"""Checks many pictures: workers, journal, progress; the part that the stage and the folder mode share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.image_check import Checked, ImageJob, check, thumbnail_of
from pipeline.image_files import DiskFault
from pipeline.image_journal import ImageJournal
from pipeline.image_rules import NAME, check_settings
from pipeline.stage import Interrupted, StageError
from pipeline.worker_pool import Lost, WorkerPool, WorkFailed
from vision.images.decode import ImageVerdict

PRELOAD = "pipeline.image_check"


def check_all(
    jobs: Sequence[ImageJob],
    staging: Path,
    workers: int,
    thorough: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[ImageJob, ImageVerdict]:
    """A verdict for every job; goes on from the journal in ``staging`` and leaves it there.

    :raises Interrupted: when ``should_stop`` says so; what is done is in the journal
    :raises StageError: when the machine, not a picture, is at fault
    """
    verdicts: dict[ImageJob, ImageVerdict] = {}
    with ImageJournal(staging / "journal.jsonl", check_settings(thorough), should_stop) as journal:
        open_jobs = []
        for job in dict.fromkeys(jobs):
            if should_stop():
                raise Interrupted(job.name)
            if (known := journal.find(job)) is not None:
                verdicts[job] = known.verdict
            else:
                open_jobs.append(job)
        work = partial(check, thorough=thorough, gate=str(staging / "large.lock"))
        with _bar(len(jobs), len(verdicts)) as bar, WorkerPool(work, workers, PRELOAD) as pool:
            for chunk in _said(pool, open_jobs, should_stop):
                done = [(job, _settled(job, result)) for job, result in chunk]
                journal.add(done)
                verdicts.update((job, checked.verdict) for job, checked in done)
                bar.update(len(done))
    return verdicts


def thumbnails_of(
    jobs: Iterable[ImageJob], workers: int, should_stop: Callable[[], bool] = lambda: False
) -> dict[ImageJob, np.ndarray | None]:
    """What can be seen of bad pictures; in processes again, since they may crash a lenient decoder."""
    found: dict[ImageJob, np.ndarray | None] = {}
    with WorkerPool(thumbnail_of, workers, PRELOAD) as pool:
        for chunk in _said(pool, dict.fromkeys(jobs), should_stop):
            found.update((job, None if isinstance(result, Lost) else result) for job, result in chunk)
    return found


def _said(
    pool: WorkerPool, jobs: Iterable[ImageJob], should_stop: Callable[[], bool]
) -> Iterator[list[tuple[ImageJob, Any]]]:
    try:
        yield from pool.run(jobs, should_stop)
    except WorkFailed as failure:
        name = f"{failure.item.folder}/{failure.item.name}"
        if isinstance(failure.cause, DiskFault):
            raise StageError(
                f"{name} can not be read",
                f"{failure.cause.strerror}; that says nothing about the picture, so it is not counted as bad",
                "look after the disk or the memory (dmesg, df, free), then run the same command again",
            ) from failure
        raise StageError(
            f"the check of {name} failed",
            failure.trace.strip(),
            "this is a fault of the check; please report it",
        ) from failure


def _settled(job: ImageJob, result: Checked | Lost) -> Checked:
    """A picture that crashes the decoder every time is bad; one whose process was killed is not thereby bad."""
    if not isinstance(result, Lost):
        return result
    if result.crashed:
        return Checked(ImageVerdict("reject", f"crashes_decoder: {result}", None, None), None)
    raise StageError(
        f"{job.folder}/{job.name} could not be checked",
        f"its process was {result}, three times on this picture alone; that does not make it a bad picture",
        "free memory or use fewer --workers, then run the same command again: it goes on from here",
    )


def _bar(total: int, initial: int) -> tqdm:
    return tqdm(
        total=total, initial=initial, unit=" images", desc=NAME, file=sys.stderr,
        disable=None if total else True, mininterval=0.5, smoothing=0.05, dynamic_ncols=True,
    )  # fmt: skip
