"""The tables of the archive, by concern. Rules that hold on both databases are constraints here."""

from posts.models.counters import Counter, CounterDelta
from posts.models.entities import Entity, PostEntity
from posts.models.images import ImageSource, PostImage
from posts.models.imports import (
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
)
from posts.models.posts import Post, Revision, Slug, Statistics
from posts.models.review import BulkAction, Decision, ErasureDoor, Event
from posts.models.tags import PostTag, Tag

__all__ = [
    "BulkAction",
    "Counter",
    "CounterDelta",
    "Decision",
    "Entity",
    "ErasureDoor",
    "Event",
    "ImageSource",
    "ImportCheckpoint",
    "ImportReject",
    "ImportRun",
    "ImportSource",
    "ImportedPost",
    "Post",
    "PostEntity",
    "PostImage",
    "PostTag",
    "Revision",
    "Slug",
    "Statistics",
    "Tag",
]
