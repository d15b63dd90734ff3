"""Tables → choice → images → tables of what is here: everything that one command does, in its order."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data_root import receipts
from pipeline.data_root.lock import root_lock
from pipeline.data_root.receipts import Receipt, Recorded
from pipeline.open_images import statistics
from pipeline.open_images.boxes import Boxes, read_boxes
from pipeline.open_images.classes import labels_of, read_descriptions
from pipeline.open_images.made import LOCK, RECEIPT, Made
from pipeline.open_images.release import (
    CACHE,
    DESCRIPTIONS,
    IMAGE_BYTES,
    MADE_COLUMNS,
    SPLITS,
    damaged,
    image_name,
    made_name,
    table_addresses,
    table_name,
)
from pipeline.open_images.selection import limit_boxes, limit_images, shares
from pipeline.space import require_space
from pipeline.stop import StageError, Stop
from pipeline.transfer.progress import Progress, size
from vision.artefacts.data_layout import import_root, is_data_root
from vision.artefacts.files import atomic_publish, publish_json, remove_stale_temporaries, sha256_of
from vision.artefacts.log import line
from vision.artefacts.records import to_plain
from vision.artefacts.targets import require_file_place
from vision.messages.addresses import redacted
from vision.messages.advice import command, shown
from vision.messages.terminal import clock_time, counted

if TYPE_CHECKING:
    from pipeline.open_images.images import Images

FAILURES = "failed_images.jsonl"
VERSION = 1
RATE = 10e6
"""Bytes/s that the time is told for where nothing has been measured."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for.

    * classes: names of the release; root: the folder to fill
    * max_images: over all splits; max_boxes: of a class in a split; None for all
    * depictions: with drawings of the object; overlapped: without single boxes that a group box covers
    * workers: images at a time; tries: of a file, for each mirror; mirrors: () for the release's own hosts
    """

    classes: tuple[str, ...]
    root: Path
    max_images: int | None = None
    max_boxes: int | None = None
    depictions: bool = False
    remove_overlapped: bool = False
    stats_only: bool = False
    workers: int = 10
    tries: int = 10
    seed: int = 0
    mirrors: tuple[str, ...] = ()


def download(request: Request, say: Say, stop: Stop) -> None:
    """Raises StageError, NotReplaced for files of the owner's under our names, Interrupted; the same call resumes."""
    import requests  # noqa: F401  # where it is missing that is said before a folder is made

    root = request.root
    if is_data_root(root):
        raise StageError(
            f"{shown(root)} is a data root of the stages",
            "what is downloaded here is a source for an import, with other folders and files",
            "name another --root",
        )
    with root_lock(root, wait=True, say=say, stop=stop, name=LOCK), Made(root) as made:
        _Download(request, made, say, stop).run()


class _Download:
    """One run, under the lock."""

    def __init__(self, request: Request, made: Made, say: Say, stop: Stop) -> None:
        self.request, self.made, self.say, self.stop = request, made, say, stop
        self.root = request.root
        self.began = time.monotonic()
        self.outputs = [*map(made_name, SPLITS), FAILURES]
        self.rate = RATE
        self.digests: dict[str, str] = {}
        """Of tables in the cache, as they were read."""

    def run(self) -> None:
        for folder in (self.root, self.root / CACHE, *(self.root / split for split in SPLITS)):
            remove_stale_temporaries(folder)
        if not self.request.stats_only:
            self._require_ours()
        labels = labels_of(self.request.classes, read_descriptions(self._table(DESCRIPTIONS)), self.say)
        found = {split: self._boxes(split, labels) for split in SPLITS}
        chosen = self._chosen(found)
        for text in statistics.table(found, chosen):
            self.say(text)
        if self.request.stats_only:
            return
        if not any(chosen.values()):
            raise StageError(
                "there is no image to download",
                "the options leave no image with a box of these classes",
                "name other classes, or a larger --max-annotations-per-class; --include-depiction takes drawings, too",
            )
        images = self._images(chosen)
        self._publish(found, chosen, images)
        self._end(images)

    def _require_ours(self) -> None:
        why = "this command has not made it, or it was changed since; it has the name of a table that is to be written"
        self.made.require_ours(self.outputs, why)

    # What is published

    def _table(self, name: str) -> Path:
        """The table in the cache, fetched where it is not there."""
        from pipeline.transfer.fetch import Fetch  # requests takes its time

        path, noted = self.root / CACHE / name, f"{CACHE}/{name}"
        require_file_place(path)
        fetched = not path.exists()
        if fetched:
            addresses, began = table_addresses(name, self.request.mirrors), time.monotonic()
            self.say(f"fetching {redacted(addresses[0])}")
            with Progress(name, None, self.say) as progress:
                Fetch(
                    addresses, None, "", path, progress.update, self.stop, self.say, expect=progress.expect,
                    tries=self.request.tries,
                ).run()  # fmt: skip
            self._measure(path.stat().st_size, time.monotonic() - began)
        if fetched or not self.made.knows(noted):
            self.made.note(noted, sha256_of(path, self.stop.check), sync=True)
        return path

    def _measure(self, count: int, seconds: float) -> None:
        if count >= RATE:
            self.rate = count / max(seconds, 1e-3)

    def _boxes(self, split: str, labels: Mapping[str, str]) -> Boxes:
        request, path = self.request, self._table(table_name(split))
        boxes = read_boxes(
            path, labels, request.depictions, not request.remove_overlapped, self.say, self.stop
        )
        self.digests[f"{CACHE}/{path.name}"] = boxes.sha256
        if not self.made.is_as_noted(f"{CACHE}/{path.name}", boxes.sha256):
            raise damaged(path, "it has changed since it was fetched")
        left = ", ".join(f"{reason} {count:,}" for reason, count in sorted(boxes.dropped.items()))
        self.say(
            f"{path.name}: {counted(boxes.lines, 'row')}, {counted(boxes.count, 'box')} of the classes in "
            f"{counted(len(boxes.images), 'image')}" + (f"; left out: {left}" if left else "")
        )
        for example in boxes.examples:
            self.say(f"  left out: {example}")
        return boxes

    # The choice

    def _chosen(self, found: Mapping[str, Boxes]) -> dict[str, Collection[str]]:
        request, seed = self.request, self.request.seed
        chosen: dict[str, Collection[str]] = {split: boxes.images.keys() for split, boxes in found.items()}
        if request.max_images is not None:
            sizes = shares({split: len(images) for split, images in chosen.items()}, request.max_images)
            chosen = {split: limit_images(found[split].images, sizes[split], seed) for split in found}
        if request.max_boxes is not None:
            most = request.max_boxes
            chosen = {
                split: limit_boxes(found[split].images, images, most, seed)
                for split, images in chosen.items()
            }
        for split, boxes in found.items():
            if len(chosen[split]) < len(boxes.images):
                self.say(
                    f"{split}: {len(chosen[split]):,} of {counted(len(boxes.images), 'image')} taken (seed {seed})"
                )
        return chosen

    # The images

    def _images(self, chosen: Mapping[str, Collection[str]]) -> Images:
        from pipeline.open_images.images import Images  # requests takes its time

        request = self.request
        names = [image_name(split, image) for split in SPLITS for image in sorted(chosen[split])]
        missing = [name for name in names if not os.path.lexists(self.root / name)]
        if here := set(names) - set(missing):
            others = sum(not self.made.knows(name) for name in here)
            own = f", {others:,} of them not brought by this command: they are used, and stay their owner's"
            self.say(f"images: {len(here):,} of {len(names):,} here" + (own if others else ""))
        needed = len(missing) * IMAGE_BYTES
        if missing:
            self.say(
                f"images: {len(missing):,} to fetch, about {size(needed)}; at {size(self.rate)}/s it takes "
                f"{clock_time(needed / self.rate)}"
            )
        require_space(self.root, needed, "for the images", "choose another --root or a smaller --max-images")
        for split in SPLITS:
            (self.root / split).mkdir(exist_ok=True)
        images = Images(
            missing, self.made, request.mirrors, request.workers, request.tries, self.say, self.stop
        )
        images.bring()
        return images

    # What is written

    def _publish(
        self, found: Mapping[str, Boxes], chosen: Mapping[str, Collection[str]], images: Images
    ) -> None:
        self._require_ours()
        rows = 0
        failed: Counter[str] = Counter()
        for split, boxes in found.items():
            here = {image for image in chosen[split] if image_name(split, image) not in images.failed}
            failed["image_failed"] += sum(len(boxes.images[image]) for image in {*chosen[split]} - here)
            rows += self._write(made_name(split), _lines(boxes, here))
        if images.failed:
            self._write(
                FAILURES, (line({"image": name, "reason": why}) for name, why in images.failed.items())
            )
        else:
            (self.root / FAILURES).unlink(missing_ok=True)
        count = sum(boxes.count for boxes in found.values())
        left = sum((boxes.dropped for boxes in found.values()), failed)
        left["not_chosen"] = count - failed["image_failed"] - rows
        self._receipt(rows, {reason: number for reason, number in sorted(left.items()) if number}, images)

    def _write(self, name: str, lines: Iterator[bytes]) -> int:
        """How many lines were written beside the first."""
        path, count = self.root / name, -1
        with atomic_publish(path) as temporary:
            with temporary.open("wb") as file:
                for each in lines:
                    file.write(each)
                    count += 1
            self.made.note(name, sha256_of(temporary), sync=True)
        return count

    def _receipt(self, kept: int, dropped: dict[str, int], images: Images) -> None:
        request = self.request
        params: dict[str, Any] = {
            "classes": list(request.classes), "max_images": request.max_images, "max_boxes": request.max_boxes,
            "depictions": request.depictions, "remove_overlapped": request.remove_overlapped, "seed": request.seed,
        }  # fmt: skip
        notes = {
            "mirrors": list(map(redacted, request.mirrors)), "images_fetched": images.fetched,
            "bytes_fetched": images.bytes, "images_failed": len(images.failed),
        }  # fmt: skip
        inputs = [f"{CACHE}/{name}" for name in (DESCRIPTIONS, *map(table_name, SPLITS))]
        outputs = [name for name in self.outputs if (self.root / name).exists()]
        receipt = Receipt(
            receipts.SCHEMA, "open_images", VERSION, params, self._recorded(inputs), self._recorded(outputs),
            kept + sum(dropped.values()), kept, dropped, notes, round(time.monotonic() - self.began, 3),
            datetime.now(timezone.utc).isoformat(timespec="seconds"), {"python": platform.python_version()},
        )  # fmt: skip
        publish_json(self.root / RECEIPT, to_plain(receipt))

    def _recorded(self, names: list[str]) -> dict[str, Recorded]:
        found = {}
        for name in names:
            path = self.root / name
            facts, sha256 = path.stat(), self.digests.get(name) or sha256_of(path, self.stop.check)
            found[name] = Recorded("file", facts.st_size, 1, sha256, facts.st_mtime_ns, facts.st_ino)
        return found

    def _end(self, images: Images) -> None:
        self.say(
            f"{counted(images.fetched, 'image')} fetched, {size(images.bytes)}, in {clock_time(time.monotonic() - self.began)}"
        )
        if images.failed:
            self.say(
                f"{counted(len(images.failed), 'image')} could not be fetched and are in no table: {shown(self.root / FAILURES)}; "
                "the same command tries them again"
            )
        words = ("--from", "open_images", "--source", self.root, "--root", import_root(self.root))
        drawings = ("--include-depiction",) if self.request.depictions else ()
        self.say("next: " + command("python -m pipeline.import_data", *words, *drawings))
        self.say(
            "training: the import prints its command at the end, because it depends on how many images the import keeps"
        )


def _lines(boxes: Boxes, here: Collection[str]) -> Iterator[bytes]:
    yield ",".join(MADE_COLUMNS).encode() + b"\n"
    yield from boxes.lines_of(here.__contains__)
