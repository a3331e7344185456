import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import recordings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cast import ADA, CLARA
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.brief_record import new_brief_record
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.requests.records import add_record
from koha_ill_sidecar.storage.koha import biblios
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)
CRIME = {"isbn": "9780140449136", "author": "Dostoyevsky, Fyodor", "title": "Crime and punishment"}
STEP = "add a brief record"

ExecuteAsKoha = Callable[..., None]


def with_preferences(tx: Transaction, **values: str) -> Transaction:
    return replace(tx, preferences=Preferences({"CataloguingLog": "1", "marcflavour": "MARC21", **values}))


def rows(tx: Transaction, table: str) -> list[dict[str, Any]]:
    found = tx.connection.execute(text(f"SELECT * FROM {table}")).mappings()
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def marc(xml: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Read a record as (tag, indicators, subfields), the leader first."""
    name = "{http://www.loc.gov/MARC21/slim}"
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for element in ET.fromstring(xml):
        if element.tag in (f"{name}leader", f"{name}controlfield"):
            found.append((element.get("tag", "LDR"), "", [("", element.text or "")]))
        else:
            subfields = [(part.get("code", ""), part.text or "") for part in element]
            found.append(
                (element.get("tag", ""), element.get("ind1", "") + element.get("ind2", ""), subfields)
            )
    return found


def fields(tx: Transaction) -> dict[str, list[tuple[str, str]]]:
    (metadata,) = rows(tx, "biblio_metadata")
    return {tag: subfields for tag, _, subfields in marc(metadata["metadata"])}


@pytest.mark.all_versions
def test_the_rows_are_those_of_a_running_koha(tx: Transaction) -> None:
    """Recorded from a 19.06; later versions add biblio.opac_suppressed, a trace and the field 005."""
    number = add_record(with_preferences(tx), CRIME, STAFF)

    varying = {"timestamp", "time", "datecreated", "id", "action_id", "metadata", "schema", "user"}
    numbers = {"biblionumber", "biblioitemnumber", "biblio_auth_number", "object"}
    for table in ("zebraqueue", "action_logs", "biblioitems", "biblio_metadata", "biblio"):
        expected = recordings.changes(STEP, table)
        (row,) = rows(tx, table)
        assert row.keys() - {"opac_suppressed"} == expected.keys(), table
        for name in expected.keys() - varying - numbers:
            assert row[name] == expected[name], f"{table}.{name}"
    ours = [field for field in marc(rows(tx, "biblio_metadata")[0]["metadata"]) if field[0] != "005"]
    theirs = marc(recordings.changes(STEP, "biblio_metadata")["metadata"])
    item = rows(tx, "biblioitems")[0]["biblioitemnumber"]
    assert theirs[-1] == ("999", "  ", [("c", "3"), ("d", "3")])
    assert ours[-1] == ("999", "  ", [("c", str(number)), ("d", str(item))])
    assert ours[1:-1] == theirs[1:-1]
    assert ours[0][2][0][1][5:12] == theirs[0][2][0][1][5:12]
    assert ours[0][2][0][1][17:] == theirs[0][2][0][1][17:]


@pytest.mark.all_versions
def test_a_record_is_hidden_and_queued_for_the_index(tx: Transaction) -> None:
    number = add_record(with_preferences(tx), CRIME, STAFF)

    (biblio,) = rows(tx, "biblio")
    assert (biblio["frameworkcode"], biblio["title"], biblio["author"]) == (
        "FA",
        CRIME["title"],
        CRIME["author"],
    )
    assert ("n", "1") in fields(tx)["942"]
    if tx.koha.has("biblio", "opac_suppressed"):
        assert biblio["opac_suppressed"] == 1
    (queued,) = rows(tx, "zebraqueue")
    assert (queued["biblio_auth_number"], queued["operation"], queued["server"], queued["done"]) == (
        number,
        "specialUpdate",
        "biblioserver",
        0,
    )
    if tx.koha.has("background_jobs"):
        assert rows(tx, "background_jobs") == []
    (logged,) = rows(tx, "action_logs")
    assert (logged["module"], logged["action"], logged["object"], logged["info"]) == (
        "CATALOGUING",
        "ADD",
        number,
        "biblio",
    )


def test_a_record_that_waits_for_zebra_is_not_queued_twice(tx: Transaction) -> None:
    number = add_record(tx, CRIME, STAFF)

    biblios.queue_for_index(tx, number, actor=STAFF)

    assert len(rows(tx, "zebraqueue")) == 1


def test_a_record_that_zebra_has_indexed_is_queued_again(
    execute_as_koha: ExecuteAsKoha, tx: Transaction
) -> None:
    execute_as_koha(
        "INSERT INTO zebraqueue (biblio_auth_number, operation, server, done)"
        " VALUES (7, 'specialUpdate', 'biblioserver', 1)"
    )

    biblios.queue_for_index(tx, 7, actor=STAFF)

    assert [row["done"] for row in rows(tx, "zebraqueue")] == [1, 0]


@pytest.mark.all_versions
def test_elasticsearch_gets_a_job_as_well(tx: Transaction) -> None:
    number = add_record(with_preferences(tx, SearchEngine="Elasticsearch"), CRIME, STAFF)

    assert len(rows(tx, "zebraqueue")) == 1
    if not tx.koha.has("background_jobs"):
        return
    (job,) = rows(tx, "background_jobs")
    assert (job["type"], job["status"], job["size"], job["borrowernumber"]) == (
        "update_elastic_index",
        "new",
        1,
        CLARA,
    )
    assert job["queue"] == ("default" if tx.koha.version.release == "22.11" else "elastic_index")
    assert json.loads(job["data"]) == {"record_server": "biblioserver", "record_ids": [number]}
    assert json.loads(job["context"])["interface"] == "intranet"


def test_unimarc_has_its_own_fields(execute_as_koha: ExecuteAsKoha, tx: Transaction) -> None:
    execute_as_koha("DELETE FROM marc_subfield_structure")
    unimarc = with_preferences(tx, marcflavour="UNIMARC", UNIMARCField100Language="ger")

    number = add_record(unimarc, CRIME, STAFF)

    found = fields(tx)
    assert found["010"] == [("a", CRIME["isbn"])]
    assert found["200"] == [("a", CRIME["title"]), ("f", CRIME["author"])]
    assert found["942"] == [("n", "1")]
    item = rows(tx, "biblioitems")[0]["biblioitemnumber"]
    assert found["090"] == [("a", str(number)), ("9", str(item))]
    (processing,) = (value for _, value in found["100"])
    today = tx.connection.scalar(text("SELECT DATE_FORMAT(CURDATE(), '%Y%m%d')"))
    assert processing == f"{today:22}gery50".ljust(36)
    assert (rows(tx, "biblio")[0]["title"], rows(tx, "biblio_metadata")[0]["schema"]) == (
        CRIME["title"],
        "UNIMARC",
    )


def test_another_flavour_gets_the_suppression_only(tx: Transaction) -> None:
    add_record(with_preferences(tx, marcflavour="NORMARC"), CRIME, STAFF)

    assert set(fields(tx)) == {"LDR", "005", "942", "999"}


def test_ids_go_where_the_installation_maps_them(execute_as_koha: ExecuteAsKoha, tx: Transaction) -> None:
    execute_as_koha(
        "UPDATE marc_subfield_structure SET kohafield = NULL WHERE kohafield = 'biblio.biblionumber'"
    )
    execute_as_koha(
        "INSERT INTO marc_subfield_structure (tagfield, tagsubfield, frameworkcode, kohafield)"
        " VALUES ('001', '@', '', 'biblio.biblionumber')"
    )

    number = add_record(tx, CRIME, STAFF)

    found = fields(tx)
    assert found["001"] == [("", str(number))]
    assert [code for code, _ in found["999"]] == ["d"]


def test_defaults_of_the_framework_fill_what_is_missing(
    execute_as_koha: ExecuteAsKoha, tx: Transaction
) -> None:
    year = tx.connection.scalar(text("SELECT YEAR(CURDATE())"))
    for tag, code, default in (("942", "c", "ILL"), ("245", "a", "no title"), ("260", "c", "<<YYYY>>")):
        execute_as_koha(
            "INSERT INTO marc_subfield_structure (tagfield, tagsubfield, frameworkcode, defaultvalue)"
            " VALUES (:tag, :code, 'FA', :value) ON DUPLICATE KEY UPDATE defaultvalue = :value",
            tag=tag,
            code=code,
            value=default,
        )

    add_record(tx, CRIME, STAFF)

    found = fields(tx)
    assert found["942"] == [("n", "1"), ("c", "ILL")]
    assert found["245"] == [("a", CRIME["title"])]
    assert found["260"] == [("c", str(year))]
    assert rows(tx, "biblioitems")[0]["itemtype"] == "ILL"


def test_a_framework_that_does_not_exist_is_named(tx: Transaction) -> None:
    with pytest.raises(RequestRefused, match="framework XX") as error:
        add_record(replace(tx, site=IllSite(framework="XX")), CRIME, STAFF)

    assert error.value.code == "unknown_framework"


def test_the_control_number_is_the_record_id_if_the_preference_says_so(tx: Transaction) -> None:
    number = add_record(with_preferences(tx, autoControlNumber="biblionumber"), CRIME, STAFF)

    assert fields(tx)["001"] == [("", str(number))]


def test_the_record_names_its_creator_where_the_preferences_say(tx: Transaction) -> None:
    signed = with_preferences(
        tx,
        MarcFieldForCreatorId="998$a",
        MarcFieldForCreatorName="998$b",
        MarcFieldForModifierName="942$m",
        MarcFieldForModifierId="nonsense",
    )

    add_record(signed, CRIME, STAFF)
    found = fields(tx)

    assert found["998"] == [("a", str(CLARA)), ("b", "Clara Birchwood")]
    assert ("m", "Clara Birchwood") in found["942"]


def test_empty_fields_are_left_out(tx: Transaction) -> None:
    add_record(tx, {"title": "Only a title", "author": ""}, STAFF)

    assert set(fields(tx)) == {"LDR", "005", "245", "942", "999"}


@given(title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_the_record_is_readable_xml_with_any_title(title: str) -> None:
    record = new_brief_record({"title": title}, marcflavour="MARC21", mapping={})
    record.set_ids(biblionumber=1, biblioitemnumber=1)

    found = {tag: subfields for tag, _, subfields in marc(record.as_marcxml())}

    kept = without_control_characters(title)
    stored = found.get("245", [("a", "")])[0][1]
    assert stored.replace("\r\n", "\n").replace("\r", "\n") == kept.replace("\r\n", "\n").replace("\r", "\n")


def test_the_record_has_the_isbn_without_other_words() -> None:
    record = new_brief_record({"isbn": "9780140449136 (paperback)"}, marcflavour="MARC21", mapping={})
    record.set_ids(biblionumber=1, biblioitemnumber=1)

    assert {tag: subfields for tag, _, subfields in marc(record.as_marcxml())}["020"] == [
        ("a", "9780140449136")
    ]
