"""Wagtail's jobs: build its tables, or publish posts one by one. Runs in `.venv-bench`.

In: DATABASE_URL and, to publish, a JSON file of posts as plain values. Out: one JSON object on
stdout with the posts, the seconds they took and Wagtail's version.
"""

import json
import os
import sys
import time
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.wagtail_site.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from wagtail import __version__  # noqa: E402
from wagtail.models import Page  # noqa: E402

from benchmarks.wagtail_site.models import (  # noqa: E402
    ArticleEntity,
    ArticleImage,
    ArticlePage,
)


def build() -> None:
    """Make Wagtail's tables and those of the page type."""
    call_command("migrate", verbosity=0)


def publish(path: Path) -> dict:
    """Publish every post below the root of the site, one transaction a post."""
    posts = json.loads(path.read_text(encoding="utf-8"))
    parent = Page.objects.get(depth=2)
    connection.ensure_connection()
    began = time.perf_counter()
    for post in posts:
        with transaction.atomic():
            publish_one(parent, post)
    seconds = time.perf_counter() - began
    return {
        "posts": ArticlePage.objects.live().count(),
        "seconds": seconds,
        "version": __version__,
    }


def publish_one(parent: Page, post: dict) -> None:
    columns = {
        name: value for name, value in post["columns"].items() if name not in ("title", "language")
    }
    page = ArticlePage(
        title=post["columns"]["title"],
        slug=post["slug"],
        live=False,
        lede=post["lede"],
        body=post["body"],
        meta=post["meta"],
        statistics=post["statistics"],
        **columns,
    )
    page.tags.set(post["tags"])
    page.entities.set([ArticleEntity(type=kind, name=name) for kind, name, *_ in post["entities"]])
    page.pictures.set([ArticleImage(url=url) for url, _ in post["images"]])
    parent.add_child(instance=page)
    page.save_revision().publish()


def main(arguments: list[str]) -> int:
    if arguments == ["build"]:
        build()
    else:
        sys.stdout.write(json.dumps(publish(Path(arguments[1]))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
