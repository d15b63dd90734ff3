"""Computed again: the numbers of the plain net to the bit, in less memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vision.core.sample import InputSpec
from vision.nn.recompute import blocks_of, keep, recompute
from vision.ssd.build import build_detector
from vision.ssd.variants import find


def net_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return (
        build_detector(find(name), 3, InputSpec(64, 64), 0.25).to(memory_format=torch.channels_last).train()
    )


def step(net: nn.Module, amp: bool = False) -> dict[str, Tensor]:
    """Outputs, gradients and running statistics after two passes."""
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16, amp):
            logits, offsets = net(images)
        (logits.float().square().sum() + offsets.float().square().sum()).backward()
    grads = {f"{name}.grad": one.grad for name, one in net.named_parameters() if one.grad is not None}
    return {"logits": logits.detach(), **grads, **dict(net.named_buffers())}


@pytest.mark.parametrize(("name", "amp"), [("mb2-ssd-lite", False), ("mb2-ssd-lite", True), ("mb3-large-ssd-lite", False),
    ("ssd-lite-resnet18", False), ("sq-ssd-lite", False)])  # fmt: skip
def test_gradients_and_statistics_are_the_plain_nets_to_the_bit(name: str, amp: bool) -> None:
    plain, again = net_of(name), net_of(name)
    calls: list[None] = []
    blocks = blocks_of(again.base_net) + blocks_of(again.extras)  # type: ignore[arg-type]
    recompute(blocks, lambda: calls.append(None))
    expected, found = step(plain, amp), step(again, amp)
    assert len(calls) > 2 * len(blocks)  # 2 passes, forward and backward; not each block is asked in each
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


def kept_bytes(net: nn.Module, images: Tensor) -> int:
    """What is kept for the backward pass, each storage once."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = net(images)
    del outputs
    return sum(storages.values())


def test_what_is_computed_again_is_not_kept() -> None:
    net, images = net_of("mb2-ssd-lite"), torch.zeros(2, 3, 64, 64)
    plain = kept_bytes(net, images)
    recompute(blocks_of(net.base_net))  # type: ignore[arg-type]
    assert kept_bytes(net, images) < 0.5 * plain


def test_it_is_undone_and_copies_do_it_too() -> None:
    net = net_of("mb2-ssd-lite")
    blocks = blocks_of(net.base_net)  # type: ignore[arg-type]
    recompute(blocks)
    again = copy.deepcopy(net)
    first = blocks_of(again.base_net)[0]  # type: ignore[arg-type]
    assert vars(first)["forward"].block is first
    keep(blocks)
    assert all("forward" not in block.__dict__ for block in blocks)
    expected, found = step(net), step(again)
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


def test_what_comes_in_must_stay_as_it_was() -> None:
    block = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
    recompute([block])
    x = torch.zeros(1, 1, 2, 2)
    out = block(x)
    x += 1
    with pytest.raises(RuntimeError, match="was written to since"):
        out.sum().backward()


def test_without_gradients_nothing_is_computed_twice() -> None:
    block = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    called: list[Any] = []
    recompute([block], lambda: called.append(1))
    with torch.no_grad():
        block(torch.zeros(1, 1, 2, 2))
    assert not called
