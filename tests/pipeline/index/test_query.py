"""Questions to the index, against the remapped file that it was made from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.index import __main__ as index_command
from pipeline.index import query
from pipeline.remap_categories.stage import remap
from tests.pipeline.annotation_root import make_root
from vision.artefacts.data_layout import remapped_path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    made = make_root(tmp_path_factory.mktemp("query") / "data")
    remap(made)
    assert index_command.main(["--root", str(made)]) == 0
    return made


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    def asked(*options: str) -> list[dict[str, Any]]:
        assert index_command.main(["query", "--root", str(root), "--json", *options]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return asked


def expected(root: Path, keep: Callable[[dict[str, Any]], bool], split: str = "train") -> list[int]:
    made = json.loads((root / remapped_path(split)).read_text())
    names = {row["id"]: row["name"] for row in made["categories"]}
    found = [row | {"class": names[row["category_id"]]} for row in made["annotations"]]
    return [row["id"] for row in sorted(filter(keep, found), key=lambda row: (row["image_id"], row["id"]))]


@pytest.mark.parametrize(
    ("options", "keep"),
    [
        ([], lambda row: True),
        (["--classes", "person"], lambda row: row["class"] == "person"),
        (["--classes", "cat, kite"], lambda row: row["class"] in ("cat", "kite")),
        (["--min-area", "1024"], lambda row: row["area"] >= 1024),
        (["--max-area", "1024"], lambda row: row["area"] < 1024),
        (["--size", "small"], lambda row: row["area"] < 32**2),
        (["--size", "medium", "--crowd", "no"], lambda row: 32**2 <= row["area"] < 96**2 and not row["iscrowd"]),
        (["--size", "large", "--crowd", "yes"], lambda row: row["area"] >= 96**2 and row["iscrowd"]),
        (["--image-id", "1008"], lambda row: row["image_id"] == 1008),
        (["--classes", "person", "--min-area", "5000", "--max-area", "9000"], lambda row: row["class"] == "person" and 5000 <= row["area"] < 9000),
    ],
)  # fmt: skip
def test_what_is_asked_for_and_nothing_else(
    root: Path, ask: Any, options: list[str], keep: Callable[[dict[str, Any]], bool]
) -> None:
    found = [row["id"] for row in ask("--split", "train", "--limit", "0", *options)]
    assert found == expected(root, keep)
    assert found or "--size" in options


def test_a_row_has_the_facts_of_the_annotation(root: Path, ask: Any) -> None:
    made = json.loads((root / remapped_path("val")).read_text())
    wanted = {row["id"]: row for row in made["annotations"]}
    for row in ask("--split", "val", "--limit", "0"):
        given = wanted[row["id"]]
        assert [row["x"], row["y"], row["w"], row["h"]] == given["bbox"]
        assert (row["area"], row["iscrowd"], row["image_id"]) == (
            given["area"],
            given["iscrowd"],
            given["image_id"],
        )
        assert row["file_name"] == f"{row['image_id']:012d}.jpg" and row["split"] == "val"


def test_limits_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    total = sum(len(expected(root, lambda row: True, split)) for split in ("train", "val"))
    assert index_command.main(["query", "--root", str(root), "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[0].split()[:3] == ["split", "id", "image_id"]
    assert lines[-1] == f"3 of {total} rows; --limit 0 shows all"
    assert index_command.main(["query", "--root", str(root)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 22  # 20 rows unless told otherwise


@pytest.mark.parametrize(
    "view", ["class_counts", "size_bins", "images_without_boxes", "images", "categories", "provenance"]
)
def test_tables_and_views_can_be_shown(root: Path, ask: Any, view: str) -> None:
    with closing(sqlite3.connect(root / "index.sqlite")) as database:
        wanted = database.execute(f"SELECT * FROM {view} ORDER BY 1, 2").fetchall()
    assert [tuple(row.values()) for row in ask("--show", view, "--limit", "0")] == wanted
    assert wanted


def test_a_view_of_one_split(ask: Any) -> None:
    assert {row["split"] for row in ask("--show", "images", "--split", "val", "--limit", "0")} == {"val"}


def test_an_unknown_class_is_answered_with_its_like(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert index_command.main(["query", "--root", str(root), "--classes", "persn"]) == 1
    assert capsys.readouterr().err == "there is no class 'persn'; did you mean person?\n"
    assert index_command.main(["query", "--root", str(root), "--classes", "x'; DROP TABLE images; --"]) == 1


def damaged(folder: Path, root: Path, how: str) -> None:
    path = folder / "index.sqlite"
    if how == "no database":
        path.write_text("no database at all, " * 100)
    elif how == "cut":
        path.write_bytes((root / "index.sqlite").read_bytes()[:5000])
    elif how != "missing":
        path.write_bytes((root / "index.sqlite").read_bytes())
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 7" if how == "version" else "DROP TABLE categories")
            database.commit()


@pytest.mark.parametrize("how", ["missing", "no database", "cut", "version", "table"])
def test_an_index_that_can_not_answer_is_named_with_the_way_out(
    tmp_path: Path, root: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(tmp_path, root, how)
    assert index_command.main(["query", "--root", str(tmp_path), "--classes", "person"]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "index.sqlite") in error and "fix: " in error and "Traceback" not in error
    assert (tmp_path / "index.sqlite").exists() == (how != "missing")


def test_a_root_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert index_command.main(["query", "--root", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith(f"there is no folder {tmp_path / 'none'}\n")


def test_an_index_of_before_there_were_orientations_is_still_read(
    tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes((root / "index.sqlite").read_bytes())
    of_one = "id, split, dataset, file_name, width, height, verdict, reason"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            f"CREATE TABLE old AS SELECT {of_one} FROM images; DROP VIEW images_without_boxes; DROP TABLE images;"
            "ALTER TABLE old RENAME TO images; PRAGMA user_version = 1"
        )
    said = []
    for folder in (root, tmp_path):
        assert (
            index_command.main(["query", "--root", str(folder), "--classes", "person", "--limit", "0"]) == 0
        )
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert index_command.main(["query", "--root", str(tmp_path), "--show", "images", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[0])) == of_one.split(", ")


@pytest.mark.parametrize(
    "options",
    [["--size", "huge"], ["--limit", "x"], ["--limit", "-1"], ["--nonsense"], ["--show", "sqlite_master"]],
)
def test_usage_is_exit_code_2(root: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        index_command.main(["query", "--root", str(root), *options])
    assert left.value.code == 2


def test_asking_changes_nothing(root: Path, ask: Any) -> None:
    before = (root / "index.sqlite").read_bytes()
    ask("--limit", "0")
    assert (root / "index.sqlite").read_bytes() == before
    assert [path.name for path in root.glob("index.sqlite*")] == ["index.sqlite"]


@pytest.mark.parametrize("option", ["--min-area", "--max-area"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "-inf", "much", "1e400"])
def test_an_area_that_nothing_can_be_compared_with_is_refused(
    root: Path, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        index_command.main(["query", "--root", str(root), f"{option}={value}"])
    assert end.value.code == 2 and "a number of px²" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [" ", "person,", "person, ,car"])
def test_an_empty_class_is_refused(root: Path, classes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        index_command.main(["query", "--root", str(root), "--classes", classes])
    assert ended.value.code == 2 and "one is empty" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["select * from images where id=5", "person"])
def test_words_in_the_place_of_filters_are_told_what_to_type(
    words: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        index_command.main(["query", "--root", str(root), words])
    first, _ = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and repr(words) in first
    for told in ("--classes person --limit 20", "--show images", "sqlite3 ROOT/index.sqlite"):
        assert told in first


@pytest.mark.parametrize("given", ["9223372036854775808", "-1", "1e3", "9" * 5000])
def test_an_id_that_no_image_can_have_is_a_usage_error(
    given: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        index_command.main(["query", "--root", str(root), "--image-id", given])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "--image-id" in told and "0..2^63-1" in told and "Traceback" not in told and len(told) < 600


def test_a_limit_that_no_database_takes_is_a_usage_error(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        index_command.main(["query", "--root", str(root), "--limit", "9" * 20])
    assert ended.value.code == 2 and "less than 2^63" in capsys.readouterr().err
    assert index_command.main(["query", "--root", str(root), "--limit", str(2**63 - 1)]) == 0


def test_the_largest_id_is_asked_for(ask: Callable[..., list[dict[str, Any]]]) -> None:
    assert ask("--image-id", str(2**63 - 1)) == []


@pytest.mark.parametrize("view", query.VIEWS)
@pytest.mark.parametrize(
    "words", [["--classes", "cat"], ["--image-id", "1"], ["--min-area", "0"], ["--max-area", "9"], ["--size", "small"], ["--crowd", "no"], ["--split", "val"]]
)  # fmt: skip
def test_a_filter_that_a_view_would_ignore_is_refused(
    view: str, words: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["query", "--root", str(root), "--show", view, *words]
    if words[0] == "--split" and view not in ("categories", "provenance"):
        assert index_command.main(command) == 0
        return
    with pytest.raises(SystemExit) as ended:
        index_command.main(command)
    assert ended.value.code == 2
    assert f"--show {view} takes no {words[0]}" in capsys.readouterr().err
