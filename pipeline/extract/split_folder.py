"""The folder of a split: made from its archive, repaired, rid of an earlier release; its owner's files stay.

What the stage itself has put there is known from the manifest by name, size and CRC-32. What it is about to put there is
noted before it is published, so that a kill in between leaves no file of ours that would pass for the owner's. A file
that was there and is the archive's to the byte is used, and stays its owner's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.archives.archive import Archive
from pipeline.archives.members import Member, Members
from pipeline.archives.unpack import link_foreign_files, unpack_all, verified_files
from pipeline.data_root import manifests as trees
from pipeline.data_root import receipts
from pipeline.data_root.receipts import receipt_path
from pipeline.runner.owners_files import in_the_way, is_ours, recover_folder, rescue_from
from pipeline.stage import StageContext, StageError
from pipeline.stop import Stop
from vision.artefacts.files import publish_tree
from vision.artefacts.records import RecordError
from vision.images.formats import may_be_image
from vision.messages.advice import quoted, shown
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted


def make_folder(context: StageContext, folder: str, archive: Archive, members: Members) -> None:
    """Makes ``root/folder`` have exactly ``members``, all of which are in ``folder``, beside its owner's files.

    Raises:
        StageError: something is in the way that is not ours; BadArchive: a member is not what the directory says;
        Interrupted: asked to stop.
    """
    final, noted = context.root / folder, trees.manifest_path(context.root, folder)
    recover_folder(context.root, folder, context.say)
    files = members.below(f"{folder}/")
    known, vouched = trees.read_manifest(noted), _vouched(context.root, folder)
    seen = known or receipt_path(context.root, "extract").exists()
    own = trees.brought(context.root, folder, vouched)
    right = verified_files(final, files, known, context.stop)
    old = _of_earlier_releases(final, files, own, known if seen else None, context.stop)
    record = own if own is not None else _of_both(files, known, vouched)
    if old or len(right) < len(files):
        _require_own_folder(final, len(files) - len(right), len(old))
        _require_room(final, files.keys() - right.keys(), record)
    ours = {
        name: _contents(files[name]) for name in right if _contents(files[name]) <= record.get(name, set())
    }
    if len(right) == len(files):
        _remove(final, old)
        context.say(f"{folder}: {counted(len(members), 'file', 'is')} already there, size and CRC-32 agree")
        if own != ours or trees.members_of(noted) != files.keys():
            rows = {name: member for name, member in known.items() if name not in old} | right
            trees.write_manifest(
                noted, {name: rows[name] for name in sorted(rows)}, ours, files.keys() - ours.keys()
            )
    else:
        ours |= {name: _contents(files[name]) for name in files if name not in right}
        made = _replace(context, folder, archive, files, right, old, ours)
        # what was proven while it was written need not be read again for the receipt
        trees.write_manifest(noted, made, ours, files.keys() - ours.keys())
    if old:
        context.say(
            f"{folder}: removed {counted(len(old), 'image')} of an earlier release, such as {old[0]!r}"
        )


def _contents(member: Member) -> frozenset[trees.Content]:
    return frozenset({(member.bytes, member.crc32)})


def _vouched(root: Path, folder: str) -> str | None:
    """The digest of the folder in the receipt; None where there is none that can be read."""
    try:
        receipt = receipts.read(root, "extract")
    except RecordError:
        return None
    recorded = receipt.made.get(folder) if receipt else None
    return recorded.sha256 if recorded else None


def _of_both(files: Mapping[str, Member], known: trees.Manifest, vouched: str | None) -> trees.Brought:
    """For receipts of a version that kept no record: what both the archive and the receipt have."""
    if trees.content_digest(known) != vouched:
        return {}
    return {name: frozenset({trees.content(known[name])}) for name in files if name in known}


def _replace(
    context: StageContext,
    folder: str,
    archive: Archive,
    files: Mapping[str, Member],
    right: trees.Manifest,
    old: Collection[str],
    ours: trees.Brought,
) -> trees.Manifest:
    """Unpacks what is not ``right`` into the staging folder, which then takes the place of the folder; returns ``files`` as they are then."""
    final, staging = context.root / folder, context.staging / folder
    staging.mkdir(exist_ok=True)
    _sweep(staging, files)
    _link(final, staging, right, context.stop)
    made = unpack_all(
        archive,
        list(files.values()),
        context.staging,
        context.settings.workers,
        context.stop,
        {files[name].name: member for name, member in right.items()},
    )
    others = link_foreign_files(final, staging, files, old, context.stop)
    if others:
        context.say(
            f"{folder}: kept {counted(len(others), 'entry')} that are not from the archive, such as {others[0]!r}"
        )
    context.say(f"{folder}: writing to disk")
    noted = trees.manifest_path(context.root, folder)
    trees.write_manifest(noted, trees.read_manifest(noted), _joined(ours, trees.read_own(noted) or {}))

    publish_tree(
        staging,
        final,
        context.stop.check,
        lambda older: rescue_from(older, context.root, folder, context.say),
    )
    return {name: made[files[name].name] for name in sorted(files)}


def _joined(one: trees.Brought, other: trees.Brought) -> trees.Brought:
    return {name: one.get(name, frozenset()) | other.get(name, frozenset()) for name in {*one, *other}}


def _require_room(folder: Path, missing: Collection[str], own: trees.Brought) -> None:
    """Raises StageError where the owner has something under a name that the archive has another file for."""
    strange = in_the_way(folder, missing, own)
    if strange:
        first = folder / strange[0]
        raise StageError(
            f"{shown(first)} is not what the archive has under this name"
            + (f", and so are {len(strange) - 1:,} more" if len(strange) > 1 else ""),
            "no record says that extract put it there, so it is its owner's and is not replaced",
            f"keep it under another name: mv {quoted(first)} {quoted(folder.with_name(folder.name + '-' + first.name))}",
        )


def _require_own_folder(folder: Path, missing: int, old: int) -> None:
    """Raises StageError for a link, whose folder is another one's to change, and for what is no folder at all."""
    if folder.is_symlink():
        if not folder.is_dir():
            fix = f"bring back what it names, or remove the link: rm {quoted(folder)}"
        else:
            target = Path(os.path.realpath(folder))
            fix = (
                f"put the folder itself there: rm {quoted(folder)} && mv {quoted(target)} {quoted(folder)}"
                ", or keep the whole data folder on the other disk: --root"
            )
        raise StageError(
            f"{folder} is a link to {folder.readlink()}",
            f"{counted(missing, 'image', 'is')} missing or damaged there, {old:,} of an earlier release; "
            "a link is not followed to change what it names, and never replaced",
            fix,
        )
    if os.path.lexists(folder) and not folder.is_dir():
        raise StageError(instead_of("folder", folder), "the images belong there", "move it elsewhere")


def _sweep(staging: Path, files: Collection[str]) -> None:
    """Removes what a killed run has left but members: half-written ones, and what its owner has put beside them."""
    with os.scandir(staging) as entries:
        strange = [e for e in entries if e.name not in files or not e.is_file(follow_symlinks=False)]
    for entry in strange:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _link(folder: Path, staging: Path, names: Collection[str], stop: Stop) -> None:
    """Gives what is right already a second name, so that only the others need room and time.

    Nothing is ever written through such a name: a member is written under another one, and renamed.
    """
    for name in names:
        stop.check()
        try:
            os.link(folder / name, staging / name, follow_symlinks=False)
        except FileExistsError:
            continue  # of a killed run; it is taken when it is right, and else replaced
        except OSError:  # a file system without second names: all of it is unpacked
            return


def _of_earlier_releases(
    folder: Path,
    files: Mapping[str, Member],
    own: trees.Brought | None,
    known: trees.Manifest | None,
    stop: Stop,
) -> list[str]:
    """Files that the stage has put there out of another archive: their names, in order.

    ``own``: what the stage has put there, None where that is not on record; then ``known`` is what was there
    once, empty where that is lost, None where the stage was never there. Raises StageError where images may be such
    files and nobody knows.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        beside = sorted(e.name for e in entries if e.name not in files and e.is_file(follow_symlinks=False))
    if own is not None:
        return [name for name in beside if is_ours(folder / name, name, own, stop.check)]
    doubtful = [name for name in filter(may_be_image, beside) if not known or name in known]
    if doubtful and known is not None:
        raise StageError(
            f"{folder} holds {counted(len(doubtful), 'image')} beside those of the archive, such as {doubtful[0]!r}",
            "no record says whether they are yours or came from the archive of another release",
            "move them elsewhere; they can come back when the stage is done",
        )
    return []


def _remove(folder: Path, names: Collection[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
