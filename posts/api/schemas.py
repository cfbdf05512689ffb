"""The shapes of what the API returns; with the addresses, they are the promise of version 1.

Moments are ISO 8601 with an offset, addresses absolute, unknown texts empty. Fields are added at
the end and never change.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from ninja import Schema
from pydantic import Field


class TagReference(Schema):
    """A tag, by its name and address."""

    name: str
    slug: str
    kind: str = Field(description="stack, area, language, tool, topic or free")
    url: str


class TagOfPost(TagReference):
    """A tag as a post carries it."""

    origin: str = Field(description="imported with the text, or editorial")


class EntityReference(Schema):
    """A thing that posts are about."""

    name: str
    slug: str
    type: str
    type_slug: str
    url: str


class Disclosure(Schema):
    """Who made the text."""

    text: str = Field(description="A sentence, to be passed on with the text.")
    value: str = Field(description="none, ai-generated or ai-autonomous")
    provenance_url: str = Field(description="The page that tells how the text came about.")


class Review(Schema):
    """What a person decided about exactly this text."""

    approved: bool
    at: dt.datetime | None = Field(description="When it was approved.")
    byline: str | None = Field(description="The public name of who approved it.")


class RevisionReference(Schema):
    """Which version of a post this is."""

    number: int
    digest: str = Field(description="Over the whole content, claims included.")


class Image(Schema):
    """An image source of a post; image:N in the body stands for the N-th."""

    number: int
    url: str
    source: str
    caption: str
    alt: str


class PostSummary(Schema):
    """A post in a list."""

    id: uuid.UUID = Field(description="Names the post for good, also when its address changes.")
    slug: str
    title: str
    summary: str = Field(description="The lead without markup, shortened.")
    url: str
    markdown_url: str
    json_url: str
    language: str
    topic: str
    difficulty: str
    code_language: str
    reference: str
    reading_minutes: int = Field(description="Computed from the text.")
    published_at: dt.datetime
    modified_at: dt.datetime = Field(description="The last change of what the page shows.")
    tags: list[TagOfPost]
    disclosure: Disclosure
    review: Review


class Post(PostSummary):
    """A whole post."""

    lede: str = Field(description="Markdown")
    body: str = Field(description="CommonMark with tables; raw HTML is text.")
    body_format: str
    revision: RevisionReference
    entities: list[EntityReference]
    images: list[Image]
    meta: dict[str, Any] = Field(
        description="Group, field, then value and is_imported: imported ones are claims of the "
        "source. contradicted lists what the site finds otherwise."
    )


class PostPage(Schema):
    """A page of posts, newest first."""

    items: list[PostSummary]
    next: str | None = Field(description="The address of the next page; null on the last one.")


class Correction(Schema):
    """A word that nothing was found for, and the one that was searched for instead."""

    typed: str
    meant: str


class SearchResult(PostSummary):
    """A post that a query finds."""

    passage: str = Field(description="The passage that answers the query best, as plain text.")


class SearchPage(Schema):
    """A page of what a query finds."""

    query: str = Field(description="What was searched for, as it was understood and corrected.")
    problems: list[str] = Field(description="Parts of the query that were left out, and why.")
    corrections: list[Correction]
    number: int = Field(description="Posts found.")
    is_more: bool = Field(description="Whether there are more than `number`, which is bounded.")
    items: list[SearchResult]
    next: str | None = Field(description="The address of the next page; null on the last one.")


class RevisionSummary(Schema):
    """A revision of a post that a person approved."""

    number: int
    digest: str
    title: str
    is_live: bool = Field(description="Whether this is what the page shows.")
    created_at: dt.datetime
    disclosure: Disclosure
    review: Review


class Revision(RevisionSummary):
    """A whole revision."""

    lede: str
    body: str
    body_format: str


class RevisionPage(Schema):
    """A page of revisions, newest first."""

    items: list[RevisionSummary]
    next: str | None


class Tag(TagReference):
    """A tag that listed posts carry."""

    posts: int = Field(description="Listed posts with it.")
    posts_url: str


class TagPage(Schema):
    """A page of tags, by kind and slug."""

    items: list[Tag]
    next: str | None


class Entity(EntityReference):
    """A thing that listed posts are about."""

    posts: int = Field(description="Listed posts about it.")
    posts_url: str


class EntityPage(Schema):
    """A page of entities, by type and slug."""

    items: list[Entity]
    next: str | None


class SimilarPost(Schema):
    """A post that shares what is telling about another one."""

    slug: str
    title: str
    url: str
    json_url: str
    published_at: dt.datetime
    reading_minutes: int
    reasons: list[str] = Field(description="What both are about, most telling first.")


class SimilarPosts(Schema):
    """A few similar posts, best first, and what that means."""

    items: list[SimilarPost]
    definition: str


class Service(Schema):
    """Where everything is."""

    name: str
    version: str
    openapi: str
    posts: str
    tags: str
    entities: str
    feeds: list[str]
    sitemap: str
    dumps: str
    llms: str
    search: str = Field(description="With the query in place of {query}.")
