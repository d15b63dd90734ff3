"""Stage: unpacks images into ``{split}2017/`` and the instance annotations into ``annotations/``.

The archive's directory is checked as a whole first; members are unpacked by several threads into the staging
folder, where a restart finds those that are already right by size and CRC-32; the folder is published by rename.

An archive of your own: ``python -m pipeline.extract --archive FILE.zip --output DIR``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.archives.archive import Archive, open_archive, plan
from pipeline.archives.fault import BadArchive
from pipeline.archives.members import Members
from pipeline.archives.unpack import named, unpack_all, verified_files
from pipeline.extract.already_unpacked import is_from_archives
from pipeline.extract.split_folder import make_folder
from pipeline.release import ReleaseFile, archive_path
from pipeline.runner.own_data import nothing_to_bring
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from vision.artefacts.data_layout import ANNOTATIONS, image_folder, original_path
from vision.messages.advice import command


@dataclass(frozen=True, slots=True)
class Source:
    """An archive of the release, open, and its files."""

    file: ReleaseFile
    path: Path
    archive: Archive
    members: Members

    @property
    def folder(self) -> str:
        """Where its files go, below the root and in the staging folder."""
        split = self.file.split()
        return ANNOTATIONS if split is None else image_folder(split)


def _run(context: StageContext) -> Counts:
    """Looks at all archives before the first file is published: what one lacks is found then."""
    counts = Counts()
    with ExitStack() as stack:
        sources = [_source(context, file, stack) for file in context.settings.choices.files()]
        wanted = _wanted_annotations(context.settings, sources)
        for source in sources:
            with (
                named(source.path, _get_it(context.root), source.file.bytes),
                _dropped_when_refused(context.staging / source.folder),
            ):
                if source.file.split() is not None:
                    make_folder(context, source.folder, source.archive, source.members)
                    counts.kept += len(source.members)
                else:
                    _annotations(context, source, wanted, counts)
                counts.taken_in += len(source.members)
    return counts


def _source(context: StageContext, file: ReleaseFile, stack: ExitStack) -> Source:
    """Opens an archive until ``stack`` is left. Of images all have to be in the one folder ``{split}2017``."""
    path = context.root / archive_path(file)
    with named(path, _get_it(context.root), file.bytes):
        archive = stack.enter_context(open_archive(path))
        source = Source(file, path, archive, plan(archive, context.stop))
        if file.split() is None:
            return source
        for member in source.members:
            if PurePosixPath(member.name).parts[:-1] != (source.folder,):
                raise BadArchive(f"member {member.name!r}: expected below {source.folder}/")
        return source


def _get_it(root: Path) -> str:
    return command("python -m pipeline.download", "--root", root)


@contextmanager
def _dropped_when_refused(folder: Path) -> Iterator[None]:
    """What was unpacked of an archive that is refused goes: another archive would not resume it."""
    try:
        yield
    except BadArchive:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _wanted_annotations(settings: Settings, sources: Sequence[Source]) -> dict[str, Source]:
    """Which archive each annotation file of the splits is taken from.

    Raises:
        StageError: no archive has it, or two have files that differ under its name.
    """
    archives = [source for source in sources if source.file.split() is None]
    holders: dict[str, dict[tuple[int, int], Source]] = {name: {} for name in annotation_paths(settings)}
    for source in archives:
        for member in source.members:
            if member.name in holders:
                holders[member.name].setdefault((member.bytes, member.crc32), source)
    for name, found in holders.items():
        if len(found) != 1:
            where = " and ".join(str(source.path) for source in found.values() or archives)
            raise StageError(
                f"{where} {'have different files' if found else 'lacks'} {name}"
                if where else f"release {settings.choices.release.name!r} has no archive with {name}",
                "nothing was published: these images cannot be used without the annotations of their release",
                f"give a --release that has them{_without(settings, name)}",
            )  # fmt: skip
    return {name: next(iter(found.values())) for name, found in holders.items()}


def _without(settings: Settings, annotations: str) -> str:
    """The command that leaves out the split of an annotation file; nothing where there is no other split."""
    others = [split for split in settings.splits if original_path(split) != annotations]
    if not others:
        return ""
    return ", or leave the split out: " + command(
        "python -m pipeline run", "--root", settings.root, "--splits", ",".join(others)
    )


def _annotations(context: StageContext, source: Source, wanted: Mapping[str, Source], counts: Counts) -> None:
    """The annotation files of the splits; captions, keypoints and other splits stay in the archive."""
    members = [member for member in source.members if wanted.get(member.name) is source]
    counts.kept += len(members)
    if len(source.members) > len(members):
        counts.drop("annotations not asked for, still in the archive", len(source.members) - len(members))
    right = verified_files(
        context.root / source.folder,
        {member.name.removeprefix(f"{source.folder}/"): member for member in members},
        {},
        context.stop,
    )
    members = [member for member in members if member.name.removeprefix(f"{source.folder}/") not in right]
    unpack_all(source.archive, members, context.staging, context.settings.workers, context.stop)


def annotation_paths(settings: Settings) -> list[str]:
    """The published annotation files of the splits; test has sizes only."""
    return [original_path(split) for split in settings.splits]


def _inputs(settings: Settings) -> list[str]:
    return [archive_path(file) for file in settings.choices.files()]


def _outputs(settings: Settings) -> list[str]:
    return [*(image_folder(split) for split in settings.splits), *annotation_paths(settings)]


def _params(settings: Settings) -> dict[str, Any]:
    return {"splits": list(settings.splits)}


STAGE = Stage(
    name="extract",
    summary="unpack images and annotations; check size and CRC-32 of each file",
    version=1,
    after=("download",),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
    disposable=_inputs,
    takes_over=is_from_archives,
    proves=lambda settings: [image_folder(split) for split in settings.splits],
    not_needed=nothing_to_bring,
)
