"""What nobody asks for: passed over as strictly as it would be read, no slower, and never without an ear for a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.scan import MAX_ELEMENT_BYTES, RUN_BYTES
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
def test_passed_over_it_is_counted_as_when_it_is_read(unit: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, listed(unit))
    with AnnotationFile(path) as file:
        read = {part.key: (sum(1 for _ in part), part.finish()) for part in file.walk()}
    with AnnotationFile(path) as file:
        assert file.sections == {key: section for key, (_, section) in read.items()}
        assert {key: section.count for key, section in file.sections.items()} == {
            key: count for key, (count, _) in read.items()
        }


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
    "brackets": b'{"a":{"b":[' + b"{}," * (MAX_ELEMENT_BYTES // 4) + b"{}]}}",
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


@pytest.mark.parametrize(
    "value", [b'"' + b"x" * (64 << 20) + b'"', b"1" * (64 << 20)], ids=["text", "number"]
)
def test_a_value_without_end_is_refused(value: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, value)
    with AnnotationFile(path) as file, pytest.raises(AnnotationError, match="one value of more than 16 MiB"):
        _ = file.sections
