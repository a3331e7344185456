"""
The settings as the program uses them: read once, never changed.

Every field of a section is a key of the configuration file, unless its comment says that it is derived.
``config.example.yaml`` documents them for the people who write that file.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from koha_ill_sidecar.config.jobs import JobSchedules
from koha_ill_sidecar.config.values import IPNetwork, ListenAddress, Secret

Mistakes = Iterator[tuple[str, str]]
"""What a section finds wrong with itself: the key, and what is wrong and how to mend it."""

DEFAULT_FRAMEWORK = "FA"
"""Koha's own framework for brief records (Koha, Koha/ILL/Request/Config.pm)."""

DEFAULT_PARTNER_CATEGORY = "IL"
"""The category that Koha's sample data gives to partner libraries."""


NO_SECRET = Secret("")
"""The empty password, which MariaDB's socket authentication goes without."""


def _between(minimum: object, maximum: object) -> dict[str, Any]:
    """Bounds that the reader holds a number or a duration to, both included."""
    return {"minimum": minimum, "maximum": maximum}


# Koha


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseTLS:
    """
    Encryption of the database connection.

    Attributes:
        enabled: Ask for TLS; the server must offer it.
        ca: Certificates that the server's must be signed by; without them it is not checked, as in Koha.
        cert: Our own certificate, where the server asks for one.
        key: Its key.
        verify_hostname: Also check that the certificate is meant for this host; needs *ca*.
    """

    enabled: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify_hostname: bool = False

    def mistakes(self) -> Mistakes:
        """Find what cannot go together."""
        if self.verify_hostname and not self.ca:
            yield "verify_hostname", "needs `ca`, the certificates to check against"
        if bool(self.cert) != bool(self.key):
            yield "cert", "a client certificate needs both `cert` and `key`"


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """
    How to reach Koha's database.

    Attributes:
        socket: Unix socket; where it is set, host and port do not count. Found by ourselves when the host is
            ``localhost``, as MariaDB's own client does.
        database: Name of the database; the key in the file is ``name``.
        timezone: What to set as the session's time zone; nothing leaves the server's own (Koha,
            Koha/Database.pm).
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
    """How the requests that count towards a limit are chosen."""

    ACTIVE = "active"
    ANNUAL = "annual"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestLimit:
    """
    A limit on the number of requests.

    Attributes:
        count: The number; -1 is no limit.
    """

    method: LimitMethod = LimitMethod.ACTIVE
    count: int = -1


NO_LIMIT = RequestLimit()


@dataclass(frozen=True, kw_only=True, slots=True)
class IllSite:
    """
    What ``interlibrary_loans`` in koha-conf.xml says about this Koha.

    Attributes:
        framework: MARC framework of the records made for requested books.
        partner_code: Patron category of the partner libraries, for a Koha without the preference
            ILLPartnerCode; where koha-conf.xml is silent, `partners.category` of our own file.
        prefixes: What goes before a request's number when it is shown, by library code.
        default_limit: Limit where neither library nor category has its own.
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
        """Return what stands before a request's number when people see it: ``CPL-``, or nothing."""
        prefix = self.prefixes.get(branchcode or "", "")
        return f"{prefix}-" if prefix else ""

    def branch_limit(self, branchcode: str | None) -> RequestLimit:
        """Return the limit that counts for a library's requests."""
        return self.branch_limits.get(branchcode or "", self.default_limit)

    def category_limit(self, categorycode: str | None) -> RequestLimit:
        """Return the limit that counts for a patron of this category."""
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
        user: Login; nothing sends without one.
        verify: Check the server's certificate and name.
        ca: Certificates to check against instead of the system's.
        ehlo_name: How we introduce ourselves; nothing means this host's name.
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
        """Find what cannot go together."""
        if self.user and not self.password:
            yield "password", "is missing; `user` needs one"
        if self.password and not self.user:
            yield "user", "is missing; `password` needs one"


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSettings:
    """
    Koha's message broker, by which its background workers hear of new jobs.

    Attributes:
        namespace: What Koha's queues begin with: its memcached_namespace.

    Source: Koha, Koha/BackgroundJob.pm connect.
    """

    host: str = "localhost"
    port: int = 61613
    user: str = "guest"
    password: Secret = field(default_factory=lambda: Secret("guest"))
    vhost: str = "/"
    namespace: str

    def queue(self, name: str) -> str:
        """Return the broker's name of one of Koha's queues, such as ``elastic_index``."""
        return f"{self.namespace}-{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KohaSettings:
    """
    The Koha beside which we live.

    Attributes:
        conf: The koha-conf.xml that was read, if one was.
        database: Derived: `koha.database` of the file over what koha-conf.xml says.
        accept_unsupported_version: Work with a Koha older than 22.11, as far as its columns go.
        site: Derived from koha-conf.xml.
        smtp: Derived: the `smtp_server` of koha-conf.xml.
        lock_directory: Derived: `lockdir` of koha-conf.xml, where Koha's own scripts keep their locks.
        backend_directory: Derived from koha-conf.xml: where Koha looks for ILL backends in Perl.
        broker: Derived from koha-conf.xml; nothing where there is none to read.
    """

    conf: Path | None = None
    database: DatabaseSettings
    accept_unsupported_version: bool = False
    site: IllSite = field(default_factory=IllSite)
    smtp: SmtpSettings | None = None
    lock_directory: Path | None = None
    backend_directory: Path | None = None
    broker: BrokerSettings | None = None


# What we serve


_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*[^\s?#/])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSettings:
    """
    The web server.

    Attributes:
        public_url: What outsiders call us, without a slash at the end.
        trusted_proxies: Networks whose forwarding headers are believed.
    """

    listen: ListenAddress = field(default_factory=lambda: ListenAddress.parse("127.0.0.1:8085"))
    public_url: str | None = None
    trusted_proxies: tuple[IPNetwork, ...] = ()

    def mistakes(self) -> Mistakes:
        """Find an address that no browser could open."""
        if self.public_url and not _PUBLIC_URL.fullmatch(self.public_url):
            yield "public_url", "write it as https://ill.example.org, without a slash at the end"


class LoginMethod(StrEnum):
    """How staff sign in."""

    KOHA_SESSION = "koha-session"
    PASSWORD = "password"  # noqa: S105  (the name of a method)


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffSettings:
    """
    The staff interface.

    Attributes:
        enabled: Whether it is there.
        login: The ways to sign in; with several, the first that lets somebody in counts.
        login_attempts: So many attempts a minute are taken from one address.
    """

    enabled: bool = True
    login: tuple[LoginMethod, ...] = (LoginMethod.KOHA_SESSION, LoginMethod.PASSWORD)
    login_attempts: int = field(default=20, metadata=_between(1, 10_000))

    def mistakes(self) -> Mistakes:
        """Find a house without a door."""
        if self.enabled and not self.login:
            yield "login", "names no way to sign in; set `enabled: false` to have no staff interface"


class Transport(StrEnum):
    """A way to reach a patron that the sidecar delivers itself; `message_queue.message_transport_type`."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySettings:
    """
    When a message that failed for the moment is tried again: each pause doubles, up to the longest.

    Attributes:
        first_delay: Pause after the first failure.
        longest_delay: No pause is longer.
    """

    first_delay: timedelta = field(
        default=timedelta(minutes=1), metadata=_between(timedelta(milliseconds=10), timedelta(days=1))
    )
    longest_delay: timedelta = field(
        default=timedelta(hours=1), metadata=_between(timedelta(milliseconds=10), timedelta(days=7))
    )

    def mistakes(self) -> Mistakes:
        """Find delays the wrong way round."""
        if self.longest_delay < self.first_delay:
            yield "longest_delay", "must not be shorter than `first_delay`"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverySettings:
    """
    Delivery of Koha's messages.

    Attributes:
        letter_codes: Codes of the notices to deliver; empty means every notice of Koha's module `ill`.
        smtp: The server for all mail; nothing leaves the choice to Koha's own tables and koha-conf.xml.
        connections: SMTP connections used at a time.
        batch_size: Messages claimed at a time.
        lease: How long a claim outlives a worker that died.
        give_up_after: How long a message that fails for the moment is tried.
        ignore_older_than: Messages that have waited longer than this are left alone.
        koha_lock_file: The lock that Koha's process_message_queue.pl takes on this host; the default is the
            one in koha-conf.xml's lockdir.
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
    retry: RetrySettings = field(default_factory=RetrySettings)

    def mistakes(self) -> Mistakes:
        """Find what leaves nothing to do."""
        if self.enabled and not self.transports:
            yield "transports", "names no transport; set `enabled: false` to deliver nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnerSettings:
    """
    The libraries that we ask.

    Attributes:
        category: Their patron category, where neither Koha's preference ILLPartnerCode nor koha-conf.xml has
            one.
    """

    category: str = DEFAULT_PARTNER_CATEGORY


# Callbacks


class SignatureAlgorithm(StrEnum):
    """Hash of an HMAC signature."""

    SHA256 = "sha256"
    SHA512 = "sha512"


class SignatureEncoding(StrEnum):
    """How the bytes of a signature are written in its header."""

    HEX = "hex"
    BASE64 = "base64"


def _header_mistake(name: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9-]+", name) else "is no name of an HTTP header"


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardWebhooksAuthentication:
    """
    Signatures after Standard Webhooks 1.0.0, symmetric (`v1`).

    Attributes:
        secrets: Each `whsec_` and the base64 of 24 to 64 bytes; several while one replaces another.
    """

    METHOD: ClassVar[str] = "standard-webhooks"
    secrets: tuple[Secret, ...]

    def mistakes(self) -> Mistakes:
        """Find secrets that cannot be one."""
        if not self.secrets:
            yield "secrets", "is empty; give at least one secret"
        for position, secret in enumerate(self.secrets):
            if not 24 <= len(standard_webhooks_key(secret) or b"") <= 64:
                yield f"secrets[{position}]", "must be `whsec_` and the base64 of 24 to 64 random bytes"


def standard_webhooks_key(secret: Secret) -> bytes | None:
    """Return the bytes that a `whsec_` secret stands for, or nothing where it is not written so."""
    try:
        return base64.b64decode(secret.reveal().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class HMACAuthentication:
    """
    An HMAC of the body in a header of the vendor's choice.

    Attributes:
        header: Name of the header.
        prefix: Text before the signature, such as `sha256=`.
        secrets: The shared texts; several while one replaces another.
    """

    METHOD: ClassVar[str] = "hmac"
    header: str
    algorithm: SignatureAlgorithm = SignatureAlgorithm.SHA256
    encoding: SignatureEncoding = SignatureEncoding.HEX
    prefix: str = ""
    secrets: tuple[Secret, ...]

    def mistakes(self) -> Mistakes:
        """Find what could never match."""
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
        """Find a user name that the header cannot carry."""
        if ":" in self.user:
            yield "user", "must not hold a colon: basic authentication cannot carry it"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientCertificateAuthentication:
    """
    The fingerprint of the client's certificate, which a trusted proxy has checked and passes on.

    Attributes:
        header: Header in which the proxy passes it.
        fingerprints: SHA-256 in hexadecimal, with or without colons.
    """

    METHOD: ClassVar[str] = "client-certificate"
    header: str = "X-Client-Certificate-Fingerprint"
    fingerprints: tuple[str, ...]

    def mistakes(self) -> Mistakes:
        """Find what is no fingerprint."""
        if problem := _header_mistake(self.header):
            yield "header", problem
        if not self.fingerprints:
            yield "fingerprints", "is empty; give at least one fingerprint"
        for position, text in enumerate(self.fingerprints):
            if not re.fullmatch(r"[0-9a-f]{64}", text.replace(":", "").lower()):
                yield f"fingerprints[{position}]", "is no SHA-256 fingerprint: 64 hexadecimal digits"


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
    How a vendor's own body is read as the canonical one.

    Attributes:
        fields: A JMESPath expression for each canonical field.
        statuses: The canonical status for each of the vendor's; compared without regard to case.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendCallbackSettings:
    """
    Callbacks of one backend.

    Attributes:
        authentication: The ways in which the sender may prove itself; one that holds is enough.
        tolerance_seconds: How far a signature's time may be from ours, either way.
        accept_any_request: Also change requests that are not known to be this backend's.
        mapping: Nothing means that the canonical body is sent.
    """

    authentication: tuple[Authentication, ...]
    tolerance_seconds: int = field(default=300, metadata=_between(1, 86400))
    accept_any_request: bool = False
    mapping: CallbackMapping | None = None

    def mistakes(self) -> Mistakes:
        """Find a door without a lock."""
        if not self.authentication:
            yield "authentication", "is empty; without one nobody could send a callback"


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendSettings:
    """
    What supplies requests.

    Attributes:
        enabled: Whether it is there at all.
        callbacks: Nothing means that it sends none.
    """

    enabled: bool = True
    callbacks: BackendCallbackSettings | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackSettings:
    """
    What holds for the callbacks of every backend.

    Attributes:
        max_body_bytes: A longer body is refused.
        keep_receipts_for: How long a callback is kept; a repeat that comes later is taken for a new event.
    """

    max_body_bytes: int = field(default=262_144, metadata=_between(1024, 16_777_216))
    keep_receipts_for: timedelta = field(
        default=timedelta(days=90), metadata=_between(timedelta(days=14), timedelta(days=3650))
    )


# What we do by ourselves


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
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line is written."""

    LOGFMT = "logfmt"
    JSON = "json"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggingSettings:
    """The log, which goes to standard error."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.LOGFMT


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricsSettings:
    """
    The page `/metrics` for Prometheus.

    Attributes:
        enabled: Whether the page is there.
    """

    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """
    Everything that can be set.

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
