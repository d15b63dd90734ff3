"""YOLO: a text file an image, rows ``class cx cy w h`` as fractions of the image; outlines (``class x y x y …``) become their box.

Ultralytics and Roboflow (``data.yaml``), CVAT's YOLO 1.1 (``obj.names``), darknet (labels beside the images). An image without
a label file has no object. x0 = (cx − w/2) · W, x1 = (cx + w/2) · W; the same with H.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, hull, split_of
from pipeline.formats.documents import Unreadable, lines_of, number, read_text
from pipeline.formats.image_files import images_below, is_there
from pipeline.stop import StageError
from vision.images.formats import BadImage, may_be_image
from vision.messages.advice import shown
from vision.messages.command_line import shortened
from vision.messages.system_errors import instead_of

BEYOND_PX = 1.5
"""How far a fraction below 0 or above 1 may lead out of the image: rounding. More, and they are no fractions."""
SPLITS = ("train", "val", "test")
MAX_YAML, MAX_DEPTH = 1 << 20, 32
NAME_LISTS = ("classes.txt", "obj.names", "labels.txt")


def read(source: Source) -> Foreign:
    """Raises StageError where classes or folders are not said."""
    layout = find_layout(source.path, source.images)
    unlabelled: list[str] = []

    def images() -> Iterator[ForeignImage]:
        for split, place in layout.parts:
            for entry in entries(place, layout.root):
                source.stop.check()
                yield _image(source, layout, split, entry, unlabelled)

    def notes() -> list[str]:
        if not unlabelled:
            return layout.notes
        return [
            *layout.notes,
            f"images without a label file, taken as images without objects: {len(unlabelled):,}, such as {shown(unlabelled[0])!r}",
        ]

    return Foreign(layout.names, images(), notes)


def _image(
    source: Source, layout: Layout, split: str | None, entry: Entry, unlabelled: list[str]
) -> ForeignImage:
    image = ForeignImage(entry.path, entry.name, split, None, fault=entry.fault)
    if entry.path is None:
        return image
    labels = label_file(entry.path)
    try:
        hw: tuple[int, int] | None = source.size_of(entry.path)
    except BadImage as error:
        code, _, words = error.reason.partition(": ")
        image = replace(image, fault=Problem(code, words or "no image that can be used", entry.name))
        hw = None
    try:
        rows = read_text(labels, empty=True).split("\n")
    except Unreadable as error:
        if error.reason != "missing_file":
            return replace(image, fault=Problem(error.reason, error.detail, labels.name))
        unlabelled.append(entry.name)
        rows = []
    boxes, problems = [], []
    for line, row in enumerate(rows, 1):
        where = f"{labels.name}: line {line}"
        try:
            if row.strip():
                boxes.append(_box(row, layout, hw or (1, 1), where))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, where))
    return replace(image, hw=hw, boxes=tuple(boxes), problems=tuple(problems), where=labels.name)


def _box(row: str, layout: Layout, hw: tuple[int, int], where: str) -> ForeignBox:
    words = row.split()
    class_ = number(words[0], "class")
    if not class_.is_integer() or not 0 <= class_ < len(layout.names):
        raise Unreadable(
            "class_out_of_range", f"class {shortened(shown(words[0]))}: there is 0 to {len(layout.names) - 1}"
        )
    values = [number(word, "coordinate") for word in (words[1:5] if layout.keypoints else words[1:])]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise Unreadable(
            "bad_row",
            f"values in the row: {len(words)}, expected class cx cy w h, or class and three or more points",
        )
    height, width = hw
    beyond = (BEYOND_PX / width, BEYOND_PX / height)
    if any(not -beyond[at % 2] <= value <= 1 + beyond[at % 2] for at, value in enumerate(values)):
        raise Unreadable("out_of_range", f"{shortened(row.strip())}: expected fractions of the image, 0 to 1")
    if len(values) == 4:
        cx, cy, w, h = values
        x0, y0, x1, y1 = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    else:
        x0, y0, x1, y1 = hull(zip(values[::2], values[1::2], strict=True))
    return ForeignBox(
        layout.names[int(class_)], (x0 * width, y0 * height, x1 * width, y1 * height), where=where
    )


# ---------------------------------------------------------------- where images and labels are


@dataclass(slots=True)
class Layout:
    """``parts``: (split, where its images are) in order; ``keypoints``: rows are a class, a box and points."""

    root: Path
    names: tuple[str, ...]
    parts: list[tuple[str | None, Path]]
    keypoints: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a split: the file, or the fault of the line that names it; its name below the folder of images."""

    path: Path | None
    name: str
    fault: Problem | None = None


def find_layout(path: Path, images: Path | None) -> Layout:
    """Raises StageError where it is none, or says nothing of its classes."""
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        return _with_images(_from_yaml(path), images)
    if not path.is_dir():
        raise StageError(instead_of("folder", path), "YOLO is a folder, or its data.yaml", "check the path")
    found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    named = [each for each in found if each.stem in ("data", "dataset")] or found
    if len(named) == 1:
        return _with_images(_from_yaml(named[0]), images)
    if named:
        raise StageError(
            f"{shown(path)} has several YAML files",
            ", ".join(shown(each.name) for each in named),
            "name one of these files itself",
        )
    return _with_images(_from_folders(path), images)


def _with_images(layout: Layout, images: Path | None) -> Layout:
    if images is not None:
        layout.parts = [(None, images)]
        layout.notes.append(f"images are those of {shown(images)}, as --images says")
    return layout


def _from_folders(root: Path) -> Layout:
    if len(data := sorted(root.glob("*.data"))) == 1:
        return _from_darknet(root, data[0])
    names = next((root / name for name in NAME_LISTS if (root / name).is_file()), None)
    if names is None:
        kaboom = (root / "summary.toml").is_file()
        raise StageError(
            f"there is no data.yaml in {shown(root)}",
            "summary.toml of kaboom-labs' own layout is not read"
            if kaboom
            else "nothing says what the class numbers mean",
            "write data.yaml with path, train, val and names (docs/custom-data.md shows one)",
        )
    lists = [(split, root / f"{split}.txt") for split in SPLITS if (root / f"{split}.txt").is_file()]
    folders = [
        (split, root / place)
        for split in SPLITS
        for place in (f"images/{split}", f"{split}/images")
        if (root / place).is_dir()
    ]
    parts: list[tuple[str | None, Path]] = [*(lists or folders)]
    return Layout(
        root,
        tuple(lines_of(names)),
        parts or [(None, root / "images" if (root / "images").is_dir() else root)],
    )


def _from_darknet(root: Path, path: Path) -> Layout:
    """``obj.data``: ``names = data/obj.names``, ``train = data/train.txt``, ``valid = …``, written from another folder."""
    pairs = (line.partition("=") for line in lines_of(path))
    said = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    found = {}
    for key in ("names", "train", "valid", "test"):
        places = _candidates(said[key], path, root) if key in said else ()
        found[key] = next((place for place in places if is_there(place)), None)
        if found[key] is None and (key in said or key == "names"):
            raise StageError(
                f"{shown(path)}: {key} = {shown(said.get(key, ''))}: there is no such file",
                f"it is looked for from {shown(root)}, by the end of its path, too",
                "put the file there, or correct the line",
            )
    names, parts = found.pop("names"), [(split_of(key), place) for key, place in found.items() if place]
    assert names is not None
    return Layout(root, tuple(lines_of(names)), parts or [(None, root)])


def _from_yaml(path: Path) -> Layout:
    try:
        text = read_text(path, most=MAX_YAML)
    except Unreadable as error:
        raise _bad_yaml(path, error.detail) from None
    opened = accumulate((letter in "[{") - (letter in "]}") for letter in text if letter in "[]{}")
    if max(opened, default=0) > MAX_DEPTH:  # the parser would take minutes
        raise _bad_yaml(path, f"nested deeper than {MAX_DEPTH}")
    import yaml  # --help does not wait for it

    try:
        value = yaml.load(text, Loader=yaml.BaseLoader)  # every scalar stays a text: `no` is a name
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _bad_yaml(path, " ".join(str(error).split())) from None
    if not isinstance(value, dict):
        raise _bad_yaml(path, "expected keys and values on top")
    layout = Layout(path.parent, _names(path, value), [], "kpt_shape" in value)
    base = _base(path, value.get("path"), layout.notes)
    for key in ("train", "val", "valid", "validation", "test"):
        split = "val" if key.startswith("val") else key
        values = value.get(key) or []
        for text in values if isinstance(values, list) else [values]:
            if not isinstance(text, str) or "\0" in text:
                raise _bad_yaml(path, f"{key}: expected a path or a list of them")
            layout.parts.append((split, _place(text, base, path.parent)))
    if not layout.parts:
        raise _bad_yaml(path, "it has neither train nor val")
    return layout


def _bad_yaml(path: Path, why: str) -> StageError:
    return StageError(
        f"{shown(path)} cannot be used",
        shortened(why, 200),
        "write it with path, train, val and names (docs/custom-data.md shows one)",
    )


def _names(path: Path, value: dict[str, Any]) -> tuple[str, ...]:
    """A list, or a map from number to name without gaps."""
    names = value.get("names")
    if isinstance(names, dict):
        numbers = {
            int(key): name
            for key, name in names.items()
            if isinstance(key, str) and key.isdecimal() and len(key) < 7
        }
        if len(numbers) != len(names) or sorted(numbers) != list(range(len(numbers))):
            raise _bad_yaml(path, "names: expected the numbers 0, 1, 2 … without gaps")
        names = [numbers[number] for number in sorted(numbers)]
    if isinstance(names, str) and names.strip().startswith("["):
        names = [each.strip(" '\"") for each in names.strip(" []").split(",")]
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) and name.strip() for name in names)
    ):
        raise _bad_yaml(path, "names: expected a list of names, or a map from number to name")
    stated = value.get("nc")
    if isinstance(stated, str) and stated.strip() != str(len(names)):
        raise _bad_yaml(path, f"nc is {shortened(stated)} and names has {len(names)}")
    return tuple(names)


def _base(path: Path, stated: object, notes: list[str]) -> Path:
    """What ``path:`` means: absolute, or from the YAML file or the current folder; the YAML file's folder where it is not there."""
    if not isinstance(stated, str) or not stated.strip():
        return path.parent
    for base in (path.parent / stated, Path(stated)):
        if is_there(base, Path.is_dir):
            return base
    notes.append(f"path: {shown(stated)} of {shown(path.name)} is not here; {shown(path.parent)} is taken")
    return path.parent


def _place(text: str, base: Path, beside: Path) -> Path:
    """A folder of images or a list; what is not there (``../train/images`` of Roboflow) is looked for by its end."""
    for start in (base, beside):
        if is_there(start / text):
            return start / text
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for first in range(len(parts)):
        for start in (base, beside):
            if is_there(start / Path(*parts[first:])):
                return start / Path(*parts[first:])
    return base / text


def entries(place: Path, root: Path) -> Iterator[Entry]:
    """The images of a folder, by name, or of a list of paths, in its order."""
    if is_there(place, Path.is_dir):
        for path, name in images_below(place):
            yield Entry(path, name)
        return
    if not is_there(place, Path.is_file):
        raise StageError(
            instead_of("folder", place),
            "data.yaml names it as the place of images",
            "correct the path there",
        )
    for at, line in enumerate(lines_of(place), 1):
        where = f"{place.name}: line {at}"
        found = next((path for path in _candidates(line, place, root) if is_there(path, Path.is_file)), None)
        if found is None:
            yield Entry(None, line, Problem("missing_image", f"{shown(shortened(line))!r} is no file", where))
        elif not may_be_image(found.name):
            yield Entry(
                None,
                line,
                Problem(
                    "not_an_image", f"{shown(shortened(line))!r} does not have the name of an image", where
                ),
            )
        else:
            yield Entry(found, _below(found, (place.parent, root)))


def _candidates(line: str, place: Path, root: Path) -> Iterator[Path]:
    plain = Path(line.replace("\\", "/"))
    yield from (place.parent / plain, root / plain)
    parts = [part for part in plain.parts if part not in ("/", "..", "data")]
    yield from (root.joinpath(*parts[first:]) for first in range(len(parts)))


def _below(path: Path, folders: tuple[Path, ...]) -> str:
    for folder in folders:
        if path.is_relative_to(folder) and ".." not in path.relative_to(folder).parts:
            parts = path.relative_to(folder).parts
            return "/".join(parts[1:] if len(parts) > 1 and parts[0] == "images" else parts)
    return path.name


def label_file(image: Path) -> Path:
    """``labels/a.txt`` of ``images/a.jpg``, by the last folder of that name; else the text file beside the image."""
    parts = list(image.with_suffix(".txt").parts)
    last = next((at for at in range(len(parts) - 2, -1, -1) if parts[at] == "images"), None)
    if last is not None:
        parts[last] = "labels"
        if os.path.lexists(Path(*parts)):
            return Path(*parts)
    return image.with_suffix(".txt")
