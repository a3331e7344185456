"""Checks of the sidecar's own configuration that go beyond reading it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from koha_ill_sidecar.backends.http.callback_formats import callback_format
from koha_ill_sidecar.config.settings import (
    Authentication,
    BasicAuthentication,
    BearerAuthentication,
    HMACAuthentication,
    Settings,
    StandardWebhooksAuthentication,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.errors import ConfigurationError
from koha_ill_sidecar.services.delivery.dispatcher import koha_lock_file
from koha_ill_sidecar.services.doctor.findings import Finding, fail, ok, warn

_SHORTEST_SECRET = 16  # characters; secrets that people make up are shorter
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def check(settings: Settings) -> Iterator[Finding]:
    """Check the file's mode, the callbacks' secrets, the web address and Koha's lock file."""
    yield _file(settings.source)
    yield from _callback_formats(settings)
    yield from _secrets(settings)
    yield from _web_address(settings)
    yield from _lock_file(settings)


def _file(path: Path | None) -> Finding:
    if path is None:
        return ok("configuration", "passed by the program, not read from a file")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IROTH:
        return warn(
            "configuration",
            f"{path} may be read by every user of this host (mode {mode:03o})",
            f"chmod o-r {path}",
        )
    return ok("configuration", f"{path} is valid")


def _callback_formats(settings: Settings) -> Iterator[Finding]:
    """Find backends with which the web process would not start."""
    for name, backend in settings.backends.items():
        if not backend.enabled or backend.callbacks is None:
            continue
        try:
            callback_format(name, backend.callbacks.mapping)
        except ConfigurationError as error:
            for problem in error.problems:
                yield fail(
                    "callbacks",
                    problem,
                    "Correct this in the configuration; the daemon does not start with it.",
                )


def _secrets(settings: Settings) -> Iterator[Finding]:
    """Find secrets of callbacks that could be guessed, or that two backends share."""
    owners: dict[Secret, set[str]] = {}
    for name, backend in settings.backends.items():
        methods = backend.callbacks.authentication if backend.enabled and backend.callbacks else ()
        for secret in (secret for method in methods for secret in _secrets_of(method)):
            owners.setdefault(secret, set()).add(name)
            if len(secret.reveal()) < _SHORTEST_SECRET:
                yield warn(
                    "secrets",
                    f"backend {name} has a secret of less than {_SHORTEST_SECRET} characters",
                    "Agree on a random one: openssl rand -base64 32",
                )
    for names in sorted(tuple(sorted(names)) for names in owners.values() if len(names) > 1):
        yield warn("secrets", f"backends {', '.join(names)} share a secret", "Give each backend its own.")


def _secrets_of(method: Authentication) -> tuple[Secret, ...]:
    match method:
        case StandardWebhooksAuthentication() | HMACAuthentication():
            return method.secrets
        case BearerAuthentication():
            return method.tokens
        case BasicAuthentication():
            return (method.password,)
    return ()


def _web_address(settings: Settings) -> Iterator[Finding]:
    """Find callbacks that would arrive unencrypted."""
    web = settings.web
    receives = any(backend.enabled and backend.callbacks for backend in settings.backends.values())
    if receives and (web.public_url or "").startswith("http://"):
        yield warn(
            "web",
            f"callbacks come to {web.public_url}, which is not encrypted",
            "Put a web server with a certificate before the sidecar and make web.public_url https.",
        )
    elif web.listen.host and web.listen.host not in _LOOPBACK and not web.trusted_proxies:
        yield warn(
            "web",
            f"listens on {web.listen} for the whole network, unencrypted",
            "Listen on 127.0.0.1 behind a web server, and name that in web.trusted_proxies.",
        )
    else:
        yield ok("web", f"listens on {web.listen}")


def _lock_file(settings: Settings) -> Iterator[Finding]:
    """Find a lock file of Koha's that the sidecar must take and cannot open."""
    path = koha_lock_file(settings)
    if not settings.delivery.enabled or path is None:
        return
    # The daemon opens the file read-only, and needs no lock where Koha's script has never run.
    if not path.exists() or os.access(path, os.R_OK):
        yield ok("koha lock", f"{path} can be taken")
    else:
        yield warn(
            "koha lock",
            f"{path} cannot be opened by this user",
            "Run as a user of the instance's group, or leave ILL letters out of Koha's cron job.",
        )
