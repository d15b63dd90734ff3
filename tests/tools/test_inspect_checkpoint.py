"""Digests are equal exactly where the values are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tools.inspect_checkpoint import digest, main


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"x": 1}, {"x": 2}),
        ({"x": 1}, {"x": 1.0}),
        ({"x": 1}, {"y": 1}),
        ([1, [2]], [[1], 2]),
        (["ab"], ["a", "b"]),
        (True, 1),
        (None, "null"),
        (0.0, -0.0),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.tensor(1.0), torch.tensor([1.0])),
        (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23])),
    ],
)
def test_different_values_differ(a: object, b: object) -> None:
    assert digest(a) != digest(b)


def test_equal_values_are_equal_whatever_order_and_layout() -> None:
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert digest({"a": 1, "b": image}) == digest(
        {"b": image.contiguous(memory_format=torch.channels_last), "a": 1}
    )
    assert digest((1, 2)) == digest([1, 2])


def test_it_tells_what_is_inside_and_refuses_what_is_damaged(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    assert main([str(run)]) == 0
    said = capsys.readouterr().out
    assert "epoch 0, step 2" in said and "sq-ssd-lite" in said and "average    2 updates" in said
    assert "no image turned upright (EXIF)" in " ".join(said.split()) and "--exif" not in said
    assert main([str(run), "--digest"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11
    next(run.glob("*.pth")).write_bytes(b"")
    assert main([str(run)]) == 1
    assert "no checkpoint of 1 on record is good" in capsys.readouterr().err
