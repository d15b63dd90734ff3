"""Letters on images. The font comes with Pillow, so that ASCII looks the same on every machine.

It has no other letters: a name that needs them is written in the first of the system's fonts that has them all, and without its
accents, or with question marks, where none does.
"""

from __future__ import annotations

import functools
import unicodedata

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SMALLEST_PX = 11
SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "unifont.ttf",
)
NO_LETTER = "\uffff"
"""A character that no font has: what is drawn for it stands for all that a font lacks."""


def text_px(width: int, height: int) -> int:
    """Size of letters in px for an image of that size: legible where it is shown at its own size or fitted to a window."""
    return max(SMALLEST_PX, round(max(width, height) / 50))


def font_for(text: str, size_px: int) -> tuple[str, Font]:
    """(what can be written of ``text``, the font to write it in)."""
    own = _own_font(size_px)
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    if text.isascii():
        return text, own
    for name in SYSTEM_FONTS:
        font = _system_font(name, size_px)
        if font is not None and not any(_lacks(name, letter) for letter in set(text)):
            return text, font
    plain = unicodedata.normalize("NFKD", text.replace("×", "x").replace("…", "...").replace("–", "-"))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii"), own


@functools.lru_cache(maxsize=16)
def _own_font(size_px: int) -> Font:
    return ImageFont.load_default(size_px)


@functools.lru_cache(maxsize=64)
def _system_font(name: str, size_px: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size_px)
    except OSError:
        return None


@functools.lru_cache(maxsize=4096)
def _lacks(name: str, letter: str) -> bool:
    font = _system_font(name, 20)
    assert font is not None
    return not letter.isspace() and bytes(font.getmask(letter)) == bytes(font.getmask(NO_LETTER))


class Line:
    """One line of text in its font, at most ``most_px`` wide: what does not fit becomes ``...``."""

    def __init__(self, text: str, size_px: int, most_px: float = float("inf")) -> None:
        self.text, self.font = font_for(text, size_px)
        self.height = round(size_px * 1.25)
        letters = self.text
        while letters and self._length() > most_px:
            letters = letters[:-1]
            self.text = letters.rstrip() + "..."
        self.width = round(self._length()) + 1

    def _length(self) -> float:
        return self.font.getlength(self.text)

    def draw(self, pen: ImageDraw.ImageDraw, x: float, y: float, ink: tuple[int, int, int]) -> None:
        """With its upper left corner at (x, y); all lines of a size stand on one base line."""
        pen.text((x, y + self.height * 0.8), self.text, ink, self.font, anchor="ls")


def wrapped(text: str, size_px: int, width_px: float, most: int) -> list[Line]:
    """``text`` in at most ``most`` lines of ``width_px``, broken between words; the last is shortened."""
    lines: list[Line] = []
    words = text.split()
    while words and len(lines) < most:
        count = len(words)
        if len(lines) < most - 1:
            while count > 1 and Line(" ".join(words[:count]), size_px).width > width_px:
                count -= 1
        lines.append(Line(" ".join(words[:count]), size_px, width_px))
        words = words[count:]
    return lines


def canvas(width: int, height: int, colour: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty image and a pen for it."""
    image = Image.new("RGB", (max(1, width), max(1, height)), colour)
    return image, ImageDraw.Draw(image)
