"""Routes of the public site; paths and names are promises to readers and other programs."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from posts.api import api
from posts.views import (
    archive,
    article,
    card,
    dumps,
    feeds,
    home,
    images,
    llms,
    machine,
    pages,
    preview,
    provenance,
    reports,
    revisions,
    search,
    seen,
    sitemaps,
    subjects,
)


class NameConverter(StringConverter):
    """A part of an address that is looked up: any text PostgreSQL does not refuse to be asked."""

    regex = r"[^/\x00]+"


class DigestConverter(StringConverter):
    """A SHA-256 in hexadecimal: what stored images are called."""

    regex = "[0-9a-f]{64}"


register_converter(NameConverter, "name")
register_converter(DigestConverter, "digest")

urlpatterns = [
    path("", home.home, name="home"),
    # Those with an ending stand first: a slug has no dot, so none can shadow a post.
    path("posts/<slug:slug>.md", machine.article_markdown, name="article-markdown"),
    path("posts/<slug:slug>.json", machine.article_json, name="article-json"),
    path("posts/<slug:slug>.png", card.article_card, name="article-card"),
    path("posts/<slug:slug>/", article.article, name="article"),
    path("posts/<slug:slug>/provenance/", provenance.provenance, name="provenance"),
    path("posts/<slug:slug>/provenance.json", provenance.provenance_json, name="provenance-json"),
    path("posts/<slug:slug>/revisions/", revisions.revisions, name="revisions"),
    path("posts/<slug:slug>/revisions/<int:number>/", revisions.revision, name="revision"),
    path("posts/<slug:slug>/report/", reports.report, name="report"),
    path("r/<name:reference>/", archive.reference, name="reference"),
    path("archive/", archive.archive, name="archive"),
    path("archive/<int:year>/", archive.year, name="archive-year"),
    path("archive/<int:year>/<int:month>/", archive.month, name="archive-month"),
    path("tags/", subjects.tag_list, name="tag-list"),
    path("tags/<name:slug>/", subjects.tag, name="tag"),
    path("topics/<name:slug>/", subjects.topic, name="topic"),
    path("entities/<name:type_slug>/<name:slug>/", subjects.entity, name="entity"),
    path("search/", search.search, name="search"),
    path("search/suggestions/", search.suggestions, name="search-suggestions"),
    path("preview/<str:token>/", preview.preview, name="preview"),
    path(
        "preview/<str:token>/images/<digest:digest>/<int:width>.<str:form>",
        images.preview_image,
        name="preview-image",
    ),
    path("images/<digest:digest>/<int:width>.<str:form>", images.image, name="image"),
    path("seen/<int:post_id>/", seen.seen, name="seen"),
    path("unsubscribe/<str:token>/", reports.unsubscribe, name="unsubscribe"),
    path("about/", pages.text, {"name": "about"}, name="about"),
    path("about/review/", pages.text, {"name": "about-review"}, name="about-review"),
    path("privacy/", pages.text, {"name": "privacy"}, name="privacy"),
    path("licence/", pages.text, {"name": "licence"}, name="licence"),
    path("style/", pages.style, name="style"),
    path("favicon.ico", pages.favicon, name="favicon"),
    path(".well-known/security.txt", pages.security_txt, name="security-txt"),
    path("robots.txt", machine.robots_txt, name="robots"),
    path("feed.atom", feeds.site, {"form": "atom"}, name="feed-atom"),
    path("feed.json", feeds.site, {"form": "json"}, name="feed-json"),
    path("tags/<name:slug>/feed.atom", feeds.tag, {"form": "atom"}, name="tag-feed-atom"),
    path("tags/<name:slug>/feed.json", feeds.tag, {"form": "json"}, name="tag-feed-json"),
    path(
        "entities/<name:type_slug>/<name:slug>/feed.atom",
        feeds.entity,
        {"form": "atom"},
        name="entity-feed-atom",
    ),
    path(
        "entities/<name:type_slug>/<name:slug>/feed.json",
        feeds.entity,
        {"form": "json"},
        name="entity-feed-json",
    ),
    path("sitemap.xml", sitemaps.index, name="sitemap"),
    path("sitemap-<int:number>.xml", sitemaps.shard, name="sitemap-shard"),
    path("llms.txt", llms.llms_txt, name="llms"),
    path("opensearch.xml", machine.opensearch, name="opensearch"),
    path("dumps/", dumps.page, name="dumps"),
    path("dumps/<name:name>", dumps.download, name="dump"),
    path("api/v1/", api.urls),
]
