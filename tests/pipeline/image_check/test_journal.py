"""The journal of the image check: what it knows belongs to one setting, and comes back whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.image_check import check_many
from pipeline.image_check import journal as image_journal
from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.journal import ImageJournal
from pipeline.image_check.safe_read import facts_now
from pipeline.image_check.settings import PLAIN, How, check_settings
from pipeline.stop import Stop
from pipeline.validate_images import table
from tests.images.corpus import HEIGHT, WIDTH, encoded, pixels
from vision.artefacts.data_layout import IMAGE_REPORT, kept_name
from vision.artefacts.files import OutOfSpace
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


def test_a_verdict_holds_only_where_the_file_would_be_read_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not behind a folder that became a link, nor of what lost its permissions: the file is the same one there."""
    (tmp_path / "images/below").mkdir(parents=True)
    job, checked = job_and_verdict(tmp_path / "images/below")
    job = job._replace(folder=str(tmp_path / "images"), name="below/a.jpg")
    with ImageJournal(tmp_path / "journal.jsonl", {"check": 1}) as journal:
        journal.add([(job, checked)])
    with ImageJournal(tmp_path / "journal.jsonl", {"check": 1}) as journal:
        assert journal.find(job) == checked
        with monkeypatch.context() as patched:  # root may read whatever its mode is
            patched.setattr("os.access", lambda path, mode: mode != os.R_OK)
            assert journal.find(job) is None
        moved = (tmp_path / "images/below").rename(tmp_path / "elsewhere")
        (tmp_path / "images/below").symlink_to(moved)
        assert journal.find(job) is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images in train, three in val, by hand."""
    root = tmp_path / "own"
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 5), ("val", 3)):
        (root / f"{split}2017").mkdir()
        images = [
            {"id": n, "file_name": f"{split}{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in range(count)
        ]
        for image in images:
            (root / f"{split}2017" / str(image["file_name"])).write_bytes(encoded(pixels(1), "JPEG"))
        boxes = [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}]
        document = {"images": images, "annotations": boxes, "categories": [{"id": 7, "name": "thing"}]}
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(document))
    return root


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are read."""
    names: list[str] = []
    real = check_many._said

    def noted(pool: Any, jobs: Iterable[ImageJob], stop: Stop) -> Any:
        names.extend(job.name for job in jobs)
        return real(pool, jobs, stop)

    monkeypatch.setattr(check_many, "_said", noted)
    return names


def run(root: Path, *options: str) -> int:
    return main(["run", "--root", str(root), "--from", "validate_images", "--workers", "1", *options])


def note_of_finder(root: Path) -> Path:
    (root / "train2017/.DS_Store").write_bytes(b"what a file manager leaves")
    return root


def another_image(root: Path) -> Path:
    (root / "train2017/train3.jpg").write_bytes(encoded(pixels(2), "JPEG"))
    return note_of_finder(root)


def moved(root: Path) -> Path:
    return note_of_finder(root.rename(root.with_name("elsewhere")))


def one_split_for_a_while(root: Path) -> Path:
    assert run(root, "--splits", "val") == 0
    return root


@pytest.mark.parametrize(
    ("change", "again"),
    [(note_of_finder, []), (another_image, ["train3.jpg"]), (moved, []), (one_split_for_a_while, [])],
)
def test_only_images_that_changed_are_looked_at_again(
    change: Callable[[Path], Path], again: list[str], root: Path, looked_at: list[str]
) -> None:
    assert run(root) == 0
    assert len(looked_at) == 8
    before = (root / IMAGE_REPORT).read_bytes()
    looked_at.clear()
    root = change(root)
    assert run(root, "--splits", "train,val") == 0
    assert looked_at == again
    assert (root / IMAGE_REPORT).read_bytes() == before


def test_what_a_stopped_run_knows_is_not_lost_to_another_plan(
    root: Path, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutOfSpace(str(root))

    with monkeypatch.context() as patched:
        patched.setattr(table, "write_rows", full)
        assert run(root) == 1
    looked_at.clear()
    assert run(note_of_finder(root)) == 0
    assert looked_at == []


@pytest.mark.parametrize("way", ["force", "clean", "damage", "other settings"])
def test_all_of_it_is_looked_at_again_where_that_is_wanted(
    way: str, root: Path, looked_at: list[str]
) -> None:
    assert run(root) == 0
    looked_at.clear()
    journal = root / kept_name("validate_images")
    assert journal.is_file() and not (root / ".pipeline/staging/validate_images").exists()
    if way == "clean":
        assert main(["clean", "--root", str(root), "--only", "validate_images", "--yes"]) == 0
        assert not journal.exists()
    elif way == "damage":
        journal.write_bytes(journal.read_bytes()[:-9] + b"\n\n")
        note_of_finder(root)
    options = {"force": ["--force"], "other settings": ["--exif", "apply"]}
    assert run(root, *options.get(way, [])) == 0
    assert len(looked_at) == 8 and journal.is_file()


def test_a_journal_does_not_grow_with_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines about files that are gone go when they are the most; what other splits have stays."""
    monkeypatch.setattr(image_journal, "FEW", 0)
    path, (job, checked) = tmp_path / "journal.jsonl", job_and_verdict(tmp_path)
    train, val = (job._replace(split=split) for split in ("train", "val"))
    with ImageJournal(path, {"check": 1}) as journal:
        journal.add([(train._replace(name=f"{n}.jpg"), checked) for n in range(9)])
        journal.add([(train, checked), (val, checked)])
    with ImageJournal(path, {"check": 1}) as journal:
        journal.forget_others({train: checked})
        journal.add([(train._replace(name="b.jpg"), checked)])
    assert path.read_bytes().count(b"\n") == 4
    with ImageJournal(path, {"check": 1}) as journal:
        assert journal.find(train) == journal.find(val) == checked
