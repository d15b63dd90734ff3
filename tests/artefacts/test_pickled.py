"""A pickle as data: equal to Python's own reader for plain values, and inert for everything else."""

from __future__ import annotations

import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.artefacts import pickled
from vision.artefacts.pickled import BadPickle, Machine, Stranger, checked_key


def run(program: bytes) -> tuple[Any, set[str]]:
    machine = Machine(lambda name, arguments: NotImplemented, lambda identity: ("stored", identity))
    return machine.run(io.BytesIO(program)), machine.met


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
KEYS = st.text() | st.integers(-(2**40), 2**40) | st.tuples(st.text(), st.integers(0, 9))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([3, 4, 5]))
def test_plain_values_come_out_as_python_reads_them(value: Any, protocol: int) -> None:
    program = pickle.dumps(value, protocol)
    assert run(program) == (pickle.loads(program), set())


def test_values_that_are_shared_or_hold_themselves() -> None:
    shared: list[Any] = [1]
    value = {"a": shared, "b": shared}
    found, _ = run(pickle.dumps(value, 2))
    assert found["a"] is found["b"]
    shared.append(shared)
    found, _ = run(pickle.dumps(shared, 4))
    assert found[1] is found


def test_old_protocols() -> None:
    for protocol in (0, 1):
        value = {"a": [1, 2.5, None, (1, "x")]}
        assert run(pickle.dumps(value, protocol))[0] == value


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.call[0], tuple(self.call[1:]), {"state": 1}, iter([1]), iter([("a", 1)]))


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_imported_or_called(tmp_path: Path, protocol: int) -> None:
    """By REDUCE, with state, items and keys to follow; the machine has no way to a function."""
    mark = tmp_path / "mark"
    found, met = run(pickle.dumps({"x": Evil(os.system, f"touch {mark}")}, protocol))
    assert type(found["x"]) is Stranger and found["x"].made_by == f"{os.system.__module__}.system"
    assert met == {f"{os.system.__module__}.system"} and not mark.exists()
    program = b"(S'touch %s'\nios\nsystem\n." % str(mark).encode()  # INST of protocol 0
    assert run(program)[1] == {"os.system"} and not mark.exists()
    program = b"(cos\nsystem\nS'touch %s'\no." % str(mark).encode()  # OBJ
    assert run(program)[1] == {"os.system"} and not mark.exists()


def test_a_name_alone_and_a_name_among_values_are_strangers() -> None:
    found, met = run(b"\x80\x02cos\nsystem\n.")
    assert type(found) is Stranger and met == {"os.system"}
    found, _ = run(b"\x80\x02}X\x01\x00\x00\x00acos\nsystem\ns.")
    assert type(found["a"]) is Stranger


@pytest.mark.parametrize(
    "program",
    [b"", b".", b"\x80\x02", b"}", b"}}.", b"(.", b"\x85.", b"s.", b"(u.", b"}(K\x01u.", b"]K\x01K\x02s.", b"h\x05.", b"e.", b"K\x01b.", b"0.", b"a.",
     b"\x93.", b"K\x01K\x02\x93.", b"}R.", b"Q.", b"K\x01]s.", b"}]K\x01s.", b"\x8f(]\x90."],
)  # fmt: skip
def test_broken_programs_end_as_bad_pickles(program: bytes) -> None:
    with pytest.raises(BadPickle):
        run(program)


def test_long_programs_and_slow_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.process_time()
    nested: Any = ()
    for _ in range(60):
        nested = (nested, nested)
    with pytest.raises(BadPickle, match="key of type tuple"):
        checked_key(nested)
    with pytest.raises(BadPickle, match="beyond"):
        checked_key((1 << 61) - 1)
    assert time.process_time() - began < 30, "hashing it would take for ever"
    monkeypatch.setattr(pickled, "MAX_STEPS", 100)
    with pytest.raises(BadPickle, match="more than 100 steps"):
        run(b"\x80\x02" + b"N0" * 100 + b"N.")
    monkeypatch.setattr(pickled, "MAX_BYTES", 100)
    with pytest.raises(BadPickle, match="100 bytes"):
        run(pickle.dumps("x" * 200, 4))
