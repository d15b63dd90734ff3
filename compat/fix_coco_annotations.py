"""kaboom-labs' fix_coco_annotations.py: ids from 1 on without gaps, in new files beside the published ones."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence

from compat.old_options import asked, start


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("fix_coco_annotations", "python -m pipeline run --from validate_images", argv)
    workers = ["--workers", old.num_workers] if old.num_workers else []
    return start("pipeline run", "--root", old.path, "--from", "validate_images", *workers)


if __name__ == "__main__":
    leave(main())
