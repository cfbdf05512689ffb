"""The same posts as files of every format that can be imported, as other programs write them.

In: a file of records that the synthesizer wrote. Out: a file or a folder per format, written record
by record. Texts of formats that hold HTML are the Markdown as a site would show it.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from tarfile import TarFile, TarInfo
from typing import Any

from posts.commonmark import parser_for

SITE = "https://notes.example"
#: Posts of one feed, which is read as a whole and may have a few megabytes.
OF_A_FEED = 100
_IMAGE = re.compile(r"\(image:(\d+)\)")

Record = dict[str, Any]


def records(file: Path) -> Iterator[Record]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            yield {**json.loads(line), "number": number}


def markdown_of(record: Record) -> str:
    """Return the text with the addresses of its images, which only this site numbers."""
    sources = record["image_sources"]
    return _IMAGE.sub(lambda found: f"({sources[int(found[1]) - 1]['url']})", record["body"])


def html_of(record: Record) -> str:
    text = markdown_of(record)
    return parser_for(text).render(text)


def _slug(record: Record) -> str:
    return f"note-{record['number']}"


def _date(record: Record) -> str:
    date: str = record["published_at"]
    return date


def _wxr(posts: Iterable[Record], path: Path) -> None:
    spaces = {
        "excerpt": "http://wordpress.org/export/1.2/excerpt/",
        "content": "http://purl.org/rss/1.0/modules/content/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "wp": "http://wordpress.org/export/1.2/",
    }
    declared = " ".join(f'xmlns:{name}="{address}"' for name, address in spaces.items())
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8" ?>\n<rss version="2.0" {declared}>\n<channel>\n'
            f"<title>Notes</title>\n<link>{SITE}</link>\n<language>en-US</language>\n"
            f"<wp:wxr_version>1.2</wp:wxr_version>\n<wp:base_blog_url>{SITE}</wp:base_blog_url>\n"
        )
        for post in posts:
            date = _date(post).replace("T", " ").rstrip("Z")
            terms = "".join(
                f'<category domain="post_tag" nicename="t"><![CDATA[{tag}]]></category>\n'
                for tag in post["tags"]
            )
            file.write(
                f"<item>\n<title>{html.escape(post['title'])}</title>\n"
                f"<link>{SITE}/{_slug(post)}/</link>\n<dc:creator><![CDATA[ada]]></dc:creator>\n"
                f'<guid isPermaLink="false">{SITE}/?p={post["number"]}</guid>\n'
                f"<content:encoded><![CDATA[{html_of(post)}]]></content:encoded>\n"
                f"<excerpt:encoded><![CDATA[{post['summary']}]]></excerpt:encoded>\n"
                f"<wp:post_id>{post['number']}</wp:post_id>\n"
                f"<wp:post_date><![CDATA[{date}]]></wp:post_date>\n"
                f"<wp:post_date_gmt><![CDATA[{date}]]></wp:post_date_gmt>\n"
                f"<wp:post_name><![CDATA[{_slug(post)}]]></wp:post_name>\n"
                "<wp:status><![CDATA[publish]]></wp:status>\n"
                f"<wp:post_type><![CDATA[post]]></wp:post_type>\n{terms}</item>\n"
            )
        file.write("</channel>\n</rss>\n")


def _front_matter(post: Record) -> str:
    head = "".join(
        f"{name}: {json.dumps(value)}\n"
        for name, value in (
            ("title", post["title"]),
            ("date", _date(post)),
            ("slug", _slug(post)),
            ("description", post["summary"]),
            ("tags", post["tags"]),
        )
    )
    return f"---\n{head}---\n\n{markdown_of(post)}\n"


def _markdown_folder(posts: Iterable[Record], path: Path) -> None:
    path.mkdir()
    for post in posts:
        (path / f"{_slug(post)}.md").write_text(_front_matter(post), encoding="utf-8")


def _markdown_tar(posts: Iterable[Record], path: Path) -> None:
    with closing(TarFile(path, "w")) as archive:
        for post in posts:
            data = _front_matter(post).encode()
            member = TarInfo(f"posts/{_slug(post)}.md")
            member.size = len(data)
            archive.addfile(member, BytesIO(data))


def _ghost(posts: Iterable[Record], path: Path) -> None:
    tags: dict[str, str] = {}
    uses = []
    with path.open("w", encoding="utf-8") as file:
        file.write('{"db": [{"meta": {"version": "5.80.0"}, "data": {"posts": [\n')
        for post in posts:
            row = {
                "id": f"{post['number']:024x}",
                "title": post["title"],
                "slug": _slug(post),
                "html": html_of(post),
                "type": "post",
                "status": "published",
                "published_at": _date(post),
                "custom_excerpt": post["summary"],
            }
            file.write((",\n" if post["number"] > 1 else "") + json.dumps(row))
            for order, name in enumerate(post["tags"]):
                number = tags.setdefault(name, f"t{len(tags)}")
                uses.append({"post_id": row["id"], "tag_id": number, "sort_order": order})
        named = [{"id": number, "name": name} for name, number in tags.items()]
        file.write(f'\n], "tags": {json.dumps(named)}, "posts_tags": {json.dumps(uses)}}}}}]}}\n')


def _csv(posts: Iterable[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "title", "slug", "date", "tags", "summary", "body_html"])
        for post in posts:
            head = [post["key"], post["title"], _slug(post), _date(post), ", ".join(post["tags"])]
            table.writerow([*head, post["summary"], html_of(post)])


def _feeds(posts: Iterable[Record], path: Path) -> None:
    path.mkdir()
    rest = iter(posts)
    for number in count(1):
        if not (some := list(islice(rest, OF_A_FEED))):
            return
        _feed(some, path / f"{number}.atom")


def _feed(posts: Iterable[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
            f"<title>Notes</title><id>{SITE}/</id><updated>2026-01-01T00:00:00Z</updated>\n"
        )
        for post in posts:
            terms = "".join(f'<category term="{html.escape(tag)}"/>' for tag in post["tags"])
            file.write(
                f"<entry><title>{html.escape(post['title'])}</title>"
                f"<id>{SITE}/{_slug(post)}</id>"
                f'<link href="{SITE}/{_slug(post)}/"/><published>{_date(post)}</published>'
                f"<updated>{_date(post)}</updated><summary>{html.escape(post['summary'])}</summary>"
                f'{terms}<content type="html">{html.escape(html_of(post))}</content></entry>\n'
            )
        file.write("</feed>\n")


def _html_pages(posts: Iterable[Record], path: Path) -> None:
    path.mkdir()
    for post in posts:
        title = html.escape(post["title"])
        (path / f"{_slug(post)}.html").write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="description" content="{html.escape(post["summary"])}">'
            f'<meta property="article:published_time" content="{_date(post)}"></head><body>'
            '<header><nav><a href="/">Home</a> <a href="/about">About</a></nav></header>'
            f"<main><article><h1>{title}</h1>\n{html_of(post)}</article></main>"
            "<footer><p>Notes of a site.</p></footer></body></html>\n",
            encoding="utf-8",
        )


def _own(posts: Iterable[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for post in posts:
            file.write(json.dumps({name: post[name] for name in post if name != "number"}) + "\n")


#: What the tables call it -> (name of the file or folder, what writes it).
FORMATS: dict[str, tuple[str, Callable[[Iterable[Record], Path], None]]] = {
    "jsonl": ("notes.jsonl", _own),
    "wxr": ("notes.xml", _wxr),
    "markdown, folder": ("markdown", _markdown_folder),
    "markdown, tar": ("notes.tar", _markdown_tar),
    "ghost": ("ghost.json", _ghost),
    "csv": ("notes.csv", _csv),
    "feed": ("feeds", _feeds),
    "html": ("html", _html_pages),
}


def write(name: str, posts: Iterable[Record], folder: Path) -> Path:
    """Write posts in a format into a folder; return the file or folder to import."""
    file_name, fill = FORMATS[name]
    path = folder / file_name
    fill(posts, path)
    return path
