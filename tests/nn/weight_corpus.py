"""Files that are given as weights and are none, and small ones that are: for every reader of weights."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Make = Callable[[Path], None]


def saved(content: Any, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def written(data: bytes) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def rezipped(data: bytes, change: Callable[[str, bytes], bytes | None], compression: int = 0) -> bytes:
    """The zip of ``data`` with every member changed (None: left out), with CRC-32s that fit."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for member in old.infolist():
            content = change(member.filename, old.read(member))
            if content is not None:
                new.writestr(member.filename, content)
    return buffer.getvalue()


def with_pickle(program: bytes) -> bytes:
    """A zip of ``torch.save``'s form around a pickle of one's own, with one storage of 64 bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (
            ("data.pkl", program),
            ("byteorder", b"little"),
            ("data/0", bytes(64)),
            ("version", b"3\n"),
        ):
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


class Odd:
    """A pickle that calls a function of ours with arguments of ours, under any name."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"net/{name}", b"\x80\x02}.")


def _safetensors(path: Path) -> None:
    head = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))


def _onnx(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph), str(path))


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("000000000139.jpg", b"x")


def _bomb(path: Path) -> None:
    """0.3 MB that unpack to 256."""
    path.write_bytes(
        rezipped(saved({"w": torch.zeros(64 << 20)}), lambda _, data: data, zipfile.ZIP_DEFLATED)
    )


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is at most 108 bytes long
        one.bind(path.name)
        os.chdir(here)


NO_WEIGHTS: dict[str, tuple[Make, str]] = {
    "empty": (written(b""), "an empty file"),
    "zeros": (written(bytes(4096)), "nothing but zeros"),
    "html": (written(b"\n<!DOCTYPE html><html>404</html>"), "an HTML page"),
    "json": (written(b'{"lr": 0.1}'), "a JSON file"),
    "labels": (written(b"BACKGROUND\nperson\n"), "a text file"),
    "lfs": (written(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
    "npy": (lambda path: np.save(path.open("wb"), np.zeros(3)), "a NumPy array"),
    "npz": (lambda path: np.savez(path.open("wb"), a=np.zeros(3)), r"a NumPy archive \(.npz\)"),
    "safetensors": (_safetensors, "a safetensors file"),
    "onnx": (_onnx, "an ONNX file"),
    "torchscript": (_torchscript, "a TorchScript archive"),
    "tar": (_tar, "a tar archive"),
    "zip": (_zip, r"a zip archive of other files \(000000000139.jpg\)"),
    "empty zip": (lambda path: zipfile.ZipFile(path, "w").close(), "an empty zip archive"),
    "pickle": (written(pickle.dumps({"a": 1})), "a plain pickle"),
    "unknown": (written(bytes(range(1, 256)) * 8), "a file of an unknown kind"),
    "folder": (lambda path: path.mkdir(), "a folder"),
    "pipe": (lambda path: os.mkfifo(path), "a pipe"),
    "socket": (_socket, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "cut zip": (written(saved({"w": torch.zeros(64)})[:-40]), "without its directory"),
    "cut legacy": (written(saved({"w": torch.zeros(64)}, legacy=True)[:-9]), "is cut"),
    "compressed": (
        written(rezipped(saved({"w": torch.zeros(64)}), lambda _, data: data, zipfile.ZIP_DEFLATED)),
        "compressed or encrypted|more bytes than it has",
    ),
    "bomb": (
        lambda path: _bomb(path),
        "more bytes than it has",
    ),
    "big-endian": (
        written(rezipped(saved({"w": torch.zeros(4)}), lambda name, data: b"big" if name.endswith("byteorder") else data)),
        "big-endian",
    ),
    "storage missing": (
        written(rezipped(saved({"w": torch.zeros(4)}), lambda name, data: None if name.endswith("data/0") else data)),
        "missing or of another size",
    ),
    "storage short": (
        written(rezipped(saved({"w": torch.zeros(4)}), lambda name, data: data[:8] if name.endswith("data/0") else data)),
        "missing or of another size",
    ),
    "expanded": (written(saved({"w": torch.zeros(1).expand(1 << 40)})), "larger than its data"),
    "expanded legacy": (written(saved({"w": torch.zeros(1).expand(1 << 40)}, legacy=True)), "larger than its data"),
    "complex": (written(saved({"w": torch.zeros(2, dtype=torch.complex64)})), "of a type that is not read"),
    "persistent id": (written(with_pickle(b"\x80\x02}X\x01\x00\x00\x00wX\x01\x00\x00\x00xQs.")), "a persistent id"),
    "text id": (written(with_pickle(b"Px\n.")), "a persistent id"),
    "extension code": (written(with_pickle(b"\x80\x02\x82\x01.")), "uses EXT1"),
    "no end": (written(with_pickle(b"\x80\x02}")), "pickle is malformed"),
    "huge memo": (written(with_pickle(b"\x80\x02}r\xff\xff\xff\xffh\x00.")), "pickle is malformed"),
    "huge string": (written(with_pickle(b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.")), "claims more than|malformed"),
    "huge number": (written(with_pickle(b"\x80\x02\x8b\xff\xff\xff\x7f.")), "claims more than|malformed"),
    "deep key": (written(with_pickle(b"\x80\x02}" + b"K\x01\x85" + b"2\x86" * 80 + b"K\x01s.")), "a key of type tuple"),
    "text that calls": (written(with_pickle(b"\x80\x02X\x01\x00\x00\x00x)R.")), "calls what is no name"),
    "huge directory": (
        written(b"PK" + bytes(100) + b"PK\x05\x06" + bytes(8) + (1 << 30).to_bytes(4, "little") + bytes(6)),
        "zip directory has",
    ),
}  # fmt: skip
"""Name → how it is made, and what the message says it is."""


def small_net() -> dict[str, Any]:
    """A state dict and around it what checkpoints hold."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return {
        "epoch": 3,
        "weights": net.state_dict(),
        "more": [
            torch.randn(3, 4).t(),
            torch.zeros(2, 2, 2, 2).contiguous(memory_format=torch.channels_last),
        ],
        "kinds": (
            torch.tensor([True, False]),
            torch.ones(3, dtype=torch.bfloat16),
            torch.empty(0, 3),
            torch.tensor(7),
        ),
        "plain": {"a": None, 1: 2.5, "b": b"\x00\xff", "set": {1, 2}, "big": 1 << 70, "text": "ü…"},
        "shape": torch.zeros(2, 3).shape,
    }
