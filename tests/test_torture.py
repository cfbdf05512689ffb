"""The fault harness in a small form: real commands, disturbed, leave what undisturbed ones do."""

import json
import os
import socket
from urllib.parse import quote

import pytest
from django.db import connection

from benchmarks import torture
from benchmarks.torture_places import BreakingProxy, PostgreSQL, is_commit, message_size

POSTS = 200
#: Kills twice; of the others each once.
SCENARIOS = {"sqlite": "1,1,3,5", "postgresql": "1,1,2,4"}


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

    def run(rounds, scenarios):
        vendor = connection.vendor
        figures = tmp_path / "figures.json"
        arguments = ["--rounds", str(rounds), "--posts", str(POSTS), "--seed", "7"]
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
    scenarios = {"sqlite": "1,3,5,6", "postgresql": "1,2,3,4,5"}[connection.vendor]

    code, told = run_harness(10, scenarios)

    assert [fault for row in told["scenarios"] for fault in row["faults"]] == []
    assert code == 0
    assert sum(row["hits"] for row in told["scenarios"]) > 10


def test_difference_is_told_and_its_database_kept(tmp_path, monkeypatch, capsys):
    class Different:
        vendor = "sqlite"

        def keep(self):
            return "kept.sqlite3"

    harness = torture.Torture.__new__(torture.Torture)
    harness.rows, harness.kept, harness.folder = [], [], tmp_path
    row = harness.row("kill", Different())

    with harness.fault_told(row, Different()):
        raise torture.FaultError("the canonical export differs")

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
