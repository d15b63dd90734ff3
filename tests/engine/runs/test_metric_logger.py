"""What TensorBoard is given, and the hook of docs/seeing.md for other logs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.tiny_runs import seen_in_tensorboard
from tests.house.law import REPOSITORY
from vision.engine.runs.metric_logger import MetricLogger, last_row, scalars

STEP = {"epoch": 0, "loss": 2.0, "rate": {"heads": 0.1}}
EPOCH = {
    "kind": "epoch", "epoch": 0, "step": 4, "train_total": 3.0, "train_classification": 2.0, "positives_per_image": 4.5,
    "val_loss": 2.5, "val_localization": 1.0, "raw_val_loss": 2.6, "AP": 0.5, "APs": -1.0, "AR100": 0.6, "raw_AP": 0.4,
    "raw_AR1": 0.3, "voc_mean_ap": 0.55, "images_per_s": 90.0, "AP_by_class": {"cat": 0.5, "dog": 0.4},
}  # fmt: skip


def test_tags_have_groups() -> None:
    assert dict(scalars(EPOCH)) == {
        "loss_by_epoch/train_total": 3.0, "loss_by_epoch/train_classification": 2.0,
        "optimisation/positives_per_image": 4.5, "loss_by_epoch/validation_total": 2.5,
        "loss_by_epoch/validation_localization": 1.0, "loss_by_epoch/raw_validation_total": 2.6, "mAP/AP": 0.5,
        "recall/AR100": 0.6, "mAP_raw_weights/AP": 0.4, "mAP_raw_weights/AR1": 0.3, "mAP/voc_mean_ap": 0.55,
        "speed/images_per_s": 90.0, "AP_by_class/cat": 0.5, "AP_by_class/dog": 0.4,
    }  # fmt: skip
    assert dict(scalars({"kind": "step", "step": 1, **STEP, "grad_norm": None})) == {
        "loss_by_step/total": 2.0, "optimisation/rate_heads": 0.1,
    }  # fmt: skip


def test_an_end_of_an_epoch_that_was_not_saved_is_forgotten(tmp_path: Path) -> None:
    """Killed between the logs and the checkpoint of an epoch's end, and resumed from a checkpoint of the same step."""
    first = MetricLogger(tmp_path)
    for step in range(1, 5):
        first.step({**STEP, "step": step})
    first.epoch(EPOCH)
    first.summary(4, {"value": [{"tag": "panels/x", "simple_value": 1.0}]})
    first.close()
    rows = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(rows[:4]))  # as truncate_logs leaves it
    again = MetricLogger(tmp_path, 4, epoch_finished=False)
    again.epoch({**EPOCH, "AP": 0.7})
    again.close()
    seen = seen_in_tensorboard(tmp_path)
    assert [(one.step, round(one.value, 3)) for one in seen.Scalars("mAP/AP")] == [(4, 0.7)]
    assert [one.step for one in seen.Scalars("loss_by_step/total")] == [1, 2, 3, 4]
    assert "panels/x" not in seen.Tags()["scalars"] or not seen.Scalars("panels/x")


def test_an_end_of_an_epoch_that_was_saved_is_kept(tmp_path: Path) -> None:
    for first in (0, 4):
        logger = MetricLogger(tmp_path, first, epoch_finished=first > 0)
        if not first:
            logger.epoch(EPOCH)
            logger.summary(4, {"value": [{"tag": "panels/x", "simple_value": 1.0}]})
        logger.close()
    seen = seen_in_tensorboard(tmp_path)
    assert (
        [one.step for one in seen.Scalars("panels/x")] == [one.step for one in seen.Scalars("mAP/AP")] == [4]
    )


def test_the_last_row(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert last_row(path) is None
    path.write_bytes(b"")
    assert last_row(path) is None
    path.write_bytes(b'{"step":1}\n' + b'{"step":2}\n')
    assert last_row(path) == {"step": 2}


@pytest.mark.parametrize("log", ["wandb", "mlflow"])
def test_the_hook_of_the_documentation_hands_every_row_on(log: str, tmp_path: Path) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "docs/seeing.md").read_text(encoding="utf-8"), re.S
    )
    assert len(code.splitlines()) <= 26
    if log == "mlflow":  # as the comments of the hook say
        code = re.sub(r"^import wandb .*", "import mlflow", code, flags=re.M)
        code = re.sub(r"^wandb\.init.*# or: ", "", code, flags=re.M)
        code = re.sub(r"wandb\.log\(.*# or: ", "", code)
    fake = "def call(*a, **k): print(a, k)\ninit = log = log_params = log_metrics = call\n"
    (tmp_path / f"{log}.py").write_text(fake)
    (tmp_path / "follow.py").write_text(code)
    run = tmp_path / "a run"
    run.mkdir()
    (run / "training_args.json").write_text(json.dumps({"epochs": 1}))
    rows = [{"kind": "step", "step": 1, **STEP}, EPOCH]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run(
        [sys.executable, "follow.py", str(run)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.count("\n") == 3
        and "'step/loss': 2.0" in done.stdout
        and "'epoch/AP': 0.5" in done.stdout
    )
