"""What a file is, by its first bytes; whole files of each kind are in the corpus of ``tests/nn/weights/test_weight_file.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vision.artefacts.file_kinds import HEAD_BYTES, kind_by_head, kind_of_place, kind_of_zip


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff\xe0", "JPEG"), (b"%PDF-1.4", "PDF"),
        (b"\x7fELF\x02", "ELF"), (b"\x1f\x8b\x08", "gzip"), (b"\x1c\0\0\0TFL3", "TensorFlow Lite"), (b"ftrt\0\0", "TensorRT"),
        (b"SQLite format 3\0", "SQLite"), (b"GGUF\3\0", "GGUF"), (b"\xef\xbb\xbf<html>", "HTML"), (b"<?xml version", "XML"),
        (b"[1, 2]", "JSON"), (b"BACKGROUND\n", "a text file"), (b"\x80\x04\x95", "a plain pickle"), (b"\x01\x02\x03", "unknown kind"),
    ],
)  # fmt: skip
def test_kinds(head: bytes, says: str) -> None:
    assert says in kind_by_head(
        head.ljust(64, b"\1" if not head[:1].isalpha() and head[:1] not in b"<[\xef" else b" "), 4096
    )
    assert kind_by_head(b"", 0) == "an empty file"
    assert "zeros" in kind_by_head(bytes(HEAD_BYTES), 4096)


def test_places(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    assert kind_of_place(tmp_path) == "a folder"
    assert kind_of_place(tmp_path / "pipe") == "a pipe"
    assert kind_of_place(Path("/dev/null")) == "a device"
    assert kind_of_place(tmp_path / "file") is None
    with pytest.raises(FileNotFoundError):
        kind_of_place(tmp_path / "nothing")


def test_zips() -> None:
    assert kind_of_zip(["net/data.pkl", "net/constants.pkl"]).startswith("a TorchScript archive")
    assert kind_of_zip(["p/.data/extern_modules", "p/x.pkl"]) == "an archive of torch.export or torch.package"
    assert kind_of_zip(["config.json", "metadata.json", "model.weights.h5"]) == "a Keras archive"
    assert kind_of_zip(["a.npy"]) == "a NumPy archive (.npz)"
    assert kind_of_zip(list("abcd")) == "a zip archive of other files (a, b, c, …)"
