"""The one reader of files that ``torch.save`` wrote: sizes are held against the file before memory is taken for them,
every member against its CRC-32, every tensor against its storage, and nothing that the file names is imported or called.

Read are zip files (torch since 1.6) and the older sequence of pickles (torch 0.2 to 1.5, in which the ancestors
published weights; it has no checksum). Not read: files of torch before 0.2 (tar), TorchScript, torch.export.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vision.artefacts.file_kinds import HEAD_BYTES, kind_by_head, kind_of_place, kind_of_zip
from vision.artefacts.pickled import MAX_BYTES as MAX_PICKLE_BYTES
from vision.artefacts.pickled import BadPickle, Machine, Stranger
from vision.messages.advice import UserError, shown
from vision.nn.weights.published import require_there
from vision.nn.weights.storages import CHUNK, TYPES, Storages, Wrong

MAX_BYTES = 16 << 30
"""No file with weights that this toolkit can use comes near it."""
MAX_DIRECTORY_BYTES = 8 << 20
"""Of the zip directory: some 80,000 members of ``torch.save``."""
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""The pickle of torch.serialization.MAGIC_NUMBER, protocol 2."""
LEGACY_PROTOCOL = 1001

HARMLESS = frozenset(TYPES) | {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "_codecs.encode",
    "builtins.set",
    "__builtin__.set",
}
"""All that is understood; whatever else a file names becomes a ``Stranger``."""

_OBJECTS = re.compile(
    r"(torch\.optim|torch\.nn|torchvision|vision)(\.\w+)*\.[A-Z]\w*"
    r"|torch\.(device|dtype|[bu]?(float|int|complex)\d+|bool|long|half|double)|torch\.storage\.\w*Storage"
    r"|torch\._(utils|tensor)\._rebuild_\w+|torch\.serialization\._get_layout"
    r"|numpy(\.\w+)*\.(scalar|_reconstruct|_frombuffer|ndarray|dtype|\w+DType|u?int\d+|float\d+|bool_?)"
    r"|collections\.(defaultdict|Counter|deque)|(builtins|__builtin__)\.(frozenset|dict|list|tuple|int|long|float|str"
    r"|unicode|bytes|bytearray|bool|complex|slice|range|object)|copy_?reg\._reconstructor|argparse\.Namespace"
    r"|types\.SimpleNamespace|pathlib(\._local)?\.\w*Path|datetime\.\w+|easydict\.EasyDict|yacs\.config\.CfgNode"
)
"""Objects that trainers leave in their checkpoints: a scheduler, its arguments, NumPy's numbers. The rest is taken for
code. Neither is ever made; what is taken for code is refused besides, since no file with weights needs it."""


def _named_first(names: tuple[str, ...]) -> str:
    more = f", … {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name[:80]) for name in names[:3]) + more


class BadWeights(UserError):
    """The file is no file with weights, or it is damaged. What, why and fix in three lines."""


@dataclass(frozen=True)
class WeightFile:
    """What a file holds.

    * content: dicts, lists, tuples, scalars and tensors on the CPU; a ``Stranger`` where an object would be
    * strangers: names of what is neither tensor nor plain data, sorted
    """

    path: Path
    content: Any
    strangers: tuple[str, ...]

    @property
    def code(self) -> tuple[str, ...]:
        """Those of the strangers that are not known as objects of trainers."""
        return tuple(name for name in self.strangers if not _OBJECTS.fullmatch(name))

    def require_no_code(self) -> None:
        """Raises BadWeights for a file that names code, and for one that is a whole object."""
        if self.code:
            raise BadWeights(
                f"{shown(self.path)} names code, or something that this toolkit does not know: {_named_first(self.code)}; refused\n"
                "  why: a weights file does not need it; nothing in it was run\n"
                "  fix: do not use it; ask whoever made it for the state_dict alone"
            )
        if isinstance(self.content, Stranger):
            raise BadWeights(
                f"{shown(self.path)} is a whole pickled object, a {shown(self.content.made_by)}, and no weights\n"
                "  why: only its own code could load it, and no code in a file is run here\n"
                "  fix: save its weights where its code is installed: torch.save(model.state_dict(), FILE)"
            )


def read(path: Path | str) -> WeightFile:
    """Reads and checks all of ``path``. Raises FileNotFoundError, BadWeights, and OSError of the disk."""
    path = Path(path)
    require_there(path)
    place = kind_of_place(path)
    if place:
        raise _no_weights(path, place)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadWeights(_lines(path, f"{size:,} bytes, and at most {MAX_BYTES:,} are read"))
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        with _named(path):
            if head.startswith(b"PK"):
                return _read_zip(path, stream, size)
            if head.startswith(LEGACY_MAGIC):
                return _read_legacy(path, stream, size)
    raise _no_weights(path, kind_by_head(head, size))


def _no_weights(path: Path, kind: str) -> BadWeights:
    return BadWeights(_lines(path, f"it is {kind}"))


def _lines(path: Path, why: str) -> str:
    return (
        f"{shown(path)} is no file with weights, or it is damaged\n  why: {why}\n"
        "  fix: name another file, or fetch this one again (a .pth file that torch.save wrote)"
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the readers find wrong, with the file's name."""
    try:
        yield
    except BadPickle as error:
        raise BadWeights(_lines(path, str(error))) from None


def _finished(path: Path, content: Any, machine: Machine) -> WeightFile:
    return WeightFile(path, content, tuple(sorted(machine.met - HARMLESS)))


# ---------------------------------------------------------------- zip


def _read_zip(path: Path, stream: BinaryIO, size: int) -> WeightFile:
    with _zip_errors():
        _check_directory(stream, size)
        archive = zipfile.ZipFile(stream)
    with archive:
        members = {member.filename: member for member in archive.infolist()}
        _check_members(archive.infolist(), size)
        root = _root_of(path, list(members))
        for name in members:  # small ones: version, byteorder, …; storages follow
            if not name.startswith(f"{root}data/"):
                _check_crc(archive, name)
        if f"{root}byteorder" in members and archive.read(f"{root}byteorder").strip() != b"little":
            raise Wrong("its numbers are big-endian")
        storages = Storages(size)
        machine = Machine(storages.build, storages.stored)
        content = machine.run(io.BytesIO(archive.read(f"{root}data.pkl")))
        known = set()
        for key in storages.keys:
            name = f"{root}data/{key}"
            known.add(name)
            if name not in members or members[name].file_size != storages.size(key):
                raise Wrong(f"its member {name[:60]!r} is missing or of another size than its tensors need")
            with _zip_errors(), archive.open(name) as member:
                storages.fill(key, member)  # type: ignore[arg-type]
                member.read(1)
        for name in members:
            if name.startswith(f"{root}data/") and name not in known:
                _check_crc(archive, name)
    return _finished(path, content, machine)


@contextmanager
def _zip_errors() -> Iterator[None]:
    """What a damaged directory makes zipfile raise."""
    try:
        yield
    except Wrong:
        raise
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, NotImplementedError, OverflowError,
        RuntimeError, ValueError,
    ) as error:  # fmt: skip
        said = shown(str(error)[:120]) or type(error).__name__
        raise Wrong(f"its bytes differ from those that were written: {said}") from None


END, END64, END64_LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, MOST_COMMENT = 22, 1 << 16


def _check_directory(stream: BinaryIO, size: int) -> None:
    """The directory is at the end and is no larger than a file with weights needs: zipfile reads it whole."""
    tail_bytes = min(size, END_BYTES + MOST_COMMENT)
    stream.seek(size - tail_bytes)
    tail = stream.read(tail_bytes)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        raise Wrong(f"it is cut: a zip file that ends, after {size:,} bytes, without its directory")
    (directory_bytes,) = struct.unpack_from("<L", tail, at + 12)
    if directory_bytes == 0xFFFFFFFF:
        at64 = tail.rfind(END64, 0, at)
        if at64 < 0 or len(tail) - at64 < 56:
            raise Wrong("the end of its zip directory is damaged")
        (directory_bytes,) = struct.unpack_from("<Q", tail, at64 + 40)
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise Wrong(f"its zip directory has {directory_bytes:,} bytes, the limit is {MAX_DIRECTORY_BYTES:,}")
    stream.seek(0)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len({member.filename for member in members}) != len(members):
        raise Wrong("two of its members have one name")
    if any(
        member.filename.endswith("data.pkl") and member.file_size > MAX_PICKLE_BYTES for member in members
    ):
        raise Wrong(f"its pickle has more than {MAX_PICKLE_BYTES:,} bytes")
    if sum(member.file_size for member in members) > size:
        raise Wrong("it claims to hold more bytes than it has")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise Wrong("its members are compressed or encrypted, which torch.save never does")


def _root_of(path: Path, names: list[str]) -> str:
    """``archive/`` of ``archive/data.pkl``. Raises Wrong that says what the archive is instead."""
    found = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(found) != 1 or kind_of_zip(names).startswith("a TorchScript"):
        raise Wrong(f"it is {kind_of_zip(names)}")
    return found[0].removesuffix("data.pkl")


def _check_crc(archive: zipfile.ZipFile, name: str) -> None:
    """Reading a member to its end compares its CRC-32."""
    with _zip_errors(), archive.open(name) as member:
        while member.read(CHUNK):
            pass


# ---------------------------------------------------------------- before torch 1.6


def _read_legacy(path: Path, stream: BinaryIO, size: int) -> WeightFile:
    """Magic number, protocol, facts of the machine, the object, the keys of its storages; then their bytes."""
    storages = Storages(size)
    machine = Machine(storages.build, storages.stored)
    machine.run(stream)
    protocol, facts = machine.run(stream), machine.run(stream)
    if protocol != LEGACY_PROTOCOL:
        raise Wrong(f"its protocol is {str(protocol)[:20]}, {LEGACY_PROTOCOL} is read")
    if not isinstance(facts, dict) or facts.get("little_endian") is not True or sys.byteorder != "little":
        raise Wrong("its numbers are not little-endian")
    content, keys = machine.run(stream), machine.run(stream)
    if (
        not isinstance(keys, list)
        or sorted(map(str, keys)) != sorted(storages.keys)
        or len(keys) != len(storages.keys)
    ):
        raise Wrong("its list of storages is not that of its tensors")
    for key in map(str, keys):
        written = stream.read(8)
        if len(written) < 8 or int.from_bytes(written, "little") * storages.itemsize(key) != storages.size(
            key
        ):
            raise Wrong(f"its storage {key[:40]!r} is cut, or of another size than its tensors need")
        storages.fill(key, stream)
    return _finished(path, content, machine)
