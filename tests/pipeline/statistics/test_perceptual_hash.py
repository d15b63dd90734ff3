"""The hash against ImageHash's definition, with SciPy's transform; its groups against every pair."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.statistics import perceptual_hash as module
from pipeline.statistics.perceptual_hash import alike, differing_bits, perceptual_hash

UINT64 = st.integers(0, 2**64 - 1)


def as_published(pixels: np.ndarray) -> int:
    """``imagehash.phash``, hash_size 8, highfreq_factor 4, as its documentation has it."""
    fftpack = pytest.importorskip("scipy.fftpack")
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS))
    waves = fftpack.dct(fftpack.dct(grey.astype(float), axis=0), axis=1)[:8, :8]
    bits = "".join(str(int(bit)) for bit in (waves > np.median(waves)).flatten())
    return int(bits, 2)


def test_the_hash_is_that_of_imagehash() -> None:
    draw = np.random.default_rng(0)
    drawn = [
        draw.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in ((32, 32), (50, 70), (8, 9), (120, 33))
    ]
    for pixels in drawn:
        assert perceptual_hash(pixels) == as_published(pixels)


def test_saved_again_an_image_keeps_its_hash_and_another_has_another() -> None:
    pixels = np.kron(
        np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8)
    )
    other = pixels[::-1, ::-1].copy()

    def bits(one: np.ndarray, two: np.ndarray) -> int:
        hashes = [np.array([perceptual_hash(each)], np.uint64) for each in (one, two)]
        return int(differing_bits(*hashes)[0])

    encoded = io.BytesIO()
    Image.fromarray(pixels).resize((96, 72)).save(encoded, "JPEG", quality=40)
    assert bits(pixels, np.asarray(Image.open(encoded))) <= module.NEAR_BITS < bits(pixels, other)


def test_a_plain_image_has_none() -> None:
    assert perceptual_hash(np.full((40, 40, 3), 200, np.uint8)) is None


def by_every_pair(hashes: list[int], bits: int) -> list[list[int]]:
    groups: list[set[int]] = []
    for place, one in enumerate(hashes):
        near = {other for other, two in enumerate(hashes) if bin(one ^ two).count("1") <= bits} | {place}
        joined = [group for group in groups if group & near]
        groups = [group for group in groups if not group & near] + [near.union(*joined)]
    return sorted(sorted(group) for group in groups if len(group) > 1)


@settings(max_examples=40)
@given(
    st.lists(UINT64, min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.lists(st.integers(0, 63), max_size=9)), max_size=40),
    st.integers(0, 8),
    st.sampled_from([1, 4, 256]),
)
def test_groups_are_those_that_every_pair_shows(
    bases: list[int], changes: list[tuple[int, list[int]]], bits: int, square: int
) -> None:
    hashes = []
    for base, flips in changes:
        value = bases[base % len(bases)]
        for flip in flips:
            value ^= 1 << flip
        hashes.append(value)
    before, module.SQUARE = module.SQUARE, square
    try:
        assert alike(np.array(hashes, np.uint64), bits) == by_every_pair(hashes, bits)
    finally:
        module.SQUARE = before


def test_many_hashes_are_compared_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 that are spread, and 2,000 of one film: the comparisons are counted, not the seconds."""
    compared = 0
    real = differing_bits

    def counting(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        nonlocal compared
        found = real(one, other)
        compared += found.size
        return found

    monkeypatch.setattr(module, "differing_bits", counting)
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**63, 5000, dtype=np.uint64)
    hashes[7] = hashes[4900] ^ np.uint64(0b1011)
    assert alike(hashes) == [[7, 4900]]
    assert compared < 5000**2 / 400
    compared = 0
    film = hashes[0] ^ (np.uint64(1) << draw.integers(0, 63, (2000, 3), dtype=np.uint64)).sum(
        axis=1, dtype=np.uint64
    )
    assert [len(group) for group in alike(film)] == [2000]
    assert compared < 2000**2 / 8
