"""Names of results: the same for the same image in whatever order, never that of anything else."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tools.detect.result_names import Claimed, claimed_in, names_for, placed_name

NOTHING = Claimed({})
IMAGES = [Path(name) for name in ("p/a.png", "p/a.webp", "p/a.jpg", "q/a.jpg", "q/a.png.jpg", "p/A.JPG")]


def test_the_names_do_not_depend_on_the_order(tmp_path: Path) -> None:
    found = set()
    for order in itertools.permutations(IMAGES):
        names = names_for(order, tmp_path, NOTHING)
        assert len({str(name).lower() for name in names}) == len(IMAGES), "also where case is not told apart"
        found.add(tuple(sorted(zip(map(str, order), map(str, names), strict=True))))
    (only,) = found
    assert dict(only)["p/a.webp"] == "a.webp.jpg" and dict(only)["p/a.jpg"].startswith("a-")


def test_an_image_alone_keeps_its_name(tmp_path: Path) -> None:
    assert names_for([Path("p/a.jpg"), Path("p/b.JPEG")], tmp_path, NOTHING) == ["a.jpg", "b.JPEG.jpg"]


def test_what_is_not_ours_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("mine")
    (tmp_path / "b.jpg").symlink_to("nowhere")
    a, b = Path("p/a.jpg"), Path("p/b.jpg")
    assert names_for([a, b], tmp_path, NOTHING) == [placed_name(a), placed_name(b)]
    (tmp_path / placed_name(a)).write_text("mine too")
    assert names_for([a], tmp_path, NOTHING) == [None]


def test_results_of_other_images_of_an_earlier_run_stay(tmp_path: Path) -> None:
    for folder in ("p", "q"):
        (tmp_path / folder).mkdir()
    ours, other = tmp_path / "p/a.jpg", tmp_path / "q/a.jpg"
    (tmp_path / "a.jpg").write_text("drawn")
    row = {"file": "p/a.jpg", "source": str(ours), "picture": "a.jpg"}
    (tmp_path / "detections.json").write_text(json.dumps({"model": "m", "images": [row]}))
    claimed = claimed_in(tmp_path)
    assert names_for([ours], tmp_path, claimed) == ["a.jpg"], "made again"
    assert names_for([other], tmp_path, claimed) == [placed_name(other)]
    assert claimed.left(tmp_path, {str(other)}) == [{"source": str(ours), "picture": "a.jpg"}]
    assert claimed.left(tmp_path, {str(ours)}) == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"images": []}', '{"model": "m", "images": [{"file": "x", "picture": "../x"}]}'],
)
def test_a_record_that_is_none_of_ours_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "detections.json").write_text(content)
    with pytest.raises(ValueError, match=r"is in the way\n  why: .*\n  fix: "):
        claimed_in(tmp_path)


def test_a_very_long_name(tmp_path: Path) -> None:
    (name,) = names_for([Path("ü" * 125 + ".png")], tmp_path, NOTHING)
    assert name is not None and len(name.encode()) <= 200 and name.endswith(".jpg")
