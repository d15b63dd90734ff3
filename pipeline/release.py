"""What is to be fetched: each file of a release with its path, size and digest. COCO 2017's table is built in.

COCO publishes no checksums; each value is in two or more independent public sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.plain_paths import clash, path_fault
from pipeline.stop import StageError
from vision.artefacts.data_layout import ARCHIVES
from vision.artefacts.records import RecordError, from_plain, read_json
from vision.messages.addresses import redacted, redacted_text
from vision.messages.system_errors import instead_of

ANNOTATION_GROWTH = 5
ENDINGS = (".part", ".part.jsonl", ".part.json")
"""What stands behind the name of an archive while it arrives."""

COCO_SERVER = "https://s3.amazonaws.com/images.cocodataset.org"
"""The certificate of https://images.cocodataset.org names another host; this address serves the same objects."""


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """path on the server (and below ``archives/``), size in bytes, SHA-256 in hex; a table may state an md5, which nothing uses."""

    path: str
    bytes: int
    sha256: str
    md5: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if fault := path_fault(self.path) or ("a folder" if self.path.endswith("/") else None):
            raise ValueError(
                f"path {redacted(self.path)!r} must be relative and stay below the server's folder: {fault}"
            )
        if self.bytes < 1:
            raise ValueError(f"{self.path}: {self.bytes} bytes")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.path}: sha256 must be 64 lowercase hex digits")

    def split(self) -> str | None:
        """``train`` of ``zips/train2017.zip``; None for annotations."""
        name = PurePosixPath(self.path).name
        return next((split for split in ("train", "val", "test") if name == f"{split}2017.zip"), None)

    @property
    def unpacked_bytes(self) -> int:
        """Rough, what comes out of it and what later stages make of that: images do not shrink in a zip; of COCO's
        253 MB of annotations come 0.5 GB of JSON, as much remapped, and 0.2 GB of index and arrays."""
        return self.bytes if self.split() is not None else ANNOTATION_GROWTH * self.bytes


@dataclass(frozen=True, slots=True)
class Release:
    """A named table of files."""

    name: str
    files: tuple[ReleaseFile, ...]

    def __post_init__(self) -> None:
        paths = [file.path for file in self.files]
        if found := clash(paths, endings=ENDINGS):
            raise ValueError(f"path {paths[found.second]!r}: {found.how} {paths[found.first]!r}")

    def needed(self, splits: tuple[str, ...]) -> list[ReleaseFile]:
        """Images of ``splits`` and the annotations that belong to them, largest last."""
        wanted = [file for file in self.files if _wanted(file, splits)]
        for split in splits:
            if not any(file.split() == split for file in wanted):
                others = ",".join(one for one in splits if one != split)
                raise StageError(
                    f"release {self.name!r} has no images of {split}",
                    f"no file {split}2017.zip in its table",
                    "choose another --release"
                    + (f", or leave the split out: --splits {others}" if others else ""),
                )
        return sorted(wanted, key=lambda file: file.bytes)


def _wanted(file: ReleaseFile, splits: tuple[str, ...]) -> bool:
    split = file.split()
    if split is not None:
        return split in splits
    if "test" in PurePosixPath(file.path).name:
        return "test" in splits
    return bool({"train", "val"} & set(splits))


COCO_2017 = Release(
    "coco-2017",
    (
        ReleaseFile(
            "zips/train2017.zip", 19_336_861_798,
            "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        ),
        ReleaseFile(
            "zips/val2017.zip", 815_585_330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        ),
        ReleaseFile(
            "zips/test2017.zip", 6_646_970_404,
            "c7908c3c9f94ba2f3340ebbeec58c25db6be8774f18d68c2f15d0e369d95baba",
        ),
        ReleaseFile(
            "annotations/annotations_trainval2017.zip", 252_907_541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        ),
        ReleaseFile(
            "annotations/image_info_test2017.zip", 1_144_034,
            "e52f412dd7195ac8f98d782b44c6dd30ea10241e9f42521f67610fbe055a74f8",
        ),
    ),
)  # fmt: skip


def read_release(path: Path) -> Release:
    """A table from a JSON file: ``{"name": …, "files": [{"path", "bytes", "sha256"}, …]}``.

    Raises:
        StageError: no such file, or it is not such a table; says where.
    """
    fix = "see docs/artefacts.md for its form"
    try:
        release = from_plain(Release, read_json(path), str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StageError(instead_of("file", path), "--release names it", fix) from error
    except RecordError as error:
        raise StageError(f"{path} is not a release table", redacted_text(str(error)), fix) from error
    return release


def archive_path(file: ReleaseFile) -> str:
    """Path of the archive, relative to the root."""
    return f"{ARCHIVES}/{file.path}"
