"""The benchmark of all nets: a killed run resumes row by row; and what is learned by heart can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.zoo import __main__ as zoo
from benchmarks.zoo.fit import BAR, IMAGES, SIDE, drawn, truth_of
from vision.engine.evaluation.coco_map import score
from vision.engine.evaluation.results import from_xyxy_px

NETS = ["mb1-ssd", "mb2-ssd-lite", "ssd-vgg16"]


def test_a_killed_run_resumes_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, written = [], []

    def fit(name: str, **told: Any) -> dict[str, Any]:
        asked.append(name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"width": 0.25, "ap50": 1.0 if name != "ssd-vgg16" else BAR - 0.1, "steps": 3, "seconds": 1.0}

    monkeypatch.setattr(zoo, "fit", fit)
    monkeypatch.setattr(zoo, "publish", lambda subject, command, text: written.append(text))
    line = ["--folder", str(tmp_path), "--parts", "fit", "--only", *NETS]
    with pytest.raises(KeyboardInterrupt):
        zoo.main(line)
    assert zoo.main(line) == 1, "one stays below the bar"
    assert asked == [NETS[0], NETS[1], NETS[1], NETS[2]]
    assert len(written) == 3, "after each row"
    text = written[-1]
    assert (
        "| mb1-ssd | 1.000 | 3 | 1 | reached |" in text and "| ssd-vgg16 | 0.800 | 3 | 1 | missed |" in text
    )
    assert "Not run (fit): vgg16-ssd" in text and "Not run (speed): vgg16-ssd, mb1-ssd" in text


def test_the_drawn_objects_themselves_reach_all_of_it() -> None:
    batch, ids = drawn()
    truth = truth_of(batch, ids)
    number, at = (batch.labels > 0).nonzero(as_tuple=True)
    corners = batch.boxes_xyxy[number, at].double().numpy() * SIDE
    assert len(batch) == IMAGES and set(number.tolist()) == set(range(IMAGES)), "every image has an object"
    assert (corners[:, 2:] > corners[:, :2]).all() and corners.min() >= 0 and corners.max() <= SIDE
    perfect = from_xyxy_px(number.numpy(), truth.category_ids, corners, np.ones(len(corners)))
    assert score(perfect, truth).metrics["AP"] == pytest.approx(1)
