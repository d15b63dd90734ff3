"""Train every net on eight drawn images until it knows them by heart, and time an image.

    python -m benchmarks.zoo                              # all rows: hours; a killed run resumes row by row
    python -m benchmarks.zoo --only mb2-ssd-lite ssd-vgg16
    python -m benchmarks.zoo --quick                      # one row a kind of detector, few steps, few rounds

Each row that is done is a file of FOLDER, and is not done again; after each, the tables are written to benchmarks/results/.
Rows that have not run are named there. Exit status 1 where a row that has trained to its limit stays below the bar.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard

    guard()

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import device, publish, today
from benchmarks.zoo.fit import BAR, IMAGES, RATE, SIDE, WIDTH, fit
from benchmarks.zoo.speed import speed
from vision.artefacts.files import publish_json
from vision.messages.terminal import counted
from vision.ssd.variants import VARIANTS

PARTS = ("fit", "speed")
Found = dict[str, dict[str, dict[str, Any]]]
"""Part → net → its numbers."""


def kinds() -> list[str]:
    """The first row of each kind of detector, in the order of the table."""
    first: dict[str, str] = {}
    for name, row in VARIANTS.items():
        first.setdefault(name.removesuffix(f"-{row.backbone}"), name)
    return list(first.values())


def place(folder: Path, part: str, name: str, told: dict[str, Any]) -> Path:
    """Another setting is another result."""
    return folder / f"{part}_{name}_{'_'.join(f'{value:g}' for value in told.values())}.json"


def tables(found: Found, settings: dict[str, dict[str, Any]], threads: int) -> str:
    lines = [
        f"# All nets, {device()}, {counted(threads, 'thread')}, torch {torch.__version__}, {today()}", "",
        f"## {IMAGES} drawn images by heart", "",
        (f"{SIDE}×{SIDE} px, width {WIDTH} where the net has widths, from scratch, Adam {RATE:g}, one batch; at most "
        f"{settings['fit']['steps']} steps and {settings['fit']['seconds']:g} s of processor time. The bar is AP50 ≥ {BAR}."), "",
        "| net | AP50 | steps | s | bar |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in found["fit"].items():
        reached = "reached" if row["ap50"] >= BAR else "missed"
        lines.append(f"| {name} | {row['ap50']:.3f} | {row['steps']} | {row['seconds']:.0f} | {reached} |")
    lines += [
        "", "## Milliseconds an image", "",
        (f"Of processor time. Width 1, 81 classes, first weights, one image; median of {settings['speed']['rounds']}. Decode: scores and boxes; NMS: all "
        "400 candidates, in torch (torchvision); onnxruntime's net decodes too."), "",
        "| net | px | priors | net | decode | NMS | end to end | onnxruntime: net | end to end |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in found["speed"].items():
        numbers = " | ".join(
            f"{row[way]:.1f}" for way in ("net", "decode", "nms", "all", "ort_net", "ort_all")
        )
        lines.append(f"| {name} | {row['size'][0]}×{row['size'][1]} | {row['priors']} | {numbers} |")
    for part in PARTS:
        left = [name for name in VARIANTS if name not in found[part]]
        lines += ["", f"Not run ({part}): {', '.join(left) or 'none'}."]
    return "\n".join(lines)


def done(folder: Path, settings: dict[str, dict[str, Any]]) -> Found:
    """What is in ``folder``, in the order of the table."""
    paths = {part: {name: place(folder, part, name, settings[part]) for name in VARIANTS} for part in PARTS}
    return {
        part: {name: json.loads(path.read_text()) for name, path in of.items() if path.exists()}
        for part, of in paths.items()
    }


def build_parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zoo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--folder",
        type=Path,
        default=Path("models/zoo"),
        help="where rows that are done are kept (%(default)s)",
    )
    add("--only", nargs="+", choices=list(VARIANTS), metavar="NAME", help="these nets (all)")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help="of fit, speed (both)")
    add("--quick", action="store_true", help="one net a kind of detector, 20 steps, one round")
    add(
        "--seconds",
        type=float,
        default=120,
        metavar="S",
        help="processor time a net trains at most (%(default)s)",
    )
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (%(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    torch.set_num_threads(arguments.threads)
    settings: dict[str, dict[str, Any]] = {
        "fit": {"seconds": arguments.seconds, "steps": 20 if arguments.quick else 400},
        "speed": {"rounds": 1 if arguments.quick else 5, "threads": arguments.threads},
    }
    measure: dict[str, Callable[..., dict[str, Any]]] = {"fit": fit, "speed": speed}
    wanted = arguments.only or (kinds() if arguments.quick else list(VARIANTS))
    command = " ".join(["python -m benchmarks.zoo", *(sys.argv[1:] if argv is None else argv)])
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        for name in wanted:
            path = place(arguments.folder, part, name, settings[part])
            if path.exists():
                continue
            row = measure[part](name, **settings[part])
            publish_json(path, row)
            print(part, name, json.dumps(row), flush=True)
            if not arguments.quick:
                publish("zoo", command, tables(done(arguments.folder, settings), settings, arguments.threads))
    found = done(arguments.folder, settings)
    print(tables(found, settings, arguments.threads))
    return int(not arguments.quick and any(row["ap50"] < BAR for row in found["fit"].values()))


if __name__ == "__main__":
    sys.exit(main())
