"""One archive into a folder with several threads; what a killed run left there is taken over by size and CRC-32."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from pipeline import trees
from pipeline.archive import BadArchive, Member, open_archive, unpack
from pipeline.stage import Interrupted, StageError

BATCH = 64


@contextmanager
def opened(path: Path, get_it: str = "python -m pipeline.download") -> Iterator[zipfile.ZipFile]:
    """The archive to read; what is wrong with it, also while it is read, becomes a StageError."""
    try:
        with open_archive(path) as archive:
            yield archive
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise
        raise StageError(f"{path} is missing", "there is no such file", get_it) from error
    except BadArchive as error:
        raise StageError(
            f"{path} is refused",
            str(error),
            f"nothing of it was published; fetch it again ({get_it})",
        ) from error


def unpack_all(
    archive: zipfile.ZipFile,
    members: Sequence[Member],
    folder: Path,
    workers: int,
    should_stop: Callable[[], bool],
) -> None:
    """Unpacks what is not yet in ``folder`` with the right size and CRC-32.

    Raises:
        BadArchive: a member is not what the directory says; Interrupted: asked to stop.
    """
    batches = [members[start : start + BATCH] for start in range(0, len(members), BATCH)]

    def work(batch: Sequence[Member]) -> int:
        for member in batch:
            if should_stop():
                raise Interrupted(member.name)
            if not _is_right(folder / member.name, member):
                unpack(archive, member, folder)
        return len(batch)

    label = Path(archive.filename or "archive").name
    with (
        tqdm(total=len(members), unit="file", desc=f"extract {label}", disable=None) as bar,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        try:
            for done in pool.map(work, batches):
                bar.update(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def is_unpacked(folder: Path, files: Mapping[str, Member], known: trees.Manifest) -> bool:
    """Whether ``folder`` holds exactly ``files`` (by path in it), by size and CRC-32.

    ``known`` spares reading files that have not changed since they were recorded.
    """
    if not folder.is_dir():
        return False
    expected = {name: trees.Member(files[name].bytes, files[name].crc32, 0, 0) for name in sorted(files)}
    return trees.content_digest(trees.survey(folder, known)) == trees.content_digest(expected)


def _is_right(path: Path, member: Member) -> bool:
    if not path.is_file() or path.stat().st_size != member.bytes:
        return False
    return trees.crc32_of(path) == member.crc32
