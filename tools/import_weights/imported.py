"""A file with weights against the net that it is for: everything has to be in it, and its classes have to be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vision.core.sample import InputSpec
from vision.engine.checkpoints.data_place import with_absolute_data
from vision.engine.model import build_from
from vision.engine.options.config import TrainConfig, build
from vision.messages.advice import UserError, command, shown
from vision.messages.terminal import counted
from vision.nn.weights import class_names
from vision.nn.weights.normalisation import DEPLOYED
from vision.nn.weights.pretrained import HEADS, DetectorFile, load_detector, open_detector_file
from vision.nn.weights.signatures import looks_like, net_in
from vision.nn.weights.state_dicts import COUNTER, LoadReport, few
from vision.ssd.build import assemble, without_first_weights
from vision.ssd.model import Detector
from vision.ssd.priors.written import called
from vision.ssd.variants import DEFAULT_PRIORS, Variant, find

NAMES_SHOWN = 6
PARTS = ("base_net.", "extras.", *HEADS)
"""What names in a net begin with: one that only the file has is of another net."""


@dataclass(frozen=True)
class Imported:
    """A net with the weights of ``source``, whose heads speak of ``classes`` (background first)."""

    net: str
    detector: Detector
    source: DetectorFile
    classes: list[str]
    report: LoadReport
    told_by: str

    def describe(self) -> str:
        """A line each: what was found, taken and left; the input; the classes; the priors."""
        report, form = self.report, self.source.form
        numbers = f"{len(report.missing)} missing, {len(report.unexpected)} unexpected, {len(report.misshaped)} of another shape"
        lines = [f"{shown(self.source.path)}: {_maker(self.source)}"]
        if form and not self.source.assumed and (seen := net_in(form.title)) not in (None, self.net):
            lines += [f"  --net {each}: {_words_of(each)}" for each in (self.net, str(seen))]
            lines[-1] += ", as torchvision has it"
        lines.append(f"  {counted(len(report.loaded), 'tensor')} taken, {numbers}")
        if report.unexpected:
            lines.append(f"  unexpected, left out: {few(report.unexpected, NAMES_SHOWN)}")
        if self.source.skipped:
            lines.append(f"  objects, never made nor run: {few(self.source.skipped, NAMES_SHOWN)}")
        lines += [f"  {note}" for note in report.notes]
        lines.append(f"  {counted(len(self.classes), 'class')} with background, {self.told_by}")
        lines.append(f"  prior boxes: {called(self.source.priors)}")
        return "\n".join(lines)


def open_foreign(path: Path) -> DetectorFile:
    """The file, which is not a checkpoint of this toolkit. Raises FileNotFoundError, BadWeights, UserError."""
    source = open_detector_file(path)
    if source.resumable:
        raise UserError(
            f"{shown(path)} is a checkpoint of this toolkit\n"
            "  why: it has all that training, evaluation and export need\n"
            f"  fix: use it directly: {command('python -m tools.export_onnx', path)}"
        )
    return source


def _maker(source: DetectorFile) -> str:
    ours = f"input {DEPLOYED.words}, priors {DEFAULT_PRIORS}"
    if source.form is None:
        return "of this toolkit"
    if not source.assumed:
        return source.form.title
    return (
        f"taken for {source.form.title} (input {source.form.normalisation.words}, priors {called(source.priors)}); "
        f"if this toolkit made it, use its checkpoint, or --from this-toolkit ({ours})"
    )


def _words_of(net: str) -> str:
    """What differs between nets that take the same weights."""
    row = find(net)
    return f"{row.resolution[0]}×{row.resolution[1]} px, NMS at IoU {row.postprocess.iou_threshold:g} of {row.postprocess.candidates}"


def told_from(source: DetectorFile, origin: str | None) -> DetectorFile:
    """The file as ``--from`` says: this toolkit's plain state dicts have pytorch-ssd's names. Raises UserError."""
    if origin is None or source.assumed:
        ours = origin == "this-toolkit"
        return dataclasses.replace(source, form=None, priors=DEFAULT_PRIORS) if ours else source
    told = (
        f"{source.form.title} by its names" if source.form else "of this toolkit by what is recorded with it"
    )
    raise UserError(
        f"--from {origin}: {shown(source.path)} is {told}\n"
        "  why: --from is for files that do not tell their maker\n  fix: leave --from out"
    )


def with_priors(source: DetectorFile, net: str, priors: str) -> DetectorFile:
    """The file whose heads know these boxes, a profile's or fitted ones. Raises UserError where the net has no such boxes."""
    try:
        find(net).profile(priors)
    except ValueError as error:
        raise UserError(f"--priors: {error}") from None
    return dataclasses.replace(source, priors=priors)


def require_net(source: DetectorFile, net: str, again: Callable[..., str]) -> None:
    """Raises UserError where the weights are of another net, or the net has not their boxes.

    ``again`` gives the command with some of its options changed.
    """
    row, seen = find(net), net_in(looks_like(source.original))
    known, fits = _knows(row, source.priors), _has_the_names_of(source, row)
    if seen not in (None, net) and not (fits and (known or source.assumed)):
        raise UserError(
            f"--net {net}: these are weights of {seen}: {shown(source.path)}\n"
            f"  why: its names are {few(source.original, NAMES_SHOWN)}\n  fix: {again(net=seen)}"
        )
    if not known and source.assumed and (fits or seen == net):
        raise UserError(
            f"--net {net}: {shown(source.path)} is not taken for pytorch-ssd's, which has no prior boxes for this net\n"
            "  why: its names are those of this toolkit, too, and nothing recorded tells who made it\n"
            f"  fix: {again(origin='this-toolkit')}"
        )
    if not known:
        raise UserError(
            f"--net {net}: its prior boxes are {', '.join(row.priors)}, and those of {shown(source.path)} are {called(source.priors)}\n"
            f"  why: {source.form.title if source.form else 'the file'}: its heads say where objects are from these boxes\n"
            "  fix: name the net that these weights are of with --net"
        )


def _knows(row: Variant, priors: str) -> bool:
    """Whether they are boxes of the net: of a profile's name, or fitted ones, as many a cell as it has."""
    try:
        row.profile(priors)
    except ValueError:
        return False
    return True


def _has_the_names_of(source: DetectorFile, row: Variant) -> bool:
    with without_first_weights():
        own = assemble(row, 2, InputSpec(64, 64), 1.0, DEFAULT_PRIORS).state_dict()
    meant = {name for name in source.weights if name.startswith(PARTS)}
    return {name for name in own if not name.endswith(COUNTER)} == {
        name for name in meant if not name.endswith(COUNTER)
    }


def configuration(
    source: DetectorFile, net: str, resolution: tuple[int, ...], width_mult: float, run: Path
) -> TrainConfig:
    """The arguments of a run that stands where the weights were trained."""
    row = find(net)
    width, height = row.resolution
    values = {
        "net": net, "priors": source.priors, "resolution": resolution or ((width,) if width == height else row.resolution),
        "mb2_width_mult": width_mult, "ema": 0.0, "checkpoint_folder": str(run),
    }  # fmt: skip
    return with_absolute_data(build(values))


def with_classes(source: DetectorFile, labels: Path | None, again: str) -> tuple[DetectorFile, str]:
    """The file with the names of its classes, and who told them. Raises UserError where nobody does.

    ``again`` is the command without ``--labels``.
    """
    columns = class_names.columns_of(source.weights)
    if columns is None:
        raise UserError(
            f"{shown(source.path)} holds no detector's heads\n"
            f"  why: its names are {few(source.weights)}\n"
            "  fix: name the weights of a whole detector; those of a backbone are for train_ssd.py --base-net"
        )
    if labels is not None:
        names = class_names.read(labels)
        fitting = class_names.fitting(names, columns)
        if fitting is None:
            raise UserError(
                f"--labels {shown(labels)}: {counted(len(names), 'name')}, and the heads of {shown(source.path)} speak of "
                f"{counted(columns, 'class')} with background\n"
                "  why: they belong to another training, or a line is missing\n"
                "  fix: name the list of classes that these weights were trained with"
            )
        return dataclasses.replace(source, classes=fitting), f"from {shown(labels)}"
    if source.classes is None:
        coco = " (81: COCO's are in annotations/labels.txt of a data root)" if columns == 81 else ""
        raise UserError(
            f"{shown(source.path)}: which classes its heads speak of is not told, and is not guessed\n"
            f"  why: they have {counted(columns, 'class')} with background, and no labels.txt with as many is beside the file\n"
            f"  fix: {again} --labels LABELS, where LABELS is the file with their names, a line each{coco}"
        )
    return source, "told with the file"


def load_whole(source: DetectorFile, config: TrainConfig, told_by: str) -> Imported:
    """The net of ``config`` with the weights of ``source``, none of its own left. Raises UserError."""
    assert source.classes is not None
    classes = [name for name in source.classes if name != class_names.NOTHING]
    detector = build_from(config, len(classes))
    report = load_detector(detector, source, classes, config.priors, flag=f"--net {config.net}:")
    more = [name for name in report.unexpected if name.startswith(PARTS)]
    apart = [*report.missing, *report.misshaped, *more]
    if apart:
        raise UserError(
            f"{shown(source.path)} is not {config.net}: {len(report.missing)} missing, {len(more)} that it has not, "
            f"{len(report.misshaped)} of another shape\n  why: {few(apart, NAMES_SHOWN)}\n"
            "  fix: name another net with --net, or a file that is whole; train_ssd.py --pretrained-ssd takes what fits"
        )
    return Imported(config.net, detector, source, classes, report, told_by)
