"""A root whose images and annotations are its owner's: nothing is fetched or unpacked there, the rest is the same.

Such a root is made by hand: ``{split}2017/`` and ``annotations/instances_{split}2017.json``. The first run that begins
behind extract (``--from validate_images``) makes it one, and the choices remember that; ``--release`` names the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.data_root import claims
from pipeline.data_root.saved_options import read as remembered
from pipeline.release import COCO_2017
from pipeline.runner.ownership import claimed, names, require_places, unclaimed
from pipeline.stage import Choices, Settings, Stage, StageError
from pipeline.stop import Stop
from vision.artefacts.data_layout import SPLITS, image_folder
from vision.messages.advice import command, quoted
from vision.messages.system_errors import instead_of

SOURCES = ("download", "extract")
"""The stages that bring what the owner has brought here."""
FIRST = "validate_images"


def nothing_to_bring(settings: Settings) -> str | None:
    """Why download and extract have nothing to do; None where they have."""
    if not settings.choices.own:
        return None
    return "images and annotations of this root are its owner's: nothing is fetched or unpacked"


def own_splits(settings: Settings, extract: Stage) -> tuple[str, ...]:
    """The splits whose images and annotations are both there and are no stage's work."""
    every = replace(settings, choices=replace(settings.choices, splits=SPLITS))
    ours = claimed(extract, every)

    def is_own(split: str) -> bool:
        folder, annotations = sources(split)
        root = settings.root
        return (
            not ours & {folder, annotations} and (root / folder).is_dir() and (root / annotations).is_file()
        )

    return tuple(split for split in SPLITS if is_own(split))


def sources(split: str) -> tuple[str, str]:
    """The folder of images and the annotation file of a split, below the root."""
    from vision.artefacts.data_layout import original_path  # the JSON reader: --help does not wait for it

    return image_folder(split), original_path(split)


def to_repair(root: Path, choices: Choices) -> str:
    """What to do about a published annotation file that cannot be used: of the owner's, of a release, as it is there."""
    run = command("python -m pipeline run", "--root", root)
    if choices.own:
        return f"repair it at that place, then: {run}"
    again = f"fetch it again: {command('python -m pipeline run', '--root', root, '--from', 'download', '--force')}"
    return again if choices.release == COCO_2017 else f"{again}; if it is the same again, repair the release"


def noticed(chosen: Iterable[Stage], settings: Settings, extract: Stage) -> Settings:
    """``settings`` of a run of ``chosen``, with the note that the root is its owner's where that run says so."""
    if settings.choices.own or any(stage.name in SOURCES for stage in chosen):
        return settings
    if not set(settings.splits) <= set(own_splits(settings, extract)):
        return settings
    return replace(settings, choices=replace(settings.choices, own=True))


def require_splits(settings: Settings, extract: Stage) -> None:
    """Raises StageError for a root, or a split of an owner's root, that is not there: no stage of the run can bring it."""
    root = settings.root
    if not root.is_dir():
        raise StageError(
            instead_of("folder", root),
            "download and extract, which provide images, are not part of this run",
            f"name the folder that holds {image_folder(settings.splits[0])}/ and annotations/",
        )
    own = own_splits(settings, extract)
    absent = [path for split in settings.splits for path in sources(split) if not (root / path).exists()]
    if not absent or not own:
        return
    run = command("python -m pipeline run", "--root", root, "--from", FIRST, "--splits", ",".join(own))
    raise StageError(
        f"{names(absent, root)} {'is' if len(absent) == 1 else 'are'} missing",
        "images and annotations of this root are its owner's, and nothing is fetched in their place",
        f"put it there, or leave the split out: {run}",
    )


def way_on(settings: Settings, extract: Stage) -> list[str]:
    """What a printed ``python -m pipeline run`` needs beside its root: more where the root is its owner's."""
    own = own_splits(settings, extract)
    if settings.choices.own or not set(settings.splits) & set(own):
        return []
    usable = settings.splits if set(settings.splits) <= set(own) else own
    # what was named for a run that is refused is not remembered
    splits = [] if usable == remembered(settings.root).splits else ["--splits", ",".join(usable)]
    return ["--from", FIRST, *splits]


def require_room(stages: Sequence[Stage], settings: Settings, stop: Stop) -> None:
    """Before anything is done: nothing of the owner's has the name of an output of ``stages``.

    What is, byte for byte, what a stage would put there is taken over: it is claimed.

    Raises:
        StageError: something of the owner's does; NotReplaced: a device, pipe, socket, link or folder; Interrupted.
    """
    taken: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for stage in stages:
        if stage.not_needed(settings) is None:
            for path in unclaimed(stage, settings):
                same = stage.takes_over(settings, path, stop)
                (taken if same else found).setdefault(stage.name, []).append(path)
    if found:
        raise _refused(stages, settings, found)
    for stage in stages:
        if stage.not_needed(settings) is None:
            require_places(stage, settings)
    for name, paths in taken.items():
        claims.note(settings.root, name, paths)


def _refused(stages: Sequence[Stage], settings: Settings, found: dict[str, list[str]]) -> StageError:
    every = [path for paths in found.values() for path in paths]
    return StageError(
        f"{names(every, settings.root)} {'is' if len(every) == 1 else 'are'} not made by the pipeline",
        f"no receipt claims what is there, and {', '.join(found)} would replace it; nothing was fetched or changed",
        _fix(stages, settings, found),
    )


def _fix(stages: Sequence[Stage], settings: Settings, found: dict[str, list[str]]) -> str:
    root = settings.root
    every = [path for paths in found.values() for path in paths]
    to_release = f"move it elsewhere and run the same command again: {_moves(settings, every)}"
    extract = next((stage for stage in stages if stage.name == "extract"), None)
    use = way_on(settings, extract) if extract is not None and "extract" in found else []
    if not use:
        return to_release
    later = [path for name, paths in found.items() if name not in SOURCES for path in paths]
    run = command("python -m pipeline run", "--root", root, *use)
    as_it_is = f"{_moves(settings, later)} && {run}" if later else run
    return (
        f"to use your own images and annotations as they are: {as_it_is}\n"
        f"       to have {settings.choices.release.name} here instead, {to_release}"
    )


def _moves(settings: Settings, paths: Sequence[str]) -> str:
    return " && ".join(
        f"mv {quoted(settings.root / path)} {quoted(_beside(settings, path))}" for path in paths
    )


def _beside(settings: Settings, path: str) -> Path:
    number, target = 1, settings.root / f"{path}.mine"
    while target.exists() or target.is_symlink():
        number += 1
        target = settings.root / f"{path}.mine-{number}"
    return target
