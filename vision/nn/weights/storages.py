"""The numbers of a file with weights: memory for its storages, and the tensors that look at them.

A file claims sizes, shapes, strides and offsets; each is held against what the file has before memory is taken.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import torch
from torch import Tensor

from vision.artefacts.pickled import BadPickle, Named, checked_key
from vision.messages.terminal import counted

CHUNK = 1 << 20
MAX_DIMS = 16
MAX_SHARING = 4
"""All tensors together may be so many times the size of the file: several may look at one storage, not thousands."""

DTYPES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip
TYPES = {f"{home}.{name}Storage": name for home in ("torch", "torch.cuda") for name in DTYPES}


class Wrong(BadPickle):
    """Something in the file is not as it has to be; the message says what."""


class Storages:
    """Memory for the storages that a file names, filled later; never more than the file has bytes."""

    def __init__(self, file_bytes: int) -> None:
        self._left, self._tensors_left = file_bytes, MAX_SHARING * file_bytes + CHUNK
        self._bytes: dict[str, Tensor] = {}
        self._itemsize: dict[str, int] = {}

    def stored(self, identity: Any) -> Any:
        """The persistent id of a storage → its elements, (numel,) of its type; that of a class → its name."""
        if isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module":
            return identity[1]
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise Wrong("it refers to something outside of itself (a persistent id) that is no storage")
        _, kind, key, _, numel, *view = identity
        dtype = DTYPES.get(TYPES.get(str(kind), "")) if isinstance(kind, Named) else None
        if dtype is None:
            raise Wrong(f"its numbers are of a type that is not read: {str(kind)[:60]}")
        if not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise Wrong("a storage without a name or a size")
        if view not in ([], [None]):
            raise Wrong("a storage that is a view of another one, as torch before 0.4 wrote")
        return self._of(key, numel * dtype.itemsize, dtype)

    def _of(self, key: str, size: int, dtype: torch.dtype) -> Tensor:
        if key not in self._bytes:
            self._left -= size
            if self._left < 0:
                raise Wrong("it claims to hold more bytes than it has")
            self._bytes[key] = torch.empty(size, dtype=torch.uint8)
            self._itemsize[key] = dtype.itemsize
        if len(self._bytes[key]) != size:
            raise Wrong(f"its storage {key[:40]!r} has two sizes")
        return self._bytes[key].view(dtype)

    def build(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What a call in the pickle builds: tensors, ordered dicts, sizes and Python 2's bytes."""
        if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
            return self._tensor(*arguments[:4]) if len(arguments) >= 4 else NotImplemented
        if name == "torch._utils._rebuild_parameter":
            return arguments[0] if arguments and isinstance(arguments[0], Tensor) else NotImplemented
        if name == "collections.OrderedDict":
            return _ordered(*arguments)
        if name == "torch.Size":
            return (
                tuple(arguments[0])
                if arguments and isinstance(arguments[0], (tuple, list))
                else NotImplemented
            )
        if (
            name in ("builtins.set", "__builtin__.set")
            and len(arguments) == 1
            and isinstance(arguments[0], list)
        ):
            return set(map(checked_key, arguments[0]))
        if (
            name == "_codecs.encode"
            and all(type(a) is str for a in arguments)
            and arguments[1:] == ("latin1",)
        ):
            return arguments[0].encode("latin1")
        return NotImplemented

    def _tensor(self, elements: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
        """(numel,) elements → the tensor of ``shape`` on them, once every element is known to be inside."""
        if not isinstance(elements, Tensor) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
            raise Wrong("a tensor without a storage")
        numbers = (offset, *shape, *strides)
        if (
            len(shape) != len(strides)
            or len(shape) > MAX_DIMS
            or any(type(n) is not int or n < 0 for n in numbers)
        ):
            raise Wrong("a tensor with an impossible shape")
        numel, last = 1, offset
        for length, stride in zip(shape, strides, strict=True):
            numel *= length
            last += max(0, length - 1) * stride
        if numel > len(elements) or (numel and last >= len(elements)):
            raise Wrong(
                f"a tensor larger than its data: shape {shape}, {counted(len(elements), 'value', 'is')} there"
            )
        self._tensors_left -= numel * elements.element_size()
        if self._tensors_left < 0:
            raise Wrong("its tensors claim many times the bytes that it has")
        return elements.as_strided(shape, strides, offset) if numel else elements.new_empty(shape)

    @property
    def keys(self) -> list[str]:
        return list(self._bytes)

    def fill(self, key: str, stream: BinaryIO) -> None:
        """The bytes of storage ``key`` out of ``stream``. Raises Wrong where it ends too early."""
        memory = memoryview(self._bytes[key].numpy())  # type: ignore[arg-type]
        while len(memory):
            piece = stream.read(min(CHUNK, len(memory)))
            if not piece:
                raise Wrong(f"its storage {key[:40]!r} is cut")
            memory[: len(piece)] = piece
            memory = memory[len(piece) :]

    def size(self, key: str) -> int:
        return len(self._bytes[key])

    def itemsize(self, key: str) -> int:
        return self._itemsize[key]


def _ordered(*arguments: Any) -> Any:
    """An empty one, or Python 2's list of pairs."""
    if not arguments:
        return {}
    pairs = arguments[0]
    if (
        len(arguments) == 1
        and isinstance(pairs, list)
        and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs)
    ):
        return {checked_key(key): value for key, value in pairs}
    return NotImplemented
