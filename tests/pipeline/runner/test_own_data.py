"""A root that was made by hand: refused before anything is fetched, used by the command that is printed, remembered."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.data_root.saved_options import read as remembered
from pipeline.pack.__main__ import main as pack
from tests.faults.harness import snapshot
from tests.printed import ODD, Printed

SERVER = "http://127.0.0.1:9"
"""Nobody answers there: whatever is fetched fails."""


@pytest.fixture
def by_hand(miniature_root: Path, tmp_path: Path) -> Path:
    """Images and annotations alone, as somebody would put them there."""
    root = tmp_path / ODD
    for name in ("train2017", "val2017"):
        shutil.copytree(miniature_root / name, root / name)
    (root / "annotations").mkdir()
    for split in ("train", "val"):
        name = f"annotations/instances_{split}2017.json"
        shutil.copy(miniature_root / name, root / name)
    return root


def run(root: Path, *options: str) -> int:
    return main(["run", "--root", str(root), "--workers", "1", *options])


def own_files(root: Path) -> dict[str, str]:
    return snapshot(root, lambda name: not name.startswith(("train2017", "val2017", "annotations/instances")))


def states(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["status", "--root", str(root), "--json"]) == 0
    return [row["state"] for row in json.loads(capsys.readouterr().out)]


def test_it_is_refused_before_a_fetch_and_the_printed_command_uses_it(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own_files(by_hand)
    assert run(by_hand, "--mirror", SERVER) == 1
    said = capsys.readouterr().err
    assert "are not made by the pipeline" in said and "nothing was fetched" in said
    assert own_files(by_hand) == before and not (by_hand / "archives").exists()
    printed(said, "pipeline/runner/own_data.py:_fix", "--workers", "1")
    assert states(by_hand, capsys) == ["own", "own", "done", "done", "done", "optional"]
    assert run(by_hand) == 0, "it is remembered: no --from any more"
    assert main(["verify", "--root", str(by_hand), "--deep"]) == 0
    assert "your own" in capsys.readouterr().out
    assert {name: own_files(by_hand)[name] for name in before} == before


def test_the_printed_command_carries_the_splits_of_the_run_that_was_refused(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(by_hand / "val2017")
    (by_hand / "annotations/instances_val2017.json").unlink()
    assert run(by_hand, "--mirror", SERVER, "--splits", "train") == 1
    printed(capsys.readouterr().err, "pipeline/runner/own_data.py:_fix", "--workers", "1")
    assert run(by_hand) == 0


def test_what_status_prints_next_is_right_for_it(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--root", str(by_hand)]) == 0
    line = printed(capsys.readouterr().out, "pipeline/command/next_step.py:run_again#2", "--workers", "1")
    assert "--from validate_images" in line


def test_moving_it_away_as_printed_makes_room(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own_files(by_hand)
    assert run(by_hand, "--mirror", SERVER) == 1
    printed(capsys.readouterr().err, "pipeline/runner/own_data.py:_moves")
    moved = {name.replace("2017", "2017.mine", 1): digest for name, digest in before.items() if "/" in name}
    assert len(snapshot(by_hand, lambda name: ".mine" not in name)) >= len(moved) - 2
    assert not (by_hand / "train2017").exists() and (by_hand / "train2017.mine").is_dir()


def test_a_release_that_is_named_is_the_way_back_and_a_refused_one_changes_nothing(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(by_hand, "--from", "validate_images") == 0
    assert run(by_hand, "--release", "coco", "--mirror", SERVER) == 1
    assert "are not made by the pipeline" in capsys.readouterr().err
    assert states(by_hand, capsys)[:2] == ["own", "own"]


def test_a_split_that_is_not_there_is_left_out_as_printed(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(by_hand / "val2017")
    (by_hand / "annotations/instances_val2017.json").unlink()
    assert run(by_hand, "--from", "validate_images") == 1
    said = capsys.readouterr().err
    assert "val2017" in said and "nothing is fetched" in said
    printed(said, "pipeline/runner/own_data.py:require_splits", "--workers", "1")
    printed(capsys.readouterr().out, "pipeline/command/next_step.py:after_all#2")
    assert states(by_hand, capsys) == ["own", "own", "done", "done", "done", "optional"]


def test_a_file_of_ones_own_under_the_name_of_a_later_output_is_moved_and_then_it_runs(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    (by_hand / "annotations/labels.txt").write_text("mine\n")
    assert run(by_hand) == 1
    printed(capsys.readouterr().err, "pipeline/runner/own_data.py:_fix", "--workers", "1")
    assert (by_hand / "annotations/labels.txt.mine").read_text() == "mine\n"


@pytest.mark.parametrize(
    "name", ["report", "arrays", "annotations", ".pipeline", ".pipeline/staging", ".pipeline/claims"]
)
def test_a_file_of_ones_own_where_a_folder_of_ours_would_be_is_named_before_any_work(
    by_hand: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "annotations":
        (by_hand / name).rename(by_hand / "elsewhere")
    (by_hand / name).parent.mkdir(exist_ok=True)
    (by_hand / name).write_text("mine")
    before = snapshot(by_hand, lambda each: each.startswith(".pipeline"))
    assert run(by_hand, "--from", "validate_images") == 1
    said = capsys.readouterr()
    assert f"{by_hand / name} is a file, not a folder\n" in said.err and "fix: move it elsewhere" in said.err
    assert snapshot(by_hand, lambda each: each.startswith(".pipeline")) == before
    assert (by_hand / name).read_text() == "mine" and "images can be used" not in said.out


def test_the_root_of_a_release_is_not_taken_for_ones_own(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(own_root, "--from", "validate_images") == 0
    assert states(own_root, capsys) == ["done"] * 5 + ["optional"]


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_clean_leaves_what_its_owner_has_brought_and_names_the_way_back(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    before, content = everything(by_hand), own_files(by_hand)
    assert run(by_hand, "--from", "validate_images", "--classes", "person") == 0
    labels = (by_hand / "annotations/labels.txt").read_bytes()
    capsys.readouterr()
    assert main(["clean", "--root", str(by_hand), "--all", "--yes"]) == 0
    assert everything(by_hand) == before and own_files(by_hand) == content
    said = capsys.readouterr().out
    assert ": annotations/ (2), train2017/ (16), val2017/ (8)\n" in said and "stays:" not in said
    printed(said, "pipeline/command/next_step.py:after_clean#2", "--workers", "1")
    assert states(by_hand, capsys) == ["own", "own", "done", "done", "done", "optional"]
    assert (by_hand / "annotations/labels.txt").read_bytes() == labels


def test_clean_names_the_way_back_to_packs_of_some_splits(
    by_hand: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(by_hand, "--from", "validate_images") == 0
    words = ("--format", "rgb", "--size", "64", "--splits", "train", "--workers", "1")
    assert pack(["--root", str(by_hand), *words]) == 0
    before, noted = everything(by_hand), remembered(by_hand)
    capsys.readouterr()
    assert main(["clean", "--root", str(by_hand), "--all", "--yes"]) == 0
    said = capsys.readouterr().out
    printed(said, "pipeline/command/next_step.py:after_clean#3", "--workers", "1")
    assert everything(by_hand) == before and remembered(by_hand) == noted


def test_the_index_does_not_say_that_they_are_coco(
    by_hand: Path, miniature_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def datasets(root: Path) -> set[str]:
        with closing(sqlite3.connect(root / "index.sqlite")) as index:
            noted = index.execute("SELECT value FROM provenance WHERE key = 'dataset'").fetchall()
            return {name for (name,) in [*index.execute("SELECT DISTINCT dataset FROM images"), *noted]}

    assert run(by_hand, "--from", "validate_images") == 0
    assert datasets(by_hand) == {"own"}
    receipt = by_hand / ".pipeline/index.json"
    noted = json.loads(receipt.read_text())
    del noted["params"]["dataset"]  # as a version before has left it
    receipt.write_text(json.dumps(noted))
    assert states(by_hand, capsys)[4] == "stale"
    assert datasets(miniature_root) == {"miniature-3-16-8"}


@pytest.mark.parametrize("options", [("--from", "validate_images"), ("--only", "index")])
def test_a_root_that_is_mistyped_is_not_made_and_the_near_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    (tmp_path / "own data").mkdir()
    typo = tmp_path / "onw data"
    assert run(typo, *options) == 1
    said = capsys.readouterr()
    assert f"there is no folder {typo}: did you mean '{tmp_path / 'own data'}'?" in said.err
    assert "python -m pipeline" not in said.err and "note:" not in said.out and not typo.exists()
    assert run(tmp_path / "else", *options) == 1
    assert "did you mean" not in capsys.readouterr().err


def test_where_there_are_no_images_yet_both_ways_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ODD).mkdir()
    assert run(tmp_path / ODD, "--from", "validate_images") == 1
    said = capsys.readouterr().err
    assert "to fetch COCO: python -m pipeline run" in said
    assert "for your own: put train2017/ and annotations/instances_train2017.json there" in said


SPOILT = [
    ("fractions", lambda made: [one.update(width=one["width"] + 0.5) for one in made["images"]], "pipeline/validate_images/table.py:_to_have_some", "width: "),
    ("texts", lambda made: [one.update(id=str(one["id"])) for one in made["images"]], "pipeline/validate_images/table.py:_to_have_some", "id: expected"),
    ("other sizes", lambda made: [one.update(width=9, height=7) for one in made["images"]], "pipeline/validate_images/table.py:_to_have_some", "9"),
    ("no images", lambda made: made.pop("images"), "pipeline/runner/own_data.py:to_repair", '"images" is missing'),
    ("a name twice", lambda made: made["categories"].append({**made["categories"][0], "id": 999}), "pipeline/runner/own_data.py:to_repair", "comes twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "site", "why"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT]
)
def test_once_its_owner_has_repaired_the_annotations_the_printed_command_works(
    spoil: Callable[[dict[str, Any]], object], site: str, why: str, by_hand: Path, printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What to repair is said first: the command alone would be refused again, and nothing can be fetched in its place."""
    name = by_hand / "annotations/instances_train2017.json"
    sound = name.read_text()
    made = json.loads(sound)
    spoil(made)
    name.write_text(json.dumps(made))
    assert run(by_hand, "--from", "validate_images") == 1
    said = capsys.readouterr().err
    assert why in said and str(name) in said and "belong together" not in said and "download" not in said
    (fix,) = (line for line in said.splitlines() if line.startswith("  fix: "))
    assert not fix.startswith("  fix: python") and ", then: python -m pipeline run" in fix
    name.write_text(sound)
    printed(said, site, "--workers", "1")
    assert states(by_hand, capsys) == ["own", "own", "done", "done", "done", "optional"]
