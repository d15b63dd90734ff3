"""A small Open Images as it is published: descriptions, tables, drawn images, by their paths on a server."""

from __future__ import annotations

import io
import random
from collections import Counter
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from pipeline.open_images.release import COLUMNS, SPLITS, made_name

LABELS = {
    "/m/014j1m": "Apple",
    "/m/0cyhj_": "Orange",
    "/m/09qck": "Banana",
    "/m/0x1": "Kitchen, dining & more",
}
SIZES = {"train": 24, "validation": 6, "test": 8}
HEADER = ",".join(COLUMNS)


@dataclass
class Published:
    """``rows`` by split: values in the order of COLUMNS. ``header`` and ``end`` of lines may be changed before ``bodies``."""

    rows: dict[str, list[list[str]]]
    header: str = HEADER
    end: str = "\n"
    begin: bytes = b""
    more: dict[str, list[str]] = field(default_factory=dict)

    def bodies(self) -> dict[str, bytes]:
        found = {
            "/2018_04/class-descriptions-boxable.csv": "".join(
                f'{k},"{v}"\n' for k, v in LABELS.items()
            ).encode()
        }
        for split, rows in self.rows.items():
            lines = [self.header, *map(",".join, rows), *self.more.get(split, ())]
            table = self.begin + "".join(line + self.end for line in lines).encode()
            found[f"/2018_04/{split}/{split}-annotations-bbox.csv"] = table
            for image in {row[0] for row in rows}:
                found[f"/{split}/{image}.jpg"] = drawn(image)
        return found

    def images(self, *classes: str, depictions: bool = False) -> dict[str, Counter[str]]:
        """``split/ID`` → boxes by class, found the slow way."""
        found: dict[str, Counter[str]] = {}
        for split, rows in self.rows.items():
            for row in rows:
                name = LABELS[row[2]]
                if name in classes and (depictions or row[11] != "1"):
                    found.setdefault(f"{split}/{row[0]}", Counter())[name] += 1
        return found


def published(seed: int = 0) -> Published:
    """The same for the same seed; one in ten boxes a drawing, one in eight a group; the first ImageID is all digits."""
    draw, rows = random.Random(seed), {}
    for split in SPLITS:
        rows[split] = [
            row(f"{draw.getrandbits(64):016x}" if number else f"{SPLITS.index(split):016d}", label, draw)
            for number in range(SIZES[split])
            for label in [draw.choice(list(LABELS))]
            for _ in range(draw.randint(1, 4))
        ]
        rows[split] = _by_image(rows[split], draw)
    return Published(rows)


def _by_image(rows: list[list[str]], draw: random.Random) -> list[list[str]]:
    """Rows drawn one by one put together into images of one to four."""
    images, left = [], list(rows)
    while left:
        count = draw.randint(1, 4)
        images += [[left[0][0], *each[1:]] for each in left[:count]]
        left = left[count:]
    return images


def row(image: str, label: str, draw: random.Random) -> list[str]:
    x, y = (sorted(f"{draw.random():.6f}" for _ in range(2)) for _ in range(2))
    flags = [str(int(draw.random() < share)) for share in (0.3, 0.3, 0.12, 0.1, 0.05)]
    return [image, "xclick", label, "1", x[0], x[1], y[0], y[1], *flags]


def drawn(name: str) -> bytes:
    """A JPEG of its own for each name."""
    draw = random.Random(name)
    image = Image.new("RGB", (64, 48), tuple(draw.randrange(256) for _ in range(3)))
    ImageDraw.Draw(image).ellipse((10, 8, 50, 40), fill=tuple(draw.randrange(256) for _ in range(3)))
    data = io.BytesIO()
    image.save(data, "JPEG")
    return data.getvalue()


TABLES = [made_name(split) for split in SPLITS]
