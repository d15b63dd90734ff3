"""Every row of the table trains, and resumes to the bit."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.engine.tiny_runs import differences
from tests.engine.training.test_step import a_batch, make
from tests.ssd.all_nets import of_all_nets
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.checkpoint import RunFacts
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.options.option import to_mapping
from vision.engine.training.step import train_step

STEPS, SAVED_AT = 5, 4


@of_all_nets
def test_five_steps_lower_the_loss_and_a_resumed_run_is_the_same(name: str, tmp_path: Path) -> None:
    """On one fixed batch, with a moving average; the file is read by a net with other weights."""
    told = {"net": name, "ema": 0.9, "optim_choose": "Adam", "lr": 0.001}
    batch, losses = a_batch(), []
    state, session = make(**told)
    order = {"seed": 0, "batch_size": 4, "length": 16}
    facts = RunFacts(to_mapping(session.config), ["BACKGROUND", "a", "b"], [0, 1, 2], "0" * 64, order)
    for step in range(STEPS):
        if step == SAVED_AT:
            record = checkpoint.save(state, RunFolder(tmp_path), facts)
        losses.append(float(train_step(state, session, batch)["loss"]))
    assert losses[-1] < losses[0], losses
    other, session = make(**told, seed=1)
    for parameter in other.model.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    checkpoint.restore(checkpoint.load(tmp_path / record.file), other)
    for _ in range(STEPS - SAVED_AT):
        train_step(other, session, batch)
    found = differences(checkpoint.content_of(state, facts, {}), checkpoint.content_of(other, facts, {}))
    assert not found, f"{len(found)} places differ: {found[:5]}"
