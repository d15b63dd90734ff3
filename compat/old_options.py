"""What the options of pytorch-ssd's scripts are now: one table, read for all of them. ``train_ssd.py`` takes its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from vision.messages.advice import Word, command
from vision.messages.command_line import Parser, fraction, whole_from
from vision.messages.terminal import counted

SWITCH, TRUTH = "switch", "truth"
"""An option without a value, and one that takes ``True`` or ``False``."""


@dataclass(frozen=True)
class Old:
    """An option: its names (the first one names it), what it takes, its default there; ``said``: why it has no effect now."""

    names: str
    kind: Any = Path
    default: Any = None
    said: str = ""
    needed: bool = False


DATA = Old("--path --root --data", default=Path("coco-data"))
WORKERS = Old("--num-workers --workers", whole_from(0))
OLD: dict[str, tuple[Old, ...]] = {
    "coco_downloader": (DATA, WORKERS, Old("--no-download", SWITCH)),
    "validate_image_files": (Old("--path", needed=True), WORKERS),
    "fix_coco_annotations": (DATA, WORKERS),
    "eval_ssd": (
        Old("--net", str), Old("--trained-model", needed=True), Old("--dataset", needed=True),
        Old("--dataset-type", str), Old("--label-file"), Old("--eval-dir", default=Path("eval_results")),
        Old("--use-cuda", TRUTH, True), Old("--mb2-width-mult", float),
        Old("--use-2007-metric --use-2007", TRUTH, True),
        Old("--nms-method", str, "hard", "boxes are suppressed by hard NMS"),
        Old("--iou-threshold", fraction, 0.5, "VOC's AP is at IoU 0.5"),
    ),
    "onnx_export": (
        Old("--net", str), Old("--model-dir"), Old("--input"), Old("--output"), Old("--labels"),
        Old("--resolution", whole_from(32)), Old("--width", whole_from(32)), Old("--height", whole_from(32)),
        Old("--batch-size", whole_from(1), 1, "detectNet feeds one image at a time"),
    ),
    "run_ssd_example": (Old("net", str), Old("model"), Old("labels"), Old("image")),
}  # fmt: skip
"""Script → its options. What is not in it is refused with the nearest name."""


GONE = {
    "run_ssd_live_demo": """no window is ever opened here (OpenCV without a display), and a live view belongs on the board
  fix: on the Jetson: detectnet --model=RUN/ssd-mobilenet.onnx --labels=RUN/labels.txt --input-blob=input_0 --output-cvg=scores --output-bbox=boxes csi://0
       here, the frames of a film: ffmpeg -i FILM frames/%05d.jpg && python -m tools.detect RUN frames --output found""",
    "onnx_validate": """an export compares its file with the network by onnxruntime before the file gets its name
  fix: python -m tools.export_onnx RUN; export_report.json beside the file has the differences""",
    "convert_to_caffe2_models": """Caffe2 is no longer developed; ONNX has taken its place
  fix: python -m tools.export_onnx RUN, or of a file of pytorch-ssd's: python compat/onnx_export.py --net NET --input FILE.pth""",
}
"""Script without a successor → why, and what to do instead."""


def gone(script: str) -> int:
    """Says so, whatever the command line was. Gives the exit status."""
    print(f"error: {script}.py has no successor\n  why: {GONE[script]}", file=sys.stderr)
    return 2


def asked(script: str, now: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """The old command line; an option that has no effect now is said. Leaves with 2 on a mistake."""
    parser = Parser(prog=f"python compat/{script}.py", description=f"pytorch-ssd's {script}.py. Now: {now}")
    for old in OLD[script]:
        names = old.names.split()
        if not names[0].startswith("-"):
            parser.add_argument(names[0], type=old.kind)
        elif old.kind == SWITCH:
            parser.add_argument(*names, action="store_true")
        else:
            kind = _truth if old.kind == TRUTH else old.kind
            const: dict[str, Any] = {"nargs": "?", "const": True} if old.kind == TRUTH else {}
            about = old.said or ("" if old.default is None else f"[{old.default}]")
            parser.add_argument(*names, type=kind, required=old.needed, help=about, **const)
    found = parser.parse_args(argv)
    for old in OLD[script]:
        name = old.names.split()[0].strip("-").replace("-", "_")
        if getattr(found, name) is None:
            setattr(found, name, old.default)
        elif old.said and getattr(found, name) != old.default:
            print(f"note: --{name.replace('_', '-')}: no effect: {old.said}")
    for name, value in vars(found).items():
        if isinstance(value, Path) and value.parts[:1] == ("~",):  # no shell expands --path=~/x
            setattr(found, name, value.expanduser())
    return found


def _truth(text: str) -> bool:
    words = {
        "true": True,
        "yes": True,
        "1": True,
        "on": True,
        "false": False,
        "no": False,
        "0": False,
        "off": False,
    }
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"expected True or False, found {text!r}")
    return words[text.lower()]


def start(module: str, *words: Word) -> int:
    """Prints the command that an old one stands for, and runs it in this process. Gives its exit status."""
    name, *more = module.split()
    print(f"this is now: {command(f'python -m {module}', *words)}", flush=True)
    has_main = name.count(".") == 0 or (Path(import_module(name).__file__ or "").name == "__init__.py")
    main = import_module(f"{name}.__main__" if has_main else name).main
    return int(main([*more, *map(str, words)]))


def lowest_loss(folder: Path) -> Path | None:
    """The checkpoint that onnx_export took: the number behind ``Loss-`` in its name is the lowest."""
    found = {}
    for path in sorted(folder.glob("*Loss-*.pth")):
        try:
            found[path] = float(path.stem.rpartition("Loss-")[2])
        except ValueError:
            continue
    if found:
        print(f"{counted(len(found), 'checkpoint')} in {folder}: the lowest loss is {min(found.values()):g}")
    return min(found, key=found.__getitem__, default=None)
