"""
Read koha-conf.xml, Koha's own configuration.

Source: Koha, debian/templates/koha-conf-site.xml.in, Koha/Config.pm, Koha/Database.pm, Koha/SMTP/Servers.pm,
Koha/ILL/Request/Config.pm, Koha/BackgroundJob.pm.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from koha_ill_sidecar.config.settings import (
    DEFAULT_FRAMEWORK,
    DEFAULT_PARTNER_CATEGORY,
    NO_LIMIT,
    BrokerSettings,
    DatabaseSettings,
    DatabaseTLS,
    IllSite,
    KohaSettings,
    LimitMethod,
    RequestLimit,
    SmtpSettings,
    SSLMode,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.errors import ConfigurationError

_LARGEST = 4 * 1024 * 1024
"""Bytes; a real koha-conf.xml has about 30,000."""

_PLACEHOLDER = re.compile(r"__[A-Z0-9_]+__")
"""A placeholder that Koha's installer leaves for a value that was not given."""

_Choice = TypeVar("_Choice")


def read_koha_conf(path: Path, *, partner_category: str = DEFAULT_PARTNER_CATEGORY) -> KohaSettings:
    """
    Read a koha-conf.xml.

    Args:
        partner_category: The patron category of partner libraries where the file has none, as is usual.

    Raises:
        ConfigurationError: It cannot be read, or a value that we need is invalid; names every mistake.
    """
    reader = _Reader(path, _config_element(path))
    ill = reader.config.find("interlibrary_loans")
    settings = KohaSettings(
        conf=path,
        database=reader.database(),
        site=reader.site(ill, partner_category)
        if ill is not None
        else IllSite(partner_code=partner_category),
        smtp=reader.smtp(),
        lock_directory=reader.path(reader.config, "lockdir"),
        backend_directory=reader.path(ill, "backend_directory") if ill is not None else None,
        broker=reader.broker(),
    )
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return settings


def _config_element(path: Path) -> Element:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        hint = "; run as a user of the group that owns it" if isinstance(error, PermissionError) else ""
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}{hint}"]) from error
    if len(content) > _LARGEST:
        raise ConfigurationError([f"{path}: is larger than {_LARGEST} bytes; that is not a koha-conf.xml"])
    root = _parse(path, content)
    config = root if root.tag == "config" else root.find("config")
    if config is None:
        raise ConfigurationError([f"{path}: has no element `config`; it is not a koha-conf.xml"])
    return config


def _parse(path: Path, content: bytes) -> Element:
    try:
        root: Element = defusedxml.ElementTree.fromstring(content)
    except (ParseError, LookupError, ValueError) as error:
        # LookupError: an unknown encoding. DefusedXmlException is a ValueError.
        reason = "declares entities" if isinstance(error, DefusedXmlException) else str(error)
        raise ConfigurationError([f"{path}: is not readable XML: {reason}"]) from error
    return root


class _Reader:
    """Reads values from the tree and collects mistakes."""

    def __init__(self, path: Path, config: Element) -> None:
        self._path = path
        self.config = config
        self.problems: list[str] = []

    def database(self) -> DatabaseSettings:
        config = self.config
        return DatabaseSettings(
            host=self.text(config, "hostname") or "localhost",
            port=self.number(config, "port", 3306, 1, 65535),
            # A developer's Koha uses its test database.
            database=self.text(config, "database_test") or self._required("database"),
            user=self._required("user"),
            password=Secret(self.text(config, "pass", strip=False) or ""),  # spaces may be part of it
            tls=self._tls(),
            timezone=self._timezone(),
        )

    def _tls(self) -> DatabaseTLS:
        if (self.text(self.config, "tls") or "").lower() != "yes":
            return DatabaseTLS()
        files = {name: self.path(self.config, name) for name in ("ca", "cert", "key")}
        return DatabaseTLS(enabled=True, ca=files["ca"], cert=files["cert"], key=files["key"])

    def _timezone(self) -> str | None:
        zone = self.text(self.config, "timezone")
        return None if zone == "local" else zone

    def smtp(self) -> SmtpSettings | None:
        server = self.config.find("smtp_server")
        host = self.text(server, "host") if server is not None else None
        if server is None or not host:
            return None
        password = self.text(server, "password", strip=False)
        return SmtpSettings(
            host=host,
            port=self.number(server, "port", 25, 1, 65535),
            timeout=timedelta(seconds=self.number(server, "timeout", 120, 1, 600)),
            ssl_mode=self._choice(server, "ssl_mode", SSLMode, SSLMode.DISABLED),
            user=self.text(server, "user_name"),
            password=Secret(password) if password else None,
        )

    def broker(self) -> BrokerSettings:
        namespace = self.text(self.config, "memcached_namespace") or ""
        element = self.config.find("message_broker")
        if element is None:
            return BrokerSettings(namespace=namespace)
        return BrokerSettings(
            host=self.text(element, "hostname") or "localhost",
            port=self.number(element, "port", 61613, 1, 65535),
            user=self.text(element, "username") or "guest",
            password=Secret(self.text(element, "password", strip=False) or "guest"),
            vhost=self.text(element, "vhost") or "/",
            namespace=namespace,
        )

    def site(self, ill: Element, partner_category: str) -> IllSite:
        return IllSite(
            framework=self.text(ill, "framework") or DEFAULT_FRAMEWORK,
            partner_code=self.text(ill, "partner_code") or partner_category,
            prefixes={
                code: prefix
                for code, entry in self._entries(ill, "branch")
                if (prefix := self.text(entry, "prefix"))
            },
            default_limit=self._limit(ill) or NO_LIMIT,
            branch_limits=self._limits(ill, "branch"),
            category_limits=self._limits(ill, "borrower_category"),
        )

    def _limits(self, ill: Element, name: str) -> dict[str, RequestLimit]:
        entries = ((code, self._limit(entry)) for code, entry in self._entries(ill, name))
        return {code: limit for code, limit in entries if limit}

    def _limit(self, parent: Element) -> RequestLimit | None:
        element = parent.find("request_limit")
        if element is None:
            return None
        # Koha treats a count of 0 as not set.
        count = self.number(element, "count", 0, -1, 10_000_000)
        method = self._choice(element, "method", LimitMethod, LimitMethod.ACTIVE)
        return RequestLimit(method=method, count=count) if count else None

    def _entries(self, ill: Element, name: str) -> Iterator[tuple[str, Element]]:
        for entry in ill.findall(name):
            if code := self.text(entry, "code"):
                yield code, entry

    def text(self, parent: Element, name: str, *, strip: bool = True) -> str | None:
        """Return an element's text; None if it is empty or still the installer's placeholder."""
        # Edited files may contain an element twice. That is harmless only if both have the same value.
        found = [element.text or "" for element in parent.findall(name)]
        texts = {text.strip() for text in found} if strip else set(found)
        if len(texts) > 1:
            self._problem(name, "is given more than once with different values; keep one")
        text = min(texts, default="")
        return None if not text or _PLACEHOLDER.fullmatch(text) else text

    def number(self, parent: Element, name: str, default: int, lowest: int, highest: int) -> int:
        text = self.text(parent, name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            self._problem(name, f"must be a number from {lowest} to {highest}, not {text!r}")
            return default
        return int(text)

    def path(self, parent: Element, name: str) -> Path | None:
        text = self.text(parent, name)
        return Path(text) if text else None

    def _choice(
        self, parent: Element, name: str, choose: Callable[[str], _Choice], default: _Choice
    ) -> _Choice:
        text = self.text(parent, name)
        try:
            return choose(text) if text else default
        except ValueError:
            self._problem(name, f"is {text!r}, which Koha does not know")
            return default

    def _required(self, name: str) -> str:
        text = self.text(self.config, name)
        if text is None:
            self._problem(name, "is missing or empty")
        return text or ""

    def _problem(self, name: str, text: str) -> None:
        self.problems.append(f"{self._path}: element `{name}` {text}")
