"""
Authenticate the sender of a callback, by the bytes as they came and before anything parses them.

Every comparison takes the same time, whatever was sent and whichever of several secrets matches.

Source: Standard Webhooks 1.0.0 (signatures), RFC 7617 (basic), RFC 6750 (bearer).
"""

import base64
import binascii
import hashlib
import hmac
import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from koha_ill_sidecar.config.settings import (
    Authentication,
    BackendCallbackSettings,
    BasicAuthentication,
    BearerAuthentication,
    ClientCertificateAuthentication,
    HMACAuthentication,
    SignatureEncoding,
    StandardWebhooksAuthentication,
    standard_webhooks_key,
)
from koha_ill_sidecar.config.values import Secret


class AuthFailure(StrEnum):
    """Why authentication failed: for the log and the metrics; the sender learns only which headers are missing."""

    NO_CREDENTIALS = "no_credentials"
    MALFORMED = "malformed"
    STALE = "stale"  # the signature's time is too far from ours
    WRONG_SIGNATURE = "wrong_signature"
    WRONG_TOKEN = "wrong_token"  # noqa: S105  (a reason, no secret)
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    UNTRUSTED_PROXY = "untrusted_proxy"
    WRONG_CERTIFICATE = "wrong_certificate"
    UNUSABLE_EVENT_ID = "unusable_event_id"  # the signature is right


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthRequest:
    """What authentication looks at."""

    headers: Mapping[str, str]  # names in lower case
    body: bytes
    now: float  # seconds since the epoch, by our clock
    from_trusted_proxy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Authenticated:
    """An authenticated sender."""

    method: str
    event_id: str | None = None  # the one that the signature covers


Check = Callable[[AuthRequest], "Authenticated | AuthFailure"]
"""One method of authentication."""

# If several methods fail, the log gets the failure that says most: the last ones of the enum.
_MOST_SPECIFIC_FIRST: Final = tuple(reversed(AuthFailure))


class Authenticator:
    """The methods by which a backend's callbacks may be authenticated; one that succeeds is enough."""

    def __init__(self, settings: BackendCallbackSettings) -> None:
        self._checks = tuple(_check(method, settings.tolerance_seconds) for method in settings.authentication)
        self._methods = settings.authentication
        self.challenge = ", ".join(sorted({_challenge(method) for method in settings.authentication}))
        self.secret_headers = frozenset(
            header for method in settings.authentication for header in _secret_headers(method)
        )

    def authenticate(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        """Return the sender by the first method that succeeds, or the most specific failure."""
        failures = []
        for check in self._checks:
            outcome = check(auth_request)
            if isinstance(outcome, Authenticated):
                return outcome
            failures.append(outcome)
        return min(failures, key=_MOST_SPECIFIC_FIRST.index)

    def advice(self, headers: Mapping[str, str]) -> str:
        """
        Return what the sender should check: by the method, and which of its headers are missing.

        Nothing here depends on a secret: somebody who is guessing must not learn how close the guess was.
        """
        return " Or: ".join(_advice(method, headers) for method in self._methods)


def _advice(method: Authentication, headers: Mapping[str, str]) -> str:
    match method:
        case StandardWebhooksAuthentication():
            names: tuple[str, ...] = _WEBHOOK_HEADERS
            advice = (
                "Check the secret, your clock against the header Date of this answer, and that the body is signed as it"
                " is sent."
            )
        case HMACAuthentication():
            names = (method.header,)
            advice = f"Check the secret, and that {method.header} is computed from the body as it is sent."
        case BearerAuthentication():
            names, advice = ("Authorization",), "Check the token in 'Authorization: Bearer TOKEN'."
        case BasicAuthentication():
            names, advice = (
                ("Authorization",),
                "Check user name and password of the basic authentication, in UTF-8.",
            )
        case ClientCertificateAuthentication():
            return "Check the client certificate that you send with TLS."
    missing = [name for name in names if name.lower() not in headers]
    return f"Missing: {', '.join(missing)}. {advice}" if missing else advice


def _check(method: Authentication, tolerance_seconds: int) -> Check:
    match method:
        case StandardWebhooksAuthentication():
            return _StandardWebhooks(method, tolerance_seconds)
        case HMACAuthentication():
            return _HMAC(method)
        case BearerAuthentication():
            return _Bearer(method)
        case BasicAuthentication():
            return _Basic(method)
        case ClientCertificateAuthentication():
            return _ClientCertificate(method)


def _challenge(method: Authentication) -> str:
    # RFC 9110 asks for a challenge with every 401; signatures have no registered scheme.
    match method:
        case BasicAuthentication():
            return 'Basic realm="callbacks", charset="UTF-8"'
        case BearerAuthentication():
            return 'Bearer realm="callbacks"'
        case _:
            return 'Signature realm="callbacks"'


def _secret_headers(method: Authentication) -> tuple[str, ...]:
    match method:
        case BasicAuthentication() | BearerAuthentication():
            return ("authorization",)
        case HMACAuthentication():
            return (method.header.lower(),)
        case StandardWebhooksAuthentication():
            return ("webhook-signature", "svix-signature")
        case ClientCertificateAuthentication():
            return ()


_WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,191}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURES_TRIED = 20  # a sender that changes its secret sends two


class _StandardWebhooks:
    def __init__(self, settings: StandardWebhooksAuthentication, tolerance_seconds: int) -> None:
        self._method = settings.METHOD
        self._keys = [standard_webhooks_key(secret) or b"" for secret in settings.secrets]
        self._tolerance = tolerance_seconds

    def __call__(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        headers = auth_request.headers
        # Libraries of Svix, where the standard comes from, name the same headers svix-*.
        prefix = "svix" if "svix-id" in headers and "webhook-id" not in headers else "webhook"
        event_id = headers.get(f"{prefix}-id")
        timestamp = headers.get(f"{prefix}-timestamp")
        signatures = headers.get(f"{prefix}-signature")
        if event_id is None or timestamp is None or signatures is None:
            return AuthFailure.NO_CREDENTIALS
        if not _TIMESTAMP.fullmatch(timestamp):
            return AuthFailure.MALFORMED
        if abs(auth_request.now - int(timestamp)) > self._tolerance:
            return AuthFailure.STALE
        is_usable = _EVENT_ID.fullmatch(event_id) is not None
        # The signature covers the text of the header, not the number that it stands for.
        signed = b".".join((event_id.encode("latin-1", "replace"), timestamp.encode(), auth_request.body))
        expected = [hmac.digest(key, signed, "sha256") for key in self._keys]
        if _any_equal(expected, _version_1(signatures)):
            # A dot would let the same signature stand for another ID and time.
            if not is_usable:
                return AuthFailure.UNUSABLE_EVENT_ID
            return Authenticated(method=self._method, event_id=event_id)
        return AuthFailure.WRONG_SIGNATURE if is_usable else AuthFailure.MALFORMED


def _version_1(signatures: str) -> list[bytes]:
    pairs = [item.partition(",") for item in signatures.split(" ", _SIGNATURES_TRIED)[:_SIGNATURES_TRIED]]
    decoded = [_base64(text) for version, _, text in pairs if version == "v1"]
    return [signature for signature in decoded if signature is not None]


class _HMAC:
    def __init__(self, settings: HMACAuthentication) -> None:
        self._method = settings.METHOD
        self._header = settings.header.lower()
        self._algorithm = settings.algorithm.value
        self._read = _hexadecimal if settings.encoding is SignatureEncoding.HEX else _base64
        self._prefix = settings.prefix
        self._keys = [secret.reveal().encode() for secret in settings.secrets]

    def __call__(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        value = auth_request.headers.get(self._header)
        if value is None:
            return AuthFailure.NO_CREDENTIALS
        signature = self._read(value.removeprefix(self._prefix)) if value.startswith(self._prefix) else None
        if signature is None:
            return AuthFailure.MALFORMED
        expected = [hmac.digest(key, auth_request.body, self._algorithm) for key in self._keys]
        if _any_equal(expected, [signature]):
            return Authenticated(method=self._method)
        return AuthFailure.WRONG_SIGNATURE


class _Bearer:
    def __init__(self, settings: BearerAuthentication) -> None:
        self._method = settings.METHOD
        self._tokens = [_hashed(token) for token in settings.tokens]

    def __call__(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        token = _authorization(auth_request, "bearer")
        if token is None:
            return AuthFailure.NO_CREDENTIALS
        if _any_equal(self._tokens, [hashlib.sha256(token.encode("utf-8", "replace")).digest()]):
            return Authenticated(method=self._method)
        return AuthFailure.WRONG_TOKEN


class _Basic:
    def __init__(self, settings: BasicAuthentication) -> None:
        self._method = settings.METHOD
        self._credentials = hashlib.sha256(f"{settings.user}:{settings.password.reveal()}".encode()).digest()

    def __call__(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        encoded = _authorization(auth_request, "basic")
        if encoded is None:
            return AuthFailure.NO_CREDENTIALS
        credentials = _base64(encoded)
        if credentials is None:
            return AuthFailure.MALFORMED
        if hmac.compare_digest(self._credentials, hashlib.sha256(credentials).digest()):
            return Authenticated(method=self._method)
        return AuthFailure.WRONG_PASSWORD


class _ClientCertificate:
    """Trusts the proxy that ended the TLS connection: its header holds a SHA-256 fingerprint or, as nginx passes it,
    the certificate as URL-encoded PEM, or its DER in base64 (RFC 9440, Traefik), or Envoy's list of elements (XFCC)."""

    def __init__(self, settings: ClientCertificateAuthentication) -> None:
        self._method = settings.METHOD
        self._header = settings.header.lower()
        self._fingerprints = [bytes.fromhex(text.replace(":", "")) for text in settings.fingerprints]

    def __call__(self, auth_request: AuthRequest) -> Authenticated | AuthFailure:
        value = auth_request.headers.get(self._header)
        if not value:
            return AuthFailure.NO_CREDENTIALS
        if not auth_request.from_trusted_proxy:
            return AuthFailure.UNTRUSTED_PROXY
        fingerprint = _fingerprint(value)
        if fingerprint is None:
            return AuthFailure.MALFORMED
        if _any_equal(self._fingerprints, [fingerprint]):
            return Authenticated(method=self._method)
        return AuthFailure.WRONG_CERTIFICATE


# Envoy, x-forwarded-client-cert: elements after commas, each with Hash=, Cert= and others after semicolons. The proxy
# that is next to us writes the last element.
_XFCC = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(?:;|(,)|$)')


def _fingerprint(value: str) -> bytes | None:
    if _XFCC.match(value) and ("Hash=" in value or "Cert=" in value):
        return _fingerprint_in_xfcc(value)
    if "BEGIN" not in value:
        fingerprint = _hexadecimal(
            re.sub(r"\Asha-?256[:=]", "", value.strip(), flags=re.IGNORECASE).replace(":", "")
        )
        return fingerprint if fingerprint is not None else _fingerprint_of_der(value)
    return _fingerprint_of_pem(value)


def _fingerprint_of_pem(value: str) -> bytes | None:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(_pem(unquote(value)))).digest()
    except ValueError:  # binascii.Error is one
        return None


def _pem(text: str) -> str:
    """Return a PEM text with its line breaks, which a header cannot hold: Apache's are spaces, or a plus if escaped."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    plain = re.sub(r"(BEGIN|END)\+CERTIFICATE", r"\1 CERTIFICATE", text)
    between = re.search(f"{begin}(.*?){end}", plain, re.DOTALL)
    if between is None:
        return plain
    lines = between[1].split()
    if len(lines) == 1 and lines[0].startswith("+"):
        # A plus is a digit of base64 too: only the one after 64 digits, and the outer ones, stand for line breaks.
        lines = re.findall(r"(.{1,64})\+?", lines[0][1:-1])
    return "\n".join((begin, *lines, end, ""))


def _fingerprint_in_xfcc(value: str) -> bytes | None:
    matches = list(_XFCC.finditer(value))
    if "".join(match[0] for match in matches) != value:
        return None
    elements: list[dict[str, str]] = [{}]
    for match in matches:
        elements[-1][match[1].lower()] = match[2].strip('"')
        if match[3]:
            elements.append({})
    last = elements[-1]
    return _fingerprint_of_pem(last["cert"]) if "cert" in last else _hexadecimal(last.get("hash", ""))


def _fingerprint_of_der(value: str) -> bytes | None:
    # RFC 9440 puts colons around the base64; Traefik puts none, and the rest of the chain after a comma.
    leaf = unquote(value).partition(",")[0].strip()
    der = _base64(leaf[1:-1] if leaf.startswith(":") and leaf.endswith(":") else leaf)
    return hashlib.sha256(der).digest() if der else None


def _any_equal(expected: Sequence[bytes], given: Iterable[bytes]) -> bool:
    # No early exit: the time must not reveal which secret matched, or how many there are.
    found = False
    for signature in given:
        for one in expected:
            found |= hmac.compare_digest(one, signature)
    return found


def _authorization(auth_request: AuthRequest, scheme: str) -> str | None:
    given, _, credentials = auth_request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if given.lower() == scheme else None


def _hashed(secret: Secret) -> bytes:
    # Hashes have one length, so the time of comparing them does not reveal the token's length.
    return hashlib.sha256(secret.reveal().encode()).digest()


def _base64(text: str) -> bytes | None:
    """Read base64 strictly; None for anything else, also if unused bits or the padding are wrong."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None


_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){1,64}", re.ASCII)


def _hexadecimal(text: str) -> bytes | None:
    return bytes.fromhex(text) if _HEXADECIMAL.fullmatch(text) else None
