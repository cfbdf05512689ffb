"""The fault harness in a small form: real commands, disturbed, leave what undisturbed ones do."""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.db import connection

from benchmarks import torture, torture_judge, torture_kills, torture_processes
from benchmarks.torture_harness import FaultError, Torture
from benchmarks.torture_places import BreakingProxy, PostgreSQL, is_commit, message_size

POSTS = 200
#: Kills twice; of the others each once.
SCENARIOS = {"sqlite": "kill,kill,takeover,stop", "postgresql": "kill,kill,terminate,unanswered"}


def database_url():
    """Return an address on the server of this test run, for databases of its own."""
    settings = connection.settings_dict
    user, password = quote(settings["USER"] or ""), quote(settings["PASSWORD"] or "")
    name = f"alphanode_torture_test_{os.getpid()}"
    host, port = settings["HOST"] or "127.0.0.1", settings["PORT"] or 5432
    return f"postgres://{user}{f':{password}' if password else ''}@{host}:{port}/{name}"


@pytest.fixture
def run_harness(tmp_path):
    """Return a function that runs the harness; it returns the exit code and the JSON."""

    def run(rounds, scenarios, *more, posts=POSTS):
        vendor = connection.vendor
        figures = tmp_path / "figures.json"
        arguments = ["--rounds", str(rounds), "--posts", str(posts), "--seed", "7", *more]
        arguments += ["--databases", vendor, "--scenarios", scenarios, "--json", str(figures)]
        if vendor == "postgresql":
            arguments += ["--database-url", database_url()]
        return torture.main(arguments), json.loads(figures.read_text())

    return run


def test_disturbed_imports_leave_the_archive_of_an_undisturbed_one(run_harness, capsys):
    code, told = run_harness(1, SCENARIOS[connection.vendor])

    assert [row["faults"] for row in told["scenarios"]] == [[], [], [], []]
    assert [row["rounds"] for row in told["scenarios"]] == [1, 1, 1, 1]
    assert (code, told["seed"], told["kept"]) == (0, 7, [])
    assert "0 faults" in capsys.readouterr().out


@pytest.mark.long
def test_ten_rounds_of_faults_leave_the_archive_of_an_undisturbed_one(run_harness):
    scenarios = {
        "sqlite": "kill,takeover,stop,full-disk",
        "postgresql": "kill,terminate,takeover,unanswered,stop",
    }[connection.vendor]

    code, told = run_harness(10, scenarios)

    assert [fault for row in told["scenarios"] for fault in row["faults"]] == []
    assert code == 0
    assert sum(row["hits"] for row in told["scenarios"]) > 10


@pytest.mark.long
def test_editors_beside_a_running_import_lose_nothing_and_break_nothing(run_harness, capsys):
    code, told = run_harness(1, "races", "--races", "20")

    (row,) = told["scenarios"]
    assert (code, row["faults"]) == (0, [])
    assert row["hits"] >= 20
    assert "saves saved" in row["races"]
    assert "saves stale" in row["races"]
    assert f"races, {connection.vendor}: " in capsys.readouterr().out


@pytest.mark.long
def test_two_hundred_kills_leave_the_archive_of_an_undisturbed_import(run_harness):
    scenarios = {"sqlite": "kill", "postgresql": "kill,terminate"}[connection.vendor]

    code, told = run_harness(0, scenarios, "--hits", "200")

    assert [fault for row in told["scenarios"] for fault in row["faults"]] == []
    assert code == 0
    assert min(row["hits"] for row in told["scenarios"]) >= 200


@pytest.mark.long
def test_thousand_editors_beside_running_imports_lose_nothing_and_break_nothing(run_harness):
    code, told = run_harness(1, "races", "--races", "1000")

    (row,) = told["scenarios"]
    assert (code, row["faults"]) == (0, [])
    assert row["hits"] >= 1_000


@pytest.mark.long
def test_every_batch_size_and_packing_gives_one_export_also_when_stopped(run_harness, capsys):
    code, told = run_harness(1, "matrix", posts=600)

    (row,) = told["scenarios"]
    assert (code, row["faults"]) == (0, [])
    assert row["hits"] == 4 * 3 * 2
    assert len(row["digests"]) == 1
    assert f"24 exports, SHA-256 {row['digests'][0]}" in capsys.readouterr().out


def test_difference_is_told_and_its_database_kept(tmp_path, monkeypatch, capsys):
    class Different:
        vendor = "sqlite"

        def keep(self):
            return "kept.sqlite3"

    harness = Torture.__new__(Torture)
    harness.rows, harness.kept, harness.folder = [], [], tmp_path
    row = harness.row("kill", Different())

    with harness.fault_told(row, Different()):
        raise FaultError("the canonical export differs")

    assert row["faults"] == ["the canonical export differs"]
    assert harness.kept[0].startswith("kept.sqlite3, ")
    assert "kill sqlite: the canonical export differs" in capsys.readouterr().err


def test_database_not_named_for_the_harness_is_refused():
    with pytest.raises(ValueError, match="begins with alphanode_torture"):
        PostgreSQL("postgres://postgres@127.0.0.1:5432/alphanode")


def test_only_a_commit_is_taken_for_one():
    def query(text):
        return b"Q" + (len(text) + 5).to_bytes(4, "big") + text + b"\0"

    assert is_commit(query(b"COMMIT"))
    assert not is_commit(query(b"CREATE TEMP TABLE changed ON COMMIT DROP AS SELECT 1"))
    assert is_commit(b"P\0\0\0\x0d" + b"name\0COMMIT\0")
    whole = query(b"COMMIT")
    assert message_size(whole[:-1], 0, True) is None
    assert message_size(whole + b"Q", 0, True) == len(whole)


@pytest.mark.parametrize(("way", "arrived"), [("answered", True), ("sent", True), ("lost", False)])
def test_proxy_breaks_at_the_commit_it_was_told(way, arrived):
    start = (8).to_bytes(4, "big") + (196_608).to_bytes(4, "big")
    commit = b"Q\0\0\0\x0bCOMMIT\0"
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = BreakingProxy(server.getsockname(), break_at=[2], way=way)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.settimeout(10)
            behind, _ = server.accept()
            with behind:
                behind.settimeout(10)
                client.sendall(start + commit)
                got = b""
                while len(got) < len(start + commit):
                    got += behind.recv(100)
                behind.sendall(b"done")
                assert client.recv(100) == b"done"

                client.sendall(commit)
                got = behind.recv(100)
                if way == "answered":
                    behind.sendall(b"done")
                assert (got == commit) is arrived
                assert client.recv(100) == b""
        proxy.close()
    assert (proxy.commits, proxy.broken) == (2, 1)


# --- What the harness looks at, on its own ------------------------------------------------------

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def family():
    """Return a process that started another one, and the number of that one; both are ended."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    yield parent, child
    parent.kill()
    parent.stdout.close()
    parent.wait()
    with suppress(ProcessLookupError):
        os.kill(child, 9)


def test_process_that_outlives_its_killed_parent_is_found(family):
    parent, child = family
    found = torture_processes.descendants(parent.pid)
    assert [one.pid for one in found] == [child]

    parent.kill()
    parent.wait()
    left = torture_processes.survivors(found, 0.3)
    assert [one.pid for one in left] == [child]

    os.kill(child, 9)
    assert torture_processes.survivors(found, 5) == []


def test_number_that_another_process_has_now_is_no_survivor(family):
    _, child = family
    process = torture_processes.Process(child, started=1)

    assert not torture_processes.is_alive(process)
    assert torture_processes.survivors([process], 0) == []


def test_command_that_leaves_a_process_behind_is_a_fault(family, monkeypatch):
    """A kill whose command had a child that goes on must not pass."""
    parent, _ = family
    monkeypatch.setattr(torture_kills, "ORPHAN_SECONDS", 0.2)
    caught = {}

    def disturbed(harness, place, row, disturb, judge):
        told = {"hits": 0, "moment": lambda: 0.0}
        child = SimpleNamespace(
            process=parent, wait_for=lambda is_so: True, has_spoken=None, send=parent.send_signal
        )
        disturb(child, told)
        parent.wait()
        caught["wrong"] = judge(SimpleNamespace(code=-9, err=""), told)

    monkeypatch.setattr(torture_kills, "disturbed", disturbed)
    chance = SimpleNamespace(randrange=lambda every: 1)
    torture_kills.kill(SimpleNamespace(chance=chance, row=lambda *a: {}), None)

    assert caught["wrong"] == "1 processes outlive the killed command by 0 s"


class Command:
    """A process as the harness knows the import command."""

    def __init__(self, process):
        self.process = process

    def poll(self):
        return self.process.poll()


@pytest.mark.parametrize("only_worker", [True, False])
def test_worker_or_the_command_beside_it_is_killed_when_there_is_one(family, only_worker):
    parent, child = family
    told = {"seen": 0, "hits": 0, "survived": 0}
    harness = SimpleNamespace(chance=random.Random(1))

    there = torture_kills.end_with_worker(
        harness, Command(parent), 0.0, told, only_worker=only_worker
    )

    assert [one.pid for one in there] == [child]
    assert (told["hits"], told["seen"]) == (1, 1)
    if only_worker:
        assert torture_processes.survivors(there, 5) == []
        assert parent.poll() is None
    else:
        assert parent.wait(5) == -9


@pytest.mark.parametrize(
    ("only_worker", "code", "err", "said"),
    [
        (True, 0, "", ""),
        (True, 1, "The import failed: its worker ended.", ""),
        (True, 1, "", "said nothing"),
        (True, 1, "Traceback (most recent call last)", "a traceback"),
        (True, -9, "", "ended with -9"),
        (False, -9, "", ""),
    ],
)
def test_command_without_its_worker_goes_on_or_says_why_not(only_worker, code, err, said):
    told = {"survived": 0}
    there = [torture_processes.Process(os.getpid(), started=1)]
    ended = SimpleNamespace(code=code, err=err)

    with pytest.raises(FaultError, match=said) if said else nullcontext():
        torture_kills.judge_worker(ended, there, told, only_worker=only_worker)

    assert told["survived"] == (code == 0)


@pytest.mark.parametrize(
    ("hits", "row", "is_enough"),
    [
        (0, {"hits": 0, "rounds": 2}, True),
        (0, {"hits": 9, "rounds": 1}, False),
        (5, {"hits": 4, "rounds": 4}, False),
        (5, {"hits": 5, "rounds": 1}, True),
        (5, {"hits": 0, "rounds": 5}, True),
    ],
)
def test_rounds_end_by_their_number_or_by_that_of_hits(hits, row, is_enough):
    options = argparse.Namespace(hits=hits, rounds=2)

    assert torture_kills.is_enough(row, options) is is_enough


def revision(number, origin="editor", title="", digest="1:x"):
    return SimpleNamespace(number=number, origin=origin, title=title, digest=digest)


@pytest.mark.parametrize(
    ("save", "own", "said"),
    [
        ({"outcome": "saved", "number": 2, "digest": "1:x"}, [revision(1)], "lost save"),
        ({"outcome": "saved", "number": 2, "digest": "1:y"}, [revision(2, title="t")], "lost save"),
        (
            {"outcome": "stale", "said": "Nothing was overwritten"},
            [revision(2, title="t")],
            "is there",
        ),
        ({"outcome": "stale", "said": "no"}, [], "does not say"),
        ({"outcome": "broken", "said": "OperationalError"}, [], "broken save"),
        ({"outcome": "saved", "number": 2, "digest": "1:x"}, [revision(2, title="t")], ""),
        ({"outcome": "stale", "said": "Nothing was overwritten"}, [revision(2)], ""),
    ],
)
def test_judge_of_the_races_finds_a_lost_or_broken_save(save, own, said):
    found = torture_judge.lost([{"title": "t", **save}], own)

    assert bool(found) is bool(said)
    assert said in "".join(found)


@pytest.mark.parametrize(
    ("state", "origins", "live", "proposed", "waiting"),
    [
        ("untouched", "import import", 2, 2, None),
        ("untouched", "import editor import", 2, 2, 3),
        ("untouched", "import import editor", 3, 3, None),
        ("approved", "import import", 1, 2, None),
        ("approved", "import import editor", 1, 3, None),
        ("approved", "import editor import", 1, 2, 3),
        ("proposed", "import editor import", 1, 2, 3),
    ],
)
def test_judge_of_the_races_knows_where_pointers_have_to_be(
    state, origins, live, proposed, waiting
):
    own = [revision(number, origin) for number, origin in enumerate(origins.split(), 1)]

    at = torture_judge.replayed(own, state)

    assert (at.live, at.proposed, at.waiting) == (live, proposed, waiting)
