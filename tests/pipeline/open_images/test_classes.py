"""Names of classes: as the release spells them, nearly so, and not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.open_images.classes import labels_of, read_descriptions
from pipeline.stop import StageError

TABLE = {
    "/m/1": "Apple",
    "/m/2": "Orange",
    "/m/3": "Baseball glove",
    "/m/4": "Kitchen, dining",
    "/m/5": "Apple",
}


def test_names_to_labels() -> None:
    said: list[str] = []
    assert labels_of(["Orange", "Apple", "Apple"], TABLE, said.append) == {
        "/m/1": "Apple",
        "/m/2": "Orange",
        "/m/5": "Apple",
    }
    assert not said


def test_another_case_is_accepted_aloud() -> None:
    said: list[str] = []
    assert labels_of(["ORANGE", "Orange"], TABLE, said.append) == {"/m/2": "Orange"}
    assert said == ["note: 'ORANGE' is taken for 'Orange', as Open Images spells it"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("Aple", "Apple"), ("oranges", "Orange"), ("glove", "Baseball glove"), ("Kitchen", "Kitchen, dining"), ("Apple pie", "Apple")],
)  # fmt: skip
def test_the_nearest_ones_are_named(name: str, near: str) -> None:
    with pytest.raises(StageError) as refused:
        labels_of(["Orange", name], TABLE, lambda line: None)
    assert refused.value.what == f"Open Images has no boxes of {name!r}"
    assert f"near it: {near}" in refused.value.why
    better = dict.fromkeys(["Orange", f'"{near}"' if "," in near else near])
    assert refused.value.fix == f"name classes of its own, such as --classes {','.join(better)!r}"


def test_nothing_is_near() -> None:
    with pytest.raises(StageError, match="near it: nothing"):
        labels_of(["\x1b[31mzzz"], TABLE, lambda line: None)


def test_the_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes('\ufeff/m/1,Apple\r\n\r\n/m/4,"Kitchen, dining"\r\n/m/1,Again\r\n/m/9,=1+1'.encode())
    assert read_descriptions(path) == {"/m/1": "Apple", "/m/4": "Kitchen, dining", "/m/9": "=1+1"}


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"/m/1\n", b"/m/1,\n", b"/m/1,a,b\n", b'/m/1,"a\n', b"/m/1,\xff\n", b"/m/1,a\x1bb\n", b'/m/1,"a\nb"\n', b"<html>, </html>\n\n<x"],
)  # fmt: skip
def test_another_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    with pytest.raises(StageError, match="is not the table that Open Images publishes"):
        read_descriptions(path)
