"""
The settings of the program. They are read once and never change.

Every field of a section is a key of the configuration file unless it is described as derived. ``config.example.yaml``
documents the keys for administrators.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

from koha_ill_sidecar.config.jobs import JobSchedules
from koha_ill_sidecar.config.values import IPNetwork, ListenAddress, Secret

Mistakes = Iterator[tuple[str, str]]
"""The mistakes in a section: the key, and what is wrong and how to fix it."""

DEFAULT_FRAMEWORK = "FA"
"""Koha's own framework for brief records (Koha, Koha/ILL/Request/Config.pm)."""

DEFAULT_PARTNER_CATEGORY = "IL"
"""The patron category of partner libraries in Koha's sample data."""

NO_SECRET = Secret("")
"""The empty password, for MariaDB's socket authentication."""


def _between(minimum: object, maximum: object) -> dict[str, Any]:
    """Return field metadata: the inclusive limits of a number or a duration, which the reader enforces."""
    return {"minimum": minimum, "maximum": maximum}


# Koha


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseTLS:
    """
    Encryption of the database connection.

    Attributes:
        enabled: Require TLS.
        ca: CA certificates to verify the server's certificate with; without them it is not verified, as in Koha.
        cert: Our client certificate, if the server asks for one.
        key: Its key.
        verify_hostname: Also verify that the certificate is valid for this host; needs *ca*.
    """

    enabled: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify_hostname: bool = False

    def mistakes(self) -> Mistakes:
        """Find inconsistent values."""
        if self.verify_hostname and not self.ca:
            yield "verify_hostname", "needs `ca`, the certificates to verify with"
        if bool(self.cert) != bool(self.key):
            yield "cert", "a client certificate needs both `cert` and `key`"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """
    How to connect to Koha's database.

    Attributes:
        socket: Unix socket. If it is set, host and port are ignored. It is found automatically if the host is
            ``localhost``, as MariaDB's own client does.
        database: Name of the database; the key in the file is ``name``.
        timezone: The time zone to set for each session; None leaves the server's own (Koha, Koha/Database.pm).
    """

    host: str = "localhost"
    port: int = 3306
    socket: Path | None = None
    database: str
    user: str
    password: Secret = NO_SECRET
    tls: DatabaseTLS = field(default_factory=DatabaseTLS)
    timezone: str | None = None


class LimitMethod(StrEnum):
    """Which requests count towards a limit."""

    ACTIVE = "active"
    ANNUAL = "annual"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimit:
    """
    A limit on the number of requests.

    Attributes:
        count: The limit; -1 means none.
    """

    method: LimitMethod = LimitMethod.ACTIVE
    count: int = -1


NO_LIMIT = RequestLimit()


@dataclass(frozen=True, kw_only=True, slots=True)
class IllSite:
    """
    The settings in ``interlibrary_loans`` of koha-conf.xml.

    Attributes:
        framework: MARC framework of the records that are created for requested books.
        partner_code: Patron category of the partner libraries, for a Koha without the preference ILLPartnerCode; if
            koha-conf.xml has none, `partners.category` of our own file.
        prefixes: The prefix of displayed request IDs, by library code.
        default_limit: The limit if neither the library nor the category has its own.
        branch_limits: Limits by library code.
        category_limits: Limits by patron category code.

    Source: Koha, Koha/ILL/Request/Config.pm and Koha/ILL/Request.pm (id_prefix, getLimits).
    """

    framework: str = DEFAULT_FRAMEWORK
    partner_code: str = DEFAULT_PARTNER_CATEGORY
    prefixes: Mapping[str, str] = field(default_factory=dict)
    default_limit: RequestLimit = NO_LIMIT
    branch_limits: Mapping[str, RequestLimit] = field(default_factory=dict)
    category_limits: Mapping[str, RequestLimit] = field(default_factory=dict)

    def id_prefix(self, branchcode: str | None) -> str:
        """Return the prefix of displayed request IDs, such as ``CPL-``; empty if there is none."""
        prefix = self.prefixes.get(branchcode or "", "")
        return f"{prefix}-" if prefix else ""

    def branch_limit(self, branchcode: str | None) -> RequestLimit:
        """Return the limit for a library's requests."""
        return self.branch_limits.get(branchcode or "", self.default_limit)

    def category_limit(self, categorycode: str | None) -> RequestLimit:
        """Return the limit for a patron of this category."""
        return self.category_limits.get(categorycode or "", self.default_limit)


class SSLMode(StrEnum):
    """How a connection to an SMTP server is encrypted; the values of Koha's `smtp_servers.ssl_mode`."""

    DISABLED = "disabled"
    SSL = "ssl"
    STARTTLS = "starttls"


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpSettings:
    """
    One SMTP server.

    Attributes:
        user: User name to log in with; None for no login.
        verify: Verify the server's certificate and name.
        ca: CA certificates to verify with instead of the system's.
        ehlo_name: The name to send with EHLO; None for this host's name.
    """

    host: str
    port: int = field(default=25, metadata=_between(1, 65535))
    ssl_mode: SSLMode = SSLMode.DISABLED
    user: str | None = None
    password: Secret | None = None
    timeout: timedelta = field(
        default=timedelta(seconds=60), metadata=_between(timedelta(seconds=1), timedelta(minutes=10))
    )
    verify: bool = True
    ca: Path | None = None
    ehlo_name: str | None = None

    def mistakes(self) -> Mistakes:
        """Find a user name without a password or the reverse."""
        if self.user and not self.password:
            yield "password", "is missing; `user` needs one"
        if self.password and not self.user:
            yield "user", "is missing; `password` needs one"


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSettings:
    """
    Koha's message broker, which notifies its background workers of new jobs.

    Attributes:
        namespace: The prefix of Koha's queues: its memcached_namespace.

    Source: Koha, Koha/BackgroundJob.pm connect.
    """

    host: str = "localhost"
    port: int = 61613
    user: str = "guest"
    password: Secret = field(default_factory=lambda: Secret("guest"))
    vhost: str = "/"
    namespace: str

    def queue(self, name: str) -> str:
        """Return the broker's name for a queue of Koha such as ``elastic_index``."""
        return f"{self.namespace}-{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KohaSettings:
    """
    The Koha that the sidecar works with.

    Attributes:
        conf: The koha-conf.xml that was read, if any.
        database: Derived: `koha.database` of our file, which overrides koha-conf.xml.
        accept_unsupported_version: Try to work with a Koha older than 22.11, as far as its columns allow.
        site: Derived from koha-conf.xml.
        smtp: Derived: the `smtp_server` of koha-conf.xml.
        lock_directory: Derived: `lockdir` of koha-conf.xml, where Koha's own scripts create their locks.
        backend_directory: Derived from koha-conf.xml: where Koha looks for ILL backends in Perl.
        broker: Derived from koha-conf.xml; None without that file.
    """

    conf: Path | None = None
    database: DatabaseSettings
    accept_unsupported_version: bool = False
    site: IllSite = field(default_factory=IllSite)
    smtp: SmtpSettings | None = None
    lock_directory: Path | None = None
    backend_directory: Path | None = None
    broker: BrokerSettings | None = None


# Web

_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*[^\s?#/])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSettings:
    """
    The web server.

    Attributes:
        public_url: The URL at which others reach us, without a slash at the end.
        trusted_proxies: Networks whose forwarding headers are trusted.
    """

    listen: ListenAddress = field(default_factory=lambda: ListenAddress.parse("127.0.0.1:8085"))
    public_url: str | None = None
    trusted_proxies: tuple[IPNetwork, ...] = ()

    def mistakes(self) -> Mistakes:
        """Find an invalid URL."""
        if self.public_url and not _PUBLIC_URL.fullmatch(self.public_url):
            yield "public_url", "write it as https://ill.example.org, without a slash at the end"


class LoginMethod(StrEnum):
    """How staff can sign in."""

    KOHA_SESSION = "koha-session"
    PASSWORD = "password"  # noqa: S105  (the name of a method)


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffSettings:
    """
    The staff interface.

    Attributes:
        enabled: Whether it is served.
        login: The ways to sign in; with several, the first one that succeeds counts.
        login_attempts: Attempts to sign in per minute and client address.
    """

    enabled: bool = True
    login: tuple[LoginMethod, ...] = (LoginMethod.KOHA_SESSION, LoginMethod.PASSWORD)
    login_attempts: int = field(default=20, metadata=_between(1, 10_000))

    def mistakes(self) -> Mistakes:
        """Find an interface that nobody can sign in to."""
        if self.enabled and not self.login:
            yield "login", "names no way to sign in; set `enabled: false` to have no staff interface"


class Transport(StrEnum):
    """A transport that the sidecar can deliver; a value of `message_queue.message_transport_type`."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySettings:
    """
    When to retry a message that failed temporarily: each pause doubles, up to the longest.

    Attributes:
        first_delay: The pause after the first failure.
        longest_delay: The limit of the pauses.
    """

    first_delay: timedelta = field(
        default=timedelta(minutes=1), metadata=_between(timedelta(milliseconds=10), timedelta(days=1))
    )
    longest_delay: timedelta = field(
        default=timedelta(hours=1), metadata=_between(timedelta(milliseconds=10), timedelta(days=7))
    )

    def mistakes(self) -> Mistakes:
        """Find a first delay that is longer than the longest."""
        if self.longest_delay < self.first_delay:
            yield "longest_delay", "must not be shorter than `first_delay`"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverySettings:
    """
    Delivery of Koha's messages.

    Attributes:
        letter_codes: Codes of the notices to deliver; empty means every notice of Koha's module `ill`.
        smtp: The server for all mail; None for the servers in Koha's tables and koha-conf.xml.
        connections: SMTP connections used at a time.
        batch_size: Messages claimed at a time.
        lease: How long a message stays claimed by a worker that died.
        give_up_after: How long to retry a message that fails temporarily.
        ignore_older_than: Messages that are older than this when they are first seen are not sent.
        koha_lock_file: The lock that Koha's process_message_queue.pl takes on this host; the default is the
            one in koha-conf.xml's lockdir.
        exclusive: Keep messages from Koha's process_message_queue.pl: those that the sidecar queues are never pending,
            nor are others between two attempts.
    """

    enabled: bool = True
    transports: tuple[Transport, ...] = (Transport.EMAIL, Transport.SMS)
    letter_codes: tuple[str, ...] = ()
    smtp: SmtpSettings | None = field(default=None, metadata={"absent_without": "host"})
    connections: int = field(default=4, metadata=_between(1, 50))
    batch_size: int = field(default=50, metadata=_between(1, 500))
    lease: timedelta = field(
        default=timedelta(minutes=1), metadata=_between(timedelta(seconds=1), timedelta(hours=1))
    )
    give_up_after: timedelta = field(
        default=timedelta(days=3), metadata=_between(timedelta(0), timedelta(days=30))
    )
    ignore_older_than: timedelta = field(
        default=timedelta(days=7), metadata=_between(timedelta(minutes=1), timedelta(days=3650))
    )
    koha_lock_file: Path | None = None
    exclusive: bool = False
    retry: RetrySettings = field(default_factory=RetrySettings)

    def mistakes(self) -> Mistakes:
        """Find a delivery without transports, and messages that nobody would deliver."""
        if self.exclusive and not self.enabled:
            yield (
                "exclusive",
                "keeps messages from Koha, but `enabled: false` delivers none; set one of them to the default",
            )
        if self.enabled and not self.transports:
            yield "transports", "names no transport; set `enabled: false` to deliver nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnerSettings:
    """
    The partner libraries.

    Attributes:
        category: Their patron category, if neither Koha's preference ILLPartnerCode nor koha-conf.xml sets one.
    """

    category: str = DEFAULT_PARTNER_CATEGORY


# Callbacks


class SignatureAlgorithm(StrEnum):
    """The hash function of an HMAC signature."""

    SHA256 = "sha256"
    SHA512 = "sha512"


class SignatureEncoding(StrEnum):
    """How a signature is encoded in its header."""

    HEX = "hex"
    BASE64 = "base64"


def _header_mistake(name: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9-]+", name) else "is not a valid name of an HTTP header"


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardWebhooksAuthentication:
    """
    Signatures after Standard Webhooks 1.0.0, symmetric (`v1`).

    Attributes:
        secrets: Each is `whsec_` and the base64 of 24 to 64 bytes; several while one replaces another.
    """

    METHOD: ClassVar[str] = "standard-webhooks"
    secrets: tuple[Secret, ...]

    def mistakes(self) -> Mistakes:
        """Find missing and invalid secrets."""
        if not self.secrets:
            yield "secrets", "is empty; give at least one secret"
        for position, secret in enumerate(self.secrets):
            if not 24 <= len(standard_webhooks_key(secret) or b"") <= 64:
                yield f"secrets[{position}]", "must be `whsec_` and the base64 of 24 to 64 random bytes"


def standard_webhooks_key(secret: Secret) -> bytes | None:
    """Return the key bytes of a `whsec_` secret, or None if it is not valid base64."""
    try:
        return base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class HMACAuthentication:
    """
    An HMAC of the body in a header that the supplier chooses.

    Attributes:
        header: Name of the header.
        prefix: Text before the signature, such as `sha256=`.
        secrets: The shared secrets; several while one replaces another.
    """

    METHOD: ClassVar[str] = "hmac"
    header: str
    algorithm: SignatureAlgorithm = SignatureAlgorithm.SHA256
    encoding: SignatureEncoding = SignatureEncoding.HEX
    prefix: str = ""
    secrets: tuple[Secret, ...]

    def mistakes(self) -> Mistakes:
        """Find an invalid header and missing secrets."""
        if problem := _header_mistake(self.header):
            yield "header", problem
        if not self.secrets:
            yield "secrets", "is empty; give at least one secret"


@dataclass(frozen=True, kw_only=True, slots=True)
class BearerAuthentication:
    """
    A fixed token in the header `Authorization: Bearer`.

    Attributes:
        tokens: Each is accepted; several while one replaces another.
    """

    METHOD: ClassVar[str] = "bearer"
    tokens: tuple[Secret, ...]

    def mistakes(self) -> Mistakes:
        """Find an empty list."""
        if not self.tokens:
            yield "tokens", "is empty; give at least one token"


@dataclass(frozen=True, kw_only=True, slots=True)
class BasicAuthentication:
    """User name and password in the header `Authorization: Basic`."""

    METHOD: ClassVar[str] = "basic"
    user: str
    password: Secret

    def mistakes(self) -> Mistakes:
        """Find a user name that the header cannot contain."""
        if ":" in self.user:
            yield "user", "must not contain a colon: basic authentication does not allow it"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientCertificateAuthentication:
    """
    The fingerprint of the client's certificate, which a trusted proxy has verified and forwards.

    Attributes:
        header: Header in which the proxy forwards it.
        fingerprints: SHA-256 in hexadecimal, with or without colons.
    """

    METHOD: ClassVar[str] = "client-certificate"
    header: str = "X-Client-Certificate-Fingerprint"
    fingerprints: tuple[str, ...]

    def mistakes(self) -> Mistakes:
        """Find an invalid header, and missing and invalid fingerprints."""
        if problem := _header_mistake(self.header):
            yield "header", problem
        if not self.fingerprints:
            yield "fingerprints", "is empty; give at least one fingerprint"
        for position, text in enumerate(self.fingerprints):
            if not re.fullmatch(r"[0-9a-f]{64}", text.replace(":", "").lower()):
                yield f"fingerprints[{position}]", "is not a SHA-256 fingerprint: 64 hexadecimal digits"


Authentication = (
    StandardWebhooksAuthentication
    | HMACAuthentication
    | BearerAuthentication
    | BasicAuthentication
    | ClientCertificateAuthentication
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackMapping:
    """
    How to convert a supplier's own format to the canonical one.

    Attributes:
        fields: A JMESPath expression for each canonical field.
        statuses: The canonical status for each of the supplier's, compared case-insensitively.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendCallbackSettings:
    """
    Callbacks of one backend.

    Attributes:
        authentication: The ways to authenticate; one that succeeds is enough.
        tolerance_seconds: How far a signature's time may differ from ours, in either direction.
        accept_any_request: Also change requests whose supplier is unknown.
        mapping: None if the supplier sends the canonical format.
    """

    authentication: tuple[Authentication, ...]
    tolerance_seconds: int = field(default=300, metadata=_between(1, 86400))
    accept_any_request: bool = False
    mapping: CallbackMapping | None = None

    def mistakes(self) -> Mistakes:
        """Find callbacks that nobody could send."""
        if not self.authentication:
            yield "authentication", "is empty; without one nobody could send a callback"


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendSettings:
    """
    One backend.

    Attributes:
        enabled: If false, the backend is ignored.
        callbacks: None if it sends no callbacks.
    """

    enabled: bool = True
    callbacks: BackendCallbackSettings | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackSettings:
    """
    Settings for the callbacks of all backends.

    Attributes:
        max_body_bytes: A longer body is rejected.
        keep_receipts_for: How long callbacks are stored; after that a repeat counts as a new event.
    """

    max_body_bytes: int = field(default=262_144, metadata=_between(1024, 16_777_216))
    keep_receipts_for: timedelta = field(
        default=timedelta(days=90), metadata=_between(timedelta(days=14), timedelta(days=3650))
    )


# Jobs, logs and metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerSettings:
    """
    The jobs.

    Attributes:
        lease: How long a job stays with a host that died.
    """

    lease: timedelta = field(
        default=timedelta(minutes=1), metadata=_between(timedelta(seconds=5), timedelta(hours=1))
    )
    jobs: JobSchedules = field(default_factory=JobSchedules)


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The format of log lines."""

    LOGFMT = "logfmt"
    JSON = "json"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggingSettings:
    """The log on standard error."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.LOGFMT


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsSettings:
    """
    The page `/metrics` for Prometheus.

    Attributes:
        enabled: Whether the page is served.
        allow: Networks whose clients see it, and the details of `/readyz`.
    """

    enabled: bool = True
    allow: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """
    All settings.

    Attributes:
        source: Derived: the file that was read.
    """

    koha: KohaSettings
    web: WebSettings = field(default_factory=WebSettings)
    staff: StaffSettings = field(default_factory=StaffSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    partners: PartnerSettings = field(default_factory=PartnerSettings)
    backends: Mapping[str, BackendSettings] = field(default_factory=dict)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    source: Path | None = None
