"""Images that a command line names: files, folders, patterns; what is passed over is counted and said."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vision.images.formats import IMAGE_SUFFIXES, may_be_image
from vision.messages.advice import shown
from vision.messages.command_line import listed
from vision.messages.system_errors import did_you_mean_path, instead_of, reason
from vision.messages.terminal import counted

VIDEOS = frozenset(
    {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".h264", ".flv", ".wmv"}
)


@dataclass
class Given:
    """What was named, sorted out.

    * images: files to look at, each once, in the order of the command line, those of a folder by name
    * wrong: (as it was named, why it is not looked at)
    * absent: how many of those are not there at all
    * notes: lines for people about what was passed over
    """

    images: list[Path] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    absent: int = 0
    notes: list[str] = field(default_factory=list)


def sort_out(words: Sequence[str], made_here: Iterable[Path] = ()) -> Given:
    """The images that ``words`` name; ``made_here`` are results of an earlier run, which are no input."""
    given, ours = Given(), {source_of(path) for path in made_here}
    for word in words:
        for name in _matches(word):
            _add(given, name, ours)
    seen: set[str] = set()
    every, given.images = given.images, []
    for path in every:
        if source_of(path) not in seen:
            seen.add(source_of(path))
            given.images.append(path)
    if len(every) > len(given.images):
        given.notes.append(f"{counted(len(every) - len(given.images), 'image')} named twice: looked at once")
    return given


def source_of(path: Path) -> str:
    """Which file it is, from wherever it is named; links are files of their own."""
    return os.path.abspath(path)  # noqa: PTH100  resolve() would follow links


def _matches(word: str) -> list[str]:
    """A pattern that the shell did not expand is expanded here; one without a match stays and is named."""
    if os.path.lexists(word) or not glob.has_magic(word):
        return [word]
    return sorted(glob.glob(word)) or [word]  # noqa: PTH207  the pattern has a folder of its own


def _add(given: Given, name: str, ours: set[str]) -> None:
    path = Path(name)
    if path.is_dir():
        _add_folder(given, path, ours)
    elif why := _unfit(name, path):
        given.wrong.append((name, why))
        given.absent += not os.path.lexists(path) and "://" not in name
    else:
        given.images.append(path)


def _unfit(name: str, path: Path) -> str:
    """Why a name is not looked at, with what to do; empty where it is."""
    if "://" in name:
        return (
            "a stream or an address, not a file: on the board detectnet takes it; here, save its images first"
        )
    if path.suffix.lower() in VIDEOS:
        return "a video, not an image: take its images out first, e.g. ffmpeg -i VIDEO frames/%06d.png"
    if path.is_file():
        return ""
    if os.path.lexists(path):
        return instead_of("file", path).removeprefix(f"{shown(path)} is ")
    if glob.has_magic(name):
        return "no file matches this pattern"
    near = did_you_mean_path(path)
    return "no such file or folder" + (near and f": {near}")


def _add_folder(given: Given, folder: Path, ours: set[str]) -> None:
    """The images of ``folder``; where it has none, those of the folders in it, as imports leave them (``val2017/valid/``)."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        given.wrong.append((str(folder), f"the folder cannot be read: {reason(error)}"))
        return
    inside = [path for path in inside if source_of(path) not in ours]
    folders = [path for path in inside if path.is_dir()]
    files = [path for path in inside if not path.is_dir()]
    images = [path for path in files if may_be_image(path.name)]
    given.images += [path for path in images if path.is_file()]
    given.wrong += [(str(path), _unfit(str(path), path)) for path in images if not path.is_file()]
    passed = _passed_over([path for path in files if path not in set(images)], folders)
    if not images and (below := [path for each in folders for path in _images_in(each)]):
        given.images += [path for path in below if source_of(path) not in ours]
        looked = counted(len({path.parent for path in below}), "folder")
        given.notes.append(
            f"{shown(folder)}: no image of its own; {looked} of {len(folders)} in it looked into"
        )
    elif not images:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        given.wrong.append(
            (str(folder), f"no images in this folder ({kinds})" + (f"; {passed}" if passed else ""))
        )
    elif passed:
        given.notes.append(f"{shown(folder)}: {counted(len(images), 'image')}; {passed}")


def _images_in(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if may_be_image(path.name) and path.is_file()]
    except OSError:
        return []


def _passed_over(others: Sequence[Path], folders: Sequence[Path]) -> str:
    parts = []
    if others:
        kinds = Counter(path.suffix.lower() or "no suffix" for path in others)
        by_kind = listed([f"{number} {shown(kind)}" for kind, number in kinds.most_common()], 6)
        parts.append(f"{counted(len(others), 'file')} of other kinds ({by_kind})")
    if folders:
        names = listed([shown(path.name) for path in folders], 3)
        parts.append(f"{counted(len(folders), 'subfolder')} ({names}; name them to look into them)")
    return "passed over: " + ", ".join(parts) if parts else ""
