"""An import from end to end: read → judge → unite classes → split → name → place images → write → receipt.

Other commands call ``import_data`` with a ``Request``: it takes the lock of the root, and gives what came of it.
"""

from __future__ import annotations

import json
import platform
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

from pipeline.data_root import receipts, saved_options
from pipeline.data_root.lock import root_lock
from pipeline.data_root.receipts import Receipt, Recorded
from pipeline.formats.contract import Foreign, Source
from pipeline.import_data import classes as names
from pipeline.import_data import writer
from pipeline.import_data.images import Placing, Sizes
from pipeline.import_data.judge import Judge, give_names
from pipeline.import_data.report import REPORT, Report
from pipeline.import_data.request import NAME, SPLITS, Imported, Request
from pipeline.import_data.split import Halves, divide
from pipeline.stage import Choices, Settings
from pipeline.stop import StageError, Stop
from vision.artefacts.data_layout import foreign_layout, image_folder, original_path
from vision.artefacts.files import facts_of, remove_entry
from vision.artefacts.records import RecordError
from vision.messages.advice import command, shown
from vision.messages.command_line import listed
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

VERSION = 1
Say = Callable[[str], None]


def import_data(request: Request, say: Say, stop: Stop, wait: bool = True) -> Imported:
    """Makes the root, or finds that it holds the same already. ``wait``: for another process that works there.

    Raises:
        StageError: the source cannot be read, nothing of it can be used, or the root is not free.
        Interrupted: asked to stop; the same command resumes. OSError, OutOfSpace.
    """
    _require_apart(request)
    if not request.source.exists():
        raise StageError(
            instead_of("folder", request.source), "the data set to import should be there", "check the path"
        )
    if request.images is not None and not request.images.is_dir():
        raise StageError(
            instead_of("folder", request.images), "--images takes the folder of the images", "check the path"
        )
    _require_unpacked(request)
    if _require_place(request) is None:
        writer.require_free(request)
    started = time.monotonic()
    plan = _plan(request, stop)
    for line in plan.said:
        say(line)
    with root_lock(request.root, wait, say, stop):  # only now: of what is refused nothing is left
        made = _require_place(request)
        if made is None:
            writer.require_free(request)
            _make(request, plan, started, say, stop)
        else:
            _require_same(request, made, plan.digest)
            _require_whole(request, made, plan.halves)
            say(f"{shown(request.root)} holds this import already, of {made.finished}: nothing was changed")
    return Imported(request.root, made is None, plan.classes.names, plan.images, plan.boxes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the root will hold, before anything of it is made. ``said``: lines for people."""

    report: Report
    classes: names.Classes
    halves: Halves
    texts: dict[str, bytes]
    digest: str
    said: list[str]

    @property
    def images(self) -> dict[str, int]:
        return {split: len(self.halves[split]) for split in SPLITS}

    @property
    def boxes(self) -> dict[str, int]:
        return {split: sum(len(image.boxes) for image in self.halves[split]) for split in SPLITS}


def _plan(request: Request, stop: Stop) -> Plan:
    report, sizes = Report(), Sizes(request.exif)
    reader = import_module(f"pipeline.formats.{request.format}")
    try:
        foreign: Foreign = reader.read(
            Source(request.source, request.images, sizes, stop, request.include_depiction)
        )
    except StageError as error:
        raise _as_another_layout(request, error) from None
    judge = Judge(sizes, request.difficult, report)
    kept = judge.judge_all(foreign)
    classes = names.unite(foreign.classes, judge.used)
    _require_some(request, report, classes)
    _require_boxes(request, report)
    names.require(request.classes, classes)
    halves = divide(kept, request, classes, report, stop)
    for split in SPLITS:
        give_names(halves[split], report)
    texts = writer.documents(halves, classes, request.format)
    said = [
        *report.summary(),
        *foreign.notes(),
        *sizes.notes(),
        *classes.notes,
        *halves.notes,
        _of_classes(halves, classes),
    ]
    return Plan(report, classes, halves, texts, writer.digest_of(halves, texts), said)


def _as_another_layout(request: Request, error: StageError) -> StageError:
    """``error``, with the layout that the folder has by its files where that is another one."""
    other = foreign_layout(request.source)
    if other in (None, request.format):
        return error
    return StageError(error.what, error.why, f"its files are those of {other}: {request.again(format=other)}")


def _make(request: Request, plan: Plan, started: float, say: Say, stop: Stop) -> None:
    placed = _write(request, plan, stop)
    saved_options.write(Settings(request.root, Choices(own=True, exif=request.exif, classes=request.classes)))
    counts = plan.report.counts()
    notes = {
        "images": plan.images, "boxes": plan.boxes, "classes": list(plan.classes.names), "placed": placed.made, "leak": plan.halves.leak,
        "drawn": plan.halves.drawn,
    }  # fmt: skip
    receipts.write(request.root, Receipt(
        receipts.SCHEMA, NAME, VERSION, {**request.place(), **request.choices(), "digest": plan.digest}, {}, _recorded(request),
        counts.taken_in, counts.kept, counts.dropped, notes, round(time.monotonic() - started, 3),
        datetime.now(timezone.utc).isoformat(timespec="seconds"), {"python": platform.python_version()},
    ))  # fmt: skip
    remove_entry(writer.staging_of(request.root))
    say(_of_placing(placed))
    say(f"what was dropped or changed, and why, a line each: {shown(request.root / REPORT)}")


def _require_unpacked(request: Request) -> None:
    """CVAT, Roboflow and others give a zip. Raises StageError with the command that unpacks it."""
    if not (request.source.is_file() and zipfile.is_zipfile(request.source)):
        return
    folder = request.source.with_suffix("")
    raise StageError(
        f"{shown(request.source)} is a zip archive",
        "what is imported is in it",
        f"{command('python -m pipeline.extract', '--archive', request.source, '--output', folder)} && {request.again(source=folder)}",
    )


def _require_apart(request: Request) -> None:
    """The root is not inside what is read, nor the other way round: the next import would read its own work."""
    root, source = request.root.resolve(), request.source.resolve()
    for place in filter(None, (source, request.images and request.images.resolve())):
        if root == place or root.is_relative_to(place) or place.is_relative_to(root):
            raise StageError(
                f"the root {shown(request.root)} and the source {shown(place)} are one in the other",
                "originals and imported files must be in separate folders",
                f"name a root beside it: {replace(request, root=source.parent / f'{source.name}-imported').again()}",
            )


def _require_place(request: Request) -> Receipt | None:
    """The receipt of the import that the root holds; None where it holds none. Raises StageError for one of another source."""
    try:
        made = receipts.read(request.root, NAME)
    except RecordError as error:
        raise StageError(
            f"{shown(request.root)} holds an import whose receipt cannot be read",
            str(error),
            _elsewhere(request),
        ) from None
    if made is None:
        return None
    before = {key: made.params.get(key) for key in request.place()}
    if before != request.place():
        raise StageError(
            f"{shown(request.root)} holds another import",
            f"it was made --from {before['from']} --source {shown(str(before['source']))}"
            + (f" --images {shown(str(before['images']))}" if before["images"] else "") + "; nothing was changed",
            _elsewhere(request),
        )  # fmt: skip
    return made


def _elsewhere(request: Request) -> str:
    return f"import into another folder: {request.beside()}"


def _require_same(request: Request, made: Receipt, digest: str) -> None:
    if made.params.get("digest") == digest:
        return
    now = request.choices()
    others = [
        f"--{key.replace('_', '-')} {made.params.get(key)}" for key in now if made.params.get(key) != now[key]
    ]
    why = (
        f"it was made with {', '.join(others)}" if others else f"the source has changed since {made.finished}"
    )
    raise StageError(
        f"{shown(request.root)} holds an earlier import of the same source",
        f"{why}, and another split would move images between train and val; nothing was changed",
        _elsewhere(request),
    )


def _require_whole(request: Request, made: Receipt, halves: Halves) -> None:
    """Raises StageError where a file of the import is gone."""
    files = [
        *made.outputs,
        *(f"{image_folder(split)}/{image.name}" for split in SPLITS for image in halves[split]),
    ]
    gone = [path for path in files if not (request.root / path).is_file()]
    if gone:
        raise StageError(
            f"{shown(request.root)} holds this import, of {made.finished}, but not all of its files",
            f"{counted(len(gone), 'file')} missing: {listed([shown(path) for path in gone], 3)}; nothing was changed",
            f"put them back, or {_elsewhere(request)}",
        )


def _require_some(request: Request, report: Report, classes: names.Classes) -> None:
    if report.kept["image"] and classes.names:
        return
    said = report.summary()
    raise StageError(
        f"nothing of {shown(request.source)} can be used",
        f"{said[0]}; {said[1]}" + (f"; the first: {_first(report)}" if report.rows else ""),
        f"see docs/custom-data.md; if the images are elsewhere, in DIR: {request.again(images=Path('DIR'))}"
        if not request.images and any(row["reason"] == "missing_image" for row in report.rows)
        else "compare it with docs/custom-data.md",
    )


def _require_boxes(request: Request, report: Report) -> None:
    """A layout that finds images and no box, in a folder of another layout, has not read its annotations."""
    if not report.taken_in["box"]:
        found = StageError(
            f"{shown(request.source)} has no box that --from {request.format} finds", report.summary()[0], ""
        )
        if (told := _as_another_layout(request, found)) is not found:
            raise told


def _first(report: Report) -> str:
    row = report.rows[0]
    return shown(f"{row['where'] or row['file']}: {row['reason']}: {row['detail']}")


def _of_classes(halves: Halves, classes: names.Classes) -> str:
    """Boxes of each class on both sides; a class that only one of them has is said by its 0."""
    counts = {
        split: Counter(classes.label(box.name) for image in halves[split] for box in image.boxes)
        for split in SPLITS
    }
    each = [
        f"{name} {counts['train'][label]:,} + {counts['val'][label]:,}"
        for label, name in enumerate(classes.names, 1)
    ]
    return f"{counted(len(each), 'class')} (boxes of train + val): {listed(each, 20)}"


def _write(request: Request, plan: Plan, stop: Stop) -> Placing:
    staging = writer.prepare(request, plan.digest)
    placing = Placing(staging, request.link, stop)
    for split in SPLITS:
        folder = image_folder(split)
        (staging / folder).mkdir(exist_ok=True)
        placing.place_all((image.path, f"{folder}/{image.name}") for image in plan.halves[split])
        writer.write(staging / original_path(split), plan.texts[split])
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in plan.report.rows)
    writer.write(staging / REPORT, rows.encode("utf-8", "replace"))
    writer.publish(request.root, stop)
    return placing


def _recorded(request: Request) -> dict[str, Recorded]:
    """Files alone: the images are their owner's, and the manifests of the stages know them."""
    found = {}
    for path in (*map(original_path, SPLITS), REPORT):
        facts = facts_of(request.root / path)
        found[path] = Recorded("file", facts.bytes, 1, facts.sha256, facts.mtime_ns, facts.inode)
    return found


def _of_placing(placing: Placing) -> str:
    words = {
        "hard": "as hard links (the same file under a second name)", "soft": "as links", "copy": "as copies",
        "kept": "there already, of a run that was stopped",
    }  # fmt: skip
    parts = [f"{count:,} {words[how]}" for how, count in sorted(placing.made.items())]
    why = f"; no hard links there ({placing.no_links}), so copies" if placing.no_links else ""
    return f"images: {', '.join(parts)}{why}"
