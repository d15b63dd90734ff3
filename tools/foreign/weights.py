"""A file with weights of another trainer → a run folder beside it: imported once, and found there the next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from tools.foreign.data import NotImported
from vision.artefacts.files import sha256_of
from vision.messages.advice import shown
from vision.nn.weights.published import require_there


def run_of(
    model: Path, net: str, labels: Path | None, say: Callable[[str], None], resolution: int | None = None
) -> Path:
    """``model`` itself where it is this toolkit's (a run folder, a checkpoint, an ONNX file), else the run made of it.

    The run's name has a digest of everything it is made of. Raises NotImported, OSError, UserError.
    """
    require_there(model)
    if model.is_dir() or model.suffix == ".onnx" or _is_ours(model):
        return model
    run = _run_for(model, (net, str(resolution), sha256_of(labels) if labels else ""))
    if (run / "checkpoints.json").is_file():
        say(f"{shown(model)}: imported already into {shown(run)}")
        return run
    say(f"{shown(model)}: imported once into {shown(run)}")
    from tools.import_weights.__main__ import main

    words = [str(model), "--net", net, "--output", str(run)]
    words += ["--labels", str(labels)] if labels else []
    if status := main(words + (["--resolution", str(resolution)] if resolution else [])):
        raise NotImported(status)
    return run


def _is_ours(model: Path) -> bool:
    from vision.nn.weights.pretrained import open_detector_file

    return open_detector_file(model).resumable


def _run_for(model: Path, made_of: tuple[str, ...]) -> Path:
    digest = hashlib.sha256("\0".join([sha256_of(model), *made_of]).encode()).hexdigest()[:8]
    name = f"{model.stem}-imported-{digest}"
    beside = model.with_name(name)
    return beside if beside.exists() or os.access(model.parent, os.W_OK) else Path(name)
