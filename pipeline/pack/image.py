"""One image → its record in the pack, as a worker process does it."""

from __future__ import annotations

import contextlib
import zlib
from typing import NamedTuple

import cv2

from pipeline.image_check.check import LARGE_PIXELS, one_at_a_time
from pipeline.image_check.safe_read import read_image
from vision.images.decode import BadImage, decode_rgb, orientation_of
from vision.images.formats import STORED
from vision.images.packs.pixels import encode

cv2.setNumThreads(1)  # the processes are the parallelism


class PackJob(NamedTuple):
    """Image ``number`` of the arrays, from 0: ``name`` below ``folder``, ``height`` × ``width`` px when turned by EXIF's ``orientation``."""

    number: int
    folder: str
    name: str
    height: int
    width: int
    orientation: int


class Packed(NamedTuple):
    """Its record, and the CRC-32 of the bytes that it was made from."""

    record: bytes
    source_crc32: int


def pack_image(job: PackJob, pack_format: str, size: int, large_image_lock: str) -> Packed | str:
    """The record, or why there is none: the image is not the one that was checked.

    Raises DiskFault; ``large_image_lock`` is a file that is locked while a large image is decoded.
    """
    try:
        data, _ = read_image(job.folder, job.name)
        now = STORED if job.orientation == STORED else orientation_of(data)
        if now != job.orientation:
            return f"EXIF orientation {now}, was {job.orientation}"
        is_large = job.height * job.width > LARGE_PIXELS
        with one_at_a_time(large_image_lock) if is_large else contextlib.nullcontext():
            rgb = decode_rgb(data, upright=job.orientation != STORED)
    except BadImage as error:
        return error.reason
    if rgb.shape[:2] != (job.height, job.width):
        return f"{rgb.shape[1]}×{rgb.shape[0]} px, was {job.width}×{job.height} px"
    return Packed(encode(rgb, pack_format, size), zlib.crc32(data))
