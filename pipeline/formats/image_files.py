"""Finds the file that a layout means by a name: names come from other machines, other folders and other systems."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pipeline.formats.contract import Problem
from vision.artefacts.data_layout import STATE
from vision.images.formats import may_be_image
from vision.messages.advice import shown

SUFFIXES = tuple(
    end for plain in (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff") for end in (plain, plain.upper())
)
"""The twelve that the ancestors look for, in this order; others are found by the listing."""
UPLOAD_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""


class ImageFiles:
    """The images below ``folders``, the first of which counts first. Nothing outside of them is ever found by a name."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [folder for folder in folders if folder.is_dir()]

    @cached_property
    def everything(self) -> list[tuple[Path, str]]:
        """(file, name below its folder) of all of them, by name."""
        seen: set[Path] = set()
        found = []
        for folder in self.folders:
            for path, name in images_below(folder):
                if path not in seen:
                    seen.add(path)
                    found.append((path, name))
        return found

    @cached_property
    def _by_base(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path, _ in self.everything:
            found[path.name.lower()].append(path)
        return found

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path, _ in self.everything:
            found[path.stem].append(path)
        return found

    def find(self, name: str) -> Path | Problem:
        """The image that ``name`` means: a path below a folder, the end of one, or a base name that is there once.

        An absolute path, one with ``..`` or with backslashes is looked for by its end; an upload's hash may be missing.
        """
        if not name or "\0" in name:
            return Problem("bad_file_name", f"{shown(name)!r} is not a file name")
        parts = [part for part in re.split(r"[/\\]+", name) if part not in ("", ".")]
        while ".." in parts:
            parts = parts[parts.index("..") + 1 :]
        if not parts:
            return Problem("bad_file_name", f"{shown(name)!r} is not a file name")
        for start in range(len(parts)):
            for folder in self.folders:
                path = folder.joinpath(*parts[start:])
                if is_there(path, Path.is_file):
                    return path
        found = self._by_base.get(parts[-1].lower()) or self._by_base.get(
            UPLOAD_HASH.sub("", parts[-1]).lower(), []
        )
        return self._only(found, name)

    def find_stem(self, stem: str) -> Path | Problem:
        """The image ``stem`` with one of the twelve suffixes below a folder, else with any; ``stem`` may have folders."""
        parts = [part for part in re.split(r"[/\\]+", stem) if part not in ("", ".")]
        if not parts or ".." in parts or "\0" in stem:
            return Problem("bad_file_name", f"{shown(stem)!r} is not a path below the image folder")
        for folder in self.folders:
            for suffix in SUFFIXES:
                path = folder.joinpath(*parts[:-1], parts[-1] + suffix)
                if is_there(path, Path.is_file):
                    return path
        return self._only([path for path in self._by_stem.get(parts[-1], []) if len(parts) == 1], stem)

    def _only(self, found: list[Path], name: str) -> Path | Problem:
        if len(found) == 1:
            return found[0]
        places = ", ".join(map(shown, self.folders)) or "no folder"
        if found:
            return Problem(
                "ambiguous_image",
                f"{shown(name)!r} may be {shown(found[0])} or {shown(found[1])}",
            )
        return Problem("missing_image", f"{shown(name)!r} is not below {places}")

    def name_of(self, path: Path) -> str:
        """``path`` below its folder, with ``/``; its base name where it is in none."""
        for folder in self.folders:
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
        return path.name


def images_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, name below ``folder``) of each that is called like an image, by name."""
    for path in files_below(folder):
        if may_be_image(path.name):
            yield path, path.relative_to(folder).as_posix()


def files_below(folder: Path) -> Iterator[Path]:
    """Each that is no folder, by name.

    Links to folders are not followed, and a data root beside the source is not gone into: it holds what was imported before.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not Path(parent, name, STATE).is_dir())
        yield from (Path(parent, name) for name in sorted(names))


def is_there(path: Path, is_kind: Callable[[Path], bool] = Path.exists) -> bool:
    """``is_kind`` of a path that a layout names; False for one that no file can have: too long, with NUL or half a letter."""
    try:
        return is_kind(path)
    except (OSError, ValueError):
        return False
