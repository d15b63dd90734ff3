"""The check of one image as a worker process does it, and the thumbnails of the bad ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.image_check.safe_read import FileFacts, read_image
from pipeline.image_check.settings import How
from vision.images.decode import BadImage, ImageVerdict, check_image, read_header
from vision.images.thumbnail import thumbnail

LARGE_PIXELS = 4_000_000
"""Images above this are decoded one at a time over all workers, so that memory stays below 1 GiB in all."""


class ImageJob(NamedTuple):
    """One image to check: ``name`` below ``folder``; ``expected_hw`` in px as annotated, or None."""

    split: str
    folder: str
    name: str
    expected_hw: tuple[int, int] | None


class Checked(NamedTuple):
    """The verdict, and which file it is about; no facts where there was no file to open."""

    verdict: ImageVerdict
    facts: FileFacts | None


def check(job: ImageJob, how: How, large_image_lock: str) -> Checked:
    """Reads and checks one image. ``large_image_lock`` is a file that is locked while a large image is decoded."""
    try:
        data, facts = read_image(job.folder, job.name)
    except BadImage as error:
        return Checked(ImageVerdict("reject", error.reason, None, None), None)
    try:
        header = read_header(data)
    except BadImage as error:
        return Checked(ImageVerdict("reject", error.reason, None, None), facts)
    is_large = header.height * header.width > LARGE_PIXELS
    with one_at_a_time(large_image_lock) if is_large else contextlib.nullcontext():
        return Checked(check_image(data, job.name, job.expected_hw, how.thorough, header, how.exif), facts)


@contextlib.contextmanager
def one_at_a_time(large_image_lock: str) -> Iterator[None]:
    """flock, not a semaphore: it is given back when its holder is killed."""
    descriptor = os.open(large_image_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def thumbnail_of(job: ImageJob, most_wh: tuple[int, int]) -> np.ndarray | None:
    """What can be seen of a bad image, see ``vision.images.thumbnail``; None for nothing."""
    try:
        data, _ = read_image(job.folder, job.name)
        return thumbnail(data, most_wh)
    except BadImage:
        return None
