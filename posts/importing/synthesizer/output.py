"""Synthesized articles as files: JSON Lines, one post a line, or text exports, one file a post.

In: articles from `synthesizer`. Out: bytes, files, a `Report`. Files appear under their name only
when complete. Must not know Django, or keep more than a few hundred articles in memory.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import IO

import msgspec

from posts.content import Entity, Flags, Image, Label, Outline, Payload, Score
from posts.importing.synthesizer.articles import Article
from posts.importing.synthesizer.blocks import Figure, Heading, Items, Paragraph, prose_of

#: Lines handed over at once; enough to make writing cheap, little enough to stay small.
CHUNK_LINES = 64
_GZIP_LEVEL = 6
_OTHER_PACKED = (".zst", ".bz2", ".xz", ".zip")
_MARKER = "alphanode post meta"
_TAIL = "Similar Posts"
_BARS = ("", "|\n\n", "| |\n\n", "| | |\n\n")


class OutputRefused(Exception):
    """The output cannot be written as asked; the message says what, got and expected."""


class Report(msgspec.Struct, frozen=True):
    """What was written: posts, bytes of the files as they lie on disk, wall seconds."""

    posts: int
    bytes: int
    seconds: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One post in the order and under the names of the JSON Lines import."""

    key: str
    title: str
    lede: str
    body: str
    language: str
    published_at: str
    topic: str
    summary: str
    ai_outline: Outline
    ai_brief: str
    stack: tuple[str, ...]
    tools: tuple[str, ...]
    tags: tuple[str, ...]
    code_language: str
    difficulty: str
    reading_time: int | None
    view_count: int | None
    score: Score
    revision: Label
    reference: str
    hash: str
    flags: Flags
    checklist: tuple[str, ...]
    entities: tuple[Entity, ...]
    image_sources: tuple[Image, ...]
    payload: Payload
    notes: tuple[str, ...]


_encode = msgspec.json.Encoder().encode


def json_line(article: Article) -> bytes:
    """Return the post as one compact line of UTF-8 JSON with its line feed."""
    meta = article.meta
    return (
        _encode(
            Line(
                key=article.key,
                title=article.title,
                lede=article.lede,
                body=article.body,
                language=meta.language,
                published_at=meta.published_at,
                topic=meta.topic,
                summary=meta.summary,
                ai_outline=meta.ai_outline,
                ai_brief=meta.ai_brief,
                stack=meta.stack,
                tools=meta.tools,
                tags=meta.tags,
                code_language=meta.code_language,
                difficulty=meta.difficulty,
                reading_time=article.statistics.reading_time,
                view_count=article.statistics.view_count,
                score=article.statistics.score,
                revision=meta.revision,
                reference=meta.reference,
                hash=meta.hash,
                flags=meta.flags,
                checklist=meta.checklist,
                entities=meta.entities,
                image_sources=meta.image_sources,
                payload=meta.payload,
                notes=meta.notes,
            )
        )
        + b"\n"
    )


def json_lines(articles: Iterable[Article]) -> Iterator[tuple[int, bytes]]:
    """Yield chunks of JSON Lines as (posts in it, bytes)."""
    lines: list[bytes] = []
    for article in articles:
        lines.append(json_line(article))
        if len(lines) == CHUNK_LINES:
            yield len(lines), b"".join(lines)
            lines.clear()
    if lines:
        yield len(lines), b"".join(lines)


def text_export(article: Article) -> str:
    """Return the post in the grammar of the documents (IMPORT.md 3.1), without a final newline.

    That format has no place for code blocks, tables, quotations, ordered lists and their lead
    sentences, nor for explicit tags, language and publication time: they are left out. Inline
    code loses its backticks, and everything but the tail line is lower-cased.
    """
    bars = _BARS[int(article.meta.hash[:2], 16) % len(_BARS)]
    text = f"{article.title}\n\n{article.lede}\n{_body_text(article)}\n{_MARKER}\n\n"
    return f"{bars}{(text + _meta_text(article)).lower()}\n{_TAIL}"


def _body_text(article: Article) -> str:
    images = article.meta.image_sources
    parts: list[str] = []
    after_list = False
    for block in article.blocks:
        # The documents have no blank line between a list and a figure.
        gap = "" if after_list and isinstance(block, Figure) else "\n"
        after_list = isinstance(block, Items)
        if isinstance(block, Heading):
            parts.append(f"{gap}{block.text}\n")
        elif isinstance(block, Paragraph):
            parts.append(f"{gap}{prose_of(block).replace('`', '')}\n")
        elif isinstance(block, Items):
            parts.append(gap + _bullets(block.items))
        elif isinstance(block, Figure):
            image = images[block.number - 1]
            parts.append(f"{gap}{image.caption}\n{image.caption}. image source: {image.source}\n")
    return "".join(parts)


def _meta_text(article: Article) -> str:
    meta, numbers = article.meta, article.statistics
    parts = [
        f"topic{meta.topic}\nsummary{meta.summary}\nai outline\n",
        _members(meta.ai_outline),
        f"ai brief{meta.ai_brief}\nstack\n{_bullets(meta.stack)}tools\n{_bullets(meta.tools)}",
        f"code language{meta.code_language}\ndifficulty{meta.difficulty}\n",
        f"reading time{numbers.reading_time}\nview count{numbers.view_count}\n",
        f"score\n{_members(numbers.score)}revision\n{_members(meta.revision)}",
        f"reference{meta.reference}\nhash{meta.hash}\nflags\n{_members(meta.flags)}",
        f"checklist\n{_bullets(meta.checklist)}entities\n",
        *(_members(entity, indent=4) for entity in meta.entities),
    ]
    if meta.image_sources:
        parts.append("image sources\n")
        for image in meta.image_sources:
            shown = {"source": image.source, "url": image.url, "caption": image.caption}
            parts.append(_bullets((f"{name}: {text}" for name, text in shown.items()), indent=4))
    parts.append(f"payload\n{_members(meta.payload)}notes\n{_bullets(meta.notes)}")
    return "".join(parts)


def _bullets(items: Iterable[str], *, indent: int = 2) -> str:
    """Return a list as lines of the export; `indent` in spaces."""
    return "".join([f"{' ' * indent}\N{BULLET} {item}\n" for item in items])


def _members(struct: msgspec.Struct, *, indent: int = 2) -> str:
    """Return the members of a map as bullets: names with spaces, flags as 0 and 1."""
    values = [(name, getattr(struct, name)) for name in struct.__struct_fields__]
    return _bullets(
        (
            f"{name.replace('_', ' ')}: {int(value) if isinstance(value, bool) else value}"
            for name, value in values
        ),
        indent=indent,
    )


def write_json_lines(*, articles: Iterable[Article], out: Path, overwrite: bool = False) -> Report:
    """Write JSON Lines to `out`, gzip-packed when its name ends in .gz; return the report.

    The packed bytes hold no time and no file name, so equal posts give equal files. Raises
    `OutputRefused` when `out` exists and may not be replaced.
    """
    started = perf_counter()
    _refuse_unfit(out, overwrite)
    posts = 0
    with _finished_under(out) as part:
        with part.open("wb") as raw, _packed(raw, out) as stream:
            for lines, chunk in json_lines(articles):
                stream.write(chunk)
                posts += lines
        size = part.stat().st_size
        part.replace(out)
    return Report(posts, size, perf_counter() - started)


def write_text_exports(
    *, articles: Iterable[Article], out: Path, overwrite: bool = False
) -> Report:
    """Write a folder with one text export a post, named like its source id; return the report.

    An existing folder is replaced only when allowed and when it holds nothing but such files.
    """
    started = perf_counter()
    if out.suffix == ".gz":
        raise OutputRefused(
            f"Text exports are a folder of files: got {out}, expected a folder name"
        )
    _refuse_unfit(out, overwrite)
    if out.exists() and not _holds_only_exports(out):
        raise OutputRefused(
            f"Will not replace {out}: got a file, or a folder with other files in it, expected a "
            "folder with nothing but alphanode-*.txt"
        )
    posts = size = 0
    with _finished_under(out) as part:
        part.mkdir()
        for article in articles:
            text = text_export(article).encode()
            (part / f"{article.key}.txt").write_bytes(text)
            posts += 1
            size += len(text)
        if out.exists():
            shutil.rmtree(out)
        part.replace(out)
    return Report(posts, size, perf_counter() - started)


def _refuse_unfit(out: Path, overwrite: bool) -> None:
    if out.suffix in _OTHER_PACKED:
        raise OutputRefused(
            f"Cannot pack {out.name}: got {out.suffix}, expected no packing or a name ending in .gz"
        )
    if out.exists() and not overwrite:
        raise OutputRefused(f"{out} exists: nothing was written, expected a new name or --force")
    if not out.parent.is_dir():
        raise OutputRefused(f"No folder for {out.name}: got {out.parent}, expected one that exists")


def _holds_only_exports(folder: Path) -> bool:
    return folder.is_dir() and all(
        entry.name.startswith("alphanode-") and entry.name.endswith(".txt")
        for entry in folder.iterdir()
    )


@contextmanager
def _finished_under(out: Path) -> Iterator[Path]:
    """Give a temporary name beside `out`; remove what is left under it, also when stopped."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _packed(raw: IO[bytes], out: Path) -> AbstractContextManager[io.BufferedIOBase | IO[bytes]]:
    if out.suffix != ".gz":
        return nullcontext(raw)
    return gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0)
