"""Build `.venv` from the locks beside this file; standard library only.

In: the names of locks (base, prod, test, dev). Out: a virtual environment that holds them, and with
--env a `.env` with a fresh SECRET_KEY. Does nothing when both are in place. Keep the syntax at
Python 3.6, so that an interpreter that is too old for the project can still say so. Must not import
anything that is not in every Python.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCKS = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")

OLDEST = (3, 11)
CANDIDATES = ("python3", "python3.13", "python3.12", "python3.11")
PROBE_SECONDS = 20

# What each lock contains besides itself: installing one makes these true as well.
INCLUDES = {
    "base": (),
    "prod": ("base",),
    "test": ("base", "prod"),
    "dev": ("base", "prod", "test"),
}

# Debian and Ubuntu split these out of python3; a Python built from source lacks them when a library
# was absent.
NEEDED_MODULES = ("ensurepip", "venv", "ssl", "sqlite3", "zlib")

# Run by the candidate, which may be of any age, so it prints plain JSON and imports with care.
PROBE = """
import json, sys
missing = []
for name in %r:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "missing": missing,
}))
""" % (NEEDED_MODULES,)


class BootstrapError(Exception):
    """What is missing and how to get it, in words for the person at the terminal."""


class Candidate:
    """One interpreter that was tried: usable when `problem` is empty."""

    def __init__(self, command, executable=None, version=None, problem=""):
        self.command = command
        self.executable = executable
        self.version = version
        self.problem = problem


def probe(command):
    """Run an interpreter and return a Candidate; a shim on the PATH may fail when run."""
    try:
        result = subprocess.run(
            [command, "-c", PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=PROBE_SECONDS,
            universal_newlines=True,
        )
    except FileNotFoundError:
        return Candidate(command, problem="not found")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Candidate(command, problem="does not run: %s" % error)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip().splitlines()
        return Candidate(command, problem="does not run: %s" % (said[0] if said else "no message"))
    try:
        found = json.loads(result.stdout)
    except ValueError:
        return Candidate(command, problem="does not answer like a Python interpreter")
    version = tuple(found["version"])
    problem = ""
    if version < OLDEST:
        problem = "is Python %s, too old" % dotted(version)
    elif found["missing"]:
        problem = "is Python %s without %s%s" % (
            dotted(version),
            ", ".join(found["missing"]),
            how_to_add(version, found["missing"]),
        )
    return Candidate(command, found["executable"], version, problem)


def how_to_add(version, missing):
    """Say which package brings the missing modules."""
    if "ensurepip" in missing or "venv" in missing:
        return "; on Debian and Ubuntu: sudo apt-get install python%s-venv" % dotted(version[:2])
    return "; install a complete Python (Debian and Ubuntu: sudo apt-get install python3-full)"


def dotted(version):
    """Return (3, 11, 7) as "3.11.7"."""
    return ".".join(str(part) for part in version)


def choose_interpreter(environ):
    """Return the first usable Candidate: only $PYTHON when it is set, else the usual names."""
    asked = environ.get("PYTHON", "").strip()
    tried = []
    for command in (asked,) if asked else CANDIDATES:
        candidate = probe(command)
        if not candidate.problem:
            return candidate
        tried.append(candidate)
    lines = ["Python %s or newer is needed, and none was found." % dotted(OLDEST), "Tried:"]
    lines += ["  %s: %s" % (candidate.command, candidate.problem) for candidate in tried]
    lines += [
        "Get one (Debian 12, Ubuntu 24.04: sudo apt-get install python3 python3-venv;",
        "macOS: brew install python), or name one: make setup PYTHON=/path/to/python3",
    ]
    raise BootstrapError("\n".join(lines))


def venv_python(venv):
    """Return the path of a virtual environment's interpreter."""
    return os.path.join(venv, "bin", "python")


def venv_version(venv):
    """Return the version of Python in a virtual environment, or None when it cannot be used.

    Reads pyvenv.cfg instead of running the interpreter, which keeps a call with nothing to do under
    0.2 s.
    """
    if not os.access(venv_python(venv), os.X_OK):
        return None
    try:
        with open(os.path.join(venv, "pyvenv.cfg"), encoding="utf-8") as config:
            for line in config:
                key, _, value = line.partition("=")
                if key.strip() in ("version", "version_info"):
                    return tuple(int(part) for part in value.strip().split(".")[:3])
    except (OSError, ValueError):
        return None
    return None


def lock_path(name):
    """Return the path of a lock by its name."""
    return os.path.join(LOCKS, name + ".txt")


def stamp_path(venv, name):
    """Return the path of the stamp that says which lock a virtual environment holds."""
    return os.path.join(venv, "alphanode-%s.stamp" % name)


def fingerprint(name, version):
    """Return the hash of a lock and of the Python version it was installed for."""
    digest = hashlib.sha256()
    digest.update(("python %s\n" % dotted(version)).encode())
    with open(lock_path(name), "rb") as lock:
        digest.update(lock.read())
    return digest.hexdigest()


def is_current(venv, name, version):
    """Return whether a virtual environment holds exactly this lock for this Python."""
    try:
        with open(stamp_path(venv, name), encoding="ascii") as stamp:
            return stamp.read().strip() == fingerprint(name, version)
    except (OSError, UnicodeDecodeError):
        return False


def clear_stamps(venv):
    """Forget what is installed: until write_stamps, a killed run must count as not done.

    The other locks' stamps go too, because pip may replace a package that they name in another
    version.
    """
    for name in INCLUDES:
        try:
            os.remove(stamp_path(venv, name))
        except FileNotFoundError:
            pass


def write_stamps(venv, name, version):
    """Record a finished install of a lock, and with it of every lock that it includes."""
    for included in INCLUDES[name] + (name,):
        with open(stamp_path(venv, included), "w", encoding="ascii") as stamp:
            stamp.write(fingerprint(included, version) + "\n")


def widest(names):
    """Return the lock that includes the others: base, prod, test, dev is a chain."""
    return max(names, key=lambda name: len(INCLUDES[name]))


def make_venv(candidate, venv):
    """Create the virtual environment anew."""
    say("Making .venv with Python %s (%s)" % (dotted(candidate.version), candidate.command))
    result = subprocess.run([candidate.executable, "-m", "venv", "--clear", venv])
    if result.returncode != 0:
        raise BootstrapError(
            "Python could not make a virtual environment in %s. Its message is above. "
            "Nothing else was changed; run the same command again once that is put right." % venv
        )


def install(venv, name):
    """Install one lock with pip: hashes checked, and wheels only, so no code runs."""
    say("Installing requirements/%s.txt" % name)
    result = subprocess.run(
        [
            venv_python(venv), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary=:all:", "-r", lock_path(name),
        ]
    )  # fmt: skip
    if result.returncode != 0:
        raise BootstrapError(
            "pip could not install requirements/%s.txt. Its message is above. "
            "It is safe to run the same command again." % name
        )


def ensure(names, environ, venv=VENV):
    """Make the virtual environment hold these locks; return whether there was anything to do."""
    version = venv_version(venv)
    candidate = None
    if environ.get("PYTHON", "").strip():
        candidate = choose_interpreter(environ)
        if version is not None and version[:2] != candidate.version[:2]:
            version = None
    name = widest(names)
    if version is not None and is_current(venv, name, version):
        return False
    if version is None or version < OLDEST:
        candidate = candidate or choose_interpreter(environ)
        make_venv(candidate, venv)
        version = venv_version(venv)
        if version is None:
            raise BootstrapError(
                "The virtual environment in %s is not usable. Remove it and run this again." % venv
            )
    clear_stamps(venv)
    install(venv, name)
    write_stamps(venv, name, version)
    return True


def write_env_file(path):
    """Write a `.env` with a generated SECRET_KEY, for its owner only; one that exists stays."""
    import secrets

    text = (
        "# Local settings of this checkout, read by alphanode/settings.py. Not in git. A real\n"
        "# environment variable wins over a line here; docs/operations.md describes them all.\n"
        "SECRET_KEY=%s\n" % secrets.token_urlsafe(50)
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="ascii") as env_file:
        env_file.write(text)
    say("Wrote .env with a new SECRET_KEY")
    return True


def say(line):
    """Print progress on stderr, so that stdout stays free for results."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def wait_for_turn():
    """Hold the requirements folder until this process ends: two runs must not write .venv."""
    try:
        import fcntl
    except ImportError:
        return
    descriptor = os.open(LOCKS, os.O_RDONLY)
    os.set_inheritable(descriptor, False)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def main(arguments=None):
    """Run from the command line; exit code 1 says that something is missing, and what."""
    parser = argparse.ArgumentParser(
        description="Build .venv from the locks in requirements/. Safe to run again."
    )
    parser.add_argument(
        "locks", nargs="+", choices=sorted(INCLUDES), help="which locks the environment must hold"
    )
    parser.add_argument(
        "--env", action="store_true", help="also write a .env with a SECRET_KEY if there is none"
    )
    options = parser.parse_args(arguments)
    wait_for_turn()
    try:
        ensure(options.locks, os.environ)
        if options.env:
            write_env_file(os.path.join(ROOT, ".env"))
    except BootstrapError as error:
        say("")
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
