"""Whose the files under the names of a stage's outputs are: ours where a receipt or a claim says so, else the owner's.

What is the owner's is never replaced: the run is refused before any work begins, such as a fetch of gigabytes. What is
ours by name but not as its receipt has it may be damage, or the owner's edit: it is made again, and the old content is
kept beside it under another name, unless both are the same in the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.data_root import claims, receipts
from pipeline.data_root.claims import Aside
from pipeline.data_root.fingerprints import Fingerprints
from pipeline.data_root.receipts import Recorded
from pipeline.runner.owners_files import ASIDE, free_name
from pipeline.stage import Settings, Stage
from vision.artefacts.data_layout import STAGING
from vision.artefacts.files import fsync_folder, remove_entry
from vision.artefacts.records import RecordError
from vision.artefacts.targets import require_file_place, require_folder_place
from vision.messages.advice import command


def claimed(stage: Stage, settings: Settings) -> frozenset[str]:
    """The outputs of ``stage`` that it has made, or has begun to make, as its notes in the root say.

    A note that is there and cannot be read, and half-done work of a version that made no claims, speak for all of them.
    """
    everything = frozenset(stage.outputs(settings))
    try:
        receipt, claim = receipts.read(settings.root, stage.name), claims.read(settings.root, stage.name)
    except (RecordError, OSError):
        return everything
    if claim is None and receipt is None:
        return everything if (settings.root / STAGING / stage.name).is_dir() else frozenset()
    return everything & {*(receipt.made if receipt else ()), *(claim.outputs if claim else ())}


def unclaimed(stage: Stage, settings: Settings) -> list[str]:
    """Outputs of ``stage`` under whose names something is that is not known to be ours; an empty folder is nothing."""
    ours = claimed(stage, settings)
    paths = [path for path in stage.outputs(settings) if path not in ours]
    return [path for path in paths if _is_something(settings.root / path)]


def _is_something(path: Path) -> bool:
    if path.is_dir():
        return next(os.scandir(path), None) is not None
    return os.path.lexists(path)


def require_places(stage: Stage, settings: Settings) -> None:
    """Before the work: what stands under the name of an output, ours by name, can be replaced when it is done.

    Of outputs that the stage proves piece by piece (also behind a link) only devices, pipes and sockets are refused here.
    Raises NotReplaced.
    """
    recorded, proved = _recorded(stage, settings), frozenset(stage.proves(settings))
    for path in stage.outputs(settings):
        place = settings.root / path
        kind = recorded[path].kind if path in recorded else "file" if Path(path).suffix else ""
        if (path in proved or not kind) and (place.is_file() or place.is_dir() or place.is_symlink()):
            continue
        moved = command("mv", place, settings.root / free_name(settings.root, path))
        require = require_folder_place if kind == "tree" else require_file_place
        require(place, f"move it elsewhere and run the same command again: {moved}")


def _recorded(stage: Stage, settings: Settings) -> dict[str, Recorded]:
    """What ``stage`` has made, as its receipt has it; nothing where there is none that can be read."""
    try:
        receipt = receipts.read(settings.root, stage.name)
    except RecordError:
        return {}
    return receipt.made if receipt else {}


def put_aside(stage: Stage, settings: Settings, observer: Fingerprints) -> dict[str, Aside]:
    """Gives a second name to each output that is not as the receipt of ``stage`` has it; what is aside, by path.

    What a run that was killed has put aside counts, too. Outputs that the stage proves piece by piece are its own
    affair. The claim says first what is about to happen.
    """
    root = settings.root
    aside = _pending(stage, settings)
    fresh: dict[str, Aside] = {}
    for path, digest in _not_as_recorded(stage, settings, observer):
        held = {
            each.sha256 for name, each in aside.items() if each.of == path and os.path.lexists(root / name)
        }
        if not digest or digest not in held:
            fresh[free_name(root, path)] = Aside(path, digest)
    aside |= fresh
    claims.note(root, stage.name, stage.outputs(settings), aside)
    half = root / STAGING / stage.name / "aside"
    for name, each in fresh.items():
        half.parent.mkdir(parents=True, exist_ok=True)
        remove_entry(half)
        _second_name(root / each.of, half)
        os.replace(half, root / name)  # a folder, too, is there whole or not at all
        fsync_folder((root / name).parent)
    return aside


def _pending(stage: Stage, settings: Settings) -> dict[str, Aside]:
    try:
        claim = claims.read(settings.root, stage.name)
    except RecordError:
        return {}
    return {name: each for name, each in (claim.aside if claim else {}).items() if ASIDE in name}


def _not_as_recorded(stage: Stage, settings: Settings, observer: Fingerprints) -> Iterator[tuple[str, str]]:
    """Path and digest (empty for a link) of each output that is there and is not what the receipt says."""
    recorded = _recorded(stage, settings)
    proved = frozenset(stage.proves(settings))
    for path in stage.outputs(settings):
        if path in proved:
            continue
        now = observer.read(path, recorded.get(path))
        if (settings.root / path).is_symlink():
            yield path, ""
        elif now is None or (now.kind == "tree" and not now.files):
            continue
        elif path not in recorded or (now.kind, now.sha256) != (recorded[path].kind, recorded[path].sha256):
            yield path, now.sha256


def _second_name(path: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no second names."""
    if path.is_dir() and not path.is_symlink():
        target.mkdir()
        for entry in path.iterdir():
            _second_name(entry, target / entry.name)
    else:
        _link(path, target)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(path, target, follow_symlinks=False)


def settle(
    root: Path, aside: dict[str, Aside], outputs: dict[str, Recorded], say: Callable[[str], None]
) -> None:
    """After the receipt: what is the same as what the stage has made goes, the rest stays and is named."""
    for name, each in aside.items():
        path, now = root / name, outputs.get(each.of)
        if not os.path.lexists(path):
            continue
        if each.sha256 and now is not None and now.sha256 == each.sha256:
            remove_entry(path)
        else:
            say(f"{each.of} differed from its receipt and was made again; the old content is kept: {path}")


def withdraw(root: Path, aside: dict[str, Aside]) -> None:
    """After a failure: what still has its own name needs no second one. A kill leaves it to the next run."""
    for name, each in aside.items():
        with suppress(OSError):
            if _is_same_file(root / name, root / each.of):
                remove_entry(root / name)


def _is_same_file(one: Path, other: Path) -> bool:
    if one.is_dir() and not one.is_symlink():
        return all(_is_same_file(entry, other / entry.name) for entry in one.iterdir())
    return os.path.samestat(one.lstat(), other.lstat())


def names(paths: Sequence[str], root: Path, most: int = 3) -> str:
    """``a``, ``a and b``, ``a, b, c and 4 more``, below ``root``."""
    shown = [str(root / path) for path in paths[:most]]
    if len(paths) > most:
        return f"{', '.join(shown)} and {len(paths) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
