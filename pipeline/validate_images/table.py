"""The table of image verdicts: what there is to check, the check, and what is made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import ENTRY_FAULTS, file_name_of, image_fault
from pipeline.image_check.absence import advice, require_there, unreadable
from pipeline.image_check.check import ImageJob
from pipeline.image_check.check_many import check_all, thumbnails_of
from pipeline.image_check.safe_read import list_entries, printable
from pipeline.image_check.settings import UNREADABLE, how, to_apply
from pipeline.runner.own_data import to_repair
from pipeline.stage import Choices, Counts, StageContext, StageError
from pipeline.stop import NEVER, Stop
from pipeline.validate_images.entry import STRAY, Entry
from pipeline.validate_images.image_splits import TWICE, in_two_splits, warning
from pipeline.validate_images.remake_rejects import reject_row, write_rows
from vision.artefacts.data_layout import IMAGE_REPORT, REJECTS, SHEET, image_folder, original_path
from vision.drawing.sheet import Tile, draw_sheet, png_of
from vision.images.decode import ImageVerdict
from vision.images.formats import FITS_UPRIGHT, STORED, may_be_image
from vision.images.thumbnail import THUMBNAIL_WH
from vision.messages.advice import command, shown
from vision.messages.terminal import counted

COCO = Choices()
COLUMNS, MOST = 6, 60
"""Tiles on the contact sheet; the rest is in rejects.jsonl."""


def survey_split(
    root: Path,
    split: str,
    stop: Stop = NEVER,
    choices: Choices = COCO,
    say: Callable[[str], None] = lambda line: None,
) -> list[Entry]:
    """What there is to check: the images of the annotation file in its order, then images that it does not name.

    Files that are no images by their names are counted aloud (``say``). ``choices``: whose the files are. Raises StageError where one of them is missing, Interrupted when asked to
    stop: COCO's file takes some seconds.
    """
    folder = root / image_folder(split)
    if not folder.is_dir():
        raise StageError(
            f"{folder} is missing",
            "the images are not there yet",
            f"to fetch COCO: {command('python -m pipeline run', '--root', root)}\n"
            f"       for your own: put {image_folder(split)}/ and {original_path(split)} there",
        )
    entries = _annotated(root, split, folder, stop, choices)
    named = {entry.file_name for entry in entries}
    strays = [name for name in map(printable, list_entries(folder)) if name not in named]
    others = [name for name in strays if not may_be_image(name)]
    if others:
        say(
            f"{image_folder(split)}: entries that are not images and stay as they are: {len(others):,}, such as "
            f"{shown(others[0])!r}"
        )
    return entries + [Entry(split, None, name, STRAY) for name in strays if may_be_image(name)]


def _annotated(root: Path, split: str, folder: Path, stop: Stop, choices: Choices) -> list[Entry]:
    path = root / original_path(split)
    try:
        with AnnotationFile(path, stop) as file:
            return [_entry(split, str(folder), raw) for raw in _images(file)]
    except FileNotFoundError:
        fix = command("python -m pipeline run", "--root", root)
        raise StageError(f"{path} is missing", "it names the images and their sizes", fix) from None
    except AnnotationError as error:
        raise StageError(f"{path} cannot be read", str(error), to_repair(root, choices)) from error


def _images(file: AnnotationFile) -> list[Any]:
    """The elements of ``images``; the rest of the file is checked on the way."""
    images: list[Any] | None = None
    for part in file.walk():
        if part.key == "images":
            part.expect_list()
            images = list(part)
    if images is None:
        raise file.missing("images", file.sections)
    return images


def _entry(split: str, folder: str, raw: Any) -> Entry:
    fault = image_fault(raw)
    if fault is None:
        job = ImageJob(split, folder, raw["file_name"], (raw["height"], raw["width"]))
        return Entry(split, raw["id"], raw["file_name"], None, job)
    given = raw.get("id") if isinstance(raw, dict) else None
    reason = f"{fault.reason}: {fault.detail}"
    verdict = ImageVerdict("reject", reason, None, None)
    return Entry(split, given if type(given) is int else None, file_name_of(raw), verdict)


def _with_verdicts(entries: Iterable[Entry], found: dict[ImageJob, ImageVerdict]) -> Iterator[Entry]:
    for entry in entries:
        yield entry if entry.job is None else replace(entry, verdict=found[entry.job])


def make_table(context: StageContext) -> Counts:
    """The work of the stage: checks every image, stages table, rejects and contact sheet."""
    settings, own = context.settings, context.settings.choices.own
    surveyed = [
        entry
        for split in settings.splits
        for entry in survey_split(context.root, split, context.stop, settings.choices, context.say)
    ]
    jobs = [entry.job for entry in surveyed if entry.job is not None]
    found = check_all(jobs, context.staging, settings.workers, how(settings), context.stop)
    if not settings.accept_missing:
        to_do = advice(context.root, own)
        for split in settings.splits:
            of_split = [job for job in jobs if job.split == split]
            named = {entry.file_name for entry in surveyed if entry.split == split and not entry.is_stray}
            for line in require_there(context.root / image_folder(split), of_split, named, found, to_do):
                context.say(line)
    entries = list(_with_verdicts(surveyed, found))
    _require_some(context.root, entries, settings.splits, own)
    bad = [entry for entry in entries if _verdict(entry).verdict == "reject"]
    write_rows(context.staging / IMAGE_REPORT, map(_row, entries))
    write_rows(context.staging / REJECTS, map(reject_row, map(_row, bad)))
    if bad:
        _draw_sheet(context, bad, len(entries))
    twice = in_two_splits(context.root, entries)
    if twice:
        write_rows(context.staging / TWICE, twice)
    counts = _counts(entries)
    if names := unreadable(found):
        counts.notes[UNREADABLE] = names
    if twice:
        counts.notes["in_two_splits"] = len(twice)
        context.say(warning(context.root, twice))
    context.say(summary_line(counts) + (f"; see {context.root / SHEET}" if bad else ""))
    if upright := counts.dropped.get(FITS_UPRIGHT):
        context.say(f"to use {counted(upright, 'image')} labelled upright: {to_apply(context.root)}")
    return counts


def _verdict(entry: Entry) -> ImageVerdict:
    assert entry.verdict is not None, entry
    return entry.verdict


def _row(entry: Entry) -> dict[str, Any]:
    of = _verdict(entry)
    row = {
        "split": entry.split, "image_id": entry.image_id, "file_name": entry.file_name,
        "verdict": of.verdict, "reason": of.reason, "width": of.width, "height": of.height,
    }  # fmt: skip
    return row if of.orientation == STORED else row | {"orientation": of.orientation}


def _draw_sheet(context: StageContext, bad: Sequence[Entry], total: int) -> None:
    title = f"refused: {len(bad):,} of {counted(total, 'image')}"
    shown = bad[:MOST]
    if len(bad) > MOST:
        title += f"; the first {MOST}, all of them in rejects.jsonl"
    jobs = {id(entry): _viewable(context.root, entry) for entry in shown}
    seen = thumbnails_of(filter(None, jobs.values()), context.settings.workers, context.stop)
    tiles = []
    for entry in shown:
        job = jobs[id(entry)]
        name = f"{entry.split}/{entry.file_name}"
        tiles.append(Tile(seen.get(job) if job else None, name, _verdict(entry).reason or ""))
    sheet = draw_sheet(tiles, title, COLUMNS, THUMBNAIL_WH)
    (context.staging / SHEET).write_bytes(png_of(sheet))


def _viewable(root: Path, entry: Entry) -> ImageJob | None:
    """Where a bad image can be looked at: annotated under a safe name, or a stray file of the folder."""
    if entry.job is not None:
        return entry.job
    if entry.is_stray:
        return ImageJob(entry.split, str(root / image_folder(entry.split)), entry.file_name, None)
    return None


def _require_some(root: Path, entries: Iterable[Entry], splits: Iterable[str], own: bool) -> None:
    usable = Counter(entry.split for entry in entries if _verdict(entry).verdict != "reject")
    for split in splits:
        if not usable[split]:
            of_split = [entry for entry in entries if entry.split == split]
            reasons = Counter(reason_code(_verdict(entry)) for entry in of_split)
            most = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
            first = next(
                (e for e in of_split if reason_code(_verdict(e)) == reasons.most_common(1)[0][0]), None
            )
            raise StageError(
                f"no image of {image_folder(split)} can be used",
                f"{most}; the first: {shown(first.file_name)}: {_verdict(first).reason}"
                if first
                else "none annotated",
                _to_have_some(root, split, reasons, own),
            )


def _to_have_some(root: Path, split: str, reasons: Collection[str], own: bool) -> str:
    """What to do, by the reasons of the refusals: the annotations, the images, or which of them are where."""
    again = command("python -m pipeline run", "--root", root)
    annotations = shown(root / original_path(split))
    if FITS_UPRIGHT in reasons:
        return f"use those upright that are labelled so: {to_apply(root)}"
    if "bad_file_name" in reasons:
        return f"write file_name as it counts from {root / image_folder(split)}, with /, then: {again}"
    if own and ENTRY_FAULTS.issuperset(reasons):
        return f"write it into {annotations} as it is expected, then: {again}"
    if own:
        return f"provide other images, or change what {annotations} says of them, then: {again}"
    return f"do the images and the annotations belong together? If they do: {again}"


def reason_code(verdict: ImageVerdict) -> str:
    """The code in front of the reason: ``truncated`` of ``truncated: Premature end of JPEG file``."""
    return (verdict.reason or verdict.verdict).split(":")[0].split(";")[0]


def _counts(entries: Sequence[Entry]) -> Counts:
    counts = Counts(taken_in=len(entries))
    converted: Counter[str] = Counter()
    for entry in entries:
        of = _verdict(entry)
        if of.verdict == "reject":
            counts.drop(reason_code(of))
            continue
        counts.kept += 1
        if of.verdict == "convert":
            converted.update(part.split(":")[0] for part in (of.reason or "").split("; "))
    counts.notes["convert"] = dict(sorted(converted.items()))
    return counts


def summary_line(counts: Counts) -> str:
    """One line for people: how many, and why the others are not."""
    line = f"{counts.kept:,} of {counted(counts.taken_in, 'image')} can be used"
    if counts.notes["convert"]:
        line += f", {_listed(counts.notes['convert'])} are converted when read"
    if counts.dropped:
        line += f"; refused: {_listed(counts.dropped)}"
    return line


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))
