"""COCO's 12 numbers while detections come in: matched beside inference, so that only adding up is left at its end."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from vision.engine.evaluation.backends import Matches
from vision.engine.evaluation.coco_map import Scores, as_scores, choose_backend, score
from vision.engine.evaluation.ground_truth import truth_of
from vision.engine.evaluation.results import Results


class Scoring:
    """``with Scoring(dataset) as scoring: found = predict(…, take=scoring.take); scores = scoring.scores(found)``.

    A thread matches what ``take`` is given; it draws no random number and touches no weight. However the ``with`` is left, the
    thread has ended behind it. The scores are those of ``coco_map.score``, to the bit. Only hotcoco can match in parts: with
    pycocotools all is left to ``scores``.
    """

    def __init__(self, dataset: Any, backend: str = "auto") -> None:
        self._truth, self._backend = truth_of(dataset), choose_backend(backend)
        self._matches = Matches(self._truth) if self._backend == "hotcoco" else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="coco-metric")
        self._at_work: list[Future[None]] = []

    def __enter__(self) -> Scoring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def take(self, image_ids: np.ndarray, found: Results) -> None:
        """``found`` is all there is in the images ``image_ids`` (N,) int64. Raises what the thread has failed with."""
        if self._matches is not None:
            self._look(wait=False)
            self._at_work.append(self._thread.submit(self._matches.add, image_ids, found))

    def matched(self) -> Matches | None:
        """What was taken, all of it matched, for the process that scores. Raises what the thread has failed with."""
        self._look(wait=True)
        return self._matches

    def scores(self, found: Results, others: Sequence[Matches | None] = ()) -> Scores:
        """Of ``found``: all that was taken here, and by the processes that ``others`` are of."""
        matches = self.matched()
        if matches is None:
            return score(found, self._truth, self._backend)
        matches.merge(one for one in others if one is not None)
        return as_scores(matches.computed(), found, self._truth, self._backend)

    def _look(self, wait: bool) -> None:
        while self._at_work and (wait or self._at_work[0].done()):
            self._at_work.pop(0).result()
