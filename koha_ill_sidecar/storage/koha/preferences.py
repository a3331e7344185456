"""
System preferences, read from the table.

The sidecar never writes them: Koha keeps them in memcached without expiry, so it would not see a changed row
(Koha, Koha/Cache.pm and C4/Context.pm).
"""

import re
from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, text

NAMES = (
    "ActionLogsTraceDepth", "AllNoticeCSS", "AllNoticeStylesheet", "AnonymousPatron", "AuthFailureLog",
    "AuthSuccessLog", "AutoEmailPrimaryAddress", "AutoILLBackendPriority", "CataloguingLog", "CirculateILL",
    "CurrencyFormat", "DisableStatistics", "EmailFieldPrecedence", "EmailFieldPrimary", "EmailFieldSelection",
    "EmailNoticeCSS", "EmailNoticeStylesheet", "EmailSMSSendDriverFromAddress", "FailedLoginAttempts",
    "ILLDefaultStaffEmail", "ILLHiddenRequestStatuses", "ILLModule", "ILLModuleUnmediated",
    "ILLOpacUnauthenticatedRequest", "ILLPartnerCode", "ILLSendStaffNotices", "IllLog", "IndependentBranches",
    "JobsNotificationMethod", "KohaAdminEmailAddress", "MarcFieldForCreatorId", "MarcFieldForCreatorName",
    "MarcFieldForModifierId", "MarcFieldForModifierName", "NoticeBcc", "NoticeCSS", "OPACBaseURL", "OPACLanguages",
    "RedirectGuaranteeEmail", "ReplytoDefault", "ReturnpathDefault", "SMSSendDriver", "SMSSendMaxChar",
    "SearchEngine", "SendAllEmailsTo", "SessionRestrictionByIP", "TranslateNotices", "TwoFactorAuthentication",
    "UNIMARCField100Language", "Version", "autoControlNumber", "dateformat", "marcflavour", "staffClientBaseURL",
    "timeformat", "timeout",
)  # fmt: skip
"""Every preference that the sidecar reads."""

_SELECT = text("SELECT variable, value FROM systempreferences WHERE variable IN :names").bindparams(
    bindparam("names", expanding=True)
)
_KNOWN = frozenset(name.lower() for name in NAMES)


class Preferences:
    """
    The preferences as they were some seconds ago; names are case-insensitive, as in Koha.

    A missing row, NULL and an empty text are the same: then the default applies.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def text(self, name: str, default: str = "") -> str:
        """Return the text of a preference."""
        if name.lower() not in _KNOWN:
            raise KeyError(f"{name} is not among the preferences that the sidecar reads")
        return self._values.get(name.lower()) or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return whether a yes/no preference is on; for Koha everything but '', '0' and NULL means yes."""
        value = self.text(name)
        return value != "0" if value else default

    def number(self, name: str) -> int | None:
        """Return a whole number; None if the text is not one."""
        value = self.text(name).strip()
        return int(value) if re.fullmatch(r"-?\d+", value) else None

    def words(self, name: str, separators: str = "|,") -> tuple[str, ...]:
        """Return the parts of a list, which Koha separates by ``|`` or ``,``, depending on the preference."""
        parts = re.split(f"[{re.escape(separators)}]", self.text(name))
        return tuple(part.strip() for part in parts if part.strip())


def load(connection: Connection) -> Preferences:
    """Read all preferences that the sidecar knows; one query."""
    rows = connection.execute(_SELECT, {"names": NAMES})
    return Preferences({row.variable: row.value for row in rows})
