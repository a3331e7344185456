"""
The rows that Koha's installer inserts into every database, as far as they matter for interlibrary loans.

Source: Koha, installer/data/mysql/mandatory/ and installer/data/mysql/en/mandatory/, 22.11 to main.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from koha_ill_sidecar.demo.rows import Row, rows_of


class _Preference(NamedTuple):
    name: str
    default: str | None
    type: str
    since: str = ""
    until: str = "99"


_YES_NO = "YesNo"
_CHOICE = "Choice"
_FREE = "Free"
_MULTIPLE = "multiple"
_TEXT = "Textarea"

# `since` is the first of our versions that has the preference, `until` the last.
_PREFERENCES = (
    # The preferences on the tab "Interlibrary loans"
    _Preference("AutoILLBackendPriority", "", "ill-backends", since="25.05"),
    _Preference("CirculateILL", "0", _YES_NO, since="22.11"),
    _Preference("IllLog", "0", _YES_NO),
    _Preference("ILLCheckAvailability", "0", _YES_NO),
    _Preference("ILLDefaultStaffEmail", "", _FREE, since="22.11"),
    _Preference("ILLHiddenRequestStatuses", None, _MULTIPLE),
    _Preference("ILLHistoryCheck", "0", _YES_NO, since="25.05"),
    _Preference("ILLModule", "0", _YES_NO),
    _Preference("ILLModuleCopyrightClearance", "", _TEXT, until="22.11"),
    _Preference("ILLModuleDisclaimerByType", "", _TEXT, since="23.11"),
    _Preference("ILLModuleUnmediated", "0", _YES_NO),
    _Preference("ILLOpacbackends", None, _MULTIPLE),
    _Preference("ILLOpacUnauthenticatedRequest", None, _YES_NO, since="25.05"),
    _Preference("ILLPartnerCode", "IL", _FREE, since="23.11"),
    _Preference("ILLRequestsTabs", "", _TEXT, since="25.05"),
    _Preference("ILLSendStaffNotices", None, _MULTIPLE, since="22.11"),
    # Other preferences that affect requests
    _Preference("ActionLogsTraceDepth", "0", "Integer", since="23.11"),
    _Preference("AllFinesNeedOverride", "1", _YES_NO),
    _Preference("AllowFineOverride", "0", _YES_NO),
    _Preference("AllowMultipleIssuesOnABiblio", "1", _YES_NO),
    _Preference("AllowNotForLoanOverride", "0", _YES_NO),
    _Preference("AllowReturnToBranch", "anywhere", _CHOICE),
    _Preference("AllowTooManyOverride", "1", _YES_NO),
    _Preference("AnonymousPatron", "0", _FREE),
    _Preference("AuthFailureLog", "0", _YES_NO),
    _Preference("AuthSuccessLog", "0", _YES_NO),
    _Preference("autoControlNumber", "OFF", _CHOICE),
    _Preference("AutomaticItemReturn", "1", _YES_NO),
    _Preference("AutoRemoveOverduesRestrictions", "0", _YES_NO, until="22.11"),
    _Preference("AutoRemoveOverduesRestrictions", "no", _CHOICE, since="23.11"),
    _Preference("BlockExpiredPatronOpacActions", "1", _YES_NO, until="24.05"),
    _Preference("BlockExpiredPatronOpacActions", "", _MULTIPLE, since="24.11"),
    _Preference("BlockReturnOfLostItems", "0", _YES_NO),
    _Preference("BlockReturnOfWithdrawnItems", "1", _YES_NO),
    _Preference("CataloguingLog", "1", _YES_NO),
    _Preference("CircControl", "ItemHomeLibrary", _CHOICE),
    _Preference("CurrencyFormat", "US", _CHOICE),
    _Preference("dateformat", "us", _CHOICE),
    _Preference("EmailFieldPrecedence", "email|emailpro|B_email", _MULTIPLE, since="22.11"),
    _Preference("EmailFieldPrimary", "OFF", _CHOICE, since="22.11"),
    _Preference("EmailFieldSelection", "", _MULTIPLE, since="22.11"),
    _Preference("AutoEmailPrimaryAddress", "OFF", _CHOICE, until="19.06"),
    _Preference("EmailSMSSendDriverFromAddress", "", _FREE, since="22.11"),
    _Preference("EnhancedMessagingPreferences", "1", _YES_NO),
    _Preference("FailedLoginAttempts", "", _FREE),
    _Preference("HoldsLog", "0", _YES_NO),
    _Preference("HomeOrHoldingBranch", "holdingbranch", _CHOICE),
    _Preference("IndependentBranches", "0", _YES_NO),
    _Preference("IssueLog", "1", _YES_NO),
    _Preference("IssueLostItem", "alert", _CHOICE),
    _Preference("JobsNotificationMethod", "STOMP", _CHOICE, since="23.11"),
    _Preference("KohaAdminEmailAddress", "root@localhost", _FREE),
    _Preference("language", "en", _CHOICE),
    _Preference("marcflavour", "MARC21", _CHOICE),
    _Preference("noissuescharge", "5", "Integer"),
    _Preference("NoticeBcc", "", _FREE),
    _Preference("NoticeCSS", "", _FREE),
    _Preference("OPACBaseURL", "", _FREE),
    _Preference("OPACLanguages", "en", _MULTIPLE),
    _Preference("OpacSuppression", "0", _YES_NO),
    _Preference("OverduesBlockCirc", "noblock", _CHOICE),
    _Preference("Pseudonymization", "0", _YES_NO, since="22.11"),
    _Preference("RealTimeHoldsQueue", "0", _YES_NO, since="22.11"),
    _Preference("RecordLocalUseOnReturn", "0", _YES_NO),
    _Preference("RedirectGuaranteeEmail", "0", _YES_NO, since="23.11"),
    _Preference("ReplytoDefault", "", _FREE),
    _Preference("RESTBasicAuth", "0", _YES_NO),
    _Preference("ReturnBeforeExpiry", "0", _YES_NO),
    _Preference("ReturnLog", "1", _YES_NO),
    _Preference("ReturnpathDefault", "", _FREE),
    _Preference("SearchEngine", "Zebra", _CHOICE),
    _Preference("SendAllEmailsTo", "", _FREE),
    _Preference("SMSSendDriver", "", _FREE),
    _Preference("SMSSendMaxChar", "", "Integer", since="22.11"),
    _Preference("staffClientBaseURL", "", _FREE),
    _Preference("timeformat", "24hr", _CHOICE),
    _Preference("TrackLastPatronActivity", "0", _YES_NO, until="22.11"),
    _Preference("TrackLastPatronActivityTriggers", "", _MULTIPLE, since="23.11"),
    _Preference("TranslateNotices", "0", _YES_NO),
    _Preference("TwoFactorAuthentication", "disabled", _CHOICE, since="22.11"),
    _Preference("UpdateTotalIssuesOnCirc", "0", _YES_NO),
    _Preference("useDaysMode", "Calendar", _CHOICE),
)

# systempreferences.value is NOT NULL from 25.11 on.
_VALUE_NEVER_NULL_SINCE = "25.11"


def preferences(version: str, marc_flavour: str) -> Iterator[Row]:
    """Yield the preferences of *version* with their defaults, and the row `Version`."""
    unset = "" if version >= _VALUE_NEVER_NULL_SINCE else None
    for preference in _PREFERENCES:
        if preference.since <= version <= preference.until:
            value = marc_flavour if preference.name == "marcflavour" else preference.default
            yield {
                "variable": preference.name,
                "value": unset if value is None else value,
                "options": None,
                "explanation": None,
                "type": preference.type,
            }
    number = version_number(version)
    yield {"variable": "Version", "value": number, "options": None, "explanation": None, "type": None}


def version_number(version: str) -> str:
    """
    Format *version* as in the row `Version` of systempreferences: 26.05 becomes 26.0500000.

    The digits after the point are the minor version, the maintenance release and the database revision.
    """
    # Our tables of 19.06 are those of the development version 19.06.00.020.
    return f"{version}{'00020' if version == '19.06' else '00000'}"


# Bit n of borrowers.flags grants all permissions of the module; none is granted by default.
USER_FLAGS = rows_of(
    ("bit", "flag", "flagdesc"),
    (
        (0, "superlibrarian", "Access to all librarian functions"),
        (1, "circulate", "Check out and check in items"),
        (2, "catalogue", "Required for staff login."),
        (3, "parameters", "Manage Koha system settings (Administration panel)"),
        (4, "borrowers", "Add, modify and view patron information"),
        (9, "editcatalogue", "Edit catalog (Modify bibliographic/holdings data)"),
        (13, "tools", "Use all tools (expand for granular tools permissions)"),
        (19, "plugins", "Koha plugins"),
        (22, "ill", "The Interlibrary Loans Module"),
    ),
    defaulton=0,
)

# The granular permissions that the sidecar checks or the sample library grants.
PERMISSIONS = rows_of(
    ("module_bit", "code", "description"),
    (
        (1, "circulate_remaining_permissions", "Remaining circulation permissions"),
        (9, "edit_catalogue", "Edit catalog (Modify bibliographic/holdings data)"),
        (13, "edit_notices", "Define notices"),
        (13, "view_system_logs", "Browse the system logs"),
    ),
)

MESSAGE_TRANSPORT_TYPES = rows_of(
    ("message_transport_type",), [("email",), ("feed",), ("itiva",), ("phone",), ("print",), ("sms",)]
)


class _Message(NamedTuple):
    message_attribute_id: int
    message_name: str
    takes_days: int
    letter_module: str
    letter_code: str
    transports: tuple[str, ...]
    since: str = ""


_MESSAGES = (
    _Message(1, "Item_Due", 0, "circulation", "DUE", ("email", "sms")),
    _Message(2, "Advance_Notice", 1, "circulation", "PREDUE", ("email", "sms")),
    _Message(4, "Hold_Filled", 0, "reserves", "HOLD", ("email", "print", "sms")),
    _Message(5, "Item_Check_in", 0, "circulation", "CHECKIN", ("email", "sms")),
    _Message(6, "Item_Checkout", 0, "circulation", "CHECKOUT", ("email", "sms")),
    _Message(7, "Ill_ready", 0, "ill", "ILL_PICKUP_READY", ("email", "phone", "sms"), since="22.11"),
    _Message(8, "Ill_unavailable", 0, "ill", "ILL_REQUEST_UNAVAIL", ("email", "phone", "sms"), since="22.11"),
    _Message(11, "Ill_update", 0, "ill", "ILL_REQUEST_UPDATE", ("email", "phone", "sms"), since="23.11"),
)


def message_attributes(version: str) -> Iterator[Row]:
    """Yield the message types that patrons choose transports for."""
    for message in _MESSAGES:
        if message.since <= version:
            yield {
                "message_attribute_id": message.message_attribute_id,
                "message_name": message.message_name,
                "takes_days": message.takes_days,
            }


def message_transports(version: str) -> Iterator[Row]:
    """Yield the transports and notice codes of each message type; none is a digest."""
    for message in _MESSAGES:
        if message.since <= version:
            for transport in message.transports:
                yield {
                    "message_attribute_id": message.message_attribute_id,
                    "message_transport_type": transport,
                    "is_digest": 0,
                    "letter_module": message.letter_module,
                    "letter_code": message.letter_code,
                    "branchcode": "",
                }


_AUTHORISED_VALUE_CATEGORIES = (
    "",
    "branches",
    "CCODE",
    "cn_source",
    "itemtypes",
    "LOC",
    "LOST",
    "NOT_LOAN",
    "RESTRICTED",
)
# In 22.11 a maintenance release renamed it.
_ALIAS_CATEGORY_RENAMED_IN = "22.11"


def status_alias_category(version: str) -> str:
    """Return the category of authorised values for status aliases in *version*."""
    return "ILL_STATUS_ALIAS" if version >= _ALIAS_CATEGORY_RENAMED_IN else "ILLSTATUS"


def authorised_value_categories(version: str) -> Iterator[Row]:
    """Yield some system categories of authorised values, and that of status aliases."""
    for name in (*_AUTHORISED_VALUE_CATEGORIES, status_alias_category(version)):
        yield {
            "category_name": name,
            "is_system": int(name in {"", "branches", "cn_source", "itemtypes"}),
            "is_integer_only": 0,
        }


# Those that staff cannot delete.
BATCH_STATUSES = rows_of(
    ("name", "code"),
    (
        ("New", "NEW"),
        ("In progress", "IN_PROGRESS"),
        ("Completed", "COMPLETED"),
        ("Unknown", "UNKNOWN"),
    ),
    is_system=1,
)

FRAMEWORK = "FA"
# The default framework ('') has no row in Koha.
FRAMEWORKS: Sequence[Row] = ({"frameworkcode": FRAMEWORK, "frameworktext": "Fast Add Framework"},)

# marcflavour -> tag, subfield, label, kohafield
MARC_SUBFIELDS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "MARC21": (
        ("020", "a", "International Standard Book Number", "biblioitems.isbn"),
        ("022", "a", "International Standard Serial Number", "biblioitems.issn"),
        ("100", "a", "Personal name", "biblio.author"),
        ("245", "a", "Title", "biblio.title"),
        ("245", "b", "Remainder of title", "biblio.subtitle"),
        ("260", "b", "Name of publisher, distributor, etc.", "biblioitems.publishercode"),
        ("942", "c", "Koha item type", "biblioitems.itemtype"),
        ("942", "n", "Suppress in OPAC", "biblio.opac_suppressed"),
        ("999", "c", "Koha biblionumber", "biblio.biblionumber"),
        ("999", "d", "Koha biblioitemnumber", "biblioitems.biblioitemnumber"),
    ),
    "UNIMARC": (
        ("010", "a", "ISBN", "biblioitems.isbn"),
        ("011", "a", "ISSN", "biblioitems.issn"),
        ("090", "9", "Koha biblionumber", "biblio.biblionumber"),
        ("090", "a", "Koha biblioitemnumber", "biblioitems.biblioitemnumber"),
        ("200", "a", "Title proper", "biblio.title"),
        ("200", "e", "Other title information", "biblio.subtitle"),
        ("200", "f", "First statement of responsibility", "biblio.author"),
        ("210", "c", "Name of publisher, distributor, etc.", "biblioitems.publishercode"),
        ("942", "c", "Koha item type", "biblioitems.itemtype"),
        ("942", "n", "Suppress in OPAC", "biblio.opac_suppressed"),
    ),
}

_FRAMEWORK_CODES = ("", FRAMEWORK)


def marc_tags(marc_flavour: str) -> Iterator[Row]:
    """Yield the fields of both frameworks."""
    for frameworkcode in _FRAMEWORK_CODES:
        for tag in sorted({subfield[0] for subfield in MARC_SUBFIELDS[marc_flavour]}):
            yield {
                "tagfield": tag,
                "liblibrarian": tag,
                "libopac": tag,
                "repeatable": 1,
                "mandatory": 0,
                "frameworkcode": frameworkcode,
            }


def marc_subfields(marc_flavour: str, *, has_suppression: bool) -> Iterator[Row]:
    """
    Yield the subfields of both frameworks with the columns that they are mapped to.

    Every version has 942 $n, but only from 25.11 on does biblio have a column for it.
    """
    for frameworkcode in _FRAMEWORK_CODES:
        for tag, subfield, label, kohafield in MARC_SUBFIELDS[marc_flavour]:
            mapped = has_suppression or kohafield != "biblio.opac_suppressed"
            yield {
                "tagfield": tag,
                "tagsubfield": subfield,
                "liblibrarian": label,
                "libopac": label,
                "repeatable": 0,
                "mandatory": 0,
                "kohafield": kohafield if mapped else None,
                "tab": -1 if tag in {"090", "999"} else 0,
                "hidden": 0,
                "frameworkcode": frameworkcode,
            }
