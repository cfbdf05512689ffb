"""The links, images and embedded things of one HTML text: what each address becomes.

In: addresses as attributes have them, a base URL, the images already numbered. Out: targets that
may be links, numbered image rows, and every refusal, counted by kind. Fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urljoin, urlsplit

from posts.commonmark import is_allowed_target
from posts.content import (
    ITEM_MAX,
    LIST_MAX,
    NAME_MAX,
    URL_BYTES_MAX,
    URL_MAX,
    Image,
    Problem,
    shown,
)
from posts.importing.conversion.inline import normal

#: Schemes that run something or hold their content in the address itself.
_REFUSED = re.compile(r"(?:javascript|vbscript|data|blob|file|about):", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
#: What a browser takes out of an address before it reads it.
_IGNORED = re.compile("[\x00-\x20]+$|^[\x00-\x20]+|[\t\r\n\x00]")
#: A mark of a template language, which only its generator can fill in.
_TEMPLATE = re.compile(r"\{\{|\{%")
_REMOTE = re.compile(r"https?://[^\s/?#]+[^\s\x00-\x1f\x7f-\x9f]*")


class Notes:
    """What was found, one problem a kind with a count and the first value: a text can have many."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str, str]] = {}

    def add(self, code: str, value: str, expected: str, *, count: int = 1) -> None:
        before, first, _ = self._found.get(code, (0, value, expected))
        self._found[code] = (before + count, first, expected)

    def problems(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                code=code,
                field="body",
                value=shown(value if count == 1 else f"{count:,}, the first: {value}"),
                expected=expected,
                severity="warning",
            )
            for code, (count, value, expected) in self._found.items()
        )


class Addresses:
    """Resolves addresses and numbers images in order, those of `images` first."""

    def __init__(self, base_url: str, images: Sequence[Image], notes: Notes) -> None:
        self.base_url = base_url
        self.images = list(images)
        self._notes = notes
        self._given = {image.url: number for number, image in enumerate(images, 1) if image.url}
        self.seen: set[str] = set()

    def resolved(self, address: str) -> str:
        """Return the address as a browser would ask for it, "" when it must not be used."""
        address = _IGNORED.sub("", address)
        if not address:
            return ""
        if _REFUSED.match(address):
            size = f", {len(address):,} characters" if len(address) > 60 else ""
            self._notes.add(
                "refused_url", f"{address[:60]}{size}", "an address that leads to a page or a file"
            )
            return ""
        try:
            if self.base_url and not address.startswith("#"):
                address = urljoin(self.base_url, address)
            elif address.startswith("//"):
                address = f"https:{address}"
            urlsplit(address)
        except ValueError:
            self._notes.add("bad_url", address, "an address that can be read; its words are kept")
            return ""
        # Joining may have brought back what was refused above.
        return "" if _REFUSED.match(address) else address

    def link(self, address: str) -> tuple[str, str]:
        """Return the target of a link, or "" and what has to stand behind its words instead."""
        if _TEMPLATE.search(address):
            self._notes.add(
                "template_link", address, "an address without marks; it is kept as text"
            )
            return "", normal(address)
        target = self.resolved(address)
        if not target or (is_allowed_target(target) and not target.lower().startswith("image:")):
            return target, ""
        self._notes.add(
            "unsupported_link", target, "a link of http, https or mailto; it is kept as text"
        )
        scheme = _SCHEME.match(target)
        return "", target[scheme.end() :] if scheme and scheme[1].lower() == "tel" else target

    def image(self, address: str, caption: str, alt: str) -> tuple[str, int | str]:
        """Return the label of an image and its number, or the address that a link leads to.

        Number 0 stands for an image without a row. The label is "" when there is nothing to say.
        """
        caption, alt = normal(caption), normal(alt)
        label = caption or alt
        number = re.fullmatch(r"image:(\d{1,6})", address.strip())
        if number and 1 <= int(number[1]) <= len(self.images):
            return label, int(number[1])
        url = self.resolved(address)
        if not url:
            return label, 0
        self.seen.add(url)
        if url in self._given:
            return label, self._given.pop(url)
        is_remote = _REMOTE.fullmatch(url) is not None
        is_too_long = len(url) > URL_MAX or len(url.encode(errors="replace")) > URL_BYTES_MAX
        if len(self.images) >= LIST_MAX or (is_remote and is_too_long):
            self._notes.add(
                "image_as_link",
                url,
                f"at most {LIST_MAX} images of {URL_MAX:,} characters each; the rest are links",
            )
            return label, url
        if not is_remote:
            self._notes.add(
                "relative_image", url, "an address with a host; the image shows its caption only"
            )
            self.images.append(Image(source=normal(url)[:NAME_MAX], caption=label[:ITEM_MAX]))
            return label, len(self.images)
        self.images.append(
            Image(
                url=url,
                caption=label[:ITEM_MAX],
                alt=alt[:ITEM_MAX] if alt and alt != label else "",
            )
        )
        return label, len(self.images)
