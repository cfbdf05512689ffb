"""The addresses of the API: posts, revisions and similar ones, search, tags, entities.

In: names and a place. Out: values for `posts.api.schemas`. Everything starts from `indexable()`; a
post that is not listed is as absent as one that never was.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone
from ninja import Path, Query, Router

from posts import counters, disclosure, similar, throttle
from posts.api import schemas
from posts.api.pages import Paging, in_use, newest_first, numbered
from posts.api.problems import MovedError, ProblemError, missing
from posts.models import Decision, Entity, Post, Tag
from posts.querysets import about, tagged
from posts.search import finding
from posts.search.language import QUERY_MAX, parse
from posts.views import documents
from posts.views.article import MovedError as SlugMovedError
from posts.views.article import Stamp, WithdrawnError, find_post, stamp_of
from posts.views.page import absolute
from posts.views.search import PAGE_SIZE, PAGES_MAX, passages_of

router = Router()
Sort = Literal["relevance", "newest"]

SLUG = Path(max_length=200, description="As in the address of the page.")
QUERY = Query(min_length=1, max_length=QUERY_MAX, description="What to search for.")
SORT = Query(finding.RELEVANCE, description="Most relevant first, or newest first.")
KIND = Query("", max_length=10, description="Only this kind.")
TYPE = Query("", max_length=60, description="Only this type, by its slug.")


def address(name: str, *args: Any) -> str:
    """Return the absolute address of an operation."""
    return absolute(reverse(f"api-v1:{name}", args=args))


# --- Where everything is ----------------------------------------------------------------------


@router.get("/", response=schemas.Service, operation_id="service", url_name="service")
def service(request: HttpRequest) -> dict[str, Any]:
    """Say where everything is."""
    return {
        "name": settings.SITE_NAME,
        "version": "1",
        "openapi": address("openapi-json"),
        "posts": address("posts"),
        "tags": address("tags"),
        "entities": address("entities"),
        "feeds": [absolute(reverse("feed-atom")), absolute(reverse("feed-json"))],
        "sitemap": absolute(reverse("sitemap")),
        "dumps": absolute(reverse("dumps")),
        "llms": absolute(reverse("llms")),
        "search": f"{address('search')}?q={{query}}",
    }


# --- Posts ------------------------------------------------------------------------------------


@router.get("/posts", response=schemas.PostPage, operation_id="posts", url_name="posts")
def posts(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """List the posts, newest first."""
    return _post_page(request, paging, timezone.now())


@router.get("/posts/{slug}", response=schemas.Post, operation_id="post", url_name="post")
def post(request: HttpRequest, slug: str = SLUG) -> dict[str, Any]:
    """Return a whole post."""
    found = _listed(slug, timezone.now(), "post")
    return documents.document(found, stamp_of(found))


@router.get(
    "/posts/{slug}/similar",
    response=schemas.SimilarPosts,
    operation_id="similar",
    url_name="similar",
)
def similar_posts(request: HttpRequest, slug: str = SLUG) -> dict[str, Any]:
    """Return a few posts that share what is telling about this one."""
    now = timezone.now()
    found = similar.similar_posts(_listed(slug, now, "similar"), now=now)
    return {
        "items": [
            {
                "slug": item.post.slug,
                "title": item.post.title,
                "url": absolute(item.post.get_absolute_url()),
                "json_url": absolute(reverse("article-json", args=[item.post.slug])),
                "published_at": item.post.published_at,
                "reading_minutes": item.post.reading_minutes,
                "reasons": item.reasons,
            }
            for item in found
        ],
        "definition": similar.DEFINITION,
    }


# --- Search ---------------------------------------------------------------------------------


@router.get("/search", response=schemas.SearchPage, operation_id="search", url_name="search")
def search(
    request: HttpRequest,
    q: str = QUERY,
    sort: Sort = SORT,
    page: int = Query(1, ge=1, le=PAGES_MAX),
) -> dict[str, Any]:
    """List what a query finds, in the language of the site's own search.

    Words, "phrases", -word, tag:, stack:, difficulty:, year:, before:, after:. At most 1,000 posts.
    """
    wait = throttle.seconds_to_wait(request, name="search", limit=settings.SEARCHES_A_MINUTE)
    if wait:
        raise ProblemError(
            429,
            "Too many searches came from your address in this minute.",
            failed="the number of requests",
            expected=f"at most {settings.SEARCHES_A_MINUTE} a minute",
            can_retry=True,
            retry_after=wait,
        )
    query = parse(q)
    if not query.parts:
        raise ProblemError(
            400,
            f"Nothing of the query can be searched for. {' '.join(query.problems)}".strip(),
            failed="q",
            expected="a word, a phrase or a filter",
        )
    now = timezone.now()
    found = finding.find(query, sort=sort, now=now)
    return {
        "query": str(found.query),
        "problems": query.problems,
        "corrections": [{"typed": typed, "meant": meant} for typed, meant in found.corrections],
        "number": len(found.newest),
        "is_more": found.is_more,
        "items": _results(found, page, now),
        "next": _next_results(q, sort, page) if len(found.posts) > page * PAGE_SIZE else None,
    }


def _results(found: finding.Found, page: int, now: dt.datetime) -> list[dict[str, Any]]:
    """Return a page of what was found. Queries: posts, tags, stamps, hands, texts."""
    ids = [one.post_id for one in found.posts[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]]
    by_pk = Post.objects.indexable(now).for_summary().in_bulk(ids)
    posts = [by_pk[pk] for pk in ids if pk in by_pk]
    summaries = documents.summaries(posts)
    leads = [(post, summaries[post.pk]["summary"]) for post in posts]
    passages = passages_of(leads, found.query)
    return [
        {**summaries[post.pk], "passage": "".join(piece.text for piece in passages[post.pk])}
        for post in posts
    ]


def _next_results(q: str, sort: str, page: int) -> str:
    parameters = {"q": q, "page": str(page + 1)}
    if sort != finding.RELEVANCE:
        parameters["sort"] = sort
    return f"{address('search')}?{urlencode(parameters)}"


# --- Revisions --------------------------------------------------------------------------------


@router.get(
    "/posts/{slug}/revisions",
    response=schemas.RevisionPage,
    operation_id="revisions",
    url_name="revisions",
)
def revisions(request: HttpRequest, paging: Query[Paging], slug: str = SLUG) -> dict[str, Any]:
    """List the revisions of a post that a person approved, newest first."""
    owner = _listed(slug, timezone.now(), "revisions")
    approved = owner.revisions.approved().without_content().select_related("author")
    items, following = numbered(request, paging, approved)
    stamps, known = _stamps_of_revisions(items), disclosure.hands_of(items)
    return {
        "items": [_revision(owner, item, stamps[item.pk], known) for item in items],
        "next": following,
    }


@router.get(
    "/posts/{slug}/revisions/{number}",
    response=schemas.Revision,
    operation_id="revision",
    url_name="revision",
)
def revision(
    request: HttpRequest, slug: str = SLUG, number: int = Path(ge=1, lt=2**31)
) -> dict[str, Any]:
    """Return a revision of a post that a person approved."""
    owner = _listed(slug, timezone.now(), "revision", number)
    found = owner.revisions.approved().select_related("author").filter(number=number).first()
    if found is None:
        raise missing("revision", failed="number", expected="one of those at …/revisions")
    stamp = _stamps_of_revisions([found])[found.pk]
    content = documents.content_of(found)
    return {**_revision(owner, found, stamp), **content}


def _revision(
    owner: Any, found: Any, stamp: Stamp, known: documents.Known = None
) -> dict[str, Any]:
    return {
        "number": found.number,
        "digest": found.digest,
        "title": found.title,
        "is_live": found.pk == owner.live_revision_id,
        "created_at": found.created_at,
        "disclosure": documents.disclosed(owner, found, stamp, known),
        "review": documents.reviewed(stamp),
    }


def _stamps_of_revisions(found: list[Any]) -> dict[int, Stamp]:
    """Return the stamps of approved revisions. One query."""
    decisions = Decision.objects.filter(
        revision__in=[one.pk for one in found], verdict=Decision.Verdict.APPROVE
    ).select_related("reviewer")
    # In order, so that the latest one stays.
    return {decision.revision_id: Stamp.of(decision) for decision in decisions.order_by("pk")}


# --- Tags and entities ------------------------------------------------------------------------


@router.get("/tags", response=schemas.TagPage, operation_id="tags", url_name="tags")
def tags(request: HttpRequest, paging: Query[Paging], kind: str = KIND) -> dict[str, Any]:
    """List the tags that listed posts carry, by kind and slug."""
    if kind and kind not in Tag.Kind.values:
        kinds = ", ".join(Tag.Kind.values)
        raise ProblemError(400, "There is no such kind.", failed="kind", expected=kinds)
    found, following = in_use(request, paging, Tag, group="kind", within=kind, now=timezone.now())
    return {"items": [_tag(one, one.count) for one in found], "next": following}


@router.get("/tags/{slug}", response=schemas.Tag, operation_id="tag", url_name="tag")
def tag(request: HttpRequest, slug: str = SLUG) -> dict[str, Any]:
    """Return a tag that listed posts carry."""
    found, count = _used_tag(slug, timezone.now())
    return _tag(found, count)


@router.get(
    "/tags/{slug}/posts", response=schemas.PostPage, operation_id="tag-posts", url_name="tag-posts"
)
def tag_posts(request: HttpRequest, paging: Query[Paging], slug: str = SLUG) -> dict[str, Any]:
    """List the posts with a tag, newest first."""
    now = timezone.now()
    found, _ = _used_tag(slug, now)
    return _post_page(request, paging, now, **tagged(found, now)._asdict())


@router.get("/entities", response=schemas.EntityPage, operation_id="entities", url_name="entities")
def entities(request: HttpRequest, paging: Query[Paging], type: str = TYPE) -> dict[str, Any]:
    """List the things that listed posts are about, by type and slug."""
    if "\x00" in type:
        raise missing("type", failed="type", expected="a type_slug of an entity")
    found, following = in_use(
        request, paging, Entity, group="type_slug", within=type, now=timezone.now()
    )
    return {"items": [_entity(one, one.count) for one in found], "next": following}


@router.get(
    "/entities/{type_slug}/{slug}",
    response=schemas.Entity,
    operation_id="entity",
    url_name="entity",
)
def entity(request: HttpRequest, type_slug: str = SLUG, slug: str = SLUG) -> dict[str, Any]:
    """Return a thing that listed posts are about."""
    found, count = _used_entity(type_slug, slug, timezone.now())
    return _entity(found, count)


@router.get(
    "/entities/{type_slug}/{slug}/posts",
    response=schemas.PostPage,
    operation_id="entity-posts",
    url_name="entity-posts",
)
def entity_posts(
    request: HttpRequest, paging: Query[Paging], type_slug: str = SLUG, slug: str = SLUG
) -> dict[str, Any]:
    """List the posts about a thing, newest first."""
    now = timezone.now()
    found, _ = _used_entity(type_slug, slug, now)
    return _post_page(request, paging, now, **about(found, now)._asdict())


# --- How things are found ---------------------------------------------------------------------


def _post_page(request: HttpRequest, paging: Paging, now: dt.datetime, **index: Any) -> Any:
    """Return a page of posts. Queries: posts, tags, stamps, hands."""
    queryset = Post.objects.indexable(now).for_summary()
    items, following = newest_first(request, paging, queryset, **index)
    told = documents.summaries(items)
    return {"items": [told[item.pk] for item in items], "next": following}


def _listed(slug: str, now: dt.datetime, name: str, *more: Any) -> Any:
    """Return the listed post of a slug; `name` and `more` say where a moved one has gone.

    Queries: post, tags, entities, images; three more when there is none. Raises `MovedError` or
    `ProblemError`: 410 for a post that readers knew and that was withdrawn, else 404.
    """
    try:
        found = find_post(slug, now) if "\x00" not in slug else None
    except SlugMovedError as moved:
        if Post.objects.indexable(now).filter(slug=moved.slug).exists():
            raise MovedError(address(name, moved.slug, *more)) from moved
        found = None
    except WithdrawnError as withdrawn:
        raise ProblemError(
            410,
            "This post was withdrawn.",
            failed="slug",
            expected="a post of /api/v1/posts",
        ) from withdrawn
    except Http404:
        found = None
    if found is None or not found.is_indexable:
        raise missing("post", failed="slug", expected="a post of /api/v1/posts")
    return found


def _named(model: type[Tag] | type[Entity], **parts: str) -> Any:
    """Return the one with this address, or None. At most one query."""
    # PostgreSQL refuses the very question.
    if any("\x00" in part for part in parts.values()):
        return None
    return model._default_manager.filter(**parts).first()


def _used_tag(slug: str, now: dt.datetime) -> tuple[Tag, int]:
    """Return a tag and its listed posts. Queries: tag, count."""
    expected = "a tag of /api/v1/tags"
    found = _named(Tag, slug=slug)
    if found is None:
        raise missing("tag", failed="slug", expected=expected)
    count = counters.use_counts(tags=[found.pk], now=now).tags[found.pk]
    if not count:
        raise missing("tag", failed="slug", expected=expected)
    return found, count


def _used_entity(type_slug: str, slug: str, now: dt.datetime) -> tuple[Entity, int]:
    """Return an entity and its listed posts. Queries: entity, count."""
    expected = "an entity of /api/v1/entities"
    found = _named(Entity, type_slug=type_slug, slug=slug)
    if found is None:
        raise missing("entity", failed="slug", expected=expected)
    count = counters.use_counts(entities=[found.pk], now=now).entities[found.pk]
    if not count:
        raise missing("entity", failed="slug", expected=expected)
    return found, count


def _tag(found: Tag, count: int) -> dict[str, Any]:
    return {
        **documents.tag_reference(found),
        "posts": count,
        "posts_url": address("tag-posts", found.slug),
    }


def _entity(found: Entity, count: int) -> dict[str, Any]:
    return {
        **documents.entity_reference(found),
        "posts": count,
        "posts_url": address("entity-posts", found.type_slug, found.slug),
    }
