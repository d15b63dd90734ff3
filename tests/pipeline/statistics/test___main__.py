"""The command: what it finds on drawn data with planted faults, and what it does where something is missing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.statistics import __main__ as command
from pipeline.statistics import page
from pipeline.statistics.looks import Look, LookJob, look
from pipeline.statistics.suspicions import WORDS
from tests.pipeline.statistics.drawn_root import HEIGHT, NAMES, WIDTH, Drawn, encoded
from tests.printed import ODD, Printed
from vision.artefacts.data_layout import LISTING


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers' own tests start processes; here what they do is done at once."""

    def here(work: Any, jobs: Any, _workers: int, stop: Any) -> Any:
        for job in dict.fromkeys(jobs):
            stop.check()
            yield job, work(job)

    monkeypatch.setattr("pipeline.statistics.looks.by_workers", here)
    monkeypatch.setattr("pipeline.image_check.check_many.by_workers", here)
    monkeypatch.setattr("vision.images.thumbnail.ImageFile.LOAD_TRUNCATED_IMAGES", False)


def report_of(root: Path, tmp_path: Path, *options: str) -> dict[str, Any]:
    made = tmp_path / "report.json"
    assert command.main([str(root), "--json", str(made), "--workers", "1", *options]) == 0
    found: dict[str, Any] = json.loads(made.read_text())
    return found


def test_clean_data_are_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Drawn().write(tmp_path / "root")
    capsys.readouterr()
    report = report_of(root, tmp_path)
    assert set(report["suspicions"]) | {"outside"} == set(WORDS)
    assert not any(report["suspicions"].values()) and report["outside"] == [] and report["left_out"] == []
    assert (
        report["duplicates"]["exact"]
        == report["duplicates"]["near"]
        == report["duplicates"]["unreadable"]
        == []
    )
    assert (report["duplicates"]["images"], report["duplicates"]["plain"]) == (18, 0)
    assert report["classes"]["only_elsewhere"] == []
    said = capsys.readouterr().out
    assert "suspicious boxes: none" in said and "warning" not in said
    assert [line for line in said.splitlines() if len(line) > 80 and "written: " not in line] == []


@pytest.fixture
def planted() -> tuple[Drawn, dict[str, int]]:
    """Each fault once; the id of its annotation or image."""
    drawn = Drawn(seed=1)
    ids = {}
    for kind, box in (
        ("whole_image", (0, 0, WIDTH, HEIGHT)), ("one_pixel", (70, 50, 1, 1)), ("extreme_aspect", (10, 60, 120, 4)),
        ("outside", (130, 90, 60, 20)),
    ):  # fmt: skip
        ids[kind] = drawn.box("train", drawn.image("train"), "kite", box)
    image = drawn.image("train")
    drawn.box("train", image, "car", (20, 20, 50, 40))
    drawn.box("train", image, "cat", (20, 20, 50, 40))  # another class
    drawn.box("train", image, "car", (20, 20, 50, 40), crowd=True)
    ids["doubled"] = drawn.box("train", image, "car", (20.5, 20, 50, 40))
    drawn.box("train", drawn.image("train"), "kite", (0, 0, WIDTH, HEIGHT), crowd=True)  # by purpose
    pixels = drawn.pixels()
    ids["leak"] = drawn.image("train", encoded(pixels, 95))
    drawn.image("val", encoded(pixels, 95))
    other = drawn.pixels()
    ids["near"] = drawn.image("val", encoded(other, 95))
    drawn.image("val", encoded(other, 60))
    drawn.image("val", encoded(other * 0 + 77))  # plain
    return drawn, ids


def test_each_planted_fault_is_found_once_with_its_id(
    planted: tuple[Drawn, dict[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn, ids = planted
    report = report_of(drawn.write(tmp_path / "root"), tmp_path)
    for kind, rows in (report["suspicions"] | {"outside": report["outside"]}).items():
        assert [row["annotation_id"] for row in rows] == [ids[kind]], kind
    assert report["suspicions"]["doubled"][0]["same_as"] == ids["doubled"] - 3
    found = report["duplicates"]
    assert [[row["image_id"] for row in group["images"]] for group in found["exact"]] == [
        [ids["leak"], ids["leak"] + 1]
    ]
    assert found["exact"][0]["splits"] == ["train", "val"] and found["leaks"] == {"exact": 1, "near": 0}
    assert [[row["image_id"] for row in group["images"]] for group in found["near"]] == [
        [ids["near"], ids["near"] + 1]
    ]
    assert found["near"][0]["images"][0]["differing_bits"] == 0 and found["plain"] == 1
    said = capsys.readouterr().out
    assert all(f"train annotation {ids[kind]} of image" in said for kind in WORDS)
    assert "what is learned is measured" in said


def test_classes_that_are_measured_and_not_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = Drawn(seed=2)
    drawn.box("val", drawn.image("val"), "kite", drawn.clean_box(0))
    report = report_of(drawn.write(tmp_path / "root", images=False), tmp_path, "--few", "1")
    assert report["classes"]["only_elsewhere"] == [{"name": "kite", "split": "val", "objects": 1}]
    assert report["classes"]["few"] == [{"name": "kite", "objects": 0}]
    assert "warning: classes that train lacks" in capsys.readouterr().out


def test_classes_that_are_learned_and_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = Drawn(seed=2)
    drawn.box("train", drawn.image("train"), "kite", drawn.clean_box(0))
    root, page = drawn.write(tmp_path / "root", images=False), tmp_path / "page.html"
    rows = report_of(root, tmp_path, "--page", str(page))["classes"]["not_measured"]
    assert {"name": "kite", "split": "val", "objects": 1} in rows
    said = capsys.readouterr().out
    assert "classes that val lacks, which no score is about" in said and "kite (1)" in said
    assert said.endswith(f"written: {page}\n"), "nothing is offered that was given"
    assert command.main([str(root), "--duplicates", "off", "--page", str(page)]) == 0
    assert capsys.readouterr().out.endswith("\nall ids: --json FILE\n")


def test_without_images_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Drawn(train=2, val=1).write(tmp_path / "root", images=False)
    (root / LISTING).unlink()
    report = report_of(root, tmp_path, "--page", str(tmp_path / "page.html"))
    assert report["duplicates"] is None and report["outside"] is None and len(report["left_out"]) == 3
    assert capsys.readouterr().out.count("left out: ") == 3
    assert "no image to be read" in (tmp_path / "page.html").read_text()
    assert report_of(root, tmp_path, "--duplicates", "off")["left_out"][-1].startswith(
        "duplicates: not looked for"
    )


def test_a_missing_image_is_named_and_the_others_are_compared(tmp_path: Path) -> None:
    root = Drawn(train=3, val=1).write(tmp_path / "root")
    gone = sorted((root / "train2017").iterdir())[0]
    gone.unlink()
    found = report_of(root, tmp_path)["duplicates"]
    assert [(row["file_name"], row["reason"]) for row in found["unreadable"]] == [
        (gone.name, "missing: no such file")
    ]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag]


def test_the_page_shows_images_with_boxes_and_runs_nothing_of_a_name(
    planted: tuple[Drawn, dict[str, int]], tmp_path: Path
) -> None:
    drawn, ids = planted
    evil = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
    root = drawn.write(tmp_path / "root", names=(evil, *NAMES[1:]))
    made = tmp_path / "page.html"
    assert command.main([str(root), "--page", str(made), "--workers", "1"]) == 0
    text = made.read_text()
    page = Page(text)
    assert not page.of("script") and not page.of("img") and "&lt;script&gt;alert(1)" in text
    assert {tag for tag, _ in page.tags} <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "pre", "svg", "image", "use", "rect", "section", "figure", "figcaption"}  # fmt: skip
    stored = [str(image["id"]) for image in page.of("image")]
    assert len(stored) == len(set(stored)) and {str(use["href"]) for use in page.of("use")} == {
        f"#{each}" for each in stored
    }
    assert all(str(image["href"]).startswith("data:image/jpeg;base64,") for image in page.of("image"))
    hot = {
        (rect["x"], rect["y"], rect["width"], rect["height"])
        for rect in page.of("rect")
        if "hot" in str(rect["class"])
    }
    assert ("70", "50", "1", "1") in hot and ("0", "0", str(WIDTH), str(HEIGHT)) in hot
    assert f"annotation {ids['extreme_aspect']}<" in text


def test_the_page_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed=3, train=20, val=4)
    crowded = drawn.image("train")
    for _ in range(30):
        drawn.box("train", crowded, "kite", (0, 0, WIDTH, HEIGHT))
    root = drawn.write(tmp_path / "root")
    for name, most in (("OF_CLASSES", 3), ("OF_A_CLASS", 2), ("OF_A_KIND", 2), ("BOXES", 5)):
        monkeypatch.setattr(page, name, most)
    made = tmp_path / "page.html"
    assert command.main([str(root), "--page", str(made), "--workers", "1"]) == 0
    found = Page(made.read_text())
    assert len(found.of("use")) <= 3 + 2 + 2 and ", 5 of 30 boxes drawn" in made.read_text()


@pytest.mark.parametrize("option", ["--json", "--page"])
def test_only_a_file_of_its_own_gives_way(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Drawn(train=2, val=1).write(tmp_path / "root", images=False)
    own = root / "annotations/instances_train2017.json"
    before = own.read_bytes()
    assert command.main([str(root), option, str(own)]) == 1
    said = capsys.readouterr().err
    assert "is there and is not replaced" in said and said.count("\n") == 3 and own.read_bytes() == before
    made = tmp_path / "made"
    for _ in range(2):
        assert command.main([str(root), option, str(made)]) == 0
    assert command.main([str(root), option, str(tmp_path / "none" / "made")]) == 1
    assert "fix: make it" in capsys.readouterr().err


def test_sinks_are_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Drawn(train=2, val=1).write(tmp_path / "root", images=False)
    capsys.readouterr()
    assert command.main([str(root), "--json", "-", "--page", "/dev/null"]) == 0
    assert json.loads(capsys.readouterr().out)["statistics"] == 1
    assert command.main([str(root), "--json", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device() and "images" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        command.main([str(root), "--json", "-", "--page", "/dev/stdout"])
    assert ended.value.code == 2


def test_an_interruption_writes_nothing_and_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Drawn(train=4, val=1).write(tmp_path / "root")
    made = tmp_path / "report.json"

    def interrupted(job: LookJob) -> Look:
        os.kill(os.getpid(), signal.SIGINT)
        return look(job)

    monkeypatch.setattr("pipeline.statistics.looks.look", interrupted)
    assert command.main([str(root), "--json", str(made)]) == 130
    assert not made.exists() and "interrupted; nothing more was written" in capsys.readouterr().err


def test_a_leak_needs_no_file_to_be_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that differ in size no digest is taken."""
    root = Drawn(train=4, val=2).write(tmp_path / "root")
    seen: list[LookJob] = []

    def noted(job: LookJob) -> Look:
        seen.append(job)
        return look(job)

    monkeypatch.setattr("pipeline.statistics.looks.look", noted)
    report_of(root, tmp_path)
    sizes = [Path(job.folder, job.name).stat().st_size for job in seen]
    assert [job.digest for job in seen] == [sizes.count(size) > 1 for size in sizes] and len(seen) == 6


@pytest.mark.parametrize(
    ("broken", "site"),
    [
        ("arrays/val2017/labels.npy", "pipeline/statistics/splits.py:_damaged"),
        ("report/annotations.jsonl", "pipeline/statistics/suspicions.py:_listed"),
    ],
)
def test_what_is_damaged_is_named_with_the_way_out(
    broken: str, site: str, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Drawn(train=3, val=2).write(tmp_path / ODD, images=False)
    (root / broken).write_text("x\n")
    assert command.main(["--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert "why: " in said and "Traceback" not in said
    printed(said, site, "--workers", 1)
    assert command.main(["--root", str(root), "--workers", "1"]) == 0


def test_other_classes_in_the_splits_are_refused(
    tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Drawn(train=3, val=2).write(tmp_path / ODD)
    record = root / "arrays/val2017/arrays.json"
    record.write_text(record.read_text().replace('"cat"', '"dog"'))
    assert command.main(["--root", str(root)]) == 1
    printed(capsys.readouterr().err, "pipeline/statistics/splits.py:open_splits#2", "--workers", 1)
    assert command.main(["--root", str(root), "--workers", "1", "--duplicates", "off"]) == 0


def test_a_split_whose_stages_have_not_run_is_named_with_the_command(
    tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the real stages: a leak is found by the CRCs that they have noted."""
    drawn = Drawn(train=3, val=2)
    pixels = encoded(drawn.pixels())
    ids = [drawn.image("train", pixels), drawn.image("val", pixels)]
    root = drawn.write(tmp_path / ODD, checked=True)
    report = report_of(root, tmp_path)
    assert [row["image_id"] for row in report["duplicates"]["exact"][0]["images"]] == ids
    shutil.rmtree(root / "arrays/val2017")
    capsys.readouterr()
    assert command.main(["--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 3
    printed(said, "pipeline/data_root/saved_options.py:spelled", "--workers", 1)
    assert report_of(root, tmp_path) == report


def test_a_root_that_is_not_there_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tmp_path / "none")]) == 1
    assert "fix: check the path" in capsys.readouterr().err
    root = Drawn(train=2, val=1).write(tmp_path / "root", images=False)
    assert command.main([str(tmp_path / "rood")]) == 1
    assert f"fix: name the data folder that is there: {root}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main([str(root), "--root", str(tmp_path)])
