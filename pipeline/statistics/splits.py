"""The arrays of each split, opened for questions; no image and no annotation file is read."""

from __future__ import annotations

from argparse import Namespace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.command import next_step
from pipeline.stage import Settings, StageError
from vision.artefacts.arrays.mapped import ANNOTATION_IDS, map_arrays, read_record
from vision.artefacts.data_layout import arrays_path, root_meant
from vision.artefacts.records import RecordError
from vision.images.formats import STORED
from vision.messages.advice import command, quoted, shown
from vision.messages.system_errors import in_words, instead_of


class Split:
    """I images and B boxes of one split; a box belongs to the image ``image_of_box`` (B,) int64, its place in the arrays.

    ``objects`` (B,) bool: the boxes that are no crowd region.
    """

    def __init__(self, root: Path, name: str) -> None:
        folder = root / arrays_path(name)
        self.name, self.record = name, read_record(folder)
        self.arrays = map_arrays(folder, self.record, ANNOTATION_IDS)
        self.classes: list[str] = self.record.classes[1:]
        self.folder = root / self.record.image_folder
        self.boxes_an_image = np.diff(self.arrays["first_box"])
        self.image_of_box = np.repeat(np.arange(len(self)), self.boxes_an_image)
        self.objects = ~self.arrays["is_crowd"]

    def __len__(self) -> int:
        return len(self.arrays["image_ids"])

    @cached_property
    def file_names(self) -> list[str]:
        return [bytes(name).decode() for name in self.arrays["file_names"].tolist()]

    def orientation(self, image: int) -> int:
        """EXIF's, where it is applied; 1: the frame as stored."""
        return int(self.arrays["orientations"][image]) if "orientations" in self.arrays else STORED

    def wh_of(self, image: int) -> tuple[int, int]:
        return int(self.arrays["widths"][image]), int(self.arrays["heights"][image])

    def image_row(self, image: int) -> dict[str, Any]:
        """What says which image it is."""
        return {
            "split": self.name,
            "image_id": int(self.arrays["image_ids"][image]),
            "file_name": self.file_names[image],
        }

    def box_row(self, box: int) -> dict[str, Any]:
        """What says which box of which image it is."""
        return self.image_row(int(self.image_of_box[box])) | {
            "annotation_id": int(self.arrays[ANNOTATION_IDS][box]),
            "class": self.classes[int(self.arrays["labels"][box]) - 1],
            "box_xyxy_px": [round(float(side), 2) for side in self.arrays["boxes_xyxy_px"][box]],
        }


def open_splits(settings: Settings) -> list[Split]:
    """Those of the settings. Raises StageError where the stages have not made their arrays, or these are damaged."""
    root = settings.root
    if not root.is_dir():
        meant = root_meant(root)
        fix = f"name the data folder that is there: {quoted(meant)}" if meant else "check the path"
        raise StageError(instead_of("folder", root), "the data should be there", fix)
    splits = []
    for name in settings.splits:
        folder = root / arrays_path(name)
        try:
            splits.append(Split(root, name))
        except (FileNotFoundError, NotADirectoryError) as error:
            if (folder / "arrays.json").exists():
                raise _damaged(folder, in_words(error), root) from None
            raise StageError(
                f"{shown(folder)}: there are no arrays of the split {name!r}",
                "the index stage makes them, and it has not run for this split",
                f"run the stages: {next_step.run_again(Namespace(root=root, splits=settings.splits), settings)}",
            ) from None
        except (OSError, ValueError, RecordError) as error:
            raise _damaged(folder, in_words(error), root) from None
    if len({tuple(split.classes) for split in splits}) > 1:
        again = command("python -m pipeline run", "--root", root, "--from", "remap_categories", "--force")
        raise StageError(
            f"{shown(root)}: the splits have other classes",
            "they were made at different times, from different maps",
            f"make them from one map: {again}",
        )
    return splits


def _damaged(folder: Path, problem: str, root: Path) -> StageError:
    again = command("python -m pipeline.index", "--root", root, "--force")
    return StageError(f"{shown(folder)}: the arrays are damaged", problem, f"make them again: {again}")
