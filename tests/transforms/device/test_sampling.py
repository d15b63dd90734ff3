"""What the device makes: against float64, against the CPU's path image by image, the same bytes however it is asked for."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.datasets.packed.test_detection import make
from vision.core.sample import InputSpec
from vision.datasets.coco import CocoDetection
from vision.datasets.loading import TransformedDataset
from vision.datasets.packed.detection import PackedDetection
from vision.datasets.sampling import SampleKey
from vision.images.packs.pixels import YUV_TO_RGB, planes
from vision.transforms import presets
from vision.transforms.device.places import (
    BOTTOM,
    COLOUR,
    COLOUR_BITS,
    FIELDS,
    LEFT,
    RECORD,
    RIGHT,
    TOP,
    PlacedDataset,
    places,
)  # fmt: skip
from vision.transforms.device.sampling import planes_of, shown
from vision.transforms.draw import Colour
from vision.transforms.geometry import View, alone, wholes

SPEC, FILL = InputSpec(64, 80), 128
PACKS = {"rgb-96": (0.4, 1.5, 20), "yuv420-96": (0.6, 1.5, 40), "grey-96": (0.4, 1.5, 20)}
"""Pack → at most so much is the mean difference from the CPU's path, over all images and in the worst, and of any pixel, in 0..255 units."""
GOLDEN = {
    "rgb": "4ce7002ad243e6e6ffbaaf0536b6b4ffd2b1e54b48cd4189f226923acda55837",
    "yuv420": "c87fd60dece6b7283e6ef5e7a4694b18891e3fd1e236280c116b7c4aac999df2",
    "grey": "94d6bc8d0017d72aee500bc4d9088fc43aceceb9b361a63f78fc7823df8cfad2",
}
"""sha256 of ``drawn``: the same on every machine, since only whole numbers are computed that the types hold."""


@pytest.fixture(scope="module")
def packed(miniature_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed") / "root"
    shutil.copytree(miniature_root, root)
    return make(root, *PACKS)


def table_and_places(pack_format: str, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """24 records of smooth noise, and places that crop, zoom out, mirror and colour."""
    draw = np.random.Generator(np.random.Philox(7))
    count = {"rgb": 3 * size * size, "grey": size * size, "yuv420": size * size * 3 // 2}[pack_format]
    steps = draw.integers(-9, 10, (24, count))
    table = (128 + np.cumsum(steps, axis=1) % 100).astype(np.uint8)
    rows, matrices = [], [coloured(draw.random(8)) for _ in range(24)]
    for record in range(24):
        x, y, w, h = draw.random(4) * [size / 2, size / 2, size, size] + [-size / 4, -size / 4, 8, 8]
        matrix = matrices[record]
        view = View((x, y, x + w, y + h), record % 2 == 1, matrix if record % 3 else None, size_hw=(40, 56))
        rows.append(place(view, record, pack_format, size))
    return torch.from_numpy(table), torch.from_numpy(np.stack(rows))


def place(view: View, record: int, pack_format: str, size: int) -> np.ndarray:
    """(FIELDS,) int64 of one view, in px of the record."""
    return places(alone(view), np.array([[size, size]]), np.array([record]), pack_format, size)[0]


def drawn(pack_format: str, device: str = "cpu") -> torch.Tensor:
    table, rows = (each.to(device) for each in table_and_places(pack_format))
    return shown(planes_of(table, pack_format, 64), rows[:, RECORD], rows, (40, 56), FILL)


def coloured(uniform: np.ndarray) -> np.ndarray:
    """(3, 4) float32 that SSD's colours are at ``uniform`` (8,)."""
    views = wholes(np.array([[64, 64]]))
    return np.asarray(Colour().draw(views, np.empty((0, 4)), np.zeros(2, np.int64), uniform[None]).colour[0])


def in_float64(record: np.ndarray, view: View, pack_format: str, size: int) -> np.ndarray:
    """(H, W, 3) float64: every sample where it is, colours not rounded before they are seen."""
    height, width = view.result_hw
    left, top, right, bottom = view.window_xyxy_px
    x = left + (np.arange(width) + 0.5) * (right - left) / width
    y = top + (np.arange(height) + 0.5) * (bottom - top) / height
    if view.mirrored:
        x = x[::-1]
    stored = []
    for plane in planes(record, pack_format, size):
        scale = plane.shape[0] / size
        at_x, at_y = ((axis * scale - 0.5).clip(0, plane.shape[0] - 1) for axis in (x, y))
        x0, y0 = (np.floor(axis).astype(int).clip(max=plane.shape[0] - 2) for axis in (at_x, at_y))
        along, down = at_x - x0, (at_y - y0)[:, None]
        full = plane.astype(np.float64).reshape(plane.shape[0], plane.shape[0], -1)
        a, b, c, d = (full[y0 + i][:, x0 + j] for i in (0, 1) for j in (0, 1))
        along, down = along[None, :, None], down[..., None]
        stored.append((a * (1 - along) + b * along) * (1 - down) + (c * (1 - along) + d * along) * down)
    pixels = np.concatenate(stored, axis=2)
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    matrix = np.eye(4)[:3] if view.colour is None else view.colour.astype(np.float64)
    matrix = matrix @ YUV_TO_RGB if pack_format == "yuv420" else matrix
    return (pixels @ matrix[:, :3].T + matrix[:, 3]).clip(0, 255)


@pytest.mark.parametrize("name", PACKS)
def test_against_float64(name: str, packed: Path) -> None:
    pack, (pack_format, _, size) = PackedDetection(packed, "train", name), name.partition("-")
    draw, differences = np.random.default_rng(3), []
    table = torch.from_numpy(np.array(pack.pack.pixels).reshape(len(pack), -1))
    for record in range(len(pack)):
        x, y, w, h = draw.random(4) * [30, 30, 60, 60] + [0, 0, 3, 3]
        matrix = coloured(draw.random(8))
        view = View((x, y, x + w, y + h), record % 2 == 1, matrix, size_hw=(50, 70))
        row = torch.from_numpy(place(view, record, pack_format, int(size)))[None]
        assert row[0, [LEFT, TOP, RIGHT, BOTTOM]].tolist() == [
            max(0, round(0.0 if not view.mirrored else 70 - (96 - x) / w * 70)), 0,
            min(70, round((96 - x) / w * 70)) if not view.mirrored else 70, min(50, round((96 - y) / h * 50)),
        ]  # fmt: skip
        image = shown(planes_of(table, pack_format, int(size)), row[:, RECORD], row, (50, 70), FILL)[
            0
        ].permute(1, 2, 0)
        exact = in_float64(table[record].numpy(), view, pack_format, int(size))
        left, top, right, bottom = row[0, [LEFT, TOP, RIGHT, BOTTOM]].tolist()
        differences.append(np.abs(image.numpy() - exact)[top:bottom, left:right])
        outside = image.numpy().astype(int)
        outside[top:bottom, left:right] = FILL
        assert (outside == FILL).all()
    mean, most = np.mean([each.mean() for each in differences]), max(each.max() for each in differences)
    print(f"{name}: mean {mean:.3f}, most {most:.2f}")
    assert mean < 0.5 and most < 5, "rounding twice is up to 0.5 before colours stretch it"


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("augment", ["ssd", "light", "none"])
def test_the_same_as_on_the_cpu_image_by_image(name: str, augment: str, packed: Path) -> None:
    pack, (pack_format, _, size), shows = (
        PackedDetection(packed, "train", name),
        name.partition("-"),
        presets.build(augment, SPEC, 7),
    )
    stored = planes_of(
        torch.from_numpy(np.array(pack.pack.pixels).reshape(len(pack), -1)), pack_format, int(size)
    )
    means, most = [], 0
    for epoch in range(3):
        keys = [SampleKey(epoch, index, index % 2) for index in range(len(pack))]
        files, by_cpu, placed = (
            samples.batch(keys, lambda key: None)
            for samples in (
                TransformedDataset(CocoDetection(packed), shows), TransformedDataset(pack, shows), PlacedDataset(pack, shows),
            )
        )  # fmt: skip
        for column, other, own in zip(files[1:], by_cpu[1:], placed[1:], strict=True):
            assert np.array_equal(column, own) and np.array_equal(other, own), "boxes and the rest to the bit"
        rows = torch.from_numpy(placed[0])
        images = shown(stored, rows[:, RECORD], rows, (SPEC.height, SPEC.width), FILL).permute(0, 2, 3, 1)
        for one, other in zip(by_cpu[0], images.numpy(), strict=True):
            difference = np.abs(one.astype(int) - other)
            means.append(difference.mean())
            most = max(most, int(difference.max()))
    print(f"{name} {augment}: mean {np.mean(means):.3f}, of the worst image {max(means):.2f}, most {most}")
    assert np.mean(means) < PACKS[name][0] and max(means) < PACKS[name][1] and most <= PACKS[name][2]


@pytest.mark.parametrize("pack_format", GOLDEN)
def test_the_same_bytes_on_every_machine(pack_format: str) -> None:
    images = drawn(pack_format)
    assert images.shape == (24, 3, 40, 56) and images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest() == GOLDEN[pack_format]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("pack_format", GOLDEN)
def test_the_same_bytes_on_a_gpu(pack_format: str) -> None:
    assert torch.equal(drawn(pack_format, "cuda").cpu(), drawn(pack_format))


@pytest.mark.parametrize("pack_format", GOLDEN)
def test_one_by_one_or_out_of_rows_that_are_apart(pack_format: str) -> None:
    (table, rows), whole = table_and_places(pack_format), drawn(pack_format)
    apart = torch.zeros(24, table.shape[1] + 100, dtype=torch.uint8)[:, 64 : 64 + table.shape[1]]
    apart.copy_(table)
    stored = planes_of(apart, pack_format, 64)
    for number in (23, 0, 7):
        one = shown(stored, rows[number : number + 1, RECORD], rows[number : number + 1], (40, 56), FILL)
        assert torch.equal(one[0], whole[number])


def test_float32_holds_every_colour_that_is_drawn() -> None:
    """Whole multiples of 1/4096 below 4096 are 24 bits: sums of them are exact in any order."""
    largest = 0.0
    for extreme in np.ndindex(2, 2, 2, 3):
        uniform = np.array([0, 0, 0, 0, *(value for value in extreme[:3]), extreme[3] / 2], np.float64)
        row = place(View((0, 0, 64, 64), False, coloured(uniform), size_hw=(8, 8)), 0, "yuv420", 64)
        matrix = np.abs(row[COLOUR].reshape(3, 4)) / 2**COLOUR_BITS
        largest = max(largest, float((255 * matrix[:, :3].sum(axis=1) + matrix[:, 3] + FILL).max()))
    print(f"at most {largest:.0f}")
    assert 1000 < largest < 4096 and len(row) == FIELDS
