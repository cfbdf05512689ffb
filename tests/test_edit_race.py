"""Two people, two windows each, and imports at the same time, all of them real processes.

What a window was told is kept must be found again: as a revision of its author where it was saved,
as unsaved text of its author where it was not.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from benchmarks import databases

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "long enough for a race"
PEOPLE, WINDOWS, TURNS, IMPORTS = ("ana", "bo"), 2, 5, 4
ATTEMPTS = 12

PREPARE = f"""
from django.contrib.auth.models import Group, User
for name in {PEOPLE!r}:
    person = User.objects.create_user(name, password={PASSWORD!r}, is_staff=True)
    person.groups.add(Group.objects.get(name="editor"))
"""
JUDGE = """
import json
from posts.models import EditWindow, Revision
print(json.dumps({
    "saved": [
        [author, note]
        for author, meta in Revision.objects.values_list("author__username", "meta")
        for note in meta.get("notes", [])
    ],
    "kept": [
        [user, note]
        for user, fields in EditWindow.objects.exclude(fields=None).values_list(
            "user__username", "fields"
        )
        for note in fields["notes"].split()
    ],
    "windows": EditWindow.objects.exclude(fields=None).count(),
    "numbers": list(Revision.objects.order_by("number").values_list("number", flat=True)),
    "origins": list(Revision.objects.order_by("number").values_list("origin", flat=True)),
}))
"""


@pytest.fixture
def fresh(tmp_path):
    """Return the address of an empty database of the same kind as the test run's."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'race.sqlite3'}"
        return
    settings = connection.settings_dict
    user, password = quote(settings["USER"] or ""), quote(settings["PASSWORD"] or "")
    host, port = settings["HOST"] or "127.0.0.1", settings["PORT"] or 5432
    made = databases.PostgreSQL(
        f"postgres://{user}{f':{password}' if password else ''}@{host}:{port}/"
        f"alphanode_bench_race_{os.getpid()}"
    )
    made.build(lambda address: None)
    made.renew()
    yield made.url
    made.remove()


class Site:
    """The project on a database of its own: commands and a server."""

    def __init__(self, database, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            **{"SECRET_KEY": "for-a-race-only", "DEBUG": "on", "REDIS_URL": ""},
            **{"DATABASE_URL": database, "ALLOWED_HOSTS": "127.0.0.1", "PUBLIC_URL": self.url},
        }

    def manage(self, *arguments):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def bring(self, version):
        """Import the one note in another version."""
        record = {"key": "n-1", "title": f"Slack water {version}", "body": f"Version {version}."}
        path = self.folder / f"v{version}.jsonl"
        path.write_text(json.dumps(record) + "\n")
        self.manage("import_posts", str(path), "--source", "race")

    @contextmanager
    def served(self):
        command = [str(Path(sys.executable).with_name("gunicorn"))]
        command += ["-c", "alphanode/gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}"]
        environment = self.environment | {"WEB_CONCURRENCY": "2"}
        server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(self.url, timeout=2).close()  # noqa: S310  (local)
                    break
                except (urllib.error.URLError, TimeoutError):
                    time.sleep(0.2)
            yield
        finally:
            server.terminate()
            server.wait(timeout=20)


class Form(HTMLParser):
    """What a browser would send for the form of a page."""

    def __init__(self, text):
        super().__init__()
        self.values, self.area = {}, None
        self.is_inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.is_inside = "data-edit" in given
        if not self.is_inside:
            return
        name = given.get("name")
        if tag == "input" and given.get("type") not in ("checkbox", "submit") and name:
            self.values[name] = given.get("value") or ""
        if tag == "textarea":
            self.area, self.values[name] = name, ""

    def handle_endtag(self, tag):
        self.area = None if tag == "textarea" else self.area

    def handle_data(self, data):
        if self.area:
            first = self.values[self.area] == ""
            self.values[self.area] += data.removeprefix("\n") if first else data


class Window:
    """A browser of one person."""

    def __init__(self, site, person):
        self.site = site
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        _, page = self.ask("/admin/login/")
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1]
        self.ask(
            "/admin/login/",
            {"username": person, "password": PASSWORD, "csrfmiddlewaretoken": token},
        )

    def ask(self, address, data=None):
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        request = urllib.request.Request(self.site.url + address, body)  # noqa: S310  (local)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def turn(self, token, *, is_saved):
        """Type a token, keep it, and save it where wanted; return whether that came to an end."""
        _, page = self.ask("/admin/posts/post/1/edit/")
        values = Form(page).values
        values["notes"] = f"{values['notes']}\n{token}".strip()
        status, told = self.ask(
            "/admin/posts/post/1/edit/keep/", values | {"typed": "1", "step": "1"}
        )
        assert (status, json.loads(told)["kept"]) == (200, True)
        if not is_saved:
            return True
        for _ in range(ATTEMPTS):
            status, page = self.ask("/admin/posts/post/1/edit/", values | {"do": "save"})
            if status == 200 and "data-edit" not in page:
                return True
            assert status == 409, page[:2000]
            assert token in Form(page).values["notes"]
            status, page = self.ask("/admin/posts/post/1/edit/", values | {"do": "merge"})
            values = Form(page).values
            assert token in values["notes"]
        return False


def test_what_windows_were_told_is_kept_is_found_again(fresh, tmp_path):
    site = Site(fresh, tmp_path)
    site.manage("migrate", "--verbosity", "0")
    site.manage("shell", "-c", PREPARE)
    site.bring(0)
    expected = {True: set(), False: set()}

    def work(person, number):
        window = Window(site, person)
        for turn in range(TURNS):
            is_saved = turn != TURNS - 1
            token = f"{person}-{number}-{turn}"
            assert window.turn(token, is_saved=is_saved), token
            expected[is_saved].add((person, token))

    def bring():
        for version in range(1, IMPORTS + 1):
            site.bring(version)

    with site.served(), ThreadPoolExecutor() as pool:
        running = [pool.submit(bring)]
        running += [pool.submit(work, person, n) for person in PEOPLE for n in range(WINDOWS)]
        for one in running:
            one.result(timeout=300)

    found = json.loads(site.manage("shell", "-c", JUDGE).strip().splitlines()[-1])
    saved, kept = (set(map(tuple, found[name])) for name in ("saved", "kept"))
    assert expected[True] <= saved
    assert expected[False] <= kept
    assert found["windows"] == len(expected[False])
    assert found["numbers"] == list(range(1, len(found["numbers"]) + 1))
    assert found["origins"].count("import") == IMPORTS + 1
    assert len(expected[True]) == len(PEOPLE) * WINDOWS * (TURNS - 1)
