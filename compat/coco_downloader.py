"""kaboom-labs' coco_downloader.py: COCO on the disk, each byte proven."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence

from compat.old_options import asked, start


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("coco_downloader", "python -m pipeline run --until extract", argv)
    first = ["--from", "extract"] if old.no_download else []
    files = ["--parallel", old.num_workers] if old.num_workers and not old.no_download else []
    return start("pipeline run", "--root", old.path, *first, "--until", "extract", *files)


if __name__ == "__main__":
    leave(main())
