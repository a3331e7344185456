"""Only a trusted proxy is believed."""

from ipaddress import ip_network
from typing import Any

import pytest

from koha_ill_sidecar.web.proxies import TRUSTED, Mounted, TrustedProxies


def _seen(proxies: list[str], **environ: str) -> dict[str, Any]:
    """Send a request through and give what the application would see."""
    seen: dict[str, Any] = {"wsgi.url_scheme": "http", "HTTP_HOST": "127.0.0.1:8085"}
    seen.update(environ)
    networks = [ip_network(proxy) for proxy in proxies if proxy != "unix"]
    middleware = TrustedProxies(lambda _environ, _start: [b""], networks, unix_socket="unix" in proxies)
    middleware(seen, lambda *_: lambda _: None)
    return seen


def test_client_address_scheme_and_host_come_from_a_trusted_proxy() -> None:
    seen = _seen(
        ["10.0.0.0/8"],
        REMOTE_ADDR="10.1.2.3",
        HTTP_X_FORWARDED_FOR="203.0.113.7",
        HTTP_X_FORWARDED_PROTO="https",
        HTTP_X_FORWARDED_HOST="ill.example.org",
    )

    assert seen["REMOTE_ADDR"] == "203.0.113.7"
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["HTTP_HOST"] == "ill.example.org"
    assert seen[TRUSTED] is True


def test_an_untrusted_peer_cannot_set_the_client_address() -> None:
    seen = _seen(
        ["10.0.0.0/8"],
        REMOTE_ADDR="203.0.113.9",
        HTTP_X_FORWARDED_FOR="10.0.0.1",
        HTTP_X_FORWARDED_PROTO="https",
        HTTP_X_FORWARDED_CLIENT_CERT="ab:cd",
    )

    assert seen["REMOTE_ADDR"] == "203.0.113.9"
    assert seen["wsgi.url_scheme"] == "http"
    assert not [key for key in seen if key.startswith("HTTP_X_FORWARDED_")]
    assert seen[TRUSTED] is False


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("1.1.1.1, 203.0.113.7", "203.0.113.7"),  # what the client made up stands to the left
        ("203.0.113.7, 10.0.0.2", "203.0.113.7"),  # two proxies of ours
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("2001:db8::1", "2001:db8::1"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("203.0.113.7:4711, 10.0.0.2:80", "203.0.113.7"),
        ("203.0.113.7:", "10.0.0.1"),
        ("rubbish, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, rubbish", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_counts(forwarded_for: str, client: str) -> None:
    seen = _seen(["10.0.0.0/8"], REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded_for)

    assert seen["REMOTE_ADDR"] == client


def test_peers_on_the_unix_socket_are_trusted_where_we_listen_on_one() -> None:
    assert _seen(["unix"])[TRUSTED] is True
    assert _seen(["10.0.0.1"])[TRUSTED] is False


def test_an_ipv4_peer_on_an_ipv6_socket_is_trusted() -> None:
    assert _seen(["10.0.0.1"], REMOTE_ADDR="::ffff:10.0.0.1")[TRUSTED] is True


@pytest.mark.parametrize("host", ["evil.example/path", "a b", "x\r\nSet-Cookie: y", ""])
def test_an_invalid_host_is_ignored(host: str) -> None:
    seen = _seen(["10.0.0.1"], REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_HOST=host)

    assert seen["HTTP_HOST"] == "127.0.0.1:8085"


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/ill/requests", "/requests"),
        ("/ill/", "/"),
        ("/ill", ""),
        ("/requests", "/requests"),
        ("/illness", "/illness"),
        ("/", "/"),
    ],
)
def test_the_prefix_of_a_shared_host_is_removed_if_present(path: str, inside: str) -> None:
    seen: dict[str, Any] = {"PATH_INFO": path, "SCRIPT_NAME": ""}

    Mounted(lambda _environ, _start: [b""], "/ill")(seen, lambda *_: lambda _: None)

    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/ill", inside)
