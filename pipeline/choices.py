"""What was chosen for a root the last time: so that ``status`` and a later ``run`` need not be told again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.release import COCO_2017, Release, release_of
from pipeline.stage import SPLITS, Settings, StageError
from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, from_plain, read_json, to_plain

CHOICES = ".pipeline/choices.json"


@dataclass(frozen=True, slots=True)
class Choices:
    """The splits and the whole release table, since its file may be gone the next time."""

    splits: tuple[str, ...] = ("train", "val")
    release: Release = COCO_2017

    def __post_init__(self) -> None:
        if not self.splits or list(self.splits) != [split for split in SPLITS if split in self.splits]:
            raise ValueError(f"splits: some of {', '.join(SPLITS)} in this order, found {list(self.splits)}")


def read(root: Path) -> Choices:
    """The choices noted in ``root``; COCO 2017's train and val where there are none.

    Raises:
        StageError: the file is there but damaged.
    """
    path = root / CHOICES
    try:
        return from_plain(Choices, read_json(path), str(path))
    except FileNotFoundError:
        return Choices()
    except RecordError as error:
        raise StageError(
            f"{path} is damaged", str(error), "remove it; --release and --splits say it again"
        ) from error


def write(settings: Settings) -> None:
    """Notes the choices of a run, when they are others than those noted."""
    chosen = Choices(settings.splits, release_of(settings))
    if not (settings.root / CHOICES).exists() or read(settings.root) != chosen:
        publish_json(settings.root / CHOICES, to_plain(chosen))
