"""Saving over a newer revision: what it changed, what the person changed, and both together.

In: a form that was refused as stale. Out: the values of `admin/posts/_stale.html`, or the texts of
a form that holds both sides' changes. Two queries for the revisions. Saves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posts import merging
from posts.admin.timeline import where_from
from posts.models import Post, Revision

if TYPE_CHECKING:
    from posts.admin.forms import PostForm


class Clash:
    """What a person typed over revision `seen`, and the newest one, which came meanwhile."""

    def __init__(self, post: Post, form: PostForm, seen: int) -> None:
        rows = post.revisions.select_related("author", "run__source")
        self.newest: Revision = rows.newest_first()[0]
        self.seen: Revision | None = rows.filter(number=seen).first()
        self.source = where_from(self.newest)
        self.merge = merging.three_way(
            self.seen.snapshot if self.seen is not None else None,
            form.snapshot(),
            self.newest.snapshot,
        )

    @property
    def fields(self) -> tuple[merging.MergeField, ...]:
        """The fields of which either side changed something, in the order of the page."""
        return self.merge.fields

    def together(self, form: PostForm) -> tuple[dict[str, Any], list[str]]:
        """Return the form's texts with both sides' changes, and the labels of what clashed.

        Where both changed one field differently and their changes cannot both be taken, the
        person's own stays.
        """
        choices, clashed = {}, []
        for field in self.fields:
            if field.is_open and not field.default:
                choices[field.name] = (
                    merging.BOTH if merging.BOTH in field.choices else merging.OURS
                )
                if choices[field.name] == merging.OURS:
                    clashed.append(field.label)
        return form.values_of(self.merge.merged(choices)), clashed
