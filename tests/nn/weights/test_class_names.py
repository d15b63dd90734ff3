"""Lists of classes as they come with published weights, held against what the heads speak of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vision.messages.advice import UserError
from vision.nn.weights.class_names import columns_of, fitting, read


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("BACKGROUND\ncat\ndog\n", ["BACKGROUND", "cat", "dog"]),
        ("BACKGROUND,cat, dog", ["BACKGROUND", "cat", "dog"]),
        ("\ufeffcat\r\ndog\r\n\r\n", ["cat", "dog"]),
        ("cat, or tom\ndog", ["cat, or tom", "dog"]),
        ("  cat \ndog", ["cat", "dog"]),
    ],
)
def test_lists_in_use_are_read(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8", newline="")
    assert read(tmp_path / "labels.txt") == names


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"cat\n\ndog", "name 2 is blank"),
        (b"cat\ndog\ncat", "name 3 is 'cat', as name 1 is"),
        (b"\xffcat", "no UTF-8"),
        (b"cat\n\x1b[2Jdog", "name 2 is not printable"),
        (b'"cat,dog', "quotes"),
        (b"", "has no names"),
        (b"x" * ((1 << 20) + 1), "more than 1,048,576 bytes"),
    ],
)
def test_what_is_no_list_is_refused_in_three_lines(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "labels.txt").write_bytes(data)
    with pytest.raises(UserError, match=f"is not a list of class names\n  why: .*{why}(.|\n)*\n  fix: "):
        read(tmp_path / "labels.txt")


@pytest.mark.parametrize(
    ("names", "columns", "found"),
    [
        (["BACKGROUND", "cat"], 2, ("BACKGROUND", "cat")),
        (["__background__", "cat"], 2, ("BACKGROUND", "cat")),
        (["cat"], 2, ("BACKGROUND", "cat")),
        (["cat", "dog"], 2, None),
        (["BACKGROUND", "cat", "dog"], 2, None),
        (["BACKGROUND"], 1, None),
        ([], None, None),
    ],
)
def test_background_is_counted_once(
    names: list[str], columns: int | None, found: tuple[str, ...] | None
) -> None:
    assert fitting(names, columns) == found


def test_columns_are_those_of_the_last_layers() -> None:
    heads = {
        "classification_headers.0.0.bias": torch.zeros(7),
        "classification_headers.0.3.bias": torch.zeros(6 * 21),
    }
    assert columns_of(heads) is None
    assert columns_of({**heads, "regression_headers.0.3.bias": torch.zeros(24)}) == 21
    assert columns_of({**heads, "regression_headers.0.3.bias": torch.zeros(20)}) is None
