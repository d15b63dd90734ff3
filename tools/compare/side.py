"""Runs side by side: what differs in their arguments, their numbers, their classes; as lines of text and as a page."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.compare")

from collections.abc import Sequence
from typing import Any

from tools.compare.paired import Difference
from tools.report.charts import Series, line_chart
from tools.report.history import History
from tools.report.page import Cell, Section, measure, note, number, page, paragraph, table, words
from tools.report.page import text as escaped
from vision.messages.advice import shown
from vision.messages.command_line import shortened
from vision.messages.terminal import counted

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "val_loss")
PLACES = ("checkpoint_folder", "resume", "stop_after_epoch", "stop_after_step")
"""Arguments that say nothing of what is learned."""
CLASSES_SHOWN, WIDTH = 15, 24
Row = tuple[str, list[str]]


def names_of(runs: Sequence[History]) -> list[str]:
    """The folder's name; with the one above where two are alike."""
    short = [run.run.absolute().name for run in runs]
    return [
        name if short.count(name) == 1 else f"{run.run.absolute().parent.name}/{name}"
        for run, name in zip(runs, short, strict=True)
    ]


def differing_arguments(runs: Sequence[History]) -> list[Row]:
    """Option → its value in each run; those that are the same everywhere are left out."""
    keys = dict.fromkeys(key for run in runs for key in run.arguments if key not in PLACES)
    rows = [(key, [_value(run.arguments, key) for run in runs]) for key in keys]
    return [row for row in rows if len(set(row[1])) > 1]


def _value(arguments: dict[str, Any], key: str) -> str:
    if key not in arguments:
        return "(none)"
    value = arguments[key]
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def numbers(runs: Sequence[History]) -> list[Row]:
    """Of the best checkpoint of each run."""
    best = [run.best for run in runs]
    rows = [(name, [number(one.metrics.get(name) if one else None) for one in best]) for name in METRICS]
    rows.append(("best epoch", [str(one.epoch) if one else "–" for one in best]))
    rows.append(("epochs done", [str(len(run.epochs)) for run in runs]))
    return [row for row in rows if set(row[1]) != {"–"}]


def text(runs: Sequence[History], pairs: Sequence[Sequence[Difference]], why_not: str) -> list[str]:
    """Lines for a terminal."""
    names = [shown(name) for name in names_of(runs)]
    arguments = differing_arguments(runs)
    lines = (
        _lines(["arguments that differ", *names], arguments) if arguments else ["all arguments are the same"]
    )
    lines += ["", *_lines(["best checkpoint", *names], numbers(runs)), ""]
    if why_not:
        return [*lines, f"no comparison image by image: {why_not}"]
    for name, rows in zip(names[1:], pairs, strict=True):
        whole, *classes = rows
        lines.append(
            f"{name} beside {names[0]}: AP {whole.gain:+.3f}, 95 % {whole.low:+.3f} to {whole.high:+.3f}: {verdict(whole)}"
        )
        some = classes[:CLASSES_SHOWN]
        cells = [
            (
                shown(one.name),
                [
                    f"{one.first:.3f}",
                    f"{one.other:.3f}",
                    f"{one.gain:+.3f}",
                    f"{one.low:+.3f} to {one.high:+.3f}",
                    _star(one),
                ],
            )
            for one in some
        ]
        lines += _lines(
            ["  class", names[0], name, "gain", "95 %", ""], [(f"  {label}", row) for label, row in cells]
        )
        if len(classes) > len(some):
            lines.append(
                f"  ({counted(len(classes) - len(some), 'class')} with smaller differences left out)"
            )
        sure = sum(one.is_more_than_chance for one in classes)
        lines.append(
            f"  * = 0 is not in the interval: {sure} of {counted(len(classes), 'class')}; by chance alone about {0.05 * len(classes):.0f} would be"
        )
        lines.append("")
    return lines


def verdict(one: Difference) -> str:
    if one.is_more_than_chance:
        return "better on other images, too" if one.gain > 0 else "worse on other images, too"
    return "no clear difference: other images may not show it"


def _star(one: Difference) -> str:
    return "*" if one.is_more_than_chance else ""


def _lines(head: list[str], rows: Sequence[Row]) -> list[str]:
    cells = [
        [shortened(shown(cell), WIDTH) for cell in row]
        for row in [head, *([name, *values] for name, values in rows)]
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in cells
    ]


def html(runs: Sequence[History], pairs: Sequence[Sequence[Difference]], why_not: str) -> bytes:
    """The same with curves, as a page."""
    names = names_of(runs)
    arguments = [[words(name), *map(words, values)] for name, values in differing_arguments(runs)]
    best = [[words(name), *(Cell(escaped(value)) for value in values)] for name, values in numbers(runs)]
    charts = [
        line_chart(
            title,
            [Series(name, *run.curve(key)) for name, run in zip(names, runs, strict=True)],
            "epochs done",
        )
        for title, key in (
            ("Validation loss", "val_loss"),
            ("Training loss", "train_total"),
            ("AP", "AP"),
            ("AP50", "AP50"),
        )
    ]
    inner = table(["argument", *names], arguments) if arguments else paragraph("All arguments are the same.")
    parts = [
        Section("arguments", "Arguments that differ", inner),
        Section("numbers", "Best checkpoints", table(["", *names], best)),
        Section("curves", "Curves", f'<div class="grid">{"".join(charts)}</div>'),
    ]
    if why_not:
        parts.append(Section("classes", "Image by image", note(f"Not compared: {why_not}.")))
    for index, (name, rows) in enumerate(zip(names[1:], pairs, strict=True)):
        whole, *classes = rows
        made = [
            [
                words(one.name),
                measure(one.first),
                measure(one.other),
                measure(one.gain, "+.3f"),
                Cell(f"{one.low:+.3f} to {one.high:+.3f}", repr(one.low)),
                Cell(_star(one), _star(one)),
            ]
            for one in classes
        ]
        said = f"AP {whole.gain:+.3f}, 95 % {whole.low:+.3f} to {whole.high:+.3f}: {verdict(whole)}. A star: 0 is not in the interval."
        heads = ["class", names[0], name, "gain", "95 %", "*"]
        parts.append(
            Section(
                f"pair{index}",
                f"{name} beside {names[0]}",
                paragraph(said) + (table(heads, made, sorts=True) if made else ""),
            )
        )
    return page(
        f"{' · '.join(names)}",
        paragraph(
            "Runs side by side; intervals are a bootstrap over the validation images, the same ones for all runs.",
            soft=True,
        ),
        parts,
    )
