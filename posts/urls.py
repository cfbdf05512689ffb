"""Routes of the public site; paths and names are promises to readers and other programs."""

from __future__ import annotations

from django.urls import path

from posts.api import api
from posts.views import (
    archive,
    article,
    card,
    dumps,
    feeds,
    home,
    llms,
    machine,
    pages,
    preview,
    search,
    seen,
    sitemaps,
    subjects,
)

urlpatterns = [
    path("", home.home, name="home"),
    # Those with an ending stand first: a slug has no dot, so none can shadow a post.
    path("posts/<slug:slug>.md", machine.article_markdown, name="article-markdown"),
    path("posts/<slug:slug>.json", machine.article_json, name="article-json"),
    path("posts/<slug:slug>.png", card.article_card, name="article-card"),
    path("posts/<slug:slug>/", article.article, name="article"),
    path("r/<str:reference>/", archive.reference, name="reference"),
    path("archive/", archive.archive, name="archive"),
    path("tags/", subjects.tag_list, name="tag-list"),
    path("tags/<str:slug>/", subjects.tag, name="tag"),
    path("entities/<str:type_slug>/<str:slug>/", subjects.entity, name="entity"),
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
    path("archive/<int:year>/", archive.year, name="archive-year"),
    path("archive/<int:year>/<int:month>/", archive.month, name="archive-month"),
    path("tags/", subjects.tag_list, name="tag-list"),
    path("tags/<str:slug>/", subjects.tag, name="tag"),
    path("topics/<str:slug>/", subjects.topic, name="topic"),
    path("entities/<str:type_slug>/<str:slug>/", subjects.entity, name="entity"),
    path("preview/<str:token>/", preview.preview, name="preview"),
    path("about/", pages.text, {"name": "about"}, name="about"),
    path("about/review/", pages.text, {"name": "about-review"}, name="about-review"),
    path("privacy/", pages.text, {"name": "privacy"}, name="privacy"),
    path("licence/", pages.text, {"name": "licence"}, name="licence"),
    path("style/", pages.style, name="style"),
    path("favicon.ico", pages.favicon, name="favicon"),
    path(".well-known/security.txt", pages.security_txt, name="security-txt"),
    path("robots.txt", machine.robots_txt, name="robots"),
]
