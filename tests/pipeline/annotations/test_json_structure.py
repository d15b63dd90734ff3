"""Brackets and commas found by arrays are those that one byte after the other finds, wherever the stretches end."""

from __future__ import annotations

import json
import random

import pytest

from pipeline.annotations import json_structure
from pipeline.annotations.json_structure import end_of_run, levels


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


def slow_run(text: bytes) -> int:
    """The longest list of whole elements that is followed by a comma or the end of the list, by parsing each."""
    decoder, position, end = json.JSONDecoder(), 0, 0
    characters = text.decode("latin-1")
    try:
        while True:
            _, position = decoder.raw_decode(characters, position)
            while characters[position] == " ":
                position += 1
            if characters[position] not in ",]":
                return end
            end = position
            if characters[position] == "]":
                return end
            position += 1
            while characters[position] == " ":
                position += 1
    except (ValueError, IndexError):
        return end


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


def test_a_run_ends_where_an_element_does() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        text = json.dumps([value(chance) for _ in range(chance.randint(1, 5))]).encode()[1:]
        cut = text[: chance.randint(0, len(text))] if chance.random() < 0.7 else text
        assert end_of_run(cut, 64) == slow_run(cut), cut


def test_a_run_that_is_too_deep_is_none() -> None:
    assert end_of_run(b"[[1]],2,", 2) == 7
    assert end_of_run(b"[[1]],2,", 1) == 0
    assert end_of_run(b"1,2],[[[[", 1) == 3, "what follows the list does not count"
