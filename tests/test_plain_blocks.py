"""Blocks to Markdown and back: whatever the text, the page shows the same blocks and words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from posts.importing.plain_blocks import (
    Block,
    Figure,
    Heading,
    ListBlock,
    Paragraph,
    normal_text,
    to_markdown,
)
from posts.outline import outline

RENDERER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def plain(token: Token) -> str:
    """Return the text of an inline token; a token that is more than text shows as its markup."""
    shown = []
    for child in token.children or []:
        assert child.type in {"text", "text_special", "image"}, child
        shown.append(child.content)
    return "".join(shown)


def rendered(markdown: str) -> list[tuple[str, object]]:
    """Return (kind, text) for each block a reader sees."""
    blocks: list[tuple[str, object]] = []
    items: list[str] | None = None
    kind = ""
    for token in RENDERER.parse(markdown):
        if token.type == "bullet_list_open":
            assert items is None
            items = []
        elif token.type == "bullet_list_close":
            blocks.append(("list", tuple(items or ())))
            items = None
        elif token.type in {"heading_open", "paragraph_open"}:
            kind = token.type.removesuffix("_open")
            if kind == "heading":
                assert token.tag == "h2"
        elif token.type == "inline":
            children = token.children or []
            if any(child.type == "image" for child in children):
                (image,) = children
                blocks.append(
                    ("figure", (image.content and alt(image), image.attrs["src"], title(image)))
                )
            elif items is not None:
                items.append(plain(token))
            else:
                blocks.append((kind, plain(token)))
        else:
            assert token.type in {
                "heading_close",
                "paragraph_close",
                "list_item_open",
                "list_item_close",
            }, token.type
    return blocks


def alt(image: Token) -> str:
    return plain(image)


def title(image: Token) -> str:
    return str(image.attrs.get("title", ""))


def expected(blocks: list[Block]) -> list[tuple[str, object]]:
    wanted: list[tuple[str, object]] = []
    for block in blocks:
        if isinstance(block, ListBlock):
            items = tuple(normal_text(item) for item in block.items if normal_text(item))
            if items:
                wanted.append(("list", items))
        elif isinstance(block, Figure):
            source = "" if block.number else normal_text(block.source)
            target = (normal_text(block.caption), f"image:{block.number}", source)
            wanted.append(("figure", target))
        elif normal_text(block.text):
            kind = "heading" if isinstance(block, Heading) else "paragraph"
            wanted.append((kind, normal_text(block.text)))
    return wanted


PIECES = st.sampled_from(
    [
        *r"""\`*_~[]()<>&;:#+-=|!"'.1aé$ {}/""",
        "  ",
        "\u00a0",
        "\u2003",
        "\u2028",
        "\t",
        "\n",
        "\u0338",
        "\u200b",
        "***",
        "___",
        "---",
        "===",
        "~~",
        "~~~",
        "```",
        "1.",
        "12)",
        "- ",
        "* ",
        "+ ",
        "> ",
        "# ",
        "## ",
        " #",
        "&amp;",
        "&#35;",
        "&copy",
        "<b>",
        "</p>",
        "<!--",
        "<http://a.b>",
        "<a@b.cd>",
        "http://a_b_c/*x*",
        "[a](b)",
        "![a](image:1)",
        "[a]: b",
        "|-|",
        "word",
        "snake_case",
        "İ",
        "😀",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20)
BLOCKS = st.one_of(
    st.builds(Heading, TEXTS),
    st.builds(Paragraph, TEXTS),
    st.builds(ListBlock, st.lists(TEXTS, max_size=4).map(tuple)),
    st.builds(
        Figure,
        TEXTS.filter(lambda text: normal_text(text) != ""),
        st.integers(0, 3),
        TEXTS,
    ),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(BLOCKS, max_size=5))
def test_every_text_is_shown_as_it_was_in_a_block_of_the_same_kind(blocks: list[Block]) -> None:
    assert rendered(to_markdown(blocks)) == expected(blocks)


@pytest.mark.long
@settings(max_examples=30_000, deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_every_text_is_shown_as_it_was_in_thirty_thousand_cases(blocks: list[Block]) -> None:
    assert rendered(to_markdown(blocks)) == expected(blocks)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_normal_text_is_idempotent(text: str) -> None:
    assert normal_text(normal_text(text)) == normal_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "a plain sentence, with commas; and a colon: here.",
        "snake_case and dunder-free names like read_file",
        "a - b",
        "version 3.5 of C# and C++",
        "2 * 3 is six, 5 < 7 > 6 & more",
        "see https://example.org/a_b/c?d=1&e=2#f",
        "one tilde ~ and a pipe | and a caret ^",
        "5*3 alone",
        "an array[0] and a (note) and {braces}",
        "-5 degrees",
        "#hashtag",
        "1.5 times",
        r"C:\temp\new",
        'it\'s "quoted" – and dashed',
        "!important",
        "~/bin and ~50 lines",
    ],
)
def test_ordinary_prose_needs_no_backslash(text: str) -> None:
    assert to_markdown([Paragraph(text)]) == text


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("# not a heading", r"\# not a heading"),
        ("- not an item", r"\- not an item"),
        ("1. not a number", r"1\. not a number"),
        ("7) not a number", r"7\) not a number"),
        ("> not a quote", r"\> not a quote"),
        ("---", r"\---"),
        ("* * *", r"\* * *"),
        ("___", r"\___"),
        ("~~~ not a fence", r"\~~~ not a fence"),
        ("`not code`", r"\`not code\`"),
        ("*not emphasis*", r"\*not emphasis\*"),
        ("&amp; stays", r"\&amp; stays"),
        ("<b>not bold</b>", r"\<b>not bold\</b>"),
        ("[not](a link)", r"\[not](a link)"),
        ("[not]: a definition", r"\[not]: a definition"),
    ],
)
def test_text_that_looks_like_markdown_gets_one_backslash_where_needed(
    text: str, markdown: str
) -> None:
    assert to_markdown([Paragraph(text)]) == markdown


def test_a_figure_without_a_row_carries_its_source_as_title() -> None:
    markdown = to_markdown([Figure("a [sketch]", 0, 'the "old" site')])

    assert markdown == r'![a \[sketch\]](image:0 "the \"old\" site")'


def test_two_lists_in_a_row_stay_two() -> None:
    markdown = to_markdown([ListBlock(("a",)), ListBlock(("b",)), ListBlock(("c",))])

    assert rendered(markdown) == [("list", ("a",)), ("list", ("b",)), ("list", ("c",))]


@settings(max_examples=300, deadline=None)
@given(st.lists(BLOCKS, max_size=5))
def test_outline_counts_what_was_written(blocks: list[Block]) -> None:
    found = outline(to_markdown(blocks))

    wanted = expected(blocks)
    assert found.paragraphs == sum(kind == "paragraph" for kind, _ in wanted)
    assert len(found.figures) == sum(kind == "figure" for kind, _ in wanted)
    assert list(found.lists) == [text for kind, text in wanted if kind == "list"]


def test_outline_does_not_count_code() -> None:
    assert outline("one\n\n```\ncode\n\nmore code\n```\n\ntwo").paragraphs == 2
