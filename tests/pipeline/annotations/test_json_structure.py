"""Brackets and commas found by arrays are those that one byte after the other finds, wherever the stretches end."""

from __future__ import annotations

import json
import random

import pytest

from pipeline.annotations import json_structure
from pipeline.annotations.json_structure import ends_of_pieces, levels


def slow_levels(text: bytes) -> list[tuple[int, int]]:
    """(position, level behind it) of every bracket outside strings."""
    found, level, position = [], 0, 0
    while position < len(text):
        byte = text[position : position + 1]
        if byte == b'"':
            position += 1
            while position < len(text) and text[position : position + 1] != b'"':
                position += 2 if text[position : position + 1] == b"\\" else 1
        elif byte in (b"[", b"{", b"]", b"}"):
            level += 1 if byte in (b"[", b"{") else -1
            found.append((position, level))
        position += 1
    return found


def value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(6 if depth < 4 else 3)
    if kind == 0:
        return chance.choice([0, -1.5, True, None, 10**12])
    if kind in (1, 2):
        return "".join(chance.choice('\\"[]{},a') for _ in range(chance.randrange(6)))
    inner = [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return inner if kind in (3, 4) else {str(number): each for number, each in enumerate(inner)}


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_levels_are_those_of_a_slow_walk(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_structure, "FIRST", size)
    monkeypatch.setattr(json_structure, "STRETCH", size + 1)
    chance = random.Random(size)
    for _ in range(300):
        text = json.dumps([value(chance) for _ in range(4)]).encode()
        found = [
            (int(position), int(level))
            for positions, after in levels(text, 0, len(text))
            for position, level in zip(positions, after, strict=True)
        ]
        assert found == slow_levels(text), text


def in_pieces(text: bytes, most_levels: int = 64) -> list[object]:
    """The elements of all pieces of ``text``, one piece parsed after the other."""
    found, position = [], 0
    for end in ends_of_pieces(text, most_levels)[::-1]:
        found += json.loads(b"[" + text[position:end].lstrip(b" ,") + b"]")
        position = end
    return found


@pytest.mark.parametrize("size", [1, 5, 16, 1 << 14])
def test_a_piece_ends_where_an_element_does(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_structure, "PIECE", size)
    chance = random.Random(3)
    for _ in range(1000):
        values = [value(chance) for _ in range(chance.randint(1, 5))]
        text = json.dumps(values).encode()[1:]
        assert in_pieces(text + b', "behind": [{}, 0]') == values, text
        cut = text[: chance.randint(0, len(text))]
        found = in_pieces(cut)
        assert found == values[: len(found)], cut
        whole = [json.dumps(each).encode() + b"," for each in values]
        assert found or not cut.startswith(whole[0]), cut


def test_pieces_are_short_where_elements_are() -> None:
    for unit in (b"0,", b'{"a":[1]},'):
        text = unit * (4 * json_structure.PIECE // len(unit))
        ends = ends_of_pieces(text, 64)
        assert len(ends) == 4 and ends[0] >= len(text) - len(unit)


def test_what_is_too_deep_is_in_no_piece() -> None:
    assert in_pieces(b"[[1]],2,", 2) == [[[1]]]
    assert not ends_of_pieces(b"[[1]],2,", 1)
    assert in_pieces(b"1,2],[[[[", 1) == [1, 2], "what follows the list does not count"
