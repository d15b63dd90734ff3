"""Archives that are hostile, damaged, no archives at all, or odd and right; each refused one with a part of its message.

Made by zipfile and changed in places, or byte by byte (``raw_zip``), where no writer would make them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass


def zipped(
    *members: tuple[str, bytes], mode: int = 0o644 | stat.S_IFREG, method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()


def directory_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrites one field of the first entry of the central directory."""
    at = data.index(b"PK\1\2") + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def overlapping() -> bytes:
    """Two entries of the directory that name the same bytes."""
    data = zipped(("a", b"x" * 50), ("b", b"y" * 50))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    return data[: second + 42] + struct.pack("<I", 5) + data[second + 46 :]


def second_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """The same of the second entry."""
    at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    return data[:at] + directory_field(data[at:], offset, form, value)


def end_field(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Overwrites one field of the record at the end."""
    at = data.rindex(b"PK\5\6") + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def with_zip64_size(claimed: int, kept: int) -> bytes:
    """A member whose size stands in a zip64 field, ``kept`` of whose 8 bytes are there."""
    data = zipped(("val2017/1.jpg", b"one" * 100))
    at = data.index(b"PK\1\2")
    extra = struct.pack("<HH", 1, kept) + struct.pack("<Q", claimed)[:kept]
    entry = directory_field(data[at:], 24, "<I", 0xFFFFFFFF)
    entry = directory_field(entry, 30, "<H", len(extra))
    name_end = 46 + len("val2017/1.jpg")
    end = entry.index(b"PK\5\6")
    grown = entry[:name_end] + extra + entry[name_end:end] + entry[end:]
    return data[:at] + end_field(grown, 12, "<I", end + len(extra))


def nested() -> bytes:
    """An entry that lies inside the data of another one."""
    inner = zipped(("b", b"y" * 50))
    local = inner[: inner.index(b"PK\1\2")]
    data = zipped(("a", local + b"z" * 10), ("b", b"y" * 50))
    return second_field(data, 42, "<I", 30 + len("a"))


BOMB = zipped(("bomb", b"\0" * (4 << 20)), method=zipfile.ZIP_DEFLATED)
GOOD = zipped(("val2017/1.jpg", b"one" * 100), ("val2017/2.jpg", b"two" * 100))

DEFLATED = zipped(
    ("val2017/1.jpg", bytes(range(256)) * 3), ("val2017/2.jpg", b"two" * 100), method=zipfile.ZIP_DEFLATED
)

REFUSED: dict[str, tuple[bytes, str]] = {
    "parent": (zipped(("../x", b"")), "leaves the folder"),
    "parent inside": (zipped(("a/../../x", b"")), "leaves the folder"),
    "dot": (zipped(("a/./x", b"")), "leaves the folder"),
    "absolute": (zipped(("/etc/x", b"")), "absolute"),
    "drive": (zipped(("C:x", b"")), "absolute"),
    "backslash": (zipped(("a\\b", b"")), "backslash"),
    "NUL": (zipped(("a\0b", b"")), "NUL"),
    "control": (zipped(("a\nb", b"")), "control"),
    "long name": (zipped(("a" * 256, b"")), "longer than 250"),
    "symlink": (zipped(("x", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "character device": (zipped(("x", b""), mode=stat.S_IFCHR | 0o666), "device"),
    "block device": (zipped(("x", b""), mode=stat.S_IFBLK | 0o666), "device"),
    "pipe": (zipped(("x", b""), mode=stat.S_IFIFO | 0o666), "device"),
    "socket": (zipped(("x", b""), mode=stat.S_IFSOCK | 0o666), "device"),
    "setuid": (zipped(("x", b""), mode=stat.S_IFREG | 0o4755), "set-user-id"),
    "setgid": (zipped(("x", b""), mode=stat.S_IFREG | 0o2755), "set-user-id"),
    "folder mode on a file": (zipped(("x", b"1"), mode=stat.S_IFDIR | 0o755), "folder and file"),
    "folder with content": (zipped(("x/", b"1"), mode=0), "folder with content"),
    "twice": (zipped(("x", b"1"), ("x", b"2")), "taken"),
    "twice but for case": (zipped(("x", b"1"), ("X", b"2")), "taken"),
    "file and folder": (zipped(("x", b"1"), ("x/y", b"2")), "file and a folder"),
    "bomb": (BOMB, "more than 200 to 1"),
    "overlap": (overlapping(), "overlaps"),
    "stored with two sizes": (directory_field(GOOD, 24, "<I", 10), "stored, but"),
    "runs into the directory": (
        directory_field(directory_field(GOOD, 24, "<I", 5000), 20, "<I", 5000),
        "overlaps|runs into",
    ),
    "encrypted": (directory_field(GOOD, 8, "<H", 1), "encrypted"),
    "method 99": (directory_field(GOOD, 10, "<H", 99), "compression method 99"),
    "html": (b"<html>" + b" " * 1000, "a web page"),
    "empty": (b"", "it is empty: 0 bytes"),
    "no directory": (GOOD[: GOOD.index(b"PK\1\2")], "cut short: 686 bytes are here"),
    "half": (GOOD[: len(GOOD) // 2], r"cut short: 413 bytes.*2\.jpg' alone needs 686"),
    "empty name": (zipped(("", b"")), "absolute or empty"),
    "root": (zipped(("/", b"")), "absolute or empty"),
    "host": (zipped(("//server/share/x", b"")), "absolute"),
    "parent at the end": (zipped(("a/..", b"")), "leaves the folder"),
    "parent of windows": (zipped(("..\\x", b"")), "backslash"),
    "delete in a name": (zipped(("a\x7f", b"")), "control"),
    "escape in a name": (zipped(("a\x1b[2J", b"")), "control"),
    "long folder": (zipped(("a" * 256 + "/x", b"")), "longer than 250"),
    "no room for .part": (zipped(("a" * 251, b"")), "longer than 250"),
    "name of a part": (zipped(("a.part", b"1"), ("a", b"2")), "while it is written its name is"),
    "name of a part but for case": (zipped(("b/A", b"2"), ("b/a.PART", b"1")), "while it is written"),
    "long path": (zipped(("/".join(["abcdefgh"] * 200), b"")), "longer than 1024"),
    "symlink in a folder": (zipped(("a/b/x", b"../../x"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "symlink to write through": (zipped(("val2017", b"/tmp"), mode=stat.S_IFLNK | 0o777), "symbolic link"),
    "twice in another normal form": (zipped(("\u00e9", b"1"), ("e\u0301", b"2")), "taken"),
    "folder twice but for case": (zipped(("A/x", b"1"), ("a", b"2")), "file and a folder"),
    "file behind its own folder": (zipped(("x/y", b"2"), ("x", b"1")), "file and a folder"),
    "strongly encrypted": (directory_field(GOOD, 8, "<H", 0x40), "encrypted"),
    "encrypted directory": (directory_field(GOOD, 8, "<H", 0x2000), "encrypted"),
    "patch": (directory_field(GOOD, 8, "<H", 0x20), "patch"),
    "deflate64": (directory_field(GOOD, 10, "<H", 9), "compression method 9"),
    "bzip2": (directory_field(GOOD, 10, "<H", 12), "compression method 12"),
    "lzma": (directory_field(GOOD, 10, "<H", 14), "compression method 14"),
    "second one is encrypted": (second_field(GOOD, 8, "<H", 1), "encrypted"),
    "bomb that claims 4 GB": (
        directory_field(zipped(("x", b"1" * 3000), method=zipfile.ZIP_DEFLATED), 24, "<I", 0xFFFFFFF0),
        "more than 200 to 1",
    ),
    "same data under two names": (second_field(GOOD, 42, "<I", 0), "overlaps"),
    "entry inside another": (nested(), "overlaps"),
    "entry behind the end": (second_field(GOOD, 42, "<I", 1 << 20), "runs into"),
    "zip64, 1 TB stored": (with_zip64_size(1 << 40, 8), "stored, but"),
    "zip64, cut field": (with_zip64_size(1 << 40, 4), "directory cannot be read"),
    "directory longer than the file": (end_field(GOOD, 12, "<I", 1 << 20), "does not fit"),
    "directory cut": (GOOD[: GOOD.rindex(b"PK\1\2") + 20] + GOOD[GOOD.rindex(b"PK\5\6") :], "."),
    "directory zeroed": (
        GOOD[: GOOD.index(b"PK\1\2")] + bytes(40) + GOOD[GOOD.index(b"PK\1\2") + 40 :],
        "cannot be read",
    ),
    "gzip": (b"\x1f\x8b\x08" + bytes(200), "a gzip file"),
    "tar": (
        b"val2017/1.jpg".ljust(100, b"\0") + b"0000644\0" + bytes(404),
        "not a zip file: it begins with bytes 76 61 6c",
    ),
    "zeros": (bytes(5000), "its first 4,096 bytes are zeros"),
    "first bytes gone": (GOOD[10:], "."),
    "directory offset": (GOOD[:-6] + struct.pack("<I", 1 << 30) + GOOD[-2:], "."),
}


def broken_stream() -> bytes:
    """Eight bytes of the packed data, behind a header of 30 bytes and the name, are overwritten."""
    data = zipped(("val2017/1.jpg", bytes(range(256)) * 40), method=zipfile.ZIP_DEFLATED)
    return data[:48] + b"\xff" * 8 + data[56:]


DAMAGED = {
    "flipped bit": GOOD.replace(b"oneone", b"onfone", 1),
    "wrong CRC in the directory": directory_field(GOOD, 16, "<I", 1),
    "lying size, deflated": directory_field(
        zipped(("val2017/1.jpg", b"z" * 5000), method=zipfile.ZIP_DEFLATED), 24, "<I", 4000
    ),
    "size too large, deflated": directory_field(
        zipped(("val2017/1.jpg", b"z" * 5000), method=zipfile.ZIP_DEFLATED), 24, "<I", 6000
    ),
    "other name in front": GOOD.replace(b"val2017/1.jpg", b"val2017/9.jpg", 1),
    "broken deflate stream": broken_stream(),
    "local header longer than its room": GOOD.replace(b"\0\0val2017/1.jpg", b"\1\0val2017/1.jpg", 1),
}


# ---------------------------------------------------------------- byte by byte


@dataclass
class Raw:
    """An entry as it is to be written: ``data`` is what stands in the file, ``size`` and ``crc32`` what is said of it."""

    name: bytes
    data: bytes = b"x"
    size: int = -1
    crc32: int = -1
    method: int = 0
    flags: int = 0
    creator: int = 3
    extra: bytes = b""
    mode: int = stat.S_IFREG | 0o644

    def __post_init__(self) -> None:
        self.size = len(self.data) if self.size < 0 else self.size
        self.crc32 = zlib.crc32(self.data) if self.crc32 < 0 else self.crc32

    @property
    def numbers(self) -> tuple[int, int, int]:
        return self.crc32, len(self.data), self.size


def raw_zip(*entries: Raw, comment: bytes = b"") -> bytes:
    """The archive of ``entries``; nothing is checked."""
    body, directory = bytearray(), bytearray()
    for each in entries:
        lengths = len(each.name), len(each.extra)
        common = struct.pack("<HHHHH", 20, each.flags, each.method, 0, 33) + struct.pack(
            "<LLL", *each.numbers
        )
        place = len(body)
        body += b"PK\3\4" + common + struct.pack("<HH", *lengths) + each.name + each.extra + each.data
        mode = 0 if each.name.endswith(b"/") else each.mode << 16
        directory += b"PK\1\2" + struct.pack("<BB", 20, each.creator) + common
        directory += struct.pack("<HHHHHLL", *lengths, 0, 0, 0, mode, place) + each.name + each.extra
    count = len(entries)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), len(comment))
    return bytes(body + directory) + end + comment


DAMAGED["packed bytes end too soon"] = raw_zip(
    Raw(b"val2017/1.jpg", zlib.compress(bytes(256))[2:6], 256, 1, 8)
)


def named_zip(*names: str | bytes, creator: int = 3, flags: int = 0) -> bytes:
    """Members of one byte each."""
    raws = [name if isinstance(name, bytes) else name.encode() for name in names]
    return raw_zip(
        *(Raw(raw, b"" if raw.endswith(b"/") else b"x", creator=creator, flags=flags) for raw in raws)
    )


def unicode_path(raw: bytes, second: bytes, crc32: int | None = None) -> bytes:
    """The extra field with a second name (0x7075)."""
    field = b"\1" + struct.pack("<L", zlib.crc32(raw) if crc32 is None else crc32) + second
    return struct.pack("<HH", 0x7075, len(field)) + field


def swollen(count: int, size: int, beside: bytes = b"") -> bytes:
    """``count`` members of ``size`` zeros each, and one that is not packed at all."""
    zeros = bytes(size)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data, crc32 = packer.compress(zeros) + packer.flush(), zlib.crc32(zeros)
    more = [Raw(b"noise", beside)] if beside else []
    return raw_zip(*(Raw(b"%04d" % n, data, size, crc32, method=8) for n in range(count)), *more)


def tar(form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as made:
        made.addfile(tarfile.TarInfo("val2017/1.jpg"), io.BytesIO())
    return buffer.getvalue()


def two_ends(comment_of: bytes, behind: bytes = b"") -> bytes:
    """GOOD with another archive's directory and end in its comment."""
    return GOOD[:-2] + struct.pack("<H", len(comment_of)) + comment_of + behind


EMPTY = raw_zip()
INNER = zipped(("inside.txt", b"of the inner archive"))
OUTER = zipped(("val2017/1.jpg", b"one" * 100), ("inner.zip", INNER))

MEET = {
    "//": ("a//b", "a/b"), "// behind": ("a/b", "a//b"), "///": ("a///b",), "// of a folder": ("a//",), "./": ("./a", "a"),
    "/./": ("a/./b", "a/b"), "/.": ("a/.",), "folder and file": ("a/", "a"), "folder twice": ("a/", "a/", "a/x"),
    "file in a file": ("a/b", "a-b", "a/b-c", "a/b/c"), "file in a file, case": ("A", "a-b", "a/c"),
    "case in a folder": ("Train/1.jpg", "train/1.JPG"), "normal forms in a folder": ("\u00e9/1", "e\u0301/1"),
    "case beyond ASCII": ("\u00c9", "\u00e9"), "sharp s": ("stra\u00dfe", "STRASSE"), "sigma": ("\u03a3", "\u03c2"),
    "normal form and case": ("\u0390", "\u0399\u0308\u0301"), "dot at the end": ("a.", "a"), "dots of a folder": ("a../b", "a/b"),
    "space at the end": ("a ", "a"), "part in a folder": ("f/a", "f/A.part"),
}  # fmt: skip
"""Names that are one file on some file system, or need a file for a folder."""

REFUSED |= {
    f"meet: {name}": (named_zip(*names), r"taken|file and a folder|empty name|leaves|part'")
    for name, names in MEET.items()
}
REFUSED |= {
    "C1 control": (named_zip("a\u0085b"), "control"),
    "line separator": (named_zip("a\u2028b"), "control"),
    "no entry": (EMPTY, "no file in it"),
    "no entry, with a comment": (raw_zip(comment=b"hello"), "no file in it"),
    "only folders": (named_zip("a/", "a/b/"), "no file in it"),
    "an end in the comment": (two_ends(EMPTY), "two ends"),
    "an end with a directory in the comment": (two_ends(INNER[INNER.index(b"PK\1\2") :]), "two ends"),
    "an archive in the comment": (two_ends(INNER), "two ends"),
    "an end in the comment, and data behind": (two_ends(EMPTY, b"\0" * 9), "two ends"),
    "an end in the middle of the comment": (two_ends(EMPTY + b"more"), "two ends"),
    "an archive in the middle of the comment": (two_ends(INNER + b"yy"), "two ends"),
    "a comment that is cut": (end_field(GOOD, 20, "<H", 5) + b"hi", "comment is cut: 3 bytes"),
    "data behind": (GOOD + b"J" * 60000, "60,000 bytes follow its end"),
    "an archive that is cut behind": (GOOD + DEFLATED[:-5], "bytes follow its end"),
    "in a tar": (tar(tarfile.GNU_FORMAT) + GOOD, "a tar archive"),
    "fewer announced": (end_field(GOOD, 8, "<L", 0x10001), "1 entry is announced, its directory has 2"),
    "more announced": (end_field(GOOD, 8, "<L", 0x50005), "5 entries are announced, its directory has 2"),
    "more announced than in this volume": (end_field(GOOD, 10, "<H", 9), "one volume of several"),
    "end in volume 1": (end_field(GOOD, 4, "<H", 1), "one volume of several"),
    "directory in volume 1": (end_field(GOOD, 6, "<H", 1), "one volume of several"),
    "member in volume 1": (directory_field(GOOD, 34, "<H", 1), "one volume of several"),
    "400 members of just under 1 MiB": (swollen(400, (1 << 20) - 1), "all members together: more than 200 to 1"),
    "the same beside noise": (swollen(70, (1 << 20) - 1, bytes(2 << 20)), "have 73,400,250 bytes together"),
    "many of 5 kB": (swollen(400, 5000), "all members together"),
    "two archives, one behind the other": (GOOD + DEFLATED, "two archives in one"),
    "cut behind an archive in it": (OUTER[: OUTER.index(INNER) + len(INNER)], "two archives in one"),
    "cut a little later": (OUTER[: OUTER.index(INNER) + len(INNER) + 30], "two archives in one"),
    "zip64 that contradicts": (
        GOOD[:-22] + struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 59, 0)
        + struct.pack("<4sLQL", b"PK\6\7", 0, len(GOOD) - 22, 1) + GOOD[-22:], "differently",
    ),
    "zip64 record elsewhere": (GOOD[:-22] + struct.pack("<4sLQL", b"PK\6\7", 0, 7, 1) + GOOD[-22:], "zip64 record"),
    "of a later version": (directory_field(GOOD, 6, "<H", 64), "version 6.4"),
    "name in latin-1": (named_zip(b"val2017/\xe9.jpg"), "neither UTF-8 nor"),
    "name in code page 437": (named_zip(b"\x82.jpg", creator=0), "neither UTF-8 nor"),
    "name in Shift JIS": (named_zip("\u65e5\u672c.jpg".encode("shift-jis"), creator=0), "neither UTF-8 nor|backslash"),
    "name that is flagged and no UTF-8": (named_zip(b"\xe9.jpg", flags=0x800), "as its flag says"),
    "name with a surrogate": (named_zip(b"\xed\xa0\x80.jpg", flags=0x800), "as its flag says"),
    "name with an overlong slash": (named_zip(b"..\xc0\xafx"), "neither UTF-8 nor"),
    "second name for ASCII": (raw_zip(Raw(b"ok.txt", extra=unicode_path(b"ok.txt", b"../x"))), "a second name"),
    "second name that is none": (raw_zip(Raw(b"\xe9", extra=unicode_path(b"\xe9", b"\xff"))), "a second name"),
    "second name that escapes": (raw_zip(Raw(b"\xe9", extra=unicode_path(b"\xe9", b"../x"))), "leaves the folder"),
    "second name twice": (
        raw_zip(*(Raw(raw, extra=unicode_path(raw, b"one")) for raw in (b"\xe9", b"\xe8"))), "taken",
    ),
    "extra field cut": (raw_zip(Raw(b"a", extra=struct.pack("<HH", 0x5455, 9) + b"12345")), "extra field is cut"),
}  # fmt: skip


def old_tar() -> bytes:
    """Of before there was a magic: the same header without it, and its checksum made anew."""
    head = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    head[257:265], head[148:156] = bytes(8), b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(1024)


NO_ZIP: dict[str, tuple[bytes, str]] = {
    "a web page": (b"\n\n<!DOCTYPE html>\n<html><head><title>Sign in</title>" + b" " * 99, "a web page, not a zip file: <!DOCTYPE html>"),
    "a web page with a mark": (b"\xef\xbb\xbf<HTML lang=en>", "a web page"),
    "a web page behind a remark": (b"<!-- cached --><html>", "a web page"),
    "an answer of S3": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML page.*AccessDenied"),
    "an answer in JSON": (b'{"message": "Not Found"}', "a JSON answer.*Not Found"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a git-lfs pointer"),
    "text": (b"404: Not Found", "begins with 404: Not Found"),
    "gzip": (gzip.compress(b"x"), "a gzip file"), "gzip of a zip": (gzip.compress(GOOD), "a gzip file"),
    "bzip2": (bz2.compress(b"x"), "a bzip2 file"), "xz": (lzma.compress(b"x"), "an xz file"),
    "Zstandard": (b"\x28\xb5\x2f\xfd" + bytes(20), "a Zstandard file"),
    "ustar": (tar(tarfile.USTAR_FORMAT), "a tar archive"), "GNU tar": (tar(tarfile.GNU_FORMAT), "a tar archive"),
    "old tar": (old_tar(), "a tar archive"), "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(30), "a 7-Zip archive"),
    "RAR 4": (b"Rar!\x1a\x07\0" + bytes(30), "a RAR archive"), "RAR 5": (b"Rar!\x1a\x07\1\0" + bytes(30), "a RAR archive"),
    "cabinet": (b"MSCF" + bytes(40), "a cabinet file"), "a part of a split zip": (b"PK\7\x08" + GOOD[:200], "one part of a split"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(100), "begins with bytes ff d8 ff e0"), "one byte": (b"P", "begins with P"),
    "cut in the first header": (GOOD[:10], "cut short: 10 bytes"),
    "cut in a directory": (GOOD[: GOOD.rindex(b"PK\1\2") + 9], "cut short"),
    "cut in the end": (GOOD[:-3], "cut short"),
}  # fmt: skip
REFUSED |= {f"no zip: {name}": case for name, case in NO_ZIP.items()}

RIGHT_NAMES: dict[str, tuple[bytes, str]] = {
    "of zip -r": (named_zip("b\u00fcro/na\u00efve-\u65e5\u672c.jpg"), "b\u00fcro/na\u00efve-\u65e5\u672c.jpg"),
    "of macOS": (named_zip("e\u0301.jpg", creator=19), "e\u0301.jpg"),
    "UTF-8 without a flag from elsewhere": (named_zip("\u00e9.jpg", creator=0), "\u00e9.jpg"),
    "flagged": (named_zip("\u00e9.jpg", creator=0, flags=0x800), "\u00e9.jpg"),
    "second name, the same": (raw_zip(Raw("\u00e9".encode(), extra=unicode_path("\u00e9".encode(), "\u00e9".encode()))), "\u00e9"),
    "second name for a code page": (raw_zip(Raw(b"\x82", creator=0, extra=unicode_path(b"\x82", "\u00e9".encode()))), "\u00e9"),
    "second name of another first one": (raw_zip(Raw(b"a", extra=unicode_path(b"a", b"b", crc32=1))), "a"),
    "dots and spaces inside": (named_zip("a.b c/..d/e"), "a.b c/..d/e"),
    "a letter beyond the plane": (named_zip("\U0001f600.jpg"), "\U0001f600.jpg"),
}  # fmt: skip

ODD_BUT_RIGHT = {
    "data in front": b"#!/bin/sh\n" * 20 + GOOD,
    "comment": end_field(GOOD, 20, "<H", 5) + b"hello",
    "folders, twice as deep": raw_zip(
        Raw(b"a/", b""), Raw(b"a/b/", b""), Raw(b"a/b/1", b"one" * 100), Raw(b"a/b-c", b"two" * 100)
    ),
    "other extra fields in front": raw_zip(
        Raw(b"1", b"one" * 100, extra=struct.pack("<HHL", 0x5455, 4, 7)),
        Raw(b"2", b"two" * 100, extra=b"\0\0\0"),
    ),
}
