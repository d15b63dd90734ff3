"""labels.txt, byte by byte as detectNet reads it, and whether it belongs to a network."""

from __future__ import annotations

import pytest

from tests.export.made import CLASSES
from vision.export.contract import ContractBroken
from vision.export.labels import labels_text, read_labels, require_as_many


def test_bytes_by_hand() -> None:
    assert labels_text(CLASSES) == b"BACKGROUND\ntraffic light\ndog\n"
    assert read_labels(b"BACKGROUND\ntraffic light\ndog\n", "labels.txt") == CLASSES
    assert (
        read_labels(b"BACKGROUND\ntraffic light\ndog", "labels.txt") == CLASSES
    )  # detectNet reads it so, too
    assert read_labels(labels_text(["BACKGROUND", "Lkw größer"]), "x") == ["BACKGROUND", "Lkw größer"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["person"], "first line must be BACKGROUND"),
        ([], "first line must be BACKGROUND"),
        (["BACKGROUND", ""], "class 1 is ''"),
        (["BACKGROUND", "a", " "], "class 2 is ' '"),
        (["BACKGROUND", "a\nb"], "more than one line"),
        (["BACKGROUND", "a\r"], "class 1"),
        (["BACKGROUND", "a\u2028b"], "more than one line"),
        (["BACKGROUND", "n01440764 tench"], "first 10 characters for a synset id"),
        (["BACKGROUND", "nightgown with lace"], "first 10 characters"),
    ],
)
def test_names_that_would_be_read_as_others_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ContractBroken, match=message):
        labels_text(names)


def test_an_ordinary_name_that_begins_with_n_is_kept() -> None:
    assert labels_text(["BACKGROUND", "narwhal", "n", "no entry sign"]).count(b"\n") == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xef\xbb\xbfBACKGROUND\ndog\n", "byte order mark"),
        (b"BACKGROUND\r\ndog\r\n", r"has \\r"),
        (b"BACKGROUND\n\ndog\n", "class 1 is ''"),
        (b"BACKGROUND\ndog\n\n", "class 2 is ''"),
        (b"dog\n", "first line must be BACKGROUND"),
        (b"", "first line must be BACKGROUND"),
        (b"BACKGROUND\n\xff\n", "is not UTF-8"),
    ],
)
def test_files_that_would_be_read_wrongly_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ContractBroken, match=message):
        read_labels(data, "labels.txt")


@pytest.mark.parametrize("names", [CLASSES[:-1], [*CLASSES, "cat"]])
def test_another_number_of_names_is_another_model(names: list[str]) -> None:
    require_as_many(CLASSES, 3, "a.onnx", "labels.txt")
    with pytest.raises(ContractBroken, match=f"(?s)do not belong together.*3 classes.*{len(names)} names"):
        require_as_many(names, 3, "a.onnx", "labels.txt")
