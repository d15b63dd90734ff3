"""Order and batches are functions of (seed, epoch, step, rank), checked with a Philox written out here; repeat factors with their formula."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.datasets.coco import CocoDetection
from vision.datasets.sampling import ONE, BatchSampler, EpochOrder, Repeats, SampleKey, repeats

MASK = 2**64 - 1


def philox(counter: int, key: tuple[int, int]) -> list[int]:
    """Philox4x64-10 of one 256-bit counter, after Salmon et al. 2011, table 2."""
    words = [(counter >> (64 * n)) & MASK for n in range(4)]
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(words[0] * 0xD2E7470EE14C6C93, 2**64)
        high1, low1 = divmod(words[2] * 0xCA5A826395121157, 2**64)
        words = [high1 ^ words[1] ^ k0, low1, high0 ^ words[3] ^ k1, low0]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return words


def order_by_hand(length: int, seed: int, epoch: int) -> list[int]:
    """NumPy counts up before each block of four words."""
    first = (epoch << 192) + 1
    words = [word for n in range(-(-length // 4)) for word in philox(first + n, (seed, 0x6F72646572))]
    return sorted(range(length), key=lambda index: words[index])


@given(st.integers(0, 40), st.integers(0, 2**63 - 1), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_the_order_is_philox_sorted(length: int, seed: int, epoch: int) -> None:
    assert EpochOrder(length, seed).order(epoch).tolist() == order_by_hand(length, seed, epoch)


def test_epochs_and_seeds_differ_and_nothing_is_lost() -> None:
    orders = [EpochOrder(1000, seed).order(epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len({tuple(order.tolist()) for order in orders}) == 6
    for order in orders:
        assert sorted(order.tolist()) == list(range(1000)) and order.dtype == np.int64


def test_the_global_random_generators_play_no_part() -> None:
    np.random.seed(1)
    first = EpochOrder(50, 3).order(4).tolist()
    np.random.seed(2)
    before = np.random.get_state()[1].tolist()
    assert EpochOrder(50, 3).order(4).tolist() == first
    assert np.random.get_state()[1].tolist() == before


def indices(sampler: BatchSampler) -> list[list[int]]:
    return [[key.index for key in batch] for batch in sampler]


cases = given(
    st.integers(1, 60),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 50),
)


@cases
@settings(max_examples=200, deadline=None)
def test_every_image_once_and_no_single_at_the_end(
    length: int, batch_size: int, drop_last: bool, shuffle: bool, epoch: int, start: int
) -> None:
    sampler = BatchSampler(length, batch_size, 7, epoch, shuffle=shuffle, drop_last=drop_last)
    batches = indices(sampler)
    order = EpochOrder(length, 7).order(epoch).tolist() if shuffle else list(range(length))
    seen = [index for batch in batches for index in batch]
    assert seen == order[: length - sampler.left_out]
    assert len(batches) == len(sampler) == sampler.steps_per_epoch
    if drop_last and length >= batch_size:
        assert {len(batch) for batch in batches} == {batch_size} and sampler.left_out == length % batch_size
    else:
        assert sampler.left_out == 0
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert len(batches[-1]) > 1 or length == 1 or batch_size == 1
    start = min(start, sampler.steps_per_epoch)
    sampler.set_epoch(epoch, start)
    assert indices(sampler) == batches[start:] and len(sampler) == len(batches) - start


@cases
@settings(max_examples=200, deadline=None)
def test_ranks_together_see_the_same_global_batches(
    length: int, batch_size: int, drop_last: bool, shuffle: bool, epoch: int, world: int
) -> None:
    world = 1 + world % min(5, batch_size)
    alone = indices(BatchSampler(length, batch_size, 7, epoch, shuffle=shuffle, drop_last=drop_last))
    ranks = [
        indices(BatchSampler(length, batch_size, 7, epoch, 0, shuffle, drop_last, rank, world))
        for rank in range(world)
    ]
    for step, batch in enumerate(alone):
        parts = [rank[step] if step < len(rank) else [] for rank in ranks]
        assert list(chain(*parts)) == batch or len(batch) < world
        if len(batch) == batch_size:
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sorted(chain(*chain(*ranks))) == sorted(chain(*alone))


def test_batches_are_keys_of_their_epoch() -> None:
    sampler = BatchSampler(5, 2, seed=1, epoch=3)
    assert {key.epoch for batch in sampler for key in batch} == {3}
    sampler.set_epoch(4)
    assert {key.epoch for batch in sampler for key in batch} == {4}
    assert SampleKey(1, 2) == SampleKey(1, 2) and len({SampleKey(1, 2), SampleKey(1, 2)}) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"length": 0, "batch_size": 4}, "data set is empty"),
        ({"length": 9, "batch_size": 2, "world": 3}, "every process needs an image"),
        ({"length": 9, "batch_size": 4, "world": 2, "rank": 2}, "rank 2 of 2"),
        ({"length": 9, "batch_size": 4, "start_step": 4}, "3 steps of 4|2 steps of 4"),
    ],
)
def test_mistakes_are_told(arguments: dict[str, int], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        BatchSampler(**arguments)


def data_of(*images: list[int], crowds: tuple[int, ...] = (), classes: int = 4) -> SimpleNamespace:
    """Images by the labels of their boxes; ``crowds``: boxes that are regions."""
    labels = [label for image in images for label in image]
    columns = {
        "first_box": np.cumsum([0, *map(len, images)]), "labels": np.array(labels, np.int64),
        "is_crowd": np.isin(np.arange(len(labels)), crowds),
    }  # fmt: skip

    class Data(SimpleNamespace):
        def __len__(self) -> int:
            return len(images)

        def columns(self, *names: str) -> list[np.ndarray]:
            return [columns[name] for name in names]

    return Data(classes=["BACKGROUND", *"abc"][:classes])


def test_factors_are_the_roots_of_how_rare_a_class_is() -> None:
    """Class 1 in 6 images, 2 in 2 (twice in one of them: once), 3 in none: the mean of those that are there is 4."""
    data = data_of([1], [1, 1], [1], [1, 2, 2], [1], [1], [2], [])
    found = repeats(data, seed=0).factors / ONE  # type: ignore[arg-type]
    rare = math.sqrt(4 / 2)
    np.testing.assert_allclose(found, [1, 1, 1, rare, 1, 1, rare, 1], atol=1 / ONE)


def test_a_crowd_region_is_no_object() -> None:
    plain = repeats(data_of([1], [1], [1], [2]), seed=0)  # type: ignore[arg-type]
    crowded = repeats(data_of([1], [1], [1], [2], crowds=(3,)), seed=0)  # type: ignore[arg-type]
    assert plain.factors[3] > ONE and (crowded.factors == ONE).all()
    assert len(repeats(data_of([], []), seed=0)) == 2, "without a box nothing is rare"  # type: ignore[arg-type]


def test_every_epoch_is_as_long_shows_each_image_and_repeats_it_by_its_factor() -> None:
    draw = np.random.default_rng(3)
    factors = np.rint(np.exp(draw.random(40) * 1.5) * ONE).astype(np.int64)
    some = Repeats(factors, seed=5)
    assert len(some) == math.ceil(factors.sum() / ONE)
    seen: Counter[int] = Counter()
    for epoch in range(400):
        images, times = some.images(epoch)
        counts = Counter(images.tolist())
        assert len(images) == len(some) and counts.keys() == set(range(40))
        assert len(set(zip(images.tolist(), times.tolist(), strict=True))) == len(images)
        assert times.max() == max(counts.values()) - 1
        for image, times_shown in counts.items():
            least = int(factors[image]) // ONE
            assert least <= times_shown <= least + 1 + (image == 39)
        seen += counts
    means = np.array([seen[image] / 400 for image in range(39)])  # the last image has what rounding up adds
    np.testing.assert_allclose(means, factors[:39] / ONE, atol=0.1)


def test_it_is_a_function_of_seed_and_epoch() -> None:
    factors = np.full(50, ONE * 3 // 2)
    drawn = [Repeats(factors, seed).images(epoch)[0].tolist() for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len(set(map(tuple, drawn))) > 1 and Repeats(factors, 1).images(2)[0].tolist() == drawn[-1]


def test_batches_of_a_balanced_epoch_resume_and_shard_as_any_others(miniature_root: Path) -> None:
    """The same keys after a stop, and over two ranks; an image that is shown again has a key of its own."""
    data = CocoDetection(miniature_root, "train")
    some = repeats(data, seed=2)
    assert len(some) > len(data)
    whole = list(BatchSampler(len(data), 4, 2, 1, drop_last=True, repeats=some))
    keys = [key for batch in whole for key in batch]
    assert len(keys) == len(some) // 4 * 4 and len(set(keys)) == len(keys)
    assert len({key.index for key in keys}) < len(keys)
    later = BatchSampler(len(data), 4, 2, 1, start_step=3, drop_last=True, repeats=repeats(data, seed=2))
    assert list(later) == whole[3:]
    ranks = [
        list(BatchSampler(len(data), 4, 2, 1, drop_last=True, rank=rank, world=2, repeats=some))
        for rank in (0, 1)
    ]
    assert [one + other for one, other in zip(*ranks, strict=True)] == whole
    assert list(BatchSampler(len(data), 4, 2, 2, drop_last=True, repeats=some)) != whole


def test_what_is_shown_more_often_is_said() -> None:
    said = repeats(data_of([1], [1], [1], [2]), seed=0).describe()  # type: ignore[arg-type]
    assert said == "5 images an epoch of 4: 1 of them, with rare classes, up to 1.4 times (--balance-data)"
