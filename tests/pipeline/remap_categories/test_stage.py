"""The stage on a data folder: one map for all splits, rejected images, idempotence, and whole files whatever happens."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.annotations.reader import AnnotationError
from pipeline.image_check.verdicts import read_verdicts
from pipeline.index import __main__ as index_command
from pipeline.remap_categories import __main__ as remap_categories_command
from pipeline.remap_categories.stage import remap
from pipeline.stage import StageError
from pipeline.stop import Interrupted, Stop
from tests.pipeline.annotation_root import NAMES, REJECTED, files, make_root
from tests.pipeline.image_root import REPOSITORY
from vision.artefacts.data_layout import (
    CATEGORY_MAP,
    IMAGE_REPORT,
    LABELS,
    LISTING,
    original_path,
    remapped_path,
)

MODULE = "pipeline.remap_categories"
OUTPUTS = (LABELS, CATEGORY_MAP, "annotations/instances_train2017.remapped", "annotations/instances_val2017.remapped", "report/annotations")  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "data")


def load(root: Path, name: str) -> Any:
    return json.loads((root / name).read_text("utf-8"))


def change(root: Path, split: str, **changes: Any) -> None:
    path = root / original_path(split)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def categories(root: Path, split: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load(root, original_path(split))["categories"]
    return found


def test_one_map_from_train_holds_for_val_in_another_order(root: Path) -> None:
    remap(root)
    assert (root / LABELS).read_text().split() == ["BACKGROUND", "car", "person", "cat", "kite"]
    labels = {2: 1, 5: 2, 17: 3, 90: 4}
    for split in ("train", "val"):
        given, made = load(root, original_path(split)), load(root, remapped_path(split))
        classes = {row["id"]: row["category_id"] for row in given["annotations"]}
        assert [row["category_id"] for row in made["annotations"]] == [labels[c] for c in classes.values()]
        assert [(row["id"], row["original_id"]) for row in made["categories"]] == [
            (n, c) for c, n in labels.items()
        ]
    assert [row["original_id"] for row in load(root, CATEGORY_MAP)["categories"]] == list(labels)


def test_val_may_list_fewer_categories(root: Path) -> None:
    kept = [row for row in categories(root, "val") if row["name"] != "cat"]
    change(root, "val", categories=kept)
    _, val = remap(root)
    assert not val.annotations_dropped  # the map of train knows the fourth
    assert {row["name"] for row in load(root, remapped_path("val"))["categories"]} == set(NAMES.values())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 5, "name": "dog"}, "id 5 is 'dog' here and 'person' in annotations/instances_train2017.json"),
        ({"id": 6, "name": "dog"}, "id 6 ('dog') is not in annotations/instances_train2017.json"),
        ({"id": 6, "name": "person"}, "id 6 ('person') is not in"),
    ],
)
def test_val_that_means_something_else_is_refused_and_nothing_is_published(
    root: Path, row: dict[str, Any], words: str
) -> None:
    change(root, "val", categories=[row])
    before = files(root)
    with pytest.raises(AnnotationError) as caught:
        remap(root)
    assert words in str(caught.value) and "instances_val2017.json" in str(caught.value)
    assert files(root) == before


def test_a_remapped_file_remapped_again_is_the_same(root: Path) -> None:
    remap(root)
    first = files(root, *OUTPUTS[:4])
    for split in ("train", "val"):
        shutil.copyfile(root / remapped_path(split), root / original_path(split))
    counts = remap(root)
    assert files(root, *OUTPUTS[:4]) == first
    assert (root / LISTING).read_bytes() == b"" and not counts[0].annotations_dropped


def test_ids_that_are_dense_already_stay(root: Path) -> None:
    dense = {id_: label for label, id_ in enumerate(sorted(NAMES), start=1)}
    for split in ("train", "val"):
        given = load(root, original_path(split))
        for row in given["annotations"]:
            row["category_id"] = dense[row["category_id"]]
        change(root, split, annotations=given["annotations"],
               categories=[{"id": dense[i], "name": name} for i, name in NAMES.items()])  # fmt: skip
    remap(root)
    given, made = load(root, original_path("train")), load(root, remapped_path("train"))
    assert [row["category_id"] for row in made["annotations"]] == [
        row["category_id"] for row in given["annotations"]
    ]


def test_a_subset_of_classes_lists_every_other_annotation(root: Path) -> None:
    counts, _ = remap(root, classes=["kite", "car"])
    assert (root / LABELS).read_text() == "BACKGROUND\ncar\nkite\n"
    given, made = load(root, original_path("train")), load(root, remapped_path("train"))
    wanted = {
        row["id"]: {2: 1, 90: 2}[row["category_id"]]
        for row in given["annotations"]
        if row["category_id"] in (2, 90)
    }
    assert {row["id"]: row["category_id"] for row in made["annotations"]} == wanted
    rows = [json.loads(line) for line in (root / LISTING).read_text().splitlines()]
    others = [row["id"] for row in given["annotations"] if row["id"] not in wanted]
    assert [row["id"] for row in rows if row["split"] == "train"] == others
    assert counts.annotations_dropped == {"class_not_chosen": len(others)}
    assert len(made["images"]) == len(given["images"])  # also those that have no box any more


@pytest.mark.parametrize("asked", [["car", "dg"], [""], ["BACKGROUND"]])
def test_a_class_that_is_not_there_is_refused(root: Path, asked: list[str]) -> None:
    before = files(root)
    with pytest.raises(AnnotationError, match="class"):
        remap(root, classes=asked)
    assert files(root) == before


def test_what_lies_in_a_rejected_image_is_listed(root: Path) -> None:
    remap(root, verdicts=read_verdicts(root / IMAGE_REPORT, ("train", "val")))
    given, made = load(root, original_path("train")), load(root, remapped_path("train"))
    bad = {image["id"] for image in given["images"] if image["id"] % REJECTED == 0}
    assert bad and bad.isdisjoint(image["id"] for image in made["images"])
    rows = [json.loads(line) for line in (root / LISTING).read_text().splitlines() if '"train"' in line]
    assert {row["id"] for row in rows if row["kind"] == "image"} == bad
    lost = [row["id"] for row in given["annotations"] if row["image_id"] in bad]
    assert [row["id"] for row in rows if row["kind"] == "annotation"] == lost
    assert {row["reason"] for row in rows} == {"rejected", "image_dropped"}
    assert all("truncated: ends early" in row["detail"] for row in rows if row["kind"] == "image")


def test_an_image_that_was_never_checked_is_no_good_image(root: Path) -> None:
    lines = (root / IMAGE_REPORT).read_text().splitlines(keepends=True)
    (root / IMAGE_REPORT).write_text("".join(lines[1:]))
    first = json.loads(lines[0])["image_id"]
    counts, _ = remap(root, verdicts=read_verdicts(root / IMAGE_REPORT, ("train", "val")))
    assert counts.images_dropped["not_checked"] == 1
    assert first not in {image["id"] for image in load(root, remapped_path("train"))["images"]}


@pytest.mark.parametrize(
    "text", ["[]\n{}\n", '{"split": "train"}\n{}\n', '{"split": "train", "image_id": 1}\n', '{"split": [], "image_id": 1}\n', "x\ny\n"]
)  # fmt: skip
def test_a_damaged_table_of_images_is_named(root: Path, text: str) -> None:
    (root / IMAGE_REPORT).write_text(text)
    with pytest.raises(StageError, match=r"images\.jsonl is damaged"):
        read_verdicts(root / IMAGE_REPORT, ("train",))


def test_counts_and_exit_codes_of_the_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert remap_categories_command.main(["--root", str(root)]) == 0
    receipt = load(root, ".pipeline/remap_categories.json")
    given = [load(root, original_path(split)) for split in ("train", "val")]
    assert receipt["taken_in"] == sum(len(one["images"]) + len(one["annotations"]) for one in given)
    assert receipt["taken_in"] == receipt["kept"] + sum(receipt["dropped"].values())
    assert set(receipt["dropped"]) == {"image.rejected", "annotation.image_dropped"}
    assert remap_categories_command.main(["--root", str(root), "--classes", "kat"]) == 1
    assert "did you mean cat?" in capsys.readouterr().err
    (root / IMAGE_REPORT).unlink()
    assert remap_categories_command.main(["--root", str(root), "--force"]) == 1
    assert "there is no file" in (error := capsys.readouterr().err) and len(error.splitlines()) == 3


def test_a_class_whose_name_holds_a_comma_is_chosen_and_the_hint_spells_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        text = (root / original_path(split)).read_text()
        (root / original_path(split)).write_text(text.replace('"cat"', '"cat, black"'))
    command = ["--root", str(root), "--classes"]
    assert remap_categories_command.main([*command, "person,cat, black"]) == 1
    assert 'did you mean "cat, black"?' in capsys.readouterr().err
    assert remap_categories_command.main([*command, 'person,"cat, black"']) == 0
    assert (root / LABELS).read_text() == "BACKGROUND\nperson\ncat, black\n"
    assert index_command.main(["--root", str(root)]) == 0
    capsys.readouterr()
    assert index_command.main(["query", *command, '"cat, black"', "--limit", "1"]) == 0
    assert "cat, black" in capsys.readouterr().out


def test_the_test_split_has_no_annotations(tmp_path: Path) -> None:
    root = make_root(tmp_path / "data")
    given = load(root, original_path("val"))
    given.pop("annotations")
    (root / original_path("test")).write_text(json.dumps(given))
    *_, test = remap(root, ("train", "val", "test"))
    assert load(root, remapped_path("test"))["annotations"] == [] and test.images_kept == len(given["images"])


def test_interrupted_between_two_items_nothing_is_published(root: Path) -> None:
    before, asked = files(root), []

    def asked_twice() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Interrupted):
        remap(root, stop=Stop(asked_twice))
    assert files(root) == before


ALL = ("--classes", "all")
"""Another choice than that of the run before, which is remembered."""


@pytest.mark.parametrize("limit", [0, 100, 3000, 9000])
def test_a_disk_that_takes_no_more_bytes(root: Path, limit: int) -> None:
    """A real write that fails, through the limit on the size of a file."""
    assert remap_categories_command.main(["--root", str(root), "--classes", "car"]) == 0
    before = files(root)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--root", str(root), *ALL], cwd=REPOSITORY, preexec_fn=limited,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert files(root) == before
    assert remap_categories_command.main(["--root", str(root), *ALL]) == 0
