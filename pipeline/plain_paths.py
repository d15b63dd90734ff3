"""Relative paths out of files that nobody vouches for: what they may look like, and which of them would meet on a disk.

A path is a few names with one ``/`` between each two. Two paths meet where some file system takes them for one: names
that differ in case, in the normal form of their letters (NFC, NFD) or in dots and spaces at their end.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")
MAX_NAME, MAX_PATH = 250, 1024
"""Bytes of a name and of a path; a name has to leave room for ``.part``."""
CHECKED_EVERY = 4096
SIMPLE = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}/){0,4}[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}/?")
"""What most paths are like, and nothing is wrong with."""
AT_END = re.compile(r"[. ]+(?=/|$)")


def path_fault(path: str) -> str | None:
    """Why ``path`` is not to be used below a folder, in words; None where it may be. A folder's may end in ``/``."""
    if SIMPLE.fullmatch(path):
        return None
    names = path.removesuffix("/").split("/")
    if "\0" in path:
        return "NUL in its name"
    if "\\" in path:
        return "backslash in its name"
    if path in ("", "/") or path.startswith("/") or path[1:2] == ":":
        return "an absolute or empty path"
    if ".." in names or "." in names:
        return "a path that leaves the folder"
    if "" in names:
        return "an empty name in its path (//)"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in path):
        return "a control character in its name"
    if any(len(name.encode()) > MAX_NAME for name in names):
        return f"a name longer than {MAX_NAME} bytes"
    if len(path.encode()) > MAX_PATH:
        return f"a path longer than {MAX_PATH} bytes"
    return None


def folded(path: str) -> str:
    """Equal for paths that meet on some file system."""
    if path.isascii():
        key = path.lower()
    else:
        key = unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
    key = key.removesuffix("/")
    return AT_END.sub("", key) or key if "." in key or " " in key else key


def checking(items: Iterable[T], check: Callable[[], None]) -> Iterator[T]:
    """``items``; ``check`` is called before the first and every so many."""
    for number, item in enumerate(items):
        if number % CHECKED_EVERY == 0:
            check()
        yield item


class Clash(NamedTuple):
    """Two paths, by their places in the list, that cannot both be files on a disk; ``how`` is said of the second."""

    first: int
    second: int
    how: str


def clash(
    paths: Sequence[str],
    check: Callable[[], None] = lambda: None,
    endings: Sequence[str] = (".part",),
) -> Clash | None:
    """The first two that meet, or of which one is a file and the other needs a folder there; None where none do.

    ``paths``: those of folders end in ``/``. ``endings``: what is added to a name while the file is written.
    ``check`` is called again and again, and may raise.
    """
    # "/" becomes the smallest letter, so that what lies in a folder stands right behind its name in order
    keys = [folded(path).replace("/", "\0") for path in checking(paths, check)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    before, file = -1, -1
    for at in checking(order, check):
        if before >= 0 and keys[before] == keys[at]:
            return Clash(min(before, at), max(before, at), "the name is taken by")
        if file >= 0 and keys[at].startswith(keys[file] + "\0"):
            return Clash(file, at, "a file and a folder at once:")
        before, file = at, -1 if paths[at].endswith("/") else at
    for at in checking(order, check):
        for ending in endings:
            if keys[at].endswith(ending):
                whole = keys[at].removesuffix(ending)
                found = bisect_left(order, whole, key=keys.__getitem__)
                if found < len(order) and keys[order[found]] == whole:
                    return Clash(at, order[found], "while it is written its name is")
    return None
