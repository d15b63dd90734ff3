"""Checkpoints: damaged and hostile files, the record, pruning, disk full."""

from __future__ import annotations

import copy
import errno
import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.tiny_runs import WITH_STATISTICS, differences
from tests.engine.training.test_step import a_batch, make
from vision.artefacts import files
from vision.artefacts.records import RecordError
from vision.engine.checkpoints import checkpoint
from vision.engine.checkpoints.folder import DamagedCheckpoint, NoCheckpoint, RunFolder
from vision.engine.state import TrainState
from vision.engine.training.step import train_step

Train = Callable[..., int]


@pytest.fixture(scope="module")
def finished(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of two epochs."""
    from train_ssd import main

    run = tmp_path_factory.mktemp("finished") / "run"
    line = [
        "--datasets",
        str(miniature_root),
        *WITH_STATISTICS,
        "--checkpoint-folder",
        str(run),
        "--stop-after-epoch",
        "2",
    ]
    assert main(line) == 0
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def newest(run: Path) -> Path:
    return run / RunFolder(run).records()[-1].file


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def zero_a_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8192:12288] = bytes(4096)
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def not_finite(path: Path) -> None:
    """A NaN under a digest that fits it."""
    content = torch.load(path, weights_only=True)
    weight = next(iter(content["weights"].values()))
    weight[(0,) * weight.dim()] = float("nan")
    torch.save(content, path)
    run = RunFolder(path.parent)
    facts = files.facts_of(path)
    old = [r for r in run.records() if r.file != path.name]
    record = next(r for r in run.records() if r.file == path.name)
    new = checkpoint.CheckpointRecord(record.file, facts.sha256, facts.bytes, record.epoch, record.step)
    run.write_records([*old, new])


def negative_variance(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    next(v for n, v in content["weights"].items() if n.endswith("running_var")).neg_()
    torch.save(content, path)


def test_a_negative_variance_is_refused_by_name(run: Path) -> None:
    negative_variance(newest(run))
    with pytest.raises(DamagedCheckpoint, match=r"weights\.\S+running_var holds a negative variance"):
        checkpoint.load(newest(run))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, zero_a_page, empty, not_finite, remove])
def test_a_damaged_newest_is_named_and_the_older_one_used(damage: Callable[[Path], None], run: Path) -> None:
    bad, good = newest(run), run / RunFolder(run).records()[0].file
    damage(bad)
    with pytest.warns(UserWarning, match=bad.name):
        assert checkpoint.find(run) == good
    with pytest.raises((DamagedCheckpoint, NoCheckpoint), match=bad.name):
        checkpoint.load(checkpoint.find(bad))


def test_training_says_so_and_goes_on_from_the_older_one(
    run: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = newest(run)
    truncate(bad)
    assert train("--resume", run, "--stop-after-epoch", 2) == 0
    said = capsys.readouterr().out
    assert f"damaged checkpoint skipped: {bad}" in said and "epoch 1 of 4, step 4" in said
    assert RunFolder(run).records()[-1].step == 8


def test_none_good_refuses(run: Path, train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    for record in RunFolder(run).records():
        truncate(run / record.file)
    for words in (("--resume", run), ("--resume", "auto", "--checkpoint-folder", run)):
        assert train(*words) == 1
        assert "not starting from scratch" in capsys.readouterr().err


def test_no_record_but_a_checkpoint_refuses(
    run: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "checkpoints.json").unlink()
    assert train("--resume", "auto", "--checkpoint-folder", run) == 1
    assert "no checkpoints.json" in capsys.readouterr().err


def test_a_fresh_start_never_overwrites_a_run(
    run: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--checkpoint-folder", run) == 2
    assert f"--resume {run}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"format": 1}', '{"format": 9, "checkpoints": []}', '{"format": 1, "checkpoints": [{}]}'],
)
def test_a_broken_record_is_refused(text: str, run: Path) -> None:
    (run / "checkpoints.json").write_text(text)
    with pytest.raises(RecordError, match=r"checkpoints\.json"):
        checkpoint.find(run)


@pytest.mark.parametrize(
    "name", ["../COMBO_CHECKPOINT_x.pth", "/etc/passwd", "COMBO_CHECKPOINT_a/b.pth", "x.pth"]
)
def test_a_record_names_nothing_outside_its_folder(name: str, run: Path) -> None:
    content = json.loads((run / "checkpoints.json").read_text())
    content["checkpoints"][0]["file"] = name
    (run / "checkpoints.json").write_text(json.dumps(content))
    with pytest.raises(RecordError, match="not a checkpoint name"):
        checkpoint.find(run)


def test_loads_with_weights_only_and_holds_plain_types(run: Path) -> None:
    content = torch.load(newest(run), weights_only=True)
    assert content["format"] == 1 and content["epoch"] == 1 and content["sampler"]["epoch"] == 2
    assert content["classes"][0] == "BACKGROUND" and content["args"]["net"] == "mb1-ssd-lite"
    assert not [name for name in content["weights"] if name.startswith("module.")]


# ---------------------------------------------------------------- hostile files


class Evil:
    """Pickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def zip_with(pickled: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "x.pth"
    for protocol in (2, 4):
        zip_with(pickle.dumps({"weights": Evil(trace)}, protocol=protocol), path)
        with pytest.raises(DamagedCheckpoint, match="refused"):
            checkpoint.load(path)
    path.write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(DamagedCheckpoint):
        checkpoint.load(path)
    assert not trace.exists()


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/data/0", bytes(64 << 20))
    with pytest.raises(DamagedCheckpoint, match="more bytes than it has"):
        checkpoint.load(path)
    zip_with(b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", path)
    with pytest.raises(DamagedCheckpoint, match="bytearray"):
        checkpoint.load(path)


def test_tensors_larger_than_their_data_and_endless_nesting_are_refused(run: Path) -> None:
    path = newest(run)
    content = torch.load(path, weights_only=True)
    content["weights"]["big"] = torch.zeros(1).expand(1 << 40)
    torch.save(content, path)
    with pytest.raises(DamagedCheckpoint, match="a tensor larger than its data"):
        checkpoint.load(path)
    nested: list[Any] = []
    for _ in range(30):
        nested = [nested, nested]
    del content["weights"]["big"]
    content["metrics"] = {"x": nested}
    torch.save(content, path)
    with pytest.raises(DamagedCheckpoint, match="metrics"):
        checkpoint.load(path)


@pytest.mark.parametrize("key", ["weights", "optimizer", "sampler", "step", "classes"])
def test_a_missing_part_is_named(key: str, run: Path) -> None:
    content = torch.load(newest(run), weights_only=True)
    del content[key]
    torch.save(content, newest(run))
    with pytest.raises(DamagedCheckpoint, match=key):
        checkpoint.load(newest(run))


def test_the_ancestors_checkpoints_are_sent_to_pretrained_ssd(tmp_path: Path) -> None:
    path = tmp_path / "COMBO_CHECKPOINT_mb2-ssd-lite-Epoch-3-Loss-2.pth"
    torch.save({"epoch": 3, "weights": {"a": torch.zeros(1)}}, path)
    with pytest.raises(DamagedCheckpoint, match="--pretrained-ssd"):
        checkpoint.load(path)


def test_text_and_folders_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_text("<html>")
    with pytest.raises(DamagedCheckpoint, match=r"x\.pth"):
        checkpoint.load(tmp_path / "x.pth")
    with pytest.raises(NoCheckpoint, match="run folder"):
        checkpoint.find(tmp_path)
    with pytest.raises(NoCheckpoint, match="no such file"):
        checkpoint.find(tmp_path / "y.pth")


# ---------------------------------------------------------------- writing


def test_pruning_keeps_the_last_and_the_best(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for epoch in range(5):
        run.publish(
            f"COMBO_CHECKPOINT_x-Epoch-{epoch}.pth", bytes([epoch]), epoch=epoch, step=epoch, best=epoch < 2
        )
    assert len(run.prune(keep_last=0)) == 0
    assert len(run.prune(keep_last=2)) == 2
    assert sorted(p.name[-5:] for p in tmp_path.glob("*.pth")) == ["1.pth", "3.pth", "4.pth"]
    assert [record.pruned for record in run.records()] == [True, False, True, False, False]
    assert run.newest_valid(print) == tmp_path / "COMBO_CHECKPOINT_x-Epoch-4.pth"


def test_what_comes_after_a_checkpoint_is_moved_aside(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = [f"COMBO_CHECKPOINT_x-Epoch-{epoch}.pth" for epoch in range(4)]
    for epoch, name in enumerate(names):
        run.publish(name, bytes([epoch]), epoch=epoch, step=epoch)
    assert run.rewind_to(names[1]) == names[2:]
    assert [record.file for record in run.records()] == names[:2]
    assert [
        row["file"] for row in json.loads((tmp_path / "checkpoints.1.json").read_text())["checkpoints"]
    ] == names[2:]


def test_pruning_waits_for_a_new_one_that_reads_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for epoch in range(3):
        run.publish(f"COMBO_CHECKPOINT_x-Epoch-{epoch}.pth", bytes([epoch]), epoch=epoch, step=epoch)
    (tmp_path / "COMBO_CHECKPOINT_x-Epoch-2.pth").write_bytes(b"?")
    with pytest.raises(DamagedCheckpoint):
        run.prune(keep_last=1)
    assert len(list(tmp_path.glob("*.pth"))) == 3


def test_a_full_disk_keeps_the_older_one(
    run: Path, train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in run.iterdir() if path.suffix == ".pth")

    def full(path: Path) -> None:
        if path.suffix == ".pth":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path)

    real = files.fsync_file
    monkeypatch.setattr(files, "fsync_file", full)
    assert train("--resume", run) == 1
    assert "no space left" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir() if path.suffix == ".pth") == before
    assert not [path for path in run.iterdir() if path.name.startswith(files.TEMPORARY)]
    monkeypatch.undo()
    assert train("--resume", run) == 0


def test_memory_formats_survive(tmp_path: Path) -> None:
    weight = torch.zeros(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    buffer = io.BytesIO(checkpoint.as_bytes(checkpoint._plain({"w": weight})))
    assert torch.load(buffer, weights_only=True)["w"].stride() == weight.stride()


def test_a_checkpoint_of_the_ancestors_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """It holds its scheduler as an object, so nothing of it is unpickled; its weights can start a run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    file = tmp_path / "COMBO_CHECKPOINT_mb2-ssd-lite-Epoch-7-Loss-2.31.pth"
    torch.save({"epoch": 7, "weights": {"a": torch.zeros(1)}, "scheduler": scheduler}, file)
    with pytest.raises(DamagedCheckpoint, match=rf"CosineAnnealingLR(.|\n)*--pretrained-ssd {file}"):
        checkpoint.load(file)


# ---------------------------------------------------------------- and back


def test_a_state_comes_back_whole() -> None:
    """After two steps with momentum, an average and a gradient scaler, into a state that has gone elsewhere."""
    facts = checkpoint.RunFacts(
        {"net": "x"}, ["BACKGROUND", "a", "b"], [0, 1, 2], "", {"seed": 1, "batch_size": 4, "length": 8}
    )

    def stepped(seed: int) -> TrainState:
        state, session = make(ema=0.5)
        state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**seed)
        for _ in range(seed):
            train_step(state, session, a_batch())
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        return state

    state = stepped(2)
    saved = checkpoint.content_of(state, facts, {})
    assert saved["scaler"]["scale"] == 4.0 and saved["ema"]["count"] == 2
    assert not differences(saved["weights"], state.model.state_dict()), "not the average"
    assert differences(saved["weights"], saved["ema"]["weights"])
    other = stepped(3)
    checkpoint.restore(checkpoint.Checkpoint(**copy.deepcopy(saved)), other)
    assert differences(saved, checkpoint.content_of(other, facts, {})) == []


@pytest.mark.parametrize(("before", "now", "device"), [(None, True, "meta"), (True, None, "cpu")])
def test_a_counter_of_steps_lies_where_the_optimiser_of_this_session_wants_it(
    before: bool | None, now: bool | None, device: str
) -> None:
    """``--fused`` may change when a run is resumed; a meta device stands for a GPU, which a fused one counts on."""
    saved = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))], lr=0.1)
    saved.param_groups[0]["params"][0].grad = torch.ones(3)
    saved.step()
    kept = saved.state_dict()
    kept["param_groups"][0]["fused"] = before
    resumed = torch.optim.Adam([torch.nn.Parameter(torch.ones(3, device="meta"))], lr=0.2)
    resumed.param_groups[0]["fused"] = now
    checkpoint._restore_optimizer(kept, SimpleNamespace(optimizer=resumed))  # type: ignore[arg-type]
    ((moments,), (group,)) = resumed.state.values(), resumed.param_groups
    assert moments["step"].device.type == device and moments["exp_avg"].device.type == "meta"
    assert group["fused"] is now and group["lr"] == 0.2
