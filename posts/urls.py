"""Routes of the public site; paths and names are promises to readers and other programs."""

from __future__ import annotations

from django.urls import path

from posts.api import api
from posts.views import (
    archive,
    article,
    dumps,
    feeds,
    llms,
    machine,
    preview,
    search,
    seen,
    sitemaps,
)

urlpatterns = [
    path("", archive.home, name="home"),
    # The two with an ending stand first: a slug has no dot, so neither can shadow a post.
    path("posts/<slug:slug>.md", machine.article_markdown, name="article-markdown"),
    path("posts/<slug:slug>.json", machine.article_json, name="article-json"),
    path("posts/<slug:slug>/", article.article, name="article"),
    path("r/<str:reference>/", archive.reference, name="reference"),
    path("archive/", archive.archive, name="archive"),
    path("tags/", archive.tag_list, name="tag-list"),
    path("tags/<str:slug>/", archive.tag, name="tag"),
    path("entities/<str:type_slug>/<str:slug>/", archive.entity, name="entity"),
    path("search/", search.search, name="search"),
    path("search/suggestions/", search.suggestions, name="search-suggestions"),
    path("preview/<str:token>/", preview.preview, name="preview"),
    path("seen/<int:post_id>/", seen.seen, name="seen"),
    path("feed.atom", feeds.site, {"form": "atom"}, name="feed-atom"),
    path("feed.json", feeds.site, {"form": "json"}, name="feed-json"),
    path("tags/<str:slug>/feed.atom", feeds.tag, {"form": "atom"}, name="tag-feed-atom"),
    path("tags/<str:slug>/feed.json", feeds.tag, {"form": "json"}, name="tag-feed-json"),
    path(
        "entities/<str:type_slug>/<str:slug>/feed.atom",
        feeds.entity,
        {"form": "atom"},
        name="entity-feed-atom",
    ),
    path(
        "entities/<str:type_slug>/<str:slug>/feed.json",
        feeds.entity,
        {"form": "json"},
        name="entity-feed-json",
    ),
    path("sitemap.xml", sitemaps.index, name="sitemap"),
    path("sitemap-<int:number>.xml", sitemaps.shard, name="sitemap-shard"),
    path("llms.txt", llms.llms_txt, name="llms"),
    path("opensearch.xml", machine.opensearch, name="opensearch"),
    path("dumps/", dumps.page, name="dumps"),
    path("dumps/<str:name>", dumps.download, name="dump"),
    path("api/v1/", api.urls),
    path("robots.txt", machine.robots_txt, name="robots"),
]
