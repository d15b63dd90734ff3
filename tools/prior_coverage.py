"""How well each prior profile fits the objects of a data set: a table to choose ``--priors`` by.

python -m tools.prior_coverage coco-data
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard(only_prints=True)

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.problem import add_resolution, run_tool
from vision.messages.command_line import Parser
from vision.messages.terminal import counted
from vision.ssd.variants import DEFAULT_VARIANT, find

if TYPE_CHECKING:
    from vision.ssd.coverage import Coverage

EXAMPLES = """examples:
  python -m tools.prior_coverage coco-data                       at 300×300
  python -m tools.prior_coverage coco-data --resolution 512 288
  python -m tools.prior_coverage demo-data --resolution 128

An object without a prior of IoU ≥ 0.5 is learned only from the one prior that is forced on it. Take the profile
that covers the sizes you care about: python train_ssd.py --priors NAME
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.prior_coverage",
        description="Show which share of a data set's objects the priors of each profile fit, by object size.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("datasets", type=Path, metavar="DIR", help="data root")
    add("--split", choices=("train", "val"), default="train", help="split to use (%(default)s)")
    add(
        "--images",
        type=int,
        default=2000,
        metavar="N",
        help="use at most N images, evenly spread (%(default)s)",
    )
    add("--net", default=DEFAULT_VARIANT, metavar="NAME", help="the net (%(default)s)")
    add_resolution(parser, "300")
    return parser


def table(found: dict[str, Coverage]) -> str:
    """A line a profile."""
    lines = [
        f"{'profile':<10} {'small':>7} {'medium':>7} {'large':>7} {'no prior':>9} {'if overwritten':>15}"
    ]
    lines += [
        f"{name:<10} {one.small:>7.1%} {one.medium:>7.1%} {one.large:>7.1%} {one.without_prior:>9.1%} "
        f"{one.without_prior_if_overwritten:>15.1%}"
        for name, one in found.items()
    ]
    return "\n".join(lines)


def report(arguments: argparse.Namespace) -> int:
    """Measures every profile of the net and prints the table."""
    from vision.core.sample import InputSpec
    from vision.datasets.coco import CocoDetection
    from vision.ssd.build import map_sizes
    from vision.ssd.coverage import measure, objects_of
    from vision.ssd.priors.generate import make_priors

    data = CocoDetection(arguments.datasets, arguments.split)
    spec = InputSpec(height=arguments.resolution[-1], width=arguments.resolution[0])
    variant = find(arguments.net)
    maps = map_sizes(variant, spec)
    images = list(objects_of(data, arguments.images))
    found = {name: measure(images, make_priors(row, maps, spec)) for name, row in variant.priors.items()}
    boxes = sum(len(one) for one, _ in images)
    print(
        f"{counted(boxes, 'object')} of {len(images):,} of {counted(len(data), 'image')} ({arguments.split}); "
        f"{variant.name} at {spec.width}×{spec.height} px"
    )
    print(table(found))
    print(
        "sizes: COCO's 32² and 96² px of mask; covered = a prior of IoU ≥ 0.5. If overwritten: where several"
    )
    print(
        "objects want the same prior and the last one keeps it, as the ancestors match; here each has its own."
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    arguments.resolution = arguments.resolution or [300]
    if arguments.images < 1:
        parser.error("--images takes a number from 1 on")
    return run_tool(lambda: report(arguments))


if __name__ == "__main__":
    leave(main())
