"""Out of memory: the message names only what needs less than what was tried, and is worth a try."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.training.test_step import a_batch, make
from vision.core.sample import InputSpec
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.training import memory, step
from vision.engine.training.memory import OutOfMemory, what_may_fit
from vision.engine.training.step import train_step
from vision.ssd.build import build_detector
from vision.ssd.variants import VARIANTS


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
        (3, {}, ["--accumulate 3 ", "parts of 1 ", "--batch-size 1 "], []),
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


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets so many bytes be free."""
    return lambda free: monkeypatch.setattr(memory, "free_bytes", lambda: free)


def test_a_step_that_memory_cannot_hold_is_refused_before_the_first(narrow: Callable[[int], None]) -> None:
    """With what fits two thirds of it."""
    state, session = session_of(32)
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    generator = torch.get_rng_state()
    hw = session.config.resolution
    an_image = memory.bytes_kept(state.model, torch.zeros(2, 3, hw[-1], hw[0])) // 2
    narrow(32 * an_image + 31)
    memory.require_room(session, state.model)
    narrow(32 * an_image - 1)
    with pytest.raises(OutOfMemory, match=r"32 images of .* at once .* need .* GB are free") as refused:
        memory.require_room(session, state.model)
    assert "--accumulate 2 " in str(refused.value)
    narrow(6 * an_image)
    with pytest.raises(OutOfMemory, match=r"--accumulate 8 .*in parts of 4 images.*--batch-size 4 "):
        memory.require_room(session, state.model)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.model.state_dict().items())


def test_a_refused_session_leaves_the_folder_as_it_was(
    narrow: Callable[[int], None], train: Callable[..., int], tiny: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A fresh one leaves none; one that resumes an older checkpoint moves nothing aside."""
    run = tmp_path / "new/run"
    with monkeypatch.context() as few:
        few.setattr(memory, "free_bytes", lambda: 1000)
        assert train(*tiny, "--checkpoint-folder", run) == 1
        assert "of memory, and 0.0 GB are free" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert train(*tiny, "--checkpoint-folder", run, "--stop-after-epoch", 2) == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    older, _ = RunFolder(run).records()
    narrow(1000)
    assert train("--resume", run / older.file, "--epochs", 5) == 1
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_all_processes_decide_by_the_least_that_is_free(narrow: Callable[[int], None]) -> None:
    state, session = session_of(32)
    told: list[int] = []
    other = SimpleNamespace(world=1, all_reduce_max=lambda number, device: told.append(number) or [-1000])
    narrow(1 << 50)
    with pytest.raises(OutOfMemory):
        memory.require_room(replace(session, group=other), state.model)
    assert told == [-(1 << 50)]


def test_what_mixed_precision_and_other_processes_need_is_counted(
    narrow: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, session = session_of(32)
    hw = session.config.resolution
    need = 16 * memory.bytes_kept(state.model, torch.zeros(2, 3, hw[-1], hw[0]))
    narrow(int(0.8 * need))
    memory.require_room(replace(session, amp_dtype=torch.bfloat16), state.model)
    narrow(4 * need)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "5")
    with pytest.raises(OutOfMemory):
        memory.require_room(session, state.model)


def test_what_is_kept_grows_with_images_and_pixels() -> None:
    state, _ = session_of(2)
    two = memory.bytes_kept(state.model, torch.zeros(2, 3, 64, 64))
    assert memory.bytes_kept(state.model, torch.zeros(4, 3, 64, 64)) == pytest.approx(2 * two, rel=0.02)
    assert memory.bytes_kept(state.model, torch.zeros(2, 3, 128, 64)) == pytest.approx(2 * two, rel=0.1)


def test_where_nobody_knows_what_is_free_or_on_a_gpu_nothing_is_asked(narrow: Callable[[int], None]) -> None:
    state, session = session_of(32)
    narrow(1)
    memory.require_room(replace(session, device=torch.device("cuda")), state.model)
    with pytest.raises(OutOfMemory):
        memory.require_room(session, state.model)


def test_free_bytes_are_those_of_the_machine() -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = memory.free_bytes()
    assert found is not None and 0 < found < 4 * pages


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_no_net_keeps_more_than_what_is_not_measured(name: str) -> None:
    """Of all rows at width 1, where nothing but the channels counts."""
    spec = InputSpec(128, 128)
    kept = memory.bytes_kept(build_detector(VARIANTS[name], 81, spec), torch.zeros(2, 3, 128, 128)) / 2
    assert kept < memory.MOST_A_PIXEL * 128 * 128
