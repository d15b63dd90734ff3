"""How the table reads, and mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import warm
from tools.prior_coverage import main, table
from vision.ssd.coverage import Coverage


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
    command = [sys.executable, "-m", "tools.prior_coverage", str(tmp_path)]
    done = warm.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
