"""``labels.txt`` as detectNet reads it: a line a class, from the first byte to the last.

jetson-inference counts lines and only logs a wrong count; every name after a stray line is then that of another class.
"""

from __future__ import annotations

from vision.artefacts import data_layout
from vision.export.contract import ContractBroken
from vision.messages.command_line import shortened
from vision.messages.terminal import counted

SENTENCES_SHOWN = 3
_SYNSET_CHARACTERS = 10
"""A line with ``n`` first and a space in the 10th place loses its first 10 bytes there (ImageNet's synset ids)."""


def labels_text(classes: list[str]) -> bytes:
    """The file for ``classes``: BACKGROUND first, a line each, UTF-8, no \\r, no byte order mark, no blank line.

    Raises:
        ContractBroken: a name that detectNet would read as another one.
    """
    broken = broken_names(classes)
    if broken:
        fix = "rename it in the annotation files, run the stages again and train on that"
        raise ContractBroken("labels.txt breaks detectNet's contract", bounded(broken), fix)
    return data_layout.labels_text(classes)


FILE_FIX = "name the labels.txt that was exported with the network, or repair it"


def read_labels(data: bytes, where: str) -> list[str]:
    """The names in a ``labels.txt``.

    Raises:
        ContractBroken: the file is one whose names detectNet would read wrongly; says which line.
    """
    broken = []
    if data.startswith(b"\xef\xbb\xbf"):
        broken.append("begins with a byte order mark: the first name is not BACKGROUND")
    if b"\r" in data:
        broken.append("has \\r at the ends of lines: save it with Unix line ends")
    try:
        names = data.decode("utf-8-sig").replace("\r", "").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ContractBroken(f"{where} is not UTF-8", [str(error)], FILE_FIX) from None
    broken += broken_names(names)
    if broken:
        raise ContractBroken(f"{where} breaks detectNet's contract", bounded(broken), FILE_FIX)
    return names


def bounded(sentences: list[str]) -> list[str]:
    """The first few: a file that is no list of names at all breaks the contract in every line."""
    rest = len(sentences) - SENTENCES_SHOWN
    more = [f"… and {rest:,} more; is it a list of class names, one a line?"] if rest > 0 else []
    return [*sentences[:SENTENCES_SHOWN], *more]


def require_as_many(names: list[str], classes: int, onnx: str, labels: str) -> None:
    """Raises ContractBroken where a network and a file of names do not belong together."""
    if len(names) != classes:
        raise ContractBroken(
            f"{onnx} and {labels} do not belong together",
            [f"scores of {counted(classes, 'class')} with background, {counted(len(names), 'name')}"],
            FILE_FIX,
        )


def broken_names(classes: list[str]) -> list[str]:
    """What detectNet would read as something else, one sentence a class."""
    broken = [] if classes[:1] == ["BACKGROUND"] else ["the first line must be BACKGROUND"]
    for number, name in enumerate(classes):
        if not name or name != name.strip() or len(name.splitlines()) != 1:
            broken.append(f"class {number} is {shortened(name)!r}: blank, padded, or more than one line")
        bytes_ = name.encode()
        if bytes_[:1] == b"n" and bytes_[_SYNSET_CHARACTERS - 1 : _SYNSET_CHARACTERS] == b" ":
            broken.append(
                f"class {number} is {shortened(name)!r}: detectNet takes its first {_SYNSET_CHARACTERS} characters for a synset id"
            )
    return broken
