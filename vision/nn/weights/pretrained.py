"""Weights that were trained before: ``--base-net`` (the backbone) and ``--pretrained-ssd`` (a whole detector).

Both take weights only, tell what did not fit, and leave what is not in the file as it was initialised.

Legend: C classes with background, A shapes a cell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from vision.artefacts.data_layout import LABELS_NAME
from vision.artefacts.files import sha256_of
from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import UserError
from vision.messages.command_line import shortened
from vision.messages.system_errors import in_words
from vision.messages.terminal import counted
from vision.nn.input_channels import with_channels
from vision.nn.weights import class_names
from vision.nn.weights.key_maps import Form, form_of
from vision.nn.weights.normalisation import DEPLOYED, IMAGENET, PYTORCH_SSD, fold
from vision.nn.weights.state_dicts import LoadReport, Weights, average_in, few, load_fitting, weights_in
from vision.nn.weights.weight_file import read

HEADS = ("classification_headers.", "regression_headers.")
ANCESTOR_PRIORS = "ancestor"
"""Whoever does not tell otherwise has the prior boxes of pytorch-ssd."""
AVERAGED = "its averaged (EMA) weights, as they were evaluated"
MAX_ARGS_BYTES = 1 << 20
UNKNOWN = Form("a plain state dict's", (), (), PYTORCH_SSD, ANCESTOR_PRIORS)
"""Names of no known form: taken for pytorch-ssd's where any of them fit."""

_NOT_FETCHED = (OSError, HTTPException, RuntimeError, ValueError)
"""No network or a full disk; a connection that ended early; another digest (RuntimeError); a damaged file in the cache."""


def load_base_net(model: nn.Module, source: str) -> LoadReport:
    """ImageNet weights into ``model.base_net``.

    ``source`` is a file (a backbone's, or a detector's, of which the backbone is taken) or the name of
    torchvision weights such as ``MobileNet_V2_Weights.IMAGENET1K_V1``, which are downloaded once.
    Weights in torchvision's form have their own normalisation folded into the first layer, so that they see
    the numbers they were trained on. Raises FileNotFoundError and ValueError.
    """
    base_net: Any = model.base_net
    variant: Any = model.variant
    named = not Path(source).exists() and "_Weights." in source
    family = variant.torchvision_weights
    whole, averaged = (_torchvision_weights(source, family), False) if named else weights_of(Path(source))
    found = _backbone_part(whole)
    notes = ["its input range is not recorded: taken to be this net's, pixel / 127.5 − 1"]
    theirs = _backbone_part(whole, base_net.classifier_layers)
    if base_net.is_torchvision(theirs):
        spec: Any = model.input_spec
        found, behind = _without_last_layers(base_net, base_net.from_torchvision(theirs))
        conv, norm = base_net.first_layer
        found = fold(found, conv, norm, IMAGENET, spec)
        notes = ["ImageNet's normalisation folded into the first layer", *behind]
    found, of_channels = with_channels(found, base_net.first_layer[0], base_net)
    notes += [AVERAGED] * averaged + of_channels
    if base_net.begins_anew:
        notes.append("layers that have half of the published channels here begin anew")
    return load_fitting(
        base_net, found, source, notes, beside=base_net.begins_anew, flag="--base-net", whole=whole
    )


def weights_of(path: Path) -> tuple[Weights, bool]:
    """The state dict in a file that holds nothing but data, and whether it is an average.

    Raises FileNotFoundError, BadWeights, ValueError.
    """
    file = read(path)
    file.require_no_code()
    return weights_in(file.content, path), average_in(file.content) is not None


def _torchvision_weights(name: str, family: str | None) -> Weights:
    """Downloaded once into torch's cache, their digest checked. ``family``: of which names they have to be, if there are any."""
    from torchvision.models import get_weight

    if family is None:
        raise UserError(
            f"--base-net {name}: torchvision has no weights of this net's backbone\n"
            "  fix: name a file with --base-net FILE, or leave --base-net out to train from scratch"
        )
    if not name.startswith(f"{family}."):
        raise UserError(
            f"--base-net {name}: this net's backbone takes {family}, such as {family}.IMAGENET1K_V1"
        )
    try:
        chosen = get_weight(name)
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"--base-net {name}: torchvision has no such weights ({error})") from None
    preset = chosen.transforms()
    if any(abs(255 * ours - theirs) > 0.01 for ours, theirs in zip(preset.mean, IMAGENET.mean, strict=True)):
        raise UserError(
            f"--base-net {name}: was trained on another input range than torchvision's classifiers, and has no whole one\n"
            f"  fix: take {family}.IMAGENET1K_V1"
        )
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(chosen.url).path).name)
    try:
        return weights_of(_fetched(chosen.url, cached))[0]
    except _NOT_FETCHED as error:
        raise UserError(
            f"--base-net {name}: could not be fetched whole from {chosen.url} ({in_words(error)}).\n"
            f"Put that file at {cached} (one that is there may be damaged), or name your copy with --base-net FILE, "
            "or leave --base-net out to train from scratch."
        ) from None


def _fetched(url: str, cached: Path) -> Path:
    """``cached``, fetched where it is not there; its name tells how its SHA-256 begins. Raises what fetching raises."""
    (beginning,) = re.findall(r"-([0-9a-f]{8,})\.", cached.name)
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(cached), beginning, progress=True)
    elif not sha256_of(cached).startswith(beginning):
        raise UserError(f"{cached} has another SHA-256 than its name says: it is damaged, or another file")
    return cached


def _backbone_part(weights: Weights, beside: tuple[str, ...] = ()) -> Weights:
    """Of a detector or a classifier only the backbone, its names counted from the backbone's own layers.

    With them, as they are, names that begin with one of ``beside``.
    """
    prefixes = ("base_net.", "features.", "model.", "")
    prefix = next(each for each in prefixes if any(name.startswith(each) for name in weights))
    found = {name.removeprefix(prefix): v for name, v in weights.items() if name.startswith(prefix)}
    if not prefix:
        found = {name: v for name, v in found.items() if not name.startswith(("classifier.", "fc."))}
    return found | {name: v for name, v in weights.items() if name.startswith(beside)}


def _without_last_layers(base_net: nn.Module, weights: Weights) -> tuple[Weights, list[str]]:
    """The weights of layers that ``base_net`` has, and a sentence for people where there are more."""
    there = {name for name, _ in base_net.named_children()}
    behind = sorted({name.partition(".")[0] for name in weights} - there)
    found = {name: value for name, value in weights.items() if name.partition(".")[0] in there}
    return found, [f"layers left out, which this net does not have: {few(behind)}"] if behind else []


@dataclass(frozen=True)
class DetectorFile:
    """A detector's weights in a file, by the names of this toolkit, and what the file or its folder tells of them.

    * original: the same by the names in the file
    * classes: background first; None where they are not told, and then its heads mean nothing
    * priors: the name of the prior profile that its heads were trained with
    * form: whose weights they are; None for those of this toolkit, which records the priors
    * averaged: the weights are the average (EMA) that the checkpoint was evaluated with
    * skipped: what the file holds beside data, such as a pickled scheduler, none of which was made
    * resumable: it is a checkpoint of this toolkit
    """

    path: Path
    weights: Weights
    original: Weights
    classes: tuple[str, ...] | None
    priors: str
    form: Form | None
    averaged: bool
    skipped: tuple[str, ...] = ()
    resumable: bool = False

    @property
    def ours(self) -> bool:
        return self.form is None

    @property
    def assumed(self) -> bool:
        """Its names tell no form from a plain state dict of this toolkit, which keeps pytorch-ssd's names."""
        return self.form is not None and self.weights.keys() == self.original.keys()


def open_detector_file(path: Path | str) -> DetectorFile:
    """A plain state dict or a checkpoint, of this toolkit or published. Raises FileNotFoundError, BadWeights, ValueError."""
    path = Path(path)
    file = read(path)
    file.require_no_code()
    original = weights_in(file.content, path)
    content = file.content if isinstance(file.content, Mapping) else {}
    recorded = content.get("args")
    told = recorded.get("priors") if isinstance(recorded, Mapping) else _told_beside(path)
    form = None if isinstance(told, str) else form_of(original) or UNKNOWN
    weights, priors = (original, str(told)) if form is None else (form.renamed(original), form.priors)
    averaged = average_in(file.content) is not None
    classes = _classes_of(content, weights, path, form)
    return DetectorFile(
        path, weights, original, classes, priors, form, averaged, file.strangers, "format" in content
    )


def _told_beside(path: Path) -> Any:
    """The priors in ``training_args.json`` beside weights that were taken out of a checkpoint of this toolkit."""
    try:
        content = read_json(path.parent / "training_args.json", max_bytes=MAX_ARGS_BYTES)
    except (OSError, RecordError):
        return None
    return content.get("priors") if isinstance(content, dict) else None


def load_detector(
    model: nn.Module,
    source: DetectorFile,
    classes: Sequence[str],
    priors: str,
    flag: str = "--pretrained-ssd",
) -> LoadReport:
    """A detector's weights into ``model``, which has ``classes`` (background first) on the profile ``priors``.

    Where the file's classes are known (its own record, or ``labels.txt`` beside it) and its heads were trained on the
    same prior boxes, the heads are kept and in them the rows of every class of the same name; else heads are initialised anew:
    offsets from other boxes, or scores of unknown classes, mean nothing. Raises ValueError.
    """
    base_net: Any = model.base_net
    weights, notes = _in_our_range(source, model)
    weights, of_channels = with_channels(weights, f"base_net.{base_net.first_layer[0]}", model)
    notes += of_channels + [AVERAGED] * source.averaged
    if source.classes is not None and source.priors == priors:
        kept = [name for name in classes if name in source.classes]
        moved = move_classes(model, weights, source.classes, classes)
        notes.insert(
            0,
            f"heads kept for {len(kept)} of {counted(len(classes), 'class')} (background included), by name",
        )
        return load_fitting(model, moved, str(source.path), notes, HEADS, flag, source.original)
    if source.classes is None:
        why = "its classes are unknown (no labels.txt beside it)"
    else:
        why = f"they were trained on the prior boxes {shortened(source.priors, 40)!r}, and this run has {shortened(priors, 40)!r}"
    notes.insert(0, f"the heads are initialised anew: {why}")
    trunk = {name: value for name, value in weights.items() if not name.startswith(HEADS)}
    report = load_fitting(model, trunk, str(source.path), notes, HEADS, flag, source.original)
    return replace(report, missing=tuple(name for name in report.missing if not name.startswith(HEADS)))


def _in_our_range(source: DetectorFile, model: nn.Module) -> tuple[Weights, list[str]]:
    """The weights of a published form for the input that every net here takes, and a sentence about it."""
    if source.form is None:
        return source.weights, []
    model_: Any = model
    conv, norm = model_.base_net.first_layer
    theirs = source.form.normalisation
    names = (f"base_net.{conv}", None if norm is None else f"base_net.{norm}")
    folded = fold(source.weights, *names, theirs, model_.input_spec, model_.variant.zero)
    words = f"taken to be {theirs.words}" if source.assumed else theirs.words
    return folded, [f"its input, {words}, folded into the first layer: the net takes {DEPLOYED.words}"]


def _classes_of(
    content: Mapping[Any, Any], weights: Mapping[str, Tensor], path: Path, form: Form | None
) -> tuple[str, ...] | None:
    """The names of the file's classes where they are recorded, in ``labels.txt`` beside it, or those of its form.

    As many as its heads speak of; else None.
    """
    recorded, labels = content.get("classes"), path.parent / LABELS_NAME
    if isinstance(recorded, (list, tuple)) and recorded:
        return class_names.recorded(list(map(str, recorded)), weights)
    columns = class_names.columns_of(weights)
    beside = class_names.fitting(class_names.read(labels), columns) if labels.is_file() else None
    if beside is None and form is not None and form.by_id:
        return class_names.fitting(class_names.coco_by_id(), columns)
    return beside


def move_classes(
    model: nn.Module, weights: Weights, old_classes: Sequence[str], new_classes: Sequence[str]
) -> Weights:
    """The weights with the last layers of the classification heads (A·C, …) rearranged for ``new_classes``.

    Rows of classes with the same name are the file's, those of new classes the model's first weights. Heads that score
    by sigmoids have no row for background.
    """
    variant: Any = model.variant
    old_classes, new_classes = old_classes[variant.first_class :], new_classes[variant.first_class :]
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
    return [
        f"classification_headers.{name}.{kind}" for name in heads.last_layers for kind in ("weight", "bias")
    ]
