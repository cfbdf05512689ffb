"""A request to another site that cannot be led back into this network (SSRF).

In: an https address on a list of hosts. Out: bytes within a length and a time, or `FetchError`. The
name is resolved once, every address it has must be public, and the connection goes to the very
address that was looked at: what the name means a moment later does not matter.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

HTTPS = 443
REDIRECTS_MAX = 3
READ_AT_ONCE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
#: NAT64: the IPv4 address it leads to stands in its last four bytes (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Special by IANA's registries, and public to some releases of Python 3.11 and 3.12.
_SPECIAL = [
    ipaddress.ip_network(block)
    for block in ("192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16")
]


class FetchError(Exception):
    """An address that gave nothing; `code` is stable, the text says what happened."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OtherHostError(FetchError):
    """A redirect to another host, which is not followed."""

    def __init__(self, host: str) -> None:
        super().__init__("other_host", f"it leads to another host, {host}, and was not followed")
        self.host = host


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet: not of this machine, network or provider."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(ip.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback
    is_special = is_special or ip.is_link_local or any(ip in block for block in _SPECIAL)
    return ip.is_global and not is_special


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Fetcher:
    """What may be asked, and how long and how much at most.

    `is_allowed`, `resolver`, `port` and `tls` are what they are in production; only a test with a
    server of its own sets them.
    """

    hosts: Collection[str]
    agent: str
    seconds: float = 15.0
    is_allowed: Callable[[str], bool] = is_public
    resolver: Callable[[str, int], list[str]] = resolve
    port: int = HTTPS
    tls: ssl.SSLContext | None = None

    def fetch(self, url: str, *, most: int, is_beginning_enough: bool = False) -> bytes:
        """Return what an address answers, at most so many bytes. Raises `FetchError`.

        With `is_beginning_enough` a longer answer is cut instead of refused.
        """
        for _ in range(1 + REDIRECTS_MAX):
            host, target = self._split(url)
            with self._connected(host) as connection:
                try:
                    status, location, body = self._ask(connection, target, most)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    if connection.is_over:
                        raise self._too_slow() from error
                    raise FetchError("failed", f"the connection failed: {error!r}"[:200]) from error
                if connection.is_over:
                    raise self._too_slow()
            if status in _REDIRECTS and location:
                url = _redirected(host, target, location)
                continue
            if status != 200:
                raise FetchError("status", f"it answered {status}")
            if len(body) > most and not is_beginning_enough:
                raise FetchError("too_long", f"it has more than {most // 1024**2} MB")
            return body[:most]
        raise FetchError("redirects", f"it redirects more than {REDIRECTS_MAX} times")

    def _split(self, url: str) -> tuple[str, str]:
        try:
            parts = urlsplit(url)
            port, host = parts.port, (parts.hostname or "").lower()
        except ValueError as error:
            raise FetchError("bad_url", "the address makes no sense") from error
        # Pages show these over https whatever their address says.
        if (
            parts.scheme not in ("http", "https")
            or port not in (None, HTTPS)
            or "@" in parts.netloc
        ):
            raise FetchError("bad_url", "the address is not a plain https one")
        if host not in self.hosts:
            raise FetchError("host", f"host {host or 'none'} is not on the list")
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        if not target.isascii() or any(letter <= " " or letter == "\x7f" for letter in target):
            raise FetchError("bad_url", "the address has letters that no request may have")
        return host, target

    def _connected(self, host: str) -> _Connection:
        try:
            addresses = self.resolver(host, self.port)
        except OSError as error:
            raise FetchError("unknown_host", f"host {host} has no address") from error
        if not addresses or not all(map(self.is_allowed, addresses)):
            raise FetchError("not_public", f"host {host} leads to an address that is not public")
        tls = self.tls or ssl.create_default_context()
        return _Connection(host, addresses[0], self.port, seconds=self.seconds, tls=tls)

    def _ask(self, connection: _Connection, target: str, most: int) -> tuple[int, str, bytes]:
        connection.request(
            "GET",
            target,
            headers={
                "User-Agent": self.agent,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
        )
        response = connection.getresponse()
        body = bytearray()
        if response.status == 200:
            if response.getheader("Content-Encoding", "identity") != "identity":
                raise FetchError("encoding", "it is compressed, which was not asked for")
            while len(body) <= most and (part := response.read1(READ_AT_ONCE)):
                body += part
        return response.status, response.getheader("Location") or "", bytes(body)

    def _too_slow(self) -> FetchError:
        return FetchError("too_slow", f"it took more than {self.seconds:g} seconds")


def _redirected(host: str, target: str, location: str) -> str:
    try:
        further = urljoin(f"https://{host}{target}", location)
        parts = urlsplit(further)
        other = (parts.hostname or "").lower()
    except ValueError as error:
        raise FetchError("bad_url", "it redirects to an address that makes no sense") from error
    if other != host:
        raise OtherHostError(other[:200] or "none")
    if parts.scheme != "https":
        raise FetchError("bad_url", "it redirects away from https")
    return further


class _Connection(http.client.HTTPSConnection):
    """A connection to an address that was looked at, under the name it was asked for by.

    The whole of it ends when its time is over, however slowly the other side drips.
    """

    def __init__(
        self, host: str, address: str, port: int, *, seconds: float, tls: ssl.SSLContext
    ) -> None:
        super().__init__(host, port, timeout=seconds, context=tls)
        self.address = address
        self.tls = tls
        self.is_over = False
        # `sock` is let go of once an answer begins, while its body is still on the way.
        self._reached: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Connection:
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        self.close()

    def connect(self) -> None:
        plain = socket.create_connection((self.address, self.port), self.timeout)
        secured = self.tls.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock = self._reached = secured
        secured.do_handshake()

    def _cut(self) -> None:
        self.is_over = True
        if self._reached is not None:
            with contextlib.suppress(OSError):
                self._reached.shutdown(socket.SHUT_RDWR)
