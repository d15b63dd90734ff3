"""What ends the check of many images is told apart from what an image is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.image_check import check_many as image_survey
from pipeline.image_check.worker_pool import WorkFailed
from pipeline.stop import Stop


def test_a_library_that_is_not_there_is_no_fault_of_an_image() -> None:
    """It ends as in every program: the one message for packages, without the trace of a worker."""

    def run(jobs: Any, stop: Any) -> Any:
        raise WorkFailed(SimpleNamespace(folder="val2017", name="1.jpg"), missing, "Traceback …")

    missing = ModuleNotFoundError("No module named 'skimage'", name="skimage")
    pool: Any = SimpleNamespace(run=run)
    with pytest.raises(ModuleNotFoundError) as found:
        list(image_survey._said(pool, [], Stop()))
    assert found.value is missing
