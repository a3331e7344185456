"""
Read the configuration file into :class:`~koha_ill_sidecar.config.settings.Settings`.

All mistakes are collected before the file is rejected, so that one run shows everything that has to be fixed.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from koha_ill_sidecar.config import reader, yaml_file
from koha_ill_sidecar.config.koha_conf import read_koha_conf
from koha_ill_sidecar.config.settings import (
    NO_SECRET,
    BackendSettings,
    CallbackSettings,
    DatabaseSettings,
    DatabaseTLS,
    DeliverySettings,
    IllSite,
    KohaSettings,
    LoggingSettings,
    MetricsSettings,
    PartnerSettings,
    SchedulerSettings,
    Settings,
    StaffSettings,
    WebSettings,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.errors import ConfigurationError

_SOCKETS = (
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",  # noqa: S108 (MariaDB's own default where nothing is configured)
)
"""Where MariaDB's client looks for ``localhost``, on Debian, on Red Hat and when built from source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _DatabaseSection:
    """`koha.database` as written; missing values come from koha-conf.xml or are the defaults."""

    host: str | None = None
    port: int | None = field(default=None, metadata={"minimum": 1, "maximum": 65535})
    socket: Path | None = None
    name: str | None = None
    user: str | None = None
    password: Secret | None = None
    tls: DatabaseTLS | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _KohaSection:
    """`koha` as written."""

    conf: Path | None = None
    database: _DatabaseSection = field(default_factory=_DatabaseSection)
    timezone: str | None = None
    accept_unsupported_version: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Document:
    """The file as written."""

    koha: _KohaSection = field(default_factory=_KohaSection)
    web: WebSettings = field(default_factory=WebSettings)
    staff: StaffSettings = field(default_factory=StaffSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    partners: PartnerSettings = field(default_factory=PartnerSettings)
    backends: Mapping[str, BackendSettings] = field(default_factory=dict)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


def load_settings(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """
    Read the settings from a YAML file.

    Args:
        environment: For ``{env: NAME}``, and for KOHA_CONF, the default of `koha.conf`.

    Raises:
        ConfigurationError: The file is invalid; names every mistake with the path of its key.
    """
    if not path.exists():
        hint = "copy config.example.yaml there and adapt it, or name another file with --config"
        raise ConfigurationError([f"{path}: there is no such file; {hint}"])
    settings = parse_settings(yaml_file.read(path), directory=path.parent, environment=environment)
    return dataclasses.replace(settings, source=path)


def parse_settings(
    document: object, *, directory: Path = Path(), environment: Mapping[str, str] = os.environ
) -> Settings:
    """
    Build the settings from a parsed YAML document. Raises ConfigurationError.

    Args:
        directory: The base of relative paths.
    """
    read = reader.read(_Document, document or {}, directory=directory, environment=environment)
    return _complete(read, environment)


def known_keys() -> frozenset[str]:
    """Return the path of every key that the file may contain; ``*`` stands for a name that the user chooses."""
    return frozenset(reader.keys_below(_Document))


def _complete(document: _Document, environment: Mapping[str, str]) -> Settings:
    koha = _koha_settings(document.koha, document.partners, environment)
    sections = {entry.name: getattr(document, entry.name) for entry in dataclasses.fields(document)}
    return Settings(**{**sections, "koha": koha})


def _koha_settings(
    section: _KohaSection, partners: PartnerSettings, environment: Mapping[str, str]
) -> KohaSettings:
    path = section.conf or _conf_of_environment(section, environment)
    koha = read_koha_conf(path, partner_category=partners.category) if path else None
    database = _database_settings(section, koha.database if koha else None, environment)
    accept = section.accept_unsupported_version
    if koha:
        return dataclasses.replace(koha, database=database, accept_unsupported_version=accept)
    site = IllSite(partner_code=partners.category)
    return KohaSettings(database=database, accept_unsupported_version=accept, site=site)


def _conf_of_environment(section: _KohaSection, environment: Mapping[str, str]) -> Path | None:
    """Return the file that Koha's own programs read, unless our file names a database."""
    path = environment.get("KOHA_CONF")
    return Path(path) if path and section.database.name is None else None


def _database_settings(
    section: _KohaSection, of_koha: DatabaseSettings | None, environment: Mapping[str, str]
) -> DatabaseSettings:
    written = section.database
    own = {
        "host": written.host,
        "port": written.port,
        "socket": written.socket,
        "database": written.name,
        "user": written.user,
        "password": written.password,
        "tls": written.tls,
        "timezone": section.timezone,
    }
    chosen: dict[str, Any] = {key: value for key, value in own.items() if value is not None}
    if of_koha:
        database = dataclasses.replace(of_koha, **chosen)
    else:
        _require_database(written)
        database = DatabaseSettings(**chosen)
    if written.user and written.user != (of_koha and of_koha.user) and written.password is None:
        # Koha's password belongs to Koha's user: with another user it would cause a misleading "access denied".
        database = dataclasses.replace(database, password=NO_SECRET)
    _check_timezone(database.timezone)
    return _with_socket(database, environment)


def _require_database(section: _DatabaseSection) -> None:
    missing = [key for key in ("name", "user") if getattr(section, key) is None]
    if missing:
        hint = "is missing; set it, or set `koha.conf` to the path of Koha's koha-conf.xml"
        raise ConfigurationError([f"koha.database.{key}: {hint}" for key in missing])


def _check_timezone(zone: str | None) -> None:
    if zone is None or re.fullmatch(r"[+-]\d{1,2}:\d{2}", zone):
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problem = (
            f"koha.timezone: {zone!r} is not a time zone; write a name such as Europe/Paris or Asia/Taipei"
        )
        raise ConfigurationError([problem]) from None


def _with_socket(database: DatabaseSettings, environment: Mapping[str, str]) -> DatabaseSettings:
    """Use the Unix socket for ``localhost``, as MariaDB's client library does for Koha."""
    if database.socket or database.host != "localhost":
        return database
    for candidate in (environment.get("MYSQL_UNIX_PORT", ""), *_SOCKETS):
        if candidate and Path(candidate).is_socket():
            return dataclasses.replace(database, socket=Path(candidate))
    return database
