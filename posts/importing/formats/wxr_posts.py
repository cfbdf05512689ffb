"""A post of a WordPress export as the fields of a record.

In: one post with everything it refers to. Out: title, Markdown, dates, tags, images, old addresses,
and under `extra` what this site has no field for. Drafts and passwords open nothing here.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from email.utils import parsedate_to_datetime
from html import escape, unescape
from typing import Any
from urllib.parse import urlsplit

import msgspec

from posts.content import (
    ITEM_MAX,
    LIST_MAX,
    NAME_MAX,
    TAG_MAX,
    TEXT_MAX,
    TITLE_MAX,
    URL_MAX,
    Image,
    Problem,
    shown,
)
from posts.importing.formats.wxr_items import Term
from posts.importing.formats.wxr_library import Picture
from posts.importing.html_markdown import converted
from posts.importing.records import SLUG_MAX, Decoded


class Post(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One post or page; the form a raw record is written in."""

    key: str
    site: str
    language: str = ""
    author: str = ""
    texts: dict[str, str] = {}
    terms: list[Term] = []
    meta: list[tuple[str, str]] = []
    comments: int = 0
    has_password: bool = False
    featured: Picture | None = None
    #: Pictures that galleries name, and those of the post, for galleries that name none.
    pictures: dict[str, Picture] = {}
    attached: list[Picture] = []


class _Cover(msgspec.Struct, rename="camel"):
    """What of the settings of a cover block says what it shows."""

    url: str = ""
    background_type: str = "image"


_settings = msgspec.json.Decoder(_Cover)

#: Texts that become fields, or that only WordPress needs.
_KNOWN_TEXTS = frozenset(
    """
    title link pubDate guid description dc:creator content:encoded excerpt:encoded wp:post_id
    wp:post_date wp:post_date_gmt wp:post_modified wp:post_modified_gmt wp:comment_status
    wp:ping_status wp:post_name wp:status wp:post_parent wp:menu_order wp:post_type
    wp:is_sticky wp:attachment_url
    """.split()  # noqa: SIM905
)
#: Post meta that WordPress writes for itself: locks, caches of embeds, pointers resolved here.
_OWN_META = re.compile(
    r"_(?:edit_(?:lock|last)|oembed_.*|pingme|encloseme|thumbnail_id|wp_old_slug)"
)
_TAG_DOMAINS = ("category", "post_tag", "tag", "")
#: Pictures of all galleries of a post; a short text could ask for millions.
PICTURES_MAX = 1_000
#: Characters of post meta that are kept: an editor's page layouts can be megabytes.
META_MAX = 90_000

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>|<!--[^<>]{0,2000}-->")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_REMOTE = re.compile(r"https?://[!-~]{1,2000}")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_GALLERY = re.compile(r"\[gallery\b([^\[\]]{0,2000})\]")
_IDS = re.compile(r"""\b(?:ids|include)\s*=\s*["']?([\d,\s]{1,5000})""")
#: A block that the editor fills in when the page is shown: its words stand nowhere else.
_DYNAMIC = re.compile(r"<!--\s{1,5}wp:([a-z][\w/-]{0,60})\s{1,5}([^<>]{0,4000})/-->")
_COVER = re.compile(r"<!--\s{1,5}wp:cover\s{1,5}(\{[^<>]{0,4000}\})\s{1,5}-->")
_COVER_MAX = 20_000
_SHORTCODE = re.compile(r"\[/[\w-]{1,60}\]|\[[\w-]{1,60}\s[^\[\]=]{0,200}=[^\[\]]{0,2000}\]")
#: Words of a title that is made of the text, and characters of it that are looked at.
_TITLE_WORDS, _TITLE_SEARCHED = 10, 5_000
_DATE = re.compile(r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_MOMENT_LENGTH = len("2012-03-05 08:15:00")
#: No zone is further from Greenwich.
_OFFSET_MAX = dt.timedelta(hours=15)


def decoded(post: Post) -> Decoded:
    """Return the fields of a post and what of it could not be kept."""
    texts = post.texts
    problems: list[Problem] = []
    link = texts.get("link", "")
    base = link if link.startswith(("http://", "https://")) else post.site
    featured = _images(post.featured)
    html = _with_blocks(_with_galleries(texts.get("content:encoded", ""), post))
    text = converted(html, base_url=base, images=featured, wordpress=True)
    problems += text.problems
    body = text.markdown
    if featured and "](image:1)" not in body:
        label = re.sub(r"([\\\[\]`*_<&])", r"\\\1", featured[0].caption or featured[0].alt)
        body = f"![{label}](image:1)\n\n{body}".rstrip()
    tags, dropped = _tags(post, problems)
    published_at, written = _published(texts, problems)
    summary = _plain(texts.get("excerpt:encoded", ""))
    fields = {
        "key": post.key,
        "title": _title(texts, problems),
        "body": body,
        "slug": _slug(texts.get("wp:post_name", "")),
        "language": post.language if _LANGUAGE.fullmatch(post.language) else "",
        "author": _plain(post.author)[:NAME_MAX],
        "published_at": published_at,
        "former_urls": _former_urls(post),
        "tags": tags,
        "image_sources": msgspec.to_builtins(text.images),
        "summary": summary if len(summary) <= TEXT_MAX else "",
        "extra": {**_extra(post), **written, **dropped},
    }
    unknown = _unknown(post, summary if len(summary) > TEXT_MAX else "", problems)
    return Decoded(fields, (*problems, *_left_out(post)), unknown)


def _warning(code: str, field: str, value: str, expected: str) -> Problem:
    return Problem(
        code=code, field=field, value=shown(value), expected=expected, severity="warning"
    )


def _plain(html: str) -> str:
    """Return the words of a short text, in one line."""
    if "<" in html or "&" in html:
        html = unescape(_TAG.sub("", html))
    return " ".join(html.split() if html.isprintable() else _CONTROL.sub(" ", html).split())


def _title(texts: dict[str, str], problems: list[Problem]) -> str:
    """Return the title; of a post without one the first words of its text, and say so."""
    title = _plain(texts.get("title", ""))
    if not title:
        words = _plain(_SHORTCODE.sub("", texts.get("content:encoded", "")[:_TITLE_SEARCHED]))
        name = texts.get("wp:post_name", "").replace("-", " ")
        title = " ".join(words.split()[:_TITLE_WORDS])[:TITLE_MAX]
        title = title or name[:TITLE_MAX] or f"post {texts.get('wp:post_id', '')}"
        problems.append(
            Problem(
                code="title_made",
                field="title",
                value=shown(title),
                expected="a title",
                severity="repair",
            )
        )
    return title


def _slug(name: str) -> str:
    """Return the name of a post as a slug of this site, "" when it has other letters."""
    return name if len(name) <= SLUG_MAX and _SLUG.fullmatch(name) else ""


def _images(picture: Picture | None) -> tuple[Image, ...]:
    """Return the featured image as the first row, none without an address that can be shown."""
    if picture is None or len(picture.url) > URL_MAX or not _REMOTE.fullmatch(picture.url):
        return ()
    caption, alt = _plain(picture.caption)[:ITEM_MAX], _plain(picture.alt)[:ITEM_MAX]
    return (Image(url=picture.url, caption=caption or alt, alt=alt if caption else ""),)


# --- Text -----------------------------------------------------------------------------------------


def galleries(html: str) -> list[list[int]]:
    """Return the numbers that each gallery of a text names; none stand for all of the post."""
    return [_named(attributes) for attributes in _GALLERY.findall(html)]


def _named(attributes: str) -> list[int]:
    ids = _IDS.search(attributes)
    return [int(number) for number in re.findall(r"\d{1,18}", ids[1])] if ids else []


def _with_galleries(html: str, post: Post) -> str:
    """Return the text with the pictures of its galleries, as far as the export has them."""

    shown = 0

    def figures(match: re.Match[str]) -> str:
        nonlocal shown
        numbers = _named(match[1])
        found = [post.pictures[name] for name in map(str, numbers) if name in post.pictures]
        if not numbers:
            found = post.attached
        shown += len(found)
        is_shown = found and shown <= PICTURES_MAX
        return "\n\n".join(map(_figure, found)) if is_shown else match[0]

    return _GALLERY.sub(figures, html) if post.pictures or post.attached else html


def _figure(picture: Picture) -> str:
    caption = f"<figcaption>{picture.caption}</figcaption>" if picture.caption else ""
    image = f'<img src="{escape(picture.url)}" alt="{escape(_plain(picture.alt))}">'
    return f"<figure>{image}{caption}</figure>"


def _with_blocks(html: str) -> str:
    """Return the text with what only the comments of its blocks say.

    Dynamic blocks become code, because nothing else of them is in the export. Covers have their
    picture in a style, which no converter reads.
    """
    html = _COVER.sub(_cover, html)
    return _DYNAMIC.sub(
        lambda match: f"<pre><code>{escape(f'{match[1]} {match[2]}'.strip())}</code></pre>", html
    )


def _cover(match: re.Match[str]) -> str:
    try:
        block = _settings.decode(match[1])
    except msgspec.DecodeError:
        return match[0]
    end = match.string.find("<!-- /wp:cover", match.end(), match.end() + _COVER_MAX)
    is_shown = "<img" in match.string[match.end() : max(end, match.end())]
    if is_shown or not block.url or block.background_type != "image":
        return match[0]
    return f"{match[0]}{_figure(Picture(block.url))}"


# --- Dates ----------------------------------------------------------------------------------------


def _moment(text: str) -> dt.datetime | None:
    """Return a date of the export; None for none, which it writes as zeros."""
    try:
        return dt.datetime.fromisoformat(text) if len(text) == _MOMENT_LENGTH else None
    except ValueError:
        return None


def _stamped(local: str, greenwich: str) -> str:
    """Return a moment with the offset that both clocks give; "" without that of Greenwich."""
    here, there = _moment(local), _moment(greenwich)
    if there is None:
        return ""
    offset = here - there if here is not None else dt.timedelta()
    if here is None or abs(offset) > _OFFSET_MAX or offset.total_seconds() % 60:
        here, offset = there, dt.timedelta()
    return here.replace(tzinfo=dt.timezone(offset)).isoformat()


def _told(text: str) -> str:
    """Return the moment of an RFC 822 date. Of no date WordPress makes one of the year -1."""
    if not _DATE.fullmatch(text):
        return ""
    try:
        return parsedate_to_datetime(text).isoformat()
    except ValueError:
        return ""


def _published(texts: dict[str, str], problems: list[Problem]) -> tuple[str, dict[str, str]]:
    """Return when it was published, and what is known when that is not."""
    local = texts.get("wp:post_date", "")
    stamp = _stamped(local, texts.get("wp:post_date_gmt", ""))
    if not stamp:
        stamp = _told(texts.get("pubDate", ""))
    if stamp or _moment(local) is None:
        return stamp, {}
    problems.append(
        _warning("local_date", "wp:post_date", local, "a date of Greenwich too; kept as it came")
    )
    return "", {"post_date": local}


# --- What it is filed under, where it was ---------------------------------------------------------


def _tags(post: Post, problems: list[Problem]) -> tuple[list[str], dict[str, Any]]:
    """Return the tags, and the terms that are none, by what they are."""
    tags: dict[str, None] = {}
    others: dict[str, list[str]] = {}
    left_out: list[str] = []
    for term in post.terms:
        name = unicodedata.normalize("NFC", _plain(term.name))
        if not name:
            continue
        if term.domain not in _TAG_DOMAINS:
            kept = others.setdefault(_name(term.domain), [])
        elif len(name) <= TAG_MAX and (len(tags) < LIST_MAX or name in tags):
            tags[name] = None
            continue
        else:
            left_out.append(name)
            kept = others.setdefault("tags", [])
        if len(kept) < LIST_MAX:
            kept.append(name)
    if left_out:
        expected = f"{LIST_MAX} tags of {TAG_MAX} characters; the next ones are kept beside them"
        problems.append(_warning("tag_left_out", "tags", _counted(left_out), expected))
    return list(tags), {"terms": others} if others else {}


def _counted(names: list[str]) -> str:
    return f"{len(names):,}, the first: {names[0]}"


def _former_urls(post: Post) -> list[str]:
    """Return the paths it was at: its link, its number, and its earlier names."""
    texts = post.texts
    link = _path(texts.get("link", ""), post.site)
    found = [link]
    number = texts.get("wp:post_id", "")
    guid = _path(texts.get("guid", ""), post.site)
    # The number of another one says only from which site it was brought.
    if guid.rpartition("?")[2] in (f"p={number}", f"page_id={number}") or "?" not in guid:
        found.append(guid)
    beginning = link.rstrip("/").rpartition("/")[0] if link and "?" not in link else None
    if beginning is not None:
        ending = "/" * link.endswith("/")
        old = [value.strip() for name, value in post.meta if name == "_wp_old_slug"]
        found += [f"{beginning}/{slug}{ending}" for slug in old if slug and "/" not in slug]
    return list(dict.fromkeys(path for path in found if path.strip("/")))[:LIST_MAX]


def _path(url: str, site: str) -> str:
    """Return the path and query of an address of the site itself, else ""."""
    try:
        found, home = urlsplit(url), urlsplit(site)
    except ValueError:
        return ""
    if found.scheme not in ("http", "https") or not _is_same(found.hostname, home.hostname):
        return ""
    path = "/" + found.path.lstrip("/") + (f"?{found.query}" if found.query else "")
    path = "".join(path.split())
    return path if len(path) <= URL_MAX and len(path.encode()) <= URL_MAX * 2 else ""


def _is_same(one: str | None, other: str | None) -> bool:
    return (one or "").removeprefix("www.") == (other or "").removeprefix("www.")


# --- What this site has no field for --------------------------------------------------------------


def _extra(post: Post) -> dict[str, Any]:
    """Return what is known of WordPress and kept as it came."""
    texts = post.texts
    status = texts.get("wp:status", "")
    if post.has_password:
        status = "password-protected" if status in ("publish", "") else f"{status}, with password"
    extra: dict[str, Any] = {"status": status}
    if (kind := texts.get("wp:post_type", "")) != "post":
        extra["post_type"] = kind
    if (parent := texts.get("wp:post_parent", "")) not in ("", "0"):
        extra["post_parent"] = parent
    if (order := texts.get("wp:menu_order", "")) not in ("", "0"):
        extra["menu_order"] = order
    if texts.get("wp:is_sticky") == "1":
        extra["is_sticky"] = True
    if modified := _stamped(
        texts.get("wp:post_modified", ""), texts.get("wp:post_modified_gmt", "")
    ):
        extra["modified"] = modified
    return {name: value for name, value in extra.items() if value}


def _name(text: str) -> str:
    """Return a name as unknown fields may have it."""
    return _plain(unicodedata.normalize("NFC", text))[:NAME_MAX].strip()


def _unknown(post: Post, excerpt: str, problems: list[Problem]) -> dict[str, Any]:
    """Return post meta and elements of plugins under their own names, as much as may be kept.

    So is an excerpt that is too long for a summary.
    """
    values: dict[str, list[str]] = {}
    for key, value in post.meta:
        name = _name(key)
        if name and value and not _OWN_META.fullmatch(key):
            values.setdefault(name, []).append(value)
    meta = {name: value if len(value) > 1 else value[0] for name, value in values.items()}
    others = {
        name: text
        for element, text in post.texts.items()
        if text and element not in _KNOWN_TEXTS and (name := _name(element))
    }
    if excerpt:
        others["excerpt"] = excerpt
    found: dict[str, dict[str, Any]] = {"post_meta": meta, "elements": others}
    sizes = sorted(
        (len(name) + sum(map(len, value if isinstance(value, list) else [value])), part, name)
        for part in found
        for name, value in found[part].items()
    )
    total = sum(size for size, _, _ in sizes)
    left_out = []
    while total > META_MAX:
        size, part, name = sizes.pop()
        total -= size
        del found[part][name]
        left_out.append(name)
    if left_out:
        expected = f"{META_MAX:,} characters in all; the longest are left out"
        problems.append(_warning("meta_left_out", "post_meta", _counted(left_out), expected))
    return {part: kept for part, kept in found.items() if kept}


def _left_out(post: Post) -> list[Problem]:
    problems = []
    if post.has_password:
        problems.append(_warning("password_left_out", "wp:post_password", "", "no passwords"))
    if post.comments:
        problems.append(
            _warning(
                "comments_left_out", "wp:comment", f"{post.comments:,}", "no comments on this site"
            )
        )
    return problems
