"""The synthesizer: what holds for every made-up post, and that a seed always gives the same bytes.

Expectations are derived from the posts themselves and from the documents, not from the
generator's constants.
"""

from __future__ import annotations

import datetime as dt
import gc
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from django.core.management import CommandError, call_command

from posts.content import (
    Meta,
    Snapshot,
    Statistics,
    digest,
    reading_minutes,
)
from posts.importing.synthesizer import output
from posts.importing.synthesizer.articles import article_of, is_changed, revise, synthesize
from posts.management.commands.synthesize_posts import Command
from posts.validation import checked, checked_statistics
from tests.conftest import MISSING_SAMPLES

ROOT = Path(__file__).resolve().parent.parent
SEEDS = Path(os.environ.get("ALPHANODE_SEEDS") or ROOT / "../shared/seeds")
#: Fields of articles that come from elsewhere; the synthesizer has none of them.
FOREIGN = ("author", "former_urls", "extra")
META_FIELDS = [name for name in Meta.__struct_fields__ if name not in FOREIGN]
REFERENCE_DAY = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def lines_of(seed: int, count: int, start: int = 1, **more: float) -> bytes:
    """Return the JSON Lines of a slice of an archive."""
    articles = synthesize(seed, count, start, **more)
    return b"".join(chunk for _, chunk in output.json_lines(articles))


@pytest.fixture(scope="module")
def posts() -> list[dict]:
    """Four hundred posts as an importer would read them."""
    return [json.loads(line) for line in lines_of(20, 400).splitlines()]


def blocks(post: dict) -> list[str]:
    """Return the blocks of a body; a fenced block with blank lines in it stays one."""
    pieces: list[str] = []
    fenced = False
    for piece in post["body"].split("\n\n"):
        if fenced:
            pieces[-1] += "\n\n" + piece
        else:
            pieces.append(piece)
        if piece.count("```") % 2:
            fenced = not fenced
    return pieces


def is_prose(block: str) -> bool:
    return not re.match(r"## |!\[|- |\d+\. |```|> |\| ", block)


def headings(post: dict) -> list[str]:
    return [block[3:] for block in blocks(post) if block.startswith("## ")]


def sections(post: dict) -> dict[str, list[str]]:
    """Return heading -> prose paragraphs, without the two closing sections."""
    found: dict[str, list[str]] = {}
    heading = ""
    for block in blocks(post):
        if block.startswith("## "):
            heading = block[3:]
            found[heading] = []
        elif heading and is_prose(block):
            found[heading].append(block)
    return {name: found[name] for name in headings(post)[:-2]}


def section_paragraphs(post: dict) -> list[str]:
    return [text for texts in sections(post).values() for text in texts]


def sentences(text: str) -> set[str]:
    """Return the sentences of at least six words, lower-cased, single-spaced."""
    single = (" ".join(one.split()) for one in re.split(r"(?<=[.!?])\s+|\n", text.lower()))
    return {one for one in single if one[-1:] in {".", "!", "?"} and len(one.split()) >= 6}


def test_every_post_passes_the_checks_of_an_import_unchanged(posts):
    for post in posts:
        snapshot = Snapshot(
            title=post["title"],
            lede=post["lede"],
            body=post["body"],
            meta=msgspec.convert({name: post[name] for name in META_FIELDS}, Meta),
        )
        statistics = msgspec.convert(
            {name: post[name] for name in Statistics.__struct_fields__}, Statistics
        )

        normal, problems = checked(snapshot)

        assert problems == []
        assert normal == snapshot
        assert checked_statistics(statistics) == []


def test_article_holds_what_its_line_holds():
    article = article_of(20, 7)
    post = json.loads(output.json_line(article))

    assert digest(article.snapshot) == digest(
        Snapshot(
            title=post["title"],
            lede=post["lede"],
            body=post["body"],
            meta=msgspec.convert({name: post[name] for name in META_FIELDS}, Meta),
        )
    )


def test_identity_is_one_number_in_four_places(posts):
    for post in posts:
        number = f"{post['payload']['seed']:06d}"
        assert post["key"] == post["payload"]["source_id"] == f"alphanode-{number}"
        assert re.fullmatch(rf"anp-ref-{number}-\d{{4}}", post["reference"])
        assert re.fullmatch(r"[0-9a-f]{24}", post["hash"])
    assert len({post["key"] for post in posts}) == len(posts)
    assert len({post["hash"] for post in posts}) == len(posts)


def test_numbers_above_six_digits_keep_all_their_digits():
    post = json.loads(output.json_line(article_of(20, 1_234_567)))

    assert post["key"] == "alphanode-1234567"
    assert post["reference"].startswith("anp-ref-1234567-")


def test_names_agree_between_topic_outline_entities_and_stack(posts):
    for post in posts:
        outline = post["ai_outline"]
        stack, area, language = post["stack"]
        assert post["topic"] == f"{outline['problem']} / {outline['stack']}"
        assert outline["context"] == post["payload"]["scenario"]
        assert [(item["type"], item["name"]) for item in post["entities"]] == [
            ("stack", stack),
            ("area", area),
            ("problem", outline["problem"]),
        ]
        assert outline["stack"] == stack
        assert language == post["code_language"]
        assert all(name == name.lower() for name in (*post["stack"], *post["tools"], *post["tags"]))


def test_introduction_and_title_name_their_subject(posts):
    for post in posts:
        outline = post["ai_outline"]
        lede, title = post["lede"].lower(), post["title"].lower()
        assert all(outline[name] in lede for name in ("problem", "stack", "context"))
        assert outline["problem"] in title
        assert outline["stack"] in title
        assert post["title"][0].isupper()


def test_titles_follow_at_least_eight_templates(posts):
    shapes = Counter()
    for post in posts:
        outline = post["ai_outline"]
        shape = post["title"].lower()
        for name in ("problem", "stack", "context"):
            shape = shape.replace(outline[name], name)
        shapes[shape] += 1

    assert len(shapes) >= 8


def test_vocabulary_is_wide():
    found = [article.meta for article in synthesize(21, 4000)]

    assert len({meta.ai_outline.stack for meta in found}) >= 40
    assert len({meta.ai_outline.problem for meta in found}) >= 60
    assert len({meta.ai_outline.context for meta in found}) >= 30
    assert ("python services", "backend", "python") in {meta.stack for meta in found}


def test_tools_are_drawn_for_each_post_from_the_pool_of_its_stack():
    drawn = defaultdict(list)
    for article in synthesize(22, 4000):
        drawn[article.meta.stack[0]].append(article.meta.tools)

    for lists in drawn.values():
        assert {len(tools) for tools in lists} == {4, 5, 6, 7}
        assert len({tool for tools in lists for tool in tools}) >= 10
        assert len(set(lists)) > 3
        assert all(len(set(tools)) == len(tools) for tools in lists)


def test_checklist_stands_in_the_body_with_five_items(posts):
    for post in posts:
        list_block = "\n".join(f"- {item}" for item in post["checklist"])
        assert len(post["checklist"]) == 5
        assert list_block in blocks(post)
        place = blocks(post).index(list_block)
        assert blocks(post)[place - 1] == f"## {headings(post)[-2]}"


def test_last_two_headings_are_checklist_and_final_notes(posts):
    for post in posts:
        assert headings(post)[-2:] == ["Implementation checklist", "Final notes"]
        assert 1 <= len(sections(post)) <= 4
        assert is_prose(blocks(post)[-1])
    assert {name for post in posts for name in sections(post)} == {
        "Why this matters",
        "The practical approach",
        "Production checks",
        "Security and maintenance notes",
    }


def test_sections_are_filled_before_the_next_one_starts(posts):
    sizes: dict[str, int] = defaultdict(int)
    for post in posts:
        for name, texts in sections(post).items():
            sizes[name] = max(sizes[name], len(texts))

    for post in posts:
        for name, texts in list(sections(post).items())[:-1]:
            assert len(texts) == sizes[name]


def test_paragraph_claim_is_section_paragraphs_and_one(posts):
    for post in posts:
        assert post["payload"]["paragraphs"] == len(section_paragraphs(post)) + 1


def recurring(posts: list[dict], every: int, at: int) -> str:
    """Return the one sentence that all paragraphs at these places share and no other one has."""
    shared: set[str] | None = None
    elsewhere: set[str] = set()
    for post in posts:
        stack = post["ai_outline"]["stack"]
        for number, paragraph in enumerate(section_paragraphs(post)):
            # Some names have a dot in them, so the name goes before the sentences are split.
            text = paragraph.lower().replace(stack, "*")
            found = {one.strip() for one in re.findall(r"[^.]+\.", text)}
            if number % every == at:
                shared = found if shared is None else shared & found
            else:
                elsewhere |= found
    assert shared is not None
    (sentence,) = shared - elsewhere
    return sentence


def test_every_third_paragraph_speaks_of_the_stack(posts):
    assert "*" in recurring(posts, 3, 2)


def test_every_fourth_paragraph_carries_the_house_rule(posts):
    assert "alphanode" in recurring(posts, 4, 3)


def test_section_paragraphs_of_a_post_differ_from_each_other(posts):
    for post in posts:
        openings = [text.split(".")[0] for text in section_paragraphs(post)]
        assert len(set(openings)) == len(openings)


def test_there_are_at_least_fifteen_paragraphs_for_each_section(posts):
    openings: dict[str, set[str]] = defaultdict(set)
    for post in posts:
        outline = post["ai_outline"]
        for name, texts in sections(post).items():
            for text in texts:
                opening = re.sub(r"`[^`]+`", "`tool`", text.split(".")[0].lower())
                for slot in ("problem", "stack"):
                    opening = opening.replace(outline[slot], slot)
                openings[name].add(opening)

    assert all(len(found) >= 15 for found in openings.values())


def test_figures_are_the_image_sources_in_order(posts):
    for post in posts:
        images = post["image_sources"]
        figures = re.findall(r"^!\[(.*)\]\(image:(\d+)\)$", post["body"], re.MULTILINE)
        assert figures == [(image["caption"], str(n)) for n, image in enumerate(images, 1)]
        assert post["flags"]["has_images"] is bool(images)
        assert post["flags"]["image_heavy"] is (len(images) >= 3)
    assert {len(post["image_sources"]) for post in posts} == {0, 1, 2, 3}


def test_first_figure_follows_the_introduction_and_others_the_checklist(posts):
    for post in posts:
        found = blocks(post)
        places = [place for place, block in enumerate(found) if block.startswith("![")]
        checklist = next(place for place, block in enumerate(found) if block.startswith("- "))
        assert places[:1] in ([], [0])
        assert places[1:] == [checklist + n for n in range(1, len(places))]


def test_image_addresses_have_the_shapes_of_the_documents(posts):
    hosts = Counter()
    for post in posts:
        outline = post["ai_outline"]
        for n, image in enumerate(post["image_sources"]):
            caption = f"{outline['problem']} with {outline['stack']} visual reference {n + 1}"
            assert image["caption"] == caption
            seeded = post["payload"]["seed"] + n
            url = urlsplit(image["url"])
            hosts[image["source"]] += 1
            match image["source"]:
                case "picsum.photos":
                    assert image["url"] == (f"https://picsum.photos/seed/anp-{seeded:06d}/1200/630")
                case "loremflickr.com":
                    assert image["url"] == (
                        f"https://loremflickr.com/1200/630/code,developer?lock={seeded}"
                    )
                case "placehold.co":
                    assert (url.netloc, url.path) == ("placehold.co", "/1200x630/png")
                    assert parse_qs(url.query, strict_parsing=True) == {"text": [caption[:42]]}
                    assert "%20" not in url.query
                case "unsplash":
                    assert url.netloc == "images.unsplash.com"
                    assert re.fullmatch(r"/photo-\d+-[0-9a-f]+", url.path)
                    assert url.query == "auto=format&fit=crop&w=1200&q=80"
                case other:
                    pytest.fail(f"unknown image source {other}")
    assert len(hosts) == 4


def test_texts_about_the_machine_are_the_same_in_every_post(posts):
    assert len({post["ai_brief"] for post in posts}) == 1
    assert len({tuple(post["notes"]) for post in posts}) == 1
    assert len(posts[0]["notes"]) == 3
    assert {post["payload"]["generator"] for post in posts} == {"anp content synthesizer"}
    templates = {
        post["summary"]
        .lower()
        .replace(post["ai_outline"]["problem"], "problem")
        .replace(post["ai_outline"]["stack"], "stack")
        for post in posts
    }
    assert len(templates) == 1


def test_claims_are_within_what_the_documents_show(posts):
    for post in posts:
        assert re.fullmatch(r"1\.\d+\.\d+", post["revision"]["version"])
        published = dt.datetime.fromisoformat(post["published_at"])
        assert post["published_at"].endswith("Z")
        assert REFERENCE_DAY - dt.timedelta(days=8 * 366) <= published < REFERENCE_DAY
        reviewed = dt.date.fromisoformat(post["revision"]["last_reviewed"])
        assert published.date() <= reviewed <= REFERENCE_DAY.date()
        assert list(post["score"]) == ["quality", "freshness", "depth", "clarity"]
        assert all(isinstance(score, int) for score in post["score"].values())
        assert post["flags"]["ai_generated_style"] is True
        assert post["language"] == "en"
    assert {post["difficulty"] for post in posts} == {"beginner", "intermediate", "advanced"}
    assert {post["revision"]["status"] for post in posts} == {"drafted", "reviewed", "expanded"}
    asked = sum(post["flags"]["needs_human_review"] for post in posts)
    assert 0.02 <= asked / len(posts) <= 0.09


def test_publication_times_are_spread_over_the_years(posts):
    years = Counter(post["published_at"][:4] for post in posts)

    assert len(years) >= 8


def test_reading_time_is_a_claim_that_is_wrong():
    wrong = [
        article.statistics.reading_time != reading_minutes(article.snapshot)
        for article in synthesize(20, 400)
    ]

    assert all(wrong)


def test_tags_have_broad_ones_and_a_long_tail():
    count = 6000
    uses = Counter(tag for article in synthesize(23, count) for tag in article.meta.tags)
    shares = sorted((uses[tag] / count for tag in uses), reverse=True)

    assert 0.15 <= shares[0] <= 0.3
    assert 2 <= sum(share > 0.1 for share in shares) <= 10
    assert len(shares) >= 150
    assert sum(share < 0.001 for share in shares) >= 40
    assert sum(shares[:20]) > sum(shares[20:80]) > sum(shares[80:])


def test_code_blocks_stand_in_two_fifths_of_the_posts(posts):
    with_code = [post for post in posts if "```" in post["body"]]
    languages = re.compile(r"^```(\w+)$", re.MULTILINE)

    assert 0.33 <= len(with_code) / len(posts) <= 0.47
    for post in with_code:
        for language in languages.findall(post["body"]):
            assert language in {post["code_language"], "sh", "sql", "yaml", "toml"}


def test_code_blocks_are_varied_and_complete():
    seen = set()
    for article in synthesize(24, 6000):
        for language, code in re.findall(r"```(\w+)\n(.*?)\n```", article.body, re.DOTALL):
            assert not re.search(r"@(slug|snake|stack)@", code)
            seen.add((language, code.splitlines()[0].split()[0], len(code.splitlines())))
            if language == "python":
                compile(code, "snippet", "exec")

    assert len(seen) >= 25


def test_other_blocks_appear_now_and_then(posts):
    kinds = Counter(
        kind
        for post in posts
        for kind, start in (("table", "| "), ("quote", "> "), ("steps", "1. "))
        if any(block.startswith(start) for block in blocks(post))
    )

    assert set(kinds) == {"table", "quote", "steps"}
    assert all(0.02 <= uses / len(posts) <= 0.2 for uses in kinds.values())


def test_body_has_no_raw_html_and_no_open_slot(posts):
    for post in posts:
        prose = [block for block in blocks(post) if not block.startswith("```")]
        text = "\n".join([post["title"], post["lede"], *prose])
        assert not re.search(r"<|\{|\}", text)
        assert text.isascii()
        assert text.count("`") % 2 == 0


def test_prose_is_written_in_whole_sentences(posts):
    for post in posts:
        for text in (post["lede"], post["summary"], *section_paragraphs(post)):
            assert text[0].isupper() or text[0] == "`"
            assert text[-1] in ".:"
            assert all(match.isupper() for match in re.findall(r"\. (\w)", text))


def test_same_seed_gives_the_same_bytes():
    assert lines_of(5, 300) == lines_of(5, 300)
    assert lines_of(5, 300) != lines_of(6, 300)


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_bytes_do_not_depend_on_the_process(hash_seed):
    script = (
        "import hashlib, sys\n"
        "from posts.importing.synthesizer.articles import synthesize\n"
        "from posts.importing.synthesizer.output import json_lines, text_export\n"
        "made = b''.join(chunk for _, chunk in json_lines(synthesize(5, 100)))\n"
        "texts = ''.join(map(text_export, synthesize(5, 100))).encode()\n"
        "sys.stdout.write(hashlib.sha256(made + texts).hexdigest())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    texts = "".join(map(output.text_export, synthesize(5, 100))).encode()

    assert result.stdout == hashlib.sha256(lines_of(5, 100) + texts).hexdigest()


def test_any_slice_can_be_made_alone():
    whole = lines_of(5, 60).splitlines()

    assert lines_of(5, 10, 31).splitlines() == whole[30:40]
    assert (
        lines_of(5, 10, 31, changed_percent=50).splitlines()
        == (lines_of(5, 60, changed_percent=50).splitlines()[30:40])
    )


def test_posts_are_made_when_asked_for():
    first = next(synthesize(5, 10**12))

    assert first == article_of(5, 1)


def test_memory_does_not_grow_with_the_number_of_posts():
    def measured(count: int) -> tuple[int, int]:
        """Return the peak of memory while posts are made, and the bytes they came to."""
        gc.collect()
        tracemalloc.start()
        try:
            written = sum(len(line) for _, line in output.json_lines(synthesize(5, count)))
            return tracemalloc.get_traced_memory()[1], written
        finally:
            tracemalloc.stop()

    measured(200)
    few, small = measured(200)
    many, large = measured(2000)

    # Posts that are held cost at least their text; when garbage is collected varies far less.
    assert many - few < (large - small) / 10


def test_second_version_keeps_the_post_and_changes_one_paragraph(posts):
    for number in range(1, 200):
        old = article_of(20, number)
        new = revise(old)
        before = json.loads(output.json_line(old))
        after = json.loads(output.json_line(new))
        pairs = list(zip(blocks(before), blocks(after), strict=True))

        assert revise(old) == new
        assert checked(new.snapshot) == (new.snapshot, [])
        assert digest(new.snapshot) != digest(old.snapshot)
        assert {name for name in before if before[name] != after[name]} <= {
            "body",
            "revision",
            "hash",
        }
        assert sum(one != other for one, other in pairs) == 1
        assert len(section_paragraphs(after)) == len(section_paragraphs(before))
        versions = [
            [int(part) for part in post["revision"]["version"].split(".")]
            for post in (before, after)
        ]
        assert versions[0] < versions[1]
        assert before["revision"]["last_reviewed"] <= after["revision"]["last_reviewed"]


def test_second_version_keeps_the_recurring_sentences():
    revised = [json.loads(output.json_line(revise(a))) for a in synthesize(20, 200)]

    assert "*" in recurring(revised, 3, 2)
    assert "alphanode" in recurring(revised, 4, 3)


def test_changed_share_is_close_and_larger_ones_contain_smaller_ones():
    changed = {
        percent: {number for number in range(1, 3001) if is_changed(5, number, percent)}
        for percent in (0, 10, 30, 100)
    }

    assert changed[0] == set()
    assert len(changed[100]) == 3000
    assert 0.08 <= len(changed[10]) / 3000 <= 0.12
    assert all(changed[less] <= changed[more] for less, more in pairwise(changed))


# --- Text exports ------------------------------------------------------------------------------

KEYS = (
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
GROUPS = (
    "ai outline",
    "stack",
    "tools",
    "score",
    "revision",
    "flags",
    "checklist",
    "entities",
    "image sources",
    "payload",
    "notes",
)


def order_of_names(text: str) -> list[str]:
    """Return the names of the meta box of an export, in order."""
    box = text.split("\nalphanode post meta\n")[1]
    found = []
    for line in box.split("\n"):
        if line in GROUPS:
            found.append(line)
        elif line and line[0] != " ":
            found += [key for key in KEYS if line.startswith(key) and line != key][:1]
    return found


def test_export_has_the_form_of_the_documents():
    for article in synthesize(25, 200):
        text = output.text_export(article)
        head, tail = text.rsplit("\n\n", 1)

        assert tail == "Similar Posts"
        assert head == head.lower()
        assert set(re.findall(r"[^\x00-\x7f]", text)) == {"\N{BULLET}"}
        assert re.match(r"(\|( \|)*\n\n)?[^|\n]", text)
        assert text.split("\n\n")[text.startswith("|")] == article.title.lower()
        assert "\n\n\n" not in text
        assert "`" not in text
        assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_export_uses_none_to_three_bars():
    heads = Counter(
        re.match(r"(\|(?: \|)*\n)?", output.text_export(article))[0]
        for article in synthesize(25, 200)
    )

    assert set(heads) == {"", "|\n", "| |\n", "| | |\n"}


def test_export_names_every_field_in_the_order_of_the_documents():
    article = next(one for one in synthesize(25, 50) if one.meta.image_sources)
    without = next(one for one in synthesize(25, 50) if not one.meta.image_sources)
    names = order_of_names(output.text_export(article))

    assert sorted(names) == sorted(KEYS + GROUPS)
    assert order_of_names(output.text_export(without)) == [
        name for name in names if name != "image sources"
    ]
    for path in seed_files():
        in_document = order_of_names(path.read_text(encoding="utf-8"))
        assert in_document == [name for name in names if name in in_document]


def test_export_has_the_same_prose_as_the_line(posts):
    for post in posts[:200]:
        text = output.text_export(article_of(20, post["payload"]["seed"]))
        body = text.split("\nalphanode post meta\n")[0].split("\n")
        shown = [
            line for line in body if re.search(r"[.!?]$", line) and "image source:" not in line
        ]
        wanted = [block.lower().replace("`", "") for block in blocks(post) if is_prose(block)]

        assert len(shown) == len(wanted) + 1
        for line, paragraph in zip(shown[1:], wanted, strict=True):
            assert paragraph.startswith(line)
        assert [line[4:] for line in body if line.startswith("  \N{BULLET} ")] == post["checklist"]


def test_export_writes_figures_as_two_lines():
    for article in islice((a for a in synthesize(25, 99) if len(a.meta.image_sources) > 1), 5):
        text = output.text_export(article)
        first, second = article.meta.image_sources[:2]
        for image in article.meta.image_sources:
            pair = f"{image.caption}\n{image.caption}. image source: {image.source}\n"
            assert text.count(pair) == 1
        assert f"{article.lede.lower()}\n\n{first.caption}\n" in text
        assert f"  \N{BULLET} {article.meta.checklist[-1]}\n{second.caption}\n" in text


# --- Nothing is copied -------------------------------------------------------------------------


def seed_files() -> list[Path]:
    found = sorted(SEEDS.glob("*.txt"))
    if not found:
        pytest.skip(f"{MISSING_SAMPLES} in {SEEDS}")
    return found


def test_no_sentence_of_the_documents_is_repeated():
    theirs = set().union(*(sentences(path.read_text(encoding="utf-8")) for path in seed_files()))
    ours: set[str] = set()
    for article in synthesize(26, 3000):
        for post in (article, revise(article)):
            texts = (post.title, post.lede, post.body, post.meta.summary, post.meta.ai_brief)
            ours |= sentences("\n".join((*texts, *post.meta.notes, *post.meta.checklist)))
        ours |= sentences(output.text_export(article))
    # Captions carry no thought of their own; their form is part of the format.
    theirs = {sentence for sentence in theirs if "visual reference" not in sentence}

    assert len(theirs) > 40
    # Looked for as a part, since a key is glued to the first sentence of a value in an export.
    everything = "\n".join(ours)
    assert [one for one in theirs if one in everything] == []


# --- Files -------------------------------------------------------------------------------------


def test_file_holds_the_lines_and_the_report_counts_them(tmp_path):
    out = tmp_path / "posts.jsonl"
    report = output.write_json_lines(articles=synthesize(5, 50), out=out)

    assert out.read_bytes() == lines_of(5, 50)
    assert (report.posts, report.bytes) == (50, out.stat().st_size)
    assert list(tmp_path.iterdir()) == [out]


def test_packed_file_has_the_same_bytes_under_any_name(tmp_path):
    one, other = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    output.write_json_lines(articles=synthesize(5, 50), out=one)
    output.write_json_lines(articles=synthesize(5, 50), out=other)

    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes()[3:8] == bytes(5)
    assert gzip.decompress(one.read_bytes()) == lines_of(5, 50)


def test_stopped_writing_leaves_nothing_behind(tmp_path):
    def broken():
        yield from synthesize(5, 600)
        raise KeyboardInterrupt

    for write, name in (
        (output.write_json_lines, "posts.jsonl"),
        (output.write_text_exports, "exports"),
    ):
        with pytest.raises(KeyboardInterrupt):
            write(articles=broken(), out=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_export_folder_has_one_file_a_post(tmp_path):
    out = tmp_path / "exports"
    report = output.write_text_exports(articles=synthesize(5, 12), out=out)
    files = sorted(out.iterdir())

    assert [path.name for path in files] == [f"alphanode-{n:06d}.txt" for n in range(1, 13)]
    assert files[4].read_text(encoding="utf-8") == output.text_export(article_of(5, 5))
    assert (report.posts, report.bytes) == (12, sum(path.stat().st_size for path in files))


def test_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("keep", encoding="utf-8")

    with pytest.raises(output.OutputRefused, match="other files"):
        output.write_text_exports(
            articles=synthesize(5, 2), out=tmp_path / "letters", overwrite=True
        )
    assert (tmp_path / "letters" / "mine.txt").read_text(encoding="utf-8") == "keep"


# --- Command -----------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    call_command(Command(stdout=stdout, stderr=stderr, no_color=True), *arguments)
    return stdout.getvalue(), stderr.getvalue()


def test_command_writes_lines_to_stdout_and_the_report_to_stderr():
    stdout, stderr = run("--count", "5", "--seed", "5", "--start", "3")

    assert stdout.encode() == lines_of(5, 5, 3)
    assert stderr.startswith(f"posts=5 bytes={len(stdout)} seconds=")


def test_command_gives_the_report_as_json(tmp_path):
    out = tmp_path / "posts.jsonl.gz"
    stdout, stderr = run("--count", "5", "--seed", "5", "--out", str(out), "--json")
    report = json.loads(stdout)

    assert stderr == ""
    assert report["posts"] == 5
    assert report["bytes"] == out.stat().st_size


def test_command_changes_the_share_that_was_asked_for():
    plain, _ = run("--count", "200", "--seed", "5")
    changed, _ = run("--count", "200", "--seed", "5", "--changed", "20%")
    differ = [a != b for a, b in zip(plain.splitlines(), changed.splitlines(), strict=True)]

    assert 0.1 <= sum(differ) / 200 <= 0.3


def test_command_keeps_an_existing_file_unless_forced(tmp_path):
    out = tmp_path / "posts.jsonl"
    out.write_text("mine", encoding="utf-8")
    arguments = ("--count", "2", "--seed", "5", "--out", str(out))

    with pytest.raises(CommandError, match=r"exists.*expected a new name or --force"):
        run(*arguments)
    assert out.read_text(encoding="utf-8") == "mine"
    run(*arguments, "--force")
    assert out.read_bytes() == lines_of(5, 2)


def test_command_writes_and_replaces_a_folder_of_exports(tmp_path):
    out = tmp_path / "exports"
    arguments = ("--seed", "5", "--format", "text-export", "--out", str(out))
    run("--count", "3", *arguments)
    run("--count", "2", *arguments, "--force")

    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", "0", "--seed", "5"), "got '0', expected a whole number of 1 or more"),
        (("--count", "5", "--seed", "5", "--changed", "101"), "got '101', expected 0 to 100"),
        (("--count", "5", "--seed", "5", "--changed", "nan"), "got 'nan', expected 0 to 100"),
        (("--count", "5", "--seed", "5", "--format", "text-export"), "got no --out"),
        (("--count", "5", "--seed", "5", "--out", "/nowhere/a.jsonl"), "got /nowhere, expected"),
        (("--count", "5", "--seed", "5", "--out", "a.jsonl.zst"), "got .zst, expected"),
    ],
)
def test_command_says_what_it_got_and_expected(arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert message in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_reader_that_has_enough_ends_the_command_quietly():
    process = subprocess.Popen(
        [sys.executable, "manage.py", "synthesize_posts", "--count", "20000", "--seed", "5"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    first = process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read().decode()
    process.stderr.close()

    assert process.wait(timeout=60) == 0
    assert first == lines_of(5, 1)
    assert "Traceback" not in complaint
