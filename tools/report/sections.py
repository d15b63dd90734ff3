"""The parts of the page: numbers, curves, classes, thresholds, where it all comes from."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.report import page
from tools.report.charts import Series, line_chart, spark
from tools.report.history import History
from tools.report.page import Cell, Section, measure, number, paragraph, table, text, words
from vision.drawing.palette import hex_colour
from vision.engine.analysis.analyse import Analysis
from vision.engine.analysis.precision import RECALL_STEPS
from vision.engine.analysis.thresholds import BINS, THRESHOLDS
from vision.messages.terminal import counted

EPOCH = "epochs done"
EASY_TO_READ = 8
"""As many curves as one chart takes."""


@dataclass(frozen=True)
class Told:
    """What the page is made of.

    * analysis: None where there are no detections; ``lacking`` then says why
    * source: which detections; ``metrics``: COCO's 12 numbers by the scorer, as the run recorded them
    * evaluations: those below the run folder, name → numbers; ``own_digest``: of the validation data
    * facts: rows about code, data and machine; ``recipe``: the arguments as YAML
    """

    history: History
    net: str
    data: str
    classes: int
    source: str = ""
    lacking: str = ""
    analysis: Analysis | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    own_digest: str = ""
    latency: str = ""
    facts: Sequence[tuple[str, str]] = ()
    recipe: str = ""


def head(told: Told) -> str:
    """What was scored on what, and the numbers that people ask for first."""
    lines = [paragraph(f"{told.net}, on {told.data}.")]
    lines.append(paragraph(told.source, soft=True) if told.source else "")
    if told.lacking:
        lines.append(page.note(told.lacking))
    tiles = [
        (number(told.metrics.get(name)), name, said)
        for name, said in (
            ("AP", "mean over IoU 0.50 to 0.95"), ("AP50", "at IoU 0.5"), ("AP75", "at IoU 0.75"),
            ("APs", "small objects"), ("APm", "medium ones"), ("APl", "large ones"),
        )
        if name in told.metrics
    ]  # fmt: skip
    if told.analysis is not None:
        low, high = told.analysis.ap_interval
        if tiles and low == low:
            tiles[0] = (
                *tiles[0][:2],
                f"95 %: {max(0.0, low):.3f} to {min(1.0, high):.3f}, if other images had been drawn",
            )
        best = told.analysis.thresholds
        if best.f1.max(initial=0) > 0:
            tiles.append((f"{best.best:.2f}", "threshold", f"to deploy with: best F1, {best.f1.max():.3f}"))
    return "".join(lines) + (page.tiles(tiles) if tiles else "")


def training(told: Told) -> Section:
    """Curves over epochs."""
    history = told.history
    if not history.steps and not history.epochs:
        return Section(
            "training",
            "Training",
            paragraph("This run folder has no log of a training: its weights were imported."),
        )
    loss = [
        Series("training, step by step", *history.steps.get("loss", ([], [])), colour="var(--line)"),
        Series("training, mean of an epoch", *history.curve("train_total"), colour="var(--a)"),
        Series("validation", *history.curve("val_loss"), colour="var(--b)"),
    ]
    pairs = [
        Series(f"{kind} {name}", *history.curve(f"{key}_{name}"))
        for key, kind in (("train", "training"), ("val", "validation"))
        for name in ("classification", "localization")
    ]
    precision = [Series(name, *history.curve(name)) for name in ("AP", "AP50", "AP75")]
    if history.curve("raw_AP")[0]:
        precision.append(Series("AP of the raw weights", *history.curve("raw_AP")))
    sizes = [Series(name, *history.curve(name)) for name in ("APs", "APm", "APl")]
    rate = Series("highest of the groups", *history.steps.get("rate", ([], [])))
    speed = Series("images/s", *history.curve("images_per_s"))
    figures = [
        line_chart("Loss", loss, EPOCH),
        line_chart("Average precision", precision, EPOCH, y_range=_from_zero(precision)),
        line_chart("Parts of the loss", pairs, EPOCH),
        line_chart("AP by size of the object", sizes, EPOCH, y_range=_from_zero(sizes)),
        line_chart("Learning rate", [rate], EPOCH, keys=False),
        line_chart(
            "Norm of the gradient",
            [Series("norm", *history.steps.get("grad_norm", ([], [])))],
            EPOCH,
            keys=False,
        ),
        line_chart("Images a second", [speed], EPOCH, keys=False),
    ]
    lines = f'<div class="grid">{"".join(figures)}</div>'
    if not history.curve("val_loss")[0]:
        lines = paragraph("No validation was finished yet.") + lines
    return Section("training", "Training", lines)


def _from_zero(series: Sequence[Series]) -> tuple[float, float]:
    return 0.0, 1.05 * max((value for one in series for value in one.y), default=0.0) or 1.0


def swatch(label: int) -> str:
    return f'<span class="swatch" style="background:{hex_colour(label)}"></span>'


def classes(told: Told) -> Section:
    """A row a class, and its curves of precision over recall."""
    found = told.analysis
    if found is None:
        return Section("classes", "Classes", "")
    scene, ways = found.scene, found.thresholds
    heads = ["class", "AP", "AP50", "objects", "found", "best F1", "at threshold"]
    per = np.bincount(scene.label, minlength=len(scene.names))
    shown = [k for k in range(len(scene.names)) if scene.objects[k] or per[k]]
    rows = [
        [
            Cell(swatch(k + 1) + text(scene.names[k]), text(scene.names[k]), "words"),
            measure(float(found.ap_by_class[k]), share=_share(found.ap_by_class[k])),
            measure(float(found.ap50_by_class[k]), share=_share(found.ap50_by_class[k])),
            measure(int(scene.objects[k]), ",d"), measure(int(per[k]), ",d"),
            measure(float(ways.f1_by_class[k]) if scene.objects[k] else None),
            measure(float(ways.best_by_class[k]), ".2f"),
        ]
        for k in shown
    ]  # fmt: skip
    absent = len(scene.names) - len(shown)
    said = f"{counted(absent, 'class')} without objects and detections left out. " if absent else ""
    parts = [
        paragraph(f"{said}Headings sort.", soft=True) if rows else "",
        table(heads, rows, sorts=True) if rows else "",
    ]
    parts.append(_curves(found, [k for k in shown if scene.objects[k]]))
    return Section(
        "classes", "Classes", "".join(parts) or paragraph("No class has an object or a detection.")
    )


def _share(value: float) -> float:
    return 0.0 if np.isnan(value) else float(value)


def _curves(found: Analysis, shown: Sequence[int]) -> str:
    if not shown:
        return ""
    steps = RECALL_STEPS.tolist()
    mean = Series(
        f"mean of {counted(len(shown), 'class')}",
        steps,
        np.nanmean(found.curves, axis=0).tolist(),
        colour="var(--ink)",
    )
    own = [
        Series(found.scene.names[k], steps, found.curves[k].tolist(), hex_colour(k + 1), thin=True)
        for k in shown
    ]
    one = [*(own if 1 < len(own) <= EASY_TO_READ else []), mean]
    chart = line_chart("Precision over recall at IoU 0.5", one, "recall", "precision", (0, 1), (0, 1))
    small = ""
    if len(shown) > EASY_TO_READ:
        ranked = sorted(shown, key=lambda k: -found.ap50_by_class[k])
        sparks = (
            spark(
                found.scene.names[k],
                found.curves[k][::4].tolist(),
                hex_colour(k + 1),
                f"{found.ap50_by_class[k]:.3f}",
            )
            for k in ranked
        )
        small = (
            "<details open><summary>Each class: precision over recall, with its AP50</summary>"
            f'<div class="grid small">{"".join(sparks)}</div></details>'
        )
    return f'<h3>Precision and recall</h3><div class="grid">{chart}</div>{small}'


def thresholds(told: Told) -> Section:
    """F1 over the threshold, and whether scores are chances."""
    found = told.analysis
    if found is None or not len(found.scene.score) or not found.scene.objects.sum():
        return Section("thresholds", "Score threshold", "")
    ways, sure = found.thresholds, found.calibration
    precision, recall, f1 = ways.at_best
    said = (
        f"With the threshold {ways.best:.2f} F1 over all objects is highest: {number(precision)} of what is said is right, "
        f"{number(recall)} of what is there is found (IoU 0.5). It is meant as detectNet means --threshold: what has this score or "
        "more is kept. A higher one says less and is right more often."
        if f1 > 0
        else "No detection is right at any threshold."
    )
    x = THRESHOLDS.tolist()
    curves = [
        Series("F1", x, ways.f1.tolist()),
        Series("precision", x, ways.precision.tolist()),
        Series("recall", x, ways.recall.tolist()),
    ]
    seen = sure.count > 0
    bins = Series("share that is right", sure.score[seen].tolist(), sure.right[seen].tolist(), points=True)
    ideal = Series("a score that is a chance", [0, 1], [0, 1], colour="var(--soft)", thin=True)
    rows = [
        [
            words(f"{index / BINS:.1f} to {(index + 1) / BINS:.1f}"),
            measure(int(sure.count[index]), ",d"),
            measure(float(sure.score[index])),
            measure(float(sure.right[index])),
        ]
        for index in range(BINS)
        if sure.count[index]
    ]
    parts = [
        paragraph(said),
        '<div class="grid">',
        line_chart(
            "F1, precision and recall over the threshold",
            curves,
            "threshold",
            "",
            (0, 1),
            (0, 1),
            ways.best if f1 > 0 else None,
        ),
        line_chart(
            "Calibration: right at IoU 0.5, by score", [ideal, bins], "mean score", "", (0, 1), (0, 1)
        ),
        "</div>",
        paragraph(
            f"Expected calibration error {number(sure.error)}: how far score and share are apart, a detection's mean.",
            soft=True,
        ),
        "<details><summary>Calibration in numbers</summary>",
        table(["score", "detections", "mean score", "share that is right"], rows),
        "</details>",
    ]
    return Section("thresholds", "Score threshold", "".join(parts))


def deployment(told: Told) -> Section:
    """Latency, and what other evaluations of the run say: resized as the device does, other weights, the exported file."""
    parts = [paragraph(told.latency)] if told.latency else []
    alike = {
        name: one for name, one in told.evaluations.items() if one.get("dataset_digest") == told.own_digest
    }
    names = ("AP", "AP50", "APs", "APm", "APl")
    if alike:
        rows = []
        for name, one in alike.items():
            gap = one["AP"] - told.metrics["AP"] if told.metrics.get("AP", -1) >= 0 <= one["AP"] else None
            rows.append([words(name), *(measure(one.get(key)) for key in names), measure(gap, "+.3f")])
        parts.append(table(["evaluation", *names, "AP beside the run's"], rows))
    if not any(one.get("resize") == "detectnet" for one in alike.values()):
        parts.append(
            paragraph(
                "What deploying costs is not measured: no evaluation here looks through the device's resizing (tools.evaluate --resize detectnet).",
                soft=True,
            )
        )
    return Section("deployment", "Deployment", "".join(parts))


def provenance(told: Told) -> Section:
    """What made the numbers."""
    recipe = (
        "<details><summary>All arguments, as a recipe for --config</summary>"
        f"<pre>{chr(10).join(text(line) for line in told.recipe.splitlines())}</pre></details>"
        if told.recipe
        else ""
    )
    return Section("provenance", "Where this comes from", page.facts(told.facts) + recipe)
