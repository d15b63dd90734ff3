"""A file with weights of another trainer → a run folder beside it: imported once, and found there the next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.foreign.data import NotImported
from vision.artefacts.data_layout import LABELS_NAME
from vision.artefacts.files import sha256_of
from vision.messages.advice import UserError, shown
from vision.messages.command_line import listed
from vision.messages.terminal import counted
from vision.nn.weights.published import require_there
from vision.ssd.variants import find


@dataclass(frozen=True, slots=True)
class Told:
    """What a command line says of a model beside its file; None where it says nothing."""

    net: str | None = None
    labels: Path | None = None
    resolution: int | None = None
    width_mult: float | None = None


def run_of(model: Path, told: Told, unless_told: str, say: Callable[[str], None]) -> Path:
    """``model`` itself where it is this toolkit's (a run folder, a checkpoint, an ONNX file), else the run made of it.

    ``unless_told``: the net of foreign weights. The run's name has a digest of everything it is made of. Raises NotImported,
    OSError, and UserError where a model of this toolkit is not what it is ``told`` to be.
    """
    require_there(model)
    if model.suffix == ".onnx":
        if told.net:
            say(f"note: {shown(told.net)}: ignored, since {shown(model)} is the whole net")
        return model
    if model.is_dir() or _is_ours(model):
        _require_as_told(model, told)
        return model
    net = told.net or unless_told
    more = [("--resolution", told.resolution), ("--width-mult", told.width_mult)]
    options = [str(word) for flag, value in more if value for word in (flag, value)]
    run = _run_for(model, (net, *options, sha256_of(told.labels) if told.labels else ""))
    if (run / "checkpoints.json").is_file():
        say(f"{shown(model)}: imported already into {shown(run)}")
        return run
    say(f"{shown(model)}: weights of another trainer, imported once into {shown(run)}")
    from tools.import_weights.__main__ import main

    labels = ["--labels", str(told.labels)] if told.labels else []
    if status := main([str(model), "--net", net, "--output", str(run), *labels, *options]):
        raise NotImported(status)
    return run


def _is_ours(model: Path) -> bool:
    from vision.nn.weights.pretrained import open_detector_file

    return open_detector_file(model).resumable


def _require_as_told(model: Path, told: Told) -> None:
    """Raises UserError: a checkpoint knows its net and its classes, and nothing that is told of them changes it."""
    if told == Told():
        return
    from vision.engine.checkpoints.checkpoint import load
    from vision.engine.checkpoints.open_detector import choose
    from vision.nn.weights import class_names

    checkpoint, own = load(choose(model)[0]), (model if model.is_dir() else model.parent) / LABELS_NAME
    config, classes = checkpoint.config, checkpoint.classes
    size, width = "×".join(map(str, config.resolution)), config.mb2_width_mult
    if told.net and _net(told.net) != _net(config.net):
        raise _other(f"net {shown(told.net)}", model, f"is a {config.net}", f"name {config.net}")
    if told.labels and told.labels.absolute() != own.absolute():
        names = class_names.fitting(class_names.read(told.labels), len(classes))
        if names != tuple(classes):
            knows = f"knows {counted(len(classes) - 1, 'class')}: {listed(classes[1:], 5)}"
            raise _other(f"labels {shown(told.labels)}", model, knows, f"name {shown(own)}")
    if told.resolution and {told.resolution} != {*config.resolution}:
        fix = "leave the size out; another one is for a training of its own, with --resolution"
        raise _other(
            f"size {told.resolution}", model, f"takes {size} px, for which its prior boxes are made", fix
        )
    if told.width_mult and told.width_mult != width:
        raise _other(f"width {told.width_mult:g}", model, f"has the width {width:g}", f"name {width:g}")


def _net(name: str) -> str:
    try:
        return find(name).name
    except ValueError as error:
        raise UserError(
            f"net {shown(name)}: no such net\n  why: {error}\n  fix: name the net of that checkpoint"
        ) from None


def _other(told: str, model: Path, has: str, fix: str) -> UserError:
    return UserError(
        f"{told}: {shown(model)} {has}\n  why: the checkpoint records this, and it cannot change afterwards\n  fix: {fix}"
    )


def _run_for(model: Path, made_of: tuple[str, ...]) -> Path:
    digest = hashlib.sha256("\0".join([sha256_of(model), *made_of]).encode()).hexdigest()[:8]
    name = f"{model.stem}-imported-{digest}"
    beside = model.with_name(name)
    return beside if beside.exists() or os.access(model.parent, os.W_OK) else Path(name)
