"""What search finds: one narrow row for each listed post, and the words it can spell."""

from __future__ import annotations

from django.db import models

from posts.search.words import TOKEN_MAX


class SearchEntry(models.Model):
    """A post whose gate is set, as search walks, filters and counts it.

    Derived: `posts.search.entries.refresh` makes it from the post. The words themselves stand
    where each database searches best: on PostgreSQL in a column `vector` of this table, on SQLite
    in the table `posts_searchindex`, whose row number is `place`; see `posts.search.database`.
    """

    post = models.OneToOneField(
        "Post", models.PROTECT, related_name="search_entry", primary_key=True
    )
    # No reference: an erasure deletes what refers to a revision, and would look for it here.
    revision = models.PositiveBigIntegerField(
        help_text="Whose words these are; when another one is live, the post is not found."
    )
    place = models.BigIntegerField(
        unique=True, help_text="The order by date: seconds of publication, then the post."
    )
    title_words = models.PositiveSmallIntegerField()
    tags = models.TextField(blank=True, help_text="Primary keys of the tags, between spaces.")
    version = models.PositiveSmallIntegerField(
        help_text="posts.search.words.VERSION it was made by."
    )

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self) -> str:
        return f"search entry of post {self.post_id}"


class SearchWord(models.Model):
    """A word of titles, topics, tags, headings and ledes, as it was written; for spelling."""

    word = models.CharField(max_length=TOKEN_MAX, primary_key=True)

    def __str__(self) -> str:
        return self.word
