"""Rendering: what readers may see of hostile Markdown, headings, figures, code, the cache."""

import re
import time
from html.parser import HTMLParser

import pytest
from django.core.cache import cache
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from posts import highlighting, markdown
from posts.pictures import ImagePolicy, Picture, host_of, picture_size

POLICY = ImagePolicy(hosts=frozenset({"picsum.photos", "placehold.co"}))
PICSUM = Picture("https://picsum.photos/seed/anp-1/1200/630", "picsum.photos", "the caption")

ALLOWED_ATTRIBUTES = set(
    """
    alt aria-label class decoding fetchpriority height href id loading referrerpolicy rel role
    scope src start tabindex title width
    """.split()  # noqa: SIM905
)
FORBIDDEN_TAGS = {"script", "style", "iframe", "object", "embed", "form", "input", "svg", "link"}


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self):
        super().__init__()
        self.tags, self.words, self.caption = [], [], []
        self.in_caption = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.in_caption = self.in_caption or tag == "figcaption"

    def handle_endtag(self, tag):
        self.in_caption = self.in_caption and tag != "figcaption"

    def handle_data(self, data):
        self.words.append(data)
        if self.in_caption:
            self.caption.append(data)


def read(html):
    reader = Reader()
    reader.feed(str(html))
    reader.close()
    return reader


def attributes_of(html, tag):
    return [attributes for name, attributes in read(html).tags if name == tag]


def assert_harmless(html):
    for tag, attributes in read(html).tags:
        assert tag not in FORBIDDEN_TAGS
        assert set(attributes) <= ALLOWED_ATTRIBUTES
        for name in ("href", "src"):
            target = (attributes.get(name) or "").strip().lower()
            scheme = re.match(r"[a-z][a-z0-9+.-]*:", target)
            assert scheme is None or scheme[0] in ("http:", "https:", "mailto:"), target
        if tag == "img" and attributes["src"].startswith(("http:", "https:", "//")):
            assert host_of(attributes["src"]) in POLICY.hosts


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#x0A;script:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:msgbox(1))",
    "<javascript:alert(1)>",
    "![a](javascript:alert(1))",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    '![a" onerror="alert(1)](https://picsum.photos/1.png)',
    '![a](https://picsum.photos/1.png"onerror="alert(1))',
    "![a](https://evil.example\\@picsum.photos/1.png)",
    "![a](https://picsum.photos@evil.example/1.png)",
    "![a](https://picsum.photos.evil.example/1.png)",
    "![a](//evil.example/1.png)",
    "![a](https://picsum.photos:8443/1.png)",
    '[a](https://example.org "title\' onmouseover=alert(1)")',
    '```python"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "# <script>alert(1)</script>",
    '# " onclick="alert(1)',
    "| a |\n|---|\n| <style>*{}</style> |",
    "[a]: javascript:alert(1)\n\n[a]",
    "`<svg onload=alert(1)>`",
    "    <iframe src=javascript:alert(1)>",
    "\u202ehttps://example.org\u202c",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    '![x](image:1 "<script>alert(1)</script>")',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_is_harmless_in_body_and_lede(text):
    assert_harmless(markdown.render(text, images=[PICSUM], policy=POLICY).html)
    assert_harmless(markdown.render_inline(text))


@given(
    st.lists(
        st.sampled_from([*HOSTILE, "\n", "\n\n", "> ", "- ", "[", "](", ")", "![", "`", "|", "<"])
        | st.text(max_size=20),
        max_size=12,
    ).map("".join)
)
def test_no_text_renders_to_script_handler_style_or_foreign_picture(text):
    assert_harmless(markdown.render(text, images=[PICSUM], policy=POLICY).html)
    assert_harmless(markdown.render_inline(text))
    markdown.portable(text, [PICSUM])
    markdown.plain_text(text, limit=40)


BOMBS = {
    "open brackets": "[" * 100_000,
    "open images": "![" * 50_000,
    "halves of links": "[]([" * 25_000,
    "nested quotes": ">" * 100_000,
    "nested lists": "\n".join("  " * depth + "- x" for depth in range(440)),
    "lists in a line": "- " * 50_000,
    "emphasis": "*a **b " * 14_000,
    "underscores": "_a" * 50_000,
    "backticks": "".join("`" * number + " " for number in range(440)),
    "wide table": "|a" * 300 + "\n" + "|-" * 300 + "\n" + "|x|x|x\n" * 3_000,
    "headings": "# a\n" * 25_000,
    "figures": "![a](image:1)\n\n" * 6_000,
    "entities": "&" * 100_000,
    "nested images": "![" * 5_000 + "](a)" * 5_000,
    "java words": "```java\n" + " a" * 2_000 + "\n```",
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_sizes_do_not_cost_the_square_of_their_length(name):
    started = time.process_time()

    markdown.render(BOMBS[name], images=[PICSUM], policy=POLICY)

    # Seconds of processor time. The slowest take about one; the square would take minutes.
    assert time.process_time() - started < 5


def test_links_are_marked_nofollow_noopener():
    (link,) = attributes_of(markdown.render("[a](https://example.org)").html, "a")

    assert link == {"href": "https://example.org", "rel": "nofollow noopener"}


def test_headings_get_stable_unique_ids_and_an_anchor_with_a_name():
    titles = ("Why this matters", "Why this matters", "Été", "?", "Main")

    page = markdown.render("\n\n".join(f"## {title}" for title in titles))

    assert [heading.id for heading in page.headings] == [
        "why-this-matters",
        "why-this-matters-2",
        "été",
        "section",
        "section-main",
    ]
    anchors = attributes_of(page.html, "a")
    assert anchors[0]["href"] == "#why-this-matters"
    assert anchors[0]["class"] == "heading-anchor"
    assert anchors[0]["aria-label"] == "Link to the section Why this matters"


def test_a_body_with_top_headings_moves_down_one_level():
    page = markdown.render("# One\n\n## Two")

    assert [(heading.text, heading.level) for heading in page.headings] == [("One", 2), ("Two", 3)]
    assert "<h1" not in page.html


def test_a_figure_reads_caption_and_source():
    html = markdown.render("![cap & tion](image:1)", images=[PICSUM], policy=POLICY).html

    assert "".join(read(html).caption) == "cap & tion. Image source: picsum.photos"
    (image,) = attributes_of(html, "img")
    assert image["src"] == PICSUM.url
    assert image["alt"] == "cap & tion"
    assert (image["width"], image["height"]) == ("1200", "630")
    assert image["fetchpriority"] == "high"
    assert "<p><figure" not in html


@pytest.mark.parametrize("caption", ["A weir at noon.", "Which weir?", "And so on…"])
def test_caption_that_is_a_sentence_gets_no_second_full_stop(caption):
    html = markdown.render(f"![{caption}](image:0 'flickr')").html

    assert "".join(read(html).caption) == f"{caption} Image source: flickr"
    assert (
        markdown.portable(f"![{caption}](image:0 'flickr')", [])
        == f"{caption} Image source: flickr"
    )


def test_only_the_first_picture_is_eager():
    html = markdown.render("![a](image:1)\n\n![b](image:1)", images=[PICSUM], policy=POLICY).html

    assert [image["loading"] for image in attributes_of(html, "img")] == ["eager", "lazy"]


@pytest.mark.parametrize("target", ["image:0", "image:2", "image:999999"])
def test_a_figure_without_a_source_row_keeps_caption_and_source(target):
    html = markdown.render(f'![cap]({target} "unsplash")', images=[PICSUM], policy=POLICY).html

    assert attributes_of(html, "img") == []
    assert "".join(read(html).caption) == "cap. Image source: unsplash"


def test_alt_of_the_image_source_wins_over_the_caption():
    picture = Picture(PICSUM.url, "s", "c", "what is seen")

    html = markdown.render("![cap](image:1)", images=[picture], policy=POLICY).html

    assert attributes_of(html, "img")[0]["alt"] == "what is seen"


def test_a_picture_from_a_foreign_host_is_named_and_not_shown():
    html = markdown.render("![cap](https://evil.example/a.png)", policy=POLICY).html

    assert attributes_of(html, "img") == []
    assert "Image not shown: host evil.example is not on the list." in "".join(read(html).words)
    assert attributes_of(html, "a")[0]["href"] == "https://evil.example/a.png"


def test_http_pictures_of_known_hosts_are_asked_for_over_https():
    html = markdown.render("![c](http://picsum.photos/9/8)", policy=POLICY).html

    assert attributes_of(html, "img")[0]["src"] == "https://picsum.photos/9/8"


def test_the_placeholder_stands_for_every_remote_picture():
    policy = ImagePolicy(hosts=POLICY.hosts, placeholder="/static/images/placeholder.svg")

    html = markdown.render(
        "![a](image:1) \n\n![b](https://evil.example/b.png)", images=[PICSUM], policy=policy
    ).html

    assert {image["src"] for image in attributes_of(html, "img")} == {policy.placeholder}


@override_settings(IMAGE_PLACEHOLDER=False, IMAGE_HOSTS=["picsum.photos"])
def test_the_policy_comes_from_the_settings():
    assert ImagePolicy.from_settings() == ImagePolicy(frozenset({"picsum.photos"}), "", "/images/")


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("https://picsum.photos/seed/anp-030904/1200/630", (1200, 630)),
        ("https://picsum.photos/id/237/200/300", (200, 300)),
        ("https://loremflickr.com/800/400/python?lock=4379", (800, 400)),
        ("https://placehold.co/640x480/png?text=a", (640, 480)),
        ("https://images.unsplash.com/photo-1?auto=format&w=900&q=80&h=500", (900, 500)),
        ("https://images.unsplash.com/photo-1?auto=format&fit=crop&w=1200&q=80", (1200, 630)),
        ("https://example.org/99999/99999", (1200, 630)),
        ("", (1200, 630)),
    ],
)
def test_sizes_come_from_the_address(url, size):
    assert picture_size(Picture(url)) == size


def test_a_known_size_wins():
    assert picture_size(Picture("https://picsum.photos/1/2", width=300, height=200)) == (300, 200)


def test_code_has_a_label_classes_and_a_focusable_box():
    html = markdown.render("```python\ndef f(): pass\n```").html

    assert '<figure class="code"><figcaption>python</figcaption><pre tabindex="0">' in html
    assert '<span class="k">def</span>' in html


@pytest.mark.parametrize("language", ["nothing", "c++ --x", "../etc", "<b>", "a" * 500])
def test_code_in_an_unknown_language_is_plain(language):
    html = markdown.render(f"```{language}\n<x>\n```").html

    assert "&lt;x&gt;" in html
    assert "<span" not in html


def test_long_code_is_plain():
    html = markdown.render("```python\n" + "x = 1\n" * 1_000 + "```").html

    assert "<span" not in html


def test_every_highlighted_language_has_a_lexer():
    for language in highlighting.HIGHLIGHTED:
        markdown.render(f"```{language}\nx = 1\n```")


def test_a_table_stands_in_a_focusable_scroll_box():
    html = markdown.render("| a | b |\n|--:|---|\n| 1 | 2 |").html

    box = attributes_of(html, "div")[0]
    assert box == {
        "class": "table-scroll",
        "role": "group",
        "tabindex": "0",
        "aria-label": "Table 1",
    }
    assert attributes_of(html, "th")[0] == {"class": "align-right", "scope": "col"}


def test_the_implementation_checklist_is_marked_and_other_lists_are_not():
    body = "## Implementation Checklist\n\n- a\n- b\n\n## Final notes\n\n- c"

    lists = attributes_of(markdown.render(body).html, "ul")

    assert [found.get("class") for found in lists] == ["checklist", None]


def test_plain_text_has_words_and_no_markup():
    assert (
        markdown.render("## A *b*\n\n- c [d](https://e.example)\n\n`f`").plain_text == "A b\nc d\nf"
    )
    assert markdown.plain_text("a **b** [c](https://d.example)") == "a b c"
    assert markdown.plain_text("one two three four", limit=10) == "one two…"


def test_a_lede_renders_inline_and_an_image_gives_its_caption():
    assert markdown.render_inline("a *b* ![c](image:1)") == "a <em>b</em> c"


def test_portable_markdown_names_the_address_and_leaves_code_alone():
    body = '![cap](image:1)\n\n```\n![cap](image:1)\n```\n\n![no](image:0 "flickr")'

    text = markdown.portable(body, [PICSUM])

    assert f"![cap](<{PICSUM.url}>)\n\nImage source: picsum.photos" in text
    assert "```\n![cap](image:1)\n```" in text
    assert text.endswith("no. Image source: flickr")


BODY = "## A\n\n![c](image:1)\n\n```python\nx = 1\n```"


def rendered():
    return markdown.rendered("1:abc", BODY, images=[PICSUM], policy=POLICY)


def test_the_page_is_the_same_with_the_cache_cold_warm_and_off():
    cache.clear()
    cold, warm = rendered(), rendered()
    with override_settings(
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    ):
        off = rendered()

    assert cold == warm == off == markdown.render(BODY, images=[PICSUM], policy=POLICY)
    assert hasattr(warm.html, "__html__")


def test_the_cache_tells_policies_and_pictures_apart():
    cache.clear()
    rendered()

    refused = markdown.rendered("1:abc", BODY, images=[PICSUM], policy=ImagePolicy())
    other = markdown.rendered("1:abc", BODY, images=[Picture()], policy=POLICY)

    assert "<img" not in refused.html
    assert "<img" not in other.html
