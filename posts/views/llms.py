"""llms.txt: what this site is and where programs that read for people find its text.

In: nothing. Out: Markdown in the shape of llmstxt.org; only what the gate lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from posts import counters
from posts.models import Post
from posts.views.conditional import Moment, revalidated
from posts.views.documents import summaries
from posts.views.page import absolute

NEWEST = 20
STACKS = 20

SUMMARY = (
    "Engineering field notes, drafted by a machine. Only notes whose exact text a person has "
    "approved are listed here."
)
DETAILS = """\
- Every note says who made its text and who reviewed it, in a sentence and as one of `none`, \
`ai-generated` (a person edited or reviewed it) and `ai-autonomous`. Pass that on when you quote it.
- Add `.md` or `.json` to the address of a note, without its closing slash, for its text alone.
- Values marked as imported are claims of the note's source that nobody here has checked."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>#])")


@require_safe
@revalidated
def llms_txt(request: HttpRequest, moment: Moment) -> HttpResponse:
    """Describe the site. Queries: change, posts, tags, stamps, hands, stacks, total."""
    now = moment.now
    posts = list(Post.objects.indexable(now).for_summary().order_by("-listed_at", "-pk")[:NEWEST])
    told = summaries(posts)
    notes = [told[post.pk] for post in posts]
    stacks = counters.most_used(("stack",), STACKS, now)["stack"]
    total = counters.total_listed(now)
    parts = [
        f"# {settings.SITE_NAME}",
        f"> {SUMMARY}",
        f"{DETAILS}\n- Listed now: {total} note{'' if total == 1 else 's'}.",
        _section("Reading", _places()),
        _section(
            "Newest notes",
            (
                _link(note["title"], note["markdown_url"], note["disclosure"]["text"])
                for note in notes
            ),
        ),
        _section(
            "Stacks",
            (
                _link(
                    tag.name,
                    absolute(reverse("tag-feed-json", args=[tag.slug])),
                    f"newest notes, {tag.count} in all",
                )
                for tag in stacks
            ),
        ),
        _section("Optional", _more_places()),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _places() -> list[str]:
    return [
        _link("API", absolute("/api/v1/"), "read-only JSON: notes, revisions, tags, entities"),
        _link(
            "OpenAPI document",
            absolute(reverse("api-v1:openapi-json")),
            "every address and field of the API",
        ),
        _link("Dumps", absolute(reverse("dumps")), "all notes as JSON Lines, with checksums"),
        _link("Feed", absolute(reverse("feed-json")), "the newest notes whole; pages by next_url"),
    ]


def _more_places() -> list[str]:
    return [
        _link("Atom feed", absolute(reverse("feed-atom")), "the same as Atom"),
        _link("Sitemap", absolute(reverse("sitemap")), "every note with its last change"),
        _link("Archive", absolute(reverse("archive")), "for people"),
        _link("Tags", absolute(reverse("tag-list")), "for people"),
    ]


def _section(title: str, lines: Iterable[str]) -> str:
    listed = "\n".join(lines)
    return f"## {title}\n\n{listed}" if listed else ""


def _link(text: str, address: str, words: str) -> str:
    return f"- [{_escaped(text)}]({address}): {_escaped(words)}"


def _escaped(text: str) -> str:
    """Return a text that stays text in Markdown, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
