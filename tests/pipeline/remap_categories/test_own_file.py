"""The remap of one's own file: exit codes, what is beside the output, images, labels of an earlier remap."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.remap_categories import __main__ as remap_categories_command
from pipeline.remap_categories import published_together
from tests.images.corpus import HEIGHT, WIDTH, corpus, encoded, pixels
from tests.photographs import Photograph, document
from tests.photographs import encoded as photograph
from tests.pipeline.annotation_corpus import Odd
from tests.pipeline.annotation_corpus import corpus as annotation_corpus
from tests.pipeline.annotation_root import killed_at, points_of
from tests.pipeline.image_root import REPOSITORY
from tests.printed import ODD, Printed

CATEGORIES = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}]


def own(folder: Path, names: tuple[str, ...] = ("a.jpg", "sub/b.jpg"), **changes: Any) -> list[str]:
    """Images, an annotation in each, and the arguments of the command."""
    image = encoded(pixels(1), "JPEG")
    for name in names:
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).write_bytes(image)
    document = {
        "images": [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(names)],
        "annotations": [
            {"id": 100 + n, "image_id": n, "category_id": 90, "bbox": [1, 2, 30, 40]} for n in range(len(names))
        ],
        "categories": CATEGORIES,
    } | changes  # fmt: skip
    (folder / "given.json").write_text(json.dumps(document))
    return arguments(folder)


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        "--annotations", str(folder / "given.json"), "--images", str(folder / "images"),
        "--output", str(folder / "made.json"), "--workers", "1", *more,
    ]  # fmt: skip


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def dropped(folder: Path) -> list[tuple[str, Any, str, str]]:
    rows = map(json.loads, (folder / "made.dropped.jsonl").read_text().splitlines())
    return [(row["kind"], row["id"], row["reason"], row["detail"]) for row in rows]


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


MADE = ["made.category_map.json", "made.dropped.jsonl", "made.json", "made.labels.txt"]


def test_the_four_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = own(tmp_path)
    before = (tmp_path / "given.json").read_bytes()
    assert remap_categories_command.main(asked) == 0
    assert names_in(tmp_path) == sorted([*MADE, "given.json", "images"])
    assert (tmp_path / "given.json").read_bytes() == before
    assert (tmp_path / "made.labels.txt").read_text() == "BACKGROUND\nperson\ncar\ntoothbrush\n"
    assert (tmp_path / "made.dropped.jsonl").read_bytes() == b""
    made, map_ = load(tmp_path / "made.json"), load(tmp_path / "made.category_map.json")
    assert [(row["category_id"], row["id"]) for row in made["annotations"]] == [(3, 100), (3, 101)]
    assert [(row["label"], row["original_id"]) for row in map_["categories"]] == [(1, 1), (2, 3), (3, 90)]
    assert "2" in capsys.readouterr().out


def test_what_was_made_is_made_again_the_same(tmp_path: Path) -> None:
    assert remap_categories_command.main(own(tmp_path)) == 0
    first = {name: (tmp_path / name).read_bytes() for name in MADE}
    assert remap_categories_command.main(arguments(tmp_path)) == 0
    assert {name: (tmp_path / name).read_bytes() for name in MADE} == first
    (tmp_path / "made.json").rename(tmp_path / "given.json")
    assert remap_categories_command.main(arguments(tmp_path)) == 0
    assert (tmp_path / "made.json").read_bytes() == first["made.json"]
    assert (tmp_path / "made.labels.txt").read_bytes() == first["made.labels.txt"]


def test_images_that_can_not_be_used_take_their_boxes_along(tmp_path: Path) -> None:
    odd = {one.name: one.data for one in corpus()}
    names = (
        "fine.jpg",
        "missing.jpg",
        "link.jpg",
        "pipe.jpg",
        "folder.jpg",
        "cut.jpg",
        "small.jpg",
        "out/x.jpg",
    )
    asked = own(tmp_path, names)
    images = tmp_path / "images"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.jpg").write_bytes((images / "fine.jpg").read_bytes())
    for name in names[1:]:
        (images / name).unlink()
    (images / "link.jpg").symlink_to("link.jpg")
    os.mkfifo(images / "pipe.jpg")
    (images / "folder.jpg").mkdir()
    (images / "cut.jpg").write_bytes(odd["baseline_cut_50.jpg"])
    (images / "small.jpg").write_bytes(encoded(pixels(1)[:64], "JPEG"))
    (images / "out").rmdir()
    (images / "out").symlink_to(outside)
    assert remap_categories_command.main(asked) == 0
    assert [image["file_name"] for image in load(tmp_path / "made.json")["images"]] == ["fine.jpg"]
    assert [row["id"] for row in load(tmp_path / "made.json")["annotations"]] == [100]
    rows = dropped(tmp_path)
    assert [row[:3] for row in rows] == [("image", n, "rejected") for n in range(1, 8)] + [
        ("annotation", 100 + n, "image_dropped") for n in range(1, 8)
    ]
    reasons = [row[3].split(": ")[1].rstrip(":") for row in rows[:7]]
    assert reasons[:4] == ["missing", "link", "fifo", "directory"] and reasons[5] == "size_mismatch"
    assert reasons[6] == "link"


FEW = [case for case in annotation_corpus() if case.refused][1::9]


@pytest.mark.parametrize("case", FEW, ids=[case.name for case in FEW])
def test_a_file_that_can_not_be_read_is_exit_code_1_and_publishes_nothing(
    case: Odd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remap_categories_command.main(own(tmp_path)) == 0
    before = {name: (tmp_path / name).read_bytes() for name in MADE}
    (tmp_path / "given.json").write_bytes(case.data)
    capsys.readouterr()
    assert remap_categories_command.main(arguments(tmp_path)) == 1
    message = capsys.readouterr().err.splitlines()
    assert message[0].startswith("error: " + str(tmp_path / "given.json")) and len(message) == 3
    assert {name: (tmp_path / name).read_bytes() for name in MADE} == before
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--output", "GIVEN"], "originals are never changed"),
        (["--output", "LINK"], "originals are never changed"),
        (["--output", "FOLDER"], "is a folder"),
        (["--classes", "car", "--category-map", "x.json"], "exclude each other"),
        (["--nonsense"], "unknown argument --nonsense"),
        (["--workers", "-1"], "0 or more"),
    ],
)
def test_usage_is_exit_code_2(
    change: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = own(tmp_path)
    os.link(tmp_path / "given.json", tmp_path / "second_name.json")
    places = {"GIVEN": "given.json", "LINK": "second_name.json", "FOLDER": "images"}
    change = [str(tmp_path / places[word]) if word in places else word for word in change]
    before = (tmp_path / "given.json").read_bytes()
    with pytest.raises(SystemExit) as left:
        remap_categories_command.main([*asked, *change])
    assert left.value.code == 2 and words in capsys.readouterr().err
    assert (tmp_path / "given.json").read_bytes() == before


@pytest.mark.parametrize("missing", ["--annotations", "--images", "--output"])
def test_the_three_go_together(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = own(tmp_path)
    at = asked.index(missing)
    with pytest.raises(SystemExit) as left:
        remap_categories_command.main(asked[:at] + asked[at + 2 :])
    assert left.value.code == 2 and f"{missing} is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "value"),
    [("--annotations", "nowhere.json"), ("--images", "nowhere"), ("--output", "no/where.json")],
)
def test_what_is_not_there_is_named(
    argument: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = own(tmp_path)
    asked[asked.index(argument) + 1] = str(tmp_path / value)
    assert remap_categories_command.main(asked) == 1
    assert "nowhere" in (error := capsys.readouterr().err) or str(tmp_path / "no") in error
    assert len(error.splitlines()) == 3 and not list(tmp_path.glob("made*"))


def test_a_subset_and_an_unknown_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert remap_categories_command.main([*own(tmp_path), "--classes", "toothbrush, person"]) == 0
    assert (tmp_path / "made.labels.txt").read_text() == "BACKGROUND\nperson\ntoothbrush\n"
    assert remap_categories_command.main(arguments(tmp_path, "--classes", "tothbrush")) == 1
    assert "did you mean toothbrush?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("annotations", "said"),
    [([], "it has no annotation"), ([{"id": 1, "image_id": 0, "category_id": 90, "bbox": [1, 2, 0, 0]}], "no annotation of 1 is left")],
)  # fmt: skip
def test_a_file_without_a_box_is_told(
    annotations: list[Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remap_categories_command.main(own(tmp_path, annotations=annotations)) == 0
    assert f"warning: file: {said}: there is nothing to learn or to measure in it" in capsys.readouterr().out


def test_val_with_the_labels_of_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """val lists two of the three categories, in another order: alone, toothbrush would be 2."""
    train, val = tmp_path / "train", tmp_path / "val"
    assert remap_categories_command.main(own(train)) == 0
    own(val, categories=[CATEGORIES[2], CATEGORIES[0]])
    map_ = str(train / "made.category_map.json")
    assert remap_categories_command.main(arguments(val, "--category-map", map_)) == 0
    assert {row["category_id"] for row in load(val / "made.json")["annotations"]} == {3}
    assert (val / "made.labels.txt").read_bytes() == (train / "made.labels.txt").read_bytes()
    assert load(val / "made.json")["categories"] == load(train / "made.json")["categories"]
    own(val, categories=[{"id": 90, "name": "comb"}])
    assert remap_categories_command.main(arguments(val, "--category-map", map_)) == 1
    assert "id 90 is 'comb' here, id 90 is 'toothbrush'" in capsys.readouterr().err
    own(val, categories=[{"id": 90, "name": "car"}])
    assert remap_categories_command.main(arguments(val, "--category-map", map_)) == 1
    own(val, categories=[*CATEGORIES, {"id": 7, "name": "kite"}])
    document = load(val / "given.json")
    document["annotations"][0]["category_id"] = 7
    (val / "given.json").write_text(json.dumps(document))
    assert remap_categories_command.main(arguments(val, "--category-map", map_)) == 0
    assert [row[:3] for row in dropped(val)] == [("annotation", 100, "class_not_chosen")]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "classes": ["BACKGROUND"], "categories": []}',
             ('{"schema": 1, "classes": ["BACKGROUND", "a"], "categories": [{"label": 2, "original_id": 1, "name": "a",'
             ' "supercategory": ""}]}')]
)  # fmt: skip
def test_a_map_that_is_none(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = own(tmp_path)
    (tmp_path / "map.json").write_text(text)
    assert remap_categories_command.main([*asked, "--category-map", str(tmp_path / "map.json")]) == 1
    assert "is not a category map" in capsys.readouterr().err and not (tmp_path / "made.json").exists()


def test_another_run_on_the_same_output_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.command.working_folder import working_folder

    asked = own(tmp_path)
    with working_folder([tmp_path / "made.json"], "remapping"):
        assert remap_categories_command.main(asked) == 1
    assert "another process is making" in capsys.readouterr().err
    assert remap_categories_command.main(asked) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_within_seconds_and_the_same_command_goes_on(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    asked = own(tmp_path, tuple(f"{n}.jpg" for n in range(3000)))
    command = [sys.executable, "-m", "pipeline.remap_categories", *asked]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / ".made.json.remapping/journal.jsonl"
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 50) and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(number)
    began = time.monotonic()
    _, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == code and "resume" in error
    assert not list(tmp_path.glob("made*")) and not list(tmp_path.glob(".tmp-*"))
    (tmp_path / f".tmp-0123456789ab-{MADE[2]}").write_text("of a run that was killed")
    assert remap_categories_command.main(asked) == 0
    assert names_in(tmp_path) == sorted([*MADE, "given.json", "images"])


@pytest.mark.parametrize("failing", ["fsync_file", "atomic_publish"])
def test_a_full_disk_is_named_and_older_files_stay(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remap_categories_command.main(own(tmp_path)) == 0
    before = {name: (tmp_path / name).read_bytes() for name in MADE}
    asked = own(tmp_path, ("a.jpg",))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(published_together, failing, full)
    assert remap_categories_command.main(asked) == 1
    assert {name: (tmp_path / name).read_bytes() for name in MADE} == before
    assert not list(tmp_path.glob(".tmp-*"))
    error = capsys.readouterr().err
    assert "No space" in error or "the disk is full" in error


def check_kills(tmp_path: Path, points: list[int]) -> None:
    """Older files first, killed at each point: each file is the old or the new one; the same command then ends well."""
    own(tmp_path / "old")
    assert remap_categories_command.main(arguments(tmp_path / "old")) == 0
    old = {name: (tmp_path / "old" / name).read_bytes() for name in MADE}
    asked = ["--classes", "car,toothbrush"]
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    assert remap_categories_command.main(arguments(tmp_path / "new", *asked)) == 0
    new = {name: (tmp_path / "new" / name).read_bytes() for name in MADE}
    for point in points:
        killed = tmp_path / f"killed-{point}"
        shutil.copytree(tmp_path / "old", killed)
        killed_at("pipeline.remap_categories", point, *arguments(killed, *asked))
        now = {name: (killed / name).read_bytes() for name in MADE}
        assert all(now[name] in (old[name], new[name]) for name in MADE)
        assert remap_categories_command.main(arguments(killed, *asked)) == 0
        assert {name: (killed / name).read_bytes() for name in MADE} == new
        assert names_in(killed) == sorted([*MADE, "given.json", "images"])


def all_points(tmp_path: Path) -> list[int]:
    own(tmp_path / "counted")
    return list(range(1, points_of("pipeline.remap_categories", *arguments(tmp_path / "counted")) + 1))


def test_killed_at_some_points(tmp_path: Path) -> None:
    points = all_points(tmp_path)
    assert len(points) > 15
    check_kills(tmp_path, points[2 :: len(points) // 5])


@pytest.mark.faults
def test_killed_at_every_point(tmp_path: Path) -> None:
    check_kills(tmp_path, all_points(tmp_path))


def photographs(folder: Path, *of: Photograph) -> list[str]:
    (folder / "images").mkdir(parents=True)
    for one in of:
        (folder / "images" / one.name).write_bytes(photograph(one))
    (folder / "given.json").write_text(json.dumps(document(of)))
    return arguments(folder)


@pytest.mark.parametrize("first", [1, 6], ids=["some", "all"])
def test_photographs_that_are_labelled_upright_are_taken_by_the_printed_command(
    first: int, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ODD
    asked = photographs(folder, Photograph("a.jpg", first), Photograph("b.jpg", 8))
    asked += ["--classes", "red,blue", "--accept-missing"]
    refused = first == 6
    assert remap_categories_command.main(asked) == refused
    said = capsys.readouterr()
    if refused:
        assert "exif_size_mismatch" in said.err and not set(MADE) & set(names_in(folder))
        assert "use those upright that are labelled so: " in said.err
    else:
        assert [row[:3] for row in dropped(folder) if row[0] == "image"] == [("image", 2, "rejected")]
        assert "to use 1 image labelled upright: " in said.out
    printed(said.out + said.err, "pipeline/remap_categories/own_file.py:FileRemap.again")
    assert [one["id"] for one in load(folder / "made.json")["images"]] == [1, 2]
    assert [one["name"] for one in load(folder / "made.json")["categories"]] == ["red", "blue"]
    listed = [row for row in map(json.loads, (folder / "made.dropped.jsonl").read_text().splitlines())]
    noted = {row["id"]: row["detail"] for row in listed if (row["kind"], row["action"]) == ("image", "kept")}
    turned = [number for number, of in ((1, first), (2, 8)) if of != 1]
    assert sorted(noted) == turned and "orientation 8 is applied" in noted[2]


@pytest.mark.parametrize("name", MADE)
def test_a_file_of_the_owner_in_the_place_of_an_output_stays(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ODD
    asked = own(folder)
    (folder / name).write_text("mine")
    assert remap_categories_command.main(asked) == 1
    said = capsys.readouterr().err
    assert "is there and is not replaced" in said
    assert names_in(folder) == sorted([name, "given.json", "images"])
    assert "name another --output" in said
    (folder / name).rename(folder / "moved")
    assert remap_categories_command.main(asked) == 0
    assert remap_categories_command.main(asked) == 0, "an earlier remap gives way"


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = own(tmp_path)
    (tmp_path / "given.json").unlink()
    os.mkfifo(tmp_path / "given.json")
    assert remap_categories_command.main(asked) == 1
    assert "given.json is a pipe, not a file" in capsys.readouterr().err
