"""Documents of Ghost's editors as HTML: Lexical, Mobiledoc before it, Markdown before that.

In: the JSON an export holds where it holds no HTML. Out: HTML to be converted like any other. What
a reader would see of a card is kept; a card nobody knows stays as a block of code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from posts.commonmark import parser_for
from posts.content import Problem, shown

#: Levels of a document; lists in lists in lists are three.
_DEPTH_MAX = 60
#: The bits of a Lexical text's format.
_FORMATS = ((1, "strong"), (2, "em"), (4, "s"), (16, "code"))
_MARKUPS = frozenset({"a", "b", "strong", "i", "em", "s", "del", "code", "sub", "sup", "u", "mark"})
_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "aside"})


class CardError(ValueError):
    """A document that is not read; carries the problem to report."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(found)
        self.problem = Problem(
            code="bad_document",
            field="body",
            value=shown(found),
            expected=f"HTML, or a document of Ghost's editor ({kind})",
            hint="open the post in Ghost and save it again, which writes its HTML anew",
        )


def from_markdown(text: str) -> str:
    """Return Markdown as HTML; raw HTML in it stays what it is."""
    parser = parser_for(text, reads_html=True)
    html: str = parser.renderer.render(parser.parse(text), parser.options, {})
    return html


def _loaded(kind: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CardError(kind, str(error)) from error
    if not isinstance(document, dict):
        raise CardError(kind, text)
    return document


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(card: dict[str, Any], *names: str) -> str:
    """Return the first of these values that is a text with something in it."""
    found = (card.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value.strip()), "")


# --- Cards, the same in both editors ------------------------------------------------------------


def _image(card: dict[str, Any]) -> str:
    caption = _text(card, "caption")
    image = f'<img src="{escape(_text(card, "src"))}" alt="{escape(_text(card, "alt"))}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>" if caption else image


def _gallery(card: dict[str, Any]) -> str:
    images = (image for image in _list(card.get("images")) if isinstance(image, dict))
    return "".join(f"<p>{_image(image)}</p>" for image in images) + _paragraph(
        _text(card, "caption")
    )


def _code(card: dict[str, Any]) -> str:
    language = escape(_text(card, "language"))
    words = f' class="language-{language}"' if language else ""
    code = f"<pre><code{words}>{escape(_text(card, 'code'))}</code></pre>"
    return code + _paragraph(_text(card, "caption"))


def _link(card: dict[str, Any]) -> str:
    """Return a link for what shows a page, a film or a file of elsewhere."""
    metadata = card.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    target = _text(card, "url", "src", "buttonUrl", "fileSrc") or _text(about, "url")
    words = _text(card, "title", "fileTitle", "buttonText", "fileName") or _text(about, "title")
    link = f'<p><a href="{escape(target)}">{escape(words or target)}</a></p>'
    return (link if target else _text(card, "html")) + _paragraph(_text(card, "caption"))


def _words(card: dict[str, Any]) -> str:
    """Return the words of a card that is a box: heading, text, button."""
    parts = [
        _paragraph(_text(card, name))
        for name in ("calloutText", "header", "heading", "subheader", "content", "productTitle")
    ]
    parts.append(_paragraph(_text(card, "productDescription")))
    return "".join(parts) + (_link(card) if _text(card, "buttonUrl") else "")


def _paragraph(html: str) -> str:
    return f"<p>{html}</p>" if html else ""


_CARDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "image": _image,
    "gallery": _gallery,
    "html": lambda card: _text(card, "html"),
    "markdown": lambda card: from_markdown(_text(card, "markdown")),
    "card-markdown": lambda card: from_markdown(_text(card, "markdown")),
    "code": _code,
    "codeblock": _code,
    "hr": lambda card: "<hr>",
    "horizontalrule": lambda card: "<hr>",
    **dict.fromkeys(("embed", "bookmark", "video", "audio", "file", "button"), _link),
    **dict.fromkeys(("callout", "toggle", "header", "product"), _words),
    # Where Ghost asks readers to pay or to sign up.
    **dict.fromkeys(("paywall", "signup", "email", "email-cta"), lambda card: ""),
}


def _card(name: str, card: Any) -> str:
    """Return a card as HTML, one that nobody knows as code."""
    if not isinstance(card, dict):
        return ""
    known = _CARDS.get(name)
    if known is not None:
        return known(card)
    return f"<pre><code>{escape(name)}: {escape(json.dumps(card, ensure_ascii=False))}</code></pre>"


# --- Lexical ------------------------------------------------------------------------------------


def from_lexical(text: str) -> str:
    """Return a Lexical document as HTML. Raises `CardError` for what is none."""
    root = _loaded("lexical", text).get("root")
    if not isinstance(root, dict):
        raise CardError("lexical", text)
    return _nodes(root, 0)


def _nodes(parent: dict[str, Any], depth: int) -> str:
    if depth > _DEPTH_MAX:
        raise CardError("lexical", f"more than {_DEPTH_MAX} levels")
    children = _list(parent.get("children"))
    return "".join(_node(child, depth + 1) for child in children if isinstance(child, dict))


def _node(node: dict[str, Any], depth: int) -> str:
    kind = _text(node, "type").removeprefix("extended-")
    if kind == "text":
        return _formatted(node)
    if kind == "linebreak":
        return "<br>"
    if kind == "tab":
        return "\t"
    if kind == "link":
        return f'<a href="{escape(_text(node, "url"))}">{_nodes(node, depth)}</a>'
    if kind == "list":
        tag = "ol" if node.get("listType") == "number" else "ul"
        start = node.get("start")
        first = f' start="{start}"' if tag == "ol" and type(start) is int else ""
        return f"<{tag}{first}>{_nodes(node, depth)}</{tag}>"
    tags = {"paragraph": "p", "listitem": "li", "quote": "blockquote", "aside": "blockquote"}
    tag = tags.get(kind) or (_text(node, "tag") if kind == "heading" else "")
    if tag in _BLOCKS or tag == "li":
        return f"<{tag}>{_nodes(node, depth)}</{tag}>"
    if "children" in node and kind not in _CARDS:
        return _nodes(node, depth)
    return _card(kind, {name: node[name] for name in node if name not in ("type", "version")})


def _formatted(node: dict[str, Any]) -> str:
    html = escape(node["text"]) if isinstance(node.get("text"), str) else ""
    given = node.get("format")
    bits = given if isinstance(given, int) and html.strip() else 0
    for bit, tag in reversed(_FORMATS):
        if bits & bit:
            html = f"<{tag}>{html}</{tag}>"
    return html


# --- Mobiledoc ----------------------------------------------------------------------------------


def from_mobiledoc(text: str) -> str:
    """Return a Mobiledoc document as HTML. Raises `CardError` for what is none."""
    document = _loaded("mobiledoc", text)
    if not isinstance(document.get("sections"), list):
        raise CardError("mobiledoc", text)
    return "".join(_section(section, document) for section in document["sections"])


def _section(section: Any, document: dict[str, Any]) -> str:
    kind, first, second = [*_list(section), None, None, None][:3]
    if kind == 1 and isinstance(first, str):
        tag = first.lower() if first.lower() in _BLOCKS else "p"
        return f"<{tag}>{_markers(second, document)}</{tag}>"
    if kind == 2 and isinstance(first, str):
        return f'<p><img src="{escape(first)}"></p>'
    if kind == 3:
        tag = "ol" if first == "ol" else "ul"
        items = "".join(f"<li>{_markers(item, document)}</li>" for item in _list(second))
        return f"<{tag}>{items}</{tag}>"
    if kind == 10:
        name, payload = [*_list(_at(document.get("cards"), first)), None, None][:2]
        return _card(name, payload) if isinstance(name, str) else ""
    return ""


def _at(values: Any, place: Any) -> Any:
    found = _list(values)
    is_place = type(place) is int and 0 <= place < len(found)
    return found[place] if is_place else None


def _markers(markers: Any, document: dict[str, Any]) -> str:
    open_tags: list[str] = []
    parts: list[str] = []
    for marker in _list(markers):
        kind, opened, closed, value = [*_list(marker), None, None, None, None][:4]
        for place in _list(opened):
            tag, begin = _markup(_at(document.get("markups"), place))
            open_tags.append(tag)
            parts.append(begin)
        if kind == 0 and isinstance(value, str):
            parts.append(escape(value))
        elif kind == 1:
            name = [*_list(_at(document.get("atoms"), value)), None][0]
            parts.append("<br>" if name == "soft-return" else "")
        number = min(closed, len(open_tags)) if type(closed) is int else 0
        parts += [_closing(open_tags.pop()) for _ in range(number)]
    parts += map(_closing, reversed(open_tags))
    return "".join(parts)


def _markup(markup: Any) -> tuple[str, str]:
    """Return the name of a markup and its beginning; none for what is not known."""
    name, attributes = [*_list(markup), None, None][:2]
    if not isinstance(name, str) or name.lower() not in _MARKUPS:
        return "", ""
    if name.lower() != "a":
        return name.lower(), f"<{name.lower()}>"
    pairs = _list(attributes)
    target = next((v for n, v in _pairs(pairs) if n == "href" and isinstance(v, str)), "")
    return "a", f'<a href="{escape(target)}">'


def _pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=False)


def _closing(tag: str) -> str:
    return f"</{tag}>" if tag else ""
