"""Which images are taken: so many, the same each time, classes in their shares, no object without its box."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.open_images.selection import limit_boxes, limit_images, shares

FRUIT = {"train": 5145, "validation": 285, "test": 930}
"""Of the ancestors' page: eight kinds of fruit."""


def test_the_share_of_each_split() -> None:
    assert shares(FRUIT, 2500) == {"train": 2022, "validation": 112, "test": 366}
    assert shares(FRUIT, 6360) == shares(FRUIT, 9999) == FRUIT
    assert shares(FRUIT, 5) == {"train": 3, "validation": 1, "test": 1}
    assert shares(FRUIT, 1) == {"train": 1, "validation": 0, "test": 0}
    assert shares({"train": 10, "validation": 0, "test": 5}, 6) == {"train": 4, "validation": 0, "test": 2}


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=3), st.integers(1, 30_000))
def test_so_many_in_all_and_never_more_than_there_are(counts: list[int], most: int) -> None:
    available = dict(zip("abc", counts, strict=True))
    sizes = shares(available, most)
    assert sum(sizes.values()) == min(most, sum(counts))
    assert all(0 <= sizes[each] <= available[each] for each in sizes)
    if most >= 3:
        assert all(sizes[each] for each in sizes if available[each])


def drawn(seed: int, count: int = 2000) -> dict[str, str]:
    draw = random.Random(seed)
    return {
        f"{draw.getrandbits(64):016x}": "".join(draw.choices("abc", (70, 25, 5), k=draw.randint(1, 6)))
        for _ in range(count)
    }


def test_the_order_of_the_table_does_not_matter_and_more_keeps_what_was_taken() -> None:
    images = drawn(1)
    few, more = limit_images(images, 300, 7), limit_images(dict(reversed(images.items())), 600, 7)
    assert len(few) == 300 and len(more) == 600 and few < more
    assert few != limit_images(images, 300, 8)
    assert limit_images(images, 5000, 7) == set(images)


def test_classes_keep_their_shares_roughly() -> None:
    images = drawn(2)
    taken = limit_images(images, 500, 0)
    before, after = (Counter("".join(images[each] for each in some)) for some in (images, taken))
    for letter in "abc":
        assert after[letter] / after.total() == pytest.approx(before[letter] / before.total(), abs=0.03)


@given(st.integers(0, 1000), st.integers(1, 400))
def test_no_class_has_more_boxes_than_allowed(seed: int, most: int) -> None:
    images = drawn(seed, 200)
    taken = limit_boxes(images, images, most, seed)
    counts = Counter("".join(images[each] for each in taken))
    assert all(number <= most for number in counts.values())
    assert taken == limit_boxes(dict(reversed(images.items())), [*images][::-1], most, seed)
    for image in images.keys() - taken:  # there is no room for any other one
        assert any(counts[letter] + number > most for letter, number in Counter(images[image]).items())


def test_a_rare_class_comes_first() -> None:
    """Where it has fewer boxes than allowed it keeps all of them, unless what is with it in an image has used up its own."""
    images = {f"{n:04}": "aac" if n % 20 == 0 else "aab" if n % 2 else "aa" for n in range(1000)}
    taken = limit_boxes(images, images, 100, 0)
    assert Counter("".join(images[each] for each in taken)) == Counter(c=50, a=100)
    assert limit_boxes(images, images, 10**6, 0) == set(images)
    assert limit_boxes({"x": "aaaa"}, {"x"}, 3, 0) == set()
