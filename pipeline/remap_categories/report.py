"""The counts of the remap stage, for its receipt and for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.remap_categories.category_map import CategoryMap
from pipeline.remap_categories.writer import SplitCounts
from pipeline.stage import Counts


def counts_of(results: Iterable[SplitCounts]) -> Counts:
    """Images and annotations of all splits together; reasons read ``image.rejected``, ``annotation.empty_box``."""
    total = Counts()
    for result in results:
        total.taken_in += result.images_in + result.annotations_in
        total.kept += result.images_kept + result.annotations_kept
        for reason, count in sorted(result.images_dropped.items()):
            total.drop(f"image.{reason}", count)
        for reason, count in sorted(result.annotations_dropped.items()):
            total.drop(f"annotation.{reason}", count)
        total.notes[result.split or "file"] = {
            "images": result.images_kept,
            "annotations": result.annotations_kept,
            "crowds": result.crowds,
            "changed": dict(sorted(result.changed.items())),
        }
    return total


def report_text(results: Sequence[SplitCounts], map_: CategoryMap) -> str:
    """A table of what was in the files and what became of it, then boxes per class."""
    lines = [
        f"{'':8}{'images in':>12}{'kept':>10}{'annotations in':>16}{'kept':>10}{'crowd':>8}{'changed':>9}"
    ]
    for result in results:
        lines.append(
            f"{result.split or 'file':8}{result.images_in:>12,}{result.images_kept:>10,}"
            f"{result.annotations_in:>16,}{result.annotations_kept:>10,}"
            f"{result.crowds:>8,}{sum(result.changed.values()):>9,}"
        )
    for result in results:
        lines += _reasons(result)
    lines += ["", f"{'label':>5}  {'class':24}" + "".join(f"{r.split or 'file':>10}" for r in results)]
    for label, name in enumerate(map_.classes[1:], start=1):
        lines.append(f"{label:>5}  {name:24}" + "".join(f"{r.per_label[label]:>10,}" for r in results))
    return "\n".join(lines) + "\n"


def _reasons(result: SplitCounts) -> list[str]:
    tables = (
        ("images dropped", result.images_dropped),
        ("images to look at", result.images_noted),
        ("annotations dropped", result.annotations_dropped),
        ("annotations changed", result.changed),
    )
    name = result.split or "file"
    lines = [
        f"{name}: {what}: " + ", ".join(f"{count:,} {reason}" for reason, count in sorted(table.items()))
        for what, table in tables
        if table
    ]
    if not result.annotations_kept and result.split != "test":
        lines.append(
            f"warning: {name}: {_without_boxes(result)}: there is nothing to learn or to measure in it"
        )
    return lines


def _without_boxes(result: SplitCounts) -> str:
    if result.annotations_in:
        return f"no annotation of {result.annotations_in:,} is left"
    return "it has no annotation"
