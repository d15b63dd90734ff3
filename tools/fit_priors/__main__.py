"""Prior boxes for a data set: sizes and ratios of a net's boxes, fitted to the objects of its training split.

python -m tools.fit_priors my-data --net mb2-ssd-lite --output my-priors.json
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import guard, leave

    guard()

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.problem import add_resolution, run_tool
from vision.messages.advice import UserError, command, shown
from vision.messages.command_line import Parser, whole_from
from vision.messages.terminal import counted
from vision.ssd.priors.written import PriorFile, as_texts, digest_of
from vision.ssd.variants import DEFAULT_PRIORS, DEFAULT_VARIANT, Variant, find

if TYPE_CHECKING:
    from vision.core.sample import InputSpec
    from vision.datasets.coco import CocoDetection
    from vision.ssd.priors.fit import Maps, Objects

EXAMPLES = """examples:
  python -m tools.fit_priors my-data --output my-priors.json                       for mb2-ssd-lite at 300×300
  python -m tools.fit_priors my-data --net ssd-vgg16 --resolution 512 288 --output my-priors.json
  python train_ssd.py --datasets my-data --priors my-priors.json --checkpoint-folder models/mine

The net keeps its number of boxes a cell, so the exported graph keeps its shape. The boxes are fitted to the training
split, small, medium and large objects weighing the same; the validation split, which was not looked at, says whether they
fit other images as well. The run stores the boxes themselves: it resumes, evaluates and exports without the file.
"""
FEW = 10
"""Objects for each number that is fitted; with fewer the boxes fit these objects, and perhaps no others."""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m tools.fit_priors",
        description="Fit the prior boxes of a net to the objects of a data set.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("datasets", type=Path, metavar="DIR", help="data root")
    add(
        "--output",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="the file to write; it must not exist yet",
    )
    add("--net", default=DEFAULT_VARIANT, metavar="NAME", help="the net (%(default)s)")
    add_resolution(parser, "the net's own")
    add(
        "--images", type=whole_from(1), default=5000, metavar="N",
        help="use at most N images of each split, evenly spread (%(default)s)",
    )  # fmt: skip
    return parser


def fit_to(arguments: argparse.Namespace, variant: Variant) -> int:
    """Fits, prints, publishes."""
    from vision.artefacts.data_layout import require_no_data
    from vision.artefacts.files import publish_json
    from vision.artefacts.records import to_plain
    from vision.artefacts.writable import require_writable
    from vision.core.sample import InputSpec
    from vision.datasets.coco import CocoDetection
    from vision.ssd.build import map_sizes
    from vision.ssd.priors.fit import fit

    output: Path = arguments.output
    require_no_data(output.parent, "my-priors.json")
    _require_free(output)
    width, height = arguments.resolution[0], arguments.resolution[-1]
    spec = InputSpec(height=height, width=width)
    train = CocoDetection(arguments.datasets, "train")
    cells = map_sizes(variant, spec)
    before = tuple(one.shapes for one in variant.profile(DEFAULT_PRIORS).maps)
    found = _objects(train, arguments.images)
    if not len(found):
        raise UserError(f"{shown(arguments.datasets)}: its training split has no objects to fit boxes to")
    require_writable(output.parent, 1 << 16)
    print(_heading(train, found, variant, spec, before), flush=True)
    after = fit(found, cells, before)
    coverage = _coverage(arguments, found, cells, {"before": before, "after": after})
    print(_table(coverage), _shapes(cells, after), sep="\n")
    maps = as_texts(after)
    record = PriorFile(
        maps=maps,
        digest=digest_of(";".join(maps)),
        net=variant.name,
        resolution=[width, height],
        cells=[list(one) for one in cells],
        data={
            "train_digest": train.digest,
            "images": min(arguments.images, len(train)),
            "objects": len(found),
        },
        coverage=coverage,
    )
    _require_free(output)
    publish_json(output, to_plain(record))
    print(f"{shown(output)}\nnext: {_next(arguments, variant)}")
    return 0


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise UserError(
            f"{shown(path)} exists already\n  why: it may be somebody's, or what a run was started with\n"
            "  fix: name another --output, or remove it"
        )


def _objects(data: CocoDetection, most: int) -> Objects:
    from vision.ssd.coverage import objects_of
    from vision.ssd.priors.fit import Objects

    return Objects.of(list(objects_of(data, most)))


def _heading(data: CocoDetection, found: Objects, variant: Variant, spec: InputSpec, before: Maps) -> str:
    counts = [len(shapes) for shapes in before]
    line = (
        f"{counted(len(found), 'object')} of {counted(len(data), 'image')} (train); {variant.name} at "
        f"{spec.width}×{spec.height} px, {', '.join(map(str, counts))} boxes a cell"
    )
    if len(found) < FEW * 2 * sum(counts):
        few = f"fewer than {FEW} for each of {2 * sum(counts)} numbers; believe the validation split alone"
        return f"{line}\nfew objects: {few}"
    return line


def _coverage(
    arguments: argparse.Namespace, train: Objects, cells: Sequence[tuple[int, int]], sets: Mapping[str, Maps]
) -> dict[str, Any]:
    """By split, the shares of each set; without a validation split, of the training split alone."""
    from vision.datasets.coco import CocoDetection
    from vision.datasets.contract import DatasetError
    from vision.ssd.priors.fit import best_overlaps, shares

    splits = {"train": train}
    try:
        splits["val"] = _objects(CocoDetection(arguments.datasets, "val"), arguments.images)
    except DatasetError as error:
        print(f"val: not measured: {str(error).splitlines()[0]}")
    return {
        split: {name: shares(one, best_overlaps(one, cells, maps)) for name, maps in sets.items()}
        for split, one in splits.items()
    }


def _table(coverage: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    lines = [f"{'a prior of IoU ≥ 0.5 for':<25} {'small':>7} {'medium':>7} {'large':>7} {'all':>7}"]
    words = {"before": f"before ({DEFAULT_PRIORS})", "after": "after"}
    for split, sets in coverage.items():
        for name, found in sets.items():
            numbers = " ".join("      –" if one is None else f"{one:>7.1%}" for one in found.values())
            lines.append(f"{split + ', ' + words[name]:<25} {numbers}")
    return "\n".join(lines)


def _shapes(cells: Sequence[tuple[int, int]], maps: Maps) -> str:
    lines = ["map, columns × rows: width × height of its boxes, % of the input"]
    for (rows, columns), shapes in zip(cells, maps, strict=True):
        words = "  ".join(f"{100 * width:.1f}×{100 * height:.1f}" for width, height in shapes)
        lines.append(f"  {f'{columns}×{rows}':<8} {words}")
    return "\n".join(lines)


def _next(arguments: argparse.Namespace, variant: Variant) -> str:
    """A command that trains with them, with the net and the size that they were fitted for."""
    width, height = arguments.resolution[0], arguments.resolution[-1]
    size = () if (width, height) == variant.resolution else ("--resolution", width, height)
    return command(
        "python train_ssd.py --datasets", arguments.datasets, "--net", variant.name, *size,
        "--priors", arguments.output, "--checkpoint-folder", f"models/{arguments.output.stem}",
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        variant = find(arguments.net)
    except ValueError as error:
        parser.error(f"--net: {error}")
    arguments.resolution = arguments.resolution or list(variant.resolution)
    if arguments.output.suffix != ".json":
        parser.error(f"--output {shown(arguments.output)}: expected a name that ends in .json")
    return run_tool(lambda: fit_to(arguments, variant))


if __name__ == "__main__":
    leave(main())
