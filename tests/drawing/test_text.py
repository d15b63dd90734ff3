"""Letters: of any script, within a width."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from vision.drawing import text
from vision.drawing.text import Line, canvas, font_for, text_px, wrapped


def test_size_follows_the_image() -> None:
    assert text_px(300, 300) == 11 and text_px(640, 480) == 13 and text_px(4000, 3000) == 80


@pytest.mark.parametrize("name", ["traffic light", "café", "кошка", "自行车", "a\nb\x1b[0m", "🐕", "\ud800"])
@pytest.mark.parametrize("fonts", [(), text.SYSTEM_FONTS])
def test_any_name_can_be_drawn(name: str, fonts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "SYSTEM_FONTS", fonts)
    image, pen = canvas(200, 40, (255, 255, 255))
    Line(name, 20, 190).draw(pen, 4, 4, (0, 0, 0))
    assert np.asarray(image).min() < 100


def test_accents_go_where_no_font_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "SYSTEM_FONTS", ("no-such-font.ttf",))
    assert font_for("Öl, café 3×4", 12)[0] == "Ol, cafe 3x4" and font_for("кот", 12)[0] == "???"


def test_a_font_is_taken_that_has_all_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aileron, which comes with Pillow, stands for a font of the system that lacks them."""
    path = ImageFont.load_default(20)
    monkeypatch.setattr(text, "_system_font", lambda name, size: path)
    monkeypatch.setattr(text, "SYSTEM_FONTS", ("aileron",))
    text._lacks.cache_clear()
    assert font_for("ж", 12)[0] == "?"
    text._lacks.cache_clear()


def test_what_does_not_fit_is_shortened_and_wrapped() -> None:
    whole = Line("a very long name of a class", 12)
    short = Line("a very long name of a class", 12, 60)
    assert short.text.startswith("a ve") and short.text.endswith("...") and short.width <= 62 < whole.width
    lines = wrapped("truncated: " + "word " * 30, 12, 120, 3)
    assert len(lines) == 3 and all(line.width <= 122 for line in lines)
    assert not lines[0].text.endswith("...") and lines[2].text.endswith("...")
    assert wrapped("", 12, 120, 3) == []
