"""The stage on a data root: what it lists, that it changes nothing, and that no interruption shows in the result."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.image_check import check_many as image_survey
from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.check_many import check_all
from pipeline.image_check.journal import ImageJournal
from pipeline.image_check.safe_read import FileFacts
from pipeline.image_check.worker_pool import WorkerCrash
from pipeline.stage import Interrupted, StageError
from pipeline.stop import Stop
from pipeline.validate_images.stage import STAGE
from tests import warm
from tests.faults.harness import KILL, Shim, spread
from tests.pipeline.image_root import (
    OUTPUTS,
    REPOSITORY,
    command,
    make_root,
    results,
    rows,
    run,
    sheet_size,
)
from vision.images.decode import ImageVerdict


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root and the results of an uninterrupted run; read only."""
    root = make_root(tmp_path_factory.mktemp("made") / "root")
    done = run(root)
    assert done.returncode == 0, done.stderr
    return root


def originals(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for folder in ("train2017", "val2017", "annotations"):
        for path in sorted((root / folder).iterdir()):
            facts = path.lstat()
            digest = (
                hashlib.sha256(path.read_bytes()).hexdigest()
                if path.is_file() and not path.is_symlink()
                else ""
            )
            found[str(path.relative_to(root))] = (facts.st_mode, facts.st_mtime_ns, facts.st_ino, digest)
    return found


EXPECTED = {
    "grey.jpg": ("convert", "grey"),
    "cmyk.jpg": ("convert", "cmyk"),
    "turned_6.jpg": ("convert", "exif_rotation"),
    "png.jpg": ("convert", "wrong_suffix"),
    "progressive.jpg": ("ok", None),
    "baseline_cut_50.jpg": ("reject", "truncated"),
    "page.jpg": ("reject", "html"),
    "pointer.jpg": ("reject", "git_lfs_pointer"),
    "huge.jpg": ("reject", "too_many_pixels"),
    "missing.jpg": ("reject", "missing"),
    "link.jpg": ("reject", "text"),
    "pipe.jpg": ("reject", "fifo"),
    "wrong_size.jpg": ("reject", "size_mismatch: 176×64 stored, 176×120 in the annotations"),
    "../escape.jpg": ("reject", "bad_file_name"),
    "stray.jpg": ("reject", "not_in_annotations"),
}


def test_the_table(made: Path) -> None:
    table = rows(made)
    assert [set(row) for row in table] == [
        {"split", "image_id", "file_name", "verdict", "reason", "width", "height"}
    ] * len(table)
    by_name = {row["file_name"]: row for row in table}
    for name, (verdict, reason) in EXPECTED.items():
        row = by_name[name]
        assert row["verdict"] == verdict, row
        assert row["reason"] is None if reason is None else str(row["reason"]).startswith(reason), row
    sound = by_name["000000000000.jpg"]
    assert (sound["verdict"], sound["width"], sound["height"], sound["image_id"]) == ("ok", 176, 120, 10)
    assert by_name["stray.jpg"]["image_id"] is None
    assert [row["split"] for row in table] == sorted(str(row["split"]) for row in table)


def test_in_is_kept_and_dropped(made: Path) -> None:
    receipt = json.loads((made / ".pipeline/validate_images.json").read_text())
    verdicts = Counter(row["verdict"] for row in rows(made))
    assert receipt["taken_in"] == len(rows(made)) == receipt["kept"] + sum(receipt["dropped"].values())
    assert receipt["kept"] == verdicts["ok"] + verdicts["convert"]
    assert sum(receipt["dropped"].values()) == verdicts["reject"]


def test_every_reject_is_listed_and_shown(made: Path) -> None:
    listed = [json.loads(line) for line in (made / "rejects.jsonl").read_text().splitlines()]
    refused = [row for row in rows(made) if row["verdict"] == "reject"]
    assert [(row["split"], row["item"], row["reason"]) for row in listed] == [
        (row["split"], row["file_name"], row["reason"]) for row in refused
    ]
    width, height = sheet_size(made)
    assert width > 1000 and height > 2 * 132  # more than one row of tiles


def test_originals_are_never_touched(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    before = originals(root)
    assert run(root).returncode == 0
    assert originals(root) == before


def test_the_result_does_not_depend_on_workers_or_thoroughness(made: Path, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    assert run(root, "--workers", "1", "--thorough").returncode == 0
    assert results(root)["report/images.jsonl"] == results(made)["report/images.jsonl"]


def test_no_usable_image_is_a_failure_that_says_so(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    for path in (root / "val2017").iterdir():
        path.write_bytes(b"<html>")
    done = run(root)
    assert (
        done.returncode == 1 and "no image of val2017 can be used" in done.stderr and "3 html" in done.stderr
    )
    assert not (root / ".pipeline/validate_images.json").exists()


@pytest.mark.parametrize("gone", ["train2017", "annotations/instances_val2017.json"])
def test_missing_inputs_are_named_with_the_command_that_makes_them(tmp_path: Path, gone: str) -> None:
    root = make_root(tmp_path / "root")
    (root / gone).rename(root / "elsewhere")
    done = run(root)
    assert done.returncode == 1 and gone in done.stderr and "python -m pipeline" in done.stderr
    assert "Traceback" not in done.stderr


# The machine's faults are not the images'


def jobs_of(root: Path) -> list[ImageJob]:
    folder = root / "val2017"
    return [ImageJob("val", str(folder), path.name, None) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("exit_code", [-signal.SIGKILL, None, 1])
def test_a_killed_worker_stops_the_stage_and_rejects_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int | None
) -> None:
    monkeypatch.setattr(
        image_survey.WorkerPool,
        "run",
        lambda self, items, stop: iter([[(next(iter(items)), WorkerCrash(exit_code))]]),
    )
    with pytest.raises(StageError, match="does not prove the image bad"):
        check_all(jobs_of(made), tmp_path, 1)


def test_an_image_that_crashes_the_decoder_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(made)
    monkeypatch.setattr(
        image_survey.WorkerPool,
        "run",
        lambda self, items, stop: iter([[(job, WorkerCrash(-signal.SIGSEGV)) for job in items]]),
    )
    found = check_all(jobs, tmp_path, 1)
    assert {of.reason for of in found.values()} == {"crashes_decoder: ended by SIGSEGV"}


def test_a_disk_that_fails_is_not_a_bad_image(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.image_check.safe_read import DiskFault
    from pipeline.image_check.worker_pool import WorkFailed

    def run_(self: object, items: list[ImageJob], stop: object) -> None:
        raise WorkFailed(next(iter(items)), DiskFault(5, "Input/output error", "x"), "")

    monkeypatch.setattr(image_survey.WorkerPool, "run", run_)
    with pytest.raises(StageError, match="Input/output error; that says nothing about the image"):
        check_all(jobs_of(made), tmp_path, 1)


# Journal


def test_what_the_journal_knows_is_not_done_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(made)
    found = check_all(jobs, tmp_path, 1)
    monkeypatch.setattr(
        image_survey.WorkerPool,
        "run",
        lambda self, items, stop: iter([[]]) if not items else pytest.fail("again"),
    )
    assert check_all(jobs, tmp_path, 1) == found


def test_the_journal_forgets_files_that_changed_and_other_settings(tmp_path: Path) -> None:
    path, image = tmp_path / "journal.jsonl", tmp_path / "a.jpg"
    image.write_bytes(b"x")
    facts = image.lstat()
    job = ImageJob("", str(tmp_path), "a.jpg", (3, 4))
    checked = Checked(ImageVerdict("ok", None, 4, 3), FileFacts(1, facts.st_mtime_ns, facts.st_ino))
    with ImageJournal(path, {"check": 1}) as journal:
        journal.add([(job, checked)])
    with path.open("ab") as file:
        file.write(b'{"torn')
    with ImageJournal(path, {"check": 1}) as journal:
        assert journal.find(job) == checked
        assert journal.find(job._replace(expected_hw=(4, 4))) is None
        image.write_bytes(b"yy")
        assert journal.find(job) is None
    with ImageJournal(path, {"check": 2}) as journal:
        assert journal.find(job) is None
    for damage in (b"\0" * 50 + b"\n", b"[]\n"):
        path.write_bytes(b'{"check":2}\n' + damage + b'{"split":""}\n')
        with ImageJournal(path, {"check": 2}) as journal:
            assert journal.find(job) is None


# Interruptions


def same_after(root: Path, made: Path) -> None:
    done = run(root)
    assert done.returncode == 0, done.stderr
    assert results(root) == results(made)
    assert not list(root.glob(".pipeline/staging/validate_images"))
    leftovers = [path.name for path in (root / "report").iterdir()]
    assert sorted(leftovers) == ["bad_images.png", "images.jsonl"]


def kill_at_points(made: Path, tmp_path: Path, shim: Shim, most: int) -> None:
    total = shim.count(command(make_root(tmp_path / "count")), tmp_path)
    assert total > 40
    for point in spread(total, most):
        root = make_root(tmp_path / f"at_{point}")
        before = originals(root)
        shim.run(command(root), tmp_path, point, KILL)
        assert originals(root) == before
        same_after(root, made)
        shutil.rmtree(root)


def test_killed_at_chosen_points(made: Path, tmp_path: Path, shim: Shim) -> None:
    kill_at_points(made, tmp_path, shim, 2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_in_time_and_goes_on(
    made: Path, tmp_path: Path, number: int, code: int
) -> None:
    root = make_root(tmp_path / "root", good=12)
    folder = root / "train2017"
    document = json.loads((root / "annotations/instances_train2017.json").read_text())
    for n in range(3000):  # enough to be in the middle of it
        os.link(folder / "000000000001.jpg", folder / f"copy_{n}.jpg")
        document["images"].append(
            {"id": 10_000 + n, "file_name": f"copy_{n}.jpg", "width": 176, "height": 120}
        )
    (root / "annotations/instances_train2017.json").write_text(json.dumps(document))
    process = warm.Popen(
        command(root),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = root / ".pipeline/staging/validate_images/journal.jsonl"
    until = time.monotonic() + 30
    while not (journal.exists() and journal.stat().st_size > 4000) and time.monotonic() < until:
        time.sleep(0.01)
    began = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does: to the workers, too
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == code and "resume" in errors and "Traceback" not in errors, errors
    kept = len(journal.read_text().splitlines())
    assert 0 < kept < 3000
    done = run(root)
    assert done.returncode == 0
    copies = [row for row in rows(root) if str(row["file_name"]).startswith("copy_")]
    assert len(copies) == 3000 and {row["verdict"] for row in copies} == {"ok"}


def test_interrupted_is_raised(made: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        check_all(jobs_of(made), tmp_path, 1, stop=Stop(lambda: True))


def test_the_stage_says_what_it_reads_and_makes(made: Path) -> None:
    assert STAGE.after == ("extract",) and STAGE.name == "validate_images"
    assert all((made / name).is_file() for name in OUTPUTS)
