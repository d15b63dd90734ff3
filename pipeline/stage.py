"""What a stage is: a function from files to files that declares what it reads, makes and depends on.

The runner does everything else: it decides (run, skip, stale — and why), locks the root, gives the stage a
staging folder, and writes the receipt last. A stage module defines one ``STAGE``; stages never import each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, for all stages.

    * root: the data folder, ``coco-data`` unless told
    * splits: any of ``train``, ``val``, ``test``
    * workers: processes (or threads) that a stage may use
    * options: what single stages understand beside that (mirror, classes, thorough, …), by name
    """

    root: Path
    splits: tuple[str, ...] = ("train", "val")
    workers: int = 4
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """What went in and what became of it; ``taken_in == kept + sum(dropped.values())`` or the stage fails."""

    taken_in: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def drop(self, reason: str, count: int = 1) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a running stage gets.

    * settings: what the user asked for
    * staging: a folder below ``root/.pipeline`` of this stage alone; kept when the stage is killed, so that it
      can resume, and removed after it has succeeded
    * say: prints a line for people (the progress bar is moved out of the way)
    * should_stop: true after SIGINT or SIGTERM; a stage asks it between items and raises ``Interrupted``
    """

    settings: Settings
    staging: Path
    say: Callable[[str], None]
    should_stop: Callable[[], bool]

    @property
    def root(self) -> Path:
        return self.settings.root


class Interrupted(Exception):
    """A stage stopped between two items because it was asked to; what it has done so far is kept."""


class StageError(Exception):
    """A stage cannot continue. ``what`` is wrong, ``why``, and how to ``fix`` it: three lines for people."""

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  fix: {fix}")
        self.what, self.why, self.fix = what, why, fix


class NoSuchChoice(StageError):
    """What was chosen on the command line cannot be had in this root, and is not remembered for it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    * name: as typed, ``validate_images``
    * summary: one line for ``python -m pipeline list``
    * version: raised when the same input would give another output; receipts of older versions are stale
    * after: the stages whose outputs it reads
    * inputs, outputs: paths relative to the root (files; a folder means the tree below it)
    * params: what changes the result and is no file; plain JSON
    * run: does the work, publishes its outputs, returns the counts
    * disposable: inputs that nobody needs any more once the stage is done; removing them makes nothing stale
    * takes_over: whether what is under an output that no note of ours claims is what the stage would put there
    * proves: outputs whose every file the stage checks and replaces by itself; the runner puts none of them aside
    * not_needed: why there is nothing for the stage to do in this root at all; None where there is
    * sometimes: outputs that are made only where there is something to put into them
    * doubt: why what the stage found, by its notes of the last time, may not hold any more although no file has changed
    """

    name: str
    summary: str
    version: int
    after: tuple[str, ...]
    inputs: Callable[[Settings], Iterable[str]]
    outputs: Callable[[Settings], Iterable[str]]
    params: Callable[[Settings], dict[str, Any]]
    run: Callable[[StageContext], Counts]
    disposable: Callable[[Settings], Iterable[str]] = lambda settings: ()
    takes_over: Callable[[Settings, str, Callable[[], bool]], bool] = lambda settings, path, should_stop: (
        False
    )
    proves: Callable[[Settings], Iterable[str]] = lambda settings: ()
    not_needed: Callable[[Settings], str | None] = lambda settings: None
    doubt: Callable[[Settings, dict[str, Any]], str | None] = lambda settings, notes: None
    sometimes: Callable[[Settings], Iterable[str]] = lambda settings: ()
