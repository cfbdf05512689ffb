"""Pictures: what `image:N` stands for, its size, its renditions, and whether a page may show it.

In: image sources of a revision, what their rows know, the installation's policy. Out: an address
for `src` or the reason against it. Fetches nothing, queries nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse

from posts import content

#: Pixels of a picture that says nothing about its size.
DEFAULT_SIZE = (1200, 630)
_SIZE_RANGE = range(8, 10_001)


#: Widths of renditions in pixels: of a small screen, the measure, and both on a dense screen.
WIDTHS = (320, 640, 960, 1200)
#: The width for a program that takes one address only.
PLAIN_WIDTH = 960
#: The column of the text in static/css/tokens.css: its measure, or what the margins leave of it.
SIZES = "(min-width: 54.75rem) 41rem, (min-width: 45em) calc(100vw - 13.75rem), calc(100vw - 2rem)"

_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}


@dataclass(frozen=True)
class ImagePolicy:
    """Which remote pictures a page may show, and the drawing that stands for them when given.

    `uploads` is the beginning of the addresses of stored pictures: readers, staff and whoever has a
    preview link find them at different places.
    """

    hosts: frozenset[str] = frozenset()
    placeholder: str = ""
    uploads: str = ""

    @classmethod
    def from_settings(cls, *, uploads: str = "") -> ImagePolicy:
        """Return the installation's policy; the drawing's URL comes from the static storage."""
        return cls(
            hosts=frozenset(settings.IMAGE_HOSTS),
            placeholder=static("images/placeholder.svg") if settings.IMAGE_PLACEHOLDER else "",
            uploads=uploads or public_uploads(),
        )


def public_uploads() -> str:
    """Return where readers find stored pictures: the beginning of the route `image`."""
    return f"{reverse('home')}images/"


class Stored(NamedTuple):
    """The bytes behind a picture, where this site has them."""

    digest: str
    width: int
    height: int
    has_avif: bool = False

    @property
    def widths(self) -> list[int]:
        """Widths of its renditions: those of `WIDTHS` it has pixels for, and else its own."""
        widest = min(self.width, WIDTHS[-1])
        return [*(width for width in WIDTHS if width < widest), widest]

    @property
    def formats(self) -> list[str]:
        """Endings of its renditions, the smallest format first; every browser knows the last."""
        return [*(["avif"] if self.has_avif else []), "webp", "jpg"]


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
    credit: str = ""
    stored: Stored | None = None

    @classmethod
    def of(cls, image: content.Image, **known: object) -> Picture:
        """Return the picture of an image source, with the other fields where they are known."""
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
    if picture.stored:
        return picture.stored.width, picture.stored.height
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
    if picture.stored and policy.uploads:
        return _rendition(picture.stored, policy, _plain_width(picture.stored), "jpg"), ""
    if content.upload_digest(picture.url):
        return "", "this site does not have it"
    if policy.placeholder:
        return policy.placeholder, ""
    host = host_of(picture.url)
    if host not in policy.hosts:
        return "", f"host {host or shown_host(picture.url)} is not on the list"
    # The Content-Security-Policy knows these hosts over https only.
    return re.sub(r"(?i)\Ahttps?:", "https:", picture.url), ""


class Source(NamedTuple):
    """One format of a picture in all widths, as `srcset` says it."""

    type: str = ""
    srcset: str = ""


def sources_of(picture: Picture, policy: ImagePolicy) -> list[Source]:
    """Return the renditions of a picture that may be shown, none for one that is not stored.

    The last is for the `<img>` itself: every browser knows its format.
    """
    stored = picture.stored
    if not stored or not policy.uploads:
        return []
    return [
        Source(
            _TYPES[ending],
            ", ".join(
                f"{_rendition(stored, policy, width, ending)} {width}w" for width in stored.widths
            ),
        )
        for ending in stored.formats
    ]


def elsewhere(found: Iterable[Picture], uploads: str) -> list[Picture]:
    """Return pictures as other programs can load them: an upload by its address under `uploads`.

    One that may not be shown, or whose bytes are not here, has no address.
    """
    policy = ImagePolicy(uploads=uploads)
    return [
        replace(picture, url=address_of(picture, policy)[0])
        if content.upload_digest(picture.url)
        else picture
        for picture in found
    ]


def _plain_width(stored: Stored) -> int:
    return max(width for width in stored.widths if width <= PLAIN_WIDTH)


def _rendition(stored: Stored, policy: ImagePolicy, width: int, ending: str) -> str:
    return f"{policy.uploads}{stored.digest}/{width}.{ending}"
