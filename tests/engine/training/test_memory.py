"""Out of memory: the message names only what needs less than what was tried, and is worth a try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.engine.training.test_step import a_batch, make
from vision.engine.memory.fit import OutOfMemory
from vision.engine.training import step
from vision.engine.training.memory import what_may_fit
from vision.engine.training.step import train_step


class Order:
    """As much of a sampler as the message looks at."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size


def session_of(batch_size: int, **told: Any) -> Any:
    state, session = make(batch_size=batch_size, **told)
    return state, replace(session, order=Order(batch_size))


@pytest.mark.parametrize(
    ("batch_size", "told", "named", "not_named"),
    [
        (
            32,
            {},
            ["with 32 images", "--accumulate 2 ", "parts of 16", "--batch-size 16 ", "--resolution 192"],
            [],
        ),
        (32, {"accumulate": 2}, ["with 16 images", "--accumulate 4 ", "parts of 8", "--batch-size 16 "], []),
        (3, {}, ["--accumulate 3 ", "parts of 1 ", "--batch-size 1 ", "--memory low (the same steps"], []),
        (3, {"memory": "low"}, ["--accumulate 3 "], ["--memory"]),
        (3, {"compile": True}, ["--accumulate 3 "], ["--memory"]),
        (32, {"compile": True, "cuda_graphs": True}, ["--accumulate 2 --cuda-graphs false (the"], []),
        (1, {}, ["--resolution 192"], ["--batch-size ", "--accumulate 2"]),
        (1, {"resolution": (32,)}, ["--width-mult"], ["--resolution ", "--batch-size "]),
        (32, {"resolution": (32, 64)}, ["32×64 px", "--resolution 32 32"], []),
    ],
)
def test_what_may_fit(batch_size: int, told: dict[str, Any], named: list[str], not_named: list[str]) -> None:
    _, session = session_of(batch_size, **told)
    said = what_may_fit(session)
    assert all(words in said for words in named), said
    assert not any(words in said for words in not_named), said
    assert "There is no checkpoint yet" in said


@pytest.mark.parametrize("place", ["_gradients", "_update"])
def test_a_step_that_does_not_fit_ends_with_the_message(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    state, session = session_of(4)
    monkeypatch.setattr(step, place, full)
    with pytest.raises(OutOfMemory, match=r"--accumulate 2 .*parts of 2 images"):
        train_step(state, session, a_batch())


@pytest.mark.parametrize("place", ["vision.engine.training.loop.validate", "vision.engine.model.to_device"])
def test_elsewhere_it_is_no_traceback_either(
    place: str, train: Callable[..., int], tiny: list[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(place, full)
    assert train(*tiny, "--checkpoint-folder", tmp_path / "run") == 1
    said = capfd.readouterr().err
    assert "out of memory" in said and "--batch-size" in said and "Traceback" not in said
