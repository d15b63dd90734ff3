"""Options that do not go together are refused, those without effect are named."""

from __future__ import annotations

import pytest

from vision.engine.options.combinations import UsageError, unused
from vision.engine.options.config import build, parse


def test_options_without_effect_are_named() -> None:
    parsed = parse(["--optim-choose", "Adam", "--momentum", "0.8", "--gamma", "0.5"])
    said = unused(parsed.config, parsed.explicit)
    assert len(said) == 2 and "--momentum" in said[0] and "--gamma" in said[1]


def test_build_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(UsageError, match="--nesterov"):
        build({"nesterov": True, "momentum": 0.0})


def test_the_input_size_is_the_nets_own_unless_told() -> None:
    assert build({}).resolution == (300,)
    assert build({"net": "yolo-v3-darknet53"}).resolution == (416,)
    assert build({"net": "yolo-v3-darknet53", "resolution": (96, 64)}).resolution == (96, 64)


def test_arguments_of_before_there_were_heads_are_read() -> None:
    """A run's record without the option means the net's own heads, whatever they are."""
    assert build({"net": "mb2-ssd-lite", "mb2_width_mult": 0.5}).heads is None
