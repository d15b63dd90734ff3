"""Pascal VOC: ``Annotations/*.xml``, ``JPEGImages/``, ``ImageSets/Main/*.txt``, ``labels.txt`` where there is one.

Also XML files beside the images, as LabelImg leaves them and Roboflow exports them in ``train/``, ``valid/``, ``test/``.
The image is the one that is called like the XML file, else the one that its ``<filename>`` names.

Corners are 1-based whole pixels, both inclusive: xmin, ymin, xmax, ymax become x0 = xmin − 1, y0 = ymin − 1, x1 = xmax,
y1 = ymax (right and bottom exclusive), here and nowhere else. A box with xmin = xmax is one pixel wide.

Training takes ``trainval.txt``, or ``train.txt``, or CVAT's ``default.txt``; validation takes ``test.txt``. Where there is no
``test.txt`` that names an image it takes ``val.txt``, and training ``train.txt`` before ``trainval.txt``, which holds both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.formats.contract import Foreign, ForeignBox, ForeignImage, Problem, Source, split_of
from pipeline.formats.documents import Unreadable, lines_of, number, read_xml, side
from pipeline.formats.image_files import SUFFIXES, ImageFiles, files_below, is_there
from pipeline.stop import StageError
from vision.messages.advice import shown
from vision.messages.command_line import comma_list, shortened
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

XML_FOLDER = "Annotations"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
Lists = dict[str, list[str]]


def read(source: Source) -> Foreign:
    """Raises StageError where there is no ``Annotations`` folder, or a list cannot be read."""
    root, folder = _folders(source.path)
    lists, notes = _splits(root, folder)
    files = ImageFiles([source.images] if source.images else [root / "JPEGImages", root / "images", root])

    def images() -> Iterator[ForeignImage]:
        taken, stems = set(), set()
        for split, ids in lists:
            for each in ids:
                source.stop.check()
                image = _image(root, folder, files, split, each)
                taken.add(image.path)
                stems.add(Path(each).name)
                yield image
        beside = [path for path, _ in files.everything if path not in taken and path.stem not in stems]
        if beside and files.folders:
            notes.append(
                f"images that no list and no annotation names, which are not taken: {len(beside):,}, such as {shown(beside[0].name)!r}"
            )

    return Foreign(_classes(root, notes), images(), lambda: notes)


def _folders(path: Path) -> tuple[Path, Path]:
    """The data set and its folder of XML files: ``Annotations`` in ``path`` or in the one folder below it that has such a
    folder (VOCdevkit/VOC2007), ``annotations``, or ``path`` itself, with the images in it (LabelImg, Roboflow)."""
    if not path.is_dir():
        raise StageError(
            instead_of("folder", path), "VOC is a folder that holds Annotations/", "check the path"
        )
    if (path / XML_FOLDER).is_dir():
        return path, path / XML_FOLDER
    if path.name == XML_FOLDER:
        return path.parent, path
    below = sorted({*path.glob(f"*/{XML_FOLDER}"), *path.glob(f"*/*/{XML_FOLDER}")})
    if len(below) == 1:
        return below[0].parent, below[0]
    if below:
        raise StageError(
            f"{shown(path)} holds {len(below)} data sets",
            f"{shown(below[0].parent)}, {shown(below[1].parent)} …",
            f"name one of them, such as {shown(below[0].parent)}, in its place",
        )
    for folder in (path / XML_FOLDER.lower(), path):
        if _xml_files(folder):
            return path, folder
    raise StageError(
        f"there is no {XML_FOLDER}/ in {shown(path)}, and no XML file",
        "that is where VOC has its objects",
        f"name the folder above {XML_FOLDER}/, or the one that holds XML files and images",
    )


def _classes(root: Path, notes: list[str]) -> tuple[str, ...]:
    """The names in ``labels.txt``: one a line (dusty-nv), or separated by commas (qfgaohao), which is said."""
    path = root / "labels.txt"
    if not path.is_file():
        return ()
    lines = lines_of(path)
    if len(lines) == 1 and "," in lines[0]:
        try:
            names = tuple(comma_list(lines[0]))
            notes.append(
                f"labels.txt is one line with commas, taken for {counted(len(names), 'class')}; a name that holds a comma stands in quotes"
            )
            return names
        except ValueError as error:
            raise StageError(f"{shown(path)} cannot be read", str(error), "write a class a line") from None
    return tuple(lines)


def _splits(root: Path, folder: Path) -> tuple[list[tuple[str | None, list[str]]], list[str]]:
    """(split, ids) of each list that is used, and what is to be said."""
    main = root / "ImageSets" / "Main"
    lists = {path.stem: lines_of(path) for path in sorted(main.glob("*.txt"))} if main.is_dir() else {}
    named: Lists = {name: ids for name, ids in lists.items() if ids}
    held_out = next((name for name in ("test", "val") if name in named), None)
    order = ("trainval", "train", "default") if held_out != "val" else ("train", "trainval", "default")
    learned = next((name for name in order if name in named), None)
    if learned is None and held_out is None:
        found: dict[str | None, list[str]] = defaultdict(list)
        for below in (path.relative_to(folder) for path in _xml_files(folder)):
            split = split_of(below.parts[0]) if len(below.parts) > 1 else None
            found[split].append(below.with_suffix("").as_posix())
        return list(found.items()), [
            f"ImageSets/Main has no list that names an image: every XML file below {shown(folder)} is taken"
        ]
    splits: list[tuple[str | None, list[str]]] = []
    notes = [
        f"lists of ImageSets/Main that are used: {', '.join(f'{name}.txt' for name in (learned, held_out) if name)}"
    ]
    if learned:
        splits.append(("train", _without(named, learned, held_out, notes)))
    if held_out:
        splits.append(("val", named[held_out]))
    return splits, notes


def _without(named: Lists, learned: str, held_out: str | None, notes: list[str]) -> list[str]:
    """``trainval.txt`` holds ``val.txt``: what is measured is not learned. Equal lists are left as they are, and said."""
    if learned != "trainval" or held_out != "val" or set(named["trainval"]) == set(named["val"]):
        return named[learned]
    notes.append("trainval.txt without what val.txt names is taken to learn from")
    measured = set(named["val"])
    return [each for each in named["trainval"] if each not in measured]


def _xml_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in files_below(folder)
        if path.suffix.lower() == ".xml" and not path.name.startswith(".")
    )


def _image(root: Path, folder: Path, files: ImageFiles, split: str | None, listed_as: str) -> ForeignImage:
    """``listed_as``: an id as a list has it, maybe with folders, with a suffix or with a column behind it."""
    stem, xml = _annotation(folder, listed_as)
    where = (folder.relative_to(root) / f"{stem}.xml").as_posix()
    found, tree, fault = files.find_stem(stem), None, Problem("no_annotation", f"{where} is not there", where)
    try:
        tree = _tree(xml) if xml else None
    except Unreadable as error:
        fault = Problem(error.reason, error.detail, where)
    if isinstance(found, Problem) and tree is not None and (told := tree.findtext("filename")):
        by_name = files.find(told.strip())  # the XML file has another name than the image
        found = found if isinstance(by_name, Problem) else by_name
    if isinstance(found, Problem):
        return ForeignImage(None, stem, split, None, fault=found, where=where)
    make = partial(ForeignImage, found, files.name_of(found), split, where=where)
    if tree is None:
        return make(None, fault=fault)
    boxes, problems = [], []
    for index, each in enumerate(tree.findall("object")):
        place = f"{where}: object {index}"
        try:
            boxes.append(_box(each, place))
        except Unreadable as error:
            problems.append(Problem(error.reason, error.detail, place))
    height, width = side(tree.findtext("size/height")), side(tree.findtext("size/width"))
    return make((height, width) if height and width else None, tuple(boxes), tuple(problems))


def _tree(xml: Path) -> Element:
    tree = read_xml(xml)
    if tree.tag != "annotation":
        raise Unreadable("bad_xml", f"expected <annotation> on top, found <{shortened(shown(tree.tag))}>")
    return tree


def _annotation(folder: Path, listed_as: str) -> tuple[str, Path | None]:
    """The id without a suffix or column, and its XML file; names with blanks come before columns."""
    for candidate in dict.fromkeys((listed_as, listed_as.rpartition(" ")[0].strip(), *listed_as.split()[:1])):
        whole = candidate.removeprefix("./")
        bare = next((whole.removesuffix(end) for end in SUFFIXES if whole.endswith(end)), whole)
        for stem in dict.fromkeys((bare, whole)):  # photo.jpg.xml, as some tools name it
            path = folder / f"{stem}.xml"
            if stem and ".." not in stem.split("/") and not stem.startswith("/") and is_there(path):
                return stem, path
    return listed_as.removeprefix("./"), None


def _box(element: Element, where: str) -> ForeignBox:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise Unreadable("no_name", "an <object> without a <name>")
    found = element.findall("bndbox")
    if len(found) != 1:
        raise Unreadable(
            "no_box" if not found else "several_boxes",
            f"{len(found)} <bndbox> in the <object> {shortened(shown(name))!r}",
        )
    for corner in CORNERS:
        if found[0].find(corner) is None:
            raise Unreadable("no_box", f"<bndbox> without <{corner}>")
    x0, y0, x1, y1 = (number(found[0].findtext(corner), corner) for corner in CORNERS)
    swapped = "swapped_corners" if x0 > x1 or y0 > y1 else ""
    (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
    difficult = (element.findtext("difficult") or "").strip().lower() in ("1", "true", "yes")
    return ForeignBox(name, (x0 - 1, y0 - 1, x1, y1), ignored=difficult, where=where, changed=swapped)
