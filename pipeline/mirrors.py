"""Which mirror of a file is asked next, and which can not go on with what is already here."""

from __future__ import annotations

from collections.abc import Iterable


class Mirrors:
    """Urls in order of preference, one of them current. Connections share it; each says which url it speaks of."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = list(dict.fromkeys(urls))
        self._current = 0
        self._barred: set[str] = set()

    @property
    def current(self) -> str:
        return self.urls[self._current]

    @property
    def usable(self) -> int:
        """How many may still go on with what is here."""
        return len(self.urls) - len(self._barred)

    @property
    def some_are_barred(self) -> bool:
        return bool(self._barred)

    def leave(self, url: str) -> None:
        """The next one that can go on, unless another connection has already gone there."""
        if self.current == url:
            order = [(self._current + 1 + n) % len(self.urls) for n in range(len(self.urls))]
            self._current = next((n for n in order if self.urls[n] not in self._barred), order[0])

    def bar(self, url: str) -> bool:
        """``url`` can not go on with what is here and is not asked again; False where no other one is left."""
        self._barred.add(url)
        self.leave(url)
        return self.usable > 0

    def begin_anew(self) -> None:
        """Nothing is here any more: those that could not go on may begin, they first, since the others have failed."""
        if self._barred and self.usable:
            self._current = min(self.urls.index(url) for url in self._barred)
        self._barred.clear()
