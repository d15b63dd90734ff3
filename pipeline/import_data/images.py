"""Images of the owner: their sizes, their digests, and a second name or a copy in the data root. None is ever written to."""

from __future__ import annotations

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.stop import Stop
from vision.artefacts.files import sha256_of, space_errors
from vision.artefacts.records import RecordError, open_regular
from vision.images.decode import read_header
from vision.images.formats import MAX_BYTES, BadImage
from vision.images.orientation import is_turned
from vision.messages.advice import shown
from vision.messages.system_errors import reason

HEAD = 1 << 18
"""Bytes that hold the header of nearly every image."""
NO_SECOND_NAME = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS)


class Sizes:
    """Measures images: (height, width) of the stored frame, or upright with ``exif`` ``apply``. Raises BadImage.

    ``turned``: those that a camera marked as turned by a quarter, so that the two frames differ.
    """

    def __init__(self, exif: str) -> None:
        self.exif = exif
        self.turned: set[Path] = set()

    def __call__(self, path: Path) -> tuple[int, int]:
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                data = file.read(HEAD)
                try:
                    header = read_header(data)
                except BadImage:
                    header = read_header(data + file.read(MAX_BYTES))
        except RecordError as error:
            raise BadImage(f"not_a_file: {shown(str(error))}") from None
        except OSError as error:
            raise BadImage(f"unreadable: {reason(error)}") from None
        hw = header.height, header.width
        if not is_turned(header.orientation):
            return hw
        self.turned.add(path)
        return hw[::-1] if self.exif == "apply" else hw

    def notes(self) -> list[str]:
        """What is to be said of boxes whose frame only the option tells."""
        if not self.turned:
            return []
        frame = (
            "upright, as viewers show them (--exif apply)"
            if self.exif == "apply"
            else "as stored; --exif apply of the import takes them upright, as viewers show them"
        )
        return [
            f"photographs that their camera marked as rotated, where no size tells how they were labelled: {len(self.turned):,}, taken {frame}"
        ]


def same_content(paths: Collection[Path], stop: Stop) -> list[list[Path]]:
    """Groups of files that are the same to the byte, two or more each; only files of one size are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        by_size[path.stat().st_size].append(path)
    by_digest: dict[str, list[Path]] = defaultdict(list)
    for alike in by_size.values():
        for path in alike if len(alike) > 1 else ():
            by_digest[sha256_of(path, stop.check)].append(path)
    return [group for group in by_digest.values() if len(group) > 1]


@dataclass(slots=True)
class Placing:
    """Gives images their names below ``folder``; ``made`` counts how: hard, soft, copy, or kept of a run that was stopped."""

    folder: Path
    link: str
    stop: Stop
    made: dict[str, int] = field(default_factory=dict)
    no_links: str = ""
    """Why hard links became copies; "" where none did."""

    def place_all(self, pairs: Iterable[tuple[Path, str]]) -> None:
        """(file itself, at the end of any link; name below the folder) of each."""
        for source, name in pairs:
            self.stop.check()
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            how = "kept" if self._is_placed(source, target) else self._place(source, target)
            self.made[how] = self.made.get(how, 0) + 1

    def _is_placed(self, source: Path, target: Path) -> bool:
        """Of a run that was stopped: the same file, the same link, or a whole copy (its time comes last)."""
        if not os.path.lexists(target):
            return False
        here, there = target.lstat(), source.stat()
        if self.link == "soft":
            return target.is_symlink() and target.resolve() == source.resolve()
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return self.link == "hard"
        return not target.is_symlink() and (here.st_size, here.st_mtime_ns) == (
            there.st_size,
            there.st_mtime_ns,
        )

    def _place(self, source: Path, target: Path) -> str:
        target.unlink(
            missing_ok=True
        )  # in our own folder: never opened, since it may be a second name of an original
        if self.link == "soft":
            target.symlink_to(source)
            return "soft"
        if self.link == "hard" and not self.no_links:
            try:
                os.link(source, target)
                return "hard"
            except OSError as error:
                if error.errno not in NO_SECOND_NAME:
                    raise
                self.no_links = reason(error)
        with space_errors(target):
            shutil.copyfile(source, target)
            shutil.copystat(source, target)
        return "copy"
