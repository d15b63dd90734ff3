"""COCO is not fetched into somebody's folder of photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.statistics.__main__ import main as statistics
from tests.pipeline.foreign import as_voc, draw
from tests.printed import ODD, Printed
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError

SITE = "vision/artefacts/data_layout.py:import_wanted"
ASKED = {
    "run": lambda root: main(["run", "--root", root]),
    "status": lambda root: main(["status", "--root", root]),
    "statistics": lambda root: statistics([root]),
}


@pytest.mark.parametrize("asked", sorted(ASKED))
def test_a_folder_in_another_layout_is_answered_with_its_import(
    asked: str, tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / ODD / "photos"
    as_voc(root, draw())
    before = sorted(root.rglob("*"))
    assert ASKED[asked](str(root)) == (0 if asked == "status" else 1)
    said = "".join(capsys.readouterr())
    line = printed.line(said, SITE)
    assert "pipeline.import_data --from voc" in line and sorted(root.rglob("*")) == before
    if asked == "run":
        assert "is a data set in another layout (voc)" in said
        printed(said, SITE, "--workers", "1")
        assert len(CocoDetection(root.with_name("photos-imported"), "train")) > 0


def test_the_trainer_names_the_import_too(tmp_path: Path) -> None:
    as_voc(tmp_path / "photos", draw())
    with pytest.raises(
        DatasetError, match=r"import it, and name what that makes: python -m pipeline\.import_data --from voc"
    ):
        CocoDetection(tmp_path / "photos", "train")
