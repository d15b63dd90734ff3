"""A pickle read as data: a machine that knows the opcodes and calls nothing.

Python's pickle is a program whose instructions may name any function. This machine makes numbers, strings, bytes,
lists, tuples, sets and dicts; what a pickle would call is handed to ``build`` as a name, and what ``build`` does not
know becomes a ``Stranger``: it has that name and nothing else. Nothing is ever imported for a pickle.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from vision.messages.advice import UserError

MAX_BYTES = 64 << 20
"""A program longer than that is refused; the numbers of a net are no part of it."""
MAX_STEPS = 2_000_000
"""A checkpoint of this toolkit takes some 50,000."""
MAX_KEY, MAX_KEY_PARTS = 1 << 60, 16
SCALARS = (str, int, float, bool, bytes, type(None))


class BadPickle(UserError):
    """The program is malformed, too long, or uses what no file with weights uses."""


@dataclass(frozen=True)
class Named:
    """``module.name``, as it is in the pickle."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Stranger:
    """An object that a pickle would have made; what would be put into it is thrown away."""

    __slots__ = ("made_by",)

    def __init__(self, made_by: str) -> None:
        self.made_by = made_by


Build = Callable[[str, tuple[Any, ...]], Any]
"""(module.name, arguments) → the value that stands for the call; NotImplemented where it is not known."""
Stored = Callable[[Any], Any]
"""A persistent id → the value that stands for it."""


class Machine:
    """Runs pickles. ``met`` collects every name in them, known to ``build`` or not."""

    def __init__(self, build: Build, stored: Stored) -> None:
        self._build, self._stored = build, stored
        self.met: set[str] = set()
        self._steps = 0

    def run(self, stream: BinaryIO) -> Any:
        """One pickle from the position of ``stream``, which is behind that pickle then. Raises BadPickle."""
        program = _Program(self, self._build, self._stored)
        try:
            for opcode, argument, _ in pickletools.genops(_Bounded(stream)):  # type: ignore[arg-type]
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise BadPickle(f"its pickle has more than {MAX_STEPS:,} steps")
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise BadPickle(f"its pickle uses {opcode.name}, which no weights file does")
                step(program, argument)
            return program.result
        except BadPickle:
            raise
        # what a broken program makes Python's own containers and pickletools raise
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            MemoryError,
        ) as error:
            raise BadPickle(f"its pickle is malformed: {str(error)[:100] or type(error).__name__}") from None


class _Bounded:
    """A stream that never reads more than MAX_BYTES, whatever lengths it is asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_BYTES

    def read(self, length: int = -1) -> bytes:
        if length < 0 or length > self._left:
            raise BadPickle(f"its pickle claims more than {MAX_BYTES:,} bytes")
        return self._spent(self._stream.read(length))

    def readline(self) -> bytes:
        return self._spent(self._stream.readline(self._left + 1))

    def _spent(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise BadPickle(f"its pickle has more than {MAX_BYTES:,} bytes")
        return data


class _Program:
    """One run: a stack, the stacks below the marks, the memo."""

    def __init__(self, machine: Machine, build: Build, stored: Stored) -> None:
        self.machine, self.build, self.stored = machine, build, stored
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def make(self, what: Any, arguments: Any) -> None:
        """What REDUCE and its kin come to."""
        if not isinstance(what, (Named, Stranger)) or not isinstance(arguments, tuple):
            raise BadPickle("its pickle is malformed: it calls what is no name")
        name = str(what) if isinstance(what, Named) else what.made_by
        made = self.build(name, arguments) if isinstance(what, Named) else NotImplemented
        self.stack.append(Stranger(name) if made is NotImplemented else made)

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise BadPickle("its pickle is malformed: a name that is no text")
        named = Named(module, name)
        self.machine.met.add(str(named))
        self.stack.append(named)

    def stop(self) -> None:
        self.result = self.stack.pop()
        if self.stack or self.below:
            raise BadPickle("its pickle is malformed: it ends with more than one value")
        if isinstance(self.result, Named):
            self.result = Stranger(str(self.result))

    def fill_list(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, list):
            target.extend(map(as_value, items))
        elif not isinstance(target, Stranger):
            raise BadPickle("its pickle is malformed: it appends to what is no list")

    def fill_dict(self, target: Any, items: list[Any]) -> None:
        if len(items) % 2:
            raise BadPickle("its pickle is malformed: a key without a value")
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[checked_key(key)] = as_value(value)
        elif not isinstance(target, Stranger):
            raise BadPickle("its pickle is malformed: it sets items of what is no dict")

    def fill_set(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, set):
            target.update(map(checked_key, items))
        elif not isinstance(target, Stranger):
            raise BadPickle("its pickle is malformed: it adds to what is no set")

    def set_state(self) -> None:
        """State of an ordered dict (its ``_metadata``) and of strangers tells nothing that is needed."""
        self.stack.pop()
        if not isinstance(self.stack[-1], (dict, Stranger)):
            raise BadPickle("its pickle is malformed: it gives a state to what has none")

    def new_object(self, with_keywords: bool) -> None:
        if with_keywords:
            self.stack.pop()
        arguments = self.stack.pop()
        self.make(self.stack.pop(), arguments)

    def reduce(self) -> None:
        arguments = self.stack.pop()
        self.make(self.stack.pop(), arguments)


def as_value(value: Any) -> Any:
    """A name that is kept, as ``torch.float32`` may be, is a stranger too."""
    return Stranger(str(value)) if isinstance(value, Named) else value


def checked_key(key: Any) -> Any:
    """Scalars, or flat tuples of them: hashing tuples of tuples of tuples, or numbers made to collide, never ends."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) > MAX_KEY_PARTS or not all(isinstance(part, SCALARS) for part in parts):
        raise BadPickle(f"its pickle has a key of type {type(key).__name__}")
    if any(isinstance(part, int) and abs(part) > MAX_KEY for part in parts):
        raise BadPickle(f"its pickle has a key beyond {MAX_KEY:,}")
    return key


Step = Callable[[_Program, Any], None]


def _push(make: Callable[[Any], Any]) -> Step:
    return lambda program, argument: program.stack.append(make(argument))


def _tuple_of(length: int) -> Step:
    def step(program: _Program, _: Any) -> None:
        if len(program.stack) < length:
            raise BadPickle("its pickle is malformed: too few values on its stack")
        at = len(program.stack) - length
        program.stack[at:] = [tuple(program.stack[at:])]

    return step


def _marked(make: Callable[[_Program, list[Any]], Any]) -> Step:
    """A container of all values down to the mark."""

    def step(program: _Program, _: Any) -> None:
        items = program.to_mark()
        program.stack.append(make(program, items))

    return step


def _dict_of(program: _Program, items: list[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    program.fill_dict(made, items)
    return made


def _filled(fill: str, several: int) -> Step:
    """APPEND, SETITEM (``several`` values) and their plurals (0: down to the mark)."""

    def step(program: _Program, _: Any) -> None:
        if several:
            if len(program.stack) <= several:
                raise BadPickle("its pickle is malformed: too few values on its stack")
            items = program.stack[-several:]
            del program.stack[-several:]
        else:
            items = program.to_mark()
        getattr(program, fill)(program.stack[-1], items)

    return step


def _mark(program: _Program, _: Any) -> None:
    program.below.append(program.stack)
    program.stack = []


def _pop(program: _Program, _: Any) -> None:
    if program.stack:
        program.stack.pop()
    else:
        program.to_mark()


def _pop_mark(program: _Program, _: Any) -> None:
    program.to_mark()


def _global(program: _Program, argument: str) -> None:
    program.name(*argument.split(" ", 1))


def _stack_global(program: _Program, _: Any) -> None:
    name = program.stack.pop()
    program.name(program.stack.pop(), name)


def _instance(program: _Program, argument: str) -> None:
    arguments = tuple(program.to_mark())
    _global(program, argument)
    program.make(program.stack.pop(), arguments)


def _object(program: _Program, _: Any) -> None:
    what, *arguments = program.to_mark()
    program.make(what, tuple(arguments))


def _persistent(program: _Program, argument: Any) -> None:
    program.stack.append(program.stored(argument))


_STEPS: dict[str, Step] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda program, argument: None),
    **dict.fromkeys(
        (
            "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
            "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
            "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        ),
        _push(lambda argument: argument),
    ),
    "BYTEARRAY8": _push(bytes),
    "NONE": _push(lambda _: None),
    "NEWTRUE": _push(lambda _: True),
    "NEWFALSE": _push(lambda _: False),
    "EMPTY_LIST": _push(lambda _: []),
    "EMPTY_DICT": _push(lambda _: {}),
    "EMPTY_SET": _push(lambda _: set()),
    "EMPTY_TUPLE": _push(lambda _: ()),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda program, _: program.stack.append(program.stack[-1]),
    "TUPLE": _marked(lambda _, items: tuple(items)),
    "LIST": _marked(lambda _, items: list(map(as_value, items))),
    "FROZENSET": _marked(lambda _, items: frozenset(map(checked_key, items))),
    "DICT": _marked(_dict_of),
    "APPEND": _filled("fill_list", 1),
    "APPENDS": _filled("fill_list", 0),
    "SETITEM": _filled("fill_dict", 2),
    "SETITEMS": _filled("fill_dict", 0),
    "ADDITEMS": _filled("fill_set", 0),
    "GET": lambda program, argument: program.stack.append(program.memo[argument]),
    "PUT": lambda program, argument: program.put(argument),
    "MEMOIZE": lambda program, _: program.put(len(program.memo)),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda program, _: program.reduce(),
    "BUILD": lambda program, _: program.set_state(),
    "INST": _instance,
    "OBJ": _object,
    "NEWOBJ": lambda program, _: program.new_object(False),
    "NEWOBJ_EX": lambda program, _: program.new_object(True),
    "PERSID": _persistent,
    "BINPERSID": lambda program, _: _persistent(program, program.stack.pop()),
    "STOP": lambda program, _: program.stop(),
}  # fmt: skip
for _name in ("BINGET", "LONG_BINGET"):
    _STEPS[_name] = _STEPS["GET"]
for _name in ("BINPUT", "LONG_BINPUT"):
    _STEPS[_name] = _STEPS["PUT"]
