"""Checks of how Koha is set up for interlibrary loans."""

import difflib
from collections.abc import Iterator
from datetime import timedelta

from koha_ill_sidecar.config.settings import Settings, Transport
from koha_ill_sidecar.delivery.addresses import are_addresses
from koha_ill_sidecar.domain.notices import EMAIL, NoticeCode
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.services.delivery.dispatcher import koha_lock_file
from koha_ill_sidecar.services.doctor.findings import Finding, fail, ok, warn
from koha_ill_sidecar.storage import inspection
from koha_ill_sidecar.storage.koha import letters, patrons, plugins, requests
from koha_ill_sidecar.storage.message_queue import listing
from koha_ill_sidecar.storage.sidecar import schema
from koha_ill_sidecar.storage.transaction import Transaction

_OTHER_SENDER_WINDOW = timedelta(days=7)
_SHOWN = 10
_NO_BACKEND = "–"


def check_preferences(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Check the preferences that hide requests, their log or their mail."""
    preferences = tx.preferences
    found = list(_preference_problems(settings, tx))
    yield from found
    if not found:
        asked = preferences.text("ILLSendStaffNotices")
        yield ok(
            "preferences",
            lazy("ILLModule and IllLog are on; staff notices: %(notices)s", notices=asked or "–"),
        )


def _preference_problems(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    preferences = tx.preferences
    if not preferences.flag("ILLModule"):
        yield warn(
            "preferences",
            lazy("ILLModule is off: Koha hides requests"),
            lazy("Turn ILLModule on in Koha."),
        )
    if not preferences.flag("IllLog"):
        yield warn(
            "preferences",
            lazy("IllLog is off: no request log is written"),
            lazy("Turn IllLog on in Koha."),
        )
    if not preferences.text("KohaAdminEmailAddress"):
        yield warn(
            "preferences",
            lazy("KohaAdminEmailAddress is empty: mail of libraries without an address has no sender"),
            lazy("Set KohaAdminEmailAddress in Koha."),
        )
    if preferences.text("SendAllEmailsTo"):
        yield warn(
            "preferences",
            lazy("SendAllEmailsTo is set: no mail goes to patrons or partners"),
            lazy("Clear SendAllEmailsTo in Koha, unless this is a test system."),
        )
    driver = preferences.text("SMSSendDriver")
    if driver not in ("", "Email") and Transport.SMS in settings.delivery.transports:
        yield warn(
            "preferences",
            lazy(
                "SMSSendDriver is %(driver)s, which the sidecar does not support: it leaves SMS to Koha's cron job",
                driver=driver,
            ),
            lazy("Set delivery.transports to [email], or SMSSendDriver to Email."),
        )


def check_letters(_settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Check that each notice of Koha's core has an email letter; SMS is a library's choice."""
    codes = sorted(code.value for code in NoticeCode)
    there = {(letter.code, letter.transport) for letter in letters.all_of_module(tx) if not letter.branchcode}
    missing = [code for code in codes if (code, EMAIL) not in there]
    if missing:
        yield warn(
            "letters",
            lazy("no email notice template for all libraries: %(letters)s", letters=", ".join(missing)),
            lazy("Run: koha-ill-sidecar notices install --only-missing"),
        )
    else:
        yield ok("letters", lazy("all %(number)s are present", number=len(codes)))


def check_letter_codes(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Find entries of ``delivery.letter_codes`` that no notice template has: they select no message."""
    codes = letters.codes(tx)
    for code in settings.delivery.letter_codes:
        if code not in codes:
            nearest = difflib.get_close_matches(code.upper(), codes, n=1, cutoff=0.5)
            yield fail(
                "letter codes",
                f"delivery.letter_codes has {code}, which no notice template has",
                f"Did you mean {nearest[0]}?" if nearest else "Remove it, or create the notice in Koha.",
            )


def check_partners(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Find partner libraries that cannot be asked."""
    category = tx.preferences.text("ILLPartnerCode") or settings.koha.site.partner_code
    found = patrons.find_partners(tx, category)
    without = [
        str(number) for number in sorted(partner.borrowernumber for partner in found if not partner.email)
    ]
    if not found:
        yield warn(
            "partners",
            lazy("no patron is in category %(category)s", category=category),
            lazy(
                "Create a patron in that category for each partner library, or set ILLPartnerCode to their category."
            ),
        )
    unusable = [
        str(partner.borrowernumber) for partner in found if partner.email and not are_addresses(partner.email)
    ]
    if unusable:
        yield warn(
            "partners",
            lazy(
                "%(number)s of %(all)s have an email address that cannot be used: patron ID %(numbers)s",
                number=len(unusable),
                all=len(found),
                numbers=", ".join(unusable[:_SHOWN]) + (", …" if len(unusable) > _SHOWN else ""),
            ),
            lazy("Correct their primary email in Koha."),
        )
    if without:
        listed = ", ".join(without[:_SHOWN]) + (", …" if len(without) > _SHOWN else "")
        yield warn(
            "partners",
            lazy(
                "%(number)s of %(all)s have no email address: patron ID %(numbers)s",
                number=len(without),
                all=len(found),
                numbers=listed,
            ),
            lazy("Enter a primary email for them in Koha."),
        )
    if found and not without and not unusable:
        yield ok(
            "partners",
            lazy("1 partner in category %(category)s, with an address", category=category)
            if len(found) == 1
            else lazy(
                "%(number)s partners in category %(category)s, all with an address",
                number=len(found),
                category=category,
            ),
        )


def check_backends(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """
    Find requests whose backend this Koha does not have: one of them empties Koha's whole list of requests.

    Source: Koha, Koha/ILL/Backends.pm and Koha/ILL/Request.pm (load_backend).
    """
    names = requests.count_by_backend(tx)
    installed = {tx.koha.generic_backend, *_perl_backends(settings)}
    unknown = {name or _NO_BACKEND: count for name, count in names.items() if name not in installed}
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
    plugin_classes = plugins.backend_plugins(tx)
    if not unknown:
        known = ", ".join(sorted(name for name in names if name))
        yield ok("backends", literal(known) if known else lazy("no requests yet"))
    elif plugin_classes and _NO_BACKEND not in unknown:
        yield ok(
            "backends",
            lazy(
                "requests of %(backends)s, which appear to belong to %(plugins)s",
                backends=listed,
                plugins=", ".join(plugin_classes),
            ),
        )
    elif settings.koha.backend_directory or _NO_BACKEND in unknown or _is_other_generic(tx, unknown):
        yield fail(
            "backends",
            lazy(
                "requests of backends that are not installed in this Koha: %(backends)s; its list of requests stays "
                "empty",
                backends=listed,
            ),
            lazy(
                "Install the backend, or change these requests to the backend %(backend)s.",
                backend=tx.koha.generic_backend,
            ),
        )
    else:
        yield warn(
            "backends",
            lazy("requests of unknown backends: %(backends)s", backends=listed),
            lazy("Set koha.conf so that the sidecar can check Koha's backend_directory."),
        )


def _perl_backends(settings: Settings) -> set[str]:
    directory = settings.koha.backend_directory
    if directory is None or not directory.is_dir():
        return set()
    return {entry.name for entry in directory.iterdir() if entry.is_dir()}


def _is_other_generic(tx: Transaction, unknown: dict[str, int]) -> bool:
    """Return whether requests have the backend `Standard` before 24.11, when no Koha had it."""
    return tx.koha.generic_backend != "Standard" and "Standard" in unknown


def check_other_sender(settings: Settings, tx: Transaction) -> Iterator[Finding]:
    """Find ILL messages that Koha's cron job sent, though the sidecar delivers them."""
    if not settings.delivery.enabled:
        yield ok("other sender", lazy("the sidecar delivers nothing (delivery.enabled is false)"))
        return
    if schema.deliveries.name not in inspection.existing_tables(tx.connection):
        yield ok("other sender", lazy("the sidecar has delivered nothing yet"))
        return
    codes = settings.delivery.letter_codes
    count = listing.count_sent_by_others(tx, codes, within=_OTHER_SENDER_WINDOW)
    if count:
        yield warn(
            "other sender",
            lazy("another program sent 1 message in the last 7 days")
            if count == 1
            else lazy("another program sent %(number)s messages in the last 7 days", number=count),
            _advice_about_other_sender(settings),
        )
    else:
        yield ok("other sender", lazy("no other program sends our messages"))


def _advice_about_other_sender(settings: Settings) -> LazyMessage:
    lock = koha_lock_file(settings)
    if settings.delivery.exclusive or (lock is not None and lock.exists()):
        return lazy(
            "Exclude ILL notices from Koha's cron job: run process_message_queue.pl with -c for each"
            " other notice."
        )
    return lazy(
        "Koha's cron job has no lock file on this host. Set delivery.exclusive to true, or run process_message_queue.pl"
        " with -c for each other notice."
    )


CHECKS = {
    "preferences": check_preferences,
    "letters": check_letters,
    "partners": check_partners,
    "backends": check_backends,
    "other sender": check_other_sender,
}
