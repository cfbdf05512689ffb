"""Notices: who is told of returned and held work, how often, and how it leaves as mail."""

from __future__ import annotations

import datetime as dt
import io
import json

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from posts import mailing, notices, review
from posts.bulk import act_on_all
from posts.models import ImportRun, MailWish, Notice, Post
from tests.builders import make_post, make_user
from tests.held_posts import approve, edit, import_note

pytestmark = pytest.mark.django_db


@pytest.fixture
def after_commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def server(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.PUBLIC_URL = "https://notes.example.org"


def send_back(post, by=None, reason="no sources"):
    review.act_on_one(
        action="request_changes", post=post, by=by or make_user("reviewer"), reason=reason
    )


def told(person):
    return [(notices.text_of(one), one.reason) for one in notices.of(person)]


# --- Who is told --------------------------------------------------------------------------------


def test_author_is_told_after_the_commit(after_commit):
    author = make_user("editor")
    post = make_post(state="private")
    revision = edit_by(author, post)

    with after_commit() as callbacks:
        send_back(post)

    assert callbacks
    (line,) = told(author)
    assert line == (f"Your revision of “{revision.title}” was returned.", "no sources")


def edit_by(author, post):
    import msgspec

    from posts import writing

    snapshot = msgspec.structs.replace(post.live_revision.snapshot, body="Another text.")
    return writing.revise(post=post, by=author, snapshot=snapshot, seen=1)


def test_many_of_one_author_at_once_are_one_notice(after_commit):
    author = make_user("editor")
    for _ in range(notices.SINGLY + 1):
        edit_by(author, make_post(state="private"))

    with after_commit():
        act_on_all(
            actions=["reject"], queryset=Post.objects.all(), by=make_user("reviewer"), reason="all"
        )

    assert told(author) == [(f"{notices.SINGLY + 1} of your revisions were returned.", "all")]


def test_nothing_is_told_of_what_was_rolled_back(after_commit):
    author = make_user("editor")
    edit_by(author, post := make_post(state="private"))

    with after_commit() as callbacks, pytest.raises(review.ReviewError):
        review.act_on_one(action="reject", post=post, by=make_user("reviewer"), reason="x" * 501)
    assert not callbacks
    assert not Notice.objects.exists()


def test_whoever_decides_is_not_told_of_it(after_commit):
    reviewer = make_user("reviewer")
    edit_by(reviewer, post := make_post(state="private"))

    with after_commit():
        send_back(post, by=reviewer)

    assert not Notice.objects.exists()


def test_importers_are_told_once_however_many(after_commit):
    importer, closed = make_user("importer"), make_user("importer", is_active=False)
    for number in range(6):
        import_note(f"n-{number}")

    with after_commit():
        act_on_all(
            actions=["reject"], queryset=Post.objects.all(), by=make_user("reviewer"), reason="all"
        )
    import_note("n-7")
    with after_commit():
        send_back(Post.objects.latest("pk"), reason="this one")

    assert told(importer) == [("7 drafts of tide notes were returned by reviewers.", "this one")]
    assert told(closed) == []


def test_person_who_started_the_run_is_told_alone(after_commit):
    importer, other = make_user("importer"), make_user("importer")
    post = import_note()
    ImportRun.objects.update(started_by=importer)

    with after_commit():
        send_back(post)

    assert len(told(importer)) == 1
    assert told(other) == []


def test_importer_is_told_of_what_a_run_holds():
    importer = make_user("importer")
    for number in range(2):
        approve(import_note(f"n-{number}"))
    import_note("n-0", title="Newer")
    import_note("n-1", title="Newer")

    assert told(importer) == [
        ("2 drafts of tide notes are held: people had edited or approved the pages.", "")
    ]


def test_approval_tells_nobody(after_commit):
    make_user("importer")
    edit(post := import_note())

    with after_commit():
        review.act_on_one(action="approve", post=post, by=make_user("reviewer"))

    assert not Notice.objects.exists()


def test_decision_stands_when_nobody_can_be_told(after_commit, monkeypatch):
    def fail(*args):
        raise RuntimeError("no room")

    monkeypatch.setattr(notices, "_write", fail)
    make_user("importer")
    post = import_note()

    with after_commit():
        send_back(post)

    post.refresh_from_db()
    assert post.proposed_revision is None


# --- In the admin -------------------------------------------------------------------------------


@pytest.fixture
def notice():
    importer = make_user("importer", email="importer@example.org")
    approve(import_note("n-0"))
    import_note("n-0", title="Newer")
    return Notice.objects.get(person=importer)


def test_number_beside_the_bell_follows_what_is_read(client, notice):
    client.force_login(notice.person)
    home = reverse("admin:index")
    bell = 'Notices (1<span class="visually-hidden"> unread</span>)'
    assert bell in client.get(home).content.decode()

    client.post(reverse("admin:notices_read"), {"notice": notice.pk})

    assert bell not in client.get(home).content.decode()


def test_number_costs_a_query_a_minute(notice, django_assert_num_queries):
    session, now, person = {}, timezone.now(), notice.person

    def number(after_seconds, *, may_begin=False):
        moment = now + dt.timedelta(seconds=after_seconds)
        return notices.unread_count(person, session, may_begin=may_begin, now=moment)

    with django_assert_num_queries(0):
        assert number(0) == ""
    with django_assert_num_queries(1):
        assert number(0, may_begin=True) == "1"
    with django_assert_num_queries(0):
        assert number(59) == "1"
    with django_assert_num_queries(1):
        assert number(61) == "1"


def test_what_came_after_the_page_stays_unread(client, notice):
    client.force_login(notice.person)
    later = Notice.objects.create(
        **{"person": notice.person, "kind": "returned", "topic": "returned source 0"},
        **{"source": notice.source, "count": 1},
        first_at=timezone.now(),
        last_at=timezone.now(),
    )

    client.post(reverse("admin:notices_read"), {"upto": notice.pk})

    notice.refresh_from_db()
    later.refresh_from_db()
    assert notice.read_at is not None
    assert later.read_at is None


def test_nobody_reads_or_marks_what_is_anothers(client, notice):
    client.force_login(make_user("importer"))

    assert client.get(reverse("admin:notices")).context["lines"] == []
    client.post(reverse("admin:notices_read"), {"notice": notice.pk})
    client.post(reverse("admin:notices_read"), {"upto": notice.pk})

    notice.refresh_from_db()
    assert notice.read_at is None


def test_list_is_escaped(client, after_commit):
    author = make_user("editor")
    edit_by(author, post := make_post(state="private"))
    with after_commit():
        send_back(post, reason="<script>alert(1)</script>")
    client.force_login(author)

    page = client.get(reverse("admin:notices")).content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# --- By mail ------------------------------------------------------------------------------------


def run_command(*arguments, code=0):
    out, err = io.StringIO(), io.StringIO()
    if code:
        with pytest.raises(SystemExit) as end:
            call_command("send_notices", *arguments, stdout=out, stderr=err)
        assert end.value.code == code
    else:
        call_command("send_notices", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_digest_is_one_mail_with_a_way_out(notice, server):
    told_of, _ = run_command()
    (sent,) = mail.outbox

    assert told_of == "1 digests sent, 0 did not leave.\n"
    assert sent.to == ["importer@example.org"]
    assert "1 draft of tide notes is held" in sent.body
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "https://notes.example.org/unsubscribe/" in sent.body


def test_same_news_is_mailed_once_and_more_of_it_again(notice, server):
    run_command()
    run_command()
    assert len(mail.outbox) == 1

    approve(import_note("n-1"))
    import_note("n-1", title="Newer")
    run_command()

    assert len(mail.outbox) == 2


def test_failure_is_kept_and_tried_again(notice, server, monkeypatch):
    working = EmailBackend.send_messages

    def refuse(self, messages):
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    _, said = run_command(code=1)
    wish = MailWish.objects.get(person=notice.person)
    assert (wish.failures, wish.error) == (1, "ConnectionRefusedError: nobody there")
    assert "The next call tries again" in said

    monkeypatch.setattr(EmailBackend, "send_messages", working)
    run_command()

    wish.refresh_from_db()
    assert (wish.failures, wish.error, len(mail.outbox)) == (0, "", 1)


def test_nobody_else_is_mailed(notice, server):
    person = notice.person
    for change in ({"email": ""}, {"is_active": False}):
        kept = {name: getattr(person, name) for name in change}
        type(person).objects.filter(pk=person.pk).update(**change)
        run_command()
        type(person).objects.filter(pk=person.pk).update(**kept)
    mailing.unsubscribe(person)
    run_command()
    mailing.subscribe(person)
    Notice.objects.update(read_at=timezone.now())
    run_command()

    assert mail.outbox == []


def test_nothing_is_sent_without_a_server(notice, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    told_of, said = run_command("--json")

    assert json.loads(told_of) == {"sent": 0, "failed": 0}
    assert "EMAIL_URL names no server" in said


def test_link_of_the_mail_ends_the_mails_and_asks_first(notice):
    client = Client(enforce_csrf_checks=True)
    address = reverse("unsubscribe", args=[mailing.token_of(notice.person)])

    page = client.get(address)
    assert mailing.wants_mail(notice.person)
    client.post(address, {"List-Unsubscribe": "One-Click"})

    assert not mailing.wants_mail(notice.person)
    assert page["X-Robots-Tag"] == "noindex"
    assert notice.person.email not in page.content.decode()
    assert client.post(reverse("unsubscribe", args=["x" * 30])).status_code == 404


def test_mails_are_switched_in_the_admin(client, notice):
    client.force_login(notice.person)

    client.post(reverse("admin:notices_mail"))
    assert not mailing.wants_mail(notice.person)
    client.post(reverse("admin:notices_mail"), {"wants_mail": "on"})
    assert mailing.wants_mail(notice.person)
