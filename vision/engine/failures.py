"""Errors whose message tells the user what to do; anything else is our fault and keeps its traceback."""

from __future__ import annotations

from vision.artefacts.records import RecordError
from vision.datasets.contract import DatasetError, SampleError
from vision.datasets.loading import WorkerError
from vision.engine.memory import OutOfMemory
from vision.engine.not_finite import NotFinite
from vision.engine.resume import Refused
from vision.engine.run_folder import DamagedCheckpoint, NoCheckpoint

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
