"""``report/import.jsonl``: a line for each thing that was dropped or changed; and the counts: in = kept + dropped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipeline.formats.contract import Problem
from pipeline.stage import Counts
from vision.messages.terminal import counted

REPORT = "report/import.jsonl"


@dataclass(slots=True)
class Report:
    """Rows in the order in which things were met, and what they add up to."""

    rows: list[dict[str, str]] = field(default_factory=list)
    taken_in: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def drop(self, kind: str, file: str, problem: Problem) -> None:
        """``kind``: ``image`` or ``box``; ``file``: the image."""
        self.dropped[kind, problem.reason] += 1
        self._row(kind, file, "dropped", problem)

    def change(self, kind: str, file: str, problem: Problem) -> None:
        """Something is kept, and not as it was."""
        self.changed[problem.reason] += 1
        self._row(kind, file, "changed", problem)

    def _row(self, kind: str, file: str, action: str, problem: Problem) -> None:
        self.rows.append({
            "kind": kind, "file": file, "where": problem.where, "action": action, "reason": problem.reason, "detail": problem.detail,
        })  # fmt: skip

    def unkeep(self, kind: str, count: int = 1) -> None:
        """What seemed to be kept is dropped after all."""
        self.kept[kind] -= count

    def counts(self) -> Counts:
        """Images and boxes together, as the remap stage counts them."""
        return Counts(
            self.taken_in.total(), self.kept.total(),
            {f"{kind}.{reason}": count for (kind, reason), count in sorted(self.dropped.items())},
        )  # fmt: skip

    def summary(self) -> list[str]:
        """A line for images, one for boxes, one for changes."""
        lines = []
        for kind, noun in (("image", "image"), ("box", "box")):
            of_kind = [(count, reason) for (each, reason), count in self.dropped.items() if each == kind]
            reasons = ", ".join(f"{count:,} {reason}" for count, reason in sorted(of_kind, reverse=True))
            total = sum(count for count, _ in of_kind)
            lines.append(
                f"{counted(self.taken_in[kind], noun)} in: {self.kept[kind]:,} kept, {total:,} dropped"
                + (f" ({reasons})" if reasons else "")
            )
        if self.changed:
            lines.append(
                "changed: "
                + ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.changed.items()))
            )
        return lines
