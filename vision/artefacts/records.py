"""Strict JSON in, typed records out. What somebody else wrote is data: it is checked before it is used.

A record is a frozen dataclass whose fields are plain (bool, int, float, str, None, list, tuple, dict, records).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import stat
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from vision.messages.advice import UserError
from vision.messages.system_errors import kind_of
from vision.messages.terminal import counted

MAX_BYTES = 16 << 20
MAX_DEPTH = 64
MAX_DIGITS = 400
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What tools on Windows write in front of UTF-8; it is read as nothing."""
NOT_UTF8 = "UTF-16, UTF-32 or zeros; expected UTF-8: save it as that"
Record = TypeVar("Record")


class RecordError(UserError):
    """JSON that is no JSON, or not the record that was expected; says where."""


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """The plain value in ``path``.

    Raises:
        RecordError: no regular file, larger than ``max_bytes``, no UTF-8, a syntax error (with its line), a key
            twice, NaN or infinity, nested deeper than 64.
    """
    data = _read_regular(Path(path), max_bytes)
    return parse_json(data, str(path))


def _read_regular(path: Path, max_bytes: int) -> bytes:
    with os.fdopen(open_regular(path), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise RecordError(f"{path}: {size:,} bytes; at most {max_bytes:,} are expected")
        return stream.read()


def open_regular(path: Path) -> int:
    """A descriptor to read ``path``. Raises RecordError for a pipe, which would block forever, a device, a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise RecordError(f"{path}: it is {kind_of(mode)}, not a file")
    return descriptor


def is_no_utf8(head: bytes) -> bool:
    """Whether a text cannot be UTF-8 by the first four bytes of its file."""
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head


def parse_json(data: bytes, where: str) -> Any:
    """As ``read_json``, for bytes at hand."""
    if is_no_utf8(data[:4]):
        raise RecordError(f"{where}: {NOT_UTF8}")
    try:
        text = data.removeprefix(BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{where}: not UTF-8 at byte {error.start}") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_constant=lambda name: _refuse(f"{where}: {name} is no JSON number"),
            parse_int=lambda digits: _integer(digits, where),
            parse_float=lambda digits: _finite(digits, where),
        )
    except json.JSONDecodeError as error:
        raise RecordError(f"{where}: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise RecordError(f"{where}: nested too deeply") from error
    _check_depth(value, where, 0)
    return value


def _refuse(message: str) -> typing.NoReturn:
    raise RecordError(message)


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"{where}: the key {double!r} comes twice in one object")
    return seen


def _integer(digits: str, where: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise RecordError(f"{where}: a number of {counted(len(digits), 'digit')}")
    return int(digits)


def _finite(digits: str, where: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise RecordError(f"{where}: the number {digits[:40]} is too large")
    return value


def _check_depth(value: Any, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RecordError(f"{where}: nested deeper than {MAX_DEPTH}")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, where, depth + 1)


def from_plain(cls: type[Record], value: Any, where: str, separator: str = ": ") -> Record:
    """A frozen dataclass ``cls`` out of a plain dict; fields without a default must be there.

    A hint ``Annotated[hint, check, …]`` adds checks, functions of the value and its place that raise RecordError.

    Raises:
        RecordError: a wrong type, a missing key, an unknown key (with the nearest known one).
    """
    if not isinstance(value, dict):
        raise RecordError(f"{where}: expected an object, found {_name(value)}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            raise RecordError(
                f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    hints = typing.get_type_hints(cls, include_extras=True)
    taken = {
        name: _typed(hints[name], value[name], f"{where}{separator}{name}")
        for name in fields
        if name in value
    }
    missing = [name for name, field in fields.items() if name not in taken and _required(field)]
    if missing:
        raise RecordError(f"{where}: the key {missing[0]!r} is missing")
    try:
        return cls(**taken)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from error


def within(low: float, high: float = math.inf) -> Callable[[Any, str], None]:
    """For ``Annotated[int, within(0)]``: bounds of a number, or of the length of a list, a tuple or a dict."""

    def check(value: Any, where: str) -> None:
        has_items = isinstance(value, (list, tuple, dict))
        if not low <= (len(value) if has_items else value) <= high:
            limits = f"at least {low}" if high == math.inf else f"{low} to {high}" if low < high else f"{low}"
            raise RecordError(
                f"{where}: expected {limits} {'items' if has_items else ''}".rstrip()
                + f", found {len(value) if has_items else _name(value)}"
            )

    return check


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is typing.Annotated:
        value = _typed(arguments[0], value, where)
        for check in arguments[1:]:
            check(value, where)
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is typing.Literal:
        return value if value in arguments else _wrong(f"one of {list(arguments)}", value, where)
    if origin in (list, tuple):
        return _sequence(origin, arguments, value, where)
    if origin is dict or hint is dict:
        return _mapping(arguments, value, where)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast("type[Any]", hint), value, where, ".")
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is type(None) or hint is None:
        return value if value is None else _wrong("null", value, where)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) <= sys.float_info.max else _wrong("a finite number", value, where)
    if hint is int and isinstance(value, bool):
        return _wrong("int", value, where)
    return value if isinstance(value, hint) else _wrong(getattr(hint, "__name__", str(hint)), value, where)


def _one_of(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    for hint in hints:
        try:
            return _typed(hint, value, where)
        except RecordError as error:
            last = error
    raise last


def _sequence(origin: type, hints: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        _wrong("a list", value, where)
    fixed = origin is tuple and hints and hints[-1] is not Ellipsis
    if fixed and len(hints) != len(value):
        raise RecordError(f"{where}: expected {counted(len(hints), 'item')}, found {len(value)}")
    each = hints if fixed else (hints[0] if hints else Any,) * len(value)
    return origin(
        _typed(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(each, value, strict=True))
    )


def _mapping(hints: tuple[Any, ...], value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _wrong("an object", value, where)
    keys, of = hints if len(hints) == 2 else (Any, Any)
    return {
        _typed(keys, key, f"{where}: a key"): _typed(of, item, f"{where}.{key}")
        for key, item in value.items()
    }


def _wrong(expected: str, value: Any, where: str) -> typing.NoReturn:
    raise RecordError(f"{where}: expected {expected}, found {_name(value)}")


def _name(value: Any) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 60 else shown[:57] + '…'}"


def to_plain(record: Any) -> Any:
    """The plain value of a record: dicts, lists, scalars; tuples become lists, paths text."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: to_plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, dict):
        return {str(key): to_plain(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_plain(value) for value in record]
    return str(record) if isinstance(record, Path) else record
