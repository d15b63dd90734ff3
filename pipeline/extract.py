"""Stage: unpacks pictures into ``{split}2017/`` and the instance annotations into ``annotations/``.

The archive's directory is checked as a whole first; members are unpacked by several threads into the staging
folder, where a restart finds those that are already right by size and CRC-32; the folder is published by rename.

An archive of your own: ``python -m pipeline.extract --archive FILE.zip --output DIR``.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.archive import BadArchive, Member, plan
from pipeline.command import add_common_options, add_stage_options, stage_main
from pipeline.release import ReleaseFile, archive_path, release_of
from pipeline.stage import Counts, Interrupted, Settings, Stage, StageContext
from pipeline.trees import manifest_path, read_manifest, write_manifest
from pipeline.unpacking import is_unpacked, opened, proven, take_along, unpack_all
from vision.artefacts.files import fsync_file, fsync_folder, publish_tree, recover_tree


def _run(context: StageContext) -> Counts:
    counts = Counts()
    for file in release_of(context.settings).needed(context.settings.splits):
        path = context.root / archive_path(file)
        with opened(path) as archive:
            members = plan(archive)
            if file.split() is not None:
                _pictures(context, file, archive, members, counts)
            else:
                _annotations(context, archive, members, counts)
    return counts


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
    files = {PurePosixPath(member.name).name: member for member in members}
    known = read_manifest(manifest_path(context.root, folder))
    if is_unpacked(context.root / folder, files, known, context.should_stop, beside=True):
        context.say(f"{folder}: {len(members):,} files are already there, size and CRC-32 agree")
        return
    unpack_all(archive, members, context.staging, context.settings.workers, context.should_stop)
    others = take_along(context.root / folder, context.staging / folder, files)
    if others:
        context.say(
            f"{folder}: {len(others):,} entries that are not of the archive stay, such as {others[0]!r}"
        )
    context.say(f"{folder}: writing to disk")
    publish_tree(context.staging / folder, context.root / folder, partial(_check_stop, context))
    # what was proven while it was written need not be read again for the receipt
    write_manifest(manifest_path(context.root, folder), proven(context.root / folder, files))


def _check_stop(context: StageContext) -> None:
    if context.should_stop():
        raise Interrupted("while writing to disk")


def _annotations(
    context: StageContext, archive: zipfile.ZipFile, members: list[Member], counts: Counts
) -> None:
    """The annotation files of the splits; captions, keypoints and other splits stay in the archive."""
    wanted = [member for member in members if member.name in annotation_paths(context.settings)]
    counts.taken_in += len(members)
    counts.kept += len(wanted)
    if len(members) > len(wanted):
        counts.drop("annotations not asked for, still in the archive", len(members) - len(wanted))
    unpack_all(archive, wanted, context.staging, context.settings.workers, context.should_stop)
    for member in wanted:
        final = context.root / member.name
        final.parent.mkdir(exist_ok=True)
        fsync_file(context.staging / member.name)
        os.replace(context.staging / member.name, final)
        fsync_folder(final.parent)


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


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or one archive into a folder (``--archive``, ``--output``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not any(word.split("=")[0] in ("--archive", "--output", "-h", "--help") for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    for name in ("archive", "output"):
        if getattr(asked, name) is None:
            _parser().error(f"--{name} is missing: --archive FILE.zip and --output DIR go together")
    from pipeline.extract_file import extract_file

    return extract_file(asked.archive, asked.output, asked.workers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.{STAGE.name}",
        description=f"Stage {STAGE.name}: {STAGE.summary}.",
        epilog="The whole archive is refused for a member that could write elsewhere, never end, or mean two things. "
        "The same command again goes on after a kill, and proves the files when they are all there.",
        allow_abbrev=False,
    )
    group = parser.add_argument_group("an archive of your own, instead of --root")
    group.add_argument("--archive", type=Path, metavar="FILE.zip", help="unpack all of it, or nothing")
    group.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder to make; one with other files is left alone"
    )
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
