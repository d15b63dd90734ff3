"""Strict JSON and typed records: what is wrong is named with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, from_plain, parse_json, read_json, to_plain, within


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float
    inner: Inner
    many: tuple[Inner, ...] = ()
    pair: tuple[int, int] = (0, 0)
    maybe: int | None = None
    table: dict[str, int] = field(default_factory=dict)
    level: Annotated[int, within(1, 3)] = 1
    several: Annotated[list[str], within(2)] = field(default_factory=lambda: ["a", "b"])
    numbered: dict[int, str] = field(default_factory=dict)


GOOD: dict[str, Any] = {
    "name": "a",
    "rate": 1,
    "inner": {"size": 3},
    "many": [{"size": 4}],
    "table": {"x": 1},
}


def test_a_record_comes_back_as_it_was() -> None:
    record = from_plain(Outer, GOOD, "here")
    assert record == Outer("a", 1.0, Inner(3), (Inner(4),), table={"x": 1})
    assert from_plain(Outer, to_plain(record), "here") == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nam": 1}, "unknown key 'nam'; did you mean 'name'"),
        ({"inner": {"size": True}}, "inner.size: expected int, found bool True"),
        ({"inner": {"size": 1.5}}, "inner.size: expected int"),
        ({"inner": []}, "inner: expected an object"),
        ({"many": {}}, "many: expected a list"),
        ({"many": [1]}, r"many\[0\]: expected an object"),
        ({"pair": [1]}, "pair: expected 2 items, found 1"),
        ({"maybe": "x"}, "maybe: expected null"),
        ({"table": {"x": "1"}}, r"table\.x: expected int"),
        ({"rate": 10**400}, "rate: expected a finite number"),
        ({"rate": float("nan")}, "rate: expected a finite number, found float nan"),
        ({"level": 4}, "level: expected 1 to 3, found int 4"),
        ({"level": "4"}, "level: expected int"),
        ({"several": ["a"]}, "several: expected at least 2 items, found 1"),
        ({"numbered": {"1": "a"}}, "numbered: a key: expected int, found str '1'"),
        ({"name": None}, "name: expected str, found NoneType"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        from_plain(Outer, GOOD | change, "file.json")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(RecordError, match=r"file\.json: the key 'rate' is missing"):
        from_plain(Outer, {"name": "a", "inner": {"size": 1}}, "file.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "a": 2}', "'a' comes twice"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"[Infinity]", "Infinity"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 401 + b"]", "401 digits"),
        (b"\xef\xbb\xbf" * 2 + b"{}", "Unexpected UTF-8 BOM|Expecting"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16, UTF-32 or zeros; expected UTF-8"),
        ('{"a": 1}'.encode("utf-16-le")[:-1], "UTF-16, UTF-32 or zeros; expected UTF-8"),
        (bytes(100), "UTF-16, UTF-32 or zeros; expected UTF-8"),
        (b'{"a": \n 1,}', "line 2"),
        (b'{"a"', "line 1"),
        (b"{} {}", "Extra data"),
        (b"[" * 70 + b"]" * 70, "nested deeper"),
        (b"[" * 100_000, "nested|Expecting"),
    ],
)
def test_json_that_is_no_json(data: bytes, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        parse_json(data, "file.json")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    publish_json(tmp_path / "file.json", list(range(100)))
    with pytest.raises(RecordError, match="at most 10 are expected"):
        read_json(tmp_path / "file.json", max_bytes=10)


def test_a_byte_order_mark_is_read_as_nothing() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": "\xef\xbb\xbf"}', "file.json") == {"a": "\ufeff"}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(), child, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_whatever_is_published_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    publish_json(path, value)
    assert read_json(path) == value
