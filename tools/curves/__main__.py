"""Loss and mAP of runs, drawn in the terminal; a table where there is none, or no room.

python -m tools.curves models/my-experiment-1 models/my-experiment-2
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard(only_prints=True)

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tools.curves.dots import Curve, draw
from tools.problem import tool
from tools.report.charts import value_range
from tools.report.history import History, history_of
from vision.messages.advice import shown
from vision.messages.command_line import Parser
from vision.messages.terminal import can_show, columns, counted, is_terminal, painted

COLOURS = ("green", "yellow", "red", "bold")
LEAST_COLUMNS, ROWS, LABEL = 40, 12, 9
CHARTS = (
    ("loss", (("train_total", "training"), ("val_loss", "validation"))),
    ("mAP", (("AP", "AP"), ("AP50", "AP50"))),
)
COLUMNS = ("train_total", "val_loss", "AP", "AP50")


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.curves",
        description="Draws loss and mAP over the epochs in the terminal; several runs in one chart.",
        epilog="On a narrow terminal, in a file or a pipe: a table.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run folder")
    parser.add_argument("--table", action="store_true", help="a table in any case")
    return parser


def curves(arguments: argparse.Namespace) -> int:
    runs = [history_of(run) for run in arguments.runs]
    print("\n".join(text_of(runs, sys.stdout, arguments.table)))
    return 0


def text_of(runs: Sequence[History], stream: TextIO, as_table: bool = False) -> list[str]:
    """Charts where ``stream`` is a terminal that is wide enough and has the letters, else a table."""
    wide = columns(stream)
    if as_table or not is_terminal(stream) or wide < LEAST_COLUMNS or not can_show("⣿│└", stream):
        return table(runs)
    return [line for name, metrics in CHARTS for line in chart(runs, name, metrics, wide, stream)]


def table(runs: Sequence[History]) -> list[str]:
    """A line for each epoch of each run."""
    lines = []
    for run in runs:
        lines += [shown(run.run), "".join(f"{name:>13}" for name in ("epoch", *COLUMNS))]
        for row in run.epochs:
            cells = [row.get(name) for name in COLUMNS]
            said = [
                "–" if not isinstance(cell, (int, float)) or cell == -1 else f"{cell:.4f}" for cell in cells
            ]
            lines.append("".join(f"{cell:>13}" for cell in (str(row["epoch"]), *said)))
        if not run.epochs:
            lines.append("  no epoch is done yet")
    return lines


def chart(
    runs: Sequence[History], name: str, metrics: Sequence[tuple[str, str]], wide: int, stream: TextIO
) -> list[str]:
    """A title with the names of the lines, then the chart. Of several runs only the last metric, so that lines stay apart."""
    some = metrics if len(runs) == 1 else metrics[-1:] if name == "loss" else metrics[:1]
    lines = [(run, key, said) for run in runs for key, said in some if run.curve(key)[0]]
    if not lines:
        return [f"{name}: no epoch has one yet"]
    made = [Curve(*run.curve(key), index % len(COLOURS)) for index, (run, key, _) in enumerate(lines)]
    low, high = value_range([value for one in made for value in one.y])
    last = max(value for one in made for value in one.x)
    across = wide - LABEL - 1
    drawn = draw(made, across, ROWS, (low, high), (0.0, last))
    names = [said if len(runs) == 1 else f"{shown(run.run.name)} {said}" for run, _, said in lines]
    keys = "  ".join(
        painted(f"━ {each}", COLOURS[index % len(COLOURS)], stream) for index, each in enumerate(names)
    )
    out = [f"{painted(name, 'bold', stream)}  {keys}"]
    for index, row in enumerate(drawn):
        label = {0: high, ROWS // 2: (low + high) / 2, ROWS - 1: low}.get(index)
        left = f"{label:>{LABEL - 1}.4g} " if label is not None else " " * LABEL
        letters = "".join(
            each if mark is None else painted(each, COLOURS[mark], stream) for each, mark in row
        )
        out.append(f"{left}│{letters}".rstrip())
    out += [
        " " * LABEL + "└" + "─" * across,
        " " * LABEL + f" 0{counted(int(last), 'epoch'):>{across - 2}}",
        "",
    ]
    return out


main = tool(build_parser, curves)


if __name__ == "__main__":
    leave(main())
