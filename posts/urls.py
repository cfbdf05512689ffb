"""Routes of the public site; paths and names are promises to readers and other programs."""

from __future__ import annotations

from django.urls import path

from posts.views import archive, article, machine, preview, seen

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
    path("preview/<str:token>/", preview.preview, name="preview"),
    path("seen/<int:post_id>/", seen.seen, name="seen"),
    path("robots.txt", machine.robots_txt, name="robots"),
]
