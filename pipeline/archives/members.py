"""The files of an archive, a million of them in little room: columns of numbers, objects only of those asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

Raw = bytes
"""The builtin; classes here have a field of that name."""


class Member(NamedTuple):
    """A file of the archive.

    * name: its path, with ``/``; raw: the same as its local header has it
    * bytes, crc32: when unpacked; packed: bytes in the archive; method: 0 stored, 8 deflated
    * offset: of its local header in the file; limit: where the next one, or the directory, begins
    """

    name: str
    bytes: int
    crc32: int
    packed: int
    method: int
    offset: int
    limit: int
    raw: Raw


@dataclass(slots=True)
class Members(Sequence[Member]):
    """Columns over the entries of a directory, folders among them; as a sequence, its files."""

    names: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    crcs: array[int] = field(default_factory=lambda: array("I"))
    packed: array[int] = field(default_factory=lambda: array("Q"))
    methods: array[int] = field(default_factory=lambda: array("H"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    limits: array[int] = field(default_factory=lambda: array("Q"))
    raws: dict[int, Raw] = field(default_factory=dict)
    rows: array[int] = field(default_factory=lambda: array("I"))

    def add(self, name: str, raw: Raw, size: int, crc32: int, packed: int, method: int, offset: int) -> None:
        """An entry; a folder's name ends in ``/``."""
        row = len(self.names)
        if not name.endswith("/"):
            self.rows.append(row)
        if name.encode() != raw:
            self.raws[row] = raw
        self.names.append(name)
        self.sizes.append(size)
        self.crcs.append(crc32)
        self.packed.append(packed)
        self.methods.append(method)
        self.offsets.append(offset)

    @property
    def bytes(self) -> int:
        """Of all files together, unpacked."""
        return sum(self.sizes)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> list[Member]: ...
    def __getitem__(self, index: int | slice) -> Member | list[Member]:
        if isinstance(index, slice):
            return [self.at_row(row) for row in self.rows[index]]
        return self.at_row(self.rows[index])

    def __iter__(self) -> Iterator[Member]:
        return map(self.at_row, self.rows)

    def at_row(self, row: int) -> Member:
        """The entry of the directory at ``row``, a file or a folder."""
        name = self.names[row]
        return Member(
            name, self.sizes[row], self.crcs[row], self.packed[row], self.methods[row], self.offsets[row],
            self.limits[row], self.raws.get(row) or name.encode(),
        )  # fmt: skip

    def below(self, folder: str = "") -> Files:
        """The files by their path in ``folder``, which each of them has to begin with (``val2017/``, or nothing)."""
        return Files(self, {self.names[row].removeprefix(folder): row for row in self.rows})


@dataclass(frozen=True, slots=True)
class Files(Mapping[str, Member]):
    """The files of an archive by path."""

    members: Members
    places: dict[str, int]

    def __getitem__(self, path: str) -> Member:
        return self.members.at_row(self.places[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, path: object) -> bool:
        return path in self.places
