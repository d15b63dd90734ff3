"""pytorch-ssd's open_images_downloader.py; python -m pipeline.open_images takes its options as they were."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

import sys
from collections.abc import Sequence

from compat.old_options import start


def main(argv: Sequence[str] | None = None) -> int:
    return start("pipeline.open_images", *(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    leave(main())
