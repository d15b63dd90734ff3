"""Errors whose message tells the user what to do; anything else is our fault and keeps its traceback."""

from __future__ import annotations

from vision.artefacts.records import RecordError
from vision.datasets.contract import DatasetError, SampleError
from vision.datasets.loading import WorkerError
from vision.engine.checkpoints.folder import DamagedCheckpoint, NoCheckpoint
from vision.engine.runs.resume import Refused
from vision.engine.training.memory import OutOfMemory
from vision.engine.training.not_finite import NotFinite

MENDABLE: tuple[type[Exception], ...] = (
    DamagedCheckpoint,
    DatasetError,
    NoCheckpoint,
    NotFinite,
    OSError,
    OutOfMemory,
    RecordError,
    Refused,
    SampleError,
    WorkerError,
    ValueError,
)
