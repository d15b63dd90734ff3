"""The reader against the standard library's: equal values for whatever is JSON, an error for whatever is not."""

from __future__ import annotations

import codecs
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.annotations import json_strict
from pipeline.annotations import scan as annotation_bytes
from pipeline.annotations.reader import AnnotationError, AnnotationFile
from tests.pipeline.annotation_corpus import corpus, document

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MAX_DEPTH, MAX_KEY_BYTES = 64, 256

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**300, -0.0, 5e-324, 1.7e308]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ELEMENTS = st.lists(st.one_of(st.dictionaries(st.text(max_size=8), VALUES, max_size=6), VALUES), max_size=5)
FILES = st.dictionaries(st.text(max_size=20), st.one_of(ELEMENTS, VALUES), max_size=5)


def read(data: bytes, walk: bool) -> dict[str, Any]:
    """The whole file by the reader, in one pass or part by part."""
    descriptor, name = tempfile.mkstemp()
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 — a descriptor
            stream.write(data)
        with AnnotationFile(Path(name)) as file:
            if walk:
                return {part.key: list(part) if part.is_list else next(iter(part)) for part in file.walk()}
            parts = {key: file.part(key) for key in reversed(file.sections)}
            values = {key: list(part) if part.is_list else next(iter(part)) for key, part in parts.items()}
            whole = {key: part.finish() for key, part in parts.items()}
            assert file.sections == whole, "passed over it ends where it ends when it is read"
            return values
    finally:
        os.unlink(name)  # noqa: PTH108


def second_reader(data: bytes) -> dict[str, Any]:
    """The same rules by ``json.loads`` with strict hooks. Raises ValueError (or RecursionError)."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("key twice")
        return dict(pairs)

    def finite(digits: str) -> float:
        if math.isinf(float(digits)):
            raise ValueError("too large")
        return float(digits)

    def whole(digits: str) -> int:
        finite(digits)
        return int(digits)

    def refuse(name: str) -> None:
        raise ValueError(name)

    value = json.loads(
        data.removeprefix(codecs.BOM_UTF8).decode("utf-8"), object_pairs_hook=unique, parse_float=finite, parse_int=whole, parse_constant=refuse
    )  # fmt: skip
    if not isinstance(value, dict):
        raise ValueError("no object on top")
    json.dumps(value, ensure_ascii=False).encode()  # lone surrogates fail here
    for key, part in value.items():
        if len(json.dumps(key).encode()) > MAX_KEY_BYTES:
            raise ValueError("long key")
        if (
            max((depth(inner) for inner in (part if isinstance(part, list) else [part])), default=0)
            > MAX_DEPTH
        ):
            raise ValueError("deep")
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type: 1 is not 1.0 and not True; the order of keys counts."""
    return repr(a) == repr(b)


@pytest.mark.parametrize("walk", [True, False])
@given(value=FILES, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
@QUICK
def test_whatever_the_standard_library_writes_is_read_equal(
    walk: bool, value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    found = read(data, walk)
    assert same({key: found[key] for key in value}, value)


@given(value=VALUES)
@QUICK
def test_what_is_written_is_read_equal(value: Any) -> None:
    written = json_strict.dumps(value)
    assert same(json.loads(written), value)
    assert same(json_strict.loads(written), value)


PIECES = st.sampled_from(
    [b"", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"0", b"-", b".", b"e", b"9" * 20, b"9" * 310, b"NaN",
     b" ", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"null", b"tru", b'"id":1,', b'"a":{"a":1,"a":1},', b"\\ud800",
     b"[" * 70 + b"]" * 70, b'"categories":[', b"Infinity", b"1e999", b"{}", b",{}", b"\x0c", b"\xc2\xa0"]
)  # fmt: skip
BASES = [document(), json.dumps(json.loads(document()), separators=(",", ":")).encode()] + [
    case.data for case in corpus() if not case.refused and "keys of its own" in case.name
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 100, 10**6])))
        data = data[:start] + draw(PIECES) + data[end:]
    return data


@pytest.mark.parametrize("walk", [True, False])
@given(data=st.one_of(damaged(), st.binary(max_size=60)))
@settings(QUICK, max_examples=400)
def test_damage_is_an_error_where_the_second_reader_finds_one_and_nowhere_else(
    walk: bool, data: bytes
) -> None:
    try:
        expected: dict[str, Any] | None = second_reader(data)
    except (ValueError, RecursionError):
        expected = None
    try:
        found: dict[str, Any] | None = read(data, walk)
    except AnnotationError as error:
        found = None
        assert "line " in str(error) and "\n" not in str(error)
    assert same(
        dict(sorted(found.items())) if found else found,
        dict(sorted(expected.items())) if expected else expected,
    )


def test_every_truncation_is_an_error() -> None:
    data = BASES[1]
    for end in range(len(data)):
        with pytest.raises(AnnotationError):
            read(data[:end], walk=True)
    assert same(read(data, walk=True), json.loads(data))


@pytest.mark.parametrize(
    "case", [case for case in corpus() if len(case.data) < 1 << 20], ids=lambda case: case.name
)
def test_both_ways_through_the_file_agree(case: Any) -> None:
    found: list[Any] = []
    for walk in (True, False):
        try:
            found.append(sorted(read(case.data, walk).items()))
        except AnnotationError as error:
            found.append(str(error).split(": ", 1)[1])
    assert same(found[0], found[1])


def test_an_error_in_the_second_megabyte_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"images": [\n' + b"\n".join([b'{"id": 1},'] * 200_000) + b'\n{"id": }]}')
    with AnnotationFile(path) as file, pytest.raises(AnnotationError, match=r"line 200002, images\[200000\]"):
        list(file.items("images"))


def test_pages_that_were_passed_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a file of 450 MB counts as memory of ours."""
    monkeypatch.setattr(annotation_bytes, "RELEASE_BYTES", 1 << 20)
    path = tmp_path / "x.json"
    path.write_bytes(
        b'{"images": [' + b",".join([b'{"id": 1, "x": "' + b"x" * 1000 + b'"}'] * 40_000) + b"]}"
    )
    before, held = resident_file_kib(), []
    with AnnotationFile(path) as file:
        for index, _ in enumerate(file.items("images")):
            if index % 5000 == 0:
                held.append(resident_file_kib())
    assert max(held) - before < 20_000  # KiB, of 40,000


def resident_file_kib() -> int:
    """Pages of files in memory that belong to this process, KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0])
