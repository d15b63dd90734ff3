"""What ``--feed`` means."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.datasets.packed.test_detection import make
from tests.printed import ODD, Printed
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError
from vision.datasets.packed.choice import Feed, choose, difference, is_on_device, train_set
from vision.datasets.packed.detection import PackedDetection
from vision.messages.advice import quoted


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(miniature_root, tmp_path / ODD / "root")
    return tmp_path / ODD / "root"


@pytest.mark.parametrize(
    ("packs", "asked", "channels", "name"),
    [
        ([], "auto", 3, "jpeg"), (["rgb-64"], "auto", 3, "rgb-64"), (["rgb-64"], "jpeg", 3, "jpeg"), (["rgb-64"], "pack", 3, "rgb-64"),
        (["grey-64"], "auto", 3, "jpeg"), (["grey-64"], "auto", 1, "grey-64"), (["grey-64", "rgb-64"], "pack", 3, "rgb-64"),
        (["jpeg-64", "rgb-64"], "auto", 3, "jpeg"), (["jpeg-64", "rgb-64"], "jpeg-64", 3, "jpeg-64"),
    ],
)  # fmt: skip
def test_choice(packs: list[str], asked: str, channels: int, name: str, root: Path) -> None:
    found = choose(asked, [make(root, *packs)], channels)
    assert found.name == name and (name in found.why or name == "jpeg")


@pytest.mark.parametrize(
    ("packs", "asked", "gpu", "name"),
    [
        (["rgb-64"], "device", False, "device:rgb-64"), (["rgb-64"], "auto", True, "device:rgb-64"), (["rgb-64"], "auto", False, "rgb-64"),
        (["jpeg-64", "rgb-64"], "device", True, "device:rgb-64"), (["jpeg-64"], "auto", True, "jpeg-64"), (["rgb-64"], "pack", True, "rgb-64"),
        (["rgb-64", "yuv420-64"], "auto", True, "jpeg"), (["rgb-64", "yuv420-64"], "device:rgb-64", True, "device:rgb-64"), ([], "auto", True, "jpeg"),
    ],
)  # fmt: skip
def test_the_device_makes_images_of_a_raw_pack(
    packs: list[str], asked: str, gpu: bool, name: str, root: Path
) -> None:
    """Unasked where it is a GPU."""
    assert choose(asked, [make(root, *packs)], 3, gpu).name == name
    data = train_set(name)(root)
    assert (type(data), is_on_device(name)) == (
        CocoDetection if name == "jpeg" else PackedDetection,
        "device" in name,
    )


def test_without_a_raw_pack_the_device_has_nothing_to_make_images_of(root: Path, printed: Printed) -> None:
    """What is printed makes one, also where the stage has made another format before."""
    make(root, "jpeg-64")
    with pytest.raises(DatasetError, match="no raw pack") as refused:
        choose("device", [root], 3, gpu=True)
    assert len(str(refused.value).splitlines()) == 3
    printed(str(refused.value), "vision/datasets/packed/choice.py:_made", "--workers", "1", "--size", "64")
    assert choose("device", [root], 3).name == "device:yuv420-64"
    make(root, "rgb-64")
    with pytest.raises(DatasetError, match="--feed device:rgb-64"):
        choose("device", [root], 3)
    with pytest.raises(DatasetError, match="grey pack"):
        choose("device:grey-64", [root], 3)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("rgb-64", "device:rgb-64", "rounded"),
        ("jpeg", "device:rgb-64", "coding"),
        ("rgb-64", "rgb-96", "size"),
    ],
)
def test_what_another_feed_changes(before: str, after: str, says: str) -> None:
    assert says in difference(before, after) and "the same images" in difference(before, after)


def test_the_choice_says_what_makes_a_pack(root: Path, printed: Printed) -> None:
    printed(
        choose("auto", [root], 3).why,
        "vision/datasets/packed/choice.py:_made",
        "--workers",
        "1",
        "--size",
        "64",
    )
    assert choose("auto", [root], 3) == Feed("yuv420-64", choose("auto", [root], 3).why)


def test_refusals(root: Path, printed: Printed) -> None:
    with pytest.raises(DatasetError, match="no pack") as refused:
        choose("pack", [root], 3)
    printed(str(refused.value), "vision/datasets/packed/choice.py:_made", "--workers", "1", "--size", "64")
    make(root, "rgb-64", "grey-64")
    with pytest.raises(DatasetError, match="several"):
        choose("pack", [root], 3)
    with pytest.raises(DatasetError, match="3 channels"):
        choose("grey-64", [root], 3)
    with pytest.raises(DatasetError, match="all of the data roots"):
        choose("pack", [root, root.parent], 3)


def test_all_roots_without_a_pack_are_named(root: Path) -> None:
    other = root.parent / "other"
    roots = [root, other]
    for asked, more in (("rgb-64", " --format rgb --size 64"), ("pack", "")):
        with pytest.raises(DatasetError, match="all of the data roots") as refused:
            choose(asked, roots, 3)
        fixes = " && ".join(f"python -m pipeline.pack --root {quoted(each)}{more}" for each in roots)
        assert str(refused.value).endswith(f"\n  fix: {fixes}")
    assert choose("auto", roots, 3).why.endswith(f": {fixes}")
    make(root, "rgb-64")
    assert choose("rgb-64", roots, 3).name == "rgb-64", "opening the other one says more"
