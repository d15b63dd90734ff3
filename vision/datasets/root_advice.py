"""Which command of the stages helps with a data root, by what is in it: the stages meet the trainer on disk only."""

from __future__ import annotations

from pathlib import Path

from vision.artefacts.data_layout import (
    CHOICES,
    DEFAULT_ROOT,
    STATE,
    claim_name,
    image_folder,
    import_wanted,
    original_path,
    receipt_name,
    root_meant,
)
from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import command, quoted

SPLITS = ("train", "val")


def root_wanted(root: Path) -> str:
    """For a data root that is not there: 20 GB are fetched only into the folder that every command takes for COCO."""
    if meant := root_meant(root):
        return f"name the data folder that is there: {quoted(meant)}"
    if root.name == DEFAULT_ROOT:
        return f"{command('./setup_coco.sh', '--root', root)}, or name another one"
    return f"check the path; what a data folder of that name would take: {command('python -m pipeline status --root', root)}"


def arrays_wanted(root: Path, split: str) -> str:
    """How the arrays of ``split`` come to be: out of COCO, or out of images and annotations of the user's own."""
    own = own_splits(root)
    if own and split not in own:
        return f"put {_sources(root, split)} there, then: {_run(root, '--from', 'validate_images')}"
    if own:
        lacks = [] if set(own) == set(SPLITS) else ["--splits", ",".join(own)]
        return _run(root, "--from", "validate_images", *lacks)
    splits = ",".join(_with(root, split))
    if (root / STATE).is_dir():
        return _run(root, "--splits", splits)
    if foreign := import_wanted(root):
        return f"import it, and name what that makes: {foreign}"
    if meant := root_meant(root):
        return f"name the data folder itself: {quoted(meant)}"
    return (
        f"to fetch COCO: {_run(root, '--splits', splits)}\n"
        f"       for your own: put {_sources(root, 'train')} there, the same for val, then: "
        f"{_run(root, '--from', 'validate_images')}"
    )


def image_gone(root: Path) -> str:
    """For an image that was there when the stages ran."""
    return ("bring it back, then: " if own_splits(root) else "") + _run(root)


def image_changed(root: Path) -> str:
    """For an image that is not what the stages found any more."""
    return _run(root, "--from", "validate_images", "--force")


def with_exif(root: Path, exif: str) -> str:
    """For photographs that are to be used in another frame."""
    return _run(root, "--from", "validate_images", "--exif", exif)


def own_splits(root: Path) -> tuple[str, ...]:
    """The splits whose images and annotations are there without a note of extract that it has made them."""
    notes = (root / receipt_name("extract"), root / claim_name("extract"))
    if any(note.exists() for note in notes) and not _is_noted_as_own(root):
        return ()
    return tuple(split for split in SPLITS if all(path.exists() for path in _paths(root, split)))


def _with(root: Path, split: str) -> list[str]:
    """``split`` and those that the root was made of: a run that names less would leave the others out."""
    try:
        made_of = set(read_json(root / CHOICES)["splits"])
    except (OSError, RecordError, LookupError, TypeError):
        made_of = set(SPLITS)
    return [each for each in (*SPLITS, "test") if each in made_of | {split}]


def _is_noted_as_own(root: Path) -> bool:
    try:
        return bool(read_json(root / CHOICES).get("own"))
    except (OSError, RecordError, AttributeError):
        return False


def _paths(root: Path, split: str) -> tuple[Path, Path]:
    return root / image_folder(split), root / original_path(split)


def _sources(root: Path, split: str) -> str:
    folder, annotations = _paths(root, split)
    return f"{quoted(folder)}/ and {quoted(annotations)}"


def _run(root: Path, *more: str) -> str:
    return command("python -m pipeline run", "--root", root, *more)
