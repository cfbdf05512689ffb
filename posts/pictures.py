"""Remote pictures: what `image:N` stands for, its size, and whether a page may show it.

In: image sources of a revision, what their rows know, the installation's policy. Out: an address
for `src` or the reason against it. Fetches nothing, queries nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from django.conf import settings
from django.templatetags.static import static

from posts import content

#: Pixels of a picture that says nothing about its size.
DEFAULT_SIZE = (1200, 630)
_SIZE_RANGE = range(8, 10_001)


@dataclass(frozen=True)
class ImagePolicy:
    """Which remote pictures a page may show, and the drawing that stands for all when given."""

    hosts: frozenset[str] = frozenset()
    placeholder: str = ""

    @classmethod
    def from_settings(cls) -> ImagePolicy:
        """Return the installation's policy; the drawing's URL comes from the static storage."""
        return cls(
            hosts=frozenset(settings.IMAGE_HOSTS),
            placeholder=static("images/placeholder.svg") if settings.IMAGE_PLACEHOLDER else "",
        )


@dataclass(frozen=True)
class Picture:
    """What `image:N` stands for: an image source of the revision and what its row knows."""

    url: str = ""
    source: str = ""
    caption: str = ""
    alt: str = ""
    width: int | None = None
    height: int | None = None
    is_refused: bool = False

    @classmethod
    def of(cls, image: content.Image, **known: object) -> Picture:
        """Return the picture of an image source, with `width`, `height`, `is_refused` if known."""
        picture = cls(image.url, image.source, image.caption, image.alt)
        return replace(picture, **known) if known else picture  # type: ignore[arg-type]


#: Strict on purpose: what a browser reads as another host than `urlsplit` does not match.
_PICTURE_URL = re.compile(r"https?://([a-z0-9.-]+)(?::443)?(?:[/?#][^\s\\\x00-\x1f]*)?", re.I)
_SIZES = (
    re.compile(r"(?=/(\d{2,5})/(\d{2,5})(?:[/.?#]|$))"),
    re.compile(r"(?<![\w])(\d{2,5})x(\d{2,5})(?![\w])"),
    re.compile(r"[?&]w(?:idth)?=(\d{2,5})&(?:[^#]*&)?h(?:eight)?=(\d{2,5})(?:&|$)"),
)


def picture_size(picture: Picture) -> tuple[int, int]:
    """Return width and height in pixels: as known, as its URL says, or `DEFAULT_SIZE`."""
    if picture.width and picture.height:
        return picture.width, picture.height
    for pattern in _SIZES:
        found = pattern.findall(picture.url)
        if found:
            width, height = (int(number) for number in found[-1])
            if width in _SIZE_RANGE and height in _SIZE_RANGE:
                return width, height
    return DEFAULT_SIZE


def host_of(url: str) -> str:
    """Return the host of a picture's address, "" when it is not one to trust."""
    match = _PICTURE_URL.fullmatch(url)
    return match[1].lower() if match else ""


def shown_host(url: str) -> str:
    """Return the host of any address, for a message."""
    try:
        return urlsplit(url).hostname or "unknown"
    except ValueError:
        return "unknown"


def address_of(picture: Picture, policy: ImagePolicy) -> tuple[str, str]:
    """Return what `src` may hold, and otherwise the reason why the picture is not shown."""
    if not picture.url:
        return "", ""
    if picture.is_refused:
        return "", "its licence does not allow it"
    if policy.placeholder:
        return policy.placeholder, ""
    host = host_of(picture.url)
    if host not in policy.hosts:
        return "", f"host {host or shown_host(picture.url)} is not on the list"
    # The Content-Security-Policy knows these hosts over https only.
    return re.sub(r"(?i)\Ahttps?:", "https:", picture.url), ""
