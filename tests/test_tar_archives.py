"""Archives of Markdown files: read as they come, nothing extracted, nothing that leads outside."""

import gzip
import io
import tarfile
import time

import pytest
import zstandard

from posts.importing import formats
from posts.importing.formats import Input, InputError, archive, markdown
from posts.importing.records import RECORD_BYTES_MAX, Position, validate


def tar(*members, tar_format=tarfile.PAX_FORMAT):
    """Return an archive of (name, content) or of `TarInfo`s."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tar_format) as packed:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                packed.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return data.getvalue()


def entry(name, kind, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in more.items():
        setattr(info, field, value)
    return info


def raws(data, after=None):
    stream = io.BytesIO(data)
    stream.seek(after.end if after else 0)
    return list(markdown.records(stream, Input("site.tar", None, member="site.tar"), after))


def keys(records):
    return [markdown.key_of(raw) for raw in records if not raw.problems]


def reasons(records):
    return [problem.value for raw in records for problem in raw.problems]


POSTS = [(f"notes/{number}.md", f"# Note {number}\n\nText.".encode()) for number in range(5)]


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_are_records_by_their_names(tar_format):
    long_name = f"{'deep/' * 25}ü.md"
    data = tar(
        entry("notes", tarfile.DIRTYPE), *POSTS, ("./" + long_name, b"x"), tar_format=tar_format
    )

    found = raws(data)

    assert keys(found) == [*(name for name, _ in POSTS), long_name]
    assert [raw.position.record for raw in found] == [1, 2, 3, 4, 5, 6]
    record, _ = validate(markdown, found[3])
    assert (record.snapshot.title, record.snapshot.body) == ("Note 3", "Text.")


def test_reading_goes_on_behind_any_member():
    data = tar(POSTS[0], ("style.css", b"a{}"), *POSTS[1:], ("x" * 150 + ".md", b"long"))
    whole = raws(data)

    for number, raw in enumerate(whole, start=1):
        assert raws(data, after=raw.position) == whole[number:]


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, zstandard.compress])
def test_archive_is_recognised_by_its_content(pack, tmp_path):
    """The first bytes are a name, which may look like anything."""
    path = tmp_path / "site"
    path.write_bytes(pack(tar(('{"a": 1}.md', b"# A"), ("| | |.md", b"# B"))))
    (source,) = formats.inputs([str(path)])

    with formats.opened(source) as ready:
        found = list(formats.records(ready))

    assert ready.reader is markdown
    assert keys(found) == ['{"a": 1}.md', "| | |.md"]


def test_what_is_no_post_is_filtered_with_its_reason():
    found = raws(
        tar(
            ("a.css", b"---\ntitle: x\n---\n"),
            ("pic.png", b"\x89PNG"),
            ("LICENSE", b"You may."),
            (".hidden/a.md", b"# A"),
            ("b/._a.md", b"# A"),
            ("_index.md", b"# Section"),
            ("empty.md", b" \n"),
            ("good.md", b"# Good"),
        )
    )

    assert reasons(found) == [
        *("css-file", "png-file", "file-without-ending", "hidden-file", "hidden-file"),
        *("section-page", "empty-file"),
    ]
    assert {p.severity for raw in found for p in raw.problems} == {"filtered"}
    assert keys(found) == ["good.md"]


@pytest.mark.parametrize(
    "member",
    [
        ("/etc/notes.md", b"# A"),
        ("../outside.md", b"# A"),
        ("a/../../outside.md", b"# A"),
        ("a\\..\\outside.md", b"# A"),
        ("C:/outside.md", b"# A"),
        entry("link.md", tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("hard.md", tarfile.LNKTYPE, linkname="notes/0.md"),
        entry("pipe.md", tarfile.FIFOTYPE),
        entry("device.md", tarfile.CHRTYPE, devmajor=1, devminor=5),
    ],
)
def test_member_that_leads_elsewhere_is_left_out(member):
    found = raws(tar(member, POSTS[0]))

    assert keys(found) == ["notes/0.md"]
    assert [problem.severity for problem in found[0].problems] == ["filtered"]


def test_member_that_is_too_large_is_one_reject():
    found = raws(tar(("big.md", b"# A\n" + b" " * RECORD_BYTES_MAX), POSTS[0]))

    assert [p.code for p in found[0].problems] == ["record_too_large"]
    assert len(found[0].raw) <= 1024
    assert keys(found) == ["notes/0.md"]


def damaged_tars():
    sound = tar(*POSTS)
    size = tarfile.TarInfo("x.md")
    size.size = archive.MEMBER_BYTES_MAX + 1
    header = tarfile.TarInfo("long").tobuf()[:-512]
    pax = entry("pax", tarfile.XHDTYPE, size=10**9)
    digits = entry("pax", tarfile.XHDTYPE, size=60_000)
    name = entry("name", tarfile.GNUTYPE_LONGNAME, size=10**9)
    chain = entry("name", tarfile.GNUTYPE_LONGNAME, size=0).tobuf(tarfile.GNU_FORMAT)
    return {
        "cut in a member": (sound[:1_200], "truncated_input"),
        "cut in a header": (sound[:1_300], "truncated_input"),
        "cut before its end mark": (sound[: 1024 * len(POSTS)], "truncated_input"),
        "a header that is none": (sound[:1024] + b"x" * 512 + sound[1536:], "corrupt_input"),
        "a member of half a gigabyte": (size.tobuf() + b"\0" * 4096, "corrupt_input"),
        "extended header of a gigabyte": (pax.tobuf() + b"1" * 4096, "corrupt_input"),
        "digits without end": (digits.tobuf() + b"1" * 60_416, "corrupt_input"),
        "name of a gigabyte": (name.tobuf(tarfile.GNU_FORMAT) + b"a" * 4096, "corrupt_input"),
        "names of names": (chain * 5_000, "corrupt_input"),
        "empty header": (header, "truncated_input"),
    }


@pytest.mark.parametrize("name", [name for name in damaged_tars() if name != "empty header"])
def test_damage_ends_the_archive_with_a_reason(name):
    data, code = damaged_tars()[name]
    began = time.process_time()

    with pytest.raises(InputError) as caught:
        raws(data)

    assert caught.value.problem.code == code
    assert caught.value.problem.retryable is (code == "truncated_input")
    assert time.process_time() - began < 2  # what the parser would take minutes for


def test_members_before_damage_are_read():
    members = markdown.records(io.BytesIO(tar(*POSTS)[:2_100]), Input("site.tar", None))

    assert keys([next(members), next(members)]) == ["notes/0.md", "notes/1.md"]
    with pytest.raises(InputError):
        next(members)


def test_place_of_a_member_is_its_place_in_the_archive():
    data = tar(*POSTS)

    places = [raw.position for raw in raws(data)]

    assert places[1] == Position("site.tar/notes/1.md", 2, 1, 1024, 2048)
    assert data[places[1].byte :].startswith(b"notes/1.md")
