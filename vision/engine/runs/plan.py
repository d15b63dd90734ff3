"""What was decided about a session before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision.engine.config import TrainConfig

if TYPE_CHECKING:
    from vision.engine.checkpoints.checkpoint import Checkpoint
    from vision.nn.weights.pretrained import DetectorFile


@dataclass(frozen=True)
class Plan:
    """How this session starts.

    * config: the arguments in force
    * run: the run folder
    * checkpoint, file: what is resumed; None for a fresh start
    * notes: sentences for people about differences
    * seen: the run's record of checkpoints when this was planned
    * initial: the file of ``--pretrained-ssd`` that a fresh run starts from
    """

    config: TrainConfig
    run: Path
    checkpoint: Checkpoint | None
    file: Path | None
    notes: tuple[str, ...]
    seen: bytes = b""
    initial: DetectorFile | None = None
