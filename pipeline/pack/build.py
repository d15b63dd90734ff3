"""The work of the stage: which packs are to be made, room and time that they take, and the images by processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.bar import bar
from pipeline.data_root import manifests as trees
from pipeline.image_check.safe_read import DiskFault
from pipeline.image_check.worker_pool import WorkerCrash, WorkerPool, WorkFailed
from pipeline.pack.image import Packed, PackJob, pack_image
from pipeline.pack.writer import PackWriter
from pipeline.space import require_space
from pipeline.stage import Counts, StageContext, StageError
from vision.artefacts.arrays.mapped import map_arrays, read_record
from vision.artefacts.data_layout import ArraysRecord, arrays_path, image_folder, pack_path
from vision.artefacts.files import fsync_folder, publish_json
from vision.artefacts.records import RecordError, to_plain
from vision.images.formats import STORED
from vision.images.packs.file import PackFile
from vision.images.packs.record import JPEG, RECORD, SCHEMA, PackRecord, list_digest, raw_bytes
from vision.messages.advice import command, shown
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted

PRELOAD = "pipeline.pack.image"
SAMPLE = 24
"""Images that are packed to know what all of them take."""
BAR = {"mininterval": 0.5, "smoothing": 0.05, "dynamic_ncols": True}
ARRAY_BYTES = 16
"""An image, in the arrays beside the pixels."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The pack of a split: what defines it, and the images that go into it."""

    path: str
    about: dict[str, Any]
    jobs: list[PackJob]


def build(context: StageContext) -> Counts:
    """Stages the packs of all splits that are packed but those that stand in the root already. Raises StageError, Interrupted, OSError."""
    wanted = [_wanted(context, split) for split in context.settings.choices.packed_splits]
    missing = [each for each in wanted if not _is_there(context, each)]
    work = context.staging / "work"
    _predict(context, missing, work)
    for each in missing:
        _pack(context, each, work)
    (context.staging / "packs").mkdir(exist_ok=True)
    for each in missing:  # all of them at the end: what is staged is cleared when a run begins
        os.replace(work / Path(each.path).name, context.staging / each.path)
    counts = Counts()
    for each in wanted:
        counts.taken_in += len(each.jobs)
        counts.notes[each.about["split"]] = {"images": len(each.jobs), "pack": each.path}
    counts.kept = counts.taken_in
    return counts


def _wanted(context: StageContext, split: str) -> Wanted:
    choices, root = context.settings.choices, context.root
    arrays = _arrays(root, split)
    folder = str(root / arrays.image_folder)
    columns = map_arrays(root / arrays_path(split), arrays)
    turned = columns.get("orientations")
    orientations = [STORED] * len(columns["heights"]) if turned is None else turned.tolist()
    names = (name.decode() for name in columns["file_names"].tolist())
    sizes = zip(columns["heights"].tolist(), columns["widths"].tolist(), orientations, strict=True)
    jobs = [
        PackJob(index, folder, name, *size)
        for index, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]
    about = {
        "schema": SCHEMA, "split": split, "format": choices.pack_format, "size": choices.packed_px,
        "images": len(jobs), "list_sha256": list_digest(arrays),
    }  # fmt: skip
    assert choices.pack_format is not None
    return Wanted(pack_path(split, choices.pack_format, choices.packed_px), about, jobs)


def _arrays(root: Path, split: str) -> ArraysRecord:
    try:
        return read_record(root / arrays_path(split))
    except (OSError, RecordError) as error:
        raise StageError(
            f"{shown(root / arrays_path(split))} cannot be read", in_words(error),
            f"make it again: {command('python -m pipeline.index', '--root', root, '--force')}",
        ) from error  # fmt: skip


def _is_there(context: StageContext, wanted: Wanted) -> bool:
    """Whether the root has this pack, whole: of a run that was killed before its receipt, or with other boxes."""
    folder = context.root / wanted.path
    if not (folder / RECORD).is_file():
        return False
    try:
        pack = PackFile(folder)
        same = wanted.about.items() <= to_plain(pack.record).items()
        if (
            not same
            or pack.source_crc32().tolist() != _crcs_now(context, wanted)
            or pack.damaged(range(len(pack)), context.stop.check) is not None
        ):
            return False
    except (OSError, RecordError, ValueError):
        return False
    context.say(f"{wanted.path}: of the same images, and every record as it was made: it stays")
    return True


def _crcs_now(context: StageContext, wanted: Wanted) -> list[int | None]:
    """CRC-32 of each image, as the runner has just seen it."""
    path = image_folder(wanted.about["split"])
    seen = trees.read_manifest(trees.manifest_path(context.root, path))
    return [seen[job.name].crc32 if job.name in seen else None for job in wanted.jobs]


def _predict(context: StageContext, missing: list[Wanted], work: Path) -> None:
    """Says how many bytes and minutes it takes, by a sample; raises StageError where there is no room."""
    for each in missing:
        with PackWriter(work / Path(each.path).name, each.about) as writer:
            done, there = writer.images, writer.bytes
        left = each.jobs[done:]
        sample = left[:: max(1, len(left) // SAMPLE)][:SAMPLE]
        began_s = time.perf_counter()
        made = [_checked(context, job, _one(context, each)(job)) for job in sample]
        seconds = (time.perf_counter() - began_s) / max(1, len(sample)) * len(left)
        record = sum(len(one.record) for one in made) / max(1, len(made))
        if each.about["format"] != JPEG:
            record = raw_bytes(each.about["format"], each.about["size"])
        needed = round(record * len(left)) + ARRAY_BYTES * len(each.jobs)
        minutes = seconds / 60 / max(1, context.settings.workers)
        before = f", {counted(done, 'image')} of them already" if done else ""
        context.say(
            f"{each.path}: {counted(len(each.jobs), 'image')}{before}; {needed + there:,} bytes, "
            f"about {minutes:.1f} minutes with {counted(context.settings.workers, 'process')}"
        )
        smaller = "a smaller --size, or --format jpeg, takes less"
        require_space(work, needed, f"for {each.path}", smaller)


def _one(context: StageContext, wanted: Wanted) -> Any:
    lock = str(context.staging / "large.lock")
    how = {"pack_format": wanted.about["format"], "size": wanted.about["size"]}
    return partial(pack_image, **how, large_image_lock=lock)


def _checked(context: StageContext, job: PackJob, result: Packed | str | WorkerCrash) -> Packed:
    """Raises StageError for an image that is not any more what was checked."""
    if isinstance(result, Packed):
        return result
    name, root = f"{job.folder}/{job.name}", context.root
    if isinstance(result, WorkerCrash) and not result.crashed:
        raise StageError(
            f"{shown(name)} could not be packed",
            f"its process was {result}, three times on this image alone",
            "free memory or use fewer --workers, then run the same command again: it resumes from here",
        )
    again = command("python -m pipeline run", "--root", root)
    raise StageError(
        f"{shown(name)} is not the image that was checked",
        f"{result}; what is packed so far is kept",
        f"check the images again and what comes after: {again}",
    )


def _pack(context: StageContext, wanted: Wanted, work: Path) -> None:
    folder = work / Path(wanted.path).name
    with PackWriter(folder, wanted.about) as writer:
        with bar(wanted.path, len(wanted.jobs), " images", initial=writer.images, **BAR) as shown_bar:
            for packed in _in_order(context, wanted, writer.images):
                writer.append(packed)
                shown_bar.update()
        digests = writer.finish(wanted.about["format"])
        record = PackRecord(**wanted.about, bytes=writer.bytes, sha256=digests)
    publish_json(folder / RECORD, to_plain(record))
    fsync_folder(folder)


def _in_order(context: StageContext, wanted: Wanted, first: int) -> Iterator[Packed]:
    """The records from image ``first`` on, as they are in the arrays; workers finish in any order."""
    waiting: dict[int, Packed] = {}
    due = first
    with WorkerPool(_one(context, wanted), context.settings.workers, PRELOAD) as pool:
        try:
            for chunk in pool.run(wanted.jobs[first:], context.stop):
                waiting.update({job.number: _checked(context, job, result) for job, result in chunk})
                while due in waiting:
                    yield waiting.pop(due)
                    due += 1
        except WorkFailed as failure:
            if not isinstance(failure.cause, DiskFault):
                raise
            raise StageError(
                f"{shown(f'{failure.item.folder}/{failure.item.name}')} cannot be read",
                f"{failure.cause.strerror}; what is packed so far is kept",
                "look after the disk or the memory (dmesg, df, free), then run the same command again",
            ) from failure
