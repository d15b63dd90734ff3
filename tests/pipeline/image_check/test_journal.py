"""The journal of the image check: what it knows belongs to one setting, and comes back whole."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.journal import ImageJournal
from pipeline.image_check.safe_read import facts_now
from pipeline.image_check.settings import PLAIN, How, check_settings
from vision.images.decode import ImageVerdict

APPLY = How(exif="apply")


def job_and_verdict(folder: Path) -> tuple[ImageJob, Checked]:
    (folder / "a.jpg").write_bytes(b"x")
    facts = facts_now(folder, "a.jpg")
    verdict = ImageVerdict("convert", "exif_upright: orientation 6 is applied", 48, 64, 6)
    return ImageJob("", str(folder), "a.jpg", (64, 48)), Checked(verdict, facts)


def test_a_verdict_belongs_to_the_frame_that_was_asked_for(tmp_path: Path) -> None:
    path, (job, checked) = tmp_path / "journal.jsonl", job_and_verdict(tmp_path)
    with ImageJournal(path, check_settings(APPLY)) as journal:
        journal.add([(job, checked)])
    with ImageJournal(path, check_settings(APPLY)) as journal:
        assert journal.find(job) == checked, "with its orientation"
    with ImageJournal(path, check_settings(PLAIN)) as journal:
        assert journal.find(job) is None


def test_journals_of_before_there_was_a_choice_hold(tmp_path: Path) -> None:
    path, (job, checked) = tmp_path / "journal.jsonl", job_and_verdict(tmp_path)
    before = {"check": 2, "thorough": False, "max_pixels": 50_000_000, "max_bytes": 128 * 2**20}
    row = job._asdict() | {"verdict": ["ok", None, 48, 64], "facts": checked.facts}
    path.write_text(f"{json.dumps(before)}\n{json.dumps(row)}\n")
    with ImageJournal(path, check_settings(PLAIN)) as journal:
        assert journal.find(job) == Checked(ImageVerdict("ok", None, 48, 64, 1), checked.facts)


def test_what_was_missing_is_not_written_down_and_spoils_nothing(tmp_path: Path) -> None:
    path, (job, checked) = tmp_path / "journal.jsonl", job_and_verdict(tmp_path)
    gone = job._replace(name="gone.jpg")
    with ImageJournal(path, check_settings(PLAIN)) as journal:
        journal.add(
            [
                (gone, Checked(ImageVerdict("reject", "missing: no such file", None, None), None)),
                (job, checked),
            ]
        )
    with ImageJournal(path, check_settings(PLAIN)) as journal:
        assert journal.find(gone) is None and journal.find(job) == checked
        (tmp_path / "a.jpg").write_bytes(b"another one")
        assert journal.find(job) is None, "a verdict is about one file"
