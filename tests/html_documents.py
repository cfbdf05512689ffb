"""Made-up HTML with known structure, and what a Markdown text shows of it.

In: nothing. Out: Hypothesis strategies of trees, their HTML, their expected structure and words.
"""

import re
from collections import Counter
from html import escape

from hypothesis import strategies as st

from benchmarks.structure import bare
from benchmarks.structure import shown_structure as shown_structure  # what is compared with
from benchmarks.structure import shown_words as shown_words

#: Everything that means something to Markdown, beside letters, digits and other scripts.
MARKS = "*_`~[]()<>!#+-=.|\\&;:\"'/^{}$%@"
CHARACTERS = st.sampled_from(MARKS + "  \n\tabzAZ019äß中é́\u0338🙂\u00a0\u200b²")
TEXTS = st.one_of(
    st.text(CHARACTERS, min_size=1, max_size=12),
    st.sampled_from(
        (
            *("# head", "1. one", "2) two", "- item", "> quote", "---", "===", "***", "| a | b |"),
            *("[a](b)", "![a](b)", "`code`", "```", "~~~", "<b>", "&copy;", "&#65;", "http://x.y"),
            *(
                "[x]: /y",
                "word",
                "two words",
                "snake_case_word",
                "a*b*c",
                "foo!",
                "\\",
                "AT&T",
                ":-:",
            ),
        )
    ),
)

#: A node is a text or (tag, attributes, children).
Node = str | tuple


def _element(tag, attributes=None):
    return lambda children: (tag, attributes or {}, children)


def _inline(depth, *, links=True):
    leaves = st.one_of(TEXTS, st.builds(lambda: ("br", {}, [])), _images())
    if depth == 0:
        return leaves
    inner = st.lists(_inline(depth - 1, links=links), min_size=1, max_size=3)
    marked = st.one_of(
        *(inner.map(_element(tag)) for tag in ("b", "em", "s", "span", "strong", "i")),
        TEXTS.map(lambda text: ("code", {}, [text])),
    )
    if not links:
        return st.one_of(leaves, marked)
    plain = st.lists(_inline(depth - 1, links=False), min_size=1, max_size=3)
    return st.one_of(
        leaves, marked, plain.map(_element("a", {"href": "https://example.org/(a)_b*"}))
    )


def _images():
    return TEXTS.map(lambda alt: ("img", {"src": "https://example.org/a.png", "alt": alt}, []))


def _line():
    return st.lists(_inline(2), min_size=1, max_size=4)


def _blocks(depth):
    line = _line()
    simple = st.one_of(
        line.map(_element("p")),
        st.tuples(st.integers(1, 6), line).map(lambda found: (f"h{found[0]}", {}, found[1])),
        st.lists(TEXTS, min_size=1, max_size=3).map(lambda lines: ("pre", {}, ["\n".join(lines)])),
        st.just(("hr", {}, [])),
        _tables(),
        st.tuples(_images(), TEXTS).map(
            lambda found: ("figure", {}, [found[0], ("figcaption", {}, [found[1]])])
        ),
    )
    if depth == 0:
        return simple
    inner = st.lists(_blocks(depth - 1), min_size=1, max_size=3)
    item = st.one_of(line, inner, st.tuples(line, inner).map(lambda both: [*both[0], *both[1]]))
    items = st.lists(item.map(_element("li")), min_size=1, max_size=3)
    return st.one_of(
        simple,
        inner.map(_element("blockquote")),
        inner.map(_element("div")),
        items.map(_element("ul")),
        items.map(_element("ol")),
    )


def _tables():
    cells = st.lists(_line(), min_size=1, max_size=3)
    rows = st.lists(cells, min_size=1, max_size=3)

    def table(found):
        rows, with_head = found
        made = []
        for number, row in enumerate(rows):
            tag = "th" if with_head and number == 0 else "td"
            made.append(("tr", {}, [(tag, {}, cell) for cell in row]))
        return ("table", {}, made)

    return st.tuples(rows, st.booleans()).map(table)


#: Documents of up to three levels of blocks.
DOCUMENTS = st.lists(_blocks(2), min_size=1, max_size=4)


def html(nodes) -> str:
    """Return the HTML of nodes."""
    parts = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(escape(node))
            continue
        tag, attributes, children = node
        given = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
        # The first line feed in a listing is none of it.
        start = "\n" if tag == "pre" else ""
        end = "" if tag in ("br", "hr", "img") else f"</{tag}>"
        parts.append(f"<{tag}{given}>{start}{html(children)}{end}")
    return "".join(parts)


_KINDS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "heading"),
    **dict.fromkeys(("ul", "ol"), "list"),
    **{"a": "link", "img": "image", "pre": "code", "blockquote": "quote", "table": "table"},
}


def _shows(node) -> bool:
    if isinstance(node, str):
        return bool(re.sub(r"[ \t\n\r\f]", "", node))
    if node[0] == "pre":
        return bool("".join(node[2]).strip())  # hard spaces alone are no code
    return node[0] in ("img", "hr") or any(map(_shows, node[2]))


def expected_structure(nodes) -> Counter:
    """Return how many of each kind there are, those without anything to show left out."""
    found: Counter = Counter()
    for node in nodes:
        if not isinstance(node, str) and _shows(node):
            kind = _KINDS.get(node[0])
            if kind:
                found[kind] += 1
            found += expected_structure(node[2])
    return found


def expected_words(nodes) -> str:
    """Return every character that is no white space, in order, without captions."""
    return bare("".join(_words(nodes)))


def _words(nodes):
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif node[0] not in ("img", "figure"):
            yield from _words(node[2])
