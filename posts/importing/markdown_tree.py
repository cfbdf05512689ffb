"""The archive as a folder of Markdown files, one a post, with its meta as YAML front matter.

In: the database, in bounded pages, and a folder. Out: `<source>/<key>.md`; the same archive gives
the same bytes. No name that came with an import leads out of the folder. Renders nothing: what
images mean in plain Markdown is the caller's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from posts import content
from posts.importing import export
from posts.importing.formats.own_tree import address_in_brackets
from posts.models import ImportedPost
from posts.pictures import Picture
from posts.slugs import short_hash

#: Turns `image:N` of a body into addresses.
Portable = Callable[[str, Sequence[Picture]], str]

#: Names that every file system takes as they are and tells apart whatever its case rules. They
#: hold no dot, so none is a folder above and none is the made name of another.
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
#: Names that are devices to Windows, with any ending.
_DEVICES = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]")
#: What JSON leaves as it is and YAML would read as a line's end, or not at all.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class FolderError(Exception):
    """A folder that is not written to: why, and what to do."""


def write(
    folder: Path, *, portable: Portable, with_statistics: bool = True, force: bool = False
) -> int:
    """Write all posts below a folder, and return how many. Two queries a page of posts.

    The folder is made; its parent has to be there. With `force`, files of the same names are
    replaced and others stay. Raises `FolderError` otherwise for a folder that is not empty, and
    always for links inside that would lead out of it.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder. Name another one.")
    if not folder.parent.is_dir():
        raise FolderError(f"{folder.parent} is no folder. Make it, then run again.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise FolderError(
            f"{folder} is not empty. Nothing was written. Name another folder, or add --force to "
            "replace files of the same names."
        )
    folder.mkdir(exist_ok=True)
    written = 0
    for name, text in _files(portable, with_statistics):
        path = folder / name
        if path.parent.is_symlink():
            raise FolderError(f"{path.parent} is a link. Remove it, then run again.")
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        # A link of this name, left by somebody else, must not be written through.
        unfinished.unlink(missing_ok=True)
        unfinished.write_bytes(text.encode())
        unfinished.replace(path)
        written += 1
    return written


def _files(portable: Portable, with_statistics: bool) -> Iterator[tuple[str, str]]:
    for page in export.pages():
        posts = [identity.post.pk for identity in page if identity.post is not None]
        tags = export.editorial_tags(posts)
        for identity in page:
            if identity.post is not None:
                facts = _facts(identity, tags[identity.post.pk], with_statistics)
                yield (
                    f"{safe_name(identity.source.name)}/{safe_name(identity.key)}.md",
                    front_matter(facts) + _body(identity.post.live_revision.snapshot, portable),
                )


def safe_name(text: str) -> str:
    """Return a file name for a key: itself when it is plain, else its words and a hash after a dot.

    Different keys give different names, also where case or Unicode forms are not told apart.
    """
    if _PLAIN.fullmatch(text) and not _DEVICES.fullmatch(text):
        return text
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())[:60].strip("-")
    return f"{words or 'key'}.{short_hash(text, length=20)}"


def _facts(identity: ImportedPost, editorial: list[str], with_statistics: bool) -> dict[str, Any]:
    post = identity.post
    assert post is not None  # noqa: S101  (the caller passes posts only)
    revision = post.live_revision
    meta = revision.snapshot.meta
    tags = {tag.name for tag in content.tag_names(meta)}.union(editorial)
    facts = {
        "title": revision.title,
        "source": identity.source.name,
        "key": identity.key,
        "slug": post.slug,
        "visibility": post.visibility,
        "lede": revision.lede,
        "tags": sorted(tags),
    }
    stored = {name: revision.meta[name] for name in meta.__struct_fields__ if name in revision.meta}
    stored.pop("tags", None)
    facts |= stored
    if with_statistics:
        facts |= export.statistics_of(post)
    return facts


def front_matter(facts: dict[str, Any]) -> str:
    """Return values between two lines of `---`, a name a line: JSON values, which are YAML too."""
    lines = (f"{name}: {_value(value)}\n" for name, value in facts.items())
    return "---\n" + "".join(lines) + "---\n"


def _value(value: Any) -> str:
    encoded = json.dumps(value, ensure_ascii=False, sort_keys=True)
    # These stand in strings only, where YAML knows the escape as well.
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded)


def _body(snapshot: content.Snapshot, portable: Portable) -> str:
    if not snapshot.body:
        return ""
    pictures = [
        replace(Picture.of(image), url=address_in_brackets(image.url))
        for image in snapshot.meta.image_sources
    ]
    return f"\n{portable(snapshot.body, pictures)}\n"
