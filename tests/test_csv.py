"""Tables: which column is which field, what a cell becomes, what breaks a row or all of them."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from posts.content import Image
from posts.importing import engine, resume
from posts.importing.formats import Input, csv_table, sniff
from posts.importing.intake import Intake
from posts.importing.records import validate
from posts.models import ImportedPost, ImportRun
from tests.importing_samples import codes


def raws(data, **columns):
    data = data if isinstance(data, bytes) else data.encode()
    source = Input("t.csv", None, member="t.csv", columns=columns)
    return list(csv_table.records(io.BytesIO(data), source))


def read(data, **columns):
    return [(*validate(csv_table, raw), raw) for raw in raws(data, **columns)]


def one(data, **columns):
    ((record, problems, _),) = read(data, **columns)
    return record, problems


# --- Columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_fields_by_their_names(delimiter):
    header = ["Key", "TITLE", "Body", "Published at", "topic", "view-count", "score.quality"]
    row = ["k", "T", "Text.", "2020-01-02", "A, b; c", "7", "70"]
    cells = [delimiter.join(f'"{cell}"' for cell in cells) for cells in (header, row)]

    record, problems = one("\n".join(cells))

    assert problems == []
    assert (record.key, record.snapshot.title, record.snapshot.body) == ("k", "T", "Text.")
    assert record.snapshot.meta.published_at == "2020-01-02T00:00:00Z"
    assert record.snapshot.meta.topic == "A, b; c"
    assert (record.statistics.view_count, record.statistics.score.quality) == (7, 70)


def test_synonyms_stand_for_fields():
    record, problems = one(
        "id,slug,headline,content,date,categories,tag,description,lang,byline,url,feature_image,Mood\n"
        "7,the-slug,T,*x*,1614933000,a;b,c,Short.,en_GB,A. Miller,https://e.org/a?b=1 /c/,"
        "https://e.org/1.png,good\n"
    )

    meta = record.snapshot.meta
    assert codes(problems, "error") == codes(problems, "repair") == []
    assert (record.key, record.slug, record.snapshot.title) == ("7", "the-slug", "T")
    assert (meta.published_at, meta.tags) == ("2021-03-05T08:30:00Z", ("a", "b", "c"))
    assert (meta.summary, meta.language, meta.author) == ("Short.", "en-GB", "A. Miller")
    assert meta.former_urls == ("/a?b=1", "/c/")
    assert meta.image_sources == (Image(url="https://e.org/1.png"),)
    assert meta.extra == {"Mood": "good"}


def test_columns_are_mapped_by_hand():
    record, problems = one(
        "title,Überschrift,Nr,Text\nnot this,T,7,<p>A <b>b</b></p>\n",
        title="überschrift",
        key="Nr",
        body_html="Text",
    )

    assert codes(problems) == []
    assert (record.key, record.snapshot.title, record.snapshot.body) == ("7", "T", "A **b**")
    assert record.snapshot.meta.extra == {"title": "not this"}


def test_slug_is_the_key_where_there_is_no_other():
    record, _ = one("slug,title\na-b,T\n")

    assert (record.key, record.slug) == ("a-b", "a-b")


@pytest.mark.parametrize(
    ("data", "columns", "code"),
    [
        ("a,b\n1,2\n", {}, "missing_column"),
        ("id,body\n1,2\n", {}, "missing_column"),
        ("title,body\n1,2\n", {}, "missing_column"),
        ("id,title,Title\n1,2,3\n", {}, "duplicate_column"),
        ("id,title\n1,2\n", {"body": "text"}, "unknown_column"),
        ('id,"title\n1,2\n', {}, "missing_column"),
        ("id,title,Überschrift\n1,2\n".encode("latin-1"), {}, "bad_encoding"),
        ("id,title\n1,2\n".encode("utf-16"), {}, "bad_encoding"),
        ("id,title\n1,2\n".encode("utf-16-le"), {}, "bad_encoding"),
        ("id,title\r1,2\r", {}, "missing_column"),
    ],
)
def test_table_that_cannot_be_understood_is_refused_once(data, columns, code):
    record, problems = one(data, **columns)

    assert record is None
    assert set(codes(problems)) == {code}
    assert all(problem.hint for problem in problems)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"id,title,body\n", "csv"),
        (b"\xef\xbb\xbfslug;headline\r\n", "csv"),
        ("id\ttitle\n".encode("utf-16"), "csv"),
        (b"a,b\n1,2\n", None),
        (b"title\nT\n", None),
        (b"A title, an id, a body\n", None),
        (b"", None),
    ],
)
def test_table_is_recognised_by_its_header(head, expected):
    assert sniff("x", head) == expected


# --- Rows -----------------------------------------------------------------------------------------


def test_place_is_where_the_row_begins():
    data = 'id,title,body\r\n\r\n1,A,"two\r\nlines"\r\n2,B\r\n3,C,x\r\n'

    found = [(raw.position.record, raw.position.line, raw.position.byte) for raw in raws(data)]

    assert found == [(1, 3, 17), (2, 5, 35), (3, 6, 40)]
    assert data.encode()[35:40] == b"2,B\r\n"


def test_wrong_number_of_values_is_a_reject_of_its_own():
    (_, few, _), (_, many, _), (good, _, _) = read("id,title,body\n1,A\n2,B,x,y\n3,C,x\n")

    assert codes(few) == codes(many) == ["column_count"]
    assert few[0].value == "2 values"
    assert good.key == "3"


def test_header_in_the_middle_is_no_post():
    found = read("id,title\n1,A\nid,title\n2,B\n")

    assert [codes(problems, "filtered") for _, problems, _ in found] == [[], ["not_a_post"], []]


@pytest.mark.parametrize("rest", ["", "x\n" * 10, "x" * (csv_table.ROW_BYTES_MAX + 10)])
def test_open_quote_is_told_at_the_row_it_opens_in(rest):
    found = read(f'id,title,body\n1,A,x\n2,B,"open\n3,C,x\n{rest}')

    assert [record and record.key for record, _, _ in found] == ["1", None]
    assert codes(found[1][1]) == ["unclosed_quote"]
    assert found[1][2].position.line == 3
    assert len(found[1][2].raw) <= 1024


def test_quote_inside_of_quotes_is_a_reject_of_its_own():
    found = read('id,title\n1,"A "b" c"\n2,C\n')

    assert [record and record.key for record, _, _ in found] == [None, "2"]
    assert codes(found[0][1]) == ["bad_csv"]


def test_bytes_that_are_not_utf8_refuse_their_row_only():
    found = read("id,title\n1,Mühle\n".encode("latin-1") + b"2,C\n")

    assert [record and record.key for record, _, _ in found] == [None, "2"]
    (problem,) = found[0][1]
    assert (problem.code, "byte 12 of the file" in problem.value) == ("bad_encoding", True)
    assert "iconv" in problem.hint


def test_cells_of_a_wrong_kind_are_kept_or_refused():
    record, problems = one(
        "id,title,date,slug,lang,tools,entities,view_count\n"
        'a,T,soon,My Slug,?,"go|git","[{""name"": ""Go"", ""type"": ""stack""}]",\n'
    )

    assert sorted(codes(problems)) == ["bad_date", "bad_slug", "bad_value"]
    assert record.snapshot.meta.extra == {"date": "soon", "slug": "My Slug", "lang": "?"}
    assert record.snapshot.meta.tools == ("go", "git")
    assert record.snapshot.meta.entities[0].name == "Go"
    assert codes(one("id,title,view_count\na,T,many\n")[1]) == ["bad_int"]


def test_formula_and_long_field_are_text():
    long = "word " * 40_000
    record, problems = one(f'id,title,body\n1,=1+1,"{long}"\n')

    assert codes(problems, "error") == []
    assert record.snapshot.title == "=1+1"
    assert len(record.snapshot.body) > 131_072


# --- The command ----------------------------------------------------------------------------------


TABLE = "Nr,Name,Text\n" + "".join(f"n-{n},Note {n},Text {n}.\n" for n in range(20))
MAP = ("--map", "key=Nr", "--map", "title=Name", "--map", "body=Text")


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        call_command("import_posts", *arguments, "--source", "t", stdout=io.StringIO())
    return ended.value.code


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "table.csv"
    path.write_text(TABLE, "utf-8")
    return str(path)


@pytest.mark.django_db
def test_map_of_the_command_reaches_the_reader_and_the_run(table):
    assert run(table, *MAP) == 0

    assert ImportedPost.objects.get(key="n-3").post.title == "Note 3"
    columns = {"key": "Nr", "title": "Name", "body": "Text"}
    assert ImportRun.objects.get().options["columns"] == columns


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map", "headline=Name"), "is no field"),
        (("--map", "title"), "names no column"),
        (("--map", "title=A", "--map", "title=B"), "twice"),
        (("--format", "jsonl", *MAP), "no columns"),
    ],
)
def test_map_that_means_nothing_is_a_wrong_call(table, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("import_posts", table, "--source", "t", *arguments)


def interrupted(table):
    """Import the first rows with a map, and end."""
    intake = Intake([table])
    intake.map_columns({"key": "Nr", "title": "Name", "body": "Text"})
    calls = iter(range(100))
    return engine.run_import(
        intake,
        options=engine.Options(source="t", batch_size=5, columns=dict(intake.columns)),
        inputs=intake.description(),
        should_stop=lambda: next(calls) > 12,
    )


@pytest.mark.django_db(transaction=True)
def test_run_that_goes_on_takes_the_map_of_the_one_before(table):
    assert 0 < interrupted(table).read < 20

    assert run(table) == 0

    assert ImportedPost.objects.count() == 20
    last = ImportRun.objects.latest("pk")
    assert last.parent_id is not None
    assert last.options["columns"]["title"] == "Name"


@pytest.mark.django_db(transaction=True)
def test_run_does_not_go_on_with_another_map(table):
    progress = interrupted(table)
    intake = Intake([table])
    other = {"key": "Nr", "title": "Text"}
    intake.map_columns(other)

    with pytest.raises(resume.CannotResumeError, match="another --map"):
        resume.resumed(
            intake,
            source="t",
            inputs=intake.description(),
            publish=False,
            wanted=str(progress.run.pk),
        )

    assert json.loads(json.dumps(dict(intake.columns))) == other
