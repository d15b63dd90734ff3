"""What the demo's score becomes when something is deliberately broken: shows that the number means something.

    python -m benchmarks.broken_variants matcher  --recipe configs/demo.yaml --run models/broken-matcher
    python -m benchmarks.broken_variants channels --run models/demo

``matcher`` trains with every prior's ground truth given to the next prior; ``channels`` scores a good run on pictures
whose red and blue are swapped. Data: those of the demo (``demo-data``). Results go to docs/log.md by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock


def train_with_the_matcher_off_by_one(recipe: Path, run: Path) -> int:
    import torch

    import train_ssd
    from vision.ssd import loss, matching

    def shifted(*arguments: object, **rest: object) -> matching.Matches:
        good = matching.match(*arguments, **rest)  # type: ignore[arg-type]
        parts = (good.gt_index, good.iou, good.forced, good.ignored)
        return matching.Matches(*(torch.roll(part, 1, dims=1) for part in parts))

    with mock.patch.object(loss, "match", shifted):
        return train_ssd.main(["--config", str(recipe), "--checkpoint-folder", str(run)])


def score_with_swapped_channels(run: Path) -> int:
    from tools import evaluate
    from vision.core.sample import Sample
    from vision.datasets.coco import CocoDetection

    load = CocoDetection.load

    def swapped(self: CocoDetection, index: int) -> Sample:
        sample = load(self, index)
        return replace(sample, image=sample.image[..., ::-1].copy())

    with mock.patch.object(CocoDetection, "load", swapped):
        return evaluate.main([str(run), "--workers", "0", "--output", str(run / "swapped-channels")])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broken_variants", description=__doc__)
    parser.add_argument("fault", choices=("matcher", "channels"), help="what to break")
    parser.add_argument("--recipe", type=Path, default=Path("configs/demo.yaml"), help="(%(default)s)")
    parser.add_argument(
        "--run", type=Path, required=True, help="run folder to make (matcher) or to score (channels)"
    )
    arguments = parser.parse_args(argv)
    if arguments.fault == "channels":
        return score_with_swapped_channels(arguments.run)
    return train_with_the_matcher_off_by_one(arguments.recipe, arguments.run)


if __name__ == "__main__":
    sys.exit(main())
