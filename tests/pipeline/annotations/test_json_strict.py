"""The quick look at an object with no strings but its keys lets nothing pass that the slow ones refuse."""

from __future__ import annotations

import pytest

from pipeline.annotations import json_strict
from pipeline.annotations.json_strict import MAX_DEPTH, NotStrict, loads, loads_run


@pytest.mark.parametrize("inner", [b"1", b"{}", b"[]"])
def test_the_deepest_object_and_one_that_is_deeper(inner: bytes) -> None:
    own = 1 + (inner != b"1")
    for lists, fits in ((MAX_DEPTH - own, True), (MAX_DEPTH - own + 1, False)):
        text = b'{"a":' + b"[" * lists + inner + b"]" * lists + b"}"
        if fits:
            assert list(loads(text)) == ["a"]
        else:
            with pytest.raises(NotStrict, match="nested deeper"):
                loads(text)


@pytest.mark.parametrize("text", [b'{"a":1,"a":2}', b'{"a":[{"b":1,"b":2}]}', b'{"a":{},"b":1,"b":[[]]}'])
def test_a_key_that_comes_twice_is_refused(text: bytes) -> None:
    with pytest.raises(NotStrict, match="comes twice"):
        loads(text)


def test_whole_numbers_of_any_length_stay_whole() -> None:
    assert loads(b'{"a":[1180591620717411303424],"b":18446744073709551616}') == {"a": [2**70], "b": 2**64}


def test_usual_annotations_take_the_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_strict, "_strings", lambda *_: pytest.fail("looked at slowly"))
    text = b'{"segmentation":[[1.5,2,3]],"area":3,"iscrowd":0,"image_id":1,"bbox":[1,2,3,4],"category_id":1,"id":7}'
    assert [each["id"] for each in loads_run(text + b",\n" + text)] == [7, 7]


TWICE = (
    b'{"a":1,"a":1}', b'{"a":1,"a":"b"}', b'{"a":"b","c":1,"c":1}', b'{"a":{"b":1,"b":1}}', b'{"a":[{"b":1,"b":1},"x"]}'
)  # fmt: skip


@pytest.mark.parametrize("text", TWICE)
def test_no_text_among_others_makes_up_for_a_key_that_comes_twice(text: bytes) -> None:
    for run in (text, b'{"z":0},' + text, text + b',{"z":"y"},"x"', b'["x"],' + text + b",1"):
        with pytest.raises(NotStrict, match="comes twice"):
            loads_run(run)
