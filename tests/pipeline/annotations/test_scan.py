"""What nobody asks for: passed over as strictly as it would be read, no slower, and never without an ear for a signal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.annotations import json_structure, scan
from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.scan import RUN_BYTES
from pipeline.stage import Interrupted
from pipeline.stop import Stop

SIZE = 4 * RUN_BYTES
UNITS = {
    "zeros": b"0, ", "numbers": b"1.25,", "texts": b'"a,b",', "escapes": b'"\\"]",', "objects": b'{"a":0},',
    "texts in lists": b'{"a":["x"]},', "lists": b"[],", "all kinds": b'0,"a",[1],{"b":[{}]},', "large": b"123456789012345678901,",
    "deep": b"[" * 64 + b"]" * 64 + b",", "lines": b'{\n "a": 1\n},\n',
}  # fmt: skip


def listed(unit: bytes, size: int = SIZE) -> bytes:
    return b"[" + (unit * (size // len(unit))).rstrip(b", \n") + b"]"


def written(folder: Path, value: bytes, key: str = "junk") -> Path:
    path = folder / f"{key}.json"
    path.write_bytes(b'{"%s": %s, "images": []}' % (key.encode(), value))
    return path


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_passed_over_it_ends_where_it_ends_when_it_is_read(unit: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, listed(unit))
    with AnnotationFile(path) as file:
        read = {part.key: (sum(1 for _ in part), part.finish())[1] for part in file.walk()}
    with AnnotationFile(path) as file:
        assert file.sections == read


@pytest.mark.parametrize("unit", [UNITS["zeros"], UNITS["objects"], UNITS["lines"]])
def test_passing_over_costs_no_more_than_reading_the_same(unit: bytes, tmp_path: Path) -> None:
    """Measured 2 to 8 times as fast; three pairs, of which one is enough on a machine that does other work, too."""
    path = written(tmp_path, listed(unit))

    def seconds(work: Callable[[AnnotationFile], object]) -> float:
        with AnnotationFile(path) as file:
            begun = time.process_time()
            work(file)
            return time.process_time() - begun

    pairs = [(seconds(lambda file: file.sections), seconds(lambda file: [list(p) for p in file.walk()])) for _ in range(3)]  # fmt: skip
    assert any(passed < read for passed, read in pairs), pairs


FAULTS = {
    b"NaN": "NaN is not JSON",
    b'{"a": 1, "a": 2}': 'the key "a" comes twice',
    b'"\xff"': "UTF-8",
    b"[" * 65 + b"]" * 65: "nested deeper",
    b"1e999": "",
    b"tru": "",
    b"": "",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("unit", [UNITS["zeros"], UNITS["objects"]])
def test_a_fault_in_what_is_passed_over_is_named_with_its_place(
    unit: bytes, fault: bytes, tmp_path: Path
) -> None:
    many = 2 * RUN_BYTES // len(unit)
    path = written(tmp_path, b"[" + unit * many + fault + b"," + unit * 5 + b"0]")
    with (
        AnnotationFile(path) as file,
        pytest.raises(AnnotationError, match=rf"line 1, junk\[{many}\]") as caught,
    ):
        _ = file.sections
    assert FAULTS[fault] in str(caught.value)


FLOODS = {
    **{name: listed(unit) for name, unit in UNITS.items()},
    "blanks": b" " * (80 << 20) + b"1",
    "brackets": b'{"a":{"b":' + listed(b"{},") + b"}}",
    "a text": b'"' + b"x" * (8 << 20) + b'"',
}


@pytest.mark.parametrize("flood", FLOODS)
def test_it_is_asked_to_stop_all_the_time(flood: str, tmp_path: Path) -> None:
    asked = 0

    def told() -> bool:
        nonlocal asked
        asked += 1
        return False

    path = written(tmp_path, FLOODS[flood])
    with AnnotationFile(path, Stop(told)) as file:
        assert list(file.sections) == ["junk", "images"]
    assert asked >= 3, "a look at least for every stretch"
    with AnnotationFile(path, Stop(lambda: True)) as file, pytest.raises(Interrupted):
        _ = file.sections


LONG = 3 * RUN_BYTES
IN_TURN = b"".join(b'"k%d":[%d],' % (n, n) for n in range(LONG // 16))
ENDLESS = {
    "text": b'"' + b"x" * LONG + b'"',
    "two-byte letters": b'"x' + "é".encode() * (LONG // 2) + b'"',
    "escapes": b'"x' + b"\\n" * (LONG // 2) + b'"',
    "surrogate pairs": b'"xyz' + b"\\ud83d\\ude00" * (LONG // 12) + b'"',
    "object of texts": b'{"a":"' + b"x" * LONG + b'","b":{}}',
    "object of keys": b"{" + IN_TURN + b'"z":0}',
    "lines": b"{ " + IN_TURN.replace(b",", b" ,\n ") + b' "z" : 0 }',
    "lists in objects": b'{"a":{"b":' + listed(b"[],", LONG) + b',"c":[0]},"d":1}',
    "as deep as it may be": b"[" * 64 + b"0," * LONG + b"0" + b"]" * 64,
    "deep behind others": b"[0," * 64 + b'{},' * LONG + b"0" + b",[]]" * 64,
    "objects in objects": b'{"a":' * 63 + listed(b"0,", LONG) + b',"z":1}' * 63,
    "blanks": b'{"a":' + b" " * LONG + b"1" + b" " * LONG + b"}",
}  # fmt: skip


@pytest.mark.parametrize("value", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("whole", [b"%b", b"[[0],%b,0]"], ids=["alone", "in a list"])
def test_a_value_of_any_size_is_passed_over_and_copied_as_it_is(
    value: bytes, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MAX_ELEMENT_BYTES", RUN_BYTES)
    value = whole % value if not value.startswith(b"[" * 64) and not value.startswith(b"[0," * 64) else value
    json.loads(value)
    path = written(tmp_path, value)
    with AnnotationFile(path) as file:
        assert list(file.sections) == ["junk", "images"]
        assert b"".join(file.part("junk").as_it_is()) == value


UNSOUND = {
    "a letter cut in two": (b'"' + b"x" * LONG + b'\xc3"', "not UTF-8"),
    "no letter": (b'"' + b"x" * LONG + b'\xff"', "not UTF-8"),
    "line break in a text": (b'"' + b"x" * LONG + b'\n"', "control character"),
    "unknown escape": (b'"' + b"x" * LONG + b'\\x"', "control character or an escape"),
    "half a pair": (b'"' + b"x" * LONG + b'\\ud83d"', "control character or an escape"),
    "a key twice": (b"{" + IN_TURN + b'"k0":0}', "a key comes twice"),
    "a key twice, one large": (b'{"k0":"' + b"x" * LONG + b'",' + IN_TURN + b'"z":0}', "a key comes twice"),
    "one comma more": (b"[" + b"0," * LONG + b"]", "expected a value"),
    "one comma more in an object": (b"{" + IN_TURN + b"}", "a key in double quotes"),
    "one comma less": (b"{" + IN_TURN + b'"y":0 "z":0}', "a comma or the end of the object"),
    "another bracket": (b"{" + IN_TURN + b'"z":0]', "a comma or the end of the object"),
    "NaN": (b'{"a":[' + b"0," * LONG + b"NaN]}", "NaN is not JSON"),
    "too deep": (b'{"a":' * 64 + listed(b"0,", LONG) + b"}" * 64, "nested deeper than 64"),
    "brackets without end": (b'{"a":' + b"[" * LONG, "nested deeper than 64"),
    "a number": (b"1" * LONG, "one value of more than"),
    "a fraction": (b"[0." + b"1" * LONG + b"]", "one value of more than"),
    "a key": (b'{"' + b"k" * LONG + b'":0}', "a key of more than"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "problem"), UNSOUND.values(), ids=UNSOUND)
def test_what_is_long_is_checked_as_strictly(
    value: bytes, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MAX_ELEMENT_BYTES", RUN_BYTES)
    path = written(tmp_path, value)
    with AnnotationFile(path) as file, pytest.raises(AnnotationError, match=problem) as caught:
        _ = file.sections
    assert len(str(caught.value)) < 200 + len(str(path)) and str(caught.value).startswith(f"{path}: line 1")


def test_a_long_text_that_the_file_cuts_off(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for end in (b"", b"\\", b"\\ud83d", b"\xc3"):
        path.write_bytes(b'{"junk": "' + b"x" * LONG + end)
        with AnnotationFile(path) as file, pytest.raises(AnnotationError, match=r"string|escape|UTF-8"):
            _ = file.sections


INNER = b"0," * (RUN_BYTES // 2 + 5_000) + b"0"
KEYS = b",".join(b'"k%d":0' % n for n in range(RUN_BYTES // 9))
CHAINS = {
    "flat": b"[" + INNER + b"]",
    "lists": b"[1," * 62 + INNER + b"]" * 62,
    "lists, more behind each": b"[" * 62 + INNER + b",2]" * 62,
    "objects": b'{"a":1,"b":' * 61 + b"{" + KEYS + b"}" + b"}" * 61,
    "objects, more behind each": b'{"b":' * 61 + b"{" + KEYS + b"}" + b',"z":1}' * 61,
    "lists and objects": b'[1,{"b":' * 30 + b"[" + INNER + b"]" + b',"z":1},2]' * 30,
    "short in between": b"[" + b",".join([b"0,[" + b"0," * 2_500 + b"0]"] * 60) + b"]",
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_long_values_in_one_another_are_looked_through_no_oftener_than_one(
    chain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes in which brackets are looked for, by whomever; about 3 for each of the file, however deep it is nested."""
    looked, real = 0, json_structure._quotes

    def counting(stretch: np.ndarray) -> np.ndarray:
        nonlocal looked
        looked += len(stretch)
        return real(stretch)

    monkeypatch.setattr(json_structure, "_quotes", counting)
    assert len(chain) > RUN_BYTES
    path = written(tmp_path, b"[" + b",".join([chain] * 10) + b"]")
    with AnnotationFile(path) as file:
        assert list(file.sections) == ["junk", "images"]
    assert looked < 4 * path.stat().st_size, f"{looked / path.stat().st_size:.2f}"


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_one_element_that_is_wanted_has_a_limit(key: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"%b": [{"id": 1, "note": "' % key.encode() + b"x" * (17 << 20) + b'"}]}')
    with AnnotationFile(path) as file, pytest.raises(AnnotationError, match="one value of more than 16 MiB"):
        [list(part) for part in file.walk()]
