"""Foreign HTML, and Markdown with HTML in it, as Markdown of this site.

In: a text as an export has it. Out: Markdown that `posts.markdown` shows with the same structure
and the same words, numbered images, and what could not be kept. Raw HTML never comes out. No
input raises: what is nested too deep is refused. Fetches nothing, knows no Django.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from markdown_it.token import Token

from posts.commonmark import is_allowed_target, parser_for
from posts.content import Image, Problem
from posts.importing.conversion.addresses import Addresses, Notes
from posts.importing.conversion.tree import HostileError, parsed
from posts.importing.conversion.walk import Walk
from posts.importing.conversion.wordpress import Markup, is_of_blocks, with_figures

#: Characters of one text. The largest body that is stored has 2,000,000.
HTML_MAX = 8_000_000
#: Characters of a line that are read.
_LINE_MAX = 20_000


#: What a base URL makes another address of; a mere fragment stays in its page.
_RELATIVE = re.compile(r"(?!#|[a-z][a-z0-9+.-]*:)", re.IGNORECASE)


class Conversion(msgspec.Struct, frozen=True):
    """Markdown, the image rows it counts on, and what was found on the way."""

    markdown: str
    images: tuple[Image, ...] = ()
    problems: tuple[Problem, ...] = ()


def converted(
    html: str, *, base_url: str = "", images: Sequence[Image] = (), wordpress: bool = False
) -> Conversion:
    """Return HTML as Markdown. `images` are those already numbered, such as a featured image.

    `wordpress` reads what only its editor writes: paragraphs between blank lines, shortcodes and
    addresses on a line of their own. An error among the problems means that nothing was converted.
    """
    if not html.strip():
        return Conversion("", tuple(images))
    if len(html) > HTML_MAX:
        problem = Problem(
            code="html_too_large",
            field="body",
            value=f"{len(html):,} characters",
            expected=f"at most {HTML_MAX:,} characters of HTML",
        )
        return Conversion("", tuple(images), (problem,))
    notes = Notes()
    addresses = Addresses(base_url, images, notes)
    markup = None
    if wordpress:
        markup = Markup(breaks_lines=not is_of_blocks(html))
        html = with_figures(html)
    walk = Walk(addresses, notes, markup)
    try:
        markdown = walk.markdown(parsed(html))
    except HostileError as error:
        return Conversion("", tuple(images), (error.problem,))
    return Conversion(markdown, tuple(addresses.images), notes.problems())


def plain_text(html: str) -> str:
    """Return the words of a line of HTML, such as a title; nothing of what is hostile."""
    if "<" not in html and "&" not in html:
        return html
    try:
        tree = parsed(html[:_LINE_MAX])
    except HostileError:
        return ""
    return "".join(tree.itertext()) if tree is not None else ""


# --- Markdown with HTML in it --------------------------------------------------------------------


def from_markdown(text: str, *, base_url: str = "", images: Sequence[Image] = ()) -> Conversion:
    """Return foreign Markdown without raw HTML, its images numbered, its links resolved.

    A text that has nothing to change comes back as it is, so a second conversion changes nothing.
    One that has is written anew as a whole: references become links, code keeps its content.
    """
    if "<" not in text and "[" not in text:
        return Conversion(text, tuple(images))  # neither HTML nor link nor image without those
    parser = parser_for(text, reads_html=True)
    tokens = parser.parse(text)
    if not any(_is_foreign(token, base_url) for token in tokens):
        return Conversion(text, tuple(images))
    html = parser.renderer.render(tokens, parser.options, {})
    return converted(html, base_url=base_url, images=images)


def _is_foreign(token: Token, base_url: str) -> bool:
    if token.type in ("html_block", "html_inline"):
        return True
    if token.type == "image":
        return not str(token.attrs.get("src", "")).startswith("image:")
    if token.type == "link_open":
        target = str(token.attrs.get("href", ""))
        return not is_allowed_target(target) or bool(base_url and _RELATIVE.match(target))
    return any(_is_foreign(child, base_url) for child in token.children or ())
