"""The one reader of files with weights: equal to torch's where both read, by name where it does not, and nothing is run."""

from __future__ import annotations

import os
import random
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.nn.weight_corpus import NO_WEIGHTS, Odd, rezipped, saved, small_net
from vision.nn.weights.weight_file import BadWeights, read


def same(a: Any, b: Any) -> bool:
    if isinstance(b, Tensor):
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    if isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("legacy", [False, True])
def test_it_reads_what_torch_reads(tmp_path: Path, legacy: bool) -> None:
    (tmp_path / "x.pth").write_bytes(saved(small_net(), legacy))
    found = read(tmp_path / "x.pth")
    assert same(found.content, torch.load(tmp_path / "x.pth", weights_only=False))  # older ones take no sets
    assert found.strangers == () and found.code == ()


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_that_share_their_numbers_still_do(tmp_path: Path, legacy: bool) -> None:
    one = torch.arange(12.0)
    (tmp_path / "x.pth").write_bytes(saved({"all": one, "part": one[3:9].view(2, 3)}, legacy))
    content = read(tmp_path / "x.pth").content
    content["all"][3] = 70
    assert content["part"][0].tolist() == [70, 4, 5]


@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_is_no_weights_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    make, says = NO_WEIGHTS[name]
    path = tmp_path / "x.pth"
    make(path)
    with pytest.raises(BadWeights, match=says) as caught:
        read(path)
    what, why, fix = str(caught.value).splitlines()
    assert str(path) in what and why.startswith("  why: ") and fix.startswith("  fix: ")
    assert "weights_only" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.pth"):
        read(tmp_path / "x.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(tmp_path: Path, legacy: bool) -> None:
    """A zip's members have CRC-32s; of a legacy file only the structure can be checked: docs/artefacts.md says so."""
    data, path = saved(small_net(), legacy), tmp_path / "x.pth"
    expected = small_net()
    draw = random.Random(1)
    found = 0
    for _ in range(400):
        bad = bytearray(data)
        bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        path.write_bytes(bad)
        try:
            content = read(path).content
        except BadWeights:
            found += 1
        else:
            assert legacy or same(content, expected)
    assert found > 100


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_is_cut_anywhere(tmp_path: Path, legacy: bool) -> None:
    data, path = saved(small_net(), legacy), tmp_path / "x.pth"
    for length in range(0, len(data) - 1, max(1, len(data) // 150)):
        path.write_bytes(data[:length])
        with pytest.raises(BadWeights):
            read(path)


def test_a_zeroed_page_is_named_by_its_member(tmp_path: Path) -> None:
    path = _written(tmp_path / "x.pth", saved({"w": torch.ones(4096)}))
    with zipfile.ZipFile(path) as archive:
        member = next(one for one in archive.infolist() if one.filename.endswith("data/0"))
    page = bytearray(path.read_bytes())
    page[member.header_offset + 4096 : member.header_offset + 8192] = bytes(4096)
    path.write_bytes(page)
    with pytest.raises(BadWeights, match=r"Bad CRC-32 for file '.*/data/0'"):
        read(path)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_mutated_pickle_under_a_good_checksum_is_an_error_by_name_or_data(tmp_path: Path) -> None:
    """Cut, doubled, flipped, spliced: whatever the program does, it ends as BadWeights or as plain data."""
    data, path = saved(small_net()), tmp_path / "x.pth"
    draw = random.Random(2)

    def mutate(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        bad = bytearray(content)
        for _ in range(draw.randrange(1, 4)):
            at, kind = draw.randrange(len(bad)), draw.randrange(4)
            piece = bad[at : at + draw.randrange(1, 30)]
            if kind == 0:
                bad[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del bad[at : at + len(piece)]
            elif kind == 2:
                bad[at:at] = piece
            else:
                bad[at] = draw.randrange(256)
        return bytes(bad)

    refused = 0
    for _ in range(500):
        path.write_bytes(rezipped(data, mutate))
        try:
            read(path)
        except BadWeights:
            refused += 1
    assert refused > 250


def test_files_that_claim_much_take_little_memory(tmp_path: Path) -> None:
    """13 MB that unpack to gigabytes, and tensors of terabytes: refused before memory is taken."""
    path = tmp_path / "x.pth"
    for name in ("bomb", "expanded", "huge directory", "huge memo", "huge string", "huge number"):
        NO_WEIGHTS[name][0](path)
        before = _peak_from_here()
        with pytest.raises(BadWeights):
            read(path)
        assert _peak_kib() - before < 200 << 10, name
    many = {str(index): torch.zeros(1 << 14) for index in range(2)}
    shared = many["0"]
    _written(path, saved({**many, **{f"s{index}": shared.view(-1) for index in range(400)}}))
    before = _peak_from_here()
    with pytest.raises(BadWeights, match="claim many times"):
        read(path)
    assert _peak_kib() - before < 200 << 10


def _peak_from_here() -> int:
    """KiB now; what was taken before, also to write the file, counts no more (Linux: proc_pid_clear_refs(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_kib()


def _peak_kib() -> int:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")
    done: list[BaseException] = []

    def go() -> None:
        try:
            read(tmp_path / "x.pth")
        except BadWeights as error:
            done.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(60)
    assert done


# ---------------------------------------------------------------- nothing is run


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("where", ["whole", "value", "key-like"])
def test_code_is_named_and_never_run(tmp_path: Path, legacy: bool, where: str) -> None:
    mark = tmp_path / "was-run"
    bad = Odd(os.system, f"touch {mark}")
    content = {"whole": bad, "value": {"weights": {"a": torch.zeros(1)}, "x": bad}, "key-like": [(1, bad)]}[
        where
    ]
    path = _written(tmp_path / "x.pth", saved(content, legacy))
    found = read(path)
    assert found.code == (f"{os.system.__module__}.system",)
    with pytest.raises(BadWeights, match=r"posix\.system(.|\n)*nothing in it was run(.|\n)*do not use it"):
        found.require_no_code()
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the trap works"


@pytest.mark.parametrize(
    "function", [eval, exec, getattr, __import__, torch.load, torch.hub.load, os.popen, print]
)
def test_functions_are_taken_for_code(tmp_path: Path, function: Any) -> None:
    path = _written(tmp_path / "x.pth", saved({"weights": {"a": torch.zeros(1)}, "x": Odd(function, "1")}))
    assert len(read(path).code) == 1


@pytest.mark.parametrize("legacy", [False, True])
def test_a_scheduler_object_is_a_stranger_and_no_code(tmp_path: Path, legacy: bool) -> None:
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    path = _written(tmp_path / "x.pth", saved({"weights": net.state_dict(), "scheduler": scheduler}, legacy))
    found = read(path)
    found.require_no_code()
    assert "torch.optim.lr_scheduler.CosineAnnealingLR" in found.strangers
    assert same(found.content["weights"], dict(net.state_dict()))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module_is_called_so(tmp_path: Path, legacy: bool) -> None:
    path = _written(tmp_path / "x.pth", saved(nn.Sequential(nn.Linear(2, 2)), legacy))
    with pytest.raises(
        BadWeights,
        match=r"whole pickled object, a torch\.nn\.modules\.container\.Sequential(.|\n)*state_dict",
    ):
        read(path).require_no_code()
