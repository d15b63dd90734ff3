"""What a session of training works with and does not change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from vision.datasets.loading import Loader
from vision.datasets.packed.threads import ThreadLoader
from vision.datasets.sampling import BatchSampler
from vision.engine.checkpoints.checkpoint import RunFacts
from vision.engine.checkpoints.find_runs import resume_with
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.distributed import Group
from vision.engine.interrupt import StopRequest
from vision.engine.options.config import TrainConfig
from vision.engine.panels.panels import Panels
from vision.engine.runs.metric_logger import MetricLogger
from vision.engine.training.console import Console
from vision.ssd.losses.detection import SsdLoss
from vision.transforms.device.feed import DeviceFeed


@dataclass(frozen=True)
class Session:
    """The surroundings of the loop; everything that it changes is in ``TrainState``.

    * network: what is called with normalised images: the detector itself, or its wrapper
    * order: the sampler behind ``train``
    * validation_data: a data set of ``vision.datasets``
    * group: this process among its peers
    * panels: what draws them, in the process that writes
    """

    config: TrainConfig
    device: torch.device
    amp_dtype: torch.dtype | None
    network: Callable[..., Any]
    loss: SsdLoss
    order: BatchSampler
    train: Loader | ThreadLoader | DeviceFeed
    validation: Loader
    validation_data: Any
    run: RunFolder
    facts: RunFacts
    board: MetricLogger
    console: Console
    stop: StopRequest
    group: Group
    panels: Panels | None = None

    @property
    def steps_per_epoch(self) -> int:
        return self.order.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.config.epochs * self.steps_per_epoch

    def way_back(self) -> str:
        """A sentence: what a run that ends here can resume from."""
        if any(not record.pruned for record in self.run.records()):
            return f"The last checkpoint is good, resume from it: {resume_with(self.run.path)}"
        return "There is no checkpoint yet."
