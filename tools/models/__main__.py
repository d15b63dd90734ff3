"""What nets there are: their sizes, prior boxes and times; and one of them layer by layer.

python -m tools.models
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.problem import add_resolution, run_tool
from vision.messages.advice import UserError, shown
from vision.messages.command_line import Parser, read_number, whole_from
from vision.messages.terminal import counted
from vision.ssd.variants import BACKBONE_ROWS, DETECTORS, VARIANTS, Variant, find

if TYPE_CHECKING:
    from tools.models.catalogue import Asked

EXAMPLES = """examples:
  python -m tools.models                                      all nets
  python -m tools.models mobilenet-v2                         those on a backbone; ssd-lite: those of a kind
  python -m tools.models mb2-ssd-lite                         one net, layer by layer
  python -m tools.models mb2-ssd-lite --priors-image priors.png
  python -m tools.models --time                               and measure them on this machine's CPU (minutes)
  python -m tools.models ssd-fpn-mobilenet-v2 --resolution 512 288 --width-mult 0.5 --classes 5

par. = weights, biases and what batch normalisation learns, in millions; GMAC = 10⁹ multiply-adds of convolutions, an image;
priors = prior boxes; strides = px between the cells of each map. Train one: python train_ssd.py --net NAME
What each is made of and which to take: docs/nets.md
"""
WIDEST = 8.0


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.models",
        description="Show all nets with their sizes, or one net layer by layer.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        metavar="NAME",
        help="a net to show; or a detector or backbone, to list the nets with it",
    )
    add_resolution(parser, "each net's own")
    add("--width-mult", type=read_number, default=1.0, metavar="W", help="width multiplier (%(default)s)")
    add("--heads", choices=("full", "lite"), help="use these heads instead of each net's own")
    add("--channels", type=int, choices=(1, 3), help="3 = RGB, 1 = grey (each net's own)")
    add(
        "--classes",
        type=whole_from(1),
        default=80,
        metavar="N",
        help="object classes without background (%(default)s)",
    )
    add(
        "--time",
        action="store_true",
        help="measure milliseconds per image on this CPU (batch 1, the net alone)",
    )
    add(
        "--priors-image",
        type=Path,
        metavar="FILE.png",
        help="with a net: draw its prior boxes into FILE.png, which must not exist yet",
    )
    add("--priors", default="coco", metavar="NAME|FILE", help="with a net: which prior boxes (%(default)s)")
    add("--json", action="store_true", help="print JSON")
    add("--markdown", action="store_true", help="print the table as Markdown, as in docs/nets.md")
    return parser


def names_of(part: str | None) -> list[str]:
    """All nets, or those of a kind of detector or a backbone."""
    if part is None:
        return list(VARIANTS)
    kind = {f"{part}-{backbone}" for backbone in BACKBONE_ROWS}
    return [name for name, row in VARIANTS.items() if row.backbone == part or name in kind]


def say_how_long(count: int, time: bool) -> None:
    """Before torch is imported, which takes seconds."""
    how_long = "and measuring them, seconds each" if time else f"about {5 + count // 4} s"
    print(f"counting {counted(count, 'net')}, {how_long}", file=sys.stderr, flush=True)


def show_all(arguments: argparse.Namespace, asked: Asked, names: Sequence[str]) -> int:
    """Prints a line a net as it is counted, above a bar where stderr is a terminal."""
    from pipeline.bar import bar
    from tools.models.catalogue import COLUMNS, as_plain, cells_of, look_at, markdown, text_row
    from tools.models.timing import cpu_ms

    time = cpu_ms if arguments.time else None
    quiet = arguments.json or arguments.markdown
    if not quiet:
        print(text_row([*COLUMNS, "CPU ms"] if time else COLUMNS), flush=True)
    found, without = [], []
    progress = bar("nets", unit="net", iterable=names, leave=False)
    for name in progress:
        try:
            net = look_at(name, asked, time)
        except ValueError as error:
            without.append(f"{name}: {str(error).splitlines()[0]}")
            continue
        found.append(net)
        if not quiet:
            progress.write(text_row(cells_of(net)))
            sys.stdout.flush()
    if arguments.markdown:
        print(markdown(found), end="")
    elif arguments.json:
        print(json.dumps([as_plain(net) for net in found], indent=1))
    else:
        print(
            f"{counted(len(found), 'net')}, {counted(asked.num_classes - 1, 'class')} and background{measured(arguments.time)}"
        )
        print("\n".join(f"left out: {line}" for line in without), end="\n" if without else "")
    return 0


def measured(time: bool) -> str:
    """Where times come from."""
    if not time:
        return ""
    import torch

    from vision.engine.checkpoints.versions import cpu_model

    return f"; CPU ms: {cpu_model()}, {counted(torch.get_num_threads(), 'thread')}, torch {torch.__version__}, median of 3 to 30 runs"


def show_one(arguments: argparse.Namespace, asked: Asked, row: Variant, priors: str) -> int:
    """Prints layers and maps, and draws the priors where asked."""
    from tools.models.catalogue import as_plain, look_at
    from tools.models.one_net import layer_lines, map_lines, take_apart
    from tools.models.timing import cpu_ms
    from vision.artefacts.records import to_plain
    from vision.ssd.priors.written import called

    row.profile(priors)
    if arguments.priors_image:
        _require_free(arguments.priors_image)
    net = look_at(row.name, asked, cpu_ms if arguments.time else None)
    spec = asked.spec(row)
    anatomy = take_apart(row, asked.num_classes, spec, asked.width_mult, priors)
    if arguments.json:
        print(json.dumps({**as_plain(net), **to_plain(anatomy)}, indent=1))
    else:
        time = "" if net.cpu_ms is None else f", {net.cpu_ms:.1f} ms an image{measured(True)}"
        print(f"{row.name}: {row.title}")
        print(
            f"{spec}, {counted(asked.num_classes - 1, 'class')} and background: {counted(net.parameters, 'parameter')}, "
            f"{net.macs / 1e9:.3f} GMAC, {counted(net.priors, 'prior')} ({called(priors)}){time}\n"
        )
        print("\n".join([*layer_lines(anatomy.layers), "", *map_lines(anatomy.maps)]))
        print(
            "sees: the px of the image that a cell can depend on, padding included; a gate's layers see all of their map, and what they say\n"
            "is left out behind them. Layers without parameters are not listed; batch normalisation is counted in the net's parameters alone."
        )
    if arguments.priors_image:
        _draw(arguments.priors_image, row, asked, priors)
    return 0


PANEL_PX = 400
"""Longer side of each map's drawing."""


def _draw(path: Path, row: Variant, asked: Asked, priors: str) -> None:
    import numpy as np

    from vision.artefacts.files import publish_bytes
    from vision.drawing.sheet import png_of
    from vision.engine.panels.priors import draw_priors
    from vision.engine.panels.tile_grid import grids
    from vision.ssd.build import assemble

    spec = asked.spec(row)
    detector = assemble(row, asked.num_classes, spec, asked.width_mult, priors)
    scale = PANEL_PX / max(spec.width, spec.height)
    ground = np.full((max(1, round(spec.height * scale)), max(1, round(spec.width * scale)), 3), 60, np.uint8)
    maps = grids(row, spec, asked.width_mult, priors)
    sheet = draw_priors(ground, detector.priors_cxcywh.numpy(), maps)
    _require_free(path)
    publish_bytes(path, png_of(sheet))
    print(shown(path))


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise UserError(
            f"{shown(path)} exists already\n  why: it may be somebody's\n  fix: name another file, or remove it"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if not 0 < arguments.width_mult <= WIDEST:
        parser.error(f"--width-mult {arguments.width_mult:g}: must be above 0 and at most {WIDEST:g}")
    part = arguments.name is None or (
        arguments.name not in VARIANTS and arguments.name in (*DETECTORS, *BACKBONE_ROWS)
    )
    if part and (arguments.priors_image or arguments.priors != "coco"):
        parser.error("--priors-image and --priors take one net: name it")
    if arguments.priors_image and arguments.priors_image.suffix != ".png":
        parser.error(f"--priors-image {shown(arguments.priors_image)}: expected a name that ends in .png")
    row, priors = None, arguments.priors
    try:
        if not part:
            from vision.engine.options.config import boxes_of

            row, priors = find(arguments.name, arguments.heads), boxes_of(priors)
            row.profile(priors)
    except ValueError as error:
        parser.error(str(error))

    def show() -> int:
        names = names_of(arguments.name) if part else []
        if part:
            say_how_long(len(names), arguments.time)
        from tools.models.catalogue import Asked

        asked = Asked(
            arguments.resolution,
            arguments.channels,
            arguments.width_mult,
            arguments.heads,
            arguments.classes + 1,
        )
        return show_all(arguments, asked, names) if row is None else show_one(arguments, asked, row, priors)

    return run_tool(show)


if __name__ == "__main__":
    leave(main())
