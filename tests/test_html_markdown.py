"""Foreign HTML becomes Markdown of the same structure and words; nothing raises, nothing runs."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posts.content import BODY_MAX, Image
from posts.importing.html_markdown import converted, from_markdown
from posts.markdown import render
from tests.html_documents import (
    DOCUMENTS,
    MARKS,
    expected_structure,
    expected_words,
    html,
    shown_structure,
    shown_words,
)

BASE = "https://example.org/blog/"


def codes(conversion) -> set[str]:
    return {problem.code for problem in conversion.problems}


# --- Any HTML ---------------------------------------------------------------------------------


@settings(max_examples=100)
@given(DOCUMENTS)
def test_structure_and_words_survive(nodes):
    source = html(nodes)

    made = converted(source)

    assert shown_structure(made.markdown) == expected_structure(nodes), source
    assert shown_words(made.markdown) == expected_words(nodes), source


@pytest.mark.long
@settings(max_examples=10_000)
@given(DOCUMENTS)
def test_structure_and_words_survive_at_length(nodes):
    test_structure_and_words_survive.hypothesis.inner_test(nodes)


TAGS = (
    "a href=/x",
    "a href=javascript:x()",
    *("b", "i", "s", "p", "div", "br", "hr", "pre", "code", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "tr", "td", "th", "thead", "caption", "td colspan=3", "td rowspan=2", "h1", "h6"),
    *("blockquote", "figure", "figcaption", "img src=a.png alt=x", "img", "iframe src=//h/x"),
    *("script", "style", "svg", "math", "noscript", "video", "select", "textarea", "title", "q"),
    *("sup", "input type=checkbox", "details", "summary", "object", "frameset", "html", "body"),
)
SOUP = st.lists(
    st.one_of(
        st.sampled_from(TAGS).map(lambda tag: f"<{tag}>"),
        st.sampled_from(TAGS).map(lambda tag: f"</{tag.split()[0]}>"),
        st.text(max_size=8),
        st.text(MARKS + "\n ab1", max_size=8),
        st.sampled_from(("[caption]", "[/caption]", "[x y=1]", "[embed]http://h[/embed]", "<!--")),
    ),
    max_size=30,
).map("".join)


@settings(max_examples=150)
@given(SOUP, st.booleans())
def test_no_soup_of_tags_raises_or_leaves_html(text, wordpress):
    made = converted(text, base_url=BASE, wordpress=wordpress)

    assert "html" not in shown_structure(made.markdown)
    assert not re.search(
        r"<(?!/?(?:a|br|code|em|s|span|strong|blockquote|div|fig|h\d|hr|img|li|"
        r"ol|p|pre|table|t|ul)\b|/?fig|/?t)",
        render(made.markdown).html,
    )
    assert "javascript:" not in str(render(made.markdown).html)


@settings(max_examples=150)
@given(SOUP)
def test_foreign_markdown_comes_to_rest(text):
    first = from_markdown(text, base_url=BASE)

    again = from_markdown(first.markdown, base_url=BASE, images=first.images)

    assert again.markdown == first.markdown
    assert again.images == first.images


# --- Traps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("<b>a </b>b", "**a** b"),
        ("<b>a</b><b>b</b>", "**ab**"),
        ("<b><i>a</i></b>", "**_a_**"),
        ("<b>a<i>b</b>c</i>", "**a*b***c"),
        ("un<b>frigging</b>believable", "un**frigging**believable"),
        ("<b></b><i> </i>x", "x"),
        ("<a href=/x>a<p>b</p></a>", "[a](https://example.org/x)\n\nb"),
        ("<a href=/x><h2>a</h2>b</a>", "## [a](https://example.org/x)\n\nb"),
        ("<a href=/x title=T><img src=/i alt=A></a>", None),
        ("<a href=/x aria-label=Home></a>", "[Home](https://example.org/x)"),
        ("<a href='/a (b)'>x</a>", "[x](https://example.org/a%20\\(b\\))"),
        ("<a href='#top'>x</a>", "[x](#top)"),
        ("wow!<a href=/x>a</a>", "wow\\![a](https://example.org/x)"),
        ("<p>a<br>b<br><br>c", "a\\\nb\n\nc"),
        ("<p>a<br>- b<br>---<br>1. c", "a\\\n\\- b\\\n---\\\n1\\. c"),
        ("<h2>a<br>b #</h2>", "## a b \\#"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<ul><li>a</ul><ul><li>b</ul>", "- a\n\n* b"),
        ("<ol start=7><li><p>a<p>b</ol>", "7. a\n\n   b"),
        ("<ol start=7><li>a<ol><li>b</ol><li>c</ol>", "7. a\n   1. b\n8. c"),
        ("<ul><li>a<ol start=3><li>b</ol></ul>", "- a\n\n  3. b"),
        ("<a href=/f>F</a><a href=/f class='wp-block-file__button'>Get</a>",
         "[F](https://example.org/f) [Get](https://example.org/f)"),
        ("<a href='{{ site.url }}/x'>a</a>", "a ({{ site.url }}/x)"),
        ("<ul><li><hr></ul>", "- ___"),
        ("<dl><dt>a<dd>b</dl>", "**a**\n\nb"),
        ("<blockquote>a</blockquote><blockquote>b</blockquote>", "> a\n\n> b"),
        ("<pre>\n a\n\n b</pre>", "```\n a\n\n b\n```"),
        ("<pre class='brush: php; x'>a</pre>", "```php\na\n```"),
        ("<pre><code class=language-c++>```</code></pre>", "````c++\n```\n````"),
        ("<pre><span class=lineno>1</span>a<br>b</pre>", "```\na\nb\n```"),
        (
            "<div class='language-rb x'><table><tr><td>1\n2<td><pre>a</table></div>",
            "```rb\na\n```",
        ),
        ("<code>`</code>", "`` ` ``"),
        ("<code>a</code><code>b</code>", "`ab`"),
        ("<table><tr><th>a<th align=right>b<tr><td>c|d</table>",
         "| a | b |\n| --- | --: |\n| c\\|d |  |"),
        ("<table><tr><td rowspan=2>a<td>b<tr><td>c</table>",
         "|  |  |\n| --- | --- |\n| a | b |\n|  | c |"),
        ("<table><tr><td>a<ul><li>b</ul></table>", "a\n\n- b"),
        ("H<sub>2</sub>O x<sup>2</sup> y<sup>th</sup>", "H₂O x² yth"),
        ("<q>a</q>", "“a”"),
        ("<ul><li><input type=checkbox checked>a</ul>", "- \\[x\\] a"),
        ("<iframe src=//www.example.org/v></iframe>",
         "[Embedded page: www.example.org](https://www.example.org/v)"),
        ("<video><source src=/v.mp4>no video</video>",
         "[Video: example.org](https://example.org/v.mp4)"),
        ("<math><semantics><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation>",
         "`x^2`"),
        ("<head><title>T</title></head><body>x", "x"),
        ("a\x00b\x07c", "abc"),
    ],
)  # fmt: skip
def test_trap(source, markdown):
    made = converted(source, base_url=BASE)

    if markdown is None:
        assert made.markdown == '[![A](image:1)](https://example.org/x "T")'
    else:
        assert made.markdown == markdown
    assert not any(problem.severity == "error" for problem in made.problems)


# --- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "label", "image"),
    [
        ("<img src=a.png alt=A>", "A", Image(url=BASE + "a.png", caption="A")),
        ("<img src=a.png alt=A title=T>", "T", Image(url=BASE + "a.png", caption="T", alt="A")),
        (
            "<figure><img src=a.png alt=A><figcaption>C <b>d</b></figcaption></figure>",
            "C d",
            Image(url=BASE + "a.png", caption="C d", alt="A"),
        ),
        (
            "<div class='wp-caption x'><img src=a.png><p class=wp-caption-text>C</p></div>",
            "C",
            Image(url=BASE + "a.png", caption="C"),
        ),
        (
            "<img src='data:image/gif;base64,R0' data-src=a.png alt=A>"
            "<noscript><img src=a.png alt=A></noscript>",
            "A",
            Image(url=BASE + "a.png", caption="A"),
        ),
    ],
)
def test_picture_becomes_a_row_with_its_caption(source, label, image):
    made = converted(source, base_url=BASE)

    assert made.markdown == f"![{label}](image:1)"
    assert made.images == (image,)


def test_caption_of_a_linked_picture_stays_visible():
    made = converted(
        "<figure><a href=/full><img src=a.png></a><figcaption>C</figcaption></figure>",
        base_url=BASE,
    )

    assert made.markdown == "[![](image:1)](https://example.org/full)\n\nC"


def test_caption_with_a_link_stays_a_paragraph():
    source = "<figure><img src=a.png alt=A><figcaption>By <a href=/b>B</a></figcaption></figure>"

    assert converted(source, base_url=BASE).markdown == (
        "![A](image:1)\n\nBy [B](https://example.org/b)"
    )


def test_given_image_is_numbered_first_and_used_again():
    given = Image(url=BASE + "a.png", caption="Front")

    made = converted("<img src=b.png><img src=a.png>", base_url=BASE, images=[given])

    assert made.markdown == "![](image:2)![](image:1)"
    assert made.images == (given, Image(url=BASE + "b.png"))


def test_relative_picture_without_a_base_keeps_its_path_and_says_so():
    made = converted("<img src=/a.png alt=A>")

    assert made.images == (Image(source="/a.png", caption="A"),)
    assert codes(made) == {"relative_image"}


def test_inline_picture_is_refused_and_its_words_stay():
    made = converted(f"<img src='data:image/png;base64,{'A' * 100_000}' alt=A>")

    assert (made.markdown, made.images) == ("![A](image:0)", ())
    assert "100,022 characters" in made.problems[0].value


def test_more_pictures_than_a_post_may_have_become_links():
    made = converted("<img src=http://example.org/a alt=A>" * 203)

    assert len(made.images) == 200
    assert shown_structure(made.markdown) == {"image": 200, "link": 3}
    assert codes(made) == {"image_as_link"}


# --- What is refused or dropped, and said -------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["javascript:x()", " java\nscript:x()", "JAVASCRIPT:x", "data:text/html,x", "vbscript:x"],
)
def test_running_address_is_refused(target):
    made = converted(f'<a href="{target}">words</a>', base_url=BASE)

    assert made.markdown == "words"
    assert codes(made) == {"refused_url"}


def test_address_that_is_no_page_stays_as_text():
    made = converted("<a href=tel:+4912>Call</a> <a href=ftp://h/f>f</a> <a href=image:1>i</a>")

    assert made.markdown == "Call (+4912) f (ftp://h/f) i (image:1)"
    assert codes(made) == {"unsupported_link"}


def test_unreadable_address_keeps_its_words():
    made = converted("<a href='http://[x'>words</a><img src='http://[x' alt=A>", base_url=BASE)

    assert made.markdown == "words![A](image:0)"
    assert codes(made) == {"bad_url"}


def test_scripts_and_styles_are_dropped_and_counted():
    made = converted("a<script>x()</script><style>b{}</style><script src=x></script>")

    assert made.markdown == "a"
    assert made.problems[0].code == "dropped_element"
    assert made.problems[0].value.startswith("3, ")


def test_lists_deeper_than_a_page_shows_are_flattened():
    made = converted("<ul><li>" * 15 + "deep")

    assert "deep" in render(made.markdown).plain_text
    assert codes(made) == {"nesting_flattened"}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("<div>" * 10_000, "html_too_deep"),
        ("<b>" * 10_000 + "x", "html_too_deep"),
        ("<p " + " ".join(f"a{n}=1" for n in range(20_000)) + ">x", "html_too_wide"),
        ("x" * 8_000_001, "html_too_large"),
    ],
)
def test_hostile_html_is_refused(source, code):
    made = converted(source)

    assert made.markdown == ""
    assert [(problem.code, problem.severity) for problem in made.problems] == [(code, "error")]


@pytest.mark.parametrize(
    "source",
    [
        "<" * 160_000,
        "<table>" + "<tr><td colspan=100 rowspan=100>x" * 3_000,
        "<noscript>" * 900 + "<img src=x>" * 5_000,
        "".join(f"<b {n}>" for n in range(900)) + "<p>x" * 20_000,
        "<b>a</b><i>b</i>" * 10_000,
    ],
)
def test_hostile_html_stays_small(source):
    made = converted(source)

    assert len(made.markdown) <= BODY_MAX
    assert not any(problem.severity == "error" for problem in made.problems)


# --- WordPress ----------------------------------------------------------------------------------


def wordpress(source):
    return converted(source, base_url=BASE, wordpress=True)


def test_classic_text_has_paragraphs_and_line_breaks():
    source = "One\r\ntwo <b>x</b>\n\n<em>three\n\nfour</em>\n<ul>\n<li>a</li>\n</ul>"

    assert wordpress(source).markdown == "One\\\ntwo **x**\n\n_three_\n\n_four_\n\n- a"


def test_text_of_blocks_has_its_own_paragraphs():
    source = "<!-- wp:paragraph -->\n<p>One\ntwo</p>\n<!-- /wp:paragraph -->"

    assert wordpress(source).markdown == "One two"


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ('[caption id="a" width="3"]<img src="a.png" /> Words[/caption]', "![Words](image:1)"),
        ('[caption caption="Words"]<img src="a.png" />[/caption]', "![Words](image:1)"),
        ('[caption]<a href="/f"><img src="a.png"></a> W <i>x</i>[/caption]',
         "[![](image:1)](https://example.org/f)\n\nW _x_"),
        ('[caption caption="Words"]<a href="/f"><img src="a.png"></a>[/caption]',
         "[![](image:1)](https://example.org/f)\n\nWords"),
        ("Set <code>a {\n  b: c;\n}</code>\nso.", "Set\n\n```\na {\n  b: c;\n}\n```\n\nso."),
        ("Use <code>\na b\n</code> so.", "Use `a b ` so."),
        ('a [gallery ids="1,2"] b', 'a `[gallery ids="1,2"]` b'),
        ("[sic] [1] [a](b)", "\\[sic\\] \\[1\\] \\[a\\](b)"),
        ("[embed width=1]https://h.example/v[/embed]",
         "[https://h.example/v](https://h.example/v)"),
        ("a\n\nhttps://h.example/v\n\nb", "a\n\n[https://h.example/v](https://h.example/v)\n\nb"),
        ('[sourcecode language="py"]\nif a < b:\n\n    pass\n[/sourcecode]',
         "```py\nif a < b:\n\n    pass\n```"),
    ],
)  # fmt: skip
def test_shortcodes_stay_visible(source, markdown):
    assert wordpress(source).markdown == markdown


# --- Markdown with HTML in it -------------------------------------------------------------------


def test_markdown_without_html_comes_back_as_it_is():
    source = "* a\n* b\n\nSetext\n======\n\n[r]: /x 'T'\n\n[r] and `<b>`\n\n    <p>code</p>\n"

    assert from_markdown(source).markdown == source


def test_raw_html_in_markdown_becomes_markdown():
    made = from_markdown(
        "A <b>b *c*</b> [r][].\n\n<div>\n\n- d\n\n</div>\n\n```html\n<i>x</i>\n```\n\n"
        "<script>x()</script>\n\n![A](a.png 'T')\n\n[r]: /y",
        base_url=BASE,
    )

    assert made.markdown == (
        "A **b _c_** [r](https://example.org/y).\n\n- d\n\n```html\n<i>x</i>\n```\n\n![T](image:1)"
    )
    assert made.images == (Image(url=BASE + "a.png", caption="T", alt="A"),)
    assert codes(made) == {"dropped_element"}


def test_inline_picture_of_markdown_is_refused():
    made = from_markdown("![A](data:image/png;base64,AAAA) [b](javascript:x)")

    assert made.markdown == "![A](image:0) b"
    assert codes(made) == {"refused_url"}


def test_markdown_deeper_than_a_page_shows_keeps_its_words():
    made = from_markdown("> " * 30 + "deep <b>x</b>")

    assert "deep x" in render(made.markdown).plain_text


def test_control_behind_a_picture_with_a_caption_ends_nothing():
    made = converted('[caption caption="Below"]<img src="/i.png"> \x1b[/caption]', wordpress=True)

    assert "](image:1)" in made.markdown
