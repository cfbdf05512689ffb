"""What the text of a WordPress post holds beside HTML: shortcodes, captions, bare addresses.

In: the text as the export has it. Out: figures for captions, and pieces of text by kind. A
shortcode is shown as code, since only its plugin knows what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Literal

import msgspec


class Markup(msgspec.Struct, frozen=True):
    """How to read the text. `breaks_lines`: blank lines part paragraphs, line ends break lines."""

    breaks_lines: bool


def is_of_blocks(html: str) -> bool:
    """Say whether the block editor wrote the text; it marks paragraphs itself."""
    return "<!-- wp:" in html


_CAPTION = re.compile(r"\[(?:wp_)?caption\b([^\[\]<>]{0,2000})\]")
_CAPTION_END = re.compile(r"\[/(?:wp_)?caption\]")
_CAPTION_WORDS = re.compile(r"""caption=(?:"([^"]*)"|'([^']*)')""")
_SOURCE_CODE = re.compile(r"\[(sourcecode|code|source)\b([^\[\]]{0,500})\]")
_LANGUAGE = re.compile(r"""lang(?:uage)?=["']?([\w+#.-]{1,40})""")

#: What the walk knows a figure of a shortcode by.
CAPTION_CLASS = "wp-caption"
#: The class of the second link to a file, right behind the first.
FILE_BUTTON = "wp-block-file__button"


def with_figures(html: str) -> str:
    """Return the text with its caption shortcodes as figures and its code shortcodes as code."""
    if "caption" in html:
        html = _CAPTION_END.sub("</figure>", _CAPTION.sub(_figure, html))
    return _with_code(html)


def _figure(match: re.Match[str]) -> str:
    words = _CAPTION_WORDS.search(match[1])
    caption = (words[1] or words[2] or "") if words else ""
    after = f"<figcaption>{escape(unescape(caption))}</figcaption>" if caption else ""
    return f'<figure class="{CAPTION_CLASS}">{after}'


def _with_code(html: str) -> str:
    parts: list[str] = []
    at = 0
    while start := _SOURCE_CODE.search(html, at):
        closing = f"[/{start[1]}]"
        end = html.find(closing, start.end())
        if end < 0:
            break
        language = _LANGUAGE.search(start[2])
        name = f' class="language-{language[1]}"' if language else ""
        text = escape(unescape(html[start.end() : end]).strip("\r\n"), quote=False)
        parts += (html[at : start.start()], f"<pre><code{name}>{text}</code></pre>")
        at = end + len(closing)
    return "".join((*parts, html[at:]))


#: Shortcodes of WordPress itself and of its most used plugins, known without attributes too.
_KNOWN = frozenset(
    """
    archives audio blog_subscription_form contact-form contact-form-7 dailymotion embed flickr
    gallery gist googlemaps instagram playlist poll polldaddy quote recent_posts slideshare
    slideshow soundcloud spotify subscribe ted toc twitter tweet video vimeo youtube
    """.split()  # noqa: SIM905
)
_SHORTCODE = re.compile(
    r"\[embed[^\[\]]{0,500}\]\s*(?P<address>https?://[^\s\[\]<>]{1,2000})\s*\[/embed\]"
    r"|\[(?P<end>/?)(?P<name>[a-zA-Z][\w-]{0,60})(?P<rest>(?:\s[^\[\]]{0,2000})?)/?\](?!\()"
)

Kind = Literal["text", "code", "address"]


def pieces(text: str) -> Iterator[tuple[Kind, str]]:
    """Yield the text in parts: words, shortcodes, and addresses of embedded things."""
    if "[" not in text:
        yield "text", text
        return
    at = 0
    for match in _SHORTCODE.finditer(text):
        if match["address"]:
            kind: Kind = "address"
        elif _is_shortcode(match, text):
            kind = "code"
        else:
            continue
        if match.start() > at:
            yield "text", text[at : match.start()]
        yield kind, match["address"] or match[0]
        at = match.end()
    if at < len(text):
        yield "text", text[at:]


def _is_shortcode(match: re.Match[str], text: str) -> bool:
    """Tell a shortcode from words in brackets: by its attributes, its end, or its name."""
    name = match["name"]
    return bool(match["end"]) or name.lower() in _KNOWN or "=" in match["rest"]


_ADDRESS = re.compile(r"https?://[^\s<>]{1,2000}")


def bare_address(text: str) -> str:
    """Return the address a line consists of, which WordPress embeds, or ""."""
    text = text.strip()
    return text if _ADDRESS.fullmatch(text) else ""
