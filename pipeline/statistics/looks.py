"""Looks at every image once, in processes: its digest where another file has its size and CRC, and its perceptual hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.bar import bar
from pipeline.data_root import manifests
from pipeline.image_check.check_many import BAR, by_workers
from pipeline.image_check.safe_read import facts_now, read_image
from pipeline.image_check.worker_pool import WorkerCrash
from pipeline.statistics.perceptual_hash import perceptual_hash
from pipeline.statistics.splits import Split
from pipeline.stop import Stop
from vision.images.formats import BadImage
from vision.images.orientation import upright
from vision.images.thumbnail import thumbnail

Content = tuple[int, int | None]
"""Size, and CRC-32 where it is known."""


class LookJob(NamedTuple):
    """One image: ``name`` below ``folder``; ``orientation`` that is applied; whether a digest is wanted."""

    split: str
    folder: str
    name: str
    orientation: int
    digest: bool


class Look(NamedTuple):
    """What was found: SHA-256 in hex where it was wanted, the hash (None: a plain image), or why there is neither."""

    sha256: str | None
    hash: int | None
    problem: str = ""


def look(job: LookJob) -> Look:
    """As a worker process does it."""
    try:
        data, _ = read_image(job.folder, job.name)
    except BadImage as error:
        return Look(None, None, error.reason)
    digest = hashlib.sha256(data).hexdigest() if job.digest else None
    pixels = thumbnail(data)
    if pixels is None:
        return Look(digest, None, "no decoder reads it")
    return Look(digest, perceptual_hash(upright(pixels, job.orientation)))


def look_at_all(root: Path, splits: Sequence[Split], workers: int, stop: Stop) -> list[list[Look]]:
    """By split, a look for each image in the order of the arrays. Raises Interrupted when ``stop`` says so."""
    jobs = _jobs(root, splits, stop)
    found: dict[LookJob, Look] = {}
    every = [job for of_split in jobs for job in of_split]
    with bar(
        "looking for duplicates", len(every), " images", disable=None if every else True, **BAR
    ) as shown:
        for job, result in by_workers(look, every, workers, stop):
            found[job] = Look(None, None, str(result)) if isinstance(result, WorkerCrash) else result
            shown.update()
    return [[found[job] for job in of_split] for of_split in jobs]


def _jobs(root: Path, splits: Sequence[Split], stop: Stop) -> list[list[LookJob]]:
    """Only files that share size and CRC-32 with another one can be the same; where no CRC is known, the size tells."""
    contents = [_contents(root, split, stop) for split in splits]
    no_crc = {content[0] for of_split in contents for content in of_split if content and content[1] is None}

    def key(content: Content | None) -> object:
        return content and (content[0] if content[0] in no_crc else content)

    files = Counter(key(content) for of_split in contents for content in of_split if content)
    return [
        [
            LookJob(split.name, str(split.folder), name, split.orientation(image), files[key(content)] > 1)
            for image, (name, content) in enumerate(zip(split.file_names, of_split, strict=True))
        ]
        for split, of_split in zip(splits, contents, strict=True)
    ]


def _contents(root: Path, split: Split, stop: Stop) -> list[Content | None]:
    """Size of each file, and its CRC-32 where the manifest of the folder has it for the file as it is now; None: not there."""
    known = manifests.read_manifest(manifests.manifest_path(root, split.record.image_folder))
    found: list[Content | None] = []
    for name in split.file_names:
        stop.check()
        facts, noted = facts_now(split.folder, name), known.get(name)
        if facts is None:
            found.append(None)
        else:
            same = noted is not None and (noted.bytes, noted.mtime_ns, noted.inode) == tuple(facts)
            found.append((facts.bytes, noted.crc32 if same and noted else None))
    return found
