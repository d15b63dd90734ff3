#!/usr/bin/env python3
"""The images of the documentation, out of the run of the demo: ``python docs/make_pictures.py [RUN]`` after ``./setup_coco.sh --demo``.

Each is made as small as it has to be to stay below 150 kB: less quality first, then fewer pixels. Only rendered images are shown, whose
licence is this repository's.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).resolve().parent / "images"
MOST_BYTES, WIDEST_PX = 150_000, 1200
PANELS = ("training_batch", "matching", "predictions")


def small(image: Image.Image) -> bytes:
    """A JPEG below ``MOST_BYTES``, the best that there is room for."""
    width = min(WIDEST_PX, image.width)
    while True:
        resized = image.convert("RGB").resize(
            (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
        )
        for quality in (92, 85, 75):
            encoded = io.BytesIO()
            resized.save(encoded, "JPEG", quality=quality, subsampling=0, optimize=True)
            if len(encoded.getvalue()) < MOST_BYTES:
                return encoded.getvalue()
        width = width * 9 // 10


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="docs/make_pictures.py", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument(
        "run", nargs="?", type=Path, default=Path("models/demo"), help="run folder (%(default)s)"
    )
    run = parser.parse_args(argv).run
    missing = [name for name in PANELS if not (run / "report" / f"{name}.png").is_file()]
    if missing:
        parser.error(
            f"{run / 'report'} has no {missing[0]}.png: run ./setup_coco.sh --demo, or name a run with panels"
        )
    FOLDER.mkdir(exist_ok=True)
    for name in PANELS:
        with Image.open(run / "report" / f"{name}.png") as image:
            data = small(image)
        (FOLDER / f"{name}.jpg").write_bytes(data)
        print(f"{FOLDER / name}.jpg  {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
