"""Manifests: what has not changed is not read, what is damaged is not trusted, odd names come back."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data_root import manifests as trees
from pipeline.data_root.manifests import (
    Brought,
    Member,
    brought,
    content_digest,
    differences,
    manifest_path,
    read_manifest,
    read_own,
    survey,
    write_manifest,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b", "a", "sub/c"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(name.encode() * 3)
    return tmp_path / "tree"


def test_a_survey_has_size_and_crc_of_each_file_by_name(tree: Path) -> None:
    found = survey(tree, {})
    assert list(found) == ["a", "b", "sub/c"]
    assert [trees.content(member) for member in found.values()] == [
        (len(name) * 3, zlib.crc32(name.encode() * 3)) for name in found
    ]
    stat = (tree / "sub/c").stat()
    assert found["sub/c"][2:] == (stat.st_mtime_ns, stat.st_ino)


def test_only_what_changed_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = survey(tree, {}), []
    crc = trees.crc32_of
    monkeypatch.setattr(
        trees, "crc32_of", lambda path, tick: (read.append(Path(path).name), crc(path, tick))[1]
    )
    assert survey(tree, before) == before and read == []
    os.utime(tree / "a", ns=(1, 1))
    (tree / "sub/c").write_bytes(b"other")
    (tree / "new").write_bytes(b"n")
    after = survey(tree, before)
    assert sorted(read) == ["a", "c", "new"]
    assert differences(before, after) == ["new is new", "sub/c has other content"]
    assert differences(after, before) == ["new is missing", "sub/c has other content"]
    read.clear()
    survey(tree, after, deep=True)
    assert sorted(read) == ["a", "b", "c", "new"]


def test_links_pipes_and_folders_are_no_members(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "a")
    (tree / "folder").symlink_to(tree / "sub")
    os.mkfifo(tree / "pipe")
    assert list(survey(tree, {})) == ["a", "b", "sub/c"]


def test_the_digest_is_that_of_the_documented_lines(tree: Path) -> None:
    lines = "".join(f"{n}\t{len(n) * 3}\t{zlib.crc32(n.encode() * 3):08x}\n" for n in ("a", "b", "sub/c"))
    assert content_digest(survey(tree, {})) == hashlib.sha256(lines.encode()).hexdigest()


names = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1
) | st.sampled_from(
    ["a\nb", "a\\nb", "a\\", "\\\n", "tab\tin\tit", "\udcff", "a\r\nb", "x\t1\t00000000\t0\t0\ny"]
)


@given(st.dictionaries(names, st.integers(0, 2**32 - 1), max_size=5))
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, crcs: dict[str, int]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    manifest = {name: Member(index, crc, 7, 9) for index, (name, crc) in enumerate(crcs.items())}
    write_manifest(path, manifest)
    assert read_manifest(path) == manifest


def test_a_line_break_in_a_name_is_not_another_file() -> None:
    one = {"x\t1\t00000000\ny": Member(2, 3, 0, 0)}
    two = {"x": Member(1, 0, 0, 0), "y": Member(2, 3, 0, 0)}
    assert content_digest(one) != content_digest(two)


@pytest.mark.parametrize("damage", ["flip", "cut", "cut line", "empty", "no header", "gone", "not utf-8"])
def test_a_damaged_manifest_is_not_trusted(tree: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.tsv"
    write_manifest(path, survey(tree, {}))
    data = path.read_bytes()
    assert len(read_manifest(path)) == 3
    changed = {
        "flip": data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        "cut": data[:-5],
        "cut line": data[: data.rstrip().rfind(b"\n") + 1],
        "empty": b"",
        "no header": data.split(b"\n", 1)[1],
        "not utf-8": b"\xff" + data,
    }
    path.unlink() if damage == "gone" else path.write_bytes(changed[damage])
    assert read_manifest(path) == {}


def test_reading_can_be_stopped(tree: Path) -> None:
    seen: list[int] = []

    def stop(read: int) -> None:
        seen.append(read)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(tree, {}, tick=stop)
    assert sum(seen) > 0


contents = st.frozensets(st.tuples(st.integers(0, 2**40), st.integers(0, 2**32 - 1)), min_size=1, max_size=3)


@given(st.none() | st.dictionaries(names, contents, max_size=4))
def test_whose_files_they_are_comes_back(
    tmp_path_factory: pytest.TempPathFactory, own: Brought | None
) -> None:
    path, manifest = tmp_path_factory.getbasetemp() / "own.tsv", {"x": Member(1, 2, 3, 4)}
    write_manifest(path, manifest, own)
    assert read_manifest(path) == manifest
    assert read_own(path) == own
    path.write_bytes(path.read_bytes()[:-1])
    assert read_manifest(path) == {} and read_own(path) is None


def names_alone(path: Path, manifest: dict[str, Member], own: list[str]) -> None:
    """A manifest of the version that noted names without contents."""
    write_manifest(path, manifest)
    rows = path.read_bytes().split(b"\n", 1)[1] + "".join(f"{name}\n" for name in ["", *own]).encode()
    path.write_bytes(f"manifest 1 sha256 {hashlib.sha256(rows).hexdigest()}\n".encode() + rows)


def test_of_names_alone_the_contents_are_those_that_the_receipt_has(tmp_path: Path) -> None:
    """Only while the list is the one that the receipt knows; else anybody may have changed a file since."""
    path, manifest = manifest_path(tmp_path, "val2017"), {"a": Member(1, 2, 3, 4), "mine": Member(5, 6, 7, 8)}
    path.parent.mkdir(parents=True)
    names_alone(path, manifest, ["a", "gone"])
    assert read_own(path) == {"a": frozenset(), "gone": frozenset()}
    assert brought(tmp_path, "val2017", content_digest(manifest)) == {"a": frozenset({(1, 2)})}
    assert brought(tmp_path, "val2017", "another") is None
    write_manifest(path, manifest)
    assert brought(tmp_path, "val2017", content_digest(manifest)) is None
    write_manifest(path, manifest, {})
    assert brought(tmp_path, "val2017", "another") == {}


def test_what_was_found_is_a_member_and_not_the_stages_own(tmp_path: Path) -> None:
    path, own = tmp_path / "tree.tsv", {"a": frozenset({(1, 2)})}
    manifest = {"a": Member(1, 2, 3, 4), "note": Member(1, 1, 1, 1)}
    assert trees.members_of(path) is None
    write_manifest(path, manifest)
    assert trees.members_of(path) is None and trees.read_found(path) == frozenset()
    for found in ((), ("b", "odd\n\\name")):
        write_manifest(path, manifest, own, found)
        assert (read_manifest(path), read_own(path)) == (manifest, own)
        assert trees.read_found(path) == {*found} and trees.members_of(path) == {"a", *found}
