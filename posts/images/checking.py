"""Bytes that somebody sent -> an image to keep: checked, turned upright, encoded anew.

In: bytes. Out: `Checked`, or `ImageRefusedError` in words for whoever sent them. Encoding anew is
the check: pixels come through, and no EXIF, place, comment or appended file. Knows no database.
"""

from __future__ import annotations

import hashlib
import io
from typing import NamedTuple

from django.conf import settings
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

#: What may come, as Pillow calls it; the bytes are asked, never a name or a declared type.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")
FORMATS_IN_WORDS = "JPEG, PNG, WebP, AVIF or GIF"
PIXELS_MAX = 40_000_000
SIDE_MIN, SIDE_MAX = 8, 10_000
#: Pixels of width that are kept: twice the widest rendition, so that none takes long to make.
WIDTH_KEPT = 2_400

#: What each is kept as. GIF has nothing that PNG has not; AVIF is slow to encode.
_KEPT_AS = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
    "GIF": "PNG",
    "WEBP": "WEBP",
    "AVIF": "WEBP",
}
_SAVED = {
    "JPEG": {"quality": 92, "progressive": True, "optimize": True},
    "PNG": {},
    "WEBP": {"quality": 92, "method": 4},
}


class ImageRefusedError(Exception):
    """Bytes that are not kept; `code` is stable, the text says what came and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Checked(NamedTuple):
    """An image encoded here, from pixels alone."""

    data: bytes
    digest: str
    format: str
    width: int
    height: int


def checked(data: bytes) -> Checked:
    """Return the image that these bytes hold, encoded anew. Raises `ImageRefusedError`."""
    most = settings.IMAGE_UPLOAD_MAX_BYTES
    if not data:
        raise ImageRefusedError("empty", "The file is empty. Choose another one.")
    if len(data) > most:
        raise ImageRefusedError(
            "too_long",
            f"The file has more than {most // 1024**2} MB, which is the most. Save it smaller.",
        )
    try:
        image, kind = _decoded(data)
    except ImageRefusedError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels("far more") from None
    except Exception as error:
        # Decoders of damaged files raise whatever they stumble over.
        raise ImageRefusedError(
            "damaged",
            "The file is damaged: it begins like an image and cannot be read to its end. "
            "Save it again with another program.",
        ) from error
    image = _narrowed(_plain(image))
    out = io.BytesIO()
    kept_as = _KEPT_AS[kind]
    image.save(out, kept_as, **_SAVED[kept_as])
    encoded = out.getvalue()
    return Checked(
        encoded, hashlib.sha256(encoded).hexdigest(), kept_as.lower(), image.width, image.height
    )


def size_of(beginning: bytes) -> tuple[int, int]:
    """Return width and height by the beginning of a file. Raises `ImageRefusedError`."""
    with _opened(beginning) as image:
        return image.size


def _opened(data: bytes) -> Image.Image:
    """Return the image of which only the head is read."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        is_drawing = b"<svg" in data[:4096].lower()
        raise ImageRefusedError(
            "format",
            "SVG images are not taken: they can hold scripts. Save it as PNG."
            if is_drawing
            else f"The file is no image of a kind that is taken: expected {FORMATS_IN_WORDS}.",
        ) from None


def _decoded(data: bytes) -> tuple[Image.Image, str]:
    """Return the image with all its pixels, and its format, once its head promises no harm."""
    with _opened(data) as image:
        kind = str(image.format)
        width, height = image.size
        if width * height > PIXELS_MAX:
            raise _too_many_pixels(f"{width:,} × {height:,}")
        if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
            raise ImageRefusedError(
                "size",
                f"The image is {width:,} × {height:,} pixels; each side has to have {SIDE_MIN} to "
                f"{SIDE_MAX:,}. Cut it or save it in another size.",
            )
        # A telephone's JPEG may carry further pictures of the same scene; the first one is it.
        if kind != "MPO" and getattr(image, "is_animated", False):
            raise ImageRefusedError(
                "animated", "The image moves. Save one picture of it, and link to the film."
            )
        image.verify()
    image = _opened(data)
    image.load()
    if image.size != (width, height):
        raise ImageRefusedError("damaged", "The image has another size than its head says.")
    return image, kind


def _too_many_pixels(got: str) -> ImageRefusedError:
    most = PIXELS_MAX // 1_000_000
    return ImageRefusedError(
        "pixels",
        f"The image has too many pixels: {got}; up to {most} million are taken. Save it smaller.",
    )


def _plain(image: Image.Image) -> Image.Image:
    """Return the image upright, in the colours of the web, and nothing said beside its pixels."""
    image = _in_web_colours(ImageOps.exif_transpose(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
    elif image.mode.startswith("I"):
        # Sixteen bits a pixel; the web has eight.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    elif image.mode != "L":
        image = image.convert("RGB")
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    return bare


def _in_web_colours(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB" if image.mode == "CMYK" else image.mode,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that is none, or of other colours than the pixels
    return converted or image


def _narrowed(image: Image.Image) -> Image.Image:
    if image.width <= WIDTH_KEPT:
        return image
    height = max(1, round(image.height * WIDTH_KEPT / image.width))
    return image.resize((WIDTH_KEPT, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
