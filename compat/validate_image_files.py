"""kaboom-labs' validate_image_files.py: every image decoded strictly; none is changed or moved."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard, leave

    guard()

from collections.abc import Sequence

from compat.old_options import asked, start
from vision.artefacts.data_layout import is_data_root


def main(argv: Sequence[str] | None = None) -> int:
    old = asked("validate_image_files", "python -m pipeline.validate_images", argv)
    workers = ["--workers", old.num_workers] if old.num_workers else []
    if is_data_root(old.path.parent):  # all splits of the root, and the other stages read the verdicts
        return start("pipeline.validate_images", "--root", old.path.parent, *workers)
    report = old.path.with_name(f"{old.path.name}-verdicts.jsonl")
    return start("pipeline.validate_images", "--images", old.path, "--report", report, *workers)


if __name__ == "__main__":
    leave(main())
