"""The tables of boxes: fast, and right for what nobody vouches for."""

from __future__ import annotations

import csv
import io
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.open_images import boxes
from pipeline.open_images.boxes import Boxes, read_boxes
from pipeline.open_images.release import COLUMNS, MADE_COLUMNS
from pipeline.stop import Interrupted, StageError, Stop
from tests.pipeline.open_images.published import HEADER, LABELS, Published, published, row

APPLE = {"/m/014j1m": "Apple"}
GOOD = "00a1,xclick,/m/014j1m,1,0.1,0.5,0.2,0.6,0,0,0,0,0"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Boxes]:
    def found(
        table: str | bytes, labels: dict[str, str] = APPLE, overlapped: bool = True, depictions: bool = False
    ) -> Boxes:
        path = tmp_path / "train-annotations-bbox.csv"
        path.write_bytes(table.encode() if isinstance(table, str) else table)
        return read_boxes(path, labels, depictions, overlapped, lambda line: None, Stop())

    return found


def lines(found: Boxes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(found.lines_of(lambda image: True)).decode())))


def table(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    return "".join(each + end for each in (header, *rows))


def test_the_same_as_the_csv_module_finds(
    read: Callable[..., Boxes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of any size, so that rows lie across two of them."""
    release, labels = published(3), {label: LABELS[label] for label in list(LABELS)[1:]}
    data = release.bodies()["/2018_04/train/train-annotations-bbox.csv"]
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    expected = [each for each in rows if each["LabelName"] in labels and each["IsDepiction"] != "1"]
    for chunk in (7, 100, 1 << 20):
        monkeypatch.setattr(boxes, "CHUNK", chunk)
        found = read(data, labels)
        made = [dict(zip(MADE_COLUMNS, line, strict=True)) for line in lines(found)]
        assert [{key: each[key] for key in COLUMNS} for each in made] == expected
        assert all(
            each["ClassName"] == labels[each["LabelName"]] and each["id"] == each["LabelName"]
            for each in made
        )
        assert found.lines == len(rows) and found.count == len(expected)
        assert found.dropped["depiction"] == sum(r["LabelName"] in labels for r in rows) - len(expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("\n", "\r\n").rstrip("\r\n"),
        lambda text: text.replace("xclick", '"xclick"').replace("/m/014j1m", '"/m/014j1m"'),
    ],
)
def test_another_form_of_the_same_table(change: Callable[[str], str], read: Callable[..., Boxes]) -> None:
    text = table(GOOD, GOOD.replace("/m/014j1m", "/m/0cyhj_"))
    assert lines(read(change(text))) == lines(read(text)) == [[*GOOD.split(","), "/m/014j1m", "Apple"]]


def test_columns_in_another_order_and_more_of_them(read: Callable[..., Boxes]) -> None:
    names = [*reversed(COLUMNS), "XClick1X"]
    values = [*reversed(GOOD.split(",")), "-1"]
    found = read(table(",".join(values), header=", ".join(names)))
    assert lines(found) == [[*GOOD.split(","), "/m/014j1m", "Apple"]]


@pytest.mark.parametrize(
    "header", ["", "ImageID,LabelName", HEADER.replace("XMin", "xmin"), HEADER.replace(",", ";"), "<html>"]
)
def test_a_table_without_the_columns_is_refused(header: str, read: Callable[..., Boxes]) -> None:
    with pytest.raises(StageError, match="has no column") as refused:
        read(table(GOOD, header=header))
    assert "rm " in refused.value.fix


BAD_IDS = [
    "../x",
    "/etc/passwd",
    "a/b",
    "..",
    ".hidden",
    "",
    "-rf",
    "a b",
    "A1",
    "a" * 101,
    "a\\b",
    "é",
    "a\x00b",
    "=1+1",
]


@pytest.mark.parametrize("image", BAD_IDS)
def test_an_id_that_is_no_name_of_a_file_is_left_out(image: str, read: Callable[..., Boxes]) -> None:
    found = read(table(GOOD, GOOD.replace("00a1", image)))
    assert list(found.images) == ["00a1"] and found.dropped == {"image_id": 1}
    assert found.examples[0].startswith("line 3: ") and found.examples[0].isprintable()


@pytest.mark.parametrize(
    "bad",
    [
        GOOD[:-2], GOOD + ",0", "00a1,xclick", '00a1,"xclick,/m/014j1m,1,0,1,0,1,0,0,0,0,0', "garbage",
        GOOD.replace("xclick", '"x,click"'), GOOD.replace("xclick", "\x1b[31m"),
    ],
)  # fmt: skip
def test_a_row_of_another_form_is_left_out_and_told(bad: str, read: Callable[..., Boxes]) -> None:
    found = read(table(bad, GOOD))
    assert lines(found) == [[*GOOD.split(","), "/m/014j1m", "Apple"]]
    assert found.dropped == {"malformed": 1} and found.examples[0].startswith("line 2: ")


def test_bytes_that_are_no_utf8_are_left_out(read: Callable[..., Boxes]) -> None:
    found = read(table(GOOD).encode() + GOOD.encode().replace(b"xclick", b"\xff\xfe") + b"\n")
    assert found.count == 1 and found.dropped == {"malformed": 1}


def test_what_is_for_the_import_to_judge_is_kept(read: Callable[..., Boxes]) -> None:
    """Fractions out of range, no numbers, sides exchanged, a row twice, names that a spreadsheet would compute."""
    odd = [
        GOOD,
        GOOD,
        GOOD.replace("0.5", "7.5"),
        GOOD.replace("0.1", "-1"),
        GOOD.replace("0.1", "nan"),
        GOOD.replace("0.6", "x"),
    ]
    found = read(table(*odd), {"/m/014j1m": '=cmd("x"), y'})
    assert [line[:13] for line in lines(found)] == [each.split(",") for each in odd]
    assert {line[-1] for line in lines(found)} == {'=cmd("x"), y'} and not found.dropped


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    read: Callable[..., Boxes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "LONGEST_LINE", 5000)
    monkeypatch.setattr(boxes, "CHUNK", 1000)
    with pytest.raises(StageError, match="line 3 has more than"):
        read(table(GOOD) + "x" * 20_000)


def test_single_boxes_that_a_group_covers(read: Callable[..., Boxes]) -> None:
    def box(image: str, sides: str, group: int, label: str = "/m/014j1m") -> str:
        return f"{image},xclick,{label},1,{sides},0,0,{group},0,0"

    rows = [
        box("a", "0.1,0.3,0.1,0.3", 0), box("a", "0,0.5,0,0.5", 1), box("a", "0.4,0.6,0.0,0.5", 0),
        box("a", "0.45,0.9,0,0.5", 0), box("a", "0.1,0.3,0.1,0.3", 0, "/m/0cyhj_"), box("b", "0.1,0.3,0.1,0.3", 0),
        box("a", "x,0.3,0.1,0.3", 0), box("c", "0.2,0.2,0.2,0.2", 0), box("c", "0,1,0,1", 1),
    ]  # fmt: skip
    labels = {**APPLE, "/m/0cyhj_": "Orange"}
    found = read(table(*rows), labels, overlapped=False)
    assert [line[:13] for line in lines(found)] == [
        r.split(",") for at, r in enumerate(rows) if at not in (0, 2)
    ]
    assert found.dropped == {"covered_by_group": 2} and {k: len(v) for k, v in found.images.items()} == {
        "a": 4,
        "b": 1,
        "c": 2,
    }
    assert len(lines(read(table(*rows), labels))) == len(rows)


def test_the_memory_does_not_grow_with_the_rows_of_other_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "CHUNK", 1 << 16)
    draw, path = random.Random(0), tmp_path / "train-annotations-bbox.csv"
    other = "".join(",".join(row(f"{n:016x}", "/m/0cyhj_", draw)) + "\n" for n in range(2000))
    path.write_text(HEADER + "\n" + other * 10 + GOOD + "\n")
    tracemalloc.start()
    found = read_boxes(path, APPLE, False, True, lambda line: None, Stop())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.lines == 20_001 and peak < path.stat().st_size / 2


def test_it_says_how_long_it_takes_and_stops_when_asked(
    tmp_path: Path, release: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "CHUNK", 1000)
    monkeypatch.setattr(boxes, "ANNOUNCED", 1)
    path, said = tmp_path / "train-annotations-bbox.csv", list[str]()
    path.write_bytes(release.bodies()["/2018_04/train/train-annotations-bbox.csv"])
    read_boxes(path, APPLE, False, True, said.append, Stop())
    (line,) = said
    assert "about 0.0 million rows; at " in line and "rows/s it takes 0:00:00" in line
    with pytest.raises(Interrupted):
        read_boxes(path, APPLE, False, True, said.append, Stop(lambda: True))
