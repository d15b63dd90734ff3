"""Every recipe in configs/ is accepted, builds its model, and says what it costs and gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = sorted((REPOSITORY / "configs").glob("*.yaml"))


def header(recipe: Path) -> str:
    """The comment lines before the first key."""
    lines = recipe.read_text(encoding="utf-8").splitlines()
    end = next((number for number, line in enumerate(lines) if line and not line.startswith("#")), len(lines))
    return "\n".join(line.lstrip("# ") for line in lines[:end])


def test_there_are_recipes() -> None:
    assert "demo.yaml" in [recipe.name for recipe in RECIPES] and len(RECIPES) >= 2


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_header_has_command_hardware_time_and_score(recipe: Path) -> None:
    text = header(recipe).lower()
    assert (
        f"--config configs/{recipe.name}" in text
        or f"--config=configs/{recipe.name}" in text
        or "--demo" in text
    )
    assert re.search(r"\b(cores?|cpu|gpu|h100|h200|a100|jetson)\b", text), "no hardware"
    assert re.search(r"\b(hours?|minutes?|min)\b", text), "no time"
    assert re.search(r"\b(map|ap|ap50)\b", text), "no expected score"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_recipe_is_accepted_and_builds_its_model(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    torch = pytest.importorskip("torch")
    from vision.engine.model import build_from
    from vision.engine.options.config import parse

    config = parse(["--config", str(recipe)]).config
    width, height = config.resolution[0], config.resolution[-1]
    detector = build_from(config, 81).eval()
    with torch.no_grad():
        logits, offsets = detector(torch.zeros(1, config.channels, height, width))
    columns = 81 if detector.variant.score_function == "softmax" else 80  # sigmoids need none for background
    assert logits.shape == (1, len(detector.priors_cxcywh), columns)
    assert offsets.shape == (1, len(detector.priors_cxcywh), 4)
