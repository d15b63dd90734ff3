"""Weights that were trained before: ``--base-net`` (the backbone) and ``--pretrained-ssd`` (a whole detector).

Both take weights only, tell what did not fit, and leave what is not in the file as it was initialised.

Legend: C classes with background, A shapes a cell.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.nn.weights import LoadReport, Weights, load_fitting, read_file, weights_in

HEADS = ("classification_headers.", "regression_headers.")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""What torchvision's ImageNet weights were trained with, for pixels / 255 (torchvision.transforms presets)."""

_NOT_FETCHED = (OSError, HTTPException, RuntimeError, EOFError, pickle.UnpicklingError)
"""No network or a full disk; a connection that ended early; another digest (RuntimeError); a damaged file in the cache."""


def load_base_net(model: nn.Module, source: str) -> LoadReport:
    """ImageNet weights into ``model.base_net``.

    ``source`` is a file (a backbone's, or a detector's, of which the backbone is taken) or the name of
    torchvision weights such as ``MobileNet_V2_Weights.IMAGENET1K_V1``, which are downloaded once.
    Weights in torchvision's form have their own normalisation folded into the first layer, so that they see
    the numbers they were trained on. Raises FileNotFoundError and ValueError.
    """
    base_net: Any = model.base_net
    named = not Path(source).exists() and "_Weights." in source
    family = base_net.torchvision_weights
    found = _torchvision_weights(source, family) if named else weights_in(read_file(Path(source)), source)
    found = _backbone_part(found)
    notes = []
    if base_net.is_torchvision(found):
        spec: Any = model.input_spec
        conv, norm = base_net.first_layer
        found = fold_imagenet_normalisation(base_net.from_torchvision(found), conv, norm, spec)
        notes = ["ImageNet's normalisation folded into the first layer"]
    return load_fitting(base_net, found, source, notes)


def _torchvision_weights(name: str, family: str) -> Weights:
    """Downloaded once into torch's cache, their digest checked. ``family``: of which names they have to be."""
    from torchvision.models import get_weight

    if not name.startswith(f"{family}."):
        raise ValueError(
            f"--base-net {name}: this net's backbone takes {family}, such as {family}.IMAGENET1K_V1"
        )
    try:
        chosen = get_weight(name)
    except (ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"--base-net {name}: torchvision has no such weights ({error})") from None
    try:
        return dict(chosen.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except _NOT_FETCHED as error:
        cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(chosen.url).path).name)
        raise ValueError(
            f"--base-net {name}: could not be fetched whole from {chosen.url} ({error}).\n"
            f"Put that file at {cached} (one that is there may be damaged), or name your copy with --base-net FILE, "
            "or leave --base-net out to train from scratch."
        ) from None


def _backbone_part(weights: Weights) -> Weights:
    """Of a detector or a classifier only the backbone, its names counted from the backbone's own layers."""
    for prefix in ("base_net.", "features."):
        if any(name.startswith(prefix) for name in weights):
            return {
                name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
            }
    return {name: value for name, value in weights.items() if not name.startswith(("classifier.", "fc."))}


def fold_imagenet_normalisation(weights: Weights, conv: str, norm: str, spec: InputSpec) -> Weights:
    """Weights that expect (p/255 − mean)/std → weights that expect (p − spec.mean)/spec.std, the same net.

    (With y our input, theirs is y · spec.std/(255 std) + (spec.mean/255 − mean)/std: the factor goes into the
    convolution ``conv``, what the constant adds into the running mean of ``norm``. Only in the outermost
    row of cells, where padding stands for another grey, do they differ.)
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    kernel = weights[f"{conv}.weight"].float()  # (c, 3, k, k)
    constant = (kernel.sum(dim=(2, 3)) * (spec.mean / 255 - mean) / std).sum(dim=1)  # (c,)
    return weights | {
        f"{conv}.weight": kernel * (spec.std / 255 / std)[None, :, None, None],
        f"{norm}.running_mean": weights[f"{norm}.running_mean"].float() - constant,
    }


def load_detector(model: nn.Module, source: str | Path, classes: Sequence[str]) -> LoadReport:
    """A detector's weights into ``model`` for ``classes`` (background first): a plain state dict or a checkpoint.

    Where the file's classes are known (its own record, or ``labels.txt`` beside it), the heads are kept and
    in them the rows of every class of the same name; where they are not, heads begin anew, as in the ancestors.
    Raises FileNotFoundError and ValueError.
    """
    path = Path(source)
    content = read_file(path)
    weights = weights_in(content, path)
    known = _classes_of(content, weights, path)
    if known is None:
        trunk = {name: value for name, value in weights.items() if not name.startswith(HEADS)}
        note = "its classes are unknown (no labels.txt beside it), so the heads begin anew"
        report = load_fitting(model, trunk, str(path), [note])
        missing = tuple(name for name in report.missing if not name.startswith(HEADS))
        return LoadReport(
            report.source, report.loaded, missing, report.unexpected, report.misshaped, report.notes
        )
    kept = [name for name in classes if name in known]
    moved = move_classes(model, weights, known, classes)
    note = f"heads kept for {len(kept)} of {len(classes)} classes (background included), by name"
    return load_fitting(model, moved, str(path), [note])


def _classes_of(content: Any, weights: Mapping[str, Tensor], path: Path) -> list[str] | None:
    """The names of the file's classes where they are recorded and as many as its heads speak of."""
    recorded = content.get("classes") if isinstance(content, Mapping) else None
    labels = path.parent / "labels.txt"
    if not recorded and labels.is_file():
        recorded = labels.read_text(encoding="utf-8").splitlines()
    rows = _last_layer_rows(weights, "classification_headers.")
    offsets = _last_layer_rows(weights, "regression_headers.")
    if not recorded or not rows or not offsets:
        return None
    shapes = offsets // 4
    return [str(name) for name in recorded] if rows == shapes * len(recorded) else None


def _last_layer_rows(weights: Mapping[str, Tensor], prefix: str) -> int | None:
    biases = [value for name, value in weights.items() if name.startswith(prefix) and name.endswith(".bias")]
    return len(biases[-1]) if biases else None


def move_classes(
    model: nn.Module, weights: Weights, old_classes: Sequence[str], new_classes: Sequence[str]
) -> Weights:
    """The weights with the last layers of the classification heads (A·C, …) rearranged for ``new_classes``.

    Rows of classes with the same name are the file's, those of new classes the model's first weights.
    """
    pairs = [(new, old_classes.index(name)) for new, name in enumerate(new_classes) if name in old_classes]
    to, of = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(dim=1)
    own, moved = model.state_dict(), dict(weights)
    for name in _class_layers(model):
        found = weights.get(name)
        rows = own[name].detach().cpu().clone().unflatten(0, (-1, len(new_classes)))  # (A, C, …)
        # of another width: for load_fitting to name
        if found is not None and found.shape == (len(rows) * len(old_classes), *rows.shape[2:]):
            rows[:, to] = found.to(rows.dtype).unflatten(0, (-1, len(old_classes)))[:, of]
            moved[name] = rows.flatten(0, 1)
    return moved


def _class_layers(model: nn.Module) -> list[str]:
    """Names of the weights and biases of the last convolution of each classification head."""
    heads: Any = model.classification_headers
    names = []
    for number, head in enumerate(heads):
        last = [name for name, layer in head.named_modules() if isinstance(layer, nn.Conv2d)][-1]
        prefix = ".".join(part for part in ("classification_headers", str(number), last) if part)
        names += [f"{prefix}.weight", f"{prefix}.bias"]
    return names
