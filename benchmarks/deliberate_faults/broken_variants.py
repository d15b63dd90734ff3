"""What the demo's score becomes when something is deliberately broken: shows that the number means something.

    python -m benchmarks.deliberate_faults.broken_variants objects  --recipe configs/demo.yaml --run models/broken-objects
    python -m benchmarks.deliberate_faults.broken_variants priors   --recipe configs/demo.yaml --run models/broken-priors
    python -m benchmarks.deliberate_faults.broken_variants channels --run models/demo

``objects`` trains with a matcher whose object index is off by one (a prior learns the next object of its image, the
last one's the first); ``priors`` with one whose prior index is (the next prior learns the object); ``channels`` scores
a good run on images whose red and blue are swapped. Data: those of the demo (``demo-data``). Results go to docs/log.md
by hand.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from vision.ssd.losses import detection, matching


def next_object(good: matching.Matches, labels: torch.Tensor) -> matching.Matches:
    """Each matched prior gets the next object of its image. labels: (N, G) int64, 0 = padding."""
    count = (labels > 0).sum(dim=1, keepdim=True).clamp(min=1)
    return replace(good, gt_index=torch.where(good.gt_index >= 0, (good.gt_index + 1) % count, good.gt_index))


def next_prior(good: matching.Matches, labels: torch.Tensor) -> matching.Matches:
    """What a prior was matched to goes to the prior after it."""
    parts = (good.gt_index, good.iou, good.forced, good.ignored)
    return matching.Matches(*(torch.roll(part, 1, dims=1) for part in parts))


FAULTS = {"objects": next_object, "priors": next_prior}


def train_with(fault: str, recipe: Path, run: Path) -> int:
    import train_ssd

    def broken(
        priors: torch.Tensor, boxes: torch.Tensor, labels: torch.Tensor, *rest: Any, **named: Any
    ) -> Any:
        return FAULTS[fault](matching.match(priors, boxes, labels, *rest, **named), labels)

    with mock.patch.object(detection, "match", broken):
        return train_ssd.main(["--config", str(recipe), "--checkpoint-folder", str(run)])


def score_with_swapped_channels(run: Path) -> int:
    from tools.evaluate import __main__ as evaluate
    from vision.core.sample import Sample
    from vision.datasets.coco import CocoDetection

    load = CocoDetection.load

    def swapped(self: CocoDetection, index: int) -> Sample:
        sample = load(self, index)
        return replace(sample, image=sample.image[..., ::-1].copy())

    with mock.patch.object(CocoDetection, "load", swapped):
        return evaluate.main([str(run), "--workers", "0", "--output", str(run / "swapped-channels")])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deliberate_faults.broken_variants", description=__doc__
    )
    parser.add_argument("fault", choices=(*FAULTS, "channels"), help="what to break")
    parser.add_argument("--recipe", type=Path, default=Path("configs/demo.yaml"), help="(%(default)s)")
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder to make (objects, priors) or to score (channels)"
    )
    arguments = parser.parse_args(argv)
    if arguments.fault == "channels":
        return score_with_swapped_channels(arguments.run)
    return train_with(arguments.fault, arguments.recipe, arguments.run)


if __name__ == "__main__":
    sys.exit(main())
