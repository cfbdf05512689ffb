"""Pictures in HTML: where they come from, and which words are their caption.

In: elements. Out: addresses and captions, as pages, galleries and caption shortcodes write them.
"""

from __future__ import annotations

from posts.content import ITEM_MAX
from posts.importing.conversion.inline import normal
from posts.importing.conversion.tree import Element, storable
from posts.importing.conversion.wordpress import CAPTION_CLASS

_CAPTIONS = frozenset(("wp-caption-text", "wp-element-caption"))


def caption_of(figure: Element) -> tuple[str, Element | None]:
    """Return the caption of a figure with one picture, and the element not to write as text."""
    pictures = [picture for picture, _ in zip(figure.iter("img"), range(2), strict=False)]
    if len(pictures) != 1 or next(figure.iter("iframe", "video", "pre", "table"), None) is not None:
        return "", None
    if CAPTION_CLASS in figure.get("class", "").split():
        _part_caption(figure, pictures[0])
    words = next((part for part in figure.iter() if _is_caption(part)), None)
    if words is None:
        return "", None
    text = normal("".join(words.itertext()))
    # A picture with a link is no figure of the page, which would not show the caption.
    is_linked = any(above.tag == "a" for above in pictures[0].iterancestors())
    if is_linked or len(text) > ITEM_MAX or next(words.iter("a", "img", "code"), None) is not None:
        return "", None
    return text, words


def _is_caption(element: Element) -> bool:
    return element.tag == "figcaption" or bool(
        _CAPTIONS.intersection(element.get("class", "").split())
    )


def _part_caption(figure: Element, picture: Element) -> None:
    """Make what stands behind the picture of a caption shortcode its caption."""
    given = next((part for part in figure.iter() if _is_caption(part)), None)
    if given is not None:
        if given is figure[0]:
            # Of an attribute, which stands before the picture in the text only.
            figure.text, given.tail = storable(figure.text) + storable(given.tail), None
            figure.append(given)
        return
    last = picture
    while last is not figure and last.getparent() is not figure:
        last = last.getparent()
    if last is figure:
        return
    caption = figure.makeelement("figcaption")
    caption.text, last.tail = storable(last.tail), None
    caption.extend(list(last.itersiblings()))
    figure.append(caption)


def source(element: Element) -> str:
    """Return the address of a picture, also of one that a script would load later."""
    address = str(element.get("src", ""))
    if address and not address.startswith("data:"):
        return address
    for name in ("data-src", "data-lazy-src", "data-original", "data-orig-file"):
        if later := element.get(name):
            return str(later)
    first = (element.get("srcset") or element.get("data-srcset") or "").split(maxsplit=1)
    return str(first[0]) if first else address
