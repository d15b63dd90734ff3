"""Weights of pytorch-ssd or torchvision → a run folder that evaluates, exports and starts a training.

python -m tools.import_weights mb2-ssd-lite-mp-0_686.pth --net mb2-ssd-lite --labels voc-model-labels.txt --output models/voc
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
from functools import partial
from pathlib import Path

from tools.problem import add_resolution, tool
from vision.messages.advice import command, shown
from vision.messages.command_line import Parser
from vision.ssd.variants import find

PROGRAM = "python -m tools.import_weights"
EXAMPLES = """examples:
  python -m tools.import_weights mb2-ssd-lite-mp-0_686.pth --net mb2-ssd-lite --labels voc-model-labels.txt --output models/voc
  python -m tools.import_weights "models/old/COMBO_CHECKPOINT_mb2-ssd-lite-Epoch-77-Loss-4.33.pth" --net mb2-ssd-lite --output models/imported
                                                    with labels.txt beside it, the classes are told

Taken are state dicts of pytorch-ssd (qfgaohao, dusty-nv, kaboom-labs; plain, in a checkpoint, from several GPUs) and of
torchvision's detectors. A plain state dict of this toolkit has pytorch-ssd's names, and is taken for pytorch-ssd's unless
--from this-toolkit says otherwise; its checkpoint tells by itself. The file is data: a scheduler or other object in it is named and never made.

Every weight of the net has to be in the file. Its input, such as (pixel − 127) / 128, is folded into the first layer: the
imported net takes pixel / 127.5 − 1, as every net here and as detectNet feeds it; only in the outermost row of cells, where
padding means another grey, is it not the same. Heads know their prior boxes, so that the run has the published ones.

The run folder evaluates, exports and detects as one that was trained here. It has no optimiser's state and no data, so
that nothing can be resumed: a training starts from it with --pretrained-ssd, also one with other classes (those of the same
names keep their rows).
"""


def build_parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Make a run folder from weights that were trained elsewhere; print what they are and what was left out.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a .pth file with the weights of a whole detector")
    add(
        "--net",
        type=_net,
        required=True,
        metavar="NAME",
        help="the net of these weights, such as mb2-ssd-lite",
    )
    add("--output", type=Path, required=True, metavar="RUN", help="the run folder to make; it must be new")
    add(
        "--labels", type=Path, metavar="FILE",
        help="class names, one per line (or one line with commas), BACKGROUND first or absent; "
        "needed if no labels.txt is beside FILE",
    )  # fmt: skip
    add(
        "--from", dest="origin", choices=("pytorch-ssd", "this-toolkit"),
        help="who made the file, if both use its tensor names: decides input and prior boxes of the weights (pytorch-ssd)",
    )  # fmt: skip
    add_resolution(parser, "that of the net")
    add(
        "--width-mult", "--mb2-width-mult", type=float, default=1.0, metavar="X",
        help="width of the backbone of these weights (%(default)s)",
    )  # fmt: skip
    add(
        "--priors", metavar="NAME|FILE",
        help="prior boxes of the training: a profile of the net, or a file of tools.fit_priors (those of the published form)",
    )  # fmt: skip
    return parser


def _net(name: str) -> str:
    try:
        return find(name).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def import_weights(arguments: argparse.Namespace) -> int:
    print("importing torch …", flush=True)
    from tools.import_weights import imported, run_folder
    from vision.engine.options.config import boxes_of
    from vision.engine.runs.initial import start_from

    run = arguments.output
    run_folder.require_new(run)
    source = imported.told_from(imported.open_foreign(arguments.file), arguments.origin)
    if arguments.priors:
        source = imported.with_priors(source, arguments.net, boxes_of(arguments.priors))
    imported.require_net(source, arguments.net, partial(_again, arguments))
    config = imported.configuration(
        source, arguments.net, tuple(arguments.resolution), arguments.width_mult, run
    )
    source, told_by = imported.with_classes(source, arguments.labels, _again(arguments))
    result = imported.load_whole(source, config, told_by)
    print(result.describe())
    checkpoint = run_folder.publish(result, config, run)
    print(f"{shown(checkpoint)}\nnext: {command('python -m tools.export_onnx', run)}")
    print(
        f"  scored by: {command('python -m tools.evaluate', run)} --datasets DATA, a data root with these classes"
    )
    print(
        f"  trained on from it: {start_from(checkpoint, config)} --datasets DATA, a data root with any classes"
    )
    return 0


def _again(arguments: argparse.Namespace, **changed: object) -> str:
    """The command that is running, with some of its options changed."""
    now = {**vars(arguments), **changed}
    words = [now["file"], "--net", now["net"], "--output", now["output"]]
    for flag, name in (("--labels", "labels"), ("--from", "origin"), ("--priors", "priors")):
        words += [flag, now[name]] if now[name] else []
    words += ["--width-mult", now["width_mult"]] if now["width_mult"] != 1 else []
    return command(PROGRAM, *words, *(("--resolution", *now["resolution"]) if now["resolution"] else ()))


main = tool(build_parser, import_weights)


if __name__ == "__main__":
    leave(main())
