"""The parts of the page about mistakes: what kinds there are and what they cost, what is taken for what, where it is hard."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

from itertools import groupby

import numpy as np

from tools.report.charts import heat_map
from tools.report.page import Cell, Section, measure, number, paragraph, table, text, words
from tools.report.sections import Told, swatch
from vision.engine.analysis.analyse import Analysis
from vision.engine.analysis.confusion import confused
from vision.engine.analysis.error_types import NAMES
from vision.messages.terminal import counted

AS_TABLE, MOST_CONFUSED = 20, 20
"""Classes up to which the confusion is a table; the most frequent confusions beside a map of more."""
MEANING = {
    "classification": "right place (IoU 0.5), wrong class",
    "localisation": "right class, IoU 0.1 to 0.5",
    "both": "wrong class, and IoU 0.1 to 0.5",
    "duplicate": "an object that a detection with a higher score has found",
    "background": "no object there (IoU 0.1 at most)",
    "missed": "objects that no detection finds, fixed or not",
}


def errors(told: Told) -> Section:
    """TIDE's table."""
    found = told.analysis
    if found is None or not found.scene.objects.sum():
        return Section("errors", "Kinds of mistakes", "")
    kinds = found.errors
    most = max([*kinds.cost.values(), 1e-9])
    rows = [
        [
            Cell(f"{text(name)}<small>{text(MEANING[name])}</small>", name, "words"),
            measure(kinds.counts[name], ",d"),
            measure(kinds.cost[name], share=kinds.cost[name] / most),
        ]
        for name in NAMES
    ]
    special = ", ".join(f"{name} {number(value)}" for name, value in kinds.special.items())
    return Section(
        "errors", "Kinds of mistakes",
        paragraph(
            f"What AP50 ({number(kinds.ap)}) would gain if all mistakes of a kind, and nothing else, were fixed, as TIDE defines it "
            "(Bolya et al., 2020). The costs do not add up: mistakes hide each other. All detections count, whatever their score."
        )
        + table(["kind", "how many", "AP50 it costs"], rows)
        + paragraph(f"Together: {special}.", soft=True),
    )  # fmt: skip


def confusion(told: Told) -> Section:
    found = told.analysis
    if found is None or not found.scene.objects.sum():
        return Section("confusion", "What is taken for what", "")
    names, threshold = [*found.scene.names, "background"], found.thresholds.best
    there = found.table.sum(axis=0) + found.table.sum(axis=1) > 0
    there[-1] = True
    shown = np.flatnonzero(there).tolist()
    absent = len(names) - len(shown)
    said = paragraph(
        f"Rows are what is there, columns what was said with a score of {threshold:.2f} or more (IoU 0.5). The last column is what "
        "was missed, the last row what was said where nothing is. Colours are shares of a row."
        + (f" {counted(absent, 'class')} that are neither there nor said left out." if absent else "")
    )
    sums = np.maximum(found.table.sum(axis=1, keepdims=True), 1)
    shares = found.table / sums
    if len(shown) - 1 <= AS_TABLE:
        heads = ["there ↓ said →", *(names[each] for each in shown)]
        chart = table(heads, [_row(found, names, each, shares, shown) for each in shown])
    else:
        chart = heat_map(shares[np.ix_(shown, shown)].tolist(), [names[each] for each in shown])
    frequent = confused(found.table, MOST_CONFUSED)
    rows = [
        [_class(found, a), _class(found, b), measure(often, ",d"), measure(often / sums[a, 0], ".1%")]
        for a, b, often in frequent
    ]
    list_ = "<h3>The most frequent confusions</h3>" + (
        table(["there", "said", "how often", "of what is there"], rows, sorts=True)
        if rows
        else paragraph("None between two classes.")
    )
    return Section("confusion", "What is taken for what", said + chart + list_)


def _class(found: Analysis, position: int) -> Cell:
    name = text(found.scene.names[position])
    return Cell(swatch(position + 1) + name, name, "words")


def _row(found: Analysis, names: list[str], row: int, shares: np.ndarray, shown: list[int]) -> list[Cell]:
    label = row + 1 if row < len(names) - 1 else 0
    cells = [
        Cell(str(often) if often else "", str(often), "cell", 0.85 * float(shares[row, column]))
        for column in shown
        for often in [int(found.table[row, column])]
    ]
    return [Cell(swatch(label) + text(names[row]), text(names[row])), *cells]


def groups(told: Told) -> Section:
    found = told.analysis
    if found is None or not found.scene.objects.sum():
        return Section("groups", "Where it is hard", "")
    parts = [
        paragraph(
            "AP of a part of the objects, as COCO has it for sizes: what lies outside a part counts neither way.",
            soft=True,
        ),
        '<div class="grid">',
    ]
    for by, some in groupby(found.groups, key=lambda one: one.by):
        rows = [
            [
                words(one.name),
                measure(one.objects, ",d"),
                measure(one.ap, share=0 if np.isnan(one.ap) else one.ap),
                measure(one.ap50),
            ]
            for one in some
        ]
        parts.append(f"<div><h3>By {text(by)}</h3>{table(['part', 'objects', 'AP', 'AP50'], rows)}</div>")
    return Section("groups", "Where it is hard", "".join(parts) + "</div>")


def worst(told: Told, figures: list[str]) -> Section:
    """``figures``: HTML of ``thumbnails``."""
    found = told.analysis
    if found is None:
        return Section("worst", "The worst images", "")
    if not found.worst:
        return Section("worst", "The worst images", paragraph("No image has a mistake at this threshold."))
    said = (
        f"The {counted(len(found.worst), 'image')} with the most mistakes at the threshold {found.thresholds.best:.2f} and IoU 0.5, objects that were "
        "missed and detections that are wrong added up. First what is there, then what was found."
    )
    return Section(
        "worst", "The worst images", paragraph(said) + f'<div class="grid pairs">{"".join(figures)}</div>'
    )
