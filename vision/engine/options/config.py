"""What a training run is told, as one record: from the command line, a recipe, a record of a run. No torch.

Order of strength: default < ``--config`` recipe < command line. On ``--resume`` the run's own
``training_args.json`` takes the place of the defaults (``resume.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.artefacts.records import NOT_UTF8, is_no_utf8
from vision.engine.options.combinations import TAKEN, check_together, defaults_of
from vision.engine.options.data import DataOptions
from vision.engine.options.machine import MachineOptions
from vision.engine.options.model import ModelOptions
from vision.engine.options.optimisation import OptimisationOptions
from vision.engine.options.option import Parser, check_value, options_of, read_mapping, to_mapping
from vision.engine.options.run import RunOptions
from vision.messages.advice import UserError, shown
from vision.messages.system_errors import instead_of, reason
from vision.ssd.priors.written import read_prior_file
from vision.ssd.variants import DEFAULT_VARIANT, PROFILES, find


@dataclass(frozen=True)
class TrainConfig(MachineOptions, RunOptions, OptimisationOptions, ModelOptions, DataOptions):
    """Everything that ``train_ssd.py`` can be told. Bases give their fields from the last to the first."""


EXAMPLES = """\
examples:
  python train_ssd.py --config configs/coco_mb2_ssd_lite.yaml --datasets coco-data --checkpoint-folder models/my-experiment-1
                                                                        train by the recipe; options after it win
  python train_ssd.py --config configs/coco_mb2_ssd_lite.yaml --batch-size 32 --lr 0.025 …      on a smaller GPU
  python train_ssd.py --datasets=coco-data --epochs=100 …               as pytorch-ssd trains: Adam, constant rate, no average
  python train_ssd.py --resume models/my-experiment-1                   resume, bit for bit, with the run's arguments
  python train_ssd.py --resume auto --config …                the same line each time, for schedulers that restart it
  tensorboard --logdir models                                           watch the curves

exit status: 0 done · 1 failed · 2 usage · 130 / 138 / 143 interrupted and saved (Ctrl-C / SIGUSR1 / SIGTERM)
"""


@dataclass(frozen=True)
class Parsed:
    """The configuration, the names of the fields that the command line or the recipe gave, sentences about them, and what was typed."""

    config: TrainConfig
    explicit: frozenset[str]
    notes: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()


def parse(argv: Sequence[str] | None = None) -> Parsed:
    """The command line → ``Parsed``. Leaves with 0 after ``--help`` and ``--print-config``, 2 on a mistake."""
    parser = _parser()
    words = sys.argv[1:] if argv is None else argv
    named = parser.parse_named(words)
    recipe, print_config = named.pop("config", None), named.pop("print_config", False)
    notes = [f"{flag} {said}" for flag, said in TAKEN.items() if named.pop(flag, None) is not None]
    try:
        values = {**(read_recipe(Path(recipe)) if recipe else {}), **named}
        if "priors" in values:
            values["priors"] = boxes_of(values["priors"])
        config = build(values)
    except ValueError as error:
        parser.error(str(error))
    if print_config:
        sys.stdout.write(as_yaml(config))
        parser.exit(0)
    typed = values.get("net", config.net)
    notes += [] if typed == config.net else [f"--net {typed}: taken as {config.net}"]
    return Parsed(config, frozenset(values), tuple(notes), tuple(words))


def boxes_of(priors: str) -> str:
    """The boxes in a file where a file is named, so that nothing after this needs it; else ``priors``."""
    path = Path(priors)
    if priors in PROFILES or not (path.exists() or path.suffix == ".json"):
        return priors
    try:
        return read_prior_file(path)
    except OSError as error:
        why = reason(error) if path.is_file() else instead_of("file", path)
        raise UserError(f"--priors {shown(path)} cannot be read: {why}") from None


def _parser() -> Parser:
    parser = Parser(
        TrainConfig,
        prog="python train_ssd.py",
        usage="python train_ssd.py [--config FILE.yaml] [options]",
        description="Train an SSD detector, and resume exactly where it stopped. Defaults in [brackets].",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--config", metavar="FILE.yaml", default=None, help="a recipe: option names and values"
    )
    parser.add_argument("--print-config", action="store_true", help="print all options as a recipe and exit")
    for flag in TAKEN:
        parser.add_argument(flag, dest=flag, nargs="?", const=True, help=argparse.SUPPRESS)
    return parser


def read_recipe(path: Path) -> dict[str, Any]:
    """The values of a YAML recipe. Raises ValueError that names file and key."""
    import yaml

    try:
        data = path.read_bytes()
        if is_no_utf8(data[:4]):
            raise UserError(f"--config {shown(path)} cannot be read: {NOT_UTF8}")
        text = data.decode("utf-8")
        content, pairs = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        why = reason(error) if path.is_file() else instead_of("file", path)
        raise UserError(f"--config {shown(path)} cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise UserError(f"--config {shown(path)} cannot be read: it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"--config {shown(path)} cannot be read as YAML: {line}{shown(why)}") from None
    if not isinstance(content, dict) or not isinstance(pairs, yaml.MappingNode):
        raise UserError(f"--config {path}: expected option names and values, found {type(content).__name__}")
    keys = [key.value for key, _ in pairs.value]
    for key in keys:
        if keys.count(key) > 1:  # YAML would take the last one in silence
            raise UserError(f"--config {path}: {key!r} is given twice")
    return read_mapping(TrainConfig, content, f"--config {path}")


def as_yaml(config: TrainConfig) -> str:
    import yaml

    return yaml.safe_dump(to_mapping(config), sort_keys=False, default_flow_style=None)


def build(values: dict[str, Any]) -> TrainConfig:
    """Checked values over the defaults. Raises ValueError that names the flag."""
    row = find(values.get("net", DEFAULT_VARIANT))
    width, height = row.resolution
    own = {"resolution": (width,) if width == height else (width, height), "channels": row.channels}
    own |= defaults_of(values)
    config = dataclasses.replace(TrainConfig(), **(own | values | {"net": row.name}))
    for name, one in options_of(TrainConfig).items():
        check_value(name, getattr(config, name), one)
    check_together(config)
    return config


def run_folder(config: TrainConfig) -> Path:
    return Path(config.checkpoint_folder.replace("{net}", config.net))
