"""What a run folder tells of its training: arguments, records, curves. No torch."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.artefacts import log
from vision.artefacts.records import RecordError, read_json
from vision.engine.checkpoints.folder import CheckpointRecord, RunFolder
from vision.messages.advice import UserError, shown
from vision.messages.system_errors import instead_of

POINTS = 300
"""Of a curve, at most: more steps than that become means of so many stretches."""

Line = tuple[list[float], list[float]]
"""x and y."""
Row = dict[str, Any]
SESSION = {"step": int, "steps_per_epoch": int, "command": str, "code": str}


@dataclass(frozen=True)
class History:
    """A run by its own files.

    * arguments: of ``training_args.json``; {} where there is none
    * records: of ``checkpoints.json``, in the order of training
    * steps: name → curve over epochs (a fraction for a step within one), each point the mean of a stretch of steps
    * epochs: rows of ``metrics.jsonl``, one an epoch
    * sessions: rows of ``sessions.jsonl``, as ``vision.engine.runs.resume.record_session`` writes them; older runs have none
    """

    run: Path
    arguments: dict[str, Any]
    records: list[CheckpointRecord]
    steps: dict[str, Line] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def started_by(self) -> list[tuple[str, str]]:
        """Name and value of each session's command and code; none of an older run."""
        rows = []
        for row in self.sessions:
            name = f"resumed at step {row['step']:,} by" if row["step"] else "started by"
            rows += [(name, row["command"]), ("code", row["code"])]
        return rows

    @property
    def best(self) -> CheckpointRecord | None:
        """The best that was validated, else the last of all; None without any."""
        good = [record for record in self.records if record.best] or self.records
        return good[-1] if good else None

    def curve(self, name: str) -> Line:
        """A metric of the epochs over the epochs that are done; those where it is undefined (−1) are left out."""
        rows = [row for row in self.epochs if _is_number(row.get(name)) and row[name] != -1]
        return [row["epoch"] + 1.0 for row in rows], [float(row[name]) for row in rows]


def history_of(run: Path) -> History:
    """Raises UserError where ``run`` is no run folder, or a file of it cannot be read."""
    if not run.is_dir():
        raise UserError(f"{instead_of('folder', run)}\n  why: a run folder is wanted\n  fix: check the path")
    records = RunFolder(run).records()
    rows = list(log.read(run / "metrics.jsonl"))
    if not records and not rows:
        raise UserError(
            f"{shown(run)} is no run folder\n  why: it has neither checkpoints.json nor metrics.jsonl\n"
            "  fix: name the --checkpoint-folder of a training"
        )
    epochs = [row for row in rows if row.get("kind") == "epoch" and _is_number(row.get("epoch"))]
    sessions = _sessions(run)
    each = _steps_of_an_epoch(rows, epochs, sessions)
    return History(run, _arguments(run), records, _steps(rows, each), epochs, sessions)


def _sessions(run: Path) -> list[dict[str, Any]]:
    try:
        return [row for row in log.read(run / "sessions.jsonl") if _is_session(row)]
    except RecordError as error:
        raise UserError(
            f"the sessions of a run cannot be read\n  why: {error}\n"
            "  fix: delete that line; it only says by which command a session was started"
        ) from None


def _is_session(row: dict[str, Any]) -> bool:
    return [type(row.get(name)) for name in SESSION] == [*SESSION.values()] and row["steps_per_epoch"] > 0


def _arguments(run: Path) -> dict[str, Any]:
    try:
        found = read_json(run / "training_args.json", max_bytes=1 << 20)
    except (FileNotFoundError, RecordError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _steps(rows: list[dict[str, Any]], each: float) -> dict[str, Line]:
    steps = [row for row in rows if row.get("kind") == "step" and _is_number(row.get("step"))]
    found = {}
    for name in ("loss", "classification", "localization", "grad_norm"):
        points = [(row["step"] / each, row[name]) for row in steps if _is_number(row.get(name))]
        if points:
            found[name] = _thinned(points)
    rates = [(row["step"] / each, max(rate.values())) for row in steps if (rate := _rates(row))]
    if rates:
        found["rate"] = _thinned(rates)
    return found


def _rates(row: dict[str, Any]) -> dict[str, float]:
    rate = row.get("rate")
    return {key: value for key, value in rate.items() if _is_number(value)} if isinstance(rate, dict) else {}


def _steps_of_an_epoch(rows: list[Row], epochs: list[Row], sessions: list[Row]) -> float:
    """As the last finished epoch had them, else as the last session says; of an older run all that were done."""
    done = [
        row["step"] / (row["epoch"] + 1) for row in epochs if _is_number(row.get("step")) and row["step"] > 0
    ]
    said = done or [row["steps_per_epoch"] for row in sessions]
    return float(
        (said or [max((row["step"] for row in rows if _is_number(row.get("step"))), default=1) or 1])[-1]
    )


def _thinned(points: list[tuple[float, float]]) -> Line:
    parts = list(_stretches(points, min(POINTS, len(points))))
    means = [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]
    return [x for x, _ in means], [y for _, y in means]


def _stretches(points: list[tuple[float, float]], parts: int) -> Iterator[list[tuple[float, float]]]:
    for index in range(parts):
        yield points[index * len(points) // parts : (index + 1) * len(points) // parts]
