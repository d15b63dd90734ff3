"""What ends a stage early."""

from __future__ import annotations


class Interrupted(Exception):
    """A stage stopped between two items because it was asked to; what it has done so far is kept."""


class StageError(Exception):
    """A stage cannot continue. ``what`` is wrong, ``why``, and how to ``fix`` it: three lines for people."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  fix: {fix}")
        self.what, self.why, self.fix = what, why, fix


class NoSuchChoice(StageError):
    """What was chosen on the command line cannot be had in this root, and is not remembered for it."""
