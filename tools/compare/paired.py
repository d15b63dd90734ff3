"""Differences of AP between runs on the same images, with intervals: all runs are measured on the same drawn images (bootstrap)."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.compare")

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.engine.analysis.analyse import DRAWS, SEED, precision_of
from vision.engine.analysis.precision import draws, interval, mean_defined
from vision.engine.analysis.scene import scene_of
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results


@dataclass(frozen=True)
class Difference:
    """AP of one run less that of the first, of a class or (``name`` "") of all.

    * first, other: both APs; low, high: the middle 95 % of the difference over drawn images
    """

    name: str
    first: float
    other: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        return self.other - self.first

    @property
    def is_more_than_chance(self) -> bool:
        """The interval has no 0 in it: other images would hardly have turned the sign."""
        return self.low > 0 or self.high < 0


def differences(found: Sequence[Results], truth: GroundTruth) -> list[list[Difference]]:
    """For each run but the first: of all classes, then of each class that has objects, the largest difference first."""
    precisions = []
    for results in found:
        scene = scene_of(results, truth)
        precisions.append(precision_of(scene)[1])
    weights = draws(len(scene.image_ids), DRAWS, SEED)
    # (runs, classes) and (runs, draws, classes)
    measured = np.stack([one.by_class().mean(axis=0) for one in precisions])
    drawn = np.stack([[one.by_class(each).mean(axis=0) for each in weights] for one in precisions])
    made = []
    for run in range(1, len(found)):
        means = np.array([mean_defined(each) for each in drawn[run]]) - np.array(
            [mean_defined(each) for each in drawn[0]]
        )
        first, other = mean_defined(measured[0]), mean_defined(measured[run])
        rows = [Difference("", first, other, *interval(means, other - first))]
        classes = []
        for k in np.flatnonzero(~np.isnan(measured[0])).tolist():
            first, other = float(measured[0, k]), float(measured[run, k])
            bounds = interval(drawn[run, :, k] - drawn[0, :, k], other - first)
            classes.append(Difference(scene.names[k], first, other, *bounds))
        made.append(rows + sorted(classes, key=lambda one: -abs(one.gain)))
    return made
