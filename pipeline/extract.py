"""Stage: unpacks pictures into ``{split}2017/`` and the instance annotations into ``annotations/``.

The archive's directory is checked as a whole first; members are unpacked by several threads into the staging
folder, where a restart finds those that are already right by size and CRC-32; the folder is published by rename.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from pipeline.archive import BadArchive, Member, open_archive, plan, unpack
from pipeline.command import stage_main
from pipeline.release import ReleaseFile, archive_path, release_of
from pipeline.stage import Counts, Interrupted, Settings, Stage, StageContext, StageError
from pipeline.trees import Member as TreeMember
from pipeline.trees import content_digest, crc32_of, manifest_path, read_manifest, survey
from vision.artefacts.files import fsync_file, fsync_folder, publish_tree, recover_tree

BATCH = 64


def _run(context: StageContext) -> Counts:
    counts = Counts()
    for file in release_of(context.settings).needed(context.settings.splits):
        path = context.root / archive_path(file)
        with _opened(path) as archive:
            members = plan(archive)
            if file.split() is not None:
                _pictures(context, file, archive, members, counts)
            else:
                _annotations(context, archive, members, counts)
    return counts


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_archive(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise StageError(
            f"{path} is missing", "it is not fetched yet", "python -m pipeline.download"
        ) from error
    except BadArchive as error:
        raise StageError(
            f"{path} is refused",
            str(error),
            "nothing of it was published; fetch it again or name another release",
        ) from error


def _pictures(
    context: StageContext, file: ReleaseFile, archive: zipfile.ZipFile, members: list[Member], counts: Counts
) -> None:
    """All members have to lie in the one folder ``{split}2017``."""
    folder = f"{file.split()}2017"
    for member in members:
        if PurePosixPath(member.name).parts[:-1] != (folder,):
            raise BadArchive(f"member {member.name!r}: expected below {folder}/")
    counts.taken_in += len(members)
    counts.kept += len(members)
    recover_tree(context.root / folder)
    if _is_unpacked(context.root, folder, members):
        context.say(f"{folder}: {len(members):,} files are already there, size and CRC-32 agree")
        return
    unpack_all(context, archive, members, context.staging)
    context.say(f"{folder}: writing to disk")
    publish_tree(context.staging / folder, context.root / folder, partial(_check_stop, context))


def _check_stop(context: StageContext) -> None:
    if context.should_stop():
        raise Interrupted("while writing to disk")


def _is_unpacked(root: Path, folder: str, members: list[Member]) -> bool:
    if not (root / folder).is_dir():
        return False
    found = survey(root / folder, read_manifest(manifest_path(root, folder)))
    planned = sorted((PurePosixPath(member.name).name, member) for member in members)
    expected = {name: TreeMember(member.bytes, member.crc32, 0, 0) for name, member in planned}
    return content_digest(found) == content_digest(expected)


def _annotations(
    context: StageContext, archive: zipfile.ZipFile, members: list[Member], counts: Counts
) -> None:
    """The annotation files of the splits; captions, keypoints and other splits stay in the archive."""
    wanted = [member for member in members if member.name in annotation_paths(context.settings)]
    counts.taken_in += len(members)
    counts.kept += len(wanted)
    if len(members) > len(wanted):
        counts.drop("annotations not asked for, still in the archive", len(members) - len(wanted))
    unpack_all(context, archive, wanted, context.staging)
    for member in wanted:
        final = context.root / member.name
        final.parent.mkdir(exist_ok=True)
        fsync_file(context.staging / member.name)
        os.replace(context.staging / member.name, final)
        fsync_folder(final.parent)


def unpack_all(
    context: StageContext, archive: zipfile.ZipFile, members: Sequence[Member], folder: Path
) -> None:
    """Unpacks what is not yet in ``folder`` with the right size and CRC-32.

    Raises:
        BadArchive: a member is not what the directory says; Interrupted: asked to stop.
    """
    batches = [members[start : start + BATCH] for start in range(0, len(members), BATCH)]
    workers = max(1, context.settings.workers)

    def work(batch: Sequence[Member]) -> int:
        for member in batch:
            if context.should_stop():
                raise Interrupted(member.name)
            if not _is_right(folder / member.name, member):
                unpack(archive, member, folder)
        return len(batch)

    label = Path(archive.filename or "archive").name
    with (
        tqdm(total=len(members), unit="file", desc=f"extract {label}", disable=None) as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        try:
            for done in pool.map(work, batches):
                bar.update(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _is_right(path: Path, member: Member) -> bool:
    if not path.is_file() or path.stat().st_size != member.bytes:
        return False
    return crc32_of(path) == member.crc32


def annotation_paths(settings: Settings) -> list[str]:
    """The published annotation files of the splits; test has sizes only."""
    names = {"train": "instances_train2017", "val": "instances_val2017", "test": "image_info_test2017"}
    return [f"annotations/{names[split]}.json" for split in settings.splits]


def _inputs(settings: Settings) -> list[str]:
    return [archive_path(file) for file in release_of(settings).needed(settings.splits)]


def _outputs(settings: Settings) -> list[str]:
    return [*(f"{split}2017" for split in settings.splits), *annotation_paths(settings)]


def _params(settings: Settings) -> dict[str, Any]:
    return {"splits": list(settings.splits)}


STAGE = Stage(
    name="extract",
    summary="unpacks pictures and annotations, each file checked by size and CRC-32",
    version=1,
    after=("download",),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
    used_up=_inputs,
)

if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
