"""One list of classes: order, spelling, and what cannot be a class."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.import_data.classes import fault_of, require, unite
from pipeline.stop import StageError

CASES: dict[str, tuple[list[str], dict[str, int], tuple[str, ...], int]] = {
    # name: (stated, boxes by name, classes, notes)
    "none stated: by name": ([], {"dog": 1, "Cat": 2}, ("Cat", "dog"), 0),
    "stated order": (["dog", "cat", "fox"], {"cat": 1}, ("dog", "cat", "fox"), 0),
    "stated spelling": (["Dog"], {"dog": 9, "DOG ": 1}, ("Dog",), 1),
    "most common spelling": ([], {"dog": 9, "Dog": 10}, ("Dog",), 1),
    "blanks": ([], {" traffic  light": 1, "traffic light": 1}, ("traffic light",), 0),
    "composed letters": ([], {"kůň": 1, "ku\u030an\u030c": 1}, ("kůň",), 0),
    "BACKGROUND is left out": (["BACKGROUND", "cat"], {"cat": 1}, ("cat",), 1),
    "twice": (["cat", "Cat"], {"cat": 1}, ("cat",), 1),
    "empty": (["", " "], {"cat": 1}, ("cat",), 3),
    "more than stated": (["cat"], {"ant": 3, "cat": 1}, ("cat", "ant"), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_unite(name: str) -> None:
    stated, used, expected, notes = CASES[name]
    classes = unite(stated, Counter(used))
    assert (classes.names, len(classes.notes)) == (expected, notes), classes.notes
    assert all(
        classes.names[classes.label(each) - 1].casefold() == unite([], Counter([each])).names[0].casefold()
        for each in used
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "no_name"),
        ("\t", "no_name"),
        ("background", "background_class"),
        ("a\u202eb", "bad_class_name"),
        ("x" * 201, "bad_class_name"),
        ("\udcff", "bad_class_name"),
    ],
)
def test_faults(name: str, code: str) -> None:
    fault = fault_of(name)
    assert fault is not None and fault[0] == code and fault[1].isprintable()


def test_a_class_that_is_not_there_is_refused_with_the_nearest() -> None:
    classes = unite([], Counter({"traffic light": 1, "cat": 1}))
    require(("cat",), classes)
    require(None, classes)
    with pytest.raises(StageError, match="did you mean 'traffic light'"):
        require(("trafic light",), classes)
