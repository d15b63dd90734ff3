"""Where a run may not put its files: a data root, a home, this toolkit itself, a folder whose files are somebody's own."""

from __future__ import annotations

from pathlib import Path

from vision.artefacts.data_layout import data_at
from vision.artefacts.files import is_temporary
from vision.artefacts.records import RecordError, read_json
from vision.engine.checkpoints.folder import RunFolder
from vision.engine.options.combinations import UsageError
from vision.engine.options.config import TrainConfig
from vision.engine.options.option import read_mapping
from vision.messages.advice import shown

TOOLKIT = Path(__file__).resolve().parents[3]
CODE = (
    ".git", ".ci", ".venv", "benchmarks", "configs", "constraints", "docs", "pipeline", "tests", "tools", "vision",
)  # fmt: skip
"""Folders of the toolkit in which no run belongs."""
PANELS = (
    "training_batch", "preprocessing", "augmentation", "priors", "matching", "predictions", "class_map",
)  # fmt: skip
WRITTEN = (
    "training_args.json", "labels.txt", "sessions.jsonl", "metrics.jsonl", "metrics.json", "metrics.csv", "report/detections.npz",
    *(f"report/{panel}.png" for panel in PANELS),
)  # fmt: skip
"""Files, beside checkpoints and TensorBoard's, that a run writes under fixed names."""


def require_place(run: Path) -> None:
    """Raises UsageError where a run in this folder would mix its files with others'. A run that is there already stays."""
    why = _why_not(run)
    if why and not RunFolder(run).record_path.is_file():
        raise _refused(run, why)


def require_nothing_foreign(run: Path) -> None:
    """For a fresh run, whose folder has no record of checkpoints yet. Raises UsageError that names what would be lost."""
    if RunFolder(run).record_path.is_file() or not run.is_dir():  # begun by us, or not there
        return
    weights = sorted(path.name for path in run.glob("*.pth") if not is_temporary(path.name))
    if weights:
        raise _refused(
            run,
            f"it has {_first(weights)}, which no {RunFolder(run).record_path.name} of this toolkit claims",
        )
    written = (*WRITTEN, "events.out.tfevents.*")
    there = [str(path.relative_to(run)) for name in written for path in sorted(run.glob(name))]
    if there and not _arguments_are_ours(run):
        raise _refused(
            run, f"it has {_first(there)}, which a run writes, and no run of this toolkit has begun there"
        )


def require_own_labels(run: Path, classes: list[str]) -> None:
    """For a resume from a file that no record claims: ``labels.txt`` beside it is of the same classes, or not there."""
    labels = run / "labels.txt"
    if labels.is_file() and labels.read_bytes().split() != " ".join(classes).encode().split():
        raise _refused(run, "its labels.txt has other classes than the checkpoint beside it")


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(shown, names[:3])) + more


def _arguments_are_ours(run: Path) -> bool:
    """A run that was killed before its first checkpoint leaves its arguments: all of them, under the names of today."""
    try:
        content = read_json(run / "training_args.json", max_bytes=1 << 20)
        return isinstance(content, dict) and "checkpoint_folder" in read_mapping(TrainConfig, content, "")
    except (OSError, RecordError, ValueError):
        return False


def _refused(run: Path, why: str) -> UsageError:
    return UsageError(
        f"{shown(run)} cannot hold a run\n  why: {why}\n"
        "  fix: name a folder of its own with --checkpoint-folder, such as models/my-experiment-1"
    )


def _why_not(run: Path) -> str | None:
    place = run.resolve()
    if place.exists() and not place.is_dir():
        return "it is a file"
    if why := data_at(place):
        return why
    if place == _home() or place in _home().parents:
        return "it is a home folder, or one above it"
    if place == TOOLKIT or place in TOOLKIT.parents:
        return "this toolkit itself is there"
    if TOOLKIT in place.parents and place.relative_to(TOOLKIT).parts[0] in CODE:
        return "it is a part of this toolkit"
    return None


def _home() -> Path:
    try:
        return Path.home().resolve()
    except RuntimeError:  # a user without one
        return Path("/")
