"""Nasty folders, names and pipes, and inputs that change while they are read; by the command.

What is sound beside the damage goes in, and nothing is left out without being counted.
"""

import gzip
import os
import threading

import pytest

from posts.importing import report
from posts.importing.formats import inputs, listing
from posts.models import ImportedPost, ImportReject, ImportRun, Post
from tests.importing_samples import export_text
from tests.nasty_inputs import Refused, assert_refused, import_posts, line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    return made


def stored_keys():
    return sorted(ImportedPost.objects.values_list("key", flat=True))


TEN = [line(f"n-{number}", body=os.urandom(300).hex()) for number in range(10)]
ALL = b"".join(TEN)


# --- Folders and names ----------------------------------------------------------------------------


def test_links_pipes_and_hidden_files_of_a_folder(folder, tmp_path):
    (tmp_path / "elsewhere.jsonl").write_bytes(line("linked"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.jsonl").write_bytes(line("in a linked folder"))
    (folder / "a.jsonl").write_bytes(line("n-1"))
    (folder / ".hidden.jsonl").write_bytes(line("hidden"))
    (folder / "b.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "gone").symlink_to(folder / "nothing")
    (folder / "other").symlink_to(tmp_path / "other")
    os.mkfifo(folder / "pipe")
    (folder / "z.jsonl").mkdir()
    (folder / "z.jsonl" / "c").write_bytes(line("n-2"))

    outcome = import_posts(folder)

    assert outcome.counts == {"created": 3}
    assert stored_keys() == ["linked", "n-1", "n-2"]


def test_empty_folder_is_a_complete_run_of_nothing(folder):
    outcome = import_posts(folder)

    assert (outcome.code, outcome.told["read"]) == (0, 0)


@pytest.fixture
def deepest(folder):
    """Return a folder below 1,200 others; they go again, because `rmtree` cannot go so deep."""
    made = [str(folder)]
    for _ in range(1_200):
        made.append(os.path.join(made[-1], "d"))
        os.mkdir(made[-1])
    yield made[-1]
    os.remove(os.path.join(made[-1], "a.jsonl"))
    for path in made[:0:-1]:
        os.rmdir(path)


def test_folders_within_folders_of_any_depth(folder, deepest):
    with open(os.path.join(deepest, "a.jsonl"), "wb") as file:
        file.write(line("n-1") + b"{\n")

    outcome = import_posts(folder)

    assert outcome.counts == {"created": 1, "rejected": 1}
    (reject,) = outcome.rejects
    assert (len(reject.file), reject.file[0]) == (1_000, "…")
    assert reject.file.endswith("/d/d/a.jsonl")


NAMES = {
    "not UTF-8": (b"caf\xe9.jsonl", "caf\\xe9.jsonl"),
    "escape sequence": (b"\x1b[2J\x07.jsonl", "\\x1b[2J\\x07.jsonl"),
    "line feed": (b"a\nb.jsonl", "a\\nb.jsonl"),
    "bidi override": ("a\u202elnosj.".encode(), "a\\u202elnosj."),
    "formula": (b"=cmd|' -C calc'!A0", "=cmd|' -C calc'!A0"),
    "option": (b"--publish", "--publish"),
    "hyphen": (b"-", "-"),
    "backslash": (b"x\\..\\..\\y", "x\\..\\..\\y"),
    "quotes and SQL": (b"';DROP TABLE posts_post;--", "';DROP TABLE posts_post;--"),
    "blanks": (b" a ", " a "),
}


@pytest.mark.parametrize("name", NAMES)
def test_nasty_file_name_is_read_and_shown_without_harm(name, folder, capfd):
    stored, shown = NAMES[name]
    with open(os.path.join(os.fsencode(folder), stored), "wb") as file:
        file.write(line("n-1") + b"{\n")

    outcome = import_posts(folder)

    assert outcome.counts == {"created": 1, "rejected": 1}
    assert outcome.rejects[0].file == f"{folder}/{shown}"
    assert import_posts(folder).counts == {"unchanged": 1, "rejected": 1}
    assert not any(mark in text for text in capfd.readouterr() for mark in "\x1b\x07\u202e")


def test_names_that_differ_in_case_only_are_two_files(folder):
    (folder / "A").mkdir()
    (folder / "a").mkdir()
    (folder / "A" / "x.jsonl").write_bytes(line("n-1"))
    (folder / "a" / "X.jsonl").write_bytes(line("n-2"))

    assert import_posts(folder).counts == {"created": 2}


def test_many_names_come_in_order_and_few_bytes(folder, monkeypatch):
    monkeypatch.setattr(listing, "_SORTED_AT_ONCE", 100)
    names = [f"{number % 7}/{number:05d}{'é' * (number % 3)}.jsonl" for number in range(2_500)]
    names += ["3", "3.a", "3!"]  # the folder 3 stands between them
    for number in range(7):
        (folder / f"{number}").mkdir()
    for name in names[:-3]:
        (folder / name).write_bytes(b"x" * (len(name) % 5))
    (folder / "3.a").write_bytes(b"xyz")
    (folder / "3!").write_bytes(b"")

    found = inputs([str(folder), "-", str(folder / "3.a"), str(folder / "nothing")])

    in_order = [str(one.path.relative_to(folder)) for one in found if one.is_member]
    assert in_order == sorted(
        [*names[:-3], "3.a", "3!"], key=lambda name: [part.encode() for part in name.split("/")]
    )
    assert [one.size for one in found if one.is_member] == [
        (folder / name).stat().st_size for name in in_order
    ]
    assert [(one.file, one.is_member, one.size) for one in list(found)[-3:]] == [
        ("-", False, None),
        (f"{folder}/3.a", False, 3),
        (f"{folder}/nothing", False, None),
    ]
    assert found[-1].path == folder / "nothing"
    assert found[1_234] == list(found)[1_234]
    assert found.size is None
    members = inputs([str(folder)])
    assert members.size == sum(one.size for one in members)
    assert members.bytes_before(1_500) == sum(one.size for one in list(members)[:1_500])
    assert [number for number, _ in members.starting_at(2_499)] == [2_499, 2_500, 2_501]
    with pytest.raises(IndexError):
        found[len(found)]


def test_folder_that_cannot_be_listed_is_a_reject_and_the_others_are_read(folder, monkeypatch):
    (folder / "closed").mkdir()
    (folder / "z.jsonl").write_bytes(line("n-1"))
    honest = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return honest(path)

    monkeypatch.setattr(listing.os, "scandir", scandir)

    outcome = import_posts(folder)

    assert_refused(outcome, [Refused("unreadable_input", "", "", "a file this user may read")])
    assert outcome.rejects[0].file.endswith("/closed")
    assert outcome.rejects[0].is_retryable
    assert outcome.counts == {"created": 1, "rejected": 1}


@pytest.mark.parametrize("is_named", [True, False], ids=["file", "folder"])
def test_file_that_cannot_be_read_is_a_reject(is_named, folder):
    (folder / "a").symlink_to("/proc/self/mem")  # opens, and fails at the first byte
    (folder / "b").write_bytes(line("n-1"))

    outcome = import_posts(*([folder / "a", folder / "b"] if is_named else [folder]))

    assert_refused(outcome, [Refused("unreadable_input", "", "Input/output error")])
    assert outcome.rejects[0].is_retryable
    assert outcome.counts == {"created": 1, "rejected": 1}


def test_pipe_by_name_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(ALL + b"{\n"))
    writer.start()

    outcome = import_posts(tmp_path / "pipe")

    writer.join()
    assert outcome.counts == {"created": 10, "rejected": 1}
    assert outcome.rejects[0].line == 11


# --- What changes while it is read ----------------------------------------------------------------

LARGE = [line(f"n-{number:02d}", body="x" * 50_000) for number in range(40)]
GROWN = LARGE + [line(f"n-{number:02d}", body="x" * 50_000) for number in range(40, 45)]
OTHER = [line(f"n-{number:02d}", title="Other", body="y" * 50_000) for number in range(40)]


@pytest.fixture
def after_a_batch(monkeypatch):
    """Return a function that registers what happens when the first batch is written."""

    def register(act):
        honest = report.ProgressView.update
        calls = iter([act])

        def update(view, progress, taken):
            next(calls, lambda: None)()
            honest(view, progress, taken)

        monkeypatch.setattr(report.ProgressView, "update", update)

    return register


def test_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path, after_a_batch):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(b"".join(LARGE))

    def grow():
        with path.open("ab") as file:
            file.write(b"".join(GROWN[40:])[:-30_000])

    after_a_batch(grow)

    outcome = import_posts(path, batch_size=5)

    assert outcome.counts == {"created": 44, "rejected": 1}
    assert_refused(outcome, [Refused("bad_json")], line=45)
    path.write_bytes(b"".join(GROWN))
    assert import_posts(path).counts == {"created": 1, "unchanged": 44}


def test_file_replaced_while_it_is_read_is_read_as_it_was(tmp_path, after_a_batch):
    path, other = tmp_path / "nasty.jsonl", tmp_path / "other.jsonl"
    path.write_bytes(b"".join(LARGE))
    other.write_bytes(b"".join(OTHER))
    after_a_batch(lambda: other.rename(path))

    outcome = import_posts(path, batch_size=5)

    assert outcome.counts == {"created": 40}
    assert not Post.objects.filter(title="Other").exists()
    assert import_posts(path).counts == {"updated": 40}


def test_file_cut_while_it_is_read_keeps_what_was_whole(tmp_path, after_a_batch):
    path = tmp_path / "nasty.jsonl"
    path.write_bytes(b"".join(LARGE))
    after_a_batch(lambda: os.truncate(path, len(b"".join(LARGE[:30])) + 1_000))

    outcome = import_posts(path, batch_size=5)

    assert outcome.counts == {"created": 30, "rejected": 1}
    assert_refused(outcome, [Refused("bad_json", "", "", "JSON; ")], line=31)
    path.write_bytes(b"".join(LARGE))
    assert import_posts(path).counts == {"created": 10, "unchanged": 30}


def test_file_that_goes_before_its_turn_is_a_reject_and_may_be_tried_again(folder, after_a_batch):
    for number, row in enumerate(TEN):
        (folder / f"{number}.jsonl").write_bytes(row)
    after_a_batch((folder / "8.jsonl").unlink)

    outcome = import_posts(folder, batch_size=2)

    assert_refused(outcome, [Refused("unreadable_input", "", "No such file or directory")])
    assert outcome.rejects[0].is_retryable
    assert outcome.counts == {"created": 9, "rejected": 1}
    (folder / "8.jsonl").write_bytes(TEN[8])
    assert import_posts(folder).counts == {"created": 1, "unchanged": 9}


def test_folder_of_more_files_than_are_described_goes_on_where_it_ended(folder, monkeypatch):
    for number in range(1_100):
        data = line(f"n-{number:04d}") if number % 3 else b"no post\n"
        (folder / f"{number:04d}.jsonl").write_bytes(data)

    class Interrupted(Exception):
        pass

    def update(view, progress, taken):
        if progress.read >= 600:
            raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(report.ProgressView, "update", update)
        with pytest.raises(Interrupted):
            import_posts(folder, batch_size=100)

    outcome = import_posts(folder, batch_size=100)

    first, second = ImportRun.objects.order_by("pk")
    assert second.parent == first
    assert (first.read, second.read) == (600, 500)
    assert first.inputs == second.inputs
    assert first.inputs[0]["file"] == "1100 files"
    assert outcome.counts["created"] + first.created == Post.objects.count() == 733
    assert not ImportReject.objects.exists()


def test_text_exports_and_lines_in_one_folder(folder):
    (folder / "a.txt").write_text(export_text(), "utf-8")
    (folder / "b.jsonl").write_bytes(line("n-1"))
    (folder / "c.txt.gz").write_bytes(
        gzip.compress(export_text().replace("000417", "000418").replace("417", "418").encode())
    )

    assert import_posts(folder).counts == {"created": 3}
