"""Findings: what of a source was sent back, what closes it, how it leaves as a report."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from posts import findings, generator_report, notes, review, writing
from posts.bulk import act_on_all
from posts.generator_report import Wanted
from posts.importing.undo import undo_run
from posts.models import Decision, Finding, ImportRun, ImportSource, Post
from tests.builders import make_post, make_user
from tests.held_posts import SOURCE, approve, edit, import_note

pytestmark = pytest.mark.django_db


def send_back(post, reason="no sources", action="request_changes", **more):
    review.act_on_one(
        action=action, post=post, by=make_user("reviewer"), reason=reason, undo_seconds=0, **more
    )


def source():
    return ImportSource.objects.get(name=SOURCE)


def note(number, **fields):
    fields.setdefault("payload", {"scenario": "outage", "seed": number, "generator": "gen"})
    fields.setdefault("stack", ["Tidal Services"])
    return import_note(f"n-{number}", **fields)


def rows():
    return list(Finding.objects.order_by("pk").values_list("reason", "is_open"))


def same_from_scratch():
    kept = list(Finding.objects.order_by("pk").values())
    Finding.objects.all().delete()
    step = findings.rebuild()
    assert list(Finding.objects.order_by("pk").values()) == kept
    return step


# --- What is a finding --------------------------------------------------------------------------


def test_verdict_that_sends_an_imported_revision_back_is_a_finding():
    post = note(1)

    send_back(post)

    finding = Finding.objects.get()
    assert finding.decision == Decision.objects.get()
    assert (finding.post, finding.revision) == (post, post.live_revision)
    assert (finding.reason, finding.verdict) == ("no sources", "request_changes")
    assert (finding.scenario, finding.stack) == ("outage", "tidal services")
    assert finding.is_open
    same_from_scratch()


def test_approval_and_publication_are_none():
    post = note(1)

    review.act_on_one(
        action=["approve", "publish"], post=post, by=make_user("superuser"), undo_seconds=0
    )

    assert not Finding.objects.exists()


def test_what_people_wrote_is_no_finding():
    send_back(make_post(state="private"))
    post = note(1)
    edit(post, title="By a person")
    send_back(post)

    assert not Finding.objects.exists()


def test_withdrawn_verdict_is_no_finding_any_more():
    post = note(1)
    send_back(post)

    review.act_on_one(action="withdraw", post=post, by=make_user("reviewer"))

    assert not Finding.objects.exists()
    same_from_scratch()


def test_later_import_of_another_text_closes_it():
    post = note(1)
    send_back(post)

    note(1, title="Mended")

    finding = Finding.objects.get()
    assert not finding.is_open
    assert finding.closed_run == ImportRun.objects.latest("pk")
    same_from_scratch()


def test_import_of_the_same_text_leaves_it_open():
    post = note(1)
    send_back(post)

    note(1)
    note(2)

    assert rows() == [("no sources", True)]


def test_version_that_is_held_closes_it_too():
    post = note(1)
    edit(post, title="By a person")
    note(1, title="Second")  # waits behind the edit
    review.act_on_one(action="approve", post=post, by=make_user("reviewer"), undo_seconds=0)
    post.refresh_from_db()
    send_back(post, "still wrong")  # the imported one

    note(1, title="Third")

    assert rows() == [("still wrong", False)]
    same_from_scratch()


def test_edit_of_a_person_does_not_close_it():
    post = note(1)
    send_back(post)

    edit(post, title="Mended by hand")

    assert rows() == [("no sources", True)]


def test_undo_of_the_run_that_closed_it_opens_it_again():
    post = note(1)
    send_back(post)
    note(1, title="Mended")

    undo_run(ImportRun.objects.latest("pk"))

    assert rows() == [("no sources", True)]
    same_from_scratch()


def test_each_version_that_is_sent_back_is_a_finding():
    post = note(1)
    send_back(post, "first")
    post = note(1, title="Second")
    send_back(post, "second", action="reject")

    assert rows() == [("first", False), ("second", True)]


def test_many_at_once_are_one_finding_each():
    for number in range(5):
        note(number)

    act_on_all(
        actions=["reject"],
        queryset=Post.objects.all(),
        by=make_user("reviewer"),
        reason="all of\n them",
    )

    assert rows() == [("all of them", True)] * 5


def test_following_costs_two_queries_where_nothing_was_sent_back(django_assert_num_queries):
    ids = [note(number).pk for number in range(3)]

    with django_assert_num_queries(2):
        findings.follow(ids)


# --- The report ---------------------------------------------------------------------------------


@pytest.fixture
def reported():
    """Two reasons, two scenarios; of four findings one is closed."""
    for number, reason in enumerate(["no sources", "no sources", "too long", "no sources"]):
        scenario = "outage" if number < 2 else "upgrade"
        post = note(number, payload={"scenario": scenario, "seed": number})
        send_back(post, reason)
    note(3, title="Mended", payload={"scenario": "upgrade", "seed": 3})
    return source()


def test_counts_by_reason_scenario_and_stack(reported):
    told = {one.name: dict(one.shares) for one in generator_report.counts(Wanted(reported.pk))}

    assert told == {
        "reason": {"no sources": 2, "too long": 1},
        "scenario": {"outage": 2, "upgrade": 1},
        "stack": {"tidal services": 3},
    }
    assert generator_report.totals(reported.pk) == {"open": 3, "closed": 1}


def test_many_values_are_summed_up(reported, monkeypatch):
    monkeypatch.setattr(generator_report, "VALUES", 1)

    reasons = generator_report.counts(Wanted(reported.pk))[0]

    assert (dict(reasons.shares), reasons.others) == ({"no sources": 2}, 1)


def test_trend_says_what_each_run_brought_and_closed(reported):
    newest, *others = generator_report.trend(reported.pk)

    assert (newest.sent_back, newest.closed_others) == (0, 1)
    assert [(one.sent_back, one.open) for one in others] == [(1, 0), (1, 1), (1, 1), (1, 1)]


def test_lines_say_what_a_generator_needs(reported):
    revision = Finding.objects.earliest("pk").revision
    passage = "Numbers come first."
    notes.add(revision=revision, by=make_user("editor"), text="Which?", passage=passage)

    lines = [json.loads(line) for line in generator_report.json_lines(Wanted(reported.pk))]

    assert [line["key"] for line in lines] == ["n-0", "n-1", "n-2"]
    first = lines[0]
    assert (first["reason"], first["scenario"], first["seed"]) == ("no sources", "outage", 0)
    assert first["passages"] == [{"passage": passage, "note": "Which?"}]
    assert (first["state"], first["line"], first["revision"]) == ("open", 1, 1)
    assert first["digest"] == revision.digest


def test_export_is_read_in_pages(reported, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(generator_report, "EXPORT_PAGE", 2)

    # The source; findings, keys, revisions and notes of two pages; none behind them.
    with django_assert_num_queries(1 + 2 * 4 + 1):
        lines = list(generator_report.json_lines(Wanted(reported.pk, state="all")))

    assert len(lines) == 4


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"state": "closed"}, ["n-3"]),
        ({"reason": "too long"}, ["n-2"]),
        ({"scenario": "outage", "reason": "no sources"}, ["n-0", "n-1"]),
        ({"stack": "unknown"}, []),
    ],
)
def test_report_is_narrowed_down(reported, asked, keys):
    lines = generator_report.json_lines(Wanted(reported.pk, **asked))

    assert [json.loads(line)["key"] for line in lines] == keys


# --- The command --------------------------------------------------------------------------------


def run_command(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("report_findings", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_command_tells_people(reported):
    told, _ = run_command(SOURCE)

    assert told.startswith(f"Findings of {SOURCE}: 3 open, 1 closed.\n")
    assert "        2  no sources\n" in told
    assert f"manage.py report_findings '{SOURCE}' --format jsonl" in told


def test_command_writes_lines(reported, tmp_path):
    told, _ = run_command(SOURCE, "--format", "jsonl", "--all")
    _, said = run_command(SOURCE, "--format", "jsonl", "--out", str(tmp_path / "f.jsonl"))

    assert [json.loads(line)["key"] for line in told.splitlines()] == ["n-0", "n-1", "n-2", "n-3"]
    assert len((tmp_path / "f.jsonl").read_text("utf-8").splitlines()) == 3
    assert "f.jsonl" in said


def test_command_names_the_sources_there_are(reported):
    with pytest.raises(CommandError, match=f"'nots', which is unknown. There is {SOURCE}"):
        run_command("nots")
    with pytest.raises(CommandError, match="Name a source"):
        run_command()


def test_command_makes_findings_of_decisions_that_are_there(reported):
    Finding.objects.all().delete()

    told, said = run_command(SOURCE, "--rebuild")

    assert "4 findings written" in said
    assert "3 open, 1 closed" in told


# --- The pages ----------------------------------------------------------------------------------


@pytest.fixture
def as_editor(client):
    client.force_login(make_user("editor"))
    return client


def page(client, source_, **asked):
    return client.get(reverse("admin:findings_source", args=[source_.pk]), asked)


def test_pages_show_counts_and_findings(as_editor, reported):
    listed = as_editor.get(reverse("admin:findings"))
    shown = page(as_editor, reported)

    assert [(line.open, line.closed) for line in listed.context["lines"]] == [(3, 1)]
    assert [one.post.imported.key for one in shown.context["findings"]] == ["n-2", "n-1", "n-0"]
    assert [(name, number) for name, number, *_ in shown.context["tabs"]] == [
        ("open", 3),
        ("closed", 1),
        ("all", 4),
    ]


def test_page_goes_on_by_key(as_editor, reported, monkeypatch):
    monkeypatch.setattr(generator_report, "PAGE", 2)

    first = page(as_editor, reported)
    second = as_editor.get(first.context["further_url"])

    assert [one.post.imported.key for one in second.context["findings"]] == ["n-0"]
    assert not second.context["further_url"]


def test_page_says_what_it_did_not_understand(as_editor, reported):
    for asked in ({"state": "x"}, {"run": "x"}, {"below": "x"}):
        response = page(as_editor, reported, **asked)
        assert response.status_code == 200
        assert response.context["problem"]
    address = reverse("admin:findings_export", args=[reported.pk])
    assert as_editor.get(address, {"state": "x"}).status_code == 400
    assert as_editor.get(reverse("admin:findings_source", args=[10**17])).status_code == 404


def test_download_is_what_the_page_shows(as_editor, reported):
    shown = page(as_editor, reported, reason="no sources", state="all")

    response = as_editor.get(shown.context["export_url"])
    lines = b"".join(response.streaming_content).splitlines()

    assert [json.loads(line)["key"] for line in lines] == ["n-0", "n-1", "n-3"]
    assert "attachment" in response["Content-Disposition"]


def test_words_of_others_are_escaped(as_editor):
    bad = "<script>alert(1)</script>"
    send_back(note(1, title=bad, payload={"scenario": bad}, stack=[bad]), bad)

    shown = page(as_editor, source(), scenario=bad).content.decode()

    assert "<script>alert" not in shown


def test_page_costs_the_same_with_many_findings(as_editor, reported, django_assert_max_num_queries):
    page(as_editor, reported)
    # Session, person, permissions (2), source, totals, page (2), counts (4), trend (2).
    with django_assert_max_num_queries(14):
        page(as_editor, reported)


def test_own_drafts_and_approved_pages_stay_out(as_editor):
    approve(note(1))
    writing.write_post(by=make_user("editor"), snapshot=Post.objects.get().live_revision.snapshot)

    assert as_editor.get(reverse("admin:findings")).context["lines"] == []
