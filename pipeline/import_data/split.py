"""Which images are learned from and which are measured with.

What the layout states is kept. Where it states nothing, or nothing to measure with, a share is drawn: seeded, the same for the
same images; class by class from the rarest, so that each has its share on both sides; files that are the same to the byte
stay together. Frames of one video are not known to belong together: state a split for them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.formats.contract import Problem
from pipeline.import_data.classes import Classes
from pipeline.import_data.images import same_content
from pipeline.import_data.judge import Kept
from pipeline.import_data.report import Report
from pipeline.import_data.request import Request
from pipeline.stop import StageError, Stop
from vision.messages.advice import shown
from vision.messages.terminal import counted


@dataclass(slots=True)
class Halves:
    """The images of each side in the order of the layout, and what is said about them."""

    train: list[Kept]
    val: list[Kept]
    notes: list[str] = field(default_factory=list)
    leak: int = 0
    """Images of val that train has, too."""
    drawn: bool = False
    """Made here: the layout stated none."""

    def __getitem__(self, split: str) -> list[Kept]:
        return {"train": self.train, "val": self.val}[split]


def divide(kept: list[Kept], request: Request, classes: Classes, report: Report, stop: Stop) -> Halves:
    """Raises StageError where one image is all there is; Interrupted."""
    stated = {
        split: [image for image in kept if image.split == split] for split in ("train", "val", "test", None)
    }
    twins = same_content([image.path for image in kept], stop)
    notes = []
    if request.resplit:
        return _drawn(
            kept,
            request,
            classes,
            twins,
            ["the split of the source is ignored, as --resplit says"],
            report,
        )
    if stated["test"] and not stated["val"]:
        notes.append(f"val: {counted(len(stated['test']), 'image')} of test, since the layout has no val")
        stated["val"], stated["test"] = stated["test"], []
    if stated["test"]:
        _leave_out(stated["test"], report)
        notes.append(
            f"test: {counted(len(stated['test']), 'image')} left out, since there is a val; import that part alone to measure with it"
        )
    learned = stated["train"] + stated[None]
    if learned and stated["val"]:
        if stated["train"] and stated[None]:
            notes.append(f"train: also {counted(len(stated[None]), 'image')} of no stated split")
        notes.append(f"split: as the layout states it, train {len(learned):,} and val {len(stated['val']):,}")
        return _with_leak(Halves(learned, stated["val"], notes), twins, request)
    return _drawn(learned + stated["val"], request, classes, twins, notes, report)


def _leave_out(images: Sequence[Kept], report: Report) -> None:
    for image in images:
        report.unkeep("image")
        report.unkeep("box", len(image.boxes))
        report.drop(
            "image", image.name, Problem("test_split", "the layout has train, val and test", image.where)
        )
        for box in image.boxes:
            report.drop("box", image.name, Problem("image_dropped", "test_split", box.where))


def _with_leak(halves: Halves, twins: list[list[Path]], request: Request) -> Halves:
    """Says how much of val is learned, by file and by content."""
    first = {path: group[0] for group in twins for path in group}
    learned = {first.get(image.path, image.path) for image in halves.train}
    both = [image for image in halves.val if first.get(image.path, image.path) in learned]
    halves.leak = len(both)
    if both:
        same = (
            "val is the same list as train"
            if len(both) == len(halves.val) == len(halves.train)
            else f"such as {shown(both[0].name)!r}"
        )
        halves.notes.append(
            f"warning: {len(both):,} of {counted(len(halves.val), 'image')} of val are in train, too ({same}): the score will be too good; "
            f"another split is drawn by: {request.beside(resplit=True)}"
        )
    return halves


def _drawn(
    kept: list[Kept],
    request: Request,
    classes: Classes,
    twins: list[list[Path]],
    notes: list[str],
    report: Report,
) -> Halves:
    once = _once(kept, report)
    groups = _groups(once, twins)
    if len(groups) < 2:
        raise StageError(
            f"{counted(len(once), 'image')} cannot be split",
            "training needs one image and validation another",
            "add images",
        )
    chosen = draw(groups, request.val, request.seed, classes)
    val = [image for image in once if id(image) in chosen]
    train = [image for image in once if id(image) not in chosen]
    notes.append(
        f"split: made here, train {len(train):,} and val {len(val):,} (--val {request.val:g} --seed {request.seed}, class by class)"
    )
    if alike := len(once) - len(groups):
        notes.append(f"images that are another one's to the byte, which stay on its side: {alike:,}")
    return Halves(train, val, notes, drawn=True)


def _once(kept: list[Kept], report: Report) -> list[Kept]:
    """Each file once: a layout with two lists may name it twice."""
    seen: set[Path] = set()
    once = []
    for image in kept:
        if image.path in seen:
            report.unkeep("image")
            report.unkeep("box", len(image.boxes))
            report.drop(
                "image",
                image.name,
                Problem("duplicate_image", f"{image.path.name} was named before", image.where),
            )
            for box in image.boxes:
                report.drop("box", image.name, Problem("image_dropped", "duplicate_image", box.where))
            continue
        seen.add(image.path)
        once.append(image)
    return once


def _groups(kept: list[Kept], twins: list[list[Path]]) -> list[list[Kept]]:
    first = {path: group[0] for group in twins for path in group}
    groups: dict[Path, list[Kept]] = defaultdict(list)
    for image in kept:
        groups[first.get(image.path, image.path)].append(image)
    return list(groups.values())


def draw(groups: list[list[Kept]], share: float, seed: int, classes: Classes) -> set[int]:
    """``id`` of each image of val: about ``share`` of all and of those of each class; at least one group on each side.

    The rarest class first: groups are taken, in an order that the seed and their names give, while it lacks more than half
    of what the next one would bring.
    """
    order = sorted(
        groups,
        key=lambda group: hashlib.sha256(f"{seed} {min(image.name for image in group)}".encode()).digest(),
    )
    holds = [
        Counter(
            classes.label(box.name) for image in group for box in {b.name: b for b in image.boxes}.values()
        )
        for group in order
    ]
    images: Counter[int] = Counter()
    for held in holds:
        images.update(held)
    lacking = {label: share * count for label, count in images.items()}
    want = share * sum(map(len, groups))
    taken: set[int] = set()

    def take(at: int) -> None:
        nonlocal want
        taken.add(at)
        want -= len(order[at])
        for label, count in holds[at].items():
            lacking[label] -= count

    passed: set[int] = set()
    for label in sorted(images, key=lambda each: (images[each], each)):
        for at, held in enumerate(holds):
            if at in passed or at in taken or label not in held:
                continue
            if lacking[label] >= held[label] / 2:
                take(at)
            else:
                passed.add(at)
    for at, held in enumerate(holds):
        if not held and want >= len(order[at]) / 2:
            take(at)
    if not taken:
        take(next((at for at, held in enumerate(holds) if held), 0))
    if len(taken) == len(order):
        taken.discard(max(taken))
    return {id(image) for at in taken for image in order[at]}
