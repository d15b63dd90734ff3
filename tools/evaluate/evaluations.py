"""Where the results of an evaluation go, so that none replaces another; and several of them side by side.

The run's own evaluation (its best checkpoint, the weights that are exported, its own validation data) is
``metrics.json`` in the run folder. Whatever differs gives a folder below ``evaluations/`` its name.
"""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.evaluate")

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import UserError

if TYPE_CHECKING:
    from vision.engine.checkpoints.open_detector import LoadedDetector

METRICS, FOLDER = "metrics.json", "evaluations"
OWN = "the run's own"
DEFAULT_THRESHOLD = 0.01
IDENTITY = ("checkpoint", "step", "weights", "split", "dataset_digest", "resize", "score_threshold")
"""Of ``metrics.json``: what its numbers are numbers of."""
COMPARED = ("AP", "AP50", "AP75", "APs", "APm", "APl")
ROWS_SHOWN = 8


@dataclass(frozen=True)
class Asked:
    """What is scored, apart from the weights: the data by digest and (first) root, the split, resizing and threshold."""

    dataset_digest: str
    root: Path
    split: str
    resize: str
    score_threshold: float


def name_of(opened: LoadedDetector, asked: Asked) -> str:
    """What differs from the run's own evaluation, as a name of a folder; empty where nothing does."""
    from vision.engine.checkpoints.folder import RunFolder
    from vision.engine.checkpoints.open_detector import choose

    parts = []
    is_run = bool(RunFolder(opened.folder).records())
    if not is_run:
        parts.append(_plain(opened.path.stem))
    elif opened.path != choose(opened.folder)[0]:
        parts.append(f"epoch-{opened.checkpoint.epoch}-step-{opened.checkpoint.step}")
    if opened.weights == "raw" and opened.checkpoint.ema:
        parts.append("raw")
    if asked.split != "val":
        parts.append(asked.split)
    if _own_digest(opened, asked.split) not in (
        "",
        asked.dataset_digest,
    ):  # empty: a checkpoint that does not tell
        parts.append(f"{_plain(asked.root.absolute().name)}-{asked.dataset_digest[:8]}")
    if asked.resize != "bilinear":
        parts.append(asked.resize)
    if asked.score_threshold != DEFAULT_THRESHOLD:
        parts.append(f"score-{asked.score_threshold:g}")
    return "-".join(parts)


def _own_digest(opened: LoadedDetector, split: str) -> str:
    checkpoint = opened.checkpoint
    return checkpoint.dataset_digest if split == "train" else checkpoint.validation_digest


def _plain(text: str) -> str:
    """A part of a folder's name: letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^\w.-]+", "_", text).strip(".") or "data"


def place(opened: LoadedDetector, asked: Asked, output: Path | None) -> Path:
    """The folder for the results. Raises UserError where it holds files that must not be replaced."""
    if output is not None:
        return output
    name = name_of(opened, asked)
    return opened.folder / FOLDER / name if name else opened.folder


def require_free(folder: Path, results: str, identity: Mapping[str, Any], named: bool) -> None:
    """The files of these names are an evaluation of ours, and of a folder that was ``named`` the same one.

    Raises UserError (three lines) otherwise.
    """
    metrics = folder / METRICS
    if metrics.exists() or metrics.is_symlink():
        older = read_metrics(metrics)
        if older is None:
            raise _in_the_way(metrics, "it is no file that an evaluation wrote")
        other = [key for key in IDENTITY if older[key] != identity[key]]
        if named and other:
            raise _in_the_way(metrics, f"it holds another evaluation (other {', '.join(other)})")
    elif (folder / results).exists():
        raise _in_the_way(folder / results, f"there is no {METRICS} of an evaluation beside it")


def _in_the_way(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} is in the way\n  why: {why}\n  fix: move it aside, or name another folder with --output"
    )


def read_metrics(path: Path) -> dict[str, Any] | None:
    """The content of a ``metrics.json`` of ours; None for anything else."""
    try:
        found = read_json(path)
    except (RecordError, OSError):
        return None
    if not isinstance(found, dict) or not set(IDENTITY) <= set(found):
        return None
    return found if all(isinstance(found.get(name), (int, float)) for name in COMPARED) else None


def of_run(folder: Path) -> dict[str, dict[str, Any]]:
    """Name → metrics of every evaluation of a run, its own first."""
    found = {OWN: read_metrics(folder / METRICS)}
    for path in sorted((folder / FOLDER).glob(f"*/{METRICS}")):
        found[path.parent.name] = read_metrics(path)
    return {name: metrics for name, metrics in found.items() if metrics is not None}


def comparison(run: Path, current: Path) -> str:
    """The evaluations of a run on the data of ``current`` side by side, with what each gains or loses; or nothing."""
    every = of_run(run)
    name = OWN if current == run else current.name
    if name not in every:
        return ""
    now = every.pop(name)
    alike = {key: one for key, one in every.items() if one["dataset_digest"] == now["dataset_digest"]}
    if not alike:
        return ""
    shown = list(alike.items())[:ROWS_SHOWN]
    width = max(len(f"{key} (this one)") for key in (name, *(key for key, _ in shown)))
    lines = [f"{'on the same data':{width}}" + "".join(f"{key:>8}" for key in COMPARED)]
    lines.append(f"{name + ' (this one)':{width}}" + _numbers([now[key] for key in COMPARED]))
    for key, one in shown:
        lines.append(f"{key:{width}}" + _numbers([one[column] for column in COMPARED]))
        gaps = "".join(_gap(now[column], one[column]) for column in COMPARED)
        lines.append(f"{'  this one differs by':{width}}" + gaps)
    if len(alike) > len(shown):
        lines.append(f"({len(alike) - len(shown)} more in {run / FOLDER})")
    return "\n".join(lines)


def _numbers(values: Sequence[float]) -> str:
    return "".join(f"{'–':>8}" if value < 0 else f"{value:>8.3f}" for value in values)


def _gap(now: float, other: float) -> str:
    """A difference of two metrics, ``=`` where nothing of it is left to three places."""
    if now < 0 or other < 0:
        return f"{'–':>8}"
    gap = round(now - other, 3)
    return f"{gap:>+8.3f}" if gap else f"{'=':>8}"
