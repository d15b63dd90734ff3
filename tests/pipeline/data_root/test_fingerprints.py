"""Looking at the disk: what is there, what has changed and in which words; nothing hangs and no link leads astray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.data_root.fingerprints import Fingerprints
from pipeline.data_root.receipts import Recorded
from vision.artefacts.files import sha256_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "tree/sub").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "e", "sub/f"):
        (tmp_path / "tree" / name).write_bytes(name.encode())
    return tmp_path


def seen(root: Path, path: str) -> Recorded:
    found = Fingerprints(root).record(path)
    assert found is not None
    return found


def test_a_file_and_a_tree_are_recorded(root: Path) -> None:
    file, tree = seen(root, "file"), seen(root, "tree")
    stat = (root / "file").stat()
    assert file == Recorded("file", 4, 1, sha256_of(root / "file"), stat.st_mtime_ns, stat.st_ino)
    assert (tree.kind, tree.bytes, tree.files, tree.mtime_ns) == ("tree", 10, 6, 0)


@pytest.mark.parametrize("path", ["nothing", "file/below", "tree/a/below", "dangling"])
def test_what_is_no_file_and_no_folder_is_missing(root: Path, path: str) -> None:
    (root / "dangling").symlink_to(root / "nowhere")
    assert Fingerprints(root).read(path) is None
    assert Fingerprints(root).difference(path, seen(root, "file")) == f"{path} is missing"
    assert Fingerprints(root).is_gone(path)


@pytest.mark.parametrize(("path", "kind"), [("pipe", "a named pipe"), ("zero", "a device")])
def test_what_is_neither_is_named_and_not_read(root: Path, path: str, kind: str) -> None:
    os.mkfifo(root / "pipe")
    (root / "zero").symlink_to("/dev/zero")
    assert Fingerprints(root).read(path) is None
    assert Fingerprints(root).difference(path, seen(root, "file")) == f"{path} is {kind} now, it was a file"
    assert not Fingerprints(root).is_gone(path)


def test_an_unchanged_file_is_not_read(root: Path) -> None:
    recorded = seen(root, "file")
    forged = Recorded(recorded.kind, recorded.bytes, 1, "0" * 64, recorded.mtime_ns, recorded.inode)
    assert Fingerprints(root).read("file", forged) == forged
    assert Fingerprints(root, deep=True).read("file", forged) == recorded


@pytest.mark.parametrize("change", ["bytes", "mtime_ns", "inode"])
def test_one_changed_fact_is_enough_to_read(root: Path, change: str) -> None:
    recorded = seen(root, "file")
    facts = {"bytes": recorded.bytes, "mtime_ns": recorded.mtime_ns, "inode": recorded.inode}
    forged = Recorded("file", files=1, sha256="0" * 64, **facts | {change: facts[change] + 1})
    assert Fingerprints(root).read("file", forged) == recorded


def test_differences_are_said_in_words(root: Path) -> None:
    file, tree = seen(root, "file"), seen(root, "tree")
    (root / "file").write_bytes(b"more data")
    assert Fingerprints(root).difference("file", file) == "file has changed since (4 → 9 bytes)"
    for name in "abcd":
        (root / "tree" / name).write_bytes(b"?")
    (root / "tree/sub/f").unlink()
    assert Fingerprints(root).difference("tree", tree) == (
        "tree: a has other content, b has other content, c has other content and 2 more"
    )
    assert Fingerprints(root).difference("tree", file) == "tree is a folder now, it was a file"
    assert Fingerprints(root).difference("file", tree) == "file is a file now, it was a folder"


def test_a_tree_without_its_list_is_still_compared_by_content(root: Path) -> None:
    tree = seen(root, "tree")
    (root / ".pipeline/manifests/tree.tsv").unlink()
    assert Fingerprints(root).difference("tree", tree) is None
    (root / "tree/a").write_bytes(b"?")
    assert (
        Fingerprints(root).difference("tree", tree)
        == "tree has changed since (other content, still 10 bytes)"
    )


def test_a_path_is_looked_at_once_until_it_is_forgotten(root: Path) -> None:
    observer = Fingerprints(root)
    before = observer.read("file")
    (root / "file").write_bytes(b"other")
    assert observer.read("file") == before
    observer.forget(but={"file": before} if before else {})
    assert observer.read("file") == before
    observer.forget(but={})
    assert observer.read("file") != before
