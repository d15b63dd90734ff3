"""The table that the ancestors print, line for line."""

from __future__ import annotations

import io

from pipeline.open_images.boxes import Boxes
from pipeline.open_images.statistics import table

PRINTED = """
-------------------------------------
 'train' set statistics
-------------------------------------
  Image count:  2
  Bounding box count:  4
  Bounding box distribution:
    Orange:  3/4 = 0.75 (in 2 images)
    Apple:  1/4 = 0.25 (in 1 image)

-------------------------------------
 'test' set statistics
-------------------------------------
  Image count:  0
  Bounding box count:  0
  Bounding box distribution:
    Apple:  0/0 = 0.00 (in 0 images)
    Orange:  0/0 = 0.00 (in 0 images)

-------------------------------------
 Overall statistics
-------------------------------------
  Image count:  2
  Bounding box count:  4"""


def test_the_table() -> None:
    letters = {"Apple": "a", "Orange": "o"}
    train = Boxes(io.BytesIO(), letters, {"1": "oao", "2": "o", "3": "aaaa"})
    chosen: dict[str, list[str]] = {"train": ["1", "2"], "test": []}
    assert "\n".join(table({"train": train, "test": Boxes(io.BytesIO(), letters)}, chosen)) == PRINTED
