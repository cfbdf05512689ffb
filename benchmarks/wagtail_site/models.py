"""The page type that holds what a post of this project holds."""

from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey
from taggit.models import TaggedItemBase
from wagtail.models import Orderable, Page


class ArticleTag(TaggedItemBase):
    content_object = ParentalKey(
        "ArticlePage", on_delete=models.CASCADE, related_name="tagged_items"
    )


class ArticlePage(Page):
    """One article: the same columns, text, meta box, tags, entities and images."""

    topic = models.CharField(max_length=600, blank=True)
    difficulty = models.CharField(max_length=100, blank=True)
    code_language = models.CharField(max_length=100, blank=True)
    reference = models.CharField(max_length=100, blank=True, db_index=True)
    reading_minutes = models.PositiveIntegerField(default=1)
    lede = models.TextField(blank=True)
    body = models.TextField(blank=True)
    meta = models.JSONField(default=dict)
    statistics = models.JSONField(default=dict)
    tags = ClusterTaggableManager(through=ArticleTag, blank=True)


class ArticleEntity(Orderable):
    page = ParentalKey(ArticlePage, on_delete=models.CASCADE, related_name="entities")
    type = models.CharField(max_length=60)
    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class ArticleImage(Orderable):
    page = ParentalKey(ArticlePage, on_delete=models.CASCADE, related_name="pictures")
    url = models.CharField(max_length=2000)

    def __str__(self) -> str:
        return self.url
