"""COCO as the data stages leave it: flat arrays mapped into memory, images decoded when they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vision.artefacts.arrays.mapped import map_arrays, read_record
from vision.artefacts.data_layout import ArraysRecord, arrays_path
from vision.artefacts.records import RecordError
from vision.core.sample import Objects, Sample, ragged_rows
from vision.datasets import root_advice
from vision.datasets.contract import DatasetError, SampleError
from vision.images.decode import BadImage, decode_rgb, orientation_of
from vision.images.formats import STORED
from vision.messages.advice import command
from vision.messages.system_errors import in_words, instead_of, reason


class CocoDetection:
    """One split of a data root.

    Opening costs milliseconds at any size; worker processes share the mapped pages. Images that the validation
    rejected are not in it, images without boxes are.

    :param root: the data root, ``coco-data``
    :param split: ``train`` or ``val``
    :raises DatasetError: where the split's arrays are missing or do not fit each other
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root, self.split = Path(root), split
        self.arrays_folder = self.root / arrays_path(split)
        self._record = _read_record(self.arrays_folder, self.root, split)
        self.classes: list[str] = self._record.classes
        self.original_category_ids: list[int] = self._record.original_category_ids
        self.image_folder = self.root / self._record.image_folder
        self._map_arrays()

    def _map_arrays(self) -> None:
        try:
            self._arrays = map_arrays(self.arrays_folder, self._record)
        except (OSError, ValueError) as error:
            raise _damaged(self.arrays_folder, in_words(error), self.root) from None

    def __getstate__(self) -> dict[str, Any]:
        """Without the arrays: pickled, a mapped array would travel as its bytes to every worker."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_arrays", "image_ids")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map_arrays()

    def __len__(self) -> int:
        return len(self._arrays["image_ids"])

    @cached_property
    def image_ids(self) -> list[int]:
        return list(self._arrays["image_ids"].tolist())

    @property
    def parts(self) -> list[CocoDetection]:
        """Itself, as the one part of a set of several."""
        return [self]

    @property
    def digest(self) -> str:
        """sha256 over classes, boxes and names; not over the pixels, whose digests the stages keep."""
        defining = asdict(self._record)
        for source in ("annotations", "annotations_sha256"):  # they also change with what nothing is made of
            del defining[source]
        return hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """``images``, ``boxes``, and ``upright``: the images that EXIF turns (``--exif apply``)."""
        turned = self._arrays.get("orientations", np.empty(0))
        return {
            "images": len(self),
            "boxes": len(self._arrays["labels"]),
            "upright": int((turned != STORED).sum()),
        }

    def path(self, index: int) -> Path:
        """The image's file."""
        return self.image_folder / bytes(self._arrays["file_names"][index]).decode()

    def describe(self, index: int) -> str:
        return f"{self.path(index)} (image id {self._arrays['image_ids'][index]})"

    def columns(self, *names: str) -> list[np.ndarray]:
        """Whole arrays by name (docs/house.md), mapped and read-only: for statistics over all boxes."""
        return [self._arrays[name] for name in names]

    def boxes_of(self, index: int) -> slice:
        """The rows of this image's boxes in the arrays."""
        first, end = self._arrays["first_box"][index : index + 2].tolist()
        return slice(first, end)

    def load(self, index: int) -> Sample:
        """The image in the frame of its boxes: as stored, or as its EXIF orientation turns it.

        Raises SampleError for an image that is missing, broken or of another size than its boxes mean.
        """
        return self._sample(index, self.pixels(index))

    def pixels(self, index: int) -> np.ndarray:
        """The image of ``load``; raises as it does."""
        image, frame_hw = self._read(index), self._frame(index)
        if image.shape[:2] != frame_hw:
            raise SampleError(
                f"{self.describe(index)}: {image.shape[1]}×{image.shape[0]} px, but its boxes are for "
                f"{frame_hw[1]}×{frame_hw[0]} px\n  fix: {root_advice.image_changed(self.root)}"
            )
        return image

    def objects(self, indices: Sequence[int]) -> Objects:
        """All but the images of ``load``, of several images together."""
        arrays, which = self._arrays, np.array(indices, np.int64)
        rows, counts = ragged_rows(arrays["first_box"], which)
        frames_hw = np.stack([arrays["heights"][which], arrays["widths"][which]], axis=1).astype(np.int64)
        return Objects(
            frames_hw=frames_hw,
            original_hw=frames_hw,
            first_box=np.concatenate([[0], np.cumsum(counts)]),
            boxes_xyxy_px=arrays["boxes_xyxy_px"][rows],
            labels=arrays["labels"][rows],
            is_crowd=arrays["is_crowd"][rows],
            image_ids=arrays["image_ids"][which],
            unlabelled=((),) * len(which),
        )

    def _frame(self, index: int) -> tuple[int, int]:
        """Height and width in px that the boxes are measured in."""
        return int(self._arrays["heights"][index]), int(self._arrays["widths"][index])

    def _sample(self, index: int, image: np.ndarray) -> Sample:
        """``image``, which shows all of the frame, with its objects."""
        arrays, own, frame_hw = self._arrays, self.boxes_of(index), self._frame(index)
        return Sample(
            image=image,
            boxes_xyxy_px=np.array(arrays["boxes_xyxy_px"][own]),
            labels=np.array(arrays["labels"][own]),
            is_crowd=np.array(arrays["is_crowd"][own]),
            area=np.array(arrays["area"][own]),
            image_id=int(arrays["image_ids"][index]),
            original_hw=frame_hw,
            frame_hw=None,
        )

    def _orientation(self, index: int) -> int:
        """EXIF's, where it is to be applied; 1: the frame as stored."""
        return int(self._arrays["orientations"][index]) if "orientations" in self._arrays else STORED

    def _read(self, index: int) -> np.ndarray:
        checked = self._orientation(index)
        try:
            data = self.path(index).read_bytes()
            now = STORED if checked == STORED else orientation_of(data)
            if now == checked:
                return decode_rgb(data, upright=checked != STORED)
            fix, problem = root_advice.image_changed(self.root), f"EXIF orientation {now}, was {checked}"
        except FileNotFoundError:
            fix, problem = root_advice.image_gone(self.root), "no such file"
        except OSError as error:
            fix, problem = root_advice.image_gone(self.root), f"cannot be read: {reason(error)}"
        except BadImage as error:
            fix, problem = root_advice.image_changed(self.root), f"broken image: {error.reason}"
        raise SampleError(f"{self.describe(index)}: {problem}\n  fix: {fix}")


def _damaged(folder: Path, problem: str, root: Path) -> DatasetError:
    again = command("python -m pipeline.index", "--root", root, "--force")
    return DatasetError(f"{folder}: the arrays are damaged: {problem}\n  fix: {again}")


def _read_record(folder: Path, root: Path, split: str) -> ArraysRecord:
    try:
        return read_record(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(_missing(folder, root, split)) from None
    except (OSError, RecordError) as error:
        raise _damaged(folder, in_words(error), root) from None


def _missing(folder: Path, root: Path, split: str) -> str:
    if not root.is_dir():
        fix = root_advice.root_wanted(root)
        return f"{instead_of('folder', root)}\n  why: the data should be there\n  fix: {fix}"
    return (
        f"{folder}: no arrays of the split {split!r} here; the index stage makes them\n"
        f"  fix: {root_advice.arrays_wanted(root, split)}"
    )
