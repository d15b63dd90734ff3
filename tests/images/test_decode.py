"""Every odd image gets its verdict; what is not refused decodes, to the size that was checked."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
import skimage.io
from PIL import Image

from tests.images.corpus import HEIGHT, WIDTH, Odd, corpus, encoded, middle_zeroed, pixels
from vision.images.decode import BadImage, check_image, decode_rgb, image_size

ODD = corpus()
each = pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len({odd.name for odd in ODD}) == len(ODD) >= 60
    assert {odd.verdict for odd in ODD} == {"ok", "convert", "reject"}


@each
def test_verdict_and_reason(odd: Odd) -> None:
    found = check_image(odd.data, odd.name)
    assert found.verdict == odd.verdict, found
    assert (found.reason is None) == (odd.reason is None), found
    assert (found.reason or "").startswith(odd.reason or ""), found


@each
def test_what_is_not_refused_decodes_to_the_checked_size(odd: Odd) -> None:
    found = check_image(odd.data, odd.name)
    if found.verdict == "reject":
        with pytest.raises(BadImage) as caught:
            decode_rgb(odd.data, odd.name)
        assert caught.value.reason and odd.name in str(caught.value)
        return
    image = decode_rgb(odd.data, odd.name)
    assert image.shape == (found.height, found.width, 3) == (*image_size(odd.data), 3)
    assert image.dtype == np.uint8 and image.flags.c_contiguous


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd.verdict != "reject"], ids=lambda odd: odd.name)
def test_thorough_agrees_on_good_images(odd: Odd) -> None:
    assert check_image(odd.data, odd.name, thorough=True) == check_image(odd.data, odd.name)


def damaged(data: bytes, seed: int) -> bytes:
    """One of: a flipped bit, a cut, a block of zeros, a block of noise, an end marker too early."""
    draw = np.random.default_rng(seed)
    at, size = int(draw.integers(700, len(data) - 2)), int(draw.integers(1, 2000))
    kind = seed % 5
    if kind == 0:
        return data[:at] + bytes([data[at] ^ (1 << int(draw.integers(8)))]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    filling = {2: bytes(size), 3: draw.bytes(size), 4: b"\xff\xd9"}[kind]
    return data[:at] + filling + data[at + len(filling) :]


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}]
)
def test_the_check_at_one_eighth_sees_what_the_full_decode_sees(options: dict[str, bool]) -> None:
    sound = encoded(pixels(), "JPEG", **options)
    refused = 0
    for seed in range(250):
        data = damaged(sound, seed)
        found = check_image(data, "a.jpg")
        try:
            decode_rgb(data)
            assert found.verdict != "reject", (seed, found)
        except BadImage as error:
            assert found.verdict == "reject", (seed, error.reason)
            refused += 1
    assert refused > 150  # cuts, noise and early ends, at least


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 5}]
)
def test_a_cut_at_any_point_is_found(options: dict[str, int]) -> None:
    data = encoded(pixels()[:40, :48], "JPEG", **options)
    for at in range(len(data)):
        assert check_image(data[:at], "a.jpg").verdict == "reject", at


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "PPM"])
def test_a_cut_of_another_format_is_found(kind: str) -> None:
    data = encoded(pixels()[:40, :48], kind)
    for at in range(
        len(data) - (1 if kind == "WEBP" else 0)
    ):  # an odd WebP chunk ends with a byte of padding
        assert check_image(data[:at], f"a.{kind.lower()}").verdict == "reject", at


def test_size_is_compared_with_the_annotation() -> None:
    data = encoded(pixels(), "JPEG")
    assert check_image(data, "a.jpg", (HEIGHT, WIDTH)).verdict == "ok"
    found = check_image(data, "a.jpg", (HEIGHT, WIDTH + 1))
    assert found.verdict == "reject" and (found.reason or "").startswith(
        "size_mismatch: 176×120 stored, 177×120"
    )


def test_exif_rotation_is_not_applied_and_named_when_the_boxes_are_in_the_turned_frame() -> None:
    turned = next(odd.data for odd in ODD if odd.name == "turned_6.jpg")
    assert check_image(turned, "a.jpg", (HEIGHT, WIDTH)).verdict == "convert"
    assert "EXIF orientation" in (check_image(turned, "a.jpg", (WIDTH, HEIGHT)).reason or "")
    # the second opinion, told not to turn it
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    other = cv2.imdecode(np.frombuffer(turned, np.uint8), flags)[:, :, ::-1]
    assert np.abs(decode_rgb(turned).astype(int) - other).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels_back(kind: str) -> None:
    assert np.array_equal(decode_rgb(encoded(pixels(), kind)), pixels())


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpegs_are_what_scikit_image_reads(options: dict[str, int]) -> None:
    data = encoded(pixels(), "JPEG", **options)
    other = skimage.io.imread(io.BytesIO(data)).astype(int)
    assert np.abs(decode_rgb(data) - other).max() <= 2  # libjpeg versions round differently


@pytest.mark.parametrize(
    "name", ["palette.png", "palette.gif", "palette_alpha.png", "cmyk.tif", "one_bit.png", "grey.png"]
)
def test_other_colour_models_are_what_pillow_makes_of_them(name: str) -> None:
    data = next(odd.data for odd in ODD if odd.name == name)
    other = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode_rgb(data).astype(int) - other).max() <= 1


def test_cmyk_jpeg_is_what_pillow_makes_of_it() -> None:
    data = encoded(pixels(), "JPEG", "CMYK", quality=95)
    other = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode_rgb(data).astype(int) - other).max() <= 2


def test_alpha_is_dropped_and_the_high_byte_kept() -> None:
    by_name = {odd.name: odd.data for odd in ODD}
    assert np.array_equal(decode_rgb(by_name["alpha.png"]), pixels())
    for name in ("deep_grey.png", "deep_grey.tif", "deep_grey.pgm"):
        assert np.array_equal(decode_rgb(by_name[name])[:, :, 1], pixels()[:, :, 0]), name


@pytest.mark.parametrize("error", [MemoryError("no"), ValueError("Insufficient memory (case 4)")])
def test_a_lack_of_memory_is_never_a_bad_image(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(simplejpeg, "decode_jpeg", fail)
    for call in (
        lambda: check_image(encoded(pixels(), "JPEG"), "a.jpg"),
        lambda: decode_rgb(encoded(pixels(), "JPEG")),
    ):
        with pytest.raises(MemoryError):
            call()


def oddly_made() -> dict[str, bytes]:
    """Warned of by libjpeg-turbo, yet every pixel is defined: JFIF revision 7.07, scan parameters of no meaning."""
    data = encoded(pixels(), "JPEG")
    revision, scan = data.index(b"JFIF\0") + 5, data.index(b"\xff\xda") + 11
    return {
        "revision": data[:revision] + b"\x07\x07" + data[revision + 2 :],
        "scan": data[:scan] + b"\0\0\0" + data[scan + 3 :],
    }


@pytest.mark.parametrize("fault", ["revision", "scan"])
def test_harmless_faults_of_the_header_are_named_and_hide_no_others(fault: str) -> None:
    odd, plain = oddly_made()[fault], encoded(pixels(), "JPEG")
    found = check_image(odd, "a.jpg")
    assert found.verdict == "convert" and (found.reason or "").startswith("odd_jpeg"), found
    assert np.array_equal(decode_rgb(odd), decode_rgb(plain))
    assert check_image(odd[:-500], "a.jpg").verdict == "reject"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_noise_in_the_header_raises_nothing_but_bad_image(kind: str) -> None:
    sound = encoded(pixels()[:24, :32], kind, **({"progressive": True} if kind == "JPEG" else {}))
    for seed in range(300):
        draw = np.random.default_rng(seed)
        data = bytearray(sound)
        for at in draw.integers(4, min(len(data), 700), int(draw.integers(1, 6))):
            data[at] = draw.integers(256)
        found = check_image(bytes(data), "a")
        assert found.verdict in ("convert", "reject")  # a name without a suffix is never plain ok
        try:
            assert decode_rgb(bytes(data)).shape == (found.height, found.width, 3)
        except BadImage:
            assert found.verdict == "reject", (seed, found)


def test_too_many_scans_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(pixels(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:-2] + data[last:-2] * 200 + b"\xff\xd9"
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    assert (check_image(bomb, "a.jpg").reason or "").startswith("too_many_scans")


def test_lying_sizes_take_no_memory() -> None:
    """In a process of its own, whose peak says it: every liar of the corpus, by both doors."""
    code = (
        "from pathlib import Path\n"
        "from tests.images.corpus import corpus\n"
        "from vision.images.decode import BadImage, check_image, decode_rgb\n"
        "for odd in corpus():\n"
        "    if odd.verdict == 'reject':\n"
        "        check_image(odd.data, odd.name)\n"
        "        try:\n"
        "            decode_rgb(odd.data)\n"
        "        except BadImage:\n"
        "            pass\n"
        # not ru_maxrss: that begins with the peak of the process that forked
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400 * 1024  # KiB; the largest of them claims 12 TB


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "P"])
def test_the_largest_allowed_image_takes_less_than_a_gibibyte(tmp_path: Path, mode: str) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from vision.images.decode import check_image\n"
        "found = check_image(Path(sys.argv[1]).read_bytes(), sys.argv[1], thorough=True)\n"
        "assert found.verdict != 'reject', found\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    path = tmp_path / "large.png"
    Image.new(mode, (10_000, 5_000)).save(path)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2**20


def real_images(coco_mini: Path) -> list[tuple[str, bytes]]:
    images = []
    for split in ("train", "val"):
        with zipfile.ZipFile(coco_mini / "zips" / f"{split}2017.zip") as archive:
            images += [(name, archive.read(name)) for name in archive.namelist() if name.endswith(".jpg")]
    return images


def test_real_images(coco_mini: Path) -> None:
    """None is refused; 512 zeroed bytes, a cut and a zero tail in the middle of each are found."""
    missed = 0
    images = real_images(coco_mini)
    for name, data in images:
        assert check_image(data, name).verdict != "reject", name
        half = len(data) // 2
        assert check_image(data[:half], name).verdict == "reject", name
        assert check_image(data[:half] + bytes(len(data) - half), name).verdict == "reject", name
        missed += check_image(middle_zeroed(data), name).verdict != "reject"
    # where zero bits are the code for a plain area, lost bytes can look like one; extraction's CRC finds those
    assert missed <= 0.03 * len(images)
