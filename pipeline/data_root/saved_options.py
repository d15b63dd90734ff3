"""What was chosen for a root the last time: so that ``status`` and a later ``run`` need not be told again.

Everything is here that says what the root is. A choice holds until another is named; each has a word for the way
back: ``--release coco``, ``--classes all``, ``--min-area none``, ``--max-area none``, ``--mirror default``, ``--exif stored``, ``--no-thorough``,
``--keep-archives``, ``--format none``; of ``pipeline.pack`` ``--splits all``.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.data_root import receipts
from pipeline.release import COCO_2017, read_release
from pipeline.stage import Choices, NoSuchChoice, Settings, StageError
from vision.artefacts.data_layout import CHOICES
from vision.artefacts.files import publish_json
from vision.artefacts.records import RecordError, from_plain, read_json, to_plain
from vision.images.formats import EXIF_CHOICES
from vision.images.packs.record import DEFAULT_FORMAT
from vision.messages.addresses import redacted
from vision.messages.advice import Word, command, shown
from vision.messages.command_line import comma_joined

COCO, ALL, DEFAULT, NONE = "coco", "all", "default", "none"
"""The ways back: COCO's own release, every class, the release's own server, no bound."""
AREAS, PACK = ("min_area", "max_area"), ("pack_splits", "pack_format", "pack_size")
NAMES = ("release", "splits", "mirror", "classes", *AREAS, "exif", "thorough", "keep_archives", *PACK)


def read(root: Path) -> Choices:
    """The choices noted in ``root``; COCO 2017's train and val where there are none.

    Raises:
        StageError: the file is there but damaged.
    """
    path = root / CHOICES
    try:
        return from_plain(Choices, read_json(path), str(path))
    except FileNotFoundError:
        return Choices()
    except RecordError as error:
        raise StageError(f"{path} is damaged", str(error), _say_all_of_it(root)) from error


def write(settings: Settings) -> None:
    """Notes the choices of a run, when they are others than those noted."""
    chosen = without_secrets(settings.choices)
    try:
        noted = (settings.root / CHOICES).exists() and read(settings.root) == chosen
    except StageError:  # damaged, and everything that it held has been named
        noted = False
    if not noted:
        publish_json(settings.root / CHOICES, to_plain(chosen))


@contextmanager
def noted_while(settings: Settings) -> Iterator[None]:
    """Notes the choices of a run before it begins; classes and areas that turn out not to be there are those of before again."""
    try:
        before = read(settings.root)
    except StageError:
        before = Choices()
    write(settings)
    try:
        yield
    except NoSuchChoice:
        again = {name: getattr(before, name) for name in ("classes", *AREAS)}
        publish_json(settings.root / CHOICES, to_plain(replace(without_secrets(settings.choices), **again)))
        raise


def without_secrets(choices: Choices) -> Choices:
    """As they are stored: a mirror's login and query are for one run (``logins.py`` says where they belong)."""
    return replace(choices, mirror=tuple(map(redacted, choices.mirror)))


def chosen(arguments: Namespace) -> Choices:
    """What the command line names, and for the rest what ``arguments.root`` was made with.

    Raises:
        StageError: a table cannot be read, or what is not named cannot be known.
    """
    named = {name: value for name in NAMES if (value := getattr(arguments, name, None)) not in (None, [])}
    remembered = _remembered(arguments.root, named)
    if "release" in named:
        remembered = replace(remembered, own=False)
        named["release"] = COCO_2017 if named["release"] == COCO else read_release(named["release"])
        if named["release"] != remembered.release:  # a mirror holds one release
            remembered = replace(remembered, mirror=())
    if "mirror" in named:
        named["mirror"] = tuple(url for url in named["mirror"] if url != DEFAULT)
    named |= {name: named[name] or None for name in ("classes", "pack_splits") if name in named}
    named |= {name: None for name in (*AREAS, "pack_format") if named.get(name) == NONE}
    if "pack_format" in named:  # a size is that of its format
        named = {"pack_size": None} | named
    elif "pack_size" in named and remembered.pack_format is None:
        named["pack_format"] = DEFAULT_FORMAT
    try:
        found = replace(remembered, **named)
    except ValueError as error:
        why = "what is not named now is what was named last for this root"
        raise StageError(str(error), why, f"name both: --min-area PX2 --max-area PX2, or {NONE}") from None
    if hasattr(arguments, "pack_splits"):
        _require_packable(arguments, found)
    return found


def _require_packable(arguments: Namespace, found: Choices) -> None:
    """Of ``pipeline.pack``: the root has every split that is named, and some that was, where none is."""
    absent = [split for split in arguments.pack_splits or () if split not in found.splits]
    if found.packed_splits and not absent:
        return
    there = Namespace(**vars(arguments) | {"pack_splits": found.packed_splits or found.splits})
    raise StageError(
        f"{shown(arguments.root)} has no split {' and '.join(absent or found.pack_splits or ())} that could be packed",
        f"its splits are {' and '.join(found.splits)}, and packs are made of those",
        f"pack what is there: {command('python -m pipeline.pack')} {spelled(there)}",
    )


def _remembered(root: Path, named: dict[str, Any]) -> Choices:
    try:
        noted = read(root)
    except StageError:
        if (
            set(NAMES) - set(named) - {"keep_archives", *PACK}
        ):  # status lacks the one, no pack is made unasked
            raise
        return Choices()
    if "release" not in named and not (root / CHOICES).exists() and not _may_be_coco(root):
        raise StageError(
            f"{root} was made from another release than COCO's",
            f"so says the receipt of download, and there is no {root / CHOICES} that would hold its table",
            _say_all_of_it(root),
        )
    return noted


def _may_be_coco(root: Path) -> bool:
    """False where the receipt of download lists files that COCO does not have."""
    try:
        receipt = receipts.read(root, "download")
    except RecordError:
        return True
    files = receipt.params.get("files") if receipt else None
    coco = {file.path: file.sha256 for file in COCO_2017.files}
    return not isinstance(files, dict) or files.items() <= coco.items()


def _say_all_of_it(root: Path) -> str:
    table, where = (COCO, "") if _may_be_coco(root) else ("FILE", " (FILE is the table of its release)")
    every = ("--splits", "train,val", "--mirror", DEFAULT, "--classes", ALL, "--exif", EXIF_CHOICES[0])
    last = ("--min-area", NONE, "--max-area", NONE, "--no-thorough", "--keep-archives")
    line = command("python -m pipeline run", "--root", root, "--release", table, *every, *last)
    return f"say all of it once, with what was chosen in the place of these{where}: {line}"


def class_words(names: tuple[str, ...]) -> str:
    """What ``--classes`` reads as ``names``; as every class where there are none."""
    return f'"{ALL}"' if names == (ALL,) else comma_joined(names) or ALL


def spelled(arguments: Namespace) -> str:
    """``--root`` and the choices that ``arguments`` name, for a command that is printed; ``pack_splits`` are ``--splits`` of ``pipeline.pack``."""
    words: list[Word] = ["--root", arguments.root]
    for name in ("release", "splits", "mirror", "classes", *AREAS, "exif", *PACK):
        value = getattr(arguments, name, None)
        if isinstance(value, tuple):
            value = class_words(value)
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            word = Path(each) if name == "release" else redacted(each) if name == "mirror" else str(each)
            word = f"./{word}" if word == Path(COCO) and each != COCO else word
            words += [f"--{name.removeprefix('pack_').replace('_', '-')}", word]
    for name in ("thorough", "keep_archives"):
        value = getattr(arguments, name, None)
        if value is not None:
            words.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
    return command("", *words).strip()
