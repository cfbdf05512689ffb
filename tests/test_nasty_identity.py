"""Identities that collide, change or contradict each other, through the command.

However the same records are spread over batches and files, they leave the same archive.
"""

import gzip
import json

import pytest
from django.db import transaction

from posts.models import ImportedPost, Post, Revision, Slug
from tests.builders import make_post
from tests.importing_samples import export_text, line_fields
from tests.nasty_inputs import (
    AFTER,
    Refused,
    archive,
    assert_refused,
    check_line,
    import_posts,
    line,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def titles():
    return dict(ImportedPost.objects.values_list("key", "post__title"))


A, B = line("n-1", title="A"), line("n-1", title="B")
REFUSED = line("n-1", title="")
OTHER = line("n-0")

#: name -> records, what becomes of them, revisions of the post, its title at the end
KEY_TWICE = {
    "equal": ([A, A], {"created": 2, "unchanged": 1}, 1, "A"),
    "different": ([A, B], {"created": 2, "updated": 1}, 2, "B"),
    "there and back": ([A, B, A], {"created": 2, "updated": 2}, 3, "A"),
    "there and back, then equal": (
        [A, B, A, A], {"created": 2, "updated": 2, "unchanged": 1}, 3, "A"
    ),
    "refused in between": ([A, REFUSED, B], {"created": 2, "updated": 1, "rejected": 1}, 2, "B"),
    "refused at first": ([REFUSED, A], {"created": 2, "rejected": 1}, 1, "A"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEY_TWICE)
def test_key_twice_is_the_same_in_a_batch_across_batches_and_across_files(name, tmp_path):
    records, counts, revisions, title = KEY_TWICE[name]
    records = [OTHER, *records]
    (tmp_path / "one.jsonl").write_bytes(b"".join(records))
    (tmp_path / "packed.gz").write_bytes(b"".join(map(gzip.compress, records)))
    for number, record in enumerate(records):
        (tmp_path / f"{number}.jsonl").write_bytes(record)
    several = [tmp_path / f"{number}.jsonl" for number in range(len(records))]
    found = set()

    for paths, size in (
        ([tmp_path / "one.jsonl"], 1000),
        ([tmp_path / "one.jsonl"], 1),
        ([tmp_path / "one.jsonl"], 2),
        ([tmp_path / "packed.gz"], 1000),
        (several, 1000),
        (several, 1),
    ):
        with transaction.atomic():
            assert import_posts(*paths, batch_size=size).counts == counts
            assert titles() == {"n-0": "A note", "n-1": title}
            assert Revision.objects.filter(post__imported__key="n-1").count() == revisions
            found.add(archive())
            transaction.set_rollback(True)

    assert len(found) == 1


def test_one_key_in_two_sources_is_two_posts(tmp_path):
    (tmp_path / "a").write_bytes(line("n-1", title="One"))
    (tmp_path / "b").write_bytes(line("n-1", title="Other"))

    import_posts(tmp_path / "a", source="one")
    outcome = import_posts(tmp_path / "b", source="other")

    assert outcome.counts == {"created": 1}
    assert sorted(Post.objects.values_list("title", flat=True)) == ["One", "Other"]
    assert import_posts(tmp_path / "a", source="one").counts == {"unchanged": 1}


def test_keys_that_differ_in_case_are_two_posts_and_in_outer_space_one(tmp_path):
    (tmp_path / "a").write_bytes(line("N-1") + line("n-1") + line("n-1 ") + line("\t n-1\n"))

    outcome = import_posts(tmp_path / "a")

    assert outcome.counts == {"created": 2, "unchanged": 2}
    assert outcome.told["repairs"] == {"trimmed": 2}
    assert set(titles()) == {"N-1", "n-1"}


def test_id_renamed_at_the_source_is_another_post_and_the_first_one_stays(tmp_path):
    (tmp_path / "a").write_bytes(line("old"))
    import_posts(tmp_path / "a")
    (tmp_path / "a").write_bytes(line("new"))

    outcome = import_posts(tmp_path / "a")

    assert outcome.counts == {"created": 1}
    assert set(titles()) == {"old", "new"}
    assert Post.objects.values("slug").distinct().count() == 2


def test_equal_titles_get_addresses_of_their_own_whatever_the_order(tmp_path):
    records = [line(f"n-{number}") for number in range(60)]
    found = set()

    for ordered in (records, records[::-1]):
        with transaction.atomic():
            (tmp_path / "a").write_bytes(b"".join(ordered))
            assert import_posts(tmp_path / "a", batch_size=7).counts == {"created": 60}
            found.add(tuple(sorted(ImportedPost.objects.values_list("key", "post__slug"))))
            transaction.set_rollback(True)

    (slugs,) = found
    assert len({slug for _, slug in slugs}) == 60
    assert all(slug.startswith("a-note-") for _, slug in slugs)


SLUGS = ["taken", "admin", "api", "tags", "feed", "archive", "new", "r", "search"]


@pytest.mark.parametrize("slug", SLUGS)
def test_slug_of_a_persons_page_or_of_the_site_is_not_taken(slug, tmp_path):
    theirs = make_post(slug="taken", state="published")
    (tmp_path / "a").write_bytes(line("n-1", slug=slug) + line("n-2", slug=slug))

    outcome = import_posts(tmp_path / "a", publish=True)

    slugs = set(
        ImportedPost.objects.filter(source__name="notes").values_list("post__slug", flat=True)
    )
    assert outcome.counts == {"created": 2}
    assert len(slugs) == 2
    assert all(made.startswith(f"{slug}-") for made in slugs)
    theirs.refresh_from_db()
    assert theirs.slug == "taken"
    assert import_posts(tmp_path / "a", publish=True).counts == {"unchanged": 2}


def test_slug_of_an_earlier_imported_post_is_not_taken(tmp_path):
    (tmp_path / "a").write_bytes(line("n-1", slug="mine") + line("n-2", slug="mine"))

    import_posts(tmp_path / "a", batch_size=1)

    first, second = ImportedPost.objects.order_by("key").values_list("post__slug", flat=True)
    assert first == "mine"
    assert second.startswith("mine-")


def test_slugs_swapped_at_the_source_stay_as_they_were(tmp_path):
    (tmp_path / "a").write_bytes(line("n-1", slug="one") + line("n-2", slug="two"))
    import_posts(tmp_path / "a")
    (tmp_path / "a").write_bytes(line("n-1", slug="two") + line("n-2", slug="one"))

    assert import_posts(tmp_path / "a").counts == {"unchanged": 2}
    assert dict(ImportedPost.objects.values_list("key", "post__slug")) == {
        "n-1": "one",
        "n-2": "two",
    }
    assert Slug.objects.count() == 2


NAMES = "source id alphanode-000417, reference anp-ref-000418-2290, seed 417"


def test_reference_and_id_that_disagree_in_a_line(tmp_path):
    nasty = json.dumps(line_fields(reference="anp-ref-000418-2290")).encode()

    check_line(tmp_path, nasty, Refused("id_mismatch", "reference", NAMES, "one number"))


def test_reference_and_id_that_disagree_in_a_text_export(tmp_path):
    text = export_text().replace("anp-ref-000417", "anp-ref-000418")
    (tmp_path / "a").write_text(text, "utf-8")
    (tmp_path / "b").write_bytes(line(AFTER))

    outcome = import_posts(tmp_path / "a", tmp_path / "b")

    assert_refused(
        outcome,
        [Refused("id_mismatch", "reference", NAMES)],
        line=text.split("\n").index("referenceanp-ref-000418-2290") + 1,
    )
    assert set(titles()) == {AFTER}


def test_one_source_id_in_two_text_exports_of_a_folder_is_two_versions_of_a_post(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a").write_text(export_text(), "utf-8")
    (folder / "b").write_text(export_text().replace("nightly", "weekly"), "utf-8")

    outcome = import_posts(folder)

    assert outcome.counts == {"created": 1, "updated": 1}
    assert "weekly" in titles()["alphanode-000417"]
