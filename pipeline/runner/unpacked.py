"""Images that are on this disk unpacked (``--have DIR``): the root becomes one whose images are its owner's, and nothing is fetched.

No published digest speaks of such files: every image is decoded and compared with the names and sizes of its annotation
file, as those of any root are. So archives come first: where DIR has one of the images, it is used and its SHA-256 decides.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.data_root import on_disk
from pipeline.data_root import saved_options as choices
from pipeline.runner.own_data import sources
from pipeline.runner.ownership import claimed
from pipeline.stage import Settings, Stage
from pipeline.stop import Stop
from vision.artefacts.data_layout import STAGING
from vision.artefacts.files import fsync_folder, fsync_tree, space_errors
from vision.images.formats import may_be_image
from vision.messages.advice import shown
from vision.messages.terminal import counted


def taken_over(
    stages: Sequence[Stage], settings: Settings, say: Callable[[str], None], stop: Stop
) -> Settings:
    """``settings`` of a root whose images and annotations are those of ``settings.have``, where all splits are unpacked there.

    As they are where extract is not part of the run, the root has something already, or a split is not unpacked (said then).
    Raises Interrupted: the same again resumes; OSError.
    """
    extract = next((stage for stage in stages if stage.name == "extract"), None)
    have, staging = settings.have, settings.root / STAGING / "have"
    if have is None or extract is None or settings.choices.own or claimed(extract, settings):
        return settings
    there = [
        path for split in settings.splits for path in sources(split) if os.path.lexists(settings.root / path)
    ]
    if there and not staging.is_dir():
        return settings  # its owner's, or of a run without the option
    found = {split: on_disk.unpacked(have, split) for split in settings.splits}
    if not on_disk.all_unpacked(have, settings.splits, settings.choices.files()):
        for unused in filter(None, found.values()):
            say(
                f"{shown(unused[0])} is unpacked and not used: an archive, which a digest proves, comes first, "
                "and without one all splits have to be unpacked there, with their annotations"
            )
        return settings
    for split, pair in found.items():
        if pair is not None:
            _take(settings.root, staging, pair, sources(split), say, stop)
    own = replace(settings, choices=replace(settings.choices, own=True))
    choices.write(own)
    shutil.rmtree(staging)
    say("nothing is left to fetch: images and annotations are used as they are, and every image is decoded")
    return own


def _take(
    root: Path, staging: Path, given: tuple[Path, Path], names: tuple[str, str],
    say: Callable[[str], None], stop: Stop,
) -> None:  # fmt: skip
    """The folder of images and the annotation file ``given``, in the root as ``names``: each when all of it is there."""
    how = "here already"
    for source, name in zip(given, names, strict=True):
        if os.path.lexists(root / name):  # a link to what is not there now is its owner's, too
            continue
        staged = staging / name
        staged.parent.mkdir(parents=True, exist_ok=True)
        with space_errors(staged):
            if source.is_dir():
                how = _folder(root, source, staged, stop)
            else:
                staged.unlink(missing_ok=True)
                on_disk.placed(root, Path(os.path.realpath(source)), staged, lambda _: stop.check())
                fsync_folder(staged.parent)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, root / name)
        fsync_folder((root / name).parent)
    say(f"{names[0]}: images of {shown(given[0])} ({how}), with {shown(given[1])}")


def _folder(root: Path, source: Path, staged: Path, stop: Stop) -> str:
    """Its image files under second names, or as copies, beside what a run that was stopped has left of them; how many of each."""
    staged.mkdir(exist_ok=True)
    with os.scandir(source) as entries:
        files = sorted(entry.name for entry in entries if may_be_image(entry.name) and entry.is_file())
    for strange in {entry.name for entry in staged.iterdir()} - set(files):
        (staged / strange).unlink()
    made: dict[str, int] = {}
    for name in files:
        given, target = Path(os.path.realpath(source / name)), staged / name
        how = "an earlier run"
        if not _is_placed(given, target):
            target.unlink(missing_ok=True)
            how, _ = on_disk.placed(root, given, target, lambda _: stop.check())
            if how != "a second name":
                os.utime(target, ns=(given.stat().st_atime_ns, given.stat().st_mtime_ns))
        stop.check()
        made[how] = made.get(how, 0) + 1
    fsync_tree(staged, stop.check)
    return ", ".join(f"{counted(number, 'file')} by {how}" for how, number in made.items()) or "no image"


def _is_placed(given: Path, target: Path) -> bool:
    """The same file, or a whole copy: its time comes last."""
    try:
        one, other = given.stat(), target.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(one, other) or (one.st_size, one.st_mtime_ns) == (
        other.st_size,
        other.st_mtime_ns,
    )
