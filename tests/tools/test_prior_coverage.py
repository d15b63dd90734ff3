"""Which objects are looked at, and how the table reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tools.prior_coverage import main, objects, table
from vision.ssd.coverage import Coverage


class _Data:
    """Ten images of 100 × 50 px with two boxes each, the second a crowd region."""

    def __len__(self) -> int:
        return 10

    def columns(self, *names: str) -> list[np.ndarray]:
        columns = {
            "heights": np.full(10, 50),
            "widths": np.full(10, 100),
            "boxes_xyxy_px": np.tile(np.array([[10, 10, 60, 35], [0, 0, 100, 50]], np.float32), (10, 1)),
            "is_crowd": np.tile([False, True], 10),
            "area": np.arange(20),
        }
        return [columns[name] for name in names]

    def boxes_of(self, index: int) -> slice:
        return slice(2 * index, 2 * index + 2)


def test_objects_are_spread_evenly_and_without_crowds():
    found = list(objects(_Data(), 4))  # type: ignore[arg-type]
    np.testing.assert_allclose([boxes for boxes, _ in found], [[[0.1, 0.2, 0.6, 0.7]]] * 4)
    assert [area.tolist() for _, area in found] == [[0], [6], [12], [18]]


def test_more_than_there_are_means_all():
    assert len(list(objects(_Data(), 1000))) == 10  # type: ignore[arg-type]


def test_table_has_a_line_a_profile():
    lines = table(
        {"coco": Coverage(10, 0.1, 0.8, 1.0, 0.0, 0.04), "ancestor": Coverage(10, 0, 0.5, 0.99, 0, 0.11)}
    )
    assert lines.splitlines()[1].split() == ["coco", "10.0%", "80.0%", "100.0%", "0.0%", "4.0%"]
    assert len({len(line) for line in lines.splitlines()}) == 1


@pytest.mark.parametrize("wrong", [["--resolution", "1", "2", "3"], ["--resolution", "8"], ["--images", "0"]])
def test_mistakes_name_the_option(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["somewhere", *wrong])
    assert caught.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_no_data_is_one_message(tmp_path: Path, repository: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tools.prior_coverage", str(tmp_path)],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
