"""What stands out in a text before it is saved: its length, pictures without words, broken links.

In: a snapshot and the ids of its headings. Out: numbers and findings in words, none of which keeps
anybody from saving. Two queries at most, for the posts it links to and the uploads it names;
nothing is fetched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.urls import Resolver404, resolve

from posts import content, markdown, pictures
from posts.models import Slug, StoredImage

#: Findings told; a text with more has one cause for most of them.
FINDINGS_MAX = 50
#: Addresses whose last part is the slug of a post.
_ARTICLES = ("article", "article-markdown", "article-json")


class Finding(NamedTuple):
    """One thing to look at; `line` is that of the body, 0 where it is about none."""

    text: str
    line: int = 0


class Proof(NamedTuple):
    """What is said beside the form. `more` findings are left out."""

    words: int
    characters: int
    minutes: int
    findings: list[Finding]
    more: int


def proofread(
    snapshot: content.Snapshot, *, heading_ids: Collection[str], now: dt.datetime
) -> Proof:
    """Return the length of a text and what stands out in it.

    One query when it links to posts, one when it names uploads.
    """
    found = list(markdown.references(snapshot.body))
    findings = sorted(
        [
            *_of_headings(one for one in found if one.kind == "heading"),
            *_of_images(snapshot, [one for one in found if one.kind == "image"]),
            *_of_links([one for one in found if one.kind == "link"], heading_ids, now),
        ],
        key=lambda finding: finding.line,
    )
    return Proof(
        words=content.count_words(snapshot.lede) + content.count_words(snapshot.body),
        characters=len(snapshot.lede) + len(snapshot.body),
        minutes=content.reading_minutes(snapshot),
        findings=findings[:FINDINGS_MAX],
        more=max(0, len(findings) - FINDINGS_MAX),
    )


def _of_headings(headings: Iterable[markdown.Reference]) -> Iterator[Finding]:
    before = 1
    for heading in headings:
        level = int(heading.target)
        if not heading.text:
            yield Finding("A heading without words.", heading.line)
        elif level == 1:
            yield Finding("The title is the first heading: begin sections with ##.", heading.line)
        elif level > before + 1:
            yield Finding(
                f"“{content.shown(heading.text)}” skips a level of headings.", heading.line
            )
        before = max(level, 1)


def _of_images(
    snapshot: content.Snapshot, images: Iterable[markdown.Reference]
) -> Iterator[Finding]:
    sources = snapshot.meta.image_sources
    hosts = pictures.ImagePolicy.from_settings().hosts
    used = set()
    stored = _uploads_there(snapshot)
    for image in images:
        source, address = None, image.target
        if image.target.startswith("image:"):
            number = image.target.removeprefix("image:")
            position = int(number) if number.isdecimal() and len(number) < 7 else 0
            if not 1 <= position <= len(sources):
                yield Finding(
                    f"{content.shown(image.target)} shows nothing: there are {len(sources)} image "
                    "sources.",
                    image.line,
                )
                continue
            used.add(position)
            source = sources[position - 1]
            address = source.url
        if not (image.text or (source and (source.alt or source.caption))):
            yield Finding("A picture without words for who cannot see it.", image.line)
        elif source is not None and source.alt in ("", source.caption):
            yield Finding(
                f"{image.target} has no alternative text of its own: who cannot see it hears the "
                "caption.",
                image.line,
            )
        if digest := content.upload_digest(address):
            if digest not in stored:
                yield Finding(f"This site does not have the upload {digest[:12]}….", image.line)
            continue
        host = _host_of(address)
        if host not in hosts:
            yield Finding(
                f"Pages show no pictures from {content.shown(host or address)}.", image.line
            )
    for position in range(1, len(sources) + 1):
        if position not in used:
            yield Finding(f"Image source {position} is not shown in the text.")


def _uploads_there(snapshot: content.Snapshot) -> set[str]:
    """Return the digests of uploads a text names and this site has. One query when it names any."""
    named = {content.upload_digest(image.url) for image in snapshot.meta.image_sources} - {""}
    if not named:
        return set()
    return set(StoredImage.objects.filter(digest__in=named).values_list("digest", flat=True))


def _host_of(address: str) -> str:
    """Return the host of an address, empty where it has none or is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _of_links(
    links: Iterable[markdown.Reference], heading_ids: Collection[str], now: dt.datetime
) -> Iterator[Finding]:
    to_posts: list[tuple[markdown.Reference, str]] = []
    for link in links:
        if not link.text:
            yield Finding("A link without words.", link.line)
        if not link.target:
            yield Finding(f"“{content.shown(link.text)}” leads nowhere.", link.line)
            continue
        if link.target.startswith("#"):
            if unquote(link.target[1:]) not in heading_ids:
                yield Finding(
                    f"No heading of this text has the address {content.shown(link.target)}.",
                    link.line,
                )
            continue
        path = _own_path(link.target)
        if path is None:
            continue
        try:
            match = resolve(path)
        except Resolver404:
            yield Finding(f"This site has no page {content.shown(link.target)}.", link.line)
            continue
        if match.url_name in _ARTICLES:
            to_posts.append((link, str(match.kwargs["slug"])))
    if to_posts:
        yield from _of_posts(to_posts, now)


def _own_path(target: str) -> str | None:
    """Return the path of a link to this site, None for one that leads elsewhere."""
    target = target.removeprefix(settings.PUBLIC_URL) or "/"
    if not target.startswith("/") or target.startswith("//"):
        return None
    return unquote(target.split("#", 1)[0].split("?", 1)[0])


def _of_posts(
    links: Iterable[tuple[markdown.Reference, str]], now: dt.datetime
) -> Iterator[Finding]:
    links = list(links)
    wanted = {slug for _, slug in links}
    rows = Slug.objects.filter(slug__in=sorted(wanted)[:FINDINGS_MAX]).select_related("post")
    known = {row.slug: row for row in rows}
    for link, slug in links:
        row = known.get(slug)
        shown = content.shown(link.target)
        if row is None:
            yield Finding(f"No post has the address {shown}.", link.line)
        elif row.post.is_over(now):
            yield Finding(f"{shown} is archived: readers find it gone.", link.line)
        elif not row.post.is_public(now):
            yield Finding(f"{shown} is not published: readers do not find it.", link.line)
        elif not row.is_current:
            yield Finding(f"{shown} has moved to {row.post.get_absolute_url()}.", link.line)
