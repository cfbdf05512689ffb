"""Dumps: what they hold, that equal content is equal bytes, interruptions, how they are served."""

import datetime as dt
import fcntl
import gc
import gzip
import hashlib
import io
import json
import subprocess
import time
import tracemalloc

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from posts import dumps, review, writing
from posts.importing import erasure
from posts.management.commands import write_dumps
from posts.models import Post
from tests.builders import make_post, make_snapshot, make_user
from tests.bulk_archive import fill_archive, name_archive

pytestmark = pytest.mark.django_db

MARCH = dt.datetime(2026, 3, 31, 23, 59, 59, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


@pytest.fixture
def folder(settings, tmp_path):
    settings.DUMPS_FOLDER = tmp_path / "dumps"
    return settings.DUMPS_FOLDER


def write(*arguments):
    """Run the command; return what it says of each month."""
    out = io.StringIO()
    call_command("write_dumps", *arguments, stdout=out, stderr=io.StringIO())
    return dict(line.split(": ", 1) for line in out.getvalue().splitlines())


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def names(folder):
    return sorted(path.name for path in folder.glob("notes-*"))


def state(folder):
    """Return the bytes and the time of every dump."""
    paths = folder.glob("notes-*")
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_each_month_holds_the_posts_listed_in_it(folder):
    posts = [make_post(now=moment) for moment in (MARCH, APRIL, APRIL)]
    make_post(state="published", now=APRIL)

    said = write()

    assert names(folder) == ["notes-2026-03.jsonl.gz", "notes-2026-04.jsonl.gz"]
    assert list(said) == ["2026-03", "2026-04"]
    march, april = (lines(folder / name) for name in names(folder))
    assert [line["slug"] for line in march] == [posts[0].slug]
    assert [line["slug"] for line in april] == [posts[1].slug, posts[2].slug]
    assert march[0]["body"] == posts[0].live_revision.body
    assert march[0]["claimed"]["difficulty"] == "intermediate"
    assert march[0]["disclosure"]["text"].endswith("reviewed by a reviewer on 31 March 2026.")
    assert march[0]["id"] != april[0]["id"]


def test_the_checksums_are_those_that_sha256sum_finds(folder):
    make_post(now=MARCH)
    make_post(now=APRIL)

    write()

    subprocess.run(["sha256sum", "--check", "--quiet", dumps.SUMS], cwd=folder, check=True)
    for dump in dumps.read_index(folder).dumps:
        body = (folder / dump.name).read_bytes()
        assert (dump.bytes, dump.posts) == (len(body), 1)
        assert dump.sha256 == hashlib.sha256(body).hexdigest()


def test_equal_content_gives_equal_bytes_at_another_time(folder, settings, tmp_path):
    make_post(now=MARCH)
    write()
    first = {name: body for name, (body, _) in state(folder).items()}

    settings.DUMPS_FOLDER = tmp_path / "again"
    write("--fresh")

    assert {name: body for name, (body, _) in state(settings.DUMPS_FOLDER).items()} == first
    assert next(iter(first.values()))[4:8] == b"\0\0\0\0", "no time in the header"


def test_a_post_that_was_erased_or_taken_back_leaves_all_files(folder):
    admin = make_user("superuser")
    erased, archived, withdrawn, edited, stays = (make_post(now=MARCH) for _ in range(5))
    alone = make_post(now=APRIL)
    write()

    erasure.erase(post_ids=[erased.pk, alone.pk], by=admin, reason="Asked for.")
    review.act_on_one(action="archive", post=archived, by=admin)
    review.act_on_one(action="withdraw", post=withdrawn, by=admin, reason="Wrong.")
    Post.objects.filter(pk=edited.pk).update(archive_at=timezone.now())
    write()

    assert names(folder) == ["notes-2026-03.jsonl.gz"]
    assert [line["slug"] for line in lines(folder / "notes-2026-03.jsonl.gz")] == [stays.slug]
    assert [dump.month for dump in dumps.read_index(folder).dumps] == ["2026-03"]
    assert "2026-04" not in (folder / dumps.SUMS).read_text()


def test_a_second_run_without_a_change_writes_nothing(folder):
    make_post(now=MARCH)
    write()
    before = state(folder)

    assert write() == {"2026-03": "is current"}
    assert state(folder) == before
    assert write("--fresh") != {"2026-03": "is current"}
    assert {name: body for name, (body, _) in state(folder).items()} == {
        name: body for name, (body, _) in before.items()
    }


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_file_that_is_not_whole_is_written_again(folder, damage):
    make_post(now=MARCH)
    write()
    path = folder / "notes-2026-03.jsonl.gz"
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut off":
        path.write_bytes(whole[:-1])

    write()

    assert path.read_bytes() == whole


def test_an_interrupted_run_goes_on_and_leaves_nothing_half(folder, monkeypatch):
    for moment in (MARCH, APRIL):
        make_post(now=moment)
    encode = write_dumps.lines

    def stops_in_april(posts):
        for line in encode(posts):
            if line["published_at"] >= APRIL:
                raise KeyboardInterrupt
            yield line

    monkeypatch.setattr(write_dumps, "lines", stops_in_april)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert names(folder) == ["notes-2026-03.jsonl.gz", "notes-2026-04.jsonl.gz.part"]
    assert [dump.month for dump in dumps.read_index(folder).dumps] == ["2026-03"]

    monkeypatch.setattr(write_dumps, "lines", encode)
    said = write()

    assert said["2026-03"] == "is current"
    assert said["2026-04"] == f"1 posts, {len((folder / names(folder)[1]).read_bytes())} bytes"
    assert names(folder) == ["notes-2026-03.jsonl.gz", "notes-2026-04.jsonl.gz"]


def test_an_interrupted_run_begins_anew_when_something_has_changed(folder):
    post = make_post(now=MARCH)
    stays = make_post(now=MARCH)
    write()

    review.act_on_one(action="archive", post=post, by=make_user("publisher"))
    said = write()

    assert said["2026-03"] != "is current"
    assert [line["slug"] for line in lines(folder / "notes-2026-03.jsonl.gz")] == [stays.slug]


def test_only_one_run_writes(folder):
    folder.mkdir()
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(CommandError, match="Another run is writing"):
            write()


def test_a_folder_that_cannot_be_written_is_told(settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.DUMPS_FOLDER = tmp_path / "file" / "dumps"

    with pytest.raises(CommandError, match="Set DUMPS_FOLDER"):
        write()


def test_a_full_disk_leaves_what_was_there(folder, monkeypatch):
    make_post(now=MARCH)
    write()
    before = state(folder)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posts.dumps.os.fsync", full)
    with pytest.raises(CommandError, match="make room, then run again"):
        write("--fresh")

    assert state(folder) == before
    assert not list(folder.glob("*.part"))


def test_readers_get_the_files_of_the_index_and_no_others(client, folder):
    make_post(now=MARCH)
    empty = client.get("/dumps/").content.decode()
    write()

    page = client.get("/dumps/").content.decode()
    dump = client.get("/dumps/notes-2026-03.jsonl.gz")
    sums = client.get(f"/dumps/{dumps.SUMS}")

    assert "No dump has been written yet." in empty
    assert 'href="/dumps/notes-2026-03.jsonl.gz"' in page
    body = dump.getvalue()
    assert body == (folder / "notes-2026-03.jsonl.gz").read_bytes()
    assert dump.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in dump.headers
    assert 'filename="notes-2026-03.jsonl.gz"' in dump.headers["Content-Disposition"]
    assert sums.content == (folder / dumps.SUMS).read_bytes()
    etag = dump.headers["ETag"]
    again = client.get("/dumps/notes-2026-03.jsonl.gz", headers={"If-None-Match": etag})
    assert again.status_code == 304
    for name in (".lock", dumps.INDEX, "notes-2026-04.jsonl.gz", "..%2Fmanage.py", "%00"):
        assert client.get(f"/dumps/{name}").status_code == 404, name


def status_of(client, address, **headers):
    response = client.get(address, headers=headers)
    response.getvalue()  # reading a file to its end closes it
    return response.status_code


def leave_by(way, post):
    admin = make_user("superuser")
    if way == "erased":
        erasure.erase(post_ids=[post.pk], by=admin, reason="Asked for.")
    elif way == "approved anew":
        writing.revise(post=post, by=make_user("editor"), snapshot=make_snapshot(), seen=1)
        review.act_on_one(action="approve", post=post, by=admin, undo_seconds=0)
    elif way == "past its end":
        ends = timezone.now() + dt.timedelta(milliseconds=1)
        review.act_on_one(action="schedule", post=post, by=admin, archive_at=ends)
        time.sleep(0.01)
    else:
        review.act_on_one(action=way, post=post, by=admin, reason="Wrong.")


@pytest.mark.parametrize(
    "way", ["archive", "unpublish", "withdraw", "erased", "approved anew", "past its end"]
)
def test_a_file_is_not_offered_while_it_holds_what_has_left(client, folder, way):
    post = make_post(now=MARCH)
    make_post(now=MARCH)
    make_post(now=APRIL)
    write()
    addresses = ["/dumps/notes-2026-03.jsonl.gz", "/dumps/notes-2026-04.jsonl.gz"]
    assert [status_of(client, address) for address in addresses] == [200, 200]
    etag = f'"{hashlib.sha256(dumps.read_index(folder).dumps[1].sha256.encode()).hexdigest()[:32]}"'
    assert status_of(client, addresses[0], **{"If-None-Match": etag}) == 304

    leave_by(way, post)

    assert [status_of(client, address) for address in addresses] == [404, 200]
    assert status_of(client, addresses[0], **{"If-None-Match": etag}) == 404
    page = client.get("/dumps/").text
    assert [address in page for address in addresses] == [False, True]
    assert "have to be written anew" in page
    assert client.get(f"/dumps/{dumps.SUMS}").text.count("\n") == 1
    write()
    assert [status_of(client, address) for address in addresses] == [200, 200]
    assert "have to be written anew" not in client.get("/dumps/").text


def test_what_only_changes_leaves_no_file(client, folder):
    post = make_post(now=MARCH)
    write()

    writing.set_editorial_tags(post=post, by=make_user("editor"), names=["tides"])
    writing.change_slug(post=post, by=make_user("editor"), slug="another-address")
    ends = timezone.now() + dt.timedelta(days=1)
    review.act_on_one(action="schedule", post=post, by=make_user("publisher"), archive_at=ends)

    assert status_of(client, "/dumps/notes-2026-03.jsonl.gz") == 200


def test_an_index_of_before_is_not_offered(client, folder):
    """It does not say when its files were made."""
    make_post(now=MARCH)
    write()
    index = json.loads((folder / dumps.INDEX).read_text())
    for dump in index["dumps"]:
        del dump["made_at"]
    (folder / dumps.INDEX).write_text(json.dumps(index))

    assert status_of(client, "/dumps/notes-2026-03.jsonl.gz") == 404
    write()
    assert status_of(client, "/dumps/notes-2026-03.jsonl.gz") == 200


def test_what_is_offered_is_asked_once_however_many_files_there_are(
    client, folder, django_assert_num_queries
):
    make_post(now=MARCH)
    make_post(now=APRIL)
    write()

    for address in ("/dumps/", f"/dumps/{dumps.SUMS}", "/dumps/notes-2026-03.jsonl.gz"):
        with django_assert_num_queries(1):
            assert status_of(client, address) == 200


def test_a_file_that_is_gone_is_not_found(client, folder):
    make_post(now=MARCH)
    write()
    (folder / "notes-2026-03.jsonl.gz").unlink()

    assert client.get("/dumps/notes-2026-03.jsonl.gz").status_code == 404


def test_pages_of_a_month_meet_without_gap(folder, monkeypatch):
    monkeypatch.setattr(dumps, "PAGE", 2)
    slugs = [make_post(now=MARCH).slug for _ in range(5)]

    write()

    found = [line["slug"] for line in lines(folder / "notes-2026-03.jsonl.gz")]
    assert found == slugs, "equal moments in order of id"


def test_the_bytes_do_not_depend_on_the_order_of_claims(folder):
    make_post(snapshot=make_snapshot(extra={"b": {"y": 1, "x": 2}, "a": 3}), now=MARCH)

    write()

    with gzip.open(folder / "notes-2026-03.jsonl.gz", "rt", encoding="utf-8") as file:
        text = file.read().rstrip("\n")
    ordered = json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    assert text == ordered.replace('": ', '":').replace(', "', ',"').replace("}, {", "},{")


@pytest.mark.long
def test_memory_does_not_grow_with_the_archive(folder):
    fill_archive(3_000)
    name_archive()
    held = []

    def measured(posts):
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
        return write_dumps.lines(posts)

    tracemalloc.start()
    index = dumps.write(folder, encode=measured, now=timezone.now(), report=lambda *told: None)
    tracemalloc.stop()

    assert sum(dump.posts for dump in index.dumps) == 3_000
    assert len(held) >= 3_000 / dumps.PAGE
    # Caches fill with the first pages; after that a page is all that is held.
    assert held[-1] < 1.1 * max(held[:3]), held
