"""Which mail server a message goes through."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from koha_ill_sidecar.config.settings import Settings, SmtpSettings
from koha_ill_sidecar.storage.koha import smtp_servers
from koha_ill_sidecar.storage.transaction import Transaction

_LAST_RESORT = SmtpSettings(host="localhost")
"""What Koha uses, too, if nothing is configured (Koha, Koha/SMTP/Servers.pm)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServers:
    """
    The servers in use.

    Attributes:
        default: For every library without one of its own.
        by_library: By branchcode.
    """

    default: SmtpSettings
    by_library: Mapping[str, SmtpSettings] = field(default_factory=dict)

    def for_library(self, branchcode: str | None) -> SmtpSettings:
        """Return the server that mail for this library's patrons goes through."""
        return self.by_library.get(branchcode or "", self.default)

    @property
    def all(self) -> tuple[SmtpSettings, ...]:
        """Every server once, the default first."""
        return tuple(dict.fromkeys([self.default, *self.by_library.values()]))


def without_koha(settings: Settings) -> MailServers:
    """Return the servers according to the configuration alone."""
    return MailServers(default=settings.delivery.smtp or settings.koha.smtp or _LAST_RESORT)


def load(tx: Transaction, settings: Settings) -> MailServers:
    """
    Return the servers in use: the one configured for the sidecar, else those set up in Koha, else the one in
    koha-conf.xml, else this host's. Two queries at most.
    """
    configured = without_koha(settings)
    if settings.delivery.smtp:
        return configured
    default, by_library = smtp_servers.load(tx)
    return MailServers(default=default or configured.default, by_library=by_library)
