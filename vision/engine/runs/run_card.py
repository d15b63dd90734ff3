"""What TensorBoard shows of a run beside its curves: the arguments and the net as text, hparams, and which curves share a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vision.engine.options.config import TrainConfig, as_yaml
from vision.engine.options.option import MODEL, OPTIMISATION, options_of
from vision.engine.runs.metric_logger import CHARTS
from vision.ssd.model import Detector
from vision.ssd.priors.written import called

RESULTS = ("mAP/AP", "mAP/AP50", "loss_by_epoch/validation_total")
"""The columns of hparams; TensorBoard takes their last values, and so the final AP."""
ALSO = ("augment", "seed")


def card(config: TrainConfig, model: Detector, classes: Sequence[str], fresh: bool) -> Iterator[Any]:
    """``Summary`` objects of a session: its arguments, and where it is the first of its run all the rest."""
    from torch.utils.tensorboard import summary

    yield summary.text("run/configuration", _verbatim(as_yaml(config)))
    if not fresh:
        return
    yield summary.text("run/net", _verbatim(net_text(config, model, classes)))
    yield summary.custom_scalars(CHARTS)
    yield from summary.hparams(hparams(config), dict.fromkeys(RESULTS, 0.0))


def hparams(config: TrainConfig) -> dict[str, str | float | bool]:
    """What decides how a net learns; what is no number or switch as text."""
    found = {}
    for name, option in options_of(TrainConfig).items():
        if option.group in (MODEL, OPTIMISATION) or name in ALSO:
            value = getattr(config, name)
            found[name] = value if isinstance(value, (bool, int, float)) else str(value)
    return found


def net_text(config: TrainConfig, model: Detector, classes: Sequence[str]) -> str:
    """Name, input, parameters by part, priors, classes."""
    lines = [
        f"net:        {config.net}, input {model.input_spec}",
        f"priors:     {len(model.priors_cxcywh):,} ({called(config.priors)})",
        f"classes:    {len(classes) - 1}: {', '.join(classes[1:])}",
        f"parameters: {sum(p.numel() for p in model.parameters()):,}, of them",
    ]
    for name, part in model.named_children():
        count = sum(p.numel() for p in part.parameters())
        trained = sum(p.numel() for p in part.parameters() if p.requires_grad)
        lines.append(f"  {name:<24} {count:>12,}{'' if trained == count else f', {trained:,} trained'}")
    return "\n".join(lines) + "\n"


def _verbatim(text: str) -> str:
    """As Markdown that shows it as it is."""
    return "".join(f"    {line}\n" for line in text.splitlines())
