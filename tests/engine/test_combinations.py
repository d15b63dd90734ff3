"""Options that do not go together are refused, those without effect are named."""

from __future__ import annotations

import pytest

from vision.engine.combinations import UsageError, unused
from vision.engine.config import build, parse


def test_options_without_effect_are_named() -> None:
    parsed = parse(["--optim-choose", "Adam", "--momentum", "0.8", "--gamma", "0.5"])
    said = unused(parsed.config, parsed.explicit)
    assert len(said) == 2 and "--momentum" in said[0] and "--gamma" in said[1]


def test_build_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(UsageError, match="--nesterov"):
        build({"nesterov": True, "momentum": 0.0})
