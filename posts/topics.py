"""Topics by name: what a topic's text says, and the rows behind its page.

In: the text of `Post.topic`. Out: `Topic` rows, made when a post with that text is first counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db.models import Exists, OuterRef
from django.utils.text import slugify

from posts import content, db
from posts.models import CounterDelta, Post, Topic

SEPARATOR = " / "
_WORDS_MAX = 100
_HASH_LENGTH = 10


def parts_of(name: str) -> tuple[str, str]:
    """Return (subject, stack): the documents write a topic as "problem / stack".

    The stack is spelled as its tag is, and empty when the text names none or none that fits.
    """
    subject, separator, stack = name.rpartition(SEPARATOR)
    stack = content.normal_tag(stack)
    if not separator or not subject.strip() or len(stack) > content.TAG_MAX:
        return name, ""
    return subject.strip(), stack


def slug_of(name: str) -> str:
    """Return the address of a topic: its words, and a hash, since two texts may share them."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    words = slugify(name)[:_WORDS_MAX].strip("-_")
    return f"{words}-{digest}" if words else digest


def ids_of(names: Iterable[str]) -> dict[str, int]:
    """Return the ids of topics by name, making those that are missing. Three queries at most."""
    wanted = sorted(set(names))
    found = dict(db.primary_keys(Topic, "name", wanted))
    missing = [name for name in wanted if name not in found]
    if missing:
        rows = [(name, slug_of(name), *parts_of(name)) for name in missing]
        db.insert_missing(Topic, ("name", "slug", "subject", "stack"), rows, use_count="0")
        found |= db.primary_keys(Topic, "name", missing)
    return found


def remove_unused(names: Iterable[str]) -> None:
    """Delete topics by name that no post with a gate has any more, and what was to be counted.

    Three queries. One that a post gets again is made anew.
    """
    has_gate = Post.objects.with_gate().filter(topic=OuterRef("name")).exclude(topic="")
    unused = Topic.objects.filter(~Exists(has_gate), name__in=sorted(set(names) - {""}))
    keys = list(unused.values_list("pk", flat=True))
    CounterDelta.objects.filter(topic__in=keys).delete()
    Topic.objects.filter(pk__in=keys).delete()
