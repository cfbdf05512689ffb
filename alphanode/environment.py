"""Typed readers of environment variables for the settings.

In: a variable's name and default. Out: a checked value, or ImproperlyConfigured with the variable,
what it holds and what is expected. Each reader fails on a wrong value; none guesses. Used by
`alphanode/settings.py` only.
"""

import re
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = ("1", "on", "true", "yes")
FALSE_WORDS = ("0", "off", "false", "no")

DATABASE_ENGINES = {
    "sqlite": "alphanode.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
}
IN_MEMORY = ":memory:"

#: Of the parser's schemes those that say plainly how the connection is protected.
EMAIL_SCHEMES = ("consolemail", "smtp", "smtp+tls", "smtp+ssl")
EMAIL_ADDRESS = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
IPV6_HOST = re.compile(r"\[[0-9a-f:.]+\]", re.IGNORECASE)


def read_env_file(path: Path) -> None:
    """Read a file of NAME=value lines when there is one; a variable that is already set wins."""
    if path.is_file():
        environ.Env.read_env(path)


def read_raw(name: str) -> str | None:
    """Return the variable as it stands, or None when it is not set.

    Not through `Env.str()`, which takes a value that begins with `$` for the name of another
    variable: a generated secret may begin so.
    """
    raw: str | None = environ.Env.ENVIRON.get(name)
    return raw


def read_secret(name: str) -> str:
    """Return a value that must be set; its content never appears in a message."""
    value = (read_raw(name) or "").strip()
    if not value:
        refuse(
            name,
            "nothing",
            "a long random text that is kept secret; `make setup` writes one to .env",
        )
    return value


def read_switch(name: str, *, default: bool) -> bool:
    """Return a switch; only the usual words for on and off are understood."""
    raw = read_raw(name)
    if raw is None:
        return default
    word = raw.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    refuse(
        name,
        repr(raw),
        f"one of {', '.join(TRUE_WORDS)} for on, or one of {', '.join(FALSE_WORDS)} for off",
    )


def read_whole_number(name: str, *, default: int, minimum: int) -> int:
    """Return a whole number that is not below the minimum."""
    raw = read_raw(name)
    if raw is None:
        return default
    text = raw.strip()
    # str.isdecimal() and int() also take digits of other scripts, which nobody means in a
    # configuration.
    if not re.fullmatch(r"-?[0-9]{1,9}", text) or int(text) < minimum:
        refuse(name, repr(raw), f"a whole number, {minimum} or more")
    return int(text)


def read_hosts(name: str, *, default: list[str], patterns: bool = False) -> list[str]:
    """Return host names from a comma list, lower-cased.

    With `patterns` also `.example.org`, `*` and `[::1]`, which Django understands.
    """
    raw = read_raw(name)
    if raw is None:
        return default
    hosts = [host.strip().lower() for host in raw.split(",") if host.strip()]
    for host in hosts:
        bare = host.removeprefix(".") if patterns else host
        if HOST_NAME.fullmatch(bare) or (patterns and (host == "*" or IPV6_HOST.fullmatch(host))):
            continue
        refuse(
            name,
            f"{host!r} in {raw!r}",
            "host names with commas between them, without scheme, port or path",
        )
    return hosts


def read_public_url(name: str, *, default: str) -> str:
    """Return a site's address, scheme and host only, without the slash at the end."""
    raw = read_raw(name)
    if raw is None:
        return default
    text = raw.strip()
    expected = "an address like https://notes.example.org, without path, query or password"
    try:
        parts = urlsplit(text)
        hostname, port = parts.hostname or "", parts.port
    except ValueError:
        refuse(name, repr(without_password(raw)), expected)
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    is_host = HOST_NAME.fullmatch(hostname) or IPV6_HOST.fullmatch(f"[{hostname}]")
    if parts.scheme not in ("http", "https") or not is_host or not is_plain:
        refuse(name, repr(without_password(raw)), expected)
    host = f"[{hostname}]" if ":" in hostname else hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def read_folder(name: str, *, default: str, root: Path) -> Path:
    """Return a folder, which need not be there yet; a relative path counts from `root`."""
    raw = read_raw(name)
    text = default if raw is None else raw.strip()
    if not text or "\x00" in text:
        refuse(name, repr(text), "the path of a folder")
    return root / text


def read_redis_url(name: str) -> str | None:
    """Return the address of a Redis server, or None when the variable is not set or empty."""
    raw = read_raw(name)
    if raw is None or not raw.strip():
        return None
    text = raw.strip()
    try:
        parts = urlsplit(text)
        is_network = (
            parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
        )
    except ValueError:
        is_network = False
    if not (is_network or (text.startswith("unix://") and len(text) > len("unix://"))):
        refuse(
            name,
            repr(without_password(raw)),
            "redis://HOST:PORT/NUMBER, rediss://…, unix:///PATH, or empty for none",
        )
    if find_spec("redis") is None:
        refuse(
            name,
            repr(without_password(raw)),
            "the redis package beside it; `python3 requirements/bootstrap.py prod` installs it",
        )
    return text


def read_database(name: str, *, default: str, root: Path) -> dict[str, Any]:
    """Return a Django database dict; a relative SQLite path counts from the project's root.

    What follows `?` in the URL becomes the driver's options, so `?sslmode=require` works as
    everywhere else.
    """
    raw = read_raw(name)
    text = default if raw is None else raw.strip()
    expected = "sqlite:///PATH or postgres://USER:PASSWORD@HOST:PORT/NAME"
    scheme, separator, rest = text.partition("://")
    # The parser below would drop whatever stands between `//` and the next slash and open another
    # file.
    is_sqlite_path = rest.startswith("/") or rest == IN_MEMORY
    if (
        not separator
        or scheme not in DATABASE_ENGINES
        or (scheme == "sqlite" and not is_sqlite_path)
    ):
        refuse(name, repr(without_password(text)), expected)
    try:
        database: dict[str, Any] = environ.Env.db_url_config(text)
    except ValueError:
        refuse(name, repr(without_password(text)), expected)
    if not database["NAME"]:
        refuse(name, repr(without_password(text)), expected)
    database["ENGINE"] = DATABASE_ENGINES[scheme]
    if scheme == "sqlite" and database["NAME"] != IN_MEMORY:
        database["NAME"] = str(root / database["NAME"])
    return database


def read_text(name: str, *, default: str, longest: int) -> str:
    """Return one line of text, trimmed, at most so many characters."""
    raw = read_raw(name)
    if raw is None:
        return default
    text = raw.strip()
    if not text.isprintable() or len(text) > longest:
        refuse(name, repr(text[:40]), f"one line of text, at most {longest} characters")
    return text


def read_web_address(name: str) -> str:
    """Return an address of a page, or nothing when the variable is not set or empty."""
    text = (read_raw(name) or "").strip()
    try:
        parts = urlsplit(text)
        is_page = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_page = False
    if text and not (is_page and text.isprintable() and " " not in text):
        refuse(name, repr(text[:80]), "an address like https://example.org/licence, or empty")
    return text


def read_email_url(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's EMAIL_ settings: how mail leaves, `consolemail://` being the terminal."""
    raw = read_raw(name)
    text = default if raw is None else raw.strip()
    expected = (
        "smtp+tls://USER:PASSWORD@HOST:587, smtp+ssl://USER:PASSWORD@HOST:465, smtp://HOST:25 or "
        "consolemail://"
    )
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in EMAIL_SCHEMES and "://" in text and parts.port != 0
        if not is_complete or (parts.scheme != "consolemail" and not parts.hostname):
            refuse(name, repr(without_password(text)), expected)
        found: dict[str, Any] = environ.Env.email_url_config(text)
    except ValueError:
        refuse(name, repr(without_password(text)), expected)
    ports = {"smtp+tls": 587, "smtp+ssl": 465}
    return {
        "EMAIL_BACKEND": found["EMAIL_BACKEND"],
        "EMAIL_HOST": found["EMAIL_HOST"] or "",
        "EMAIL_PORT": found["EMAIL_PORT"] or ports.get(parts.scheme, 25),
        "EMAIL_HOST_USER": found["EMAIL_HOST_USER"] or "",
        "EMAIL_HOST_PASSWORD": found["EMAIL_HOST_PASSWORD"] or "",
        "EMAIL_USE_TLS": found.get("EMAIL_USE_TLS", False),
        "EMAIL_USE_SSL": found.get("EMAIL_USE_SSL", False),
    }


def read_email_address(name: str, *, default: str) -> str:
    """Return the address that mail comes from, plain or as `Name <address>`."""
    raw = read_raw(name)
    text = default if raw is None else raw.strip()
    _, address = parseaddr(text)
    if not EMAIL_ADDRESS.fullmatch(address) or not text.isprintable():
        refuse(name, repr(text), "an address like notes@example.org or Notes <notes@example.org>")
    return text


def read_plain_email_address(name: str) -> str:
    """Return an address alone, or nothing when the variable is not set or empty."""
    text = (read_raw(name) or "").strip()
    if text and not (EMAIL_ADDRESS.fullmatch(text) and text.isprintable()):
        refuse(name, repr(text[:80]), "an address like notes@example.org, or empty")
    return text


def without_password(url: str) -> str:
    """Return a URL that may stand in a message: without the password in `user:password@host`."""
    return re.sub(r"(://[^:/@]*):.*@", r"\1:…@", url)


def refuse(name: str, got: str, expected: str) -> NoReturn:
    """Stop the start-up and say which variable, what it holds and what it should hold."""
    raise ImproperlyConfigured(f"{name} is wrong: got {got}, expected {expected}.")
