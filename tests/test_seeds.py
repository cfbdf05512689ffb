"""The five documents of the system as it was: imported, unchanged, and shown whole.

What must stand on a page is taken from the documents by the few lines of `Document`, not by the
reader that the import uses.
"""

import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import NoReverseMatch, reverse

from posts import content, review
from posts.importing.export import canonical_lines
from posts.models import (
    Entity,
    ImportedPost,
    ImportReject,
    Post,
    PostEntity,
    PostImage,
    PostTag,
    Revision,
    Slug,
    Statistics,
    Tag,
)
from tests.builders import make_user
from tests.conftest import MISSING_SAMPLES

ROOT = Path(__file__).resolve().parent.parent
SEEDS = Path(os.environ.get("ALPHANODE_SEEDS") or ROOT / "../shared/seeds")

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not SEEDS.is_dir(), reason=f"{MISSING_SAMPLES} in {SEEDS}"),
]

#: IMPORT.md 3.4, by number of the document: paragraphs, figures, body list items, tags, entities,
#: headings.
GOLDEN = {
    "000": (10, 1, 5, 9, 3, 4),
    "001": (8, 1, 5, 9, 3, 4),
    "002": (9, 2, 5, 9, 3, 4),
    "003": (11, 1, 5, 9, 3, 5),
    "004": (6, 0, 5, 9, 3, 4),
}
KEYS = {
    "000": "alphanode-030904",
    "001": "alphanode-038324",
    "002": "alphanode-008673",
    "003": "alphanode-004379",
    "004": "alphanode-013989",
}
SCALARS = (
    "topic",
    "summary",
    "ai brief",
    "code language",
    "difficulty",
    "reading time",
    "view count",
    "reference",
    "hash",
)
#: Sections of several items, which stand somewhere behind the name of their section.
ITEMS = ("stack", "tools", "checklist", "notes", "entities", "image sources")


class Document:
    """A document as a reader of the file sees it: title, texts in order, meta values."""

    def __init__(self, path):
        article, _, meta = path.read_text("utf-8").rpartition("\nalphanode post meta\n")
        lines = [line for line in article.splitlines() if line.strip(" |")]
        self.title, *body = lines
        self.headings, self.paragraphs, self.items, self.figures = [], [], [], []
        #: Everything of the body that a reader must find, in order.
        self.texts = []
        for number, line in enumerate(body):
            before = body[number - 1] if number else ""
            after = body[number + 1] if number + 1 < len(body) else ""
            if after.startswith(f"{line}. image source: "):
                continue
            if before and line.startswith(f"{before}. image source: "):
                source = line.removeprefix(f"{before}. image source: ")
                self.figures.append((before, source))
                self.texts += [before, source]
            elif line.startswith("  \u2022 "):
                self.items.append(line[4:])
                self.texts.append(line[4:])
            elif line.endswith((".", "!", "?")):
                self.paragraphs.append(line)
                self.texts += re.split(r"(?<=[.!?]) +", line)
            else:
                self.headings.append(line)
                self.texts.append(line)
        #: (label, value) as they stand in the box; an item of a plain list has no label.
        self.values = []
        section = ""
        for line in meta.partition("Similar Posts")[0].splitlines():
            text = line.strip().removeprefix("\u2022 ")
            name = next((name for name in SCALARS if text.startswith(name)), None)
            if line.startswith(" "):
                label, colon, value = text.partition(": ")
                if section in ("entities", "image sources"):
                    # Rows of records; the box may show them without the names of the members.
                    self.values.append((section, value))
                else:
                    has_label = colon and section not in ("stack", "tools", "checklist", "notes")
                    self.values.append((label, value) if has_label else (section, text))
            elif name and text != name:
                self.values.append((name, text.removeprefix(name)))
            elif text:
                section = text


DOCUMENTS = {path.name[:3]: path for path in sorted(SEEDS.glob("*.txt"))} if SEEDS.is_dir() else {}


def imported(*more):
    """Import the folder; return the object of `--json`."""
    out = io.StringIO()
    arguments = ("import_posts", str(SEEDS), "--source", "seeds", "--publish", "--json", *more)
    with pytest.raises(SystemExit) as stop:
        call_command(*arguments, stdout=out, stderr=io.StringIO())
    assert stop.value.code == 0
    return json.loads(out.getvalue())


def post_of(number):
    return Post.objects.select_related("live_revision").get(imported__key=KEYS[number])


def approve_all():
    review.act(
        action="approve",
        posts=list(Post.objects.values_list("pk", flat=True)),
        by=make_user("reviewer"),
        undo_seconds=0,
    )


# --- The archive --------------------------------------------------------------------------------


def test_documents_become_five_published_posts_that_no_list_may_show():
    told = imported()

    assert (told["read"], told["created"], told["rejected"]) == (5, 5, 0)
    assert told["repairs"] == {}
    assert set(ImportedPost.objects.values_list("key", flat=True)) == set(KEYS.values())
    assert Post.objects.published().count() == Post.objects.awaiting_review().count() == 5
    assert not Post.objects.indexable().exists()
    assert not ImportReject.objects.exists()


@pytest.mark.parametrize("number", KEYS)
def test_document_is_stored_with_its_golden_numbers(number):
    imported()

    post = post_of(number)
    document = Document(DOCUMENTS[number])
    blocks = post.live_revision.body.split("\n\n")
    lists = [block for block in blocks if block.startswith("- ")]
    headings = [block for block in blocks if block.startswith("## ")]
    figures = [block for block in blocks if block.startswith("![")]
    paragraphs = [b for b in blocks if b not in lists and b not in headings and b not in figures]
    assert post.title == document.title
    assert (
        1 + len(paragraphs),
        len(figures),
        sum(len(block.splitlines()) for block in lists),
        PostTag.objects.filter(content_object=post).count(),
        PostEntity.objects.filter(post=post).count(),
        len(headings),
    ) == GOLDEN[number]
    assert PostImage.objects.filter(post=post).count() == len(figures)
    assert [post.live_revision.lede, *paragraphs] == document.paragraphs
    assert [heading[3:] for heading in headings] == document.headings
    assert [line[2:] for block in lists for line in block.splitlines()] == document.items


@pytest.mark.parametrize("number", KEYS)
def test_own_reading_of_the_document_finds_the_golden_numbers(number):
    document = Document(DOCUMENTS[number])

    assert (
        len(document.paragraphs),
        len(document.figures),
        len(document.items),
        9,
        3,
        len(document.headings),
    ) == GOLDEN[number]


def test_numbers_of_the_generator_stay_apart_from_what_is_computed():
    imported()

    post = post_of("002")
    assert (post.statistics.imported_reading_time, post.reading_minutes) == (12, 2)
    assert (post.statistics.imported_view_count, post.statistics.views) == (430_239, 0)
    assert post.statistics.imported_score == {
        "quality": 81,
        "freshness": 81,
        "depth": 67,
        "clarity": 72,
    }


def test_documents_again_are_five_unchanged_posts_and_not_one_row():
    imported()
    tables = (
        *(Post, Revision, Slug, Statistics, ImportedPost),
        *(Tag, PostTag, Entity, PostEntity, PostImage),
    )
    before = [list(table.objects.order_by("pk").values()) for table in tables]

    told = imported()

    assert (told["read"], told["unchanged"]) == (5, 5)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before


def test_documents_again_after_approval_stay_listed():
    imported()
    approve_all()
    before = list(canonical_lines())

    told = imported()

    assert told["unchanged"] == 5
    assert list(canonical_lines()) == before
    assert Post.objects.indexable().count() == 5


# --- The pages ----------------------------------------------------------------------------------


class _Texts(HTMLParser):
    """Collect the text of <main>, of the meta box inside it, and the robots metas of a page."""

    VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"})
    INLINE = frozenset({"a", "abbr", "code", "em", "mark", "span", "strong", "wbr"})

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.main, self.box, self.robots, self.headings = [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and attributes.get("name") == "robots":
            self.robots.append(attributes["content"])
        if tag not in self.VOID:
            self.open.append((tag, (attributes.get("class") or "").split()))
        if tag not in self.INLINE:
            self.handle_data(" ")

    def handle_endtag(self, tag):
        if tag not in self.INLINE:
            self.handle_data(" ")
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if "main" not in tags or "script" in tags or "style" in tags:
            return
        is_box = any("meta-box" in classes for _, classes in self.open)
        (self.box if is_box else self.main).append(data)
        if "h1" in tags:
            self.headings.append(data)


def plain(text):
    return " ".join(text.split()).casefold()


def read(response):
    """Return the texts of a page: article, meta box, robots metas, main heading."""
    page = _Texts()
    page.feed(response.content.decode())
    page.close()
    return (
        plain("".join(page.main)),
        plain("".join(page.box)),
        page.robots,
        plain("".join(page.headings)),
    )


def opened(client, number):
    response = client.get(post_of(number).get_absolute_url())
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("number", KEYS)
def test_every_text_of_the_document_stands_on_its_page_in_its_order(client, number):
    imported()
    document = Document(DOCUMENTS[number])

    main, _, _, heading = read(opened(client, number))

    assert heading == plain(document.title)
    place = 0
    for text in [document.title, *document.texts]:
        found = main.find(plain(text), place)
        assert found >= 0, f"{text!r} does not stand behind {main[max(0, place - 80) : place]!r}"
        place = found + len(plain(text))


@pytest.mark.parametrize("number", KEYS)
def test_every_meta_value_stands_in_the_box_beside_its_name(client, number):
    imported()
    document = Document(DOCUMENTS[number])

    _, box, _, _ = read(opened(client, number))

    assert len(document.values) >= 50
    for label, value in document.values:
        wanted = {plain(value)} | ({"yes", "true"} if value == "1" else set())
        wanted |= {"no", "false"} if value == "0" else set()
        is_item = label in ITEMS
        between = ".*?" if is_item else r"(?: \(imported\))?[\W]*"
        pattern = rf"\b{re.escape(label)}{between}(?:{'|'.join(map(re.escape, wanted))})(?!\w)"
        assert re.search(pattern, box), f"{label}: {value} does not stand in the meta box"


@pytest.mark.parametrize("number", KEYS)
def test_page_says_noindex_until_a_person_approves_it(client, number):
    imported()

    before = opened(client, number)
    approve_all()
    after = opened(client, number)

    assert "noindex" in before["X-Robots-Tag"]
    assert "noindex" in " ".join(read(before)[2])
    assert "noindex" not in after.get("X-Robots-Tag", "")
    assert "noindex" not in " ".join(read(after)[2])


LISTS = ["home", "archive", "tag-list", "feed-atom", "feed-json", "sitemap", "llms", "search"]


@pytest.mark.parametrize("name", LISTS)
def test_no_list_shows_a_post_before_it_is_approved(client, name):
    imported()
    try:
        address = reverse(name)
    except NoReverseMatch:
        address = None
    slugs = list(Post.objects.values_list("slug", flat=True))
    query = {"q": "python"} if name == "search" else {}

    text = client.get(address, query).content.decode() if address else ""

    assert not [slug for slug in slugs if slug in text]


def test_tag_and_entity_pages_show_posts_only_once_approved(client):
    imported()
    post = post_of("000")
    tag = PostTag.objects.filter(content_object=post).select_related("tag").first().tag
    entity = PostEntity.objects.filter(post=post).select_related("entity").first().entity
    addresses = [tag.get_absolute_url(), entity.get_absolute_url()]

    before = [client.get(address).content.decode() for address in addresses]
    approve_all()
    after = [client.get(address).content.decode() for address in addresses]

    assert all(post.slug not in text for text in before)
    assert all(post.slug in text for text in after)


@pytest.mark.parametrize("number", KEYS)
def test_reading_time_of_the_page_is_computed_from_the_text(number):
    imported()
    document = Document(DOCUMENTS[number])
    words = sum(len(text.split()) for text in document.texts)

    minutes = post_of(number).reading_minutes

    assert minutes == content.reading_minutes(post_of(number).live_revision.snapshot)
    assert words / 300 <= minutes <= words / 150 + 1
