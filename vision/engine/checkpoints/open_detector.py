"""A run folder or a checkpoint → a detector that is ready to look at images."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from vision.engine.checkpoints.checkpoint import Checkpoint, find, load
from vision.engine.checkpoints.data_place import recorded_root
from vision.engine.checkpoints.find_runs import Ask, resume_with
from vision.engine.checkpoints.folder import DamagedCheckpoint, RunFolder
from vision.engine.model import build_from
from vision.messages.advice import UserError, shown
from vision.messages.terminal import counted
from vision.ssd.build import without_first_weights
from vision.ssd.model import Detector


@dataclass(frozen=True, slots=True)
class LoadedDetector:
    """A detector in evaluation mode on the CPU, and where it comes from.

    * weights: ``ema`` (the average) or ``raw``
    * path: the checkpoint file; its folder is where results go
    * chosen: why this file, for people
    """

    detector: Detector
    checkpoint: Checkpoint
    path: Path
    weights: str
    chosen: str

    @property
    def classes(self) -> list[str]:
        return list(self.checkpoint.classes)

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def data_roots(self) -> list[Path]:
        """Where the data are that the training was measured on, as far as the current folder and that of the run tell."""
        config = self.checkpoint.config
        roots = [config.validation_dataset] if config.validation_dataset else config.datasets
        return [recorded_root(root, self.folder) for root in roots]

    def describe(self) -> str:
        """A line each: the file, its net, and which of its weights."""
        spec = self.detector.input_spec
        return (
            f"{shown(self.path)}\n"
            f"  {self.detector.variant.name}, {spec}, {counted(len(self.classes), 'class')} with background\n"
            f"  epoch {self.checkpoint.epoch}, step {self.checkpoint.step:,}, "
            f"{'EMA' if self.weights == 'ema' else 'raw'} weights; {self.chosen}"
        )


def open_detector(
    path_or_run: Path | str, which: str = "best", weights: str = "auto", ask: Ask = resume_with
) -> LoadedDetector:
    """A checkpoint file, or of a run folder the best (else the newest) or the last good checkpoint.

    ``weights``: the average (``ema``), the ``raw`` ones, or the average where there is one (``auto``).
    Raises NoCheckpoint, DamagedCheckpoint (also where the weights do not fit the recorded arguments), and
    ValueError for an average that the run did not keep.
    """
    path, chosen = choose(Path(path_or_run), which, ask)
    checkpoint = load(path)
    with without_first_weights():
        detector = build_from(checkpoint.config, len(checkpoint.classes))
    if weights == "ema" and not checkpoint.ema:
        raise UserError(f"{path}: the run kept no average of its weights (--ema 0); it has only raw ones")
    try:
        detector.load_state_dict(checkpoint.weights if weights == "raw" else checkpoint.evaluated_weights)
    except RuntimeError as error:
        raise DamagedCheckpoint(f"{path}: the weights do not fit its own arguments: {error}") from None
    taken = "ema" if checkpoint.ema and weights != "raw" else "raw"
    return LoadedDetector(detector.eval(), checkpoint, path, taken, chosen)


def choose(path: Path, which: str = "best", ask: Ask = resume_with) -> tuple[Path, str]:
    """The checkpoint file and why it is that one. Records are believed, file names are not read."""
    if not path.is_dir():
        return find(path, ask), "the file that was named"
    run = RunFolder(path)
    good = [record for record in run.records() if record.best and not record.pruned]
    if which == "best" and good:
        try:
            run.verify(good[-1])
        except DamagedCheckpoint as error:
            warnings.warn(
                f"the best checkpoint is damaged, the newest good one is used: {error}", stacklevel=2
            )
        else:
            return path / good[-1].file, "the best of the run by its record"
    return find(path, ask), "the newest of the run"
