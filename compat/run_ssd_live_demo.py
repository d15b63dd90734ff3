"""pytorch-ssd's run_ssd_live_demo.py is gone; what to use instead is said."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

import sys
from collections.abc import Sequence

GONE = """error: run_ssd_live_demo.py has no successor
  why: no window is ever opened here (OpenCV without a display), and a live view belongs on the board
  fix: on the Jetson: detectnet --model=RUN/ssd-mobilenet.onnx --labels=RUN/labels.txt --input-blob=input_0 --output-cvg=scores --output-bbox=boxes csi://0
       here, the frames of a film: ffmpeg -i FILM frames/%05d.jpg && python -m tools.detect RUN frames --output found"""


def main(argv: Sequence[str] | None = None) -> int:
    print(GONE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    leave(main())
