"""
The bibliographic record that a requested book gets.

Source: Koha, Koha/ILL/Backend/Standard.pm _standard_request2biblio, C4/Biblio.pm AddBiblio.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.brief_record import UNIMARC, BriefRecord, Default, new_brief_record
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.storage.koha import action_logs, biblios, patrons
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.sidecar import outbox
from koha_ill_sidecar.storage.sidecar.outbox import OutboxKind
from koha_ill_sidecar.storage.transaction import Transaction

_DEFAULT_FRAMEWORK = ""
_PLACE = re.compile(r"(?P<tag>0[1-9][0-9]|[1-9][0-9]{2})\$(?P<code>[0-9a-z])")
_SIGNATURES = (
    "MarcFieldForCreatorId",
    "MarcFieldForCreatorName",
    "MarcFieldForModifierId",
    "MarcFieldForModifierName",
)


def add_record(tx: Transaction, fields: Mapping[str, str], actor: Actor) -> int:
    """
    Add a brief record of a book, hidden from the OPAC, queue it for the index, and return its ID.

    Args:
        fields: Fields of the request, of which isbn, author and title are used.

    Raises:
        RequestRefused: The framework that koha-conf.xml names does not exist (``unknown_framework``).
    """
    record = _make_record(tx, fields)
    biblionumber = biblios.add_biblio(
        tx, frameworkcode=tx.site.framework, columns={"opac_suppressed": "1", **record.columns("biblio")}
    )
    biblioitemnumber = biblios.add_biblioitem(tx, biblionumber, columns=record.columns("biblioitems"))
    record.set_ids(biblionumber=biblionumber, biblioitemnumber=biblioitemnumber)
    if tx.preferences.text("autoControlNumber") == "biblionumber":
        record.set_control_field("001", str(biblionumber))
    _sign(tx, record, actor)
    biblios.add_metadata(
        tx,
        biblionumber,
        marcflavour=tx.preferences.text("marcflavour", "MARC21"),
        marcxml=record.as_marcxml(),
    )
    action_logs.add_biblio(tx, biblionumber, actor=actor)
    _queue_for_index(tx, biblionumber, actor)
    return biblionumber


def _queue_for_index(tx: Transaction, biblionumber: int, actor: Actor) -> None:
    job = biblios.queue_for_index(tx, biblionumber, actor=actor)
    if job is not None and workers_need_broker(tx.preferences):
        outbox.add(tx, OutboxKind.INDEX_JOB, job)


def workers_need_broker(preferences: Preferences) -> bool:
    """
    Return whether Koha's workers learn of jobs from the message broker only, and do not poll for them.

    Source: Koha, Koha/BackgroundJob.pm connect: STOMP where the preference is missing.
    """
    return preferences.text("JobsNotificationMethod", "STOMP") == "STOMP"


def _make_record(tx: Transaction, fields: Mapping[str, str]) -> BriefRecord:
    marcflavour = tx.preferences.text("marcflavour", "MARC21")
    mapped = biblios.subfields(tx, _DEFAULT_FRAMEWORK)
    today, moment = biblios.now(tx)
    record = new_brief_record(
        fields,
        marcflavour=marcflavour,
        mapping={
            subfield.kohafield: (subfield.tag, subfield.code) for subfield in mapped if subfield.kohafield
        },
        defaults=_defaults(tx, today),
        never_defaulted=[subfield.tag for subfield in mapped if subfield.kohafield.startswith("items.")],
    )
    if marcflavour.upper() == UNIMARC:
        record.set_unimarc_processing_data(
            today=today, language=tx.preferences.text("UNIMARCField100Language", "fre")
        )
    if tx.koha.features.control_field_005:
        record.set_control_field("005", moment)
    return record


def _sign(tx: Transaction, record: BriefRecord, actor: Actor) -> None:
    """
    Write the creator into the fields that the preferences name for it, such as ``998$a``.

    Source: Koha, C4/Biblio.pm ModBiblioMarc.
    """
    places = {name: _PLACE.fullmatch(tx.preferences.text(name)) for name in _SIGNATURES}
    if not any(places.values()):
        return
    patron = patrons.find(tx, actor.borrowernumber)
    if patron is None:
        return
    for name, place in places.items():
        if place is not None:
            value = str(patron.borrowernumber) if name.endswith("Id") else patron.name
            record.set_subfield(place["tag"], place["code"], value)


def _defaults(tx: Transaction, today: str) -> Iterable[Default]:
    framework = tx.site.framework
    if framework and not biblios.has_framework(tx, framework):
        raise RequestRefused(
            "unknown_framework",
            "The MARC framework %(framework)s, in which requested books are catalogued, does not exist."
            " Create it in Koha, or set another as framework under interlibrary_loans in koha-conf.xml.",
            framework=framework,
        )
    subfields = biblios.subfields(tx, framework)
    return [
        Default(tag=subfield.tag, code=subfield.code, value=_dated(subfield.default, today))
        for subfield in subfields
        if _is_default(subfield)
    ]


def _is_default(subfield: Row[Any]) -> bool:
    # Koha fills in its own IDs, even if the framework has a default for them.
    return bool(subfield.default) and subfield.kohafield not in (
        "biblio.biblionumber",
        "biblioitems.biblioitemnumber",
    )


def _dated(default: str, today: str) -> str:
    """Fill in the date. Source: Koha, C4/Biblio.pm: <<YYYY>>, <<YY>>, <<MM>>, <<DD>> in default values."""
    for placeholder, value in (
        ("<<YYYY>>", today[:4]),
        ("<<YY>>", today[2:4]),
        ("<<MM>>", today[4:6]),
        ("<<DD>>", today[6:8]),
    ):
        default = default.replace(placeholder, value)
    return default
