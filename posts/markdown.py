"""Markdown of a revision -> sanitised HTML, headings and plain text; the only home of `mark_safe`.

In: body or lede, its `Picture`s, an `ImagePolicy`. Out: `Rendered`. Raw HTML is
off, nh3 cleans what is made, and no input raises. Must not query, nor fetch anything.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import NamedTuple, cast

import nh3
from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from posts.commonmark import parser, parser_for
from posts.highlighting import CLASSES, Highlighter
from posts.pictures import (
    SIZES,
    ImagePolicy,
    Picture,
    Source,
    address_of,
    host_of,
    picture_size,
    shown_host,
    sources_of,
)

#: Part of every cache key; raise it whenever the same body would give other HTML.
RENDERER_VERSION = "2"
CACHE_SECONDS = 7 * 24 * 3600

#: Ids the page itself uses: a heading never takes one of these, nor one with these beginnings.
RESERVED_IDS = frozenset(
    """
    archive article content contents contents-heading footer guess header in-this-article
    latest main nav related search similar similar-heading similar-posts stacks stamp tags
    top
    """.split()  # noqa: SIM905
)
RESERVED_PREFIXES = ("id_", "kind-", "meta-box", "page-")
_ID_LENGTH = 80

#: Headings with an anchor; later ones are plain.
HEADINGS_MAX = 500

CHECKLIST_HEADING = "implementation checklist"


@dataclass(frozen=True)
class Heading:
    """A heading readers may jump to: level 2 to 4."""

    id: str
    text: str
    level: int


@dataclass(frozen=True)
class Rendered:
    """A body as the page shows it, its headings in order, and its text without markup."""

    html: SafeString
    headings: tuple[Heading, ...]
    plain_text: str


# --- Parsing ----------------------------------------------------------------------------------

_IMAGE_NUMBER = re.compile(r"image:(\d{1,6})")


def _renderer() -> RendererHTML:
    return cast(RendererHTML, parser().renderer)


def _parsed(body: str) -> list[Token]:
    return parser_for(body).parse(body)


def _text_of(tokens: Sequence[Token] | None) -> str:
    """Return the words of inline tokens; an image gives its caption."""
    parts: list[str] = []
    for token in tokens or ():
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.type == "image":
            parts.append(_text_of(token.children))
    return "".join(parts)


def _plain(tokens: Sequence[Token]) -> str:
    lines = []
    for token in tokens:
        if token.type == "inline":
            lines.append(_text_of(token.children))
        elif token.type in ("fence", "code_block"):
            lines.append(token.content.rstrip("\n"))
    return "\n".join(line for line in lines if line.strip())


def _figures_in(inline: Token) -> list[Token]:
    """Return the images of a paragraph that consists of nothing else, or nothing."""
    children = inline.children or []
    images = [token for token in children if token.type == "image"]
    others = [token for token in children if token.type not in ("image", "softbreak", "hardbreak")]
    return (
        images
        if images and not any(token.content.strip() or token.nesting for token in others)
        else []
    )


# --- Pictures ---------------------------------------------------------------------------------


def _resolve(token: Token, pictures: Sequence[Picture]) -> Picture:
    """Return the picture an image token means, with the caption the body gives it."""
    src, title = str(token.attrs.get("src", "")), str(token.attrs.get("title", ""))
    caption = _text_of(token.children).strip()
    number = _IMAGE_NUMBER.fullmatch(src)
    if number is None:
        if src.lower().startswith(("http://", "https://")):
            return Picture(src, title or shown_host(src), caption, caption)
        return Picture(source=title, caption=caption)
    position = int(number[1])
    if not 1 <= position <= len(pictures):
        return Picture(source=title, caption=caption)
    picture = pictures[position - 1]
    caption = caption or picture.caption
    source = title or picture.source or (shown_host(picture.url) if picture.url else "")
    return replace(picture, caption=caption, source=source, alt=picture.alt or caption)


# --- Rendering --------------------------------------------------------------------------------


class _Page:
    """One rendering: carries ids given out, pictures shown and code highlighted so far."""

    def __init__(self, pictures: Sequence[Picture], policy: ImagePolicy) -> None:
        self.pictures = pictures
        self.policy = policy
        self.headings: list[Heading] = []
        self.taken: set[str] = set()
        self.repeats: dict[str, int] = {}
        self.shown = 0
        self.tables = 0
        self.highlighter = Highlighter()

    # Pictures

    def img(self, picture: Picture, src: str) -> str:
        width, height = picture_size(picture)
        order = 'loading="eager" fetchpriority="high"' if self.shown == 0 else 'loading="lazy"'
        self.shown += 1
        *others, last = sources_of(picture, self.policy) or [Source()]
        renditions = f'srcset="{last.srcset}" sizes="{SIZES}" ' if last.srcset else ""
        img = (
            f'<img src="{escape(src)}" {renditions}alt="{escape(picture.alt)}" width="{width}" '
            f'height="{height}" {order} decoding="async" referrerpolicy="no-referrer">'
        )
        sources = "".join(
            f'<source type="{one.type}" srcset="{one.srcset}" sizes="{SIZES}">' for one in others
        )
        return f"<picture>{sources}{img}</picture>" if sources else img

    def figure(self, token: Token) -> str:
        picture = _resolve(token, self.pictures)
        src, refusal = address_of(picture, self.policy)
        shown = self.img(picture, src) if src else ""
        if refusal:
            shown = f'<div class="image-refused">Image not shown: {escape(refusal)}.</div>'
        source = escape(picture.source)
        if host_of(picture.url):
            source = f'<a href="{escape(picture.url)}">{source}</a>'
        credit = f"Image source: {source}" if source else ""
        if picture.credit and picture.credit != picture.source:
            credit = ". ".join(filter(None, (credit, f"Credit: {escape(picture.credit)}")))
        credit = credit and f'<span class="figure-credit">{credit}</span>'
        caption = escape(picture.caption)
        text = _with_credit(caption, credit)
        kind = "figure" if src else "figure figure-without-image"
        return f'<figure class="{kind}">{shown}<figcaption>{text}</figcaption></figure>\n'

    def inline_image(self, token: Token) -> str:
        picture = _resolve(token, self.pictures)
        src, refusal = address_of(picture, self.policy)
        if src:
            return self.img(picture, src)
        note = f" (image not shown: {refusal})" if refusal else ""
        return f'<span class="image-refused">{escape(picture.caption + note)}</span>'

    # Headings

    def heading_id(self, text: str) -> str:
        base = slugify(text, allow_unicode=True)[:_ID_LENGTH].strip("-_") or "section"
        if base in RESERVED_IDS or base.startswith(RESERVED_PREFIXES):
            base = f"section-{base}"
        name = base
        while name in self.taken:
            # Counted on from the last one: many equal headings must not be tried over and over.
            self.repeats[base] = self.repeats.get(base, 1) + 1
            name = f"{base}-{self.repeats[base]}"
        self.taken.add(name)
        return name

    def heading(self, inline: Token, level: int) -> str:
        text = _text_of(inline.children).strip()
        words = self.inline(inline)
        if level > 4 or not text or len(self.headings) == HEADINGS_MAX:
            return f"<h{level}>{words}</h{level}>\n"
        name = self.heading_id(text)
        self.headings.append(Heading(name, text, level))
        return (
            f'<h{level} id="{escape(name)}">{words} <a class="heading-anchor" '
            f'href="#{escape(name)}" aria-label="Link to the section {escape(text)}">#</a>'
            f"</h{level}>\n"
        )

    # Code

    def code(self, token: Token) -> str:
        words = token.info.split(maxsplit=1) if token.type == "fence" else []
        language = words[0][:40] if words else ""
        label = f"<figcaption>{escape(language)}</figcaption>" if language else ""
        code = self.highlighter.html(token.content, language)
        return (
            f'<figure class="code">{label}<pre tabindex="0"><code class="highlight">'
            f"{code}</code></pre></figure>\n"
        )

    # Everything

    def inline(self, token: Token) -> str:
        parts: list[str] = []
        plain: list[Token] = []
        options = parser().options

        def flush() -> None:
            parts.append(_renderer().renderInline(plain, options, {}))
            plain.clear()

        for child in token.children or ():
            if child.type == "image":
                flush()
                parts.append(self.inline_image(child))
            else:
                plain.append(child)
        flush()
        return "".join(parts)

    def blocks(self, tokens: list[Token]) -> Iterator[str]:
        options = parser().options
        shift = (
            1 if any(token.type == "heading_open" and token.tag == "h1" for token in tokens) else 0
        )
        is_under_checklist = False
        number = 0
        while number < len(tokens):
            token = tokens[number]
            following = tokens[number + 1] if number + 1 < len(tokens) else None
            kind = token.type
            if kind == "paragraph_open" and following and (figures := _figures_in(following)):
                yield from map(self.figure, figures)
                number += 3
                continue
            if kind == "heading_open" and following:
                yield self.heading(following, min(6, int(token.tag[1]) + shift))
                if token.level == 0:
                    text = " ".join(_text_of(following.children).split())
                    is_under_checklist = text.casefold() == CHECKLIST_HEADING
                number += 3
                continue
            if kind in ("bullet_list_open", "ordered_list_open") and token.level == 0:
                if is_under_checklist:
                    token.attrSet("class", "checklist")
            elif kind in ("fence", "code_block"):
                yield self.code(token)
                number += 1
                continue
            elif kind == "table_open":
                self.tables += 1
                yield (
                    '<div class="table-scroll" role="group" tabindex="0" '
                    f'aria-label="Table {self.tables}">'
                )
            elif kind in ("th_open", "td_open"):
                _align_by_class(token)
            if kind == "inline":
                yield self.inline(token)
            else:
                # The stock renderer looks at neighbours for line breaks only.
                yield _renderer().renderToken(tokens, number, options, {})
            if kind == "table_close":
                yield "</div>\n"
            number += 1


def _align_by_class(token: Token) -> None:
    style = str(token.attrs.pop("style", ""))
    if style:
        token.attrSet("class", "align-" + style.removeprefix("text-align:"))
    if token.type == "th_open":
        token.attrSet("scope", "col")


# --- Sanitising -------------------------------------------------------------------------------

_INLINE_TAGS = {"a", "br", "code", "em", "s", "span", "strong"}
_BLOCK_TAGS = _INLINE_TAGS | set(
    """
    blockquote div figcaption figure h2 h3 h4 h5 h6 hr img li ol p picture pre source table
    tbody td th thead tr ul
    """.split()  # noqa: SIM905
)
_ALIGNMENTS = {"align-left", "align-center", "align-right"}
_SCHEMES = {"http", "https", "mailto"}
_REL = "nofollow noopener"

_clean_block = nh3.Cleaner(
    tags=_BLOCK_TAGS,
    attributes={
        "a": {"href", "title", "aria-label"},
        "div": {"aria-label"},
        "img": {"src", "srcset", "sizes", "alt", "width", "height"},
        "ol": {"start"},
        "source": {"srcset", "sizes", "type"},
        "h2": {"id"},
        "h3": {"id"},
        "h4": {"id"},
    },
    tag_attribute_values={
        "div": {"role": {"group"}, "tabindex": {"0"}},
        "pre": {"tabindex": {"0"}},
        "img": {
            "loading": {"eager", "lazy"},
            "decoding": {"async"},
            "fetchpriority": {"high"},
            "referrerpolicy": {"no-referrer"},
        },
        "th": {"scope": {"col"}},
    },
    allowed_classes={
        "a": {"heading-anchor"},
        "code": {"highlight"},
        "div": {"table-scroll", "image-refused"},
        "figure": {"figure", "figure-without-image", "code"},
        "ol": {"checklist"},
        "span": {"figure-credit", "image-refused", *CLASSES},
        "td": _ALIGNMENTS,
        "th": _ALIGNMENTS,
        "ul": {"checklist"},
    },
    url_schemes=_SCHEMES,
    link_rel=_REL,
)
_clean_inline = nh3.Cleaner(
    tags=_INLINE_TAGS - {"span"},
    attributes={"a": {"href", "title"}},
    url_schemes=_SCHEMES,
    link_rel=_REL,
)


# --- What others call -------------------------------------------------------------------------


def render(
    body: str, *, images: Sequence[Picture] = (), policy: ImagePolicy | None = None
) -> Rendered:
    """Return a body as sanitised HTML with its headings and plain text. No queries.

    `images` are the revision's pictures in order; without a `policy` no remote picture is shown.
    A `#` heading becomes `h2`, and the others move down with it, so that the page keeps one `h1`.
    """
    tokens = _parsed(body)
    page = _Page(images, policy or ImagePolicy())
    plain_text = _plain(tokens)
    html = _clean_block.clean("".join(page.blocks(tokens)))
    return Rendered(mark_safe(html), tuple(page.headings), plain_text)  # noqa: S308


def render_inline(text: str) -> SafeString:
    """Return one paragraph of Markdown, such as a lede, as inline HTML; images give captions."""
    tokens = parser_for(text).parseInline(text)
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                child.type, child.content = "text", _text_of(child.children)
    return mark_safe(_clean_inline.clean(_renderer().render(tokens, parser().options, {})))  # noqa: S308


def plain_text(text: str, *, limit: int | None = None) -> str:
    """Return inline Markdown as words; longer than `limit` characters it ends with an ellipsis."""
    words = " ".join(_text_of(token.children) for token in parser_for(text).parseInline(text))
    words = " ".join(words.split())
    if limit is None or len(words) <= limit:
        return words
    return words[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def rendered(digest: str, body: str, *, images: Sequence[Picture], policy: ImagePolicy) -> Rendered:
    """Return `render(…)`, kept in the cache by digest, renderer version, pictures and policy.

    The cache may be off or lose anything at any time; the page is the same.
    """
    # Where stored pictures are found makes no difference to a text without any.
    uploads = policy.uploads if any(picture.stored for picture in images) else ""
    facts = repr(
        (RENDERER_VERSION, tuple(images), sorted(policy.hosts), policy.placeholder, uploads)
    )
    key = f"posts.html.{digest.replace(':', '-')}.{hashlib.sha256(facts.encode()).hexdigest()[:24]}"
    found = cache.get(key)
    if found is None:
        made = render(body, images=images, policy=policy)
        headings = [(heading.id, heading.text, heading.level) for heading in made.headings]
        cache.set(key, (str(made.html), headings, made.plain_text), CACHE_SECONDS)
        return made
    html, headings, text = found
    return Rendered(mark_safe(html), tuple(Heading(*heading) for heading in headings), text)  # noqa: S308


class Reference(NamedTuple):
    """A link, an image or a heading of a body: its target (or level), its words, its line."""

    kind: str
    target: str
    text: str
    line: int


def references(body: str) -> Iterator[Reference]:
    """Yield the links, images and headings of a body in order, with 1-based lines.

    What the parser takes for text, such as a link with a scheme that is refused, is none.
    """
    for token_before, token in _pairs(_parsed(body)):
        if token.type != "inline":
            continue
        line = token.map[0] + 1 if token.map else 0
        children = token.children or []
        if token_before.type == "heading_open":
            yield Reference("heading", token_before.tag[1:], _text_of(children).strip(), line)
        for number, child in enumerate(children):
            if child.type == "image":
                target = str(child.attrs.get("src", ""))
                yield Reference("image", target, _text_of(child.children).strip(), line)
            elif child.type == "link_open":
                end = next(
                    n for n in range(number, len(children)) if children[n].type == "link_close"
                )
                words = _text_of(children[number:end]).strip()
                yield Reference("link", str(child.attrs.get("href", "")), words, line)


_MARKDOWN_IMAGE = re.compile(r"\]\(\s*<?image:(\d{1,6})>?")


def portable(body: str, images: Sequence[Picture]) -> str:
    """Return the body as Markdown that other programs read: `image:N` becomes an address.

    Under a figure stands its source; a figure without a picture becomes its caption. Code that
    only looks like an image stays as it is.
    """
    lines = body.split("\n")
    for token_before, token in _pairs(_parsed(body)):
        if token.type != "inline" or not token.map:
            continue
        if not any(child.type == "image" for child in token.children or ()):
            continue
        first, end = token.map
        if token_before.type == "paragraph_open" and token.level == 1 and _figures_in(token):
            found = [_resolve(child, images) for child in _figures_in(token)]
            lines[first] = "\n\n".join(map(_portable_figure, found))
            for number in range(first + 1, end):
                lines[number] = ""
            continue
        for number in range(first, end):
            lines[number] = _MARKDOWN_IMAGE.sub(lambda m: _address_of(m, images), lines[number])
    return "\n".join(lines)


def _pairs(tokens: list[Token]) -> Iterator[tuple[Token, Token]]:
    return itertools.pairwise(tokens)


def _address_of(match: re.Match[str], images: Sequence[Picture]) -> str:
    position = int(match[1])
    known = 1 <= position <= len(images) and images[position - 1].url
    return f"](<{images[position - 1].url}>" if known else match[0]


def _with_credit(caption: str, credit: str) -> str:
    """Return a caption and what stands behind it; one that is a sentence has its own full stop."""
    between = " " if caption.endswith((".", "!", "?", "…")) else ". "
    return between.join(part for part in (caption, credit) if part)


def _portable_figure(picture: Picture) -> str:
    credit = f"Image source: {picture.source}" if picture.source else ""
    if not picture.url:
        return _with_credit(picture.caption, credit)
    caption = picture.caption.replace("[", "\\[").replace("]", "\\]")
    return f"![{caption}](<{picture.url}>)" + (f"\n\n{credit}" if credit else "")
