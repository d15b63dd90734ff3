"""Stage: decodes every picture strictly and says which can be used, which need converting, which are refused.

Reads the pictures and the annotated sizes, changes neither, and writes ``report/images.jsonl`` (a line for each
picture), ``rejects.jsonl`` (the refused ones) and ``report/bad_images.png`` (what they look like).

A folder of your own: ``python -m pipeline.validate_images --images DIR --report FILE.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.annotation_rules import image_fault
from pipeline.annotations import AnnotationError, AnnotationFile, original_path
from pipeline.command import add_common_options, add_stage_options, stage_main
from pipeline.contact_sheet import MOST, draw_sheet, publish_sheet
from pipeline.image_check import ImageJob
from pipeline.image_files import list_entries, printable
from pipeline.image_folder import check_folder
from pipeline.image_survey import check_all, check_settings, thumbnails_of
from pipeline.rejects import publish_rejects
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from pipeline.verdicts import IMAGE_REPORT
from vision.artefacts.files import atomic_publish
from vision.images.decode import ImageVerdict

NAME = "validate_images"
SHEET = "report/bad_images.png"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table: an annotated picture, or one that no annotation names (``image_id`` None)."""

    split: str
    image_id: int | None
    file_name: str
    verdict: ImageVerdict | None
    job: ImageJob | None = None


def image_folder(split: str) -> str:
    return f"{split}2017"


def survey_split(root: Path, split: str) -> list[Entry]:
    """What there is to check: the images of the annotation file in its order, then files that it does not name."""
    folder = root / image_folder(split)
    if not folder.is_dir():
        raise StageError(
            f"{folder} is missing",
            "the pictures are not there yet",
            f"python -m pipeline.extract --root {root}",
        )
    entries = _annotated(root, split, folder)
    named = {entry.file_name for entry in entries}
    strays = (name for name in map(printable, list_entries(folder)) if name not in named)
    stray = ImageVerdict("reject", "not_in_annotations: no annotation file names it", None, None)
    return entries + [Entry(split, None, name, stray) for name in strays]


def _annotated(root: Path, split: str, folder: Path) -> list[Entry]:
    path = root / original_path(split)
    try:
        with AnnotationFile(path) as file:
            return [_entry(split, str(folder), raw) for raw in file.items("images")]
    except FileNotFoundError:
        fix = f"python -m pipeline.extract --root {root}"
        raise StageError(f"{path} is missing", "it names the pictures and their sizes", fix) from None
    except AnnotationError as error:
        fix = "fetch it again: python -m pipeline run --from download --force"
        raise StageError(f"{path} can not be read", str(error), fix) from error


def _entry(split: str, folder: str, raw: Any) -> Entry:
    fault = image_fault(raw)
    if fault is None:
        job = ImageJob(split, folder, raw["file_name"], (raw["height"], raw["width"]))
        return Entry(split, raw["id"], raw["file_name"], None, job)
    of = raw if isinstance(raw, dict) else {}
    image_id = of.get("id") if type(of.get("id")) is int else None
    reason = f"{fault.reason}: {fault.detail}"
    return Entry(split, image_id, str(of.get("file_name", "")), ImageVerdict("reject", reason, None, None))


def _with_verdicts(entries: Iterable[Entry], found: dict[ImageJob, ImageVerdict]) -> Iterator[Entry]:
    for entry in entries:
        yield entry if entry.job is None else replace(entry, verdict=found[entry.job])


def _run(context: StageContext) -> Counts:
    settings = context.settings
    surveyed = [entry for split in settings.splits for entry in survey_split(context.root, split)]
    jobs = [entry.job for entry in surveyed if entry.job is not None]
    found = check_all(jobs, context.staging, settings.workers, _thorough(settings), context.should_stop)
    entries = list(_with_verdicts(surveyed, found))
    _require_some(entries, settings.splits)
    bad = [entry for entry in entries if _verdict(entry).verdict == "reject"]
    _publish_table(context.root / IMAGE_REPORT, map(_row, entries))
    _publish_sheet(context, bad, len(entries))
    publish_rejects(context.root, NAME, ((e.split, e.file_name, _verdict(e).reason or "") for e in bad))
    counts = _counts(entries)
    context.say(summary_line(counts) + (f"; see {context.root / SHEET}" if bad else ""))
    return counts


def _verdict(entry: Entry) -> ImageVerdict:
    assert entry.verdict is not None, entry
    return entry.verdict


def _row(entry: Entry) -> dict[str, Any]:
    of = _verdict(entry)
    return {
        "split": entry.split, "image_id": entry.image_id, "file_name": entry.file_name,
        "verdict": of.verdict, "reason": of.reason, "width": of.width, "height": of.height,
    }  # fmt: skip


def _publish_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_publish(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _publish_sheet(context: StageContext, bad: Sequence[Entry], total: int) -> None:
    title = (
        f"{len(bad):,} of {total:,} pictures are refused" if bad else f"none of {total:,} pictures is refused"
    )
    shown = bad[:MOST]
    if len(bad) > MOST:
        title += f"; the first {MOST}, all of them in rejects.jsonl"
    jobs = {id(entry): _viewable(context.root, entry) for entry in shown}
    seen = thumbnails_of(filter(None, jobs.values()), context.settings.workers, context.should_stop)
    tiles = []
    for entry in shown:
        job = jobs[id(entry)]
        tiles.append(
            (seen.get(job) if job else None, f"{entry.split}/{entry.file_name}", _verdict(entry).reason or "")
        )
    with atomic_publish(context.root / SHEET) as temporary:
        publish_sheet(temporary, draw_sheet(title, tiles))


def _viewable(root: Path, entry: Entry) -> ImageJob | None:
    """Where a bad picture can be looked at: annotated under a safe name, or a stray file of the folder."""
    if entry.job is not None:
        return entry.job
    if entry.image_id is None and _verdict(entry).reason.startswith("not_in_annotations"):  # type: ignore[union-attr]
        return ImageJob(entry.split, str(root / image_folder(entry.split)), entry.file_name, None)
    return None


def _require_some(entries: Iterable[Entry], splits: Iterable[str]) -> None:
    usable = Counter(entry.split for entry in entries if _verdict(entry).verdict != "reject")
    for split in splits:
        if not usable[split]:
            reasons = Counter(reason_code(_verdict(e)) for e in entries if e.split == split)
            most = (
                ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
                or "none annotated"
            )
            raise StageError(
                f"no picture of {image_folder(split)} can be used",
                most,
                "do the pictures and the annotations belong together? python -m pipeline verify tells",
            )


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
    line = f"{counts.kept:,} of {counts.taken_in:,} pictures can be used"
    if counts.notes["convert"]:
        line += f", {_listed(counts.notes['convert'])} are converted when read"
    if counts.dropped:
        line += f"; refused: {_listed(counts.dropped)}"
    return line


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


def _thorough(settings: Settings) -> bool:
    return bool(settings.options.get("thorough", False))


def _inputs(settings: Settings) -> list[str]:
    return [path for split in settings.splits for path in (image_folder(split), original_path(split))]


def _outputs(settings: Settings) -> list[str]:
    return [IMAGE_REPORT, SHEET]


def _params(settings: Settings) -> dict[str, Any]:
    return check_settings(_thorough(settings))


STAGE = Stage(
    name=NAME,
    summary="decodes every picture strictly; lists what can be used and what not, and why",
    version=1,
    after=("extract",),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
)


def main(argv: Sequence[str] | None = None) -> int:
    """The stage on a data folder (``--root``), or the check of any folder (``--images``, ``--report``)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not any(word.split("=")[0] in ("--images", "--report", "-h", "--help") for word in arguments):
        return stage_main(STAGE, arguments)
    asked = _parser().parse_args(arguments)
    for name in ("images", "report"):
        if getattr(asked, name) is None:
            _parser().error(f"--{name} is missing: --images DIR and --report FILE.jsonl go together")
    return check_folder(asked.images, asked.report, asked.workers, asked.thorough)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.{NAME}",
        description=f"Stage {NAME}: {STAGE.summary}.",
        epilog="Verdicts: ok (plain 8-bit RGB), convert (readable; becomes 8-bit RGB when read), reject. Bad pictures "
        "are a result, not a failure: the exit code is 0 when the report is written. Nothing is changed or moved.",
        allow_abbrev=False,
    )
    group = parser.add_argument_group("a folder of your own, instead of --root")
    group.add_argument(
        "--images", type=Path, metavar="DIR", help="check every file below DIR; links are not followed"
    )
    group.add_argument(
        "--report", type=Path, metavar="FILE.jsonl", help='a line for each: {"file", "verdict", "reason"}'
    )
    add_common_options(parser)
    add_stage_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
