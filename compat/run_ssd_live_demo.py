"""pytorch-ssd's run_ssd_live_demo.py is gone; what to use instead is said."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence

from compat.old_options import gone


def main(argv: Sequence[str] | None = None) -> int:
    return gone("run_ssd_live_demo")


if __name__ == "__main__":
    leave(main())
