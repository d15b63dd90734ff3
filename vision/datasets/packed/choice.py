"""Which images a run is fed with: ``jpeg``, the image files, or a pack's name, ``yuv420-384``, that every data root of the run has;
``device:yuv420-384`` where the device makes them of a raw pack.

``auto``, ``pack`` and ``device`` are what a user types; what they mean is settled once, when a run begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vision.artefacts.arrays.mapped import read_record
from vision.artefacts.data_layout import PACKS, arrays_path
from vision.artefacts.records import RecordError
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.packed.detection import JPEG_FEED, PackedDetection
from vision.images.packs.record import DEFAULT_FORMAT, list_digest, read_pack_record
from vision.messages.advice import command, shown
from vision.messages.command_line import listed

AUTO_FEED, PACK_FEED, DEVICE_FEED = "auto", "pack", "device"
ON_DEVICE = f"{DEVICE_FEED}:"
"""Before the name of a pack whose records become images on the device."""
GREY = "grey"


def train_set(feed: str) -> Callable[[str | Path], CocoDetection]:
    """What opens the train split of a data root, fed from ``feed``; it raises DatasetError."""
    if feed == JPEG_FEED:
        return CocoDetection
    return partial(PackedDetection, split="train", name=feed.removeprefix(ON_DEVICE))


def is_on_device(feed: str) -> bool:
    return feed.startswith(ON_DEVICE)


def pack_px(feed: str) -> int | None:
    """Of the pack that ``feed`` names: both sides of a raw image, the longer one of a JPEG; None for the image files."""
    size = feed.rpartition("-")[2]
    return int(size) if size.isdigit() else None


def difference(before: str | None, after: str) -> str:
    """What another ``--feed`` changes, in words: order, draws and boxes it does not."""
    same = (before or "").removeprefix(ON_DEVICE) == after.removeprefix(ON_DEVICE)
    pixels = (
        "are rounded otherwise, by less than 1 of 255 in the mean"
        if same
        else "are of another size or coding"
    )
    return f"the same images, windows, colours and boxes; pixels {pixels}"


@dataclass(frozen=True, slots=True)
class Feed:
    """``jpeg`` or a pack's name, and why it is that one."""

    name: str
    why: str


def choose(asked: str, roots: Sequence[str | Path], channels: int, gpu: bool = False) -> Feed:
    """What ``--feed`` means for a run on ``roots`` of a net that looks at ``channels``. Raises DatasetError.

    ``auto``: the pack, where all roots have one of their images and it is the only one that fits the net; on the device where that
    is a ``gpu`` and the pack raw. A CPU makes images faster by OpenCV.
    """
    usable = [name for name in _common(roots) if channels == 1 or not name.startswith(GREY)]
    if asked == JPEG_FEED:
        return Feed(JPEG_FEED, "the image files, as --feed jpeg says")
    if asked == DEVICE_FEED:
        usable = list(filter(_is_raw, usable))
    elif asked not in (AUTO_FEED, PACK_FEED):
        if channels != 1 and asked.removeprefix(ON_DEVICE).startswith(GREY):
            raise DatasetError(
                f"--feed {asked}: a grey pack\n  why: the net looks at {channels} channels\n"
                f"  fix: --channels 1, another pack, or --feed {JPEG_FEED}"
            )
        name = asked.removeprefix(ON_DEVICE)
        without = [root for root in roots if name not in packs_of(Path(root))]
        if len(without) > 1:  # of a single one its opening says more
            pack_format, _, size = name.partition("-")
            raise _not_there(asked, without, "--format", pack_format, "--size", size)
        return Feed(asked, f"the pack {asked}, as --feed says")
    if len(usable) == 1 and (asked == DEVICE_FEED or (asked == AUTO_FEED and gpu and _is_raw(usable[0]))):
        how = "it is raw, and there is a GPU" if asked == AUTO_FEED else "as --feed device says"
        return Feed(
            ON_DEVICE + usable[0],
            f"the pack {usable[0]}, made into images on the device: {how}; --feed {usable[0]} makes them on the CPU",
        )
    if len(usable) == 1:
        how = "it is there" if asked == AUTO_FEED else "as --feed pack says"
        return Feed(
            usable[0],
            f"the pack {usable[0]} in place of the image files: {how}; --feed {JPEG_FEED} reads those",
        )
    if asked == AUTO_FEED:
        why = (
            f"several packs are there, and none is named; --feed takes one of {', '.join(usable)}" if usable
            else f"there is no pack of them; one spares the decoding: {_made(roots)}"
        )  # fmt: skip
        return Feed(JPEG_FEED, f"the image files: {why}")
    if usable:
        raise DatasetError(
            f"--feed {asked}: there are several\n  why: {listed(usable, 5)}\n"
            f"  fix: name one, such as --feed {ON_DEVICE if asked == DEVICE_FEED else ''}{usable[0]}"
        )
    raise _not_there(asked, roots, *(("--format", DEFAULT_FORMAT) if asked == DEVICE_FEED else ()))


def _not_there(asked: str, roots: Sequence[str | Path], *more: str) -> DatasetError:
    kind = "raw pack" if asked == DEVICE_FEED else "pack"
    return DatasetError(
        f"--feed {asked}: no {kind} that {'all of the data roots have' if len(roots) > 1 else 'is of the images there'}\n"
        f"  why: looked for in {', '.join(shown(Path(root) / PACKS) for root in roots)}\n  fix: {_made(roots, *more)}"
    )


def _made(roots: Sequence[str | Path], *more: str) -> str:
    return " && ".join(command("python -m pipeline.pack", "--root", Path(root), *more) for root in roots)


def _is_raw(name: str) -> bool:
    return not name.startswith(JPEG_FEED)


def _common(roots: Sequence[str | Path]) -> list[str]:
    """The packs that each of ``roots`` has of the images that its arrays list."""
    found = [packs_of(Path(root)) for root in roots]
    return [name for name in found[0] if all(name in each for each in found)]


def packs_of(root: Path) -> list[str]:
    """Names of the packs in ``root`` that are of the images its arrays list."""
    try:
        wanted: Any = list_digest(read_record(root / arrays_path("train")))
    except (OSError, RecordError):
        return []
    names = []
    for folder in sorted((root / PACKS).glob("train2017.*-*")):
        try:
            record = read_pack_record(folder)
        except (OSError, RecordError):
            continue
        if record.list_sha256 == wanted and folder.name == f"train2017.{record.format}-{record.size}":
            names.append(folder.name.removeprefix("train2017."))
    return names
