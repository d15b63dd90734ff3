"""Several files that belong together: none gets its name before all of them are on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from vision.artefacts.files import atomic_publish, fsync_file, space_errors


@contextmanager
def published_together(paths: Sequence[Path]) -> Iterator[dict[Path, IO[bytes]]]:
    """Open files to write to, by path. When the body ends well all are published, in the order given.

    On an exception, a full disk or a failed fsync none is, and older ones stay. Only a kill between two renames
    leaves some new and some old, each of them whole.
    """
    with ExitStack() as published:
        temporaries = {path: published.enter_context(atomic_publish(path)) for path in reversed(paths)}
        # a full disk is named with the last file, the largest
        with space_errors(paths[-1]), ExitStack() as opened:
            yield {
                path: opened.enter_context(temporary.open("w+b", buffering=1 << 20))
                for path, temporary in temporaries.items()
            }
        with space_errors(paths[-1]):
            for temporary in temporaries.values():
                fsync_file(temporary)
