"""The miniature release: same bytes for the same seed, official layout, annotations that are true."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.miniature import __main__ as command_line
from pipeline.miniature.__main__ import main
from pipeline.miniature.coco_categories import CATEGORIES
from pipeline.miniature.render import MiniatureSpec, annotation_file, write_release
from pipeline.miniature.scene import render, run_lengths
from pipeline.miniature.shapes import SHAPES
from tests.printed import ODD, Printed
from tools.demo import mirror
from vision.artefacts.files import sha256_of

SPEC = MiniatureSpec(seed=7, train=5, val=3)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("miniature"), SPEC).parent


def test_same_seed_same_bytes_and_another_seed_other_bytes(release: Path, tmp_path: Path) -> None:
    again = json.loads(write_release(tmp_path / "again", SPEC).read_text())
    other = json.loads(write_release(tmp_path / "other", MiniatureSpec(8, 5, 3)).read_text())
    here = json.loads((release / "release.json").read_text())
    assert again == here
    assert [file["sha256"] for file in other["files"]] != [file["sha256"] for file in here["files"]]


def test_the_release_table_states_size_and_digest_of_each_file(release: Path) -> None:
    for file in json.loads((release / "release.json").read_text())["files"]:
        assert (release / file["path"]).stat().st_size == file["bytes"]
        assert sha256_of(release / file["path"]) == file["sha256"]


def test_zips_and_annotations_name_the_same_images_with_the_same_sizes(release: Path) -> None:
    with zipfile.ZipFile(release / "annotations/annotations_trainval2017.zip") as archive:
        noted = json.loads(archive.read("annotations/instances_val2017.json"))
    with zipfile.ZipFile(release / "zips/val2017.zip") as archive:
        sizes = {name: Image.open(io.BytesIO(archive.read(name))).size for name in archive.namelist()}
    assert sizes == {f"val2017/{i['file_name']}": (i["width"], i["height"]) for i in noted["images"]}
    assert [category["id"] for category in noted["categories"]] == [id_ for id_, _, _ in CATEGORIES]
    assert len(noted["categories"]) == 80


def test_a_box_is_the_extent_of_what_can_be_seen() -> None:
    """pycocotools rasterises the polygons; its box is up to two pixels smaller, since a contour runs through pixel centres."""
    checked = 0
    for index in range(20):
        scene = render(np.random.default_rng([0, 1, index]))
        height, width = scene.image.shape[:2]
        for thing in scene.things:
            if thing["iscrowd"]:
                encoded = coco_mask.frPyObjects(thing["segmentation"], height, width)
                assert coco_mask.area(encoded) == thing["area"]
            else:
                encoded = coco_mask.merge(coco_mask.frPyObjects(thing["segmentation"], height, width))
            np.testing.assert_allclose(coco_mask.toBbox(encoded), thing["bbox"], atol=2.0)
            checked += 1
    assert checked > 30


def test_what_the_renderer_promises_is_there_and_in_both_splits_alike() -> None:
    scenes = [render(np.random.default_rng([0, 1, index])) for index in range(150)]
    things = [thing for scene in scenes for thing in scene.things]
    assert {thing["category_id"] for thing in things} == {shape.category_id for shape in SHAPES}
    assert any(thing["category_id"] > 80 for thing in things)
    assert any(thing["iscrowd"] for thing in things)
    assert any(scene.grey for scene in scenes)
    assert any(not scene.things for scene in scenes)
    assert len({scene.image.shape for scene in scenes}) > 50


def test_every_annotation_has_its_own_id() -> None:
    scenes = [render(np.random.default_rng([0, 1, index])) for index in range(5)]
    annotations = annotation_file("train", scenes)["annotations"]
    assert len({annotation["id"] for annotation in annotations}) == len(annotations) > 0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 1], [0, 1]], [2, 2]),
        ([[1, 0], [0, 0]], [0, 1, 3]),
        ([[0, 0], [0, 0]], [4]),
        ([[0, 1], [1, 0]], [1, 2, 1]),
    ],
)
def test_run_lengths_by_hand(rows: list[list[int]], expected: list[int]) -> None:
    assert run_lengths(np.array(rows, dtype=bool)) == expected


def test_an_empty_split_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path), "--val", "0"]) == 2
    assert "--val 0" in capsys.readouterr().err


def test_the_printed_command_makes_a_data_root_beside_what_is_served(
    tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ODD
    monkeypatch.chdir(tmp_path)
    with mirror(folder) as url:
        monkeypatch.setattr(command_line, "PORT", int(url.rpartition(":")[2]))
        assert main(["--output", ODD, "--train", "2", "--val", "1"]) == 0
        said = capsys.readouterr().out
        assert (
            f"terminal: python -m http.server {command_line.PORT} --bind 127.0.0.1 --directory '{ODD}'\n"
            in said
        )
        printed(said, "pipeline/miniature/__main__.py:next_steps", "--workers", 1)
    assert len(list((tmp_path / f"{ODD}-data/train2017").iterdir())) == 2
    assert f"--root {tmp_path.parent}" in command_line.next_steps(Path(), Path("release.json"))
