"""Archives that are on this disk already (``--have DIR``): proven as fetched ones are, and taken over; DIR is only read.

An archive gets a second name in the root where the disk allows it, so that it takes neither time nor room; else a copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.data_root import brought, on_disk
from pipeline.release import ReleaseFile, archive_path
from pipeline.stage import StageContext
from pipeline.transfer.partial import remove_traces
from pipeline.transfer.progress import Progress, size
from vision.artefacts.files import OutOfSpace, atomic_publish, sha256_of
from vision.messages.advice import shown
from vision.messages.system_errors import reason


class _OtherContent(Exception):
    """The SHA-256 is not the one of the release."""


def take_over(context: StageContext, missing: list[ReleaseFile]) -> list[ReleaseFile]:
    """Takes over what of ``missing`` is in the folder that was named; returns the rest, and says how much that is.

    Raises:
        Interrupted: what was taken over stays; StageError, OutOfSpace: no room for a copy.
    """
    have = context.settings.have
    if have is None or not missing:
        return missing
    found = {file: list(_usable(context, have, file)) for file in missing}
    total = sum(file.bytes for file, paths in found.items() if paths)
    with Progress("on this disk", total, context.say) as progress:

        def tick(count: int) -> None:
            context.stop.check()
            progress.update(count)

        left = [
            file
            for file, paths in found.items()
            if not any(_is_taken(context, file, path, tick) for path in paths)
        ]
    names = ", ".join(f"{file.path} ({size(file.bytes)})" for file in left)
    to_fetch = sum(file.bytes for file in left)
    if hint := on_disk.own_archives(have, missing):
        context.say(hint)
    context.say(f"still to fetch: {size(to_fetch)}: {names}" if left else "nothing is left to fetch")
    return left


def _usable(context: StageContext, have: Path, file: ReleaseFile) -> Iterator[Path]:
    """Files of its name and size; others of its name are named."""
    for path in on_disk.places(have, file):
        if not path.is_file():
            _leave(context, path, "it is no regular file, or leads nowhere")
        elif (found := path.stat().st_size) != file.bytes:
            _leave(context, path, f"it has {found:,} bytes, {file.path} of the release {file.bytes:,}")
        else:
            yield path


def _leave(context: StageContext, path: Path, why: str) -> None:
    context.say(f"{shown(path)} is left alone: {why}")


def _is_taken(context: StageContext, file: ReleaseFile, path: Path, tick: Callable[[int], None]) -> bool:
    """Whether ``path`` is the file of the release, and now in the root, too."""
    output = context.root / archive_path(file)
    source = Path(os.path.realpath(path))  # a link would not outlive what it names
    try:
        with atomic_publish(output) as temporary:
            how, digest = on_disk.placed(context.root, source, temporary, tick)
            digest = digest or sha256_of(temporary, tick)
            if digest != file.sha256:
                raise _OtherContent
            brought.note(context.root, archive_path(file), digest)
    except _OtherContent:
        _leave(context, path, f"its SHA-256 is not that of {file.path} of the release")
        return False
    except OutOfSpace:
        raise
    except OSError as error:
        _leave(context, path, f"it cannot be taken over ({reason(error)})")
        return False
    remove_traces(output)
    context.say(f"{file.path}: {how} of {shown(path)}, {size(file.bytes)}, SHA-256 as published")
    return True
