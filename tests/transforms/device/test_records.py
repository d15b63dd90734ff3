"""Records arrive whole and in order, by the ring and by what is resident; which of the two by what is free."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.datasets.packed.test_detection import make
from vision.images.packs.file import PackFile
from vision.transforms.device import records
from vision.transforms.device.records import SLOTS, Gathered, Resident, Ring, records_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def packs(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[PackFile]:
    """Of both splits, as if they were of two data roots."""
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    make(root, "yuv420-64")
    return [PackFile(root / f"packs/{split}2017.yuv420-64") for split in ("train", "val")]


def fetched(gathered: Gathered) -> np.ndarray:
    table, numbers = gathered.on_device()
    return table[numbers].numpy().copy()


def wanted(packs: Sequence[PackFile], numbers: Sequence[int]) -> np.ndarray:
    rows = np.concatenate([pack.pixels.reshape(len(pack), -1) for pack in packs])
    return np.asarray(rows[list(numbers)])


def test_both_give_the_records_that_were_asked_for(packs: list[PackFile]) -> None:
    numbers = np.array([7, 0, 15, 7, 3])
    for one in (Resident(packs[:1], CPU), Ring(packs[:1], CPU, 8), Ring(packs[:1], CPU, 5, threads=9)):
        assert np.array_equal(fetched(one.gather(numbers)), wanted(packs[:1], numbers.tolist()))


def test_a_ring_is_used_again_and_only_when_it_is_free(packs: list[PackFile]) -> None:
    ring, draw = Ring(packs, CPU, 6, threads=2), np.random.default_rng(0)
    asked = [draw.integers(0, sum(map(len, packs)), 1 + step % 6) for step in range(4 * SLOTS)]
    begun = [(numbers, ring.gather(numbers)) for numbers in asked[: SLOTS - 1]]
    for numbers in asked[SLOTS - 1 :]:
        begun.append((numbers, ring.gather(numbers)))
        first, gathered = begun.pop(0)
        assert np.array_equal(fetched(gathered), wanted(packs, first.tolist()))
    assert len({slot.memory.data_ptr() for slot in ring.slots}) == SLOTS
    ends = [int(pack.record.images) for pack in packs]
    assert np.array_equal(fetched(ring.gather(np.array([ends[0], 0]))), wanted(packs, [ends[0], 0]))


def test_a_record_in_the_ring_is_not_where_a_page_begins(packs: list[PackFile]) -> None:
    slot = Ring(packs, CPU, 4).slots[0]
    assert slot.memory.stride(0) % 64 == 0 and slot.memory.stride(0) > packs[0].record.bytes // len(packs[0])


@pytest.mark.parametrize(("room", "kind"), [(0, Ring), (1, Resident)])
def test_all_of_it_only_where_a_step_fits_beside_it(
    room: int, kind: type, packs: list[PackFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = SimpleNamespace(type="cuda")
    needed = sum(pack.record.bytes for pack in packs) + 8 * 64 * 64 * records.STEP_BYTES_A_PX
    for name in ("Ring", "Resident"):
        monkeypatch.setattr(records, name, type(name, (), {"__init__": lambda self, *args: None}))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (needed - 1 + room, 0))
    assert type(records_of(packs, gpu, 8, 64 * 64)).__name__ == kind.__name__  # type: ignore[arg-type]


def test_a_ring_where_the_memory_is_gone_all_the_same(
    packs: list[PackFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(packs: Sequence[PackFile], device: torch.device) -> Resident:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 40, 0))
    monkeypatch.setattr(records, "Resident", full)
    monkeypatch.setattr(records, "Ring", lambda *args: "ring")
    assert records_of(packs, SimpleNamespace(type="cuda"), 8, 64) == "ring"  # type: ignore[arg-type]


def test_on_a_cpu_one_pack_is_read_where_it_is_mapped(packs: list[PackFile]) -> None:
    alone = records_of(packs[:1], CPU, 8, 64)
    assert isinstance(alone, Resident) and alone.table.data_ptr() == packs[0].pixels.ctypes.data
    assert "mapped" in alone.describe() and "threads" in records_of(packs, CPU, 8, 64).describe()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(packs: list[PackFile]) -> None:
    gpu, numbers = torch.device("cuda", 0), np.array([0, 15, 20, 3])
    for one in (Resident(packs, gpu), Ring(packs, gpu, 4)):
        for _ in range(2 * SLOTS):
            table, which = one.gather(numbers).on_device()
            assert np.array_equal(table[which].cpu().numpy(), wanted(packs, numbers.tolist()))
