"""What was decided about a session before it starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision.datasets.packed.choice import AUTO_FEED, choose, difference, pack_px
from vision.datasets.packed.detection import JPEG_FEED
from vision.engine.options.config import TrainConfig

if TYPE_CHECKING:
    import torch

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
    * typed: the words of the command line
    * free_batch: nobody has named a batch, and no run has one
    * initial: the file of ``--pretrained-ssd`` that a fresh run starts from
    """

    config: TrainConfig
    run: Path
    checkpoint: Checkpoint | None
    file: Path | None
    notes: tuple[str, ...]
    seen: bytes = b""
    typed: tuple[str, ...] = ()
    initial: DetectorFile | None = None
    free_batch: bool = False


def settle_feed(plan: Plan, device: torch.device) -> Plan:
    """``plan`` with what ``--feed`` means, and a note that says why. Raises DatasetError.

    On resume ``auto`` is what the run was fed from, which needs no words: a pack that was made meanwhile would show it other images.
    """
    asked, before = plan.config.feed, None if plan.checkpoint is None else plan.checkpoint.config.feed
    before = JPEG_FEED if before == AUTO_FEED else before
    if asked == AUTO_FEED and before is not None:
        asked = before
    feed = choose(asked, plan.config.datasets, plan.config.channels, device.type == "cuda")
    config = dataclasses.replace(plan.config, feed=feed.name)
    why = [] if feed.name == before else [f"images: {feed.why}"]
    if before not in (None, feed.name):
        why.append(f"--feed: {before} → {feed.name}: {difference(before, feed.name)}")
    if feed.name != before and (px := pack_px(feed.name)) and px < max(config.resolution):
        why.append(
            f"images: the pack is {px} px, and the net looks at {max(config.resolution)}: they are enlarged; a pack of that --size "
            f"or larger, and --feed {JPEG_FEED}, show more"
        )
    return dataclasses.replace(plan, config=config, notes=(*plan.notes, *why))
