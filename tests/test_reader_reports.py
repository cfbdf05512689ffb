"""Problems readers tell of: the form without account, its limits, and what editors make of it."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse

from posts import reader_reports, review
from posts.models import Decision, Post, ReaderReport
from posts.views import reports
from tests.builders import make_post, make_user
from tests.held_posts import import_note

pytestmark = pytest.mark.django_db

BAD = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def no_limits_left_over(monkeypatch):
    monkeypatch.setattr(reports, "AGE_MIN", -1)
    cache.clear()


@pytest.fixture
def post():
    return make_post()


def address(post):
    return f"/posts/{post.slug}/report/"


def send(client, post, *, headers=None, **sent):
    token = re.search(r'name="form" value="([^"]+)"', client.get(address(post)).content.decode())
    sent = {"form": token[1], "text": "A step is missing.", "email": "", "website": "", **sent}
    return client.post(address(post), sent, headers=headers or {})


# --- The form -----------------------------------------------------------------------------------


def test_report_reaches_the_editors_without_account_or_cookie(post):
    client = Client(enforce_csrf_checks=True)

    response = send(client, post)
    thanks = client.get(response["Location"])

    report = ReaderReport.objects.get()
    assert (response.status_code, report.text) == (302, "A step is missing.")
    assert (report.post, report.revision) == (post, post.live_revision)
    assert (report.email, report.state) == ("", "new")
    assert "Thank you" in thanks.content.decode()
    assert not client.cookies


def test_form_is_kept_by_no_cache_and_no_index(client, post):
    response = client.get(address(post))

    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex"


def test_only_listed_notes_take_reports(client):
    for state, status in (("published", 404), ("private", 404), ("archived", 410)):
        assert client.get(address(make_post(state=state))).status_code == status


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"text": ""}, "Say what is wrong"),
        ({"text": "x" * 2001}, "Shorten it to 2,000 characters"),
        ({"email": "not an address"}, "This is no e-mail address"),
        ({"text": "a\x00b"}, "Null characters"),
    ],
)
def test_bad_input_says_what_to_do_and_is_kept(client, post, sent, words):
    response = send(client, post, **{"text": "Kept words.", **sent})
    page = response.content.decode()

    assert response.status_code == 400
    assert words in page
    assert "<title>Error: " in page
    assert "text" in sent or "Kept words." in page
    assert not ReaderReport.objects.exists()


def test_two_thousand_characters_and_an_address_are_taken(client, post):
    send(client, post, text="x" * 2000, email="reader@example.org")

    assert ReaderReport.objects.get().email == "reader@example.org"


def test_robot_that_fills_every_field_learns_nothing(client, post):
    assert send(client, post, website="https://example.org").status_code == 302
    assert not ReaderReport.objects.exists()


@pytest.mark.parametrize("token", ["", "x", "1:2:3"])
def test_form_without_our_mark_is_refused_and_kept(client, post, token):
    response = send(client, post, form=token, text="Kept words.")

    assert response.status_code == 400
    assert "Kept words." in response.content.decode()
    assert not ReaderReport.objects.exists()


def test_form_of_another_note_is_refused(client, post):
    page = client.get(address(make_post())).content.decode()
    token = re.search(r'name="form" value="([^"]+)"', page)[1]

    assert send(client, post, form=token).status_code == 400


def test_form_sent_at_once_is_refused(client, post, monkeypatch):
    monkeypatch.setattr(reports, "AGE_MIN", 60)

    assert send(client, post).status_code == 400


def test_form_left_open_too_long_is_refused(client, post, monkeypatch):
    monkeypatch.setattr(reports, "AGE_MAX", -1)

    assert send(client, post).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, 302),
    ],
)
def test_form_of_another_site_is_refused(client, post, headers, status):
    assert send(client, post, headers=headers).status_code == status


def test_one_network_sends_so_many(client, post):
    for _ in range(reports.ADDRESS_MAX):
        assert send(client, post).status_code == 302

    refused = send(client, post, text="Kept words.")
    other = send(client, post, headers={"X-Forwarded-For": "203.0.113.9"})

    assert refused.status_code == 429
    assert "Kept words." in refused.content.decode()
    assert other.status_code == 302


def test_network_named_by_the_reader_counts_for_nothing(client, post):
    for number in range(reports.ADDRESS_MAX):
        send(client, post, headers={"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9"})

    refused = send(client, post, headers={"X-Forwarded-For": "198.51.100.77, 203.0.113.9"})

    assert refused.status_code == 429


def test_everybody_together_sends_so_many(client, post, monkeypatch):
    monkeypatch.setattr(reader_reports, "HOUR_MAX", 1)

    assert send(client, post).status_code == 302
    assert send(client, post).status_code == 429
    assert ReaderReport.objects.count() == 1


# --- What editors make of it --------------------------------------------------------------------


@pytest.fixture
def mailbox(settings, monkeypatch):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return mail


def report_on(post, **more):
    return reader_reports.take(post=post, text=f"Wrong. {BAD}", **more)


def handle(client, report, **sent):
    return client.post(reverse("admin:reports_one", args=[report.pk]), sent)


@pytest.fixture
def as_reviewer(client):
    client.force_login(make_user("reviewer"))
    return client


def test_list_shows_what_waits_oldest_first_and_escaped(as_reviewer, post):
    first, second = report_on(post), report_on(post)

    response = as_reviewer.get(reverse("admin:reports"))

    assert response.context["reports"] == [first, second]
    assert "<script>alert" not in response.content.decode()


def test_answer_is_mailed_and_the_address_removed(as_reviewer, post, mailbox):
    report = report_on(post, email="reader@example.org")

    handle(as_reviewer, report, do="answer", text="Mended, thank you.")

    report.refresh_from_db()
    assert (report.state, report.email, report.answer) == ("answered", "", "Mended, thank you.")
    (sent,) = mailbox.outbox
    assert sent.to == ["reader@example.org"]
    assert "Mended, thank you." in sent.body


def test_mail_that_does_not_leave_changes_nothing(as_reviewer, post, mailbox, monkeypatch):
    def refuse(self, messages):
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    report = report_on(post, email="reader@example.org")

    response = handle(as_reviewer, report, do="answer", text="Kept words.")

    report.refresh_from_db()
    assert (report.state, report.email) == ("new", "reader@example.org")
    assert response.status_code == 409
    assert "Kept words." in response.content.decode()


def test_answer_without_a_mail_server_is_kept_here_only(as_reviewer, post, settings, capsys):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    report = report_on(post, email="reader@example.org")

    handle(as_reviewer, report, do="answer", text="Kept here.")

    report.refresh_from_db()
    assert (report.state, report.email) == ("answered", "")
    assert "reader@example.org" not in capsys.readouterr().out


def test_answer_and_request_need_words(as_reviewer, post):
    report = report_on(post)

    too_long = {"do": "send_back", "text": "x" * 501}
    for sent in ({"do": "answer"}, {"do": "send_back"}, {"do": "what"}, too_long):
        assert handle(as_reviewer, report, **sent).status_code == 409
    report.refresh_from_db()
    assert report.state == "new"


def test_report_is_dealt_with_once(as_reviewer, post):
    report = report_on(post)
    handle(as_reviewer, report, do="dismiss", text="No mistake.")

    response = handle(as_reviewer, report, do="answer", text="Late.")

    report.refresh_from_db()
    assert (report.state, report.answer) == ("dismissed", "No mistake.")
    assert response.status_code == 409


def test_request_for_changes_takes_the_page_out_of_the_lists(as_reviewer):
    post = make_post()
    report = report_on(post)

    handle(as_reviewer, report, do="send_back", text="A step is missing.")

    report.refresh_from_db()
    post.refresh_from_db()
    assert report.state == "returned"
    assert (post.listed_at, post.approved_revision, post.proposed_revision) == (None, None, None)
    last = Decision.objects.latest("pk")
    assert (last.verdict, last.reason) == ("request_changes", "A step is missing.")
    assert last.revision == report.revision


def test_request_on_a_replaced_version_is_refused_whole(as_reviewer):
    post = import_note()
    reviewer = make_user("reviewer")
    review.act_on_one(action=["approve", "publish"], post=post, by=reviewer, undo_seconds=0)
    report = report_on(post)
    import_note(title="Newer")
    before = Post.objects.values().get(pk=post.pk)

    response = handle(as_reviewer, report, do="send_back", text="A step is missing.")

    assert response.status_code == 409
    assert "Another version" in response.content.decode()
    assert Post.objects.values().get(pk=post.pk) == before
    assert ReaderReport.objects.get().state == "new"
