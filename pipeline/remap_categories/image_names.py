"""Finds images that name one and the same file: each of them would be learned with a part of its boxes."""

from __future__ import annotations

import unicodedata
from pathlib import Path


class ImageNames:
    """The file names of one annotation file, which are plain relative paths already.

    Names that differ in case or in how accents are composed are one file where the file system says so: on macOS and
    Windows mostly, on Linux not.

    :param folder: where the images are; None: not known, then only equal names are one file
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._plain: dict[str, int] = {}  # nearly all names are their own key: nothing beside it is kept
        self._known: dict[str, tuple[tuple[str, int], ...]] = {}
        self.shared: list[tuple[tuple[str, int], tuple[str, int]]] = []
        """Pairs of (name, image id), the earlier one first."""

    def add(self, name: str, image_id: int) -> None:
        key = unicodedata.normalize("NFC", name).casefold()
        first = self._plain.get(key)
        before = self._known.get(key, () if first is None else ((key, first),))
        if not before and key == name:
            self._plain[key] = image_id
            return
        for other in before:
            if other[0] == name or self._is_one_file(other[0], name):
                self.shared.append((other, (name, image_id)))
                return
        self._known[key] = (*before, (name, image_id))

    def _is_one_file(self, first: str, second: str) -> bool:
        try:
            return self._folder is not None and (self._folder / first).samefile(self._folder / second)
        except OSError:
            return False

    def problem(self) -> str | None:
        """One line for people, None where every file has one image."""
        if not self.shared:
            return None
        (name, id_), (again, other) = self.shared[0]
        told = f"id {id_} and id {other} both name {name!r}" + (f" ({again!r})" if again != name else "")
        more = f", and {len(self.shared) - 1:,} more pairs" if len(self.shared) > 1 else ""
        return f"{told}{more}; each would be learned with a part of its boxes: give a file one image id"
