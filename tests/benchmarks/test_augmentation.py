"""The benchmark goes through every way that it promises, on a handful of images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import augmentation, results
from benchmarks.augmentation import BATCH_SIZE, PRESETS, RIVAL, main


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_row_for_every_way(
    miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    assert main(["--datasets", str(miniature_root), "--rounds", "1", "--workers", "1"]) == 0
    (file,) = (tmp_path / "results").iterdir()
    text = file.read_text()
    assert text.partition("\n\n")[2].strip() in capsys.readouterr().out
    one_core, on_the_wall = text.split("| way | images/s, ")[1:]
    ways = ["decode alone", *(f"--augment {name}" for name in PRESETS), "albumentations, our decoder", RIVAL]
    assert re.findall(r"^\| (.+?) \| [\d,]+ \|", one_core, re.MULTILINE) == ways
    loaded = [RIVAL, f"--augment ssd, batches of {BATCH_SIZE}, --workers 1"]
    assert re.findall(r"^\| (.+?) \| [\d,]+ \|", on_the_wall, re.MULTILINE) == loaded
    assert all(row.endswith("| 1.00 |") for row in text.splitlines() if row.startswith(f"| {RIVAL} |"))


def test_the_table_by_hand() -> None:
    rows = augmentation._table("one core", {"decode alone": 0.5, RIVAL: 2.0}, 100)
    assert rows[2:] == ["| decode alone | 200 | 5.00 | 4.00 |", f"| {RIVAL} | 50 | 20.00 | 1.00 |"]


def test_data_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--datasets", str(tmp_path / "none")])
    assert left.value.code == 1 and "there is no folder" in capsys.readouterr().err
