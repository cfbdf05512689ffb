"""The import page: a file is tried, told about, and imported once it is confirmed."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import signal
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from posts.importing import engine, run_facts, uploads
from posts.models import Event, ImportRun, ImportUpload, Post, Revision
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def line(key: str, **fields: Any) -> bytes:
    return json.dumps({"key": key, "title": f"Note {key}", "body": "Text.", **fields}).encode()


def file_of(*lines: bytes, name: str = "notes.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"\n".join((*lines, b"")))


@pytest.fixture
def importer(client):
    user = make_user("importer")
    client.force_login(user)
    return user


def bring(client, *lines: bytes, follow: bool = True, **over: Any):
    form = {"file": file_of(*lines), "source": "notes", "format": "auto", **over}
    return client.post(reverse("admin:import"), form, follow=follow)


def test_a_file_is_tried_first_and_nothing_is_written(client, importer) -> None:
    page = bring(client, line("a"), line("b", difficulty="arcane"), b"{broken").content.decode()

    assert not Post.objects.exists()
    assert not ImportRun.objects.exists()
    assert "What would become of 3 records" in page
    assert "read as jsonl" in page
    assert "notes.jsonl:3 record: bad_json" in page
    assert "Note a" in page  # the first record, as it is understood


def test_confirmed_it_is_imported_as_drafts_by_whoever_brought_it(client, importer) -> None:
    bring(client, line("a"), line("b"), b"{broken")
    upload = ImportUpload.objects.get()

    page = client.post(reverse("admin:import_confirm", args=[upload.pk]), follow=True)

    run = ImportRun.objects.get()
    assert (run.state, run.read, run.created, run.rejected) == ("complete", 3, 2, 1)
    assert run.started_by == importer
    assert run.inputs[0]["file"] == "notes.jsonl"
    assert Post.objects.count() == 2
    assert not Post.objects.visible_to(AnonymousUser()).exists()
    assert "3 of 3 records: done." in page.content.decode()
    assert reverse("admin:posts_importrun_change", args=[run.pk]) in page.content.decode()


def test_when_it_is_imported_nothing_of_the_texts_stays_with_the_upload(client, importer) -> None:
    bring(client, line("a", title="A name to be erased"), line("b", difficulty="strange word"))
    upload = ImportUpload.objects.get()
    assert "A name to be erased" in json.dumps(upload.report)

    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    upload.refresh_from_db()
    assert bytes(upload.content) == b""
    assert "erased" not in json.dumps(upload.report)
    assert "strange" not in json.dumps(upload.report)
    assert uploads.report_of(upload).read == 2


def test_confirmed_twice_it_is_imported_once(client, importer) -> None:
    bring(client, line("a"))
    address = reverse("admin:import_confirm", args=[ImportUpload.objects.get().pk])

    client.post(address)
    client.post(address)

    assert ImportRun.objects.count() == 1
    assert Revision.objects.count() == 1


def test_the_same_file_again_is_said_to_write_nothing(client, importer) -> None:
    bring(client, line("a"))
    client.post(reverse("admin:import_confirm", args=[ImportUpload.objects.get().pk]))

    page = bring(client, line("a")).content.decode()

    assert "An import would write nothing." in page
    assert reverse("admin:import_confirm", args=[ImportUpload.objects.latest("pk").pk]) in page
    assert 'form="confirm"' not in page


def test_forgotten_nothing_is_left(client, importer) -> None:
    bring(client, line("a"))

    page = client.post(
        reverse("admin:import_discard", args=[ImportUpload.objects.get().pk]), follow=True
    )

    assert "Nothing was imported" in page.content.decode()
    assert not ImportUpload.objects.exists()
    assert not Post.objects.exists()


def test_what_is_imported_can_not_be_forgotten(client, importer) -> None:
    bring(client, line("a"))
    upload = ImportUpload.objects.get()
    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    page = client.post(reverse("admin:import_discard", args=[upload.pk]), follow=True)

    assert "its run can be undone" in page.content.decode()
    assert ImportUpload.objects.filter(pk=upload.pk).exists()


def test_a_compressed_file_is_read(client, importer) -> None:
    packed = SimpleUploadedFile("notes.jsonl.gz", gzip.compress(line("a") + b"\n" + line("b")))

    page = bring(client, file=packed).content.decode()

    assert "What would become of 2 records" in page


def test_a_file_too_large_for_a_page_is_told_the_command(client, importer, settings) -> None:
    settings.IMPORT_UPLOAD_MB = 0

    answer = bring(client, line("a"), source="my notes")

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "this page takes 0 MB" in page
    assert "manage.py import_posts notes.jsonl --source &#x27;my notes&#x27; --dry-run" in page
    assert not ImportUpload.objects.exists()


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"source": "local"}, "belongs to posts written here"),
        ({"source": "a/b"}, "a slash"),
        ({"source": "x" * 81}, "81 characters; expected 1 to 80"),
        ({"columns": "papyrus=x"}, "&#x27;papyrus&#x27; is no field"),
        ({"columns": "title=a\ntitle=b"}, "a field twice"),
        ({"format": "papyrus"}, "papyrus is not one of the available choices"),
        ({"file": ""}, "This field is required"),
        ({"file": SimpleUploadedFile("none.jsonl", b"")}, "Choose one that holds posts"),
    ],
)
def test_a_bad_form_says_what_was_expected(client, importer, over, message) -> None:
    answer = bring(client, line("a"), **over)

    assert answer.status_code == 400
    assert message in answer.content.decode()
    assert not ImportUpload.objects.exists()


def test_a_table_is_read_by_the_columns_that_were_named(client, importer) -> None:
    table = SimpleUploadedFile("t.csv", b"Number;Headline;Words\n7;Seven tides;Ebb and flow.\n")

    bring(client, file=table, columns="key=Number\ntitle=Headline\nbody=Words\n")
    upload = ImportUpload.objects.get()
    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    post = Post.objects.get()
    assert (post.title, post.live_revision.body) == ("Seven tides", "Ebb and flow.")
    assert ImportRun.objects.get().options["columns"] == upload.columns


def test_a_file_in_no_known_format_is_told_so(client, importer) -> None:
    picture = SimpleUploadedFile("tide.png", b"\x89PNG\r\n\x1a\n" + bytes(200))

    page = bring(client, file=picture).content.decode()

    assert "in no format that is known here" in page
    assert "unknown_format" in page
    assert 'form="confirm"' not in page


def test_a_file_name_is_shown_as_text(client, importer) -> None:
    name = "<img src=x onerror=alert(1)>.jsonl"

    page = bring(client, file=SimpleUploadedFile(name, line("a"))).content.decode()

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.jsonl" in page


def test_a_busy_source_is_told_and_gone_on_with_later(client, importer, monkeypatch) -> None:
    bring(client, line("a"))
    upload = ImportUpload.objects.get()

    def busy(*args: Any, **more: Any) -> None:
        raise engine.SourceBusyError("Run 7 holds the source 'notes'.")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_import", busy)
        page = client.post(
            reverse("admin:import_confirm", args=[upload.pk]), follow=True
        ).content.decode()
    assert "Run 7 holds the source" in page
    go_on = reverse("admin:import_go_on", args=[upload.pk])
    assert go_on in page

    page = client.post(go_on, follow=True).content.decode()

    assert "1 of 1 records: done." in page
    assert "holds the source" not in page
    assert Post.objects.count() == 1


def test_an_import_that_was_stopped_goes_on_behind_its_last_batch(
    client, importer, monkeypatch
) -> None:
    monkeypatch.setattr("posts.db.batch_size", lambda: 2)
    bring(client, *(line(f"n{number}") for number in range(6)))
    upload = ImportUpload.objects.get()
    uploads.confirm(upload)
    upload.refresh_from_db()

    def stop_after_one(*args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return whole(*args, **more)

    whole = uploads.carry_out
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "carry_out", stop_after_one)
        with pytest.raises(SystemExit) as ended:
            call_command("import_upload", str(upload.pk), stderr=io.StringIO())
    assert ended.value.code == 130
    upload.refresh_from_db()
    first = upload.run
    assert (first.state, upload.content != b"") == ("stopped", True)
    assert 0 < first.created < 6

    out = io.StringIO()
    call_command("import_upload", str(upload.pk), stdout=out)

    upload.refresh_from_db()
    assert upload.run.parent == first
    assert first.created + upload.run.created == 6
    assert upload.run.unchanged == 0


def test_the_command_refuses_what_nobody_confirmed_and_what_is_done(client, importer) -> None:
    bring(client, line("a"))
    upload = ImportUpload.objects.get()
    with pytest.raises(CommandError, match="no confirmed upload"):
        call_command("import_upload", str(upload.pk))
    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    with pytest.raises(CommandError, match="imported before"):
        call_command("import_upload", str(upload.pk))


def test_progress_answers_the_script_with_numbers(client, importer) -> None:
    bring(client, line("a"), b"{broken")
    upload = ImportUpload.objects.get()
    client.post(reverse("admin:import_confirm", args=[upload.pk]))

    facts = client.get(reverse("admin:import_progress", args=[upload.pk])).json()

    assert (facts["state"], facts["done"], facts["total"]) == ("finished", 2, 2)
    assert (facts["changed"], facts["skipped"]) == (1, 1)


def test_findings_of_the_import_stand_in_its_run(client, importer) -> None:
    bring(client, line("a", moon="full"))

    client.post(reverse("admin:import_confirm", args=[ImportUpload.objects.get().pk]))

    found = Event.objects.get(run=ImportRun.objects.get(), kind=run_facts.FINDINGS).data["findings"]
    assert [row[:3] for row in found] == [["warning", "unknown_member", 1]]


def test_pages_cost_the_same_whatever_the_file(client, importer) -> None:
    def cost(*lines: bytes) -> int:
        bring(client, *lines)
        upload = ImportUpload.objects.latest("pk")
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("admin:import_upload", args=[upload.pk]))
        uploads_read = [one["sql"] for one in asked if "posts_importupload" in one["sql"]]
        assert not any('"content"' in sql for sql in uploads_read)
        return len(asked)

    client.get(reverse("admin:import"))
    assert cost(line("a")) == cost(*(line(f"n{number}") for number in range(40)), b"{") <= 6


def test_old_files_that_nobody_confirmed_are_let_go(client, importer) -> None:
    bring(client, line("a"))
    bring(client, line("b"))
    done, old = ImportUpload.objects.order_by("pk")
    client.post(reverse("admin:import_confirm", args=[done.pk]))
    long_ago = timezone.now() - dt.timedelta(days=uploads.KEEP_DAYS + 1)
    ImportUpload.objects.update(created_at=long_ago)
    bring(client, line("c"))

    out = io.StringIO()
    call_command("prune_imports", "--dry-run", stdout=out)
    assert "1 uploads would be deleted." in out.getvalue()
    call_command("prune_imports", stdout=out)

    assert not ImportUpload.objects.filter(pk=old.pk).exists()
    assert ImportUpload.objects.count() == 2
