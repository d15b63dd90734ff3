"""One colour for a class, everywhere. Label 0 (background) is grey; labels above 80 start over with the first.

The first seven are Okabe and Ito's (jfly.uni-koeln.de/color). Each further one is the colour of a 16-level sRGB cube, neither
dark, pale nor grey, that is farthest (CIELAB) from all before it, and two and a half times as far from the one just before it,
to the eye that is nearest to confusing them: ordinary, protan, deutan or tritan as Machado et al. 2009 model them.
"""

from __future__ import annotations

RGB = tuple[int, int, int]

BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (150, 150, 150)
GREEN, BLUE, RED, AMBER = (0, 158, 115), (0, 114, 178), (214, 39, 40), (230, 159, 0)
"""Taken, ignored, missed, forced: marks of panels; with words beside them, since not everybody tells them apart."""

_CLASSES = bytes.fromhex("""
    E69F00 56B4E9 009E73 F0E442 0072B2 D55E00 CC79A7 4411FF 00FF99 AA55FF
    DD0044 99EEEE 774466 88BB55 990088 336633 AA88FF EEAAAA 6633BB AAFF77
    665500 DD11BB 66BB77 8800DD 66DDFF CC6633 BBEEBB CC1188 AA6655 BBCC55
    DDAACC AA55DD FFCC88 FF66DD 884455 EE8833 BB1111 88FFDD 1155FF 886699
    BB8855 EE7799 BBFF00 1188BB DDCC44 EE4477 AA22DD 77DD77 559988 005599
    00CCCC 994433 DD8844 88AAFF 007766 9911FF BB66DD FF9988 BB66FF 77DDBB
    118855 AA88BB EEAA66 6655DD AACC99 CCBBEE CCCC00 CC1177 EEEEAA FF88BB
    FF3333 990099 DD7700 885522 11AAAA BBBB22 77EEFF CCEE55 FFBBDD BB5500
""")


def colour(label: int) -> RGB:
    """(red, green, blue) of a class, 0–255."""
    if label <= 0:
        return GREY
    first = (label - 1) * 3 % len(_CLASSES)
    red, green, blue = _CLASSES[first : first + 3]
    return red, green, blue


def hex_colour(label: int) -> str:
    """``#rrggbb`` of a class, for HTML and SVG."""
    return "#{:02x}{:02x}{:02x}".format(*colour(label))


def ink_on(ground: RGB) -> RGB:
    """Black or white, whichever has more contrast on ``ground`` (WCAG 2: at least 4.5 to 1)."""
    shares = [value / 255 for value in ground]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else WHITE
