"""Odd images made by code, each with the verdict that it has to get. Loaded by path (see conftest.py)."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 176, 120


class Odd(NamedTuple):
    """``reason``: how the reason has to begin; None for ``ok``."""

    name: str
    data: bytes
    verdict: str
    reason: str | None


def pixels(seed: int = 0) -> np.ndarray:
    """(120, 176, 3) uint8: coarse blocks under fine noise, so that no stretch of the file is trivial."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 200, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    return (coarse + draw.integers(0, 55, (HEIGHT, WIDTH, 3))).astype(np.uint8)


def encoded(array: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    image = Image.fromarray(array)
    mode = mode or ("P" if kind == "GIF" else None)  # to find a palette of its own takes long
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def middle_zeroed(data: bytes, count: int = 512) -> bytes:
    start = len(data) // 2
    return data[:start] + bytes(count) + data[start + count :]


def frame_changed(data: bytes, height: int, width: int) -> bytes:
    """A JPEG whose frame header says another size than its scan holds."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def png_size_changed(data: bytes, height: int, width: int) -> bytes:
    """A PNG with another size in its header, the checksum put right."""
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def scan_starts(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]


@functools.cache
def corpus() -> list[Odd]:
    """All of them; names are unique."""
    return [*_sound(), *_converted(), *_broken_jpegs(), *_broken_others(), *_no_images(), *_lies()]


def _sound() -> Iterator[Odd]:
    rgb = pixels()
    ok: list[tuple[str, bytes]] = [
        ("plain.jpg", encoded(rgb, "JPEG")),
        ("progressive.jpg", encoded(rgb, "JPEG", progressive=True)),
        ("quality_5.jpg", encoded(rgb, "JPEG", quality=5)),
        ("full_chroma.jpeg", encoded(rgb, "JPEG", subsampling=0)),
        ("restart_markers.jpg", encoded(rgb, "JPEG", restart_marker_rows=1)),
        ("optimised_plain_area.jpg", encoded(np.full((640, 640, 3), 255, np.uint8), "JPEG", optimize=True)),
        ("trailing_bytes.jpg", encoded(rgb, "JPEG") + b"camera maker's note"),
        ("trailing_zeros.jpg", encoded(rgb, "JPEG") + bytes(4096)),
        ("one_pixel.jpg", encoded(rgb[:1, :1], "JPEG")),
        ("one_row.jpg", encoded(rgb[:1], "JPEG")),
        ("comment.jpg", encoded(rgb, "JPEG", comment=b"<html>not a page</html>")),
        ("upright_exif.jpg", encoded(rgb, "JPEG", exif=_exif(1))),
        ("broken_exif.jpg", encoded(rgb, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")),
        ("plain.png", encoded(rgb, "PNG")),
        ("plain.bmp", encoded(rgb, "BMP")),
        ("plain.tif", encoded(rgb, "TIFF")),
        ("lzw.tiff", encoded(rgb, "TIFF", compression="tiff_lzw")),
        ("plain.webp", encoded(rgb, "WEBP", lossless=True)),
        ("plain.ppm", encoded(rgb, "PPM")),
    ]
    return (Odd(name, data, "ok", None) for name, data in ok)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _converted() -> Iterator[Odd]:
    rgb, grey = pixels(), pixels()[:, :, 0]
    grey16 = grey.astype(np.uint16) * 256 + 7
    rgba = np.dstack([rgb, grey])
    frames = [Image.fromarray(pixels(seed)) for seed in range(3)]
    jpeg = encoded(rgb, "JPEG")
    yield Odd("grey.jpg", encoded(grey, "JPEG"), "convert", "grey")
    yield Odd("cmyk.jpg", encoded(rgb, "JPEG", "CMYK"), "convert", "cmyk")
    for orientation in range(2, 9):
        data = encoded(rgb, "JPEG", exif=_exif(orientation))
        yield Odd(f"turned_{orientation}.jpg", data, "convert", f"exif_rotation: orientation {orientation}")
    yield Odd("jpeg.png", jpeg, "convert", "wrong_suffix: JPEG")
    yield Odd("jpeg_without_suffix", jpeg, "convert", "wrong_suffix: JPEG")
    yield Odd("png.jpg", encoded(rgb, "PNG"), "convert", "wrong_suffix: PNG")
    yield Odd("gif.jpg", encoded(rgb, "GIF"), "convert", "wrong_suffix: GIF")
    yield Odd("webp.jpg", encoded(rgb, "WEBP"), "convert", "wrong_suffix: WEBP")
    yield Odd("grey.png", encoded(grey, "PNG"), "convert", "grey")
    yield Odd("one_bit.png", encoded(grey, "PNG", "1"), "convert", "grey")
    yield Odd("deep_grey.png", encoded(grey16, "PNG"), "convert", "16_bit")
    yield Odd("deep_grey.tif", encoded(grey16, "TIFF"), "convert", "16_bit")
    yield Odd("deep_grey.pgm", encoded(grey16, "PPM"), "convert", "16_bit")
    yield Odd("alpha.png", encoded(rgba, "PNG"), "convert", "alpha")
    yield Odd("alpha.webp", encoded(rgba, "WEBP"), "convert", "alpha")
    yield Odd("grey_alpha.png", encoded(rgba, "PNG", "LA"), "convert", "grey; alpha")
    yield Odd("palette.png", encoded(rgb, "PNG", "P"), "convert", "palette")
    yield Odd("palette_alpha.png", encoded(rgb, "PNG", "P", transparency=0), "convert", "palette; alpha")
    yield Odd("palette.gif", encoded(rgb, "GIF"), "convert", "palette")
    yield Odd("cmyk.tif", encoded(rgb, "TIFF", "CMYK"), "convert", "cmyk")
    moving = io.BytesIO()
    in_palette = [frame.convert("P") for frame in frames]
    in_palette[0].save(moving, "GIF", save_all=True, append_images=in_palette[1:])
    yield Odd("moving.gif", moving.getvalue(), "convert", "palette; first_of_many_frames")
    pages = io.BytesIO()
    frames[0].save(pages, "TIFF", save_all=True, append_images=frames[1:])
    yield Odd("pages.tif", pages.getvalue(), "convert", "first_of_many_frames")


def _broken_jpegs() -> Iterator[Odd]:
    draw = np.random.default_rng(7)
    for kind, data in (
        ("baseline", encoded(pixels(), "JPEG")),
        ("progressive", encoded(pixels(), "JPEG", progressive=True)),
    ):
        for percent in (1, 5, 25, 50, 75, 99):
            at = len(data) * percent // 100
            yield Odd(f"{kind}_cut_{percent}.jpg", data[:at], "reject", "truncated")
            yield Odd(f"{kind}_end_marker_{percent}.jpg", data[:at] + b"\xff\xd9", "reject", "")
            if percent > 5:
                yield Odd(f"{kind}_zero_tail_{percent}.jpg", data[:at] + bytes(len(data) - at), "reject", "")
                yield Odd(
                    f"{kind}_random_tail_{percent}.jpg", data[:at] + draw.bytes(len(data) - at), "reject", ""
                )
        yield Odd(f"{kind}_no_end_marker.jpg", data[:-2], "reject", "truncated")
        yield Odd(
            f"{kind}_html_tail.jpg",
            data[: len(data) // 2] + b"<html>502 Bad Gateway</html>" * 99,
            "reject",
            "",
        )
    progressive = encoded(pixels(), "JPEG", progressive=True)
    for number, start in enumerate(scan_starts(progressive)[1:], 1):
        yield Odd(f"scan_{number}_gone.jpg", progressive[:start] + b"\xff\xd9", "reject", "early_eoi")
    yield Odd("zeroed_middle.jpg", middle_zeroed(encoded(pixels(), "JPEG", quality=95)), "reject", "")
    yield Odd("no_tables.jpg", b"\xff\xd8\xff\xd9", "reject", "truncated")
    yield Odd("only_magic.jpg", b"\xff\xd8\xff", "reject", "truncated")


def _broken_others() -> Iterator[Odd]:
    draw = np.random.default_rng(8)
    kinds = (
        ("PNG", "png"),
        ("GIF", "gif"),
        ("WEBP", "webp"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
        ("PPM", "ppm"),
    )
    for kind, suffix in kinds:
        data = encoded(pixels(), kind)
        for percent in (3, 50, 97):
            yield Odd(f"cut_{percent}.{suffix}", data[: len(data) * percent // 100], "reject", "")
    for kind, suffix in kinds[:3]:  # the others store pixels as they are: no byte of them is wrong by itself
        data = encoded(pixels(), kind)
        half = len(data) // 2
        yield Odd(f"zero_tail.{suffix}", data[:half] + bytes(len(data) - half), "reject", "")
    png = encoded(pixels(), "PNG")
    half = len(png) // 2
    yield Odd("random_tail.png", png[:half] + draw.bytes(len(png) - half), "reject", "corrupt")
    yield Odd("flipped_bit.png", png[:half] + bytes([png[half] ^ 1]) + png[half + 1 :], "reject", "corrupt")
    yield Odd("no_end.png", png[:-12], "reject", "truncated")
    yield Odd(
        "float.tif", encoded(pixels()[:, :, 0].astype(np.float32), "TIFF"), "reject", "unsupported_depth"
    )


def _no_images() -> Iterator[Odd]:
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"
    texts: list[tuple[str, bytes, str]] = [
        ("empty.jpg", b"", "empty"),
        ("one_byte.jpg", b"\xff", "wrong_magic"),
        ("zeros.jpg", bytes(5000), "zeros"),
        ("random.jpg", b"\x07" + np.random.default_rng(9).bytes(5000), "wrong_magic"),
        ("page.jpg", b"<!DOCTYPE html>\n<html><body>404</body></html>", "html"),
        ("page_utf16.jpg", "<html>404</html>".encode("utf-16"), "html"),
        ("error.jpg", b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "xml"),
        ("drawing.jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>', "svg"),
        ("program.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n(rm) run\n", "postscript"),
        ("dos_program.jpg", b"\xc5\xd0\xd3\xc6" + bytes(40), "postscript"),
        ("document.jpg", b"%PDF-1.7\n", "pdf"),
        ("pointer.jpg", lfs, "git_lfs_pointer"),
        ("notes.txt", b"not an image at all\n", "text"),
        ("answer.jpg", b'{"error": "rate limited"}', "text"),
        ("archive.jpg", b"PK\x03\x04" + bytes(40), "archive"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "unsupported_format"),
        ("next.jxl", b"\xff\x0a" + bytes(40), "unsupported_format"),
        ("cut_magic.png", b"\x89PNG\r\n", "wrong_magic"),
    ]
    return (Odd(name, data, "reject", reason) for name, data, reason in texts)


def _lies() -> Iterator[Odd]:
    jpeg, png = encoded(pixels(), "JPEG"), encoded(pixels(), "PNG")
    yield Odd("taller.jpg", frame_changed(jpeg, HEIGHT * 2, WIDTH), "reject", "truncated")
    yield Odd("lower.jpg", frame_changed(jpeg, HEIGHT // 2, WIDTH), "reject", "corrupt")
    yield Odd("narrower.jpg", frame_changed(jpeg, HEIGHT, WIDTH // 2), "reject", "corrupt")
    yield Odd("no_height.jpg", frame_changed(jpeg, 0, WIDTH), "reject", "lying_header")
    yield Odd("huge.jpg", frame_changed(jpeg, 65500, 65500), "reject", "too_many_pixels")
    yield Odd("huge.png", png_size_changed(png, 2**31 - 1, 2**31 - 1), "reject", "too_many_pixels")
    yield Odd("large.png", png_size_changed(png, 50_000, 50_000), "reject", "too_many_pixels")
    yield Odd("taller.png", png_size_changed(png, HEIGHT * 2, WIDTH), "reject", "lying_header")
    yield Odd("lower.png", png_size_changed(png, HEIGHT // 2, WIDTH), "reject", "lying_header")
    bmp = encoded(pixels(), "BMP")
    yield Odd(
        "huge.bmp", bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:], "reject", "too_many_pixels"
    )
    gif = encoded(pixels(), "GIF")
    yield Odd("huge.gif", gif[:6] + struct.pack("<HH", 65535, 65535) + gif[10:], "reject", "too_many_pixels")
    yield Odd("huge.ppm", b"P6 99999 99999 255\n" + bytes(100), "reject", "too_many_pixels")
