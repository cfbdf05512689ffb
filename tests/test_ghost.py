"""Exports of Ghost: what a post refers to, contents of every age, and JSON that is broken."""

import io
import json
import time
import tracemalloc

import pytest

from posts.content import Image
from posts.importing.formats import Input, InputError, ghost, ghost_cards, sniff
from posts.importing.html_markdown import converted
from posts.importing.records import RECORD_BYTES_MAX, validate
from tests.importing_samples import codes


def export(*posts, **tables):
    return {"meta": {"exported_on": 1, "version": "5"}, "data": {"posts": list(posts), **tables}}


def post(key="p1", **fields):
    return {"id": key, "title": "T", "html": "<p>Text.</p>", **fields}


def raws(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(ghost.records(io.BytesIO(data), Input("g.json", None, member="g.json")))


def one(document):
    (raw,) = raws(document)
    return validate(ghost, raw)


# --- Posts and what they refer to -----------------------------------------------------------------

TABLES = {
    "posts_tags": [
        {"post_id": "p1", "tag_id": "t2", "sort_order": 1},
        {"post_id": "p1", "tag_id": "t1", "sort_order": 0},
        {"post_id": "p1", "tag_id": "t3", "sort_order": 2},
        {"post_id": "p1", "tag_id": "missing", "sort_order": 3},
    ],
    "tags": [
        {"id": "t1", "name": "One"},
        {"id": "t2", "name": "Two"},
        {"id": "t3", "name": "#hidden"},
    ],
    "posts_authors": [
        {"post_id": "p1", "author_id": "u2", "sort_order": 1},
        {"post_id": "p1", "author_id": "u1", "sort_order": 0},
    ],
    "users": [{"id": "u1", "name": "A. Miller", "email": "a@e.org"}, {"id": "u2", "name": "B"}],
    "posts_meta": [{"post_id": "p1", "feature_image_alt": "dark", "meta_description": "Short."}],
}


@pytest.mark.parametrize("order", [list(TABLES), list(reversed(TABLES))])
@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"db": [d]}])
@pytest.mark.parametrize("is_first", [True, False])
def test_tables_may_stand_in_any_order(order, wrap, is_first):
    posts = {"posts": [post(feature_image="https://e.org/f.png", slug="a-b", status="published")]}
    tables = {name: TABLES[name] for name in order}
    data = {**posts, **tables} if is_first else {**tables, **posts}

    record, problems = one(wrap({"meta": {"exported_on": 1}, "data": data}))

    meta = record.snapshot.meta
    assert codes(problems, "error") == []
    assert (record.key, record.slug, meta.author) == ("p1", "a-b", "A. Miller, B")
    assert meta.tags == ("One", "Two")
    assert meta.summary == "Short."
    assert meta.former_urls == ("/a-b/",)
    assert meta.image_sources == (Image(url="https://e.org/f.png", caption="dark"),)
    assert meta.extra == {"status": "published", "internal_tags": ["#hidden"]}


def test_old_exports_have_numbers_for_ids_and_dates():
    record, problems = one(
        export(
            post(7, published_at=1614933000000, author_id=1, page=1, image="/content/a.png"),
            users=[{"id": 1, "name": "A. Miller"}],
        )
    )

    meta = record.snapshot.meta
    assert codes(problems) == []
    assert (record.key, meta.published_at) == ("7", "2021-03-05T08:30:00Z")
    assert meta.author == "A. Miller"
    assert meta.extra == {"page": 1, "image": "/content/a.png"}


def test_what_is_not_read_is_kept_and_nothing_twice():
    record, _ = one(
        export(
            post(
                uuid="u",
                mobiledoc="{}",
                lexical="{}",
                plaintext="Text.",
                slug="Not A Slug",
                visibility="members",
                featured=0,
                og_title=None,
                published_at="someday",
            )
        )
    )

    assert record.slug is None
    assert record.snapshot.meta.extra == {
        "uuid": "u",
        "visibility": "members",
        "slug": "Not A Slug",
    }


def test_own_addresses_lose_the_mark_of_their_site():
    record, _ = one(export(post(html='<p><a href="__GHOST_URL__/mill/">mill</a></p>')))

    assert record.snapshot.body == "[mill](/mill/)"


# --- Contents -------------------------------------------------------------------------------------


def test_first_content_there_is_is_taken():
    lexical = {
        "root": {"children": [{"type": "paragraph", "children": [{"type": "text", "text": "L"}]}]}
    }
    mobiledoc = {"sections": [[1, "p", [[0, [], 0, "M"]]]]}
    texts = {"html": "<p>H</p>", "lexical": json.dumps(lexical), "mobiledoc": json.dumps(mobiledoc)}
    bodies = []
    for number in range(4):
        given = dict.fromkeys(texts) | dict(list(texts.items())[number:])
        bodies.append(one(export(post(**given, markdown="*K*")))[0].snapshot.body)

    assert bodies == ["H", "L", "M", "_K_"]


def text(words, bits=0):
    return {"type": "extended-text", "text": words, "format": bits}


LEXICAL = {
    "paragraph": (
        [text("a "), text("b", 1), {"type": "linebreak"}, text("c", 18)],
        "a **b**\\\n_`c`_",
    ),
    "heading": (
        [{"type": "extended-heading", "tag": "h3", "children": [text("H")]}],
        "### H",
    ),
    "link": (
        [{"type": "link", "url": "https://e.org/", "children": [text("l")]}],
        "[l](https://e.org/)",
    ),
    "list": (
        [
            {
                "type": "list",
                "listType": "number",
                "start": 3,
                "children": [{"type": "listitem", "children": [text("x")]}],
            }
        ],
        "3. x",
    ),
    "quote": ([{"type": "extended-quote", "children": [text("q")]}], "> q"),
    "image": ([{"type": "image", "src": "https://e.org/a.png", "alt": "A"}], "![A](image:1)"),
    "code": (
        [{"type": "codeblock", "code": "x = 1", "language": "python"}],
        "```python\nx = 1\n```",
    ),
    "html": ([{"type": "html", "html": "<p><i>h</i></p>"}], "_h_"),
    "markdown": ([{"type": "markdown", "markdown": "- m"}], "- m"),
    "rule": ([text("a"), {"type": "horizontalrule"}, text("b")], "a\n\n___\n\nb"),
    "bookmark": (
        [{"type": "bookmark", "url": "https://e.org/", "metadata": {"title": "B"}}],
        "[B](https://e.org/)",
    ),
    "embed": ([{"type": "embed", "url": "https://e.org/v"}], "[https://e.org/v](https://e.org/v)"),
    "callout": ([{"type": "callout", "calloutText": "<b>c</b>"}], "**c**"),
    "toggle": ([{"type": "toggle", "heading": "h", "content": "<i>c</i>"}], "h\n\n_c_"),
    "paywall": ([text("a"), {"type": "paywall"}], "a"),
    "unknown": ([{"type": "spark", "x": 1}], '```\nspark: {"x": 1}\n```'),
}


@pytest.mark.parametrize("name", LEXICAL)
def test_lexical_node_becomes_markdown(name):
    children, expected = LEXICAL[name]

    html = ghost_cards.from_lexical(json.dumps({"root": {"children": children}}))

    assert converted(html).markdown == expected


MOBILEDOC = {
    "markups": (
        [[1, "p", [[0, [0, 1], 1, "a"], [0, [], 1, "b"], [1, [], 0, 0]]]],
        "[*a*b](https://e.org/)",
    ),
    "heading": ([[1, "h2", [[0, [], 0, "H"]]]], "## H"),
    "quote": ([[1, "blockquote", [[0, [], 0, "q"]]]], "> q"),
    "list": ([[3, "ol", [[[0, [], 0, "x"]], [[0, [], 0, "y"]]]]], "1. x\n2. y"),
    "image": ([[2, "https://e.org/a.png"]], "![](image:1)"),
    "image card": ([[10, 0]], "![cap](image:1)"),
    "markdown card": ([[10, 1]], "- m"),
    "code card": ([[10, 2]], "```\nx\n```"),
    "html card": ([[10, 3]], "_h_"),
    "unknown card": ([[10, 4]], '```\nspark: {"x": 1}\n```'),
    "nonsense": ([[10, 99], [1], None, 7, [1, "p", [[0, [9], 5, "a"], None, [0]]]], "a"),
}


@pytest.mark.parametrize("name", MOBILEDOC)
def test_mobiledoc_section_becomes_markdown(name):
    sections, expected = MOBILEDOC[name]
    document = {
        "sections": sections,
        "markups": [["a", ["rel", "x", "href", "https://e.org/"]], ["em"]],
        "atoms": [["soft-return", "", {}]],
        "cards": [
            ["image", {"src": "https://e.org/a.png", "caption": "cap"}],
            ["card-markdown", {"markdown": "- m"}],
            ["code", {"code": "x"}],
            ["html", {"html": "<i>h</i>"}],
            ["spark", {"x": 1}],
        ],
    }

    assert converted(ghost_cards.from_mobiledoc(json.dumps(document))).markdown == expected


def test_cards_cannot_bring_tags_of_their_own():
    document = {
        "root": {"children": [{"type": "codeblock", "code": "</pre><script>", "language": '"x'}]}
    }

    html = ghost_cards.from_lexical(json.dumps(document))

    assert "<script>" not in html
    assert converted(html).markdown.count("</pre><script>") == 1


@pytest.mark.parametrize(
    "content",
    [
        *({"lexical": value} for value in ("{", "[]", '{"root": 1}', "[" * 100_000)),
        *({"mobiledoc": value} for value in ("{}", '{"sections": {}}')),
        {"lexical": json.dumps({"root": {}}).replace("{}", '{"children":[' * 300 + "]}" * 300)},
    ],
)
def test_document_that_cannot_be_read_is_refused(content):
    record, problems = one(export(post(html=None, **content)))

    assert record is None
    assert codes(problems) == ["bad_document"]


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{"db":[{"meta":{', "ghost"),
        (b'\xef\xbb\xbf{\n  "db" : [\n {"data": {', "ghost"),
        (b'{"meta":{"exported_on":1,"version":"5"},"data":{', "ghost"),
        (b'{"data":{"posts":[', "ghost"),
        (b'{"key": "a", "title": "b"}\n', "jsonl"),
        (b'{"meta": {}}\n', "jsonl"),
    ],
)
def test_export_is_recognised_by_its_beginning(head, expected):
    assert sniff("x.json", head) == expected


def test_place_is_that_of_the_post():
    data = json.dumps(export(post("a", x="{}}{"), post("b")), indent=2).encode()

    places = [raw.position for raw in raws(data)]

    found = [
        json.JSONDecoder().raw_decode(data[place.byte : place.end].decode()) for place in places
    ]
    assert [fields["id"] for fields, _ in found] == ["a", "b"]
    assert [place.line for place in places] == [
        data[: place.byte].count(b"\n") + 1 for place in places
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"db":[{"data":{"posts":[{"id":"a","title":"T"},{"id":', "truncated_input"),
        (b'{"data":{"posts":[{"id":"a","title":"T"},{"id":"b","title":"\xff"}]}}', "corrupt_input"),
        (b'{"data":{"posts":[{"id":"a","title":"T"},{"id":"b","n":1e999}]}}', "corrupt_input"),
        (b'{"data":{"posts":[{"id":"a","title":"T"},' + b'{"a":' * 5_000, "corrupt_input"),
        (b'{"data":{"posts":[{"id":"a","title":"T"},' + b"[" * 5_000, "corrupt_input"),
        (b'{"data":{"posts":[{"id":"a","title":"T"} {', "corrupt_input"),
    ],
)
def test_damage_keeps_the_posts_before_it(data, code):
    posts = ghost.records(io.BytesIO(data), Input("g.json", None))

    assert ghost.key_of(next(posts)) == "a"
    with pytest.raises(InputError) as caught:
        list(posts)
    assert caught.value.problem.code == code


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"db":[]}', b'{"data":{"tags":[{"id":1}]}}'])
def test_json_without_posts_is_refused(data):
    (raw,) = raws(data)

    assert [problem.code for problem in raw.problems] == ["missing_section"]


def test_rows_that_are_none_are_left_alone():
    document = export(
        1, None, [post()], {}, post("a"), tags=[1, {"id": None}], users=7, posts_tags={}
    )

    found = [validate(ghost, raw)[0] for raw in raws(document)]

    assert [record and record.key for record in found] == [None, "a"]


def test_post_that_is_too_large_is_one_reject():
    big = post("big", html="x" * 1_000, codeinjection_head=["y" * 1_000_000] * 40)

    first, second = raws(export(big, post("a")))

    assert [problem.code for problem in first.problems] == ["record_too_large"]
    assert ghost.key_of(second) == "a"


def test_value_without_end_is_refused_before_it_fills_the_memory():
    class Endless(io.BytesIO):
        def read(self, size=-1):
            return super().read(size) or b"x" * size

    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            list(ghost.records(Endless(b'{"data":{"posts":[{"id":"'), Input("g.json", None)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert caught.value.problem.code == "record_too_large"
    assert peak < 4 * RECORD_BYTES_MAX
    assert time.process_time() - began < 4


@pytest.mark.long
def test_memory_does_not_grow_with_the_export(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.json"
        with path.open("w") as file:
            file.write('{"data":{"posts":[')
            for number in range(count):
                file.write(
                    "," * bool(number) + json.dumps(post(f"p{number}", html="<p>x</p>" * 50))
                )
            file.write('],"posts_tags":[')
            for number in range(count):
                link = {"post_id": f"p{number}", "tag_id": f"t{number % 50}"}
                file.write("," * bool(number) + json.dumps(link))
            names = ",".join(json.dumps({"id": f"t{n}", "name": f"Tag {n}"}) for n in range(50))
            file.write(f'],"tags":[{names}]}}}}')
        tracemalloc.start()
        try:
            with path.open("rb") as stream:
                found = sum(1 for _ in ghost.records(stream, Input("g.json", None)))
            return found, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, few_bytes = peak(2_000)
    many, many_bytes = peak(100_000)

    assert (few, many) == (2_000, 100_000)
    assert many_bytes < few_bytes + 10 * 2**20


def test_text_full_of_braces_takes_time_in_proportion():
    """As documents of the editor are: the parser must not begin each of them a thousand times."""
    document = json.dumps({"root": {"children": [{"type": "text", "text": "{}"}] * 30_000}})

    (raw,) = raws(export(post(html=None, lexical=document)))

    assert len(raw.raw) > len(document)
