"""The address of a file on a mirror; which mirror is asked next, and which cannot resume the partial file."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlsplit


class Mirrors:
    """Urls in order of preference, one of them current. Connections share it; each says which url it speaks of."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = list(dict.fromkeys(urls))
        self._current = 0
        self._barred: set[str] = set()
        self._dead: set[str] = set()

    @property
    def current(self) -> str:
        return self.urls[self._current]

    @property
    def usable(self) -> int:
        """How many may still resume the partial file."""
        return len(self.urls) - len(self._barred | self._dead)

    @property
    def some_are_barred(self) -> bool:
        return bool(self._barred - self._dead)

    def leave(self, url: str) -> None:
        """The next one that can resume, unless another connection has already gone there."""
        if self.current == url:
            order = [(self._current + 1 + n) % len(self.urls) for n in range(len(self.urls))]
            out = self._barred | self._dead
            self._current = next((n for n in order if self.urls[n] not in out), order[0])

    def bar(self, url: str) -> bool:
        """``url`` cannot resume the partial file and is not asked again; False where no other one is left."""
        self._barred.add(url)
        self.leave(url)
        return self.usable > 0

    def drop(self, url: str) -> bool:
        """``url`` will never give anything and is not asked again, ever; False where all are like that."""
        self._dead.add(url)
        self.leave(url)
        return len(self._dead) < len(self.urls)

    def begin_anew(self) -> None:
        """Nothing is here any more: those that could not resume may begin, they first, since the others have failed."""
        again = self._barred - self._dead
        if again:
            first = self.usable > 0 or self.current in self._dead
            self._current = min(self.urls.index(url) for url in again) if first else self._current
        self._barred.clear()


def below(server: str, path: str) -> str:
    """The address of the file ``path`` on a mirror; a query of the mirror, such as a signature, stays behind it."""
    parts = urlsplit(server)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(path)}", fragment="").geturl()
