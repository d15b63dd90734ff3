"""A folder in another layout → a data root: imported once, into a folder beside it, and found there the next time."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from vision.artefacts.data_layout import (
    DEFAULT_ROOT,
    foreign_layout,
    import_root,
    is_data_root,
    receipt_name,
    root_meant,
)
from vision.engine.options.combinations import UsageError, defaults_of
from vision.engine.options.config import Parsed, build
from vision.engine.options.option import flag_of
from vision.messages.advice import UserError, quoted, shown
from vision.nn.weights.published import require_there

Say = Callable[[str], None]
DUSTY_NV = "data"
"""Where dusty-nv's scripts look for data unless told."""


class NotImported(Exception):
    """The import ended early and has said why; ``args[0]`` is its exit status."""


def data_root(
    kind: str | None, source: Path, say: Say, workers: int | None = None
) -> tuple[Path, str | None]:
    """The data root that ``source`` is, or that it is imported into, and the layout it was read in (None: it is one).

    ``kind``: the layout that was named. Raises NotImported, and UserError for a name of what is not there.
    """
    if not source.exists() and source.parts[:1] == ("~",):  # --data=~/x: no shell expands that
        source = source.expanduser()
    kind = kind if kind != "coco" or foreign_layout(source) else None
    kind = None if is_data_root(source) else kind or foreign_layout(source)
    if kind is None:
        return source, None
    root = import_root(source)
    made = (root / receipt_name("import_data")).is_file()
    if not source.exists():
        if made:
            say(f"{shown(source)} is missing; using its import: {shown(root)}")
            return root, kind
        raise UserError(
            f"{shown(source)}: no such folder\n  why: --dataset-type {kind} reads its images and labels\n"
            f"  fix: {_meant(source)}"
        )
    say(
        f"{shown(source)}: {kind}, {'imported already' if made else 'which is imported once,'} into {shown(root)}"
    )
    words: list[str | Path] = ["--from", kind, "--source", source, "--root", root]
    more = () if workers is None else ("--workers", workers)
    if status := _by_one(f"the import into {shown(root)}", [*map(str, (*words, *more))]):
        if status == 1:
            as_it_is = f"; on the one that is there, as it is: --datasets {quoted(root)}" if made else ""
            say(
                f"  nothing was imported; where a command imports it: --datasets with its --root trains on that{as_it_is}"
            )
        raise NotImported(status)
    return root, kind


def _meant(source: Path) -> str:
    root = root_meant(source)
    return f"name the data folder that is there: {shown(root)}" if root else "check the path"


def _by_one(name: str, words: list[str]) -> int:
    """Of the processes that ``torchrun`` starts the first one imports."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return _imported(words)
    from vision.engine.distributed import done_by_first

    return done_by_first(name, lambda: _imported(words))


def _imported(words: list[str]) -> int:
    main: Callable[[list[str], bool], int] = import_module("pipeline.import_data.__main__").main
    return main(words, False)


def with_data_roots(parsed: Parsed, say: Say) -> Parsed:
    """The options of a training with data roots in the place of foreign folders. Raises NotImported, UserError, OSError."""
    config, named = parsed.config, "datasets" in parsed.explicit
    for flag, weights in (("--pretrained-ssd", config.pretrained_ssd), ("--base-net", config.base_net)):
        if weights:  # before an import that takes minutes
            require_there(Path(weights))
        if weights and config.resume is None and "_Weights." not in weights and not Path(weights).exists():
            raise FileNotFoundError(
                f"{shown(weights)}: no such file\n  why: {flag} takes weights of it\n  fix: check the path"
            )
    kind = config.dataset_type if "dataset_type" in parsed.explicit else None
    if not named and config.resume not in (None, "auto"):
        return dataclasses.replace(parsed, config=dataclasses.replace(config, dataset_type="coco"))
    folders = list(map(Path, config.datasets))
    if not named and not folders[0].exists() and (kind or foreign_layout(Path(DUSTY_NV))):
        if not Path(DUSTY_NV).is_dir():
            raise UsageError(f"--dataset-type {kind}: name its folder with --data FOLDER")
        say(
            f"--data is not given and there is no {DEFAULT_ROOT}: {DUSTY_NV}/ is taken, as dusty-nv's trainer does"
        )
        folders = [Path(DUSTY_NV)]
    folders += [Path(config.validation_dataset)] if config.validation_dataset else []
    found = [data_root(kind, folder, say, config.workers) for folder in folders]
    return _settled(parsed, [root for root, _ in found], next((kind for _, kind in found if kind), None), say)


def _settled(parsed: Parsed, roots: list[Path], kind: str | None, say: Say) -> Parsed:
    """With the defaults of the trainers that the layout is known from."""
    if kind is None:
        return dataclasses.replace(parsed, config=dataclasses.replace(parsed.config, dataset_type="coco"))
    named = {name: getattr(parsed.config, name) for name in parsed.explicit} | {"dataset_type": kind}
    measured = str(roots.pop()) if parsed.config.validation_dataset else None
    config = dataclasses.replace(
        build(named), dataset_type="coco", datasets=tuple(map(str, roots)), validation_dataset=measured
    )
    if config.resume is None:
        _say_defaults(named, say)
    return dataclasses.replace(parsed, config=config, explicit=parsed.explicit | {"datasets"})


def _say_defaults(named: dict[str, object], say: Say) -> None:
    taken = [f"{flag_of(name)} {value}" for name, value in defaults_of(named).items() if name not in named]
    if taken:
        say(f"as pytorch-ssd trains on {named['dataset_type']} unless told: {', '.join(taken)}")
    if not {"pretrained_ssd", "base_net"} & named.keys():
        say(
            "from scratch, which needs thousands of images; dusty-nv's trainer starts from a net trained on VOC: "
            "--net mb1-ssd --pretrained-ssd models/mobilenet-v1-ssd-mp-0_675.pth"
        )
