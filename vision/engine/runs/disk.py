"""How much of the disk the checkpoints and logs of a session will take, asked for before it begins."""

from __future__ import annotations

from torch import Tensor

from vision.artefacts.writable import require_writable
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.options.config import TrainConfig
from vision.engine.state import TrainState
from vision.messages.terminal import counted

BYTES_A_TENSOR = 512
"""Of the zip: header, padding to 64 bytes, directory entry, and the steps of the pickle."""
BYTES_OF_THE_REST = 64 << 10
"""Generators, arguments, classes, versions."""
BYTES_A_STEP = 1024
"""Of ``metrics.jsonl`` and TensorBoard's file together."""
BYTES_A_SESSION = 32 << 10
"""Of TensorBoard's file: arguments, net and classes as text."""
BYTES_OF_PANELS = 8 << 20, 3 << 20
"""Of those in ``report/``, and of each time that they are drawn in TensorBoard's file."""
MOMENTS = {"SGD": 1, "Adam": 2, "AdamW": 2}


def checkpoint_bytes(state: TrainState, config: TrainConfig) -> int:
    """About what one checkpoint of ``state`` will have once its optimiser has moments."""
    weights = list(state.model.state_dict().values())
    trained = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    moments = MOMENTS[config.optim_choose] + (config.amsgrad and config.optim_choose != "SGD")
    if config.optim_choose == "SGD" and not config.momentum:
        moments = 0
    tensors = weights * (2 if state.ema is not None else 1) + trained * moments
    return sum(map(_bytes, tensors)) + BYTES_OF_THE_REST


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size() + BYTES_A_TENSOR


def most_files(config: TrainConfig, epochs_left: int) -> int:
    """Checkpoints in the run folder at most: the last ends of epochs, the best, the last two of all."""
    ends = epochs_left + 1  # and one where it is left on the way
    if config.keep_checkpoints:
        ends = min(ends, max(config.keep_checkpoints, 2) + 1)
    within = config.save_every_steps is not None or config.save_every_minutes is not None
    return ends + (2 if within else 0)


def panel_bytes(config: TrainConfig, epochs_left: int) -> int:
    """At most what panels take: at steps 0 and 1, each ``--panels-every`` epochs and at the end."""
    if not config.panels_every:
        return 0
    files, events = BYTES_OF_PANELS
    return files + (epochs_left // config.panels_every + 3) * events


def require_room(run: RunFolder, state: TrainState, config: TrainConfig, steps_per_epoch: int) -> None:
    """What the run still has to write fits beside what is there; one more file, since a new one comes before an old one
    goes. Raises OutOfSpace, and other OSErrors of a folder that cannot be written."""
    epochs_left = max(0, _last_epoch(config, steps_per_epoch) - state.epoch)
    if not epochs_left:
        return
    there = sum(not record.pruned and record.step <= state.step for record in run.records())
    files = max(0, most_files(config, epochs_left) - there) + 1
    one = checkpoint_bytes(state, config)
    logs = epochs_left * steps_per_epoch * BYTES_A_STEP + BYTES_A_SESSION + panel_bytes(config, epochs_left)
    require_writable(
        run.path,
        files * one + logs,
        f"for up to {counted(files, 'checkpoint')} of about {one:,} bytes and {logs:,} of logs",
    )


def _last_epoch(config: TrainConfig, steps_per_epoch: int) -> int:
    """Where this session ends at the latest."""
    ends = [config.epochs]
    if config.stop_after_epoch is not None:
        ends.append(config.stop_after_epoch)
    if config.stop_after_step is not None:
        ends.append(-(-config.stop_after_step // max(1, steps_per_epoch)))
    return min(ends)
