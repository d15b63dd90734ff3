"""What a deliberate fault is: one wrong character, number or call, and the tests of its room that have to notice it.

``old`` is exactly once in ``file`` (tests/benchmarks/deliberate_faults/test___main__.py asks for it, so that a fault moves
along when its line does).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """``old`` → ``new`` in ``file``; ``tests`` are what pytest is given. ``quick``: one of the short run."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    quick: bool = False

    @property
    def room(self) -> str:
        return self.file.rpartition("/")[0]


def rows(file: str, tests: str, *rows: tuple[str, str, str] | tuple[str, str, str, str]) -> tuple[Fault, ...]:
    """(name, old, new[, tests of its own]) of one file; the first is in the short run."""
    return tuple(
        Fault(row[0], file, row[1], row[2], row[3] if len(row) == 4 else tests, quick=number == 0)
        for number, row in enumerate(rows)
    )
