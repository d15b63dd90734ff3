"""The boxes of some classes out of a published table, as a stream: 14.6 million rows of train pass, the wanted ones stay.

A row is looked at as bytes, and taken apart only where its label is wanted: the csv module takes about twice as
long. Wanted rows go into a file without a name, in the form in which they are written in the end; what stays in the
memory is a short text for each image.
"""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline.bar import bar
from pipeline.open_images.release import COLUMNS, damaged
from pipeline.stop import Stop
from pipeline.transfer.progress import size
from vision.messages.advice import shown
from vision.messages.command_line import comma_joined, listed, shortened
from vision.messages.terminal import clock_time

CHUNK = 1 << 22
LONGEST_LINE = 1 << 20
ANNOUNCED = 64 << 20
"""Tables of fewer bytes are read before one could say how long it takes."""
IMAGE_ID = re.compile(r"[0-9a-z_][0-9a-z_-]{0,99}")
"""It becomes the name of a file; capitals would meet small letters on some disks. Those of the release are 16 hex digits."""
EXAMPLES = 5
COVERED = 0.5
"""Share of a single box that a group box of its class has to cover to stand for it."""
X_MIN, X_MAX, Y_MIN, Y_MAX = (COLUMNS.index(name) for name in ("XMin", "XMax", "YMin", "YMax"))
GROUP, DEPICTION, LABEL = (COLUMNS.index(name) for name in ("IsGroupOf", "IsDepiction", "LabelName"))
Box = tuple[float, float, float, float]


@dataclass
class Boxes:
    """What a table has of the wanted classes.

    * rows: the lines that are written in the end, in the order of the table
    * images: by ImageID a letter for each of its boxes, ``letters`` of its class
    * dropped: rows of the classes by reason; examples: of what was refused, with the line
    * lines: of the table, of all classes; sha256: of the whole table
    """

    rows: IO[bytes]
    letters: dict[str, str]
    images: dict[str, str] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    lines: int = 0
    sha256: str = ""

    @property
    def count(self) -> int:
        """Boxes that are left."""
        return sum(map(len, self.images.values()))

    def lines_of(self, chosen: Callable[[str], object]) -> Iterator[bytes]:
        """The rows of the images for which ``chosen`` is true."""
        self.rows.seek(0)
        for line in self.rows:
            if chosen(line.partition(b",")[0].decode()):
                yield line


def read_boxes(
    path: Path,
    labels: Mapping[str, str],
    depictions: bool,
    overlapped: bool,
    say: Callable[[str], None],
    stop: Stop,
) -> Boxes:
    """The boxes of ``labels`` (LabelName → class) in the table ``path``.

    depictions: with drawings of the object; overlapped: also single boxes that a group box of their class covers.
    Raises StageError where it is no table of the release; Interrupted.
    """
    letters = {name: chr(number) for number, name in enumerate(dict.fromkeys(labels.values()), 1)}
    spill = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  goes with the process, however that ends
    boxes = Boxes(spill, letters)
    groups: dict[tuple[str, str], list[Box]] = {}
    ends = {label: comma_joined(["", label, name]).encode() + b"\n" for label, name in labels.items()}
    table = _Table(path, labels, say, stop)
    for number, cells in table.rows():
        if fault := _fault(cells):
            _drop(boxes, fault[0], f"line {number:,}: {fault[1]}")
        elif cells[DEPICTION].strip() == "1" and not depictions:
            boxes.dropped["depiction"] += 1
        else:
            spill.write(",".join(cells).encode() + ends[cells[LABEL]])
            if not overlapped and cells[GROUP].strip() == "1" and (box := _box(cells)):
                groups.setdefault((cells[0], cells[LABEL]), []).append(box)
    boxes.lines, boxes.sha256 = table.lines, table.sha256
    if groups:
        boxes.rows = _without_covered(boxes, groups, path.parent, stop)
    for line in boxes.lines_of(lambda image: True):
        image, _, label, _ = line.decode().split(",", 3)
        boxes.images[image] = boxes.images.get(image, "") + letters[labels[label]]
    return boxes


def _drop(boxes: Boxes, reason: str, example: str) -> None:
    boxes.dropped[reason] += 1
    if len(boxes.examples) < EXAMPLES:
        boxes.examples.append(example)


def _fault(cells: list[str]) -> tuple[str, str] | None:
    """Why a row cannot be used, as a short reason and for people. Numbers are for the import to judge."""
    if not cells:
        return "malformed", "not as many values as the first line has, or quotes that do not match"
    if not IMAGE_ID.fullmatch(cells[0]):
        return "image_id", f"the ImageID {shown(shortened(cells[0]))!r} cannot be the name of a file"
    for cell in cells:
        if not cell.isprintable() or '"' in cell or "," in cell:
            return "malformed", f"the value {shown(shortened(cell))!r}"
    return None


def _box(cells: list[str]) -> Box | None:
    """(left, top, right, bottom); None where they are no numbers."""
    try:
        return float(cells[X_MIN]), float(cells[Y_MIN]), float(cells[X_MAX]), float(cells[Y_MAX])
    except ValueError:
        return None


def _without_covered(
    boxes: Boxes, groups: Mapping[tuple[str, str], list[Box]], folder: Path, stop: Stop
) -> IO[bytes]:
    """The rows without the single boxes that a group box covers."""
    left = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    for line in boxes.lines_of(lambda image: True):
        cells = line.decode().split(",", len(COLUMNS))
        box = None if cells[GROUP].strip() == "1" else _box(cells)
        if box and any(_covers(group, box) for group in groups.get((cells[0], cells[LABEL]), ())):
            boxes.dropped["covered_by_group"] += 1
            stop.check()
        else:
            left.write(line)
    boxes.rows.close()
    return left


def _covers(group: Box, box: Box) -> bool:
    width = min(group[2], box[2]) - max(group[0], box[0])
    height = min(group[3], box[3]) - max(group[1], box[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return width > 0 and height > 0 and width * height >= COVERED * area


class _Table:
    """One pass over a published table. ``lines`` and ``sha256`` are known at its end."""

    def __init__(self, path: Path, labels: Mapping[str, str], say: Callable[[str], None], stop: Stop) -> None:
        self.path, self.say, self.stop = path, say, stop
        self.labels = {label.encode() for label in labels}
        self.lines = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, values in the order of COLUMNS) of rows with a wanted label; [] for a row of another form."""
        with self.path.open("rb") as file:
            head = file.readline(LONGEST_LINE)
            self._digest.update(head)
            names, order = self._header(head)
            at = order[LABEL]
            for chunk in self._chunks(file):
                quoted = b'"' in chunk
                lines = chunk.split(b"\n")
                lines.pop()
                for number, line in enumerate(lines, self.lines + 2):
                    parts = line.split(b",", at + 1)
                    if len(parts) > at and parts[at] not in self.labels and not (quoted and b'"' in line):
                        continue
                    if line and (cells := self._cells(line, names, order)) is not None:
                        yield number, cells
                self.lines += len(lines)

    def _header(self, head: bytes) -> tuple[int, list[int]]:
        """How many values a row has, and where those of COLUMNS are."""
        names = [name.strip() for name in head.decode("utf-8-sig", "replace").split(",")]
        if absent := [name for name in COLUMNS if name not in names]:
            found = shown(shortened(", ".join(names)))
            raise damaged(self.path, f"it has no column {listed(absent)}; its first line is {found!r}")
        return len(names), [names.index(name) for name in COLUMNS]

    def _cells(self, line: bytes, count: int, order: list[int]) -> list[str] | None:
        """None for a row of another class."""
        cells = line.decode("utf-8", "surrogateescape").split(",")
        if b'"' in line:
            try:
                (cells,) = csv.reader([line.decode("utf-8", "surrogateescape")], strict=True)
            except csv.Error:
                return []
        if len(cells) != count:
            return []
        values = [cells[at] for at in order]
        return values if values[LABEL].encode("utf-8", "surrogateescape") in self.labels else None

    def _chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        """Whole lines, each with its end; says how long all will take once the first have been worked on."""
        total, began, rest = self.path.stat().st_size, time.monotonic(), b""
        with bar(f"reading {self.path.name}", total, leave=False) as shown_bar:
            while data := file.read(CHUNK):
                self.stop.check()
                self._digest.update(data)
                whole, end, after = (rest + data).rpartition(b"\n")
                rest = after
                if len(rest) > LONGEST_LINE:
                    raise damaged(self.path, f"line {self.lines + 2:,} has more than {LONGEST_LINE:,} bytes")
                before = self.lines
                yield (whole + end).replace(b"\r\n", b"\n")
                shown_bar.update(len(data))
                if not before and total >= ANNOUNCED:
                    self._announce(total, len(data), time.monotonic() - began)
            if rest:
                yield rest.rstrip(b"\r") + b"\n"

    def _announce(self, total: int, done: int, seconds: float) -> None:
        rows, left_s = self.lines * total / done, seconds * (total - done) / done
        self.say(
            f"reading {self.path.name}: {size(total)}, about {rows / 1e6:.1f} million rows; at {self.lines / seconds / 1e6:.2f} million "
            f"rows/s it takes {clock_time(left_s)}"
        )
