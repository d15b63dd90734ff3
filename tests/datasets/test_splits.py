"""Both splits of a root together: what of them cannot be trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vision.datasets import splits
from vision.datasets.coco import CocoDetection
from vision.datasets.contract import DatasetError


@pytest.mark.parametrize(("split", "purpose"), [("train", "learn"), ("val", "measure")])
def test_a_split_without_a_box_is_refused(
    split: str, purpose: str, miniature_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutBoxes(CocoDetection):
        def columns(self, *names: str) -> list[np.ndarray]:
            return [column[: 0 if self.split == split else None] for column in super().columns(*names)]

    monkeypatch.setattr(splits, "CocoDetection", WithoutBoxes)
    with pytest.raises(
        DatasetError, match=f"no image of the {split} split has a box .* nothing to {purpose}"
    ) as caught:
        splits.open_splits(miniature_root)
    _, why, fix = str(caught.value).splitlines()
    assert why.startswith("  why: ") and fix.startswith("  fix: ") and f"instances_{split}2017.json" in fix
