"""The bootstrap: which interpreter it takes, what it says when there is none, when it installs."""

import ast
import importlib.util
import json
import re
import stat
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
SOURCE = REQUIREMENTS / "bootstrap.py"


def load_bootstrap():
    """Import the script, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("bootstrap", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = load_bootstrap()


@pytest.fixture
def interpreter(tmp_path):
    """Return a function that writes a command and answers with its path."""

    def write_command(name: str, script: str) -> str:
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        command.chmod(0o755)
        return str(command)

    return write_command


def answer(version: list[int], missing: list[str]) -> str:
    """Return a shell line that answers the probe."""
    found = {"version": version, "executable": "/somewhere/python", "missing": missing}
    return f"echo '{json.dumps(found)}'"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Replace creating and installing by notes of what was done; return notes and environment."""
    notes = []
    venv = tmp_path / "venv"

    def make_venv(candidate, path):
        notes.append("venv")
        (Path(path) / "bin").mkdir(parents=True, exist_ok=True)
        (Path(path) / "bin" / "python").symlink_to(sys.executable)
        (Path(path) / "pyvenv.cfg").write_text("version = 3.11.7\n", encoding="utf-8")

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(bootstrap, "install", lambda path, name: notes.append(name))
    return notes, str(venv)


def test_running_interpreter_is_usable():
    candidate = bootstrap.probe(sys.executable)

    assert candidate.problem == ""
    assert candidate.version == sys.version_info[:3]


def test_shim_that_fails_is_not_an_interpreter(interpreter):
    shim = interpreter("python3.12", "echo 'shim: python3.12: command not found' >&2; exit 127")

    assert bootstrap.probe(shim).problem == "does not run: shim: python3.12: command not found"


def test_command_that_is_not_there_is_said_so():
    assert bootstrap.probe("no-such-python").problem == "not found"


def test_command_that_is_something_else_is_said_so(interpreter):
    other = interpreter("python3", "echo hello")

    assert bootstrap.probe(other).problem == "does not answer like a Python interpreter"


def test_old_interpreter_is_refused(interpreter):
    old = interpreter("python3", answer([3, 9, 2], []))

    assert bootstrap.probe(old).problem == "is Python 3.9.2, too old"


def test_missing_ensurepip_names_the_package_to_install(interpreter):
    bare = interpreter("python3", answer([3, 12, 3], ["ensurepip"]))

    assert bootstrap.probe(bare).problem == (
        "is Python 3.12.3 without ensurepip; "
        "on Debian and Ubuntu: sudo apt-get install python3.12-venv"
    )


def test_first_usable_interpreter_is_taken(interpreter, monkeypatch):
    names = [
        interpreter("python3", answer([3, 9, 2], [])),
        interpreter("python3.13", "exit 127"),
        interpreter("python3.12", answer([3, 12, 3], [])),
        interpreter("python3.11", answer([3, 11, 7], [])),
    ]
    monkeypatch.setattr(bootstrap, "CANDIDATES", names)

    assert bootstrap.choose_interpreter({}).version == (3, 12, 3)


def test_named_interpreter_is_the_only_one_tried(interpreter):
    named = interpreter("mine", "exit 3")

    with pytest.raises(bootstrap.BootstrapError) as caught:
        bootstrap.choose_interpreter({"PYTHON": named})

    assert f"  {named}: does not run: no message" in str(caught.value)
    assert "python3:" not in str(caught.value)


def test_message_lists_what_was_tried_and_how_to_get_one(interpreter, monkeypatch):
    monkeypatch.setattr(
        bootstrap, "CANDIDATES", ("no-such-python", interpreter("old", answer([3, 8, 1], [])))
    )

    with pytest.raises(bootstrap.BootstrapError) as caught:
        bootstrap.choose_interpreter({})

    message = str(caught.value)
    assert message.startswith("Python 3.11 or newer is needed, and none was found.")
    assert "  no-such-python: not found" in message
    assert "is Python 3.8.1, too old" in message
    assert "sudo apt-get install python3 python3-venv" in message
    assert "make setup PYTHON=/path/to/python3" in message


def test_second_call_does_nothing(installed):
    notes, venv = installed

    assert bootstrap.ensure(["base"], {}, venv) is True
    assert bootstrap.ensure(["base"], {}, venv) is False
    assert notes == ["venv", "base"]


def test_lock_that_includes_another_counts_for_both(installed):
    notes, venv = installed

    for names in (["base"], ["test"], ["base"], ["test", "base"], ["dev"], ["test"], ["prod"]):
        bootstrap.ensure(names, {}, venv)

    assert notes == ["venv", "base", "test", "dev"]


def test_changed_lock_is_installed_again(installed, tmp_path, monkeypatch):
    notes, venv = installed
    locks = tmp_path / "locks"
    locks.mkdir()
    for name in bootstrap.INCLUDES:
        (locks / f"{name}.txt").write_text("package==1", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "LOCKS", str(locks))
    bootstrap.ensure(["test"], {}, venv)

    (locks / "base.txt").write_text("package==2", encoding="utf-8")
    bootstrap.ensure(["base"], {}, venv)

    # The packages of the wider lock may have moved with it, so that one has to be looked at again.
    assert bootstrap.ensure(["test"], {}, venv) is True
    assert notes == ["venv", "test", "base", "test"]


def test_interrupted_install_is_done_again(installed, monkeypatch):
    notes, venv = installed
    bootstrap.ensure(["base"], {}, venv)

    def fail(path, name):
        raise bootstrap.BootstrapError("no network")

    with monkeypatch.context() as offline:
        offline.setattr(bootstrap, "install", fail)
        with pytest.raises(bootstrap.BootstrapError):
            bootstrap.ensure(["test"], {}, venv)

    assert bootstrap.ensure(["base"], {}, venv) is True
    assert notes == ["venv", "base", "base"]


def test_environment_without_its_interpreter_is_made_again(installed):
    notes, venv = installed
    bootstrap.ensure(["base"], {}, venv)

    (Path(venv) / "bin" / "python").unlink()
    bootstrap.ensure(["base"], {}, venv)

    assert notes == ["venv", "base", "venv", "base"]


def test_env_file_is_private_and_written_once(tmp_path):
    path = tmp_path / ".env"

    assert bootstrap.write_env_file(str(path)) is True
    first = path.read_text(encoding="utf-8")
    assert bootstrap.write_env_file(str(path)) is False

    assert path.read_text(encoding="utf-8") == first
    assert re.search(r"^SECRET_KEY=[\w-]{50,}$", first, re.MULTILINE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_syntax_suits_a_python_that_is_too_old():
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 6))


def pins(name: str) -> set[str]:
    """Return the lines of a lock that name a package and its version."""
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+==[^ ]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(bootstrap.INCLUDES))
def test_lock_contains_the_locks_it_includes(name):
    for included in bootstrap.INCLUDES[name]:
        assert pins(included) <= pins(name)


@pytest.mark.parametrize("name", sorted(bootstrap.INCLUDES))
def test_lock_pins_by_hash_and_names_no_address(name):
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")

    assert "://" not in text
    assert "index-url" not in text
    for block in re.split(r"\n(?=[a-z])", text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]
