"""The picture of a note for other sites: same address rules and robots as its page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from posts import card_image
from posts.views.article import answers_moved_and_withdrawn, find_post, stamp_of
from posts.views.conditional import Moment, revalidated
from posts.views.page import NOINDEX, with_robots


@require_safe
@revalidated
@answers_moved_and_withdrawn
def article_card(request: HttpRequest, moment: Moment, slug: str) -> HttpResponse:
    """Return the card of a published post. Queries: change, post, tags, entities, images, stamp."""
    post = find_post(slug, moment.now)
    stamp = stamp_of(post)
    review = ""
    if stamp.decided_at is not None:
        review = f"reviewed by {stamp.byline}, {stamp.decided_at.day} {stamp.decided_at:%b %Y}"
    tags = [row.tag.name for row in post.post_tags.all()][:1]
    card = card_image.Card(
        site=settings.SITE_NAME,
        title=post.live_revision.title,
        facts=(*tags, post.difficulty, f"{post.reading_minutes} min read"),
        review=review,
    )
    response = HttpResponse(card_image.png(card), content_type=card_image.CONTENT_TYPE)
    # Made to be shown by others; every other answer of the site is for its own pages only.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return with_robots(response, "" if post.is_indexable else NOINDEX)
