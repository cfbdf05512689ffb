"""The tables of the archive, by concern. Rules that hold on both databases are constraints here."""

from posts.models.claims import ClaimCheck
from posts.models.counters import Counter, CounterDelta
from posts.models.departures import Departure
from posts.models.entities import Entity, PostEntity
from posts.models.findings import Finding
from posts.models.images import (
    ImageSource,
    PostImage,
    Rendition,
    RevisionImage,
    StoredImage,
)
from posts.models.imports import (
    ImportCheckpoint,
    ImportedPost,
    ImportReject,
    ImportRun,
    ImportSource,
    ImportUpload,
)
from posts.models.notes import DraftNote, ErasedAddress, ReaderReport
from posts.models.notices import MailWish, Notice
from posts.models.page_views import PageViews
from posts.models.posts import FormerUrl, Post, Revision, Slug, Statistics
from posts.models.previews import PreviewLink
from posts.models.queue import QueueEntry, RiskWeights, SavedFilter
from posts.models.review import (
    BulkAction,
    BulkItem,
    ChainEnd,
    Decision,
    ErasedEvent,
    ErasureDoor,
    Event,
    Seal,
)
from posts.models.search import SearchEntry, SearchWord
from posts.models.tags import PostTag, Tag
from posts.models.topics import Topic
from posts.models.windows import EditWindow

__all__ = [
    "BulkAction",
    "BulkItem",
    "ChainEnd",
    "ClaimCheck",
    "Counter",
    "CounterDelta",
    "Decision",
    "Departure",
    "DraftNote",
    "EditWindow",
    "Entity",
    "ErasedAddress",
    "ErasedEvent",
    "ErasureDoor",
    "Event",
    "Finding",
    "FormerUrl",
    "ImageSource",
    "ImportCheckpoint",
    "ImportReject",
    "ImportRun",
    "ImportSource",
    "ImportUpload",
    "ImportedPost",
    "MailWish",
    "Notice",
    "PageViews",
    "Post",
    "PostEntity",
    "PostImage",
    "PostTag",
    "PreviewLink",
    "QueueEntry",
    "ReaderReport",
    "Rendition",
    "Revision",
    "RevisionImage",
    "RiskWeights",
    "SavedFilter",
    "Seal",
    "SearchEntry",
    "SearchWord",
    "Slug",
    "Statistics",
    "StoredImage",
    "Tag",
    "Topic",
]
