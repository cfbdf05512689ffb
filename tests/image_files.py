"""Image files for tests, drawn here: nothing is kept as a file, nothing is anybody's picture."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture(width: int = 800, height: int = 400, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return a slope of blue with a red corner, left above, and another that tells the seed."""
    slope = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (slope, slope, Image.new("L", (width, height), 200)))
    image.paste((255, 0, 0), (0, 0, width // 4, height // 4))
    image.paste((37 * seed % 256, 90, 0), (width // 2, height // 2, width, height))
    return image.convert(mode)


def encoded(image: Image.Image | None = None, form: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, form, **how)
    return out.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """Return a few bytes that claim to be a PNG of any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\x00" * 10)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
