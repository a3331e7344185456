"""The real client behind a proxy: ``X-Forwarded-*`` counts only if it comes from a trusted proxy."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TRUSTED = "koha_ill_sidecar.trusted_proxy"
"""WSGI key: whether the peer is a trusted proxy."""

FORWARDED = "koha_ill_sidecar.forwarded"
"""WSGI key: whether the request came through a proxy, trusted or not; anybody may claim so."""

_FORWARDED = "HTTP_X_FORWARDED_"
_HOP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::\d{1,5})?", re.ASCII)
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


class TrustedProxies:
    """
    WSGI middleware: set the client's address, scheme and host as the proxy reports them.

    If the peer is not trusted, every ``X-Forwarded-*`` header is removed, so that no later code can trust it by
    mistake. Of several addresses in ``X-Forwarded-For``, the last one that is not a trusted proxy counts: those to the
    left of it are whatever the client sent.

    Args:
        proxies: Networks that proxies are in.
        unix_socket: Whether peers without an address are trusted: those on a Unix socket, to which only our owner and
            group may connect.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        proxies: Sequence[IPv4Network | IPv6Network],
        *,
        unix_socket: bool = False,
    ) -> None:
        self._application = application
        self._networks = tuple(proxies)
        self._unix_socket = unix_socket

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ[TRUSTED] = self._is_trusted(environ.get("REMOTE_ADDR", ""))
        environ[FORWARDED] = any(key.startswith(_FORWARDED) for key in environ)
        if environ[TRUSTED]:
            self._apply_headers(environ)
        else:
            _drop_headers(environ)
        return self._application(environ, start_response)

    def _is_trusted(self, address: str) -> bool:
        return is_in(address, self._networks) if address else self._unix_socket

    def _apply_headers(self, environ: "WSGIEnvironment") -> None:
        if client := self._client(environ.get("HTTP_X_FORWARDED_FOR", "")):
            environ["REMOTE_ADDR"] = client
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        host = _last(environ.get("HTTP_X_FORWARDED_HOST", ""))
        if _HOST.fullmatch(host):
            environ["HTTP_HOST"] = host

    def _client(self, forwarded_for: str) -> str | None:
        client = None
        for hop in reversed([hop.strip() for hop in forwarded_for.split(",")]):
            try:
                client = str(ip_address(_without_port(hop)))
            except ValueError:
                return client
            if not self._is_trusted(client):
                return client
        return client


class Mounted:
    """
    WSGI middleware: serve below a path of a shared host, such as ``/ill`` of Koha's staff interface.

    The web server in front may pass paths with the prefix or without it.
    """

    def __init__(self, application: "WSGIApplication", prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["SCRIPT_NAME"] = self._prefix
        path = environ.get("PATH_INFO", "")
        if path == self._prefix or path.startswith(self._prefix + "/"):
            environ["PATH_INFO"] = path[len(self._prefix) :]
        return self._application(environ, start_response)


def is_in(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether an address is in one of the networks; what is no address is in none."""
    try:
        client = ip_address(address)
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client in network for network in networks)


def client_network(address: str) -> str:
    """Return what attempts are counted by: an IPv4 address, or the /64 network of one IPv6 customer."""
    try:
        client = ip_address(address)
    except ValueError:
        return address
    if isinstance(client, IPv6Address):
        if client.ipv4_mapped:
            return str(client.ipv4_mapped)
        return str(IPv6Network((int(client), 64), strict=False))
    return str(client)


def _without_port(hop: str) -> str:
    """Return the address of ``203.0.113.7:4711`` and ``[2001:db8::1]:4711``, as some proxies write it."""
    written = _HOP.fullmatch(hop)
    return written["v6"] or written["v4"] if written else hop


def _drop_headers(environ: "WSGIEnvironment") -> None:
    for key in [key for key in environ if key.startswith(_FORWARDED)]:
        del environ[key]


def _last(values: str) -> str:
    return values.rpartition(",")[2].strip()
