"""A step that fits: the fewest blocks computed again, then a smaller batch where none was named, then a refusal with what fits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.tiny_runs import differences, end_state
from tests.engine.training.test_step import make
from tests.printed import ODD, Printed
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.distributed import Group
from vision.engine.machine import Machine
from vision.engine.memory import fit
from vision.engine.memory.fit import HOLES, LATER, NOWHERE, TRIMMED, Need, OutOfMemory, Room, settle
from vision.engine.memory.peak import bytes_an_image
from vision.engine.runs.plan import Plan
from vision.nn.recompute import blocks_of

BIG = 10**11
BATCH = 1000


def plan_of(free_batch: bool = False, **told: Any) -> tuple[Plan, Any, Any, Machine]:
    state, session = make(batch_size=BATCH, workers=0, **told)
    host = Machine(torch.device("cpu"), None, 1, Group())
    plan = Plan(session.config, Path("run"), None, None, (), typed=("--net", "x"), free_batch=free_batch)
    return plan, state.model, session.loss, host


def more(made: tuple[Plan, Any, Any, Machine], again: int) -> int:
    plan, _model, _loss, _host = made
    return need_of(made).more(plan.config.batch_size, again)


def need_of(made: tuple[Plan, Any, Any, Machine]) -> Need:
    plan, model, loss, host = made
    return Need(model, loss, plan.config, host, BIG, blocks_of(model.base_net) + blocks_of(model.extras))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Lets so many bytes be free, and this process hold nothing."""
    monkeypatch.setattr(fit, "resident_bytes", lambda: 0)
    return lambda free: monkeypatch.setattr(fit, "free_bytes", lambda device: free)


def again_in(model: Any) -> int:
    return sum("forward" in vars(block) for block in model.modules())


def test_what_fits_is_left_as_it_is(narrow: Callable[[int | None], None]) -> None:
    made = plan_of()
    before = {name: tensor.clone() for name, tensor in made[1].state_dict().items()}
    generator = torch.get_rng_state()
    for free in (more(made, 0), None):
        narrow(free)
        plan, found = settle(*made, BIG)
        assert plan is made[0] and found.again == 0 and again_in(made[1]) == 0
    assert "are free" not in found.describe() and "peak about" in found.describe()
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made[1].state_dict().items())


def test_no_more_blocks_are_computed_again_than_have_to(narrow: Callable[[int | None], None]) -> None:
    made = plan_of()
    few = more(made, 3)
    assert need_of(made).choices[:3] == [0, 3, 6] and need_of(made).choices[-1] == 23
    assert few < more(made, 0)
    narrow(few)
    plan, found = settle(*made, BIG)
    assert plan is made[0] and found.again == 3 == again_in(made[1])
    assert f"3 of {found.blocks} blocks computed again" in found.describe()


def test_trying_ends_where_more_blocks_need_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def an_image(self: Need, again: int) -> int:
        tried.append(again)
        return 10**6 * max(20 - again, 10 + again)  # least at 5

    monkeypatch.setattr(Need, "_an_image", an_image)
    assert need_of(plan_of()).fewest(BATCH, NOWHERE) == 6
    assert tried == [0, 3, 6, 9], "each counts a step of two images, and there are 23 blocks"


@pytest.mark.parametrize("memory", ["full", "low", "auto"])
def test_it_can_be_named(memory: str, narrow: Callable[[int | None], None]) -> None:
    made = plan_of(memory=memory)
    need = need_of(made)
    narrow(BIG)
    found = settle(*made, BIG)[1]
    assert found.again == again_in(made[1])
    least = min(need.more(BATCH, again) for again in need.choices)
    assert (found.again > 0 and found.peak == least) if memory == "low" else found.again == 0


def test_a_size_is_held_where_more_is_free(narrow: Callable[[int | None], None]) -> None:
    made = plan_of(memory="1.5GB")
    plain = more(made, 0)
    narrow(BIG)
    found = settle(*made, BIG)[1]
    assert found.again > 0 and found.peak <= 1.5e9 < plain


def test_the_default_batch_becomes_the_largest_that_fits(narrow: Callable[[int | None], None]) -> None:
    made = plan_of(free_batch=True)
    need = need_of(made)
    every = need.fewest(BATCH, NOWHERE)
    narrow(room := need.more(300, every))
    plan, found = settle(*made, BIG)
    batch = plan.config.batch_size
    assert 300 <= batch < 310 and need.more(batch, every) <= room < need.more(batch + 1, every)
    assert f"{batch} images a step, not the default of {BATCH}" in plan.notes[0]
    assert "the learning rate stays" in plan.notes[0] and found.again == every


def test_a_small_data_set_has_small_batches(narrow: Callable[[int | None], None]) -> None:
    made = plan_of()
    narrow(more(made, 0) // 2)
    assert settle(*made, 10)[1].again == 0


def test_a_batch_that_was_named_is_refused_with_what_fits(narrow: Callable[[int | None], None]) -> None:
    made = plan_of(memory="full")
    narrow(more(made, 0) // 2)
    with pytest.raises(OutOfMemory, match=r"1000 images .* need about .* can be had") as refused:
        settle(*made, BIG)
    said = str(refused.value)
    assert "fix: python train_ssd.py --net x --memory auto" in said
    assert "--batch-size 4" in said and "--accumulate 3 (the same steps in parts of 334 images)" in said
    narrow(1)
    with pytest.raises(OutOfMemory, match="end other programs"):
        settle(*plan_of(free_batch=True), BIG)


def test_a_gpu_that_is_too_small_is_told_and_not_refused(
    narrow: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan_of()
    monkeypatch.setattr(fit, "bytes_an_image", lambda *given: 10**6)
    gpu = SimpleNamespace(device=torch.device("cuda"), amp_dtype=None, group=Group())
    monkeypatch.setattr(Group, "all_reduce_max", lambda self, *numbers, device: list(numbers))
    narrow(1000)
    plan, _found = settle(*made[:3], gpu, BIG)  # type: ignore[arg-type]
    assert plan.config == made[0].config and plan.notes[0].startswith("memory: 1000 images")


def test_all_processes_decide_by_the_least_that_is_free(
    narrow: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan_of()
    told: list[int] = []

    def agree(number: int, device: torch.device) -> list[int]:
        told.append(number)
        return [-1000] if number < 0 else [number + 1]

    other = SimpleNamespace(world=1, all_reduce_max=agree)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "5")
    narrow(BIG)
    with pytest.raises(OutOfMemory):
        settle(*made[:3], replace(made[3], group=other), BIG)  # type: ignore[arg-type]
    assert told == [0, -BIG // 5], "what each holds, and what is free"


def test_processes_that_hold_more_and_less_choose_the_same_batch(
    narrow: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never fewer images than there are processes."""
    both = (640_000_000, 655_000_000)
    narrow(BIG)
    monkeypatch.setattr(Group, "all_reduce_max", lambda self, own, device: [own if own < 0 else max(both)])
    found = set()
    for resident in both:
        made = plan_of(free_batch=True, memory="1.2GB")
        monkeypatch.setattr(fit, "resident_bytes", lambda resident=resident: resident)
        found.add(settle(*made, BIG)[0].config.batch_size)
    assert len(found) == 1 and found.pop() < BATCH
    plan, model, loss, host = plan_of()
    group = SimpleNamespace(world=8, all_reduce_max=lambda own, device: [own])
    need = Need(model, loss, plan.config, replace(host, group=group), BIG, [])  # type: ignore[arg-type]
    assert need.largest(BATCH, 0, Room(need.more(1, 0), BIG)) == 8
    assert need.largest(BATCH, 0, NOWHERE) == 0


def test_a_size_is_of_the_trainer_whatever_its_workers_hold(narrow: Callable[[int | None], None]) -> None:
    found = []
    for workers in (0, 6):
        made = plan_of(free_batch=True, memory="0.8GB")
        narrow(BIG)
        plan = replace(made[0], config=replace(made[0].config, workers=workers))
        plan, fitted = settle(plan, *made[1:], BIG)
        assert plan.config.batch_size < BATCH and fitted.peak <= 0.8e9
        found.append(plan.config.batch_size)
    assert found[0] == found[1]


def test_parts_and_mixed_precision_need_less(narrow: Callable[[int | None], None]) -> None:
    plain, parts = plan_of(), plan_of(accumulate=10)
    fixed = need_of(plain).states + LATER
    assert (more(plain, 0) - fixed) == pytest.approx(10 * (more(parts, 0) - fixed), rel=0.01)
    _, model, loss, host = plain
    half = bytes_an_image(model, loss, host.device, torch.bfloat16)
    assert 0.4 < half / bytes_an_image(model, loss, host.device, None) < 0.9
    assert TRIMMED < HOLES


def test_a_run_is_the_same_to_the_bit_whatever_is_computed_again(
    train: Callable[..., int], with_statistics: list[str], tmp_path: Path
) -> None:
    """Also where that changes when it is resumed."""
    plain, changed = tmp_path / "plain", tmp_path / "changed"
    words = [*with_statistics, "--epochs", 2]
    assert train(*words, "--memory", "full", "--checkpoint-folder", plain) == 0
    assert train(*words, "--memory", "low", "--checkpoint-folder", changed, "--stop-after-step", 5) == 0
    assert train("--resume", changed, "--memory", "full", "--stop-after-step", 9) == 0
    assert train("--resume", changed, "--memory", "low") == 0
    assert differences(end_state(plain), end_state(changed)) == []


def test_a_refused_session_leaves_the_folder_as_it_was_and_its_command_fits(
    train: Callable[..., int], tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], printed: Printed, miniature_root: Path,
) -> None:  # fmt: skip
    """A fresh one leaves none; one that resumes moves nothing aside."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(miniature_root, tmp_path / ODD)
    run = tmp_path / "run"
    words = ["--datasets", ODD, *tiny[2:], "--checkpoint-folder", run, "--stop-after-epoch", 1]
    few = SimpleNamespace(bytes=1)
    monkeypatch.setattr(fit, "free_bytes", lambda device: few.bytes)
    assert train(*words) == 1
    assert "can be had" in capsys.readouterr().err and not run.exists()
    state = 100_000_000 + 3_000_000
    monkeypatch.setattr(Need, "_an_image", lambda self, again: 100_000_000)
    few.bytes = state + 250_000_000
    assert train(*words) == 1
    said = capsys.readouterr().err
    assert "--batch-size 2" in said
    printed(said, "vision/engine/memory/fit.py:_retry")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    older = RunFolder(run).records()[0]
    few.bytes = 1
    assert train("--resume", run / older.file, "--epochs", 5) == 1
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
