"""The whole command against a server with the release's layout: what it writes, how it resumes, what it leaves alone."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.open_images import __main__ as command
from pipeline.open_images import driver, images
from pipeline.open_images.__main__ import main
from pipeline.open_images.release import CACHE, MADE_COLUMNS, SPLITS, made_name
from pipeline.stop import Stop
from tests.faults.harness import KILL, Shim, python, snapshot, spread
from tests.pipeline.fault_server import FaultServer
from tests.pipeline.open_images.conftest import Run
from tests.pipeline.open_images.published import TABLES, Published
from tests.printed import Printed
from vision.artefacts.data_layout import import_root


def written(root: Path) -> dict[str, Counter[str]]:
    """``split/ID`` → boxes by class, as the tables have them."""
    found: dict[str, Counter[str]] = {}
    for split in SPLITS:
        with (root / made_name(split)).open(newline="") as file:
            reader = csv.DictReader(file)
            assert reader.fieldnames == list(MADE_COLUMNS)
            for row in reader:
                assert row["id"] == row["LabelName"]
                found.setdefault(f"{split}/{row['ImageID']}", Counter())[row["ClassName"]] += 1
    return found


def brought(root: Path) -> set[str]:
    return {path.relative_to(root).with_suffix("").as_posix() for path in root.glob("*/*.jpg")}


def receipt(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((root / CACHE / "receipt.json").read_text())
    return found


def test_all_of_it_as_it_is_published(run: Run, server: FaultServer, root: Path, release: Published) -> None:
    assert run() == 0
    assert written(root) == release.images("Apple", "Orange") and brought(root) == written(root).keys()
    assert any(name.endswith("/0000000000000001") for name in written(root)), "zeros of an ImageID stay"
    for path in root.glob("*/*.jpg"):
        assert path.read_bytes() == server.bodies[f"/{path.relative_to(root).as_posix()}"]
    for split in SPLITS:  # every value as it was published
        rows = {tuple(row) for row in release.rows[split]}
        with (root / made_name(split)).open(newline="") as file:
            assert {tuple(row[:13]) for row in csv.reader(file)} - {MADE_COLUMNS[:13]} <= rows
    made = receipt(root)
    assert made["taken_in"] == sum(made["dropped"].values()) + made["kept"]  # type: ignore[attr-defined,operator]
    assert made["kept"] == sum(sum(each.values()) for each in written(root).values())


def test_again_it_asks_for_nothing_and_changes_nothing(run: Run, server: FaultServer, root: Path) -> None:
    assert run("--max-images", "9") == 0
    before, asked = snapshot(root, lambda name: name.startswith(CACHE)), len(server.paths)
    assert run("--max-images", "9") == 0
    assert snapshot(root, lambda name: name.startswith(CACHE)) == before and len(server.paths) == asked
    assert run("--max-images=14") == 0, "more of them: those of before are among them"
    assert len(server.paths) == asked + 5 and len(written(root)) == 14


def test_drawings_are_taken_where_they_are_asked_for(run: Run, root: Path, release: Published) -> None:
    assert run("--include_depiction") == 0
    assert written(root) == release.images("Apple", "Orange", depictions=True)


def test_stats_only_writes_nothing_but_its_cache(
    run: Run, server: FaultServer, root: Path, release: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--stats-only") == 0
    assert [path.name for path in root.iterdir()] == [CACHE]
    assert not [path for path in server.paths if path.endswith(".jpg")]
    out, images = capsys.readouterr().out, release.images("Apple", "Orange")
    train = [counts for name, counts in images.items() if name.startswith("train/")]
    boxes = sum(map(Counter.total, train))
    apples = sum(counts["Apple"] for counts in train)
    assert f"Image count:  {len(train)}\n  Bounding box count:  {boxes}\n" in out
    assert f"    Apple:  {apples}/{boxes} = {apples / boxes:.2f} (in " in out
    assert f"Overall statistics\n{'-' * 37}\n  Image count:  {len(images)}\n" in out


@pytest.mark.parametrize("at", [0, 1, 7])
def test_stopped_in_the_middle_the_same_command_resumes(
    at: int, run: Run, server: FaultServer, root: Path, release: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked to stop when the ``at``-th image gets its name; the thread under way leaves a whole image or none."""
    publish, small, stop = images.publish_bytes, images.SmallFiles, Stop()
    files: list[images.SmallFiles] = []
    published: list[Path] = []

    def publish_until(path: Path, data: bytes) -> object:
        if len(published) == at:
            stop.signal = 2
            files[0].leave.wait(5)
        published.append(path)
        return publish(path, data)

    def watched(tries: int) -> images.SmallFiles:
        files.append(small(tries))
        return files[0]

    with monkeypatch.context() as patch:
        patch.setattr(images, "publish_bytes", publish_until)
        patch.setattr(images, "SmallFiles", watched)
        patch.setattr(command, "Stop", lambda: stop)
        assert run("--num-workers", "1") == 130
    assert not list(root.glob("sub-*")) and len(brought(root)) in (at, at + 1)
    here, asked = brought(root), len(server.paths)
    assert run() == 0
    assert written(root) == release.images("Apple", "Orange") and brought(root) == written(root).keys()
    assert len(server.paths) - asked <= len(written(root)) - len(here) + 1


def test_an_image_that_is_not_on_the_server_is_listed_and_tried_again(
    run: Run, server: FaultServer, root: Path, release: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = min(release.images("Apple", "Orange"))
    server.faults_of[f"/{gone}.jpg"] = "404"
    assert run() == 0
    assert "1 image could not be fetched" in capsys.readouterr().out
    (row,) = (root / "failed_images.jsonl").read_text().splitlines()
    assert json.loads(row) == {"image": f"{gone}.jpg", "reason": "HTTP 404: the server has no such file"}
    assert written(root).keys() == release.images("Apple", "Orange").keys() - {gone}
    assert receipt(root)["dropped"]["image_failed"] == release.images("Apple", "Orange")[gone].total()  # type: ignore[index]
    server.faults_of.clear()
    assert run() == 0
    assert gone in written(root) and not (root / "failed_images.jsonl").exists()


@pytest.mark.parametrize("name", [*TABLES, "failed_images.jsonl"])
def test_a_table_of_the_owners_is_not_replaced(
    name: str, run: Run, server: FaultServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root.mkdir(parents=True)
    (root / name).write_text("mine\n")
    assert run() == 1
    said = capsys.readouterr().err
    assert f"{name} is there and is not replaced" in said and "why:" in said and "fix:" in said
    assert (root / name).read_text() == "mine\n" and not server.paths, "said before anything is fetched"


def test_a_table_that_was_changed_since_is_its_owners(run: Run, root: Path) -> None:
    assert run("--max-images=5") == 0
    with (root / TABLES[0]).open("a") as file:
        file.write("a row of my own\n")
    assert run() == 1
    assert (root / TABLES[0]).read_text().endswith("a row of my own\n")


def test_an_image_that_was_there_is_used_and_stays(
    run: Run, server: FaultServer, root: Path, release: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    name = min(release.images("Apple", "Orange"))
    (root / name).parent.mkdir(parents=True)
    (root / f"{name}.jpg").write_bytes(b"mine")
    assert run() == 0
    assert "1 of them not brought by this command" in capsys.readouterr().out
    assert (root / f"{name}.jpg").read_bytes() == b"mine" and f"/{name}.jpg" not in server.paths


def test_a_table_in_the_cache_that_was_damaged_is_removed_as_printed(
    run: Run, root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--stats-only") == 0
    table = root / CACHE / "test-annotations-bbox.csv"
    table.write_bytes(table.read_bytes()[:-200])
    assert run("--stats-only") == 1
    said = capsys.readouterr().err
    assert "it has changed since it was fetched" in said
    printed(said, "pipeline/open_images/release.py:damaged")
    assert not table.exists() and run() == 0


@pytest.mark.parametrize("line", ["[1]", '{"path": "x"}', "x", "\xff"])
def test_a_journal_that_was_damaged_is_removed_as_printed(
    line: str, run: Run, root: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--stats-only") == 0
    journal = root / CACHE / "made.jsonl"
    journal.write_bytes(journal.read_bytes() + line.encode("latin-1") + b"\n")
    assert run("--stats-only") == 1
    printed(capsys.readouterr().err, "pipeline/open_images/made.py:_read")
    assert run("--max-images=3") == 0 and len(written(root)) == 3


def test_a_data_root_is_no_place_for_it(
    run: Run, server: FaultServer, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / ".pipeline").mkdir(parents=True)
    assert run() == 1
    assert "is a data root of the stages" in capsys.readouterr().err and not server.paths


def test_limits_that_leave_nothing_are_an_error(
    run: Run, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--classes", "Banana", "--root", str(root), "--mirror", "http://127.0.0.1:9", "--retry=1"]) == 1
    )
    capsys.readouterr()
    assert run("--stats-only") == 0
    for split in SPLITS:
        table = root / CACHE / f"{split}-annotations-bbox.csv"
        table.write_text(table.read_text().splitlines()[0] + "\n")
    (root / CACHE / "made.jsonl").unlink()
    assert run() == 1
    assert "there is no image to download" in capsys.readouterr().err


def test_too_little_room_is_said_before_an_image_is_asked_for(
    run: Run, server: FaultServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(driver, "IMAGE_BYTES", 1 << 60)
    assert run() == 1
    said = capsys.readouterr().err
    assert "not enough space" in said and "a smaller --max-images" in said
    assert not [path for path in server.paths if path.endswith(".jpg")]


@pytest.mark.parametrize("drawings", [(), ("--include-depiction",)])
def test_the_printed_import_makes_a_data_root(
    drawings: tuple[str, ...], run: Run, root: Path, release: Published, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(*drawings) == 0
    said = capsys.readouterr().out
    shutil.rmtree(root / CACHE)  # nothing of it is needed any more
    printed(said, "pipeline/open_images/driver.py:_Download._end", "--workers", "1")
    data = import_root(root)
    assert sorted((data / "annotations/labels.txt").read_text().split()) == ["Apple", "BACKGROUND", "Orange"]
    boxes = release.images("Apple", "Orange", depictions=bool(drawings))
    for split, ours in (("train", "train"), ("validation", "val")):
        file = json.loads((data / f"annotations/instances_{ours}2017.json").read_text())
        expected = [counts for name, counts in boxes.items() if name.startswith(f"{split}/")]
        assert len(file["images"]) == len(expected)
        assert len(file["annotations"]) == sum(map(Counter.total, expected))
    assert "train_ssd.py" in capsys.readouterr().out


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_killed_again_and_again_it_ends_in_the_same_files(
    shim: Shim, server: FaultServer, tmp_path: Path
) -> None:
    def line(root: Path) -> list[str]:
        words = ("--classes", "Apple,Orange", "--mirror", server.url, "--root", root, "--num-workers", "3")
        return python("-m", "pipeline.open_images", *words)

    def made(root: Path) -> dict[str, str]:
        return snapshot(root, lambda name: name.startswith(CACHE))

    whole = tmp_path / "whole"
    changes = shim.count(line(whole), whole)
    for at in spread(changes, 24):
        root = tmp_path / f"at {at}"
        assert shim.run(line(root), root, at, KILL).returncode == -9, at
        for name, digest in made(root).items():  # nothing half under a name of its own
            assert ".tmp-" in name or made(whole)[name] == digest, (at, name)
        assert shim.run(line(root), root, 0, "").returncode == 0, at
        assert made(root) == made(whole), at
