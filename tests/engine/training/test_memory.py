"""Out of memory: the message names only what needs less than what was tried, and what was measured to fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.engine.training.test_step import a_batch, make
from vision.engine.training import step
from vision.engine.training.memory import OutOfMemory, images_that_fit, what_would_fit
from vision.engine.training.step import train_step


class Order:
    """As much of a sampler as the message looks at."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size


def session_of(batch_size: int, **told: Any) -> Any:
    state, session = make(batch_size=batch_size, **told)
    return state, replace(session, order=Order(batch_size))


@pytest.mark.parametrize(
    ("batch_size", "told", "fit", "named", "not_named"),
    [
        (
            32,
            {},
            10,
            [
                "room for 10 was measured",
                "--accumulate 4 ",
                "parts of 8",
                "--batch-size 10 ",
                "--resolution 160",
            ],
            [],
        ),
        (32, {"accumulate": 2}, 5, ["with 16 images", "--accumulate 7 ", "--batch-size 10 "], []),
        (32, {}, None, ["half of it may fit", "--accumulate 2 ", "--batch-size 16 ", "--resolution 192"], []),
        (32, {}, 31, ["--accumulate 2 ", "--batch-size 31 "], []),
        (32, {}, 0, ["--resolution 32"], ["--accumulate 2", "--batch-size 1"]),
        (1, {}, None, ["--resolution 192"], ["--batch-size 1 ", "--accumulate 2"]),
        (1, {"resolution": (32,)}, None, ["--mb2-width-mult"], ["--resolution 32 (", "--batch-size 1 "]),
        (32, {"resolution": (32, 64)}, 8, ["--accumulate 4 ", "--resolution 32 32"], []),
    ],
)
def test_what_would_fit(
    batch_size: int, told: dict[str, Any], fit: int | None, named: list[str], not_named: list[str]
) -> None:
    _, session = session_of(batch_size, **told)
    said = what_would_fit(session, fit)
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


def test_a_device_that_does_not_count_its_memory_is_not_measured() -> None:
    state, session = session_of(4)
    assert images_that_fit(state, session, a_batch()) is None


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_is_measured_on_a_gpu_is_what_a_step_takes() -> None:
    """Within a factor of two: a larger batch may choose other algorithms."""
    device = torch.device("cuda", 0)
    state, session = session_of(64, resolution=(300,))
    state.model.to(device)
    session = replace(session, device=device)
    batch = a_batch(64, side=288)
    fit = images_that_fit(state, session, batch)
    free, _ = torch.cuda.mem_get_info(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    train_step(state, session, batch)
    taken = torch.cuda.max_memory_allocated(device) - before
    assert fit is not None and 0.5 < fit / (free / (taken / 64)) < 2
