"""Times that do not exist, have no zone or lie far away, through the command."""

import pytest

from posts.models import Post
from tests.importing_samples import export_text
from tests.nasty_inputs import Refused, Stored, assert_refused, check_line, import_posts, line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(value, code="bad_date", expected="a time such as"):
    return Refused(code, "published_at", value, expected)


AS_IT_CAME = Stored((), lambda revision: bool(revision.meta["published_at"]))

MOMENTS = {
    "zeros": ("0000-00-00T00:00:00Z", refused("0000-00-00")),
    "zeros of a database": ("0000-00-00 00:00:00", refused("0000-00-00")),
    "the year 1900": ("1900-01-01T00:00:00Z", AS_IT_CAME),
    "the year 9999": ("9999-12-31T23:59:59Z", AS_IT_CAME),
    "behind the last year": ("9999-12-31T23:59:59-01:00", refused("9999-12-31")),
    "before the first year": ("0001-01-01T00:00:00+01:00", refused("0001-01-01")),
    "the year 10000": ("10000-01-01T00:00:00Z", refused("10000")),
    "a year before the common era": ("-0044-03-15T00:00:00Z", refused("-0044")),
    "29 February 2023": ("2023-02-29T12:00:00Z", refused("2023-02-29")),
    "29 February 2024": ("2024-02-29T12:00:00Z", AS_IT_CAME),
    "29 February 1900": ("1900-02-29T12:00:00Z", refused("1900-02-29")),
    "31 June": ("2026-06-31T12:00:00Z", refused("2026-06-31")),
    "hour 25": ("2026-01-01T25:00:00Z", refused("25:00")),
    "leap second": ("2016-12-31T23:59:60Z", refused("23:59:60")),
    "no zone": ("2026-01-01T12:00:00", refused("2026-01-01T12:00:00")),
    "named zone": ("2026-01-01T12:00:00 Europe/Berlin", refused("Europe/Berlin")),
    "abbreviated zone": ("2026-01-01T12:00:00 CET", refused("CET")),
    "local time in a gap": ("2026-03-29T02:30:00[Europe/Berlin]", refused("[Europe/Berlin]")),
    "offset of a day": ("2026-01-01T12:00:00+24:00", refused("+24:00")),
    "odd offset": ("2026-01-01T12:00:00+05:45", AS_IT_CAME),
    "day without a time": ("2026-01-01", refused("2026-01-01")),
    "words": ("yesterday", refused("yesterday")),
    "mail date": ("Thu, 01 Jan 2026 12:00:00 +0000", refused("Thu, 01")),
    "other digits": ("２０２６-01-01T12:00:00Z", refused("２０２６")),
    "epoch in text": ("1767268800", refused("1767268800")),
    "epoch in milliseconds": (1767268800000, refused("1767268800000", "bad_type", "a text")),
    "epoch with a fraction": (1767268800.5, refused("1767268800.5", "bad_type", "a text")),
    "future": ("2999-01-01T00:00:00Z", AS_IT_CAME),
    "many digits of a second": ("2026-01-01T12:00:00.123456789Z", AS_IT_CAME),
    "null": (None, Stored()),
    "empty": ("", Stored()),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moment_of_publication(name, tmp_path):
    value, wanted = MOMENTS[name]

    check_line(tmp_path, line(published_at=value), wanted)


DAYS = {
    "zeros": ("0000-00-00", False),
    "1900": ("1900-01-01", True),
    "9999": ("9999-12-31", True),
    "29 February 2023": ("2023-02-29", False),
    "29 February 2024": ("2024-02-29", True),
    "without hyphens": ("20240229", False),
    "day of the week": ("2024-W09-4", False),
    "with a time": ("2024-02-29T24:00:00Z", False),
    "other order": ("29.02.2024", False),
    "other digits": ("２０２４-02-29", False),
}


@pytest.mark.parametrize("name", DAYS)
def test_day_of_the_last_review_in_a_line(name, tmp_path):
    value, is_day = DAYS[name]
    stored = Stored((), lambda revision: revision.meta["revision"]["last_reviewed"] == value)

    check_line(
        tmp_path,
        line(revision={"last_reviewed": value}),
        stored
        if is_day
        else Refused("bad_date", "revision.last_reviewed", value, "a date such as"),
    )


@pytest.mark.parametrize("name", DAYS)
def test_day_of_the_last_review_in_a_text_export(name, tmp_path):
    value, is_day = DAYS[name]
    text = export_text().replace("last reviewed: 2024-02-29", f"last reviewed: {value}")
    (tmp_path / "a").write_text(text, "utf-8")

    outcome = import_posts(tmp_path / "a")

    if is_day:
        assert outcome.counts == {"created": 1}
    else:
        number = text.split("\n").index(f"  • last reviewed: {value}") + 1
        wanted = Refused("bad_date", "revision.last_reviewed", value, "a date such as")
        assert_refused(outcome, [wanted], line=number)


def test_claimed_moment_publishes_nothing_and_plans_nothing(tmp_path):
    (tmp_path / "a").write_bytes(
        line("n-1", published_at="2999-01-01T00:00:00Z")
        + line("n-2", published_at="1999-01-01T00:00:00Z")
    )

    import_posts(tmp_path / "a")

    assert set(Post.objects.values_list("visibility", "published_at")) == {("private", None)}
