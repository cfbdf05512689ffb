"""Front matter in three notations: what is taken for it, what it says, what it must not do."""

import pytest

from posts.importing.formats import front_matter
from posts.importing.formats.front_matter import read
from posts.importing.formats.front_values import FRONT_MATTER_MAX, VALUES_MAX


def refusal(text):
    (problem,) = read(text).problems
    assert problem.severity == "error"
    return problem.code, problem.line


def test_values_are_typed_and_also_kept_as_written():
    front = read(
        "---\ntitle: yes\nversion: 1.10\ncode: 007\nhex: 0x1f\nrate: 1.5\nweight: 10\n"
        "date: 2023-01-01\ndraft: true\nnone: ~\nquoted: 'yes'\ntags: [1.10, on, null]\n"
        "---\nBody.\n"
    )

    assert front.values == {
        "title": True,
        "version": "1.10",
        "code": "007",
        "hex": "0x1f",
        "rate": 1.5,
        "weight": 10,
        "date": "2023-01-01",
        "draft": True,
        "none": None,
        "quoted": "yes",
        "tags": ["1.10", True, None],
    }
    assert (front.texts["title"], front.texts["version"]) == ("yes", "1.10")
    assert front.texts["tags"] == ["1.10", "on", None]
    assert (front.kind, front.body, front.line) == ("yaml", "Body.\n", 14)


@pytest.mark.parametrize(
    ("text", "kind", "values", "body"),
    [
        ("---\na: 1\n...\nx", "yaml", {"a": 1}, "x"),
        ("---  \na: 1\n---  \nx", "yaml", {"a": 1}, "x"),
        ("\n\n---\na: 1\n---\nx", "yaml", {"a": 1}, "x"),
        ("---\n---\nx", "yaml", {}, "x"),
        ("---\n# nothing\n---\nx", "yaml", {}, "x"),
        ("---\na: 1\n---", "yaml", {"a": 1}, ""),
        ("---\na: 1\n---\nx\n---\ny", "yaml", {"a": 1}, "x\n---\ny"),
        ("+++\na = 1\n+++\nx", "toml", {"a": 1}, "x"),
        ("+++\nd = 2020-01-02\n+++\n", "toml", {"d": "2020-01-02"}, ""),
        ('{\n"a": 1\n}\n\nx', "json", {"a": 1}, "\nx"),
        (';;;\n{"a": 1}\n;;;\nx', "json", {"a": 1}, "x"),
        ('---json\n{"a": 1}\n---\nx', "json", {"a": 1}, "x"),
        ("---toml\na = 1\n---\nx", "toml", {"a": 1}, "x"),
        ('<!--{\n"A": 1\n}-->\nx', "json", {"A": 1}, "x"),
        (
            *("---\nb: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n---\n", "yaml"),
            *({"b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}}, ""),
        ),
    ],
)
def test_notation_is_recognised(text, kind, values, body):
    front = read(text)

    assert front.problems == ()
    assert (front.kind, front.body) == (kind, body)
    assert front.values == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Only text.",
        "---\n\nA rule above a text.",
        "---\nProse between rules.\n\n---\nmore",
        "---\n- a list\n- between rules\n---\n",
        "<!-- a comment -->\ntext",
        "{% include x %}\ntext",
        "{: .class }\ntext",
        "----\na: 1\n----\n",
        " ---\na: 1\n---\n",
    ],
)
def test_text_without_front_matter_is_all_body(text):
    front = read(text)

    assert (front.kind, front.values, front.body, front.problems) == ("", {}, text, ())
    assert not front_matter.is_certain(text)


def test_an_object_on_one_line_is_front_matter_only_under_a_name_of_markdown():
    text = '{"title": "A"}\n\0\0 broken line of JSON Lines'

    assert not front_matter.is_certain(text)
    assert front_matter.is_certain(text, is_named=True)
    assert front_matter.is_certain('{\n "title": "A"\n}\nText.')


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("---\ntitle: x\n", "unterminated_front_matter", 1),
        ("+++\ntitle = 'x'\n", "unterminated_front_matter", 1),
        ('{"title": "x"\n\ntext', "bad_front_matter", 3),
        ("---\na: 1\nb: c: d\n---\n", "bad_front_matter", 3),
        ("---\na:\tx\n\tb: 1\n---\n", "bad_front_matter", 3),
        ("---\na: \x01\n---\n", "bad_front_matter", 2),
        ("+++\na = 1\nb =\n+++\n", "bad_front_matter", 3),
        ("---\na: 1\n? [b]\n: c\n---\n", "bad_front_matter", 3),
        ("---js\n{a: 1}\n---\n", "bad_front_matter", 1),
        ('{"a": 1} text', "bad_front_matter", 1),
        ('<!--{"a": 1} text', "bad_front_matter", 1),
        ("---\na: 1\nb: !!python/object/apply:os.system [ls]\n---\n", "unsafe_front_matter", 3),
        ("---\nb: !ruby/object:Gem x\n---\n", "unsafe_front_matter", 2),
        ("---\na: &a [*a]\n---\n", "unsafe_front_matter", 2),
        ("---\na: " + "x" * FRONT_MATTER_MAX + "\n---\n", "too_long", 1),
        ("---\nx: [\u2028\n---\n", "bad_front_matter", 3),
    ],
)
def test_broken_front_matter_is_refused_with_its_line(text, code, line):
    assert refusal(text) == (code, line)


#: Billions from a few lines, and depths that a recursive parser does not come back from.
BOMBS = {
    "aliases": "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "---\n",
    "merges": "---\na: &a {x: [1,1,1,1]}\n"
    + "".join(f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *a]\n" for n in range(3_000))
    + "---\n",
    "flow": "---\na: " + "[" * 30_000 + "\n---\n",
    "maps": "---\na: " + "{a: " * 15_000 + "\n---\n",
    "list in list": "---\na:\n  " + "- " * 30_000 + "\n---\n",
    "indents": "---\n" + "\n".join(" " * n + "a:" for n in range(350)) + "\n---\n",
    "values": "---\na: [" + "1," * 30_000 + "]\n---\n",
    "names": "---\n" + "".join(f"a{n}: 1\n" for n in range(VALUES_MAX + 1)) + "---\n",
    "toml lists": "+++\na = " + "[" * 30_000 + "\n+++\n",
    "toml tables": "+++\n" + "a." * 30_000 + "b = 1\n+++\n",
    "json": '{"a": ' * 10_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused(name):
    front = read(BOMBS[name])

    assert [problem.severity for problem in front.problems] == ["error"]
    assert front.values == {}


def test_name_that_comes_twice_is_told():
    front = read("---\na: 1\nb: 2\na: 3\n---\n")

    (problem,) = front.problems
    assert front.values == {"a": 3, "b": 2}
    assert (problem.code, problem.field, problem.severity) == ("duplicate_key_name", "a", "warning")
