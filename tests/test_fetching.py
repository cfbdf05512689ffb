"""Requests to other sites: none reaches this network, none lasts or grows without end."""

from __future__ import annotations

import datetime as dt
import http.server
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from posts.images import fetching, remote
from posts.images.fetching import Fetcher, FetchError, OtherHostError, is_public
from posts.models import ImageSource, StoredImage
from tests.builders import make_post, make_snapshot
from tests.image_files import encoded, picture

HOST, OTHER = "pictures.example.org", "other.example.org"
PEM = Path(__file__).parent / "data" / "tls" / "server.pem"
PUBLIC = "93.184.215.14"


# --- Addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255"),  # noqa: S104
        *("172.16.0.1", "172.31.255.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "240.0.0.1"),
        *("224.0.0.1", "224.0.1.1", "239.1.1.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1"),
        *("2001:db8::1", "100::1", "2001::1", "::7f00:1", "fd00:ec2::254"),
        # IPv4 inside IPv6: mapped, 6to4, NAT64.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1"),
        *("2002:7f00:1::", "2002:a00:1::1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::1", "", "localhost", "2130706433", "0x7f.1", "127.1"),
    ],
)
def test_addresses_of_this_machine_network_or_nobody_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


def fetcher(*addresses, hosts=(HOST,), **more):
    return Fetcher(hosts=hosts, agent="tests", resolver=lambda host, port: list(addresses), **more)


def refusal(one, url=f"https://{HOST}/a.png", **more):
    with pytest.raises(FetchError) as caught:
        one.fetch(url, most=1_000_000, **more)
    return caught.value


@pytest.fixture
def no_connection(monkeypatch):
    def connect(address, *rest, **more):
        raise AssertionError(f"connected to {address}")

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.mark.parametrize(
    "addresses",
    [
        *(["127.0.0.1"], ["169.254.169.254"], ["::1"], ["10.1.2.3"], ["::ffff:127.0.0.1"], []),
        [PUBLIC, "127.0.0.1"],  # one public address does not make the other one so
    ],
)
def test_nothing_is_asked_of_an_address_that_is_not_public(addresses, no_connection):
    assert refusal(fetcher(*addresses)).code == "not_public"


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data/"),
        *("https://localhost/", "https://2130706433/", "https://evil.example/", "https:///a"),
        *("ftp://pictures.example.org/a", "file:///etc/passwd", "https://pictures.example.org:22/"),
        *("https://pictures.example.org@127.0.0.1/", "https://a:b@pictures.example.org/"),
        *(
            "https://pictures.example.org\\@127.0.0.1/",
            "https://pictures.example.org.evil.example/",
        ),
        *("https://pictures.example.org/a\r\nHost: evil.example", "https://[x/", "upload:ab"),
    ],
)
def test_only_plain_addresses_of_listed_hosts_are_asked(url, no_connection):
    assert refusal(fetcher(PUBLIC), url).code in ("host", "bad_url")


def test_a_name_that_changes_its_meaning_is_asked_once(monkeypatch):
    """The second answer would lead inside; nobody asks for it."""
    answers = [[PUBLIC], ["127.0.0.1"]]
    connected = []

    def connect(address, *rest, **more):
        connected.append(address)
        raise ConnectionRefusedError("a test goes nowhere")

    monkeypatch.setattr(socket, "create_connection", connect)
    one = Fetcher(hosts=[HOST], agent="tests", resolver=lambda host, port: answers.pop(0))

    assert refusal(one).code == "failed"
    assert connected == [(PUBLIC, 443)]
    assert len(answers) == 1


def test_the_resolver_is_the_one_of_the_system(monkeypatch, no_connection):
    asked = []

    def getaddrinfo(host, port, **more):
        asked.append((host, port))
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%lo", port, 0, 1)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert refusal(Fetcher(hosts=[HOST], agent="tests")).code == "not_public"
    assert asked == [(HOST, 443)]


def test_an_unknown_name_is_told():
    def unknown(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    assert refusal(Fetcher(hosts=[HOST], agent="t", resolver=unknown)).code == "unknown_host"


# --- A server of the tests' own -------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what the path asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.headers["Host"], self.path, dict(self.headers)))
        try:
            self.answer()
        except (OSError, ssl.SSLError):
            self.close_connection = True

    def answer(self):
        if self.path.startswith("/to/"):
            return self.say(302, b"", Location=self.path.removeprefix("/to/"))
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.is_over.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
            self.close_connection = True
            return None
        if self.path == "/drip-head":
            while not self.server.is_over.wait(0.05):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n"[:1])
                self.wfile.flush()
            self.close_connection = True
            return None
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65_536)
        if self.path == "/missing":
            return self.say(404, b"none")
        if self.path == "/compressed":
            return self.say(200, b"x", **{"Content-Encoding": "gzip"})
        if self.path == "/page":
            return self.say(200, b"<html>no image</html>")
        return self.say(200, self.server.image)

    def say(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as one:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(PEM)
        one.names = []
        tls.sni_callback = lambda connection, name, context: one.names.append(name)
        one.socket = tls.wrap_socket(one.socket, server_side=True)
        one.seen, one.image, one.is_over = [], encoded(picture(900, 450), "JPEG"), threading.Event()
        thread = threading.Thread(target=one.serve_forever, args=(0.05,))
        thread.start()
        yield one
        one.is_over.set()
        one.shutdown()
        thread.join()


def local(server, *addresses, **more):
    """Return a fetcher that may ask the tests' own server, and only because it is told so."""
    return Fetcher(
        **{"hosts": (HOST, OTHER), "agent": "tests", "seconds": 5.0} | more,
        is_allowed=lambda address: address == "127.0.0.1",
        resolver=lambda host, port: list(addresses) or ["127.0.0.1"],
        port=server.server_address[1],
        tls=ssl.create_default_context(cafile=str(PEM)),
    )


def test_what_is_there_is_fetched_under_its_name(server):
    data = local(server).fetch(f"http://{HOST}/a%20b.jpg?w=3", most=1_000_000)

    assert data == server.image
    assert server.names == [HOST]
    ((host, path, headers),) = server.seen
    assert host.split(":")[0] == HOST
    assert path == "/a%20b.jpg?w=3"
    assert headers["User-Agent"] == "tests"
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_the_very_server_is_refused_without_the_tests_own_word(server):
    one = Fetcher(
        hosts=[HOST],
        agent="tests",
        resolver=lambda host, port: ["127.0.0.1"],
        port=server.server_address[1],
    )

    assert refusal(one).code == "not_public"
    assert not server.seen


def test_a_certificate_of_nobody_is_refused(server):
    one = local(server)
    strict = Fetcher(
        hosts=one.hosts,
        agent="tests",
        is_allowed=one.is_allowed,
        resolver=one.resolver,
        port=one.port,
    )

    assert refusal(strict).code == "failed"
    wrong = local(server, hosts=("pictures.example.net",))
    assert refusal(wrong, "https://pictures.example.net/a").code == "failed"
    assert not server.seen


def test_a_redirect_within_the_host_is_followed_a_few_times(server):
    one = local(server)

    assert one.fetch(f"https://{HOST}/to//to//a.jpg", most=1_000_000) == server.image
    assert refusal(one, f"https://{HOST}" + "/to/" * 5 + "/a.jpg").code == "redirects"


@pytest.mark.parametrize(
    "target",
    [
        *("https://127.0.0.1/", "http://169.254.169.254/latest/", "//[::1]/", "https://10.0.0.1/"),
        *("https://[::ffff:127.0.0.1]/", f"https://{OTHER}/a.jpg", "https://localhost/"),
        *(f"https://{HOST}@127.0.0.1/", "https://[x/"),
    ],
)
def test_a_redirect_to_another_host_is_not_followed(server, target):
    error = refusal(local(server), f"https://{HOST}/to/{target}")

    assert error.code in ("other_host", "bad_url")
    assert len(server.seen) == 1


@pytest.mark.parametrize("target", [f"http://{HOST}/a", "file:///etc/passwd", f"ftp://{HOST}/"])
def test_a_redirect_away_from_https_is_not_followed(server, target):
    assert refusal(local(server), f"https://{HOST}/to/{target}").code in ("bad_url", "other_host")
    assert len(server.seen) == 1


def test_each_hop_looks_at_its_address_anew(server):
    """A host that answers once, and whose name then leads inside, gets no second request."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    one = local(server)
    again = Fetcher(
        hosts=one.hosts,
        agent="tests",
        is_allowed=one.is_allowed,
        resolver=lambda host, port: answers.pop(0),
        port=one.port,
        tls=one.tls,
    )

    assert refusal(again, f"https://{HOST}/to//a.jpg").code == "not_public"
    assert len(server.seen) == 1


@pytest.mark.parametrize("path", ["drip", "drip-head"])
def test_a_slow_answer_ends_with_its_time(server, path):
    began = time.monotonic()

    assert refusal(local(server, seconds=0.6), f"https://{HOST}/{path}").code == "too_slow"

    assert time.monotonic() - began < 30


def test_an_endless_answer_ends_with_its_length(server):
    error = refusal(local(server), f"https://{HOST}/endless")

    assert error.code == "too_long"
    beginning = local(server).fetch(f"https://{HOST}/endless", most=1_000, is_beginning_enough=True)
    assert len(beginning) == 1_000


@pytest.mark.parametrize(("path", "code"), [("missing", "status"), ("compressed", "encoding")])
def test_what_is_no_plain_answer_is_told(server, path, code):
    assert refusal(local(server), f"https://{HOST}/{path}").code == code


# --- Checks and copies --------------------------------------------------------------------------


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.IMAGE_HOSTS = [HOST, OTHER]
    settings.IMAGE_MIRROR_HOSTS = [HOST]
    settings.IMAGE_CHECKS = True
    settings.IMAGE_PLACEHOLDER = False


def source(path="a.jpg", host=HOST, **more):
    return ImageSource.objects.create(url=f"https://{host}/{path}", host=host, **more)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("a.jpg", ""),
        ("missing", "it answered 404"),
        ("page", "no image of a kind"),
        (f"to/https://{OTHER}/a.jpg", ""),  # another allowed host: it is there
        ("to/https://evil.example/a.jpg", "leads to another host, evil.example"),
    ],
)
def test_a_check_notes_what_it_found(server, media, path, fault):
    one, now = source(path), timezone.now()

    said = remote.check(one, local(server), now)

    one.refresh_from_db()
    assert one.checked_at == now
    assert one.fault == said
    assert fault in one.fault
    assert bool(one.fault) == bool(fault)
    assert one.stored is None
    if path == "a.jpg":
        assert (one.width, one.height) == (900, 450)


@pytest.mark.django_db
def test_a_mirrored_image_is_checked_kept_and_shown(server, media, client):
    one = source(licence="cleared")

    assert remote.mirror(one, local(server), timezone.now()) == ""

    one.refresh_from_db()
    assert (one.stored.width, one.stored.uploaded_by) == (900, None)
    from posts import content

    image = content.Image("a gauge", one.url, "tide", "a gauge")
    post = make_post(snapshot=make_snapshot(image_sources=(image,), body="![tide](image:1)"))
    html = client.get(post.get_absolute_url()).context["article"].html
    assert f"/images/{one.stored.digest}/640.webp" in html
    assert f'<a href="{one.url}"' in html  # its source stays named
    assert client.get(f"/images/{one.stored.digest}/640.webp").status_code == 200
    ImageSource.objects.update(licence="refused")
    assert client.get(f"/images/{one.stored.digest}/640.webp").status_code == 404


@pytest.mark.django_db
def test_what_is_mirrored_passes_the_check_of_uploads(server, media):
    one = source("page", licence="cleared")

    assert "no image of a kind" in remote.mirror(one, local(server), timezone.now())

    one.refresh_from_db()
    assert one.stored is None
    assert not StoredImage.objects.exists()


@pytest.mark.django_db
def test_a_licence_taken_back_meanwhile_keeps_no_copy(server, media):
    one = source(licence="cleared")
    ImageSource.objects.update(licence="refused")

    remote.mirror(one, local(server), timezone.now())

    one.refresh_from_db()
    assert one.stored is None


@pytest.mark.django_db
def test_only_cleared_images_of_named_hosts_are_mirrored(media):
    before = timezone.now() - dt.timedelta(days=1)
    wanted = source("1", licence="cleared")
    source("2", licence="unknown")
    source("3", licence="refused")
    source("4", host=OTHER, licence="cleared")
    source("5", licence="cleared", checked_at=timezone.now())

    assert list(remote.to_mirror(before)) == [wanted]


@pytest.mark.django_db
def test_what_was_asked_for_longest_ago_comes_first(media):
    now = timezone.now()
    old = source("1", checked_at=now - dt.timedelta(days=90))
    older = source("2", checked_at=now - dt.timedelta(days=99))
    never = source("3")
    source("4", checked_at=now)
    source("5", host="evil.example")

    assert list(remote.to_check(now - dt.timedelta(days=30))) == [never, older, old]


@pytest.mark.django_db
@pytest.mark.parametrize(("what", "word"), [("check", "IMAGE_CHECKS"), ("mirror", "MIRROR_HOSTS")])
def test_nothing_is_asked_unless_it_is_configured(settings, no_connection, what, word):
    settings.IMAGE_CHECKS, settings.IMAGE_MIRROR_HOSTS = False, []
    source(licence="cleared")

    with pytest.raises(CommandError, match=word):
        call_command("remote_images", what)


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["check", "mirror"])
def test_the_command_asks_and_counts(server, media, monkeypatch, capsys, what):
    one = local(server)
    monkeypatch.setattr(remote, "fetcher_of", lambda hosts: one)
    for path in ("a.jpg", "missing"):
        source(path, licence="cleared")

    call_command("remote_images", what)

    told = capsys.readouterr()
    assert "images asked for: 2; with a fault: 1" in told.out
    assert f"https://{HOST}/missing: it answered 404" in told.err
    assert bool(StoredImage.objects.exists()) == (what == "mirror")


def test_the_fetcher_of_a_site_asks_only_what_is_public(settings):
    one = remote.fetcher_of([HOST])

    assert (one.is_allowed, one.resolver) == (fetching.is_public, fetching.resolve)
    assert (one.port, one.tls) == (443, None)
    assert issubclass(OtherHostError, FetchError)
