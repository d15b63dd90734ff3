"""What a stage is: a function from files to files that declares what it reads, makes and depends on.

The runner does everything else: it decides (run, skip, stale — and why), locks the root, gives the stage a
staging folder to fill, publishes what is in it, and writes the receipt last. A stage module defines one ``STAGE``; stages never import each other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.release import COCO_2017, Release, ReleaseFile
from pipeline.stop import Interrupted as Interrupted
from pipeline.stop import NoSuchChoice as NoSuchChoice
from pipeline.stop import StageError as StageError
from pipeline.stop import Stop
from vision.artefacts.data_layout import DEFAULT_ROOT, SPLITS
from vision.images.formats import EXIF_CHOICES
from vision.images.packs.record import DEFAULT_FORMAT, LARGEST, SIZES, SMALLEST


@dataclass(frozen=True, slots=True)
class Choices:
    """What defines a root, and is remembered for it.

    * splits: any of ``train``, ``val``, ``test``
    * release: the whole table, since its file may be gone the next time; mirror: () for the release's own server
    * classes: the names that are kept, None for all
    * min_area, max_area: px² of an object (of its mask, in the original image); an image is kept that has one of the
      classes in between, bounds included, with all its boxes of the classes. None for no bound, both None for all images
    * thorough: whether a second decoder checks every image, too
    * own: images and annotations are the owner's; nothing is fetched (until a release is named)
    * pack_format, pack_size: of the packs that the trainer reads in place of the images (``vision.images.packs``); no format: none is
      made, no size: that of the format; pack_splits: those of the splits that are packed, None for all, see ``packed_splits``
    * exif: whether images that a camera marked as turned are used as stored or upright; ``vision.images.frame``
    """

    splits: tuple[str, ...] = ("train", "val")
    release: Release = COCO_2017
    classes: tuple[str, ...] | None = None
    thorough: bool = False
    mirror: tuple[str, ...] = ()
    keep_archives: bool = True
    own: bool = False
    exif: str = EXIF_CHOICES[0]
    min_area: float | None = None
    max_area: float | None = None
    pack_format: str | None = None
    pack_size: int | None = None
    pack_splits: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, value in (("splits", self.splits), ("pack_splits", self.pack_splits)):
            if value is not None and (not value or list(value) != [one for one in SPLITS if one in value]):
                raise ValueError(f"{name}: some of {', '.join(SPLITS)} in this order, found {list(value)}")
        if self.classes is not None and not (self.classes and all(map(str.strip, self.classes))):
            raise ValueError(f"classes: names, or null for all, found {list(self.classes)}")
        if self.exif not in EXIF_CHOICES:
            raise ValueError(f"exif: one of {', '.join(EXIF_CHOICES)}, found {self.exif!r}")
        if self.areas and not 0 <= self.areas[0] <= self.areas[1]:
            raise ValueError(f"min_area {self.min_area} and max_area {self.max_area}: expected 0 ≤ min ≤ max")

        if self.pack_format not in (None, *SIZES):
            raise ValueError(
                f"pack_format: one of {', '.join(SIZES)}, or null for none, found {self.pack_format!r}"
            )
        if self.packed_px % 2 or not SMALLEST <= self.packed_px <= LARGEST:
            raise ValueError(f"pack_size: even, from {SMALLEST} to {LARGEST} px, found {self.pack_size}")

    @property
    def packed_px(self) -> int:
        """The size of packed images; that of the format where none is chosen."""
        return self.pack_size or SIZES[self.pack_format or DEFAULT_FORMAT]

    @property
    def packed_splits(self) -> tuple[str, ...]:
        """The splits of the root that are packed; () where it has none any more of those that were named."""
        return tuple(split for split in self.splits if self.pack_splits is None or split in self.pack_splits)

    @property
    def areas(self) -> tuple[float, float] | None:
        """Least and largest px², infinite for no bound; None where images are not selected."""
        if self.min_area is None and self.max_area is None:
            return None
        return self.min_area or 0.0, math.inf if self.max_area is None else self.max_area

    def files(self) -> list[ReleaseFile]:
        """What of the release belongs to the splits. Raises StageError where it has no images of one."""
        return self.release.needed(self.splits)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, for all stages. The one place of every default.

    * root: the data folder; choices: what defines it
    * workers: processes (or threads) that a stage may use
    * connections, parallel: a file, and files at a time, that are downloaded
    * accept_missing: leave out images that are missing or cannot be read, however many
    * have: a folder in which files of the release may be already; None for none
    """

    root: Path = Path(DEFAULT_ROOT)
    choices: Choices = Choices()
    workers: int = field(default_factory=_cores)
    connections: int = 4
    parallel: int = 2
    accept_missing: bool = False
    have: Path | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        return self.choices.splits


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
class Last:
    """The last time that the stage was finished: version, parameters and inputs still hold, and the outputs but ``lost``."""

    counts: Counts
    lost: frozenset[str]


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a running stage gets.

    * settings: what the user asked for
    * staging: a folder below ``root/.pipeline`` of this stage alone, to be filled: what is there under the path of an
      output is moved into the root. Kept when the stage is killed, so that it can resume, and removed after it has
      succeeded
    * say: prints a line for people (the progress bar is moved out of the way)
    * stop: a stage calls ``stop.check()`` between items, which raises ``Interrupted`` after SIGINT or SIGTERM
    * inputs: SHA-256 of each input that is there; that they stay so while the stage works is the runner's affair
    * last: what still holds of the last time; None where nothing does, or all is to be made again
    """

    settings: Settings
    staging: Path
    say: Callable[[str], None]
    stop: Stop
    last: Last | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.settings.root


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    * name: as typed, ``validate_images``
    * summary: one line for ``python -m pipeline list``
    * version: raised when the same input would give another output; receipts of older versions are stale
    * after: the stages whose outputs it reads
    * inputs, outputs: paths relative to the root (files; a folder means the tree below it)
    * params: what changes the result and is no file; plain JSON
    * run: does the work, puts its outputs into the staging folder, returns the counts
    * disposable: inputs that nobody needs any more once the stage is done; removing them makes nothing stale
    * takes_over: whether what is under an output that no note of ours claims is what the stage would put there
    * proves: outputs whose every file the stage checks and replaces by itself; the runner puts none of them aside, and the stage may give them their names itself
    * not_needed: why there is nothing for the stage to do in this root at all; None where there is
    * sometimes: outputs that are made only where there is something to put into them
    * unasked: why an optional stage is not made in this root, where nobody has asked for it; None where somebody has
    * alone: the settings of a run that names this stage and no other, by which an optional one is asked for
    * keeps: a file of its staging folder that outlives success and another plan, since each line of it says which file it
      is about; "" for none. With --force it begins anew
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
    takes_over: Callable[[Settings, str, Stop], bool] = lambda settings, path, stop: False
    proves: Callable[[Settings], Iterable[str]] = lambda settings: ()
    not_needed: Callable[[Settings], str | None] = lambda settings: None
    doubt: Callable[[Settings, dict[str, Any]], str | None] = lambda settings, notes: None
    unasked: Callable[[Settings], str | None] = lambda settings: None
    alone: Callable[[Settings], Settings] = lambda settings: settings
    sometimes: Callable[[Settings], Iterable[str]] = lambda settings: ()
    keeps: str = ""
