"""The doctor finds what is wrong in a real database and at a real mail server, and says what to do."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_servers import MailServer, running
from sqlalchemy import Connection, Engine, text

from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.config.loading import parse_settings
from koha_ill_sidecar.config.settings import BrokerSettings, DeliverySettings, Settings, SmtpSettings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.resources import notice_templates
from koha_ill_sidecar.services.doctor.examination import examine
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.storage.database import Database

Examine = Callable[..., list[Finding]]


@pytest.fixture
def settings(koha_database: KohaDatabase) -> Settings:
    plain = parse_settings({"koha": {"database": {"name": "given", "user": "below"}}})
    koha = dataclasses.replace(plain.koha, database=koha_database.settings)
    delivery = dataclasses.replace(plain.delivery, enabled=False)
    return dataclasses.replace(plain, koha=koha, delivery=delivery)


@pytest.fixture
def mailer() -> Iterator[Mailer]:
    mailer = Mailer()
    yield mailer
    mailer.close()


@pytest.fixture
def look(settings: Settings, database: Database, mailer: Mailer) -> Examine:
    def look(**changes: Any) -> list[Finding]:
        database.cache.clear()
        return examine(dataclasses.replace(settings, **changes), database, mailer, clock=time.time)

    return look


def finding(findings: list[Finding], name: str) -> Finding:
    found = [finding for finding in findings if finding.name == name]
    assert len(found) == 1, findings
    return found[0]


def set_preference(admin: Engine, name: str, value: str) -> None:
    with admin.begin() as koha:
        koha.execute(text("DELETE FROM systempreferences WHERE variable = :name"), {"name": name})
        koha.execute(
            text("INSERT INTO systempreferences (variable, value) VALUES (:name, :value)"),
            {"name": name, "value": value},
        )


@pytest.mark.all_versions
def test_a_sound_installation_passes_every_check(look: Examine) -> None:
    findings = look()

    assert [entry for entry in findings if entry.verdict is Verdict.FAIL] == []
    # The tests' user serves a database of each version, which the doctor rightly does not like.
    privileges = str(finding(findings, "privileges").seen).replace("privileges on database", "")
    assert privileges == "exactly those that are needed" or " on " not in privileges


def test_every_check_reports_in_the_same_order(look: Examine) -> None:
    names = list(dict.fromkeys(entry.name for entry in look()))

    assert names == [
        "configuration",
        "web",
        "connection",
        "server",
        "clock",
        "time zone",
        "privileges",
        "koha",
        "tables",
        "sidecar tables",
        "preferences",
        "letters",
        "partners",
        "backends",
        "other sender",
        "request index",
        "mail",
    ]


def test_nothing_to_check_is_not_wrong(look: Examine, admin: Engine, settings: Settings) -> None:
    with admin.begin() as root:
        root.execute(text("RENAME TABLE ill_sidecar_deliveries TO away"))
    try:
        findings = look(delivery=dataclasses.replace(settings.delivery, enabled=True))
    finally:
        with admin.begin() as root:
            root.execute(text("RENAME TABLE away TO ill_sidecar_deliveries"))

    assert finding(findings, "other sender").verdict is Verdict.OK


def test_every_problem_comes_with_advice(look: Examine, admin: Engine) -> None:
    set_preference(admin, "ILLModule", "0")
    set_preference(admin, "IllLog", "0")

    problems = [entry for entry in look() if entry.verdict is not Verdict.OK]

    assert problems
    assert [entry for entry in problems if not entry.advice] == []


def test_a_privilege_too_few_is_named(look: Examine, admin: Engine) -> None:
    with admin.begin() as root:
        root.execute(text("REVOKE INSERT ON action_logs FROM 'koha_ill_sidecar'@'localhost'"))
    try:
        found = finding(look(), "privileges")
    finally:
        with admin.begin() as root:
            root.execute(text("GRANT INSERT ON action_logs TO 'koha_ill_sidecar'@'localhost'"))

    assert (found.verdict, str(found.seen)) == (Verdict.FAIL, "too few: INSERT on action_logs")
    assert "koha-ill-sidecar grants" in str(found.advice)


def test_privileges_too_many_are_named(look: Examine, admin: Engine) -> None:
    with admin.begin() as root:
        root.execute(text("GRANT UPDATE ON categories TO 'koha_ill_sidecar'@'localhost'"))
    try:
        found = finding(look(), "privileges")
    finally:
        with admin.begin() as root:
            root.execute(text("REVOKE UPDATE ON categories FROM 'koha_ill_sidecar'@'localhost'"))

    assert found.verdict is Verdict.WARN
    assert str(found.seen).startswith("too many: UPDATE on categories")


def test_a_table_that_we_may_not_read_leaves_the_other_checks(look: Examine, admin: Engine) -> None:
    with admin.begin() as root:
        root.execute(text("REVOKE SELECT ON letter FROM 'koha_ill_sidecar'@'localhost'"))
    try:
        findings = look()
    finally:
        with admin.begin() as root:
            root.execute(text("GRANT SELECT ON letter TO 'koha_ill_sidecar'@'localhost'"))

    assert finding(findings, "letters").verdict is Verdict.FAIL
    assert finding(findings, "partners").verdict is Verdict.WARN


def test_preferences_that_hide_requests_are_reported(look: Examine, admin: Engine) -> None:
    set_preference(admin, "ILLModule", "0")
    set_preference(admin, "IllLog", "1")
    set_preference(admin, "KohaAdminEmailAddress", "koha@example.org")

    found = finding(look(), "preferences")

    assert (found.verdict, str(found.seen)) == (Verdict.WARN, "ILLModule is off: Koha hides requests")


def test_letters_that_are_missing_are_named(look: Examine, admin: Engine) -> None:
    with admin.begin() as koha:
        koha.execute(text("DELETE FROM letter WHERE module = 'ill'"))
        for template in notice_templates():
            if template.code != "ILL_PICKUP_READY" and template.lang == "default":
                koha.execute(
                    text(
                        "INSERT INTO letter (module, code, branchcode, name, title, content,"
                        " message_transport_type, lang)"
                        " VALUES ('ill', :code, '', :name, :title, :content, :transport, 'default')"
                    ),
                    {
                        "code": template.code,
                        "name": template.name,
                        "title": template.title,
                        "content": template.content,
                        "transport": template.transport,
                    },
                )

    found = finding(look(), "letters")

    assert (found.verdict, str(found.seen)) == (
        Verdict.WARN,
        "no email notice template for all libraries: ILL_PICKUP_READY",
    )
    assert "notices install" in str(found.advice)


def test_a_partner_without_an_address_is_named(look: Examine) -> None:
    found = finding(look(), "partners")

    assert (found.verdict, str(found.seen)) == (
        Verdict.WARN,
        "1 of 3 have no email address: patron ID 13",
    )


def test_a_backend_that_no_koha_has_is_a_failure(
    look: Examine, admin: Engine, database: Database, settings: Settings, tmp_path: Path
) -> None:
    with admin.begin() as koha:
        make_request(koha, database.koha(), backend="Standrad")
    (tmp_path / "BLDSS").mkdir()

    found = finding(look(koha=dataclasses.replace(settings.koha, backend_directory=tmp_path)), "backends")

    assert found.verdict is Verdict.FAIL
    assert "Standrad (1)" in str(found.seen)


def test_a_perl_backend_that_is_installed_is_fine(
    look: Examine, admin: Engine, database: Database, settings: Settings, tmp_path: Path
) -> None:
    with admin.begin() as koha:
        make_request(koha, database.koha(), backend="BLDSS")
    (tmp_path / "BLDSS").mkdir()

    found = finding(look(koha=dataclasses.replace(settings.koha, backend_directory=tmp_path)), "backends")

    assert (found.verdict, str(found.seen)) == (Verdict.OK, "BLDSS")


def test_a_letter_case_that_koha_does_not_know_is_found(
    look: Examine, admin: Engine, database: Database, settings: Settings, tmp_path: Path
) -> None:
    with admin.begin() as koha:
        make_request(koha, database.koha(), backend="standard")
        make_request(koha, database.koha(), backend="Standard")

    found = finding(look(koha=dataclasses.replace(settings.koha, backend_directory=tmp_path)), "backends")

    assert (found.verdict, str(found.seen).split(": ")[1].split(";")[0]) == (
        Verdict.FAIL,
        "standard (1)",
    )


def _queue_messages(koha: Connection, *statuses: str, hours_ago: int) -> None:
    for status in statuses:
        koha.execute(
            text(
                "INSERT INTO message_queue (subject, letter_code, message_transport_type, status, time_queued)"
                " VALUES ('x', 'ILL_PICKUP_READY', 'email', :status, NOW() - INTERVAL :hours HOUR)"
            ),
            {"status": status, "hours": hours_ago},
        )


def _delivering(settings: Settings) -> DeliverySettings:
    nowhere = SmtpSettings(host="127.0.0.1", port=1)
    return dataclasses.replace(
        settings.delivery, enabled=True, letter_codes=("ILL_PICKUP_READY",), smtp=nowhere
    )


def test_messages_that_koha_sent_are_counted(look: Examine, admin: Engine, settings: Settings) -> None:
    with admin.begin() as koha:
        _queue_messages(koha, "sent", "sent", "failed", hours_ago=0)
        koha.execute(
            text(
                "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, first_attempt_at,"
                " last_attempt_at) SELECT MIN(message_id), '<a@b>', 'sent', UTC_TIMESTAMP(6) - INTERVAL 1 HOUR,"
                " UTC_TIMESTAMP(6) FROM message_queue WHERE status = 'sent'"
            )
        )

    findings = look(delivery=_delivering(settings))

    assert str(finding(findings, "other sender").seen).startswith("another program sent 1 message")
    assert "Set delivery.exclusive to true" in str(finding(findings, "other sender").advice)
    assert finding(findings, "mail").verdict is Verdict.FAIL


def test_messages_from_before_the_sidecar_are_not_counted(
    look: Examine, admin: Engine, settings: Settings
) -> None:
    """The oldest was retried here, so that our deliveries begin with a message that is older than the sidecar."""
    with admin.begin() as koha:
        _queue_messages(koha, "failed", "sent", "sent", hours_ago=24)
        koha.execute(
            text(
                "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, first_attempt_at,"
                " last_attempt_at) SELECT MIN(message_id), '<a@b>', 'sent', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)"
                " FROM message_queue"
            )
        )

    assert finding(look(delivery=_delivering(settings)), "other sender").verdict is Verdict.OK


def test_a_mail_server_that_answers_is_fine(look: Examine, settings: Settings) -> None:
    with running(MailServer()) as server:
        findings = look(delivery=dataclasses.replace(settings.delivery, enabled=True, smtp=server))

    assert finding(findings, "mail").verdict is Verdict.OK


def test_a_wrong_clock_is_reported(settings: Settings, database: Database, mailer: Mailer) -> None:
    def in_five_minutes() -> float:
        return time.time() + timedelta(minutes=5).total_seconds()

    found = finding(examine(settings, database, mailer, clock=in_five_minutes), "clock")

    assert found.verdict is Verdict.FAIL
    assert "300 s apart" in str(found.seen)


def test_a_named_time_zone_needs_the_servers_tables(
    settings: Settings, koha_database: KohaDatabase, mailer: Mailer
) -> None:
    zoned = dataclasses.replace(koha_database.settings, timezone="Europe/Paris")
    database = Database(zoned, site=koha_database.database.site)
    koha = dataclasses.replace(settings.koha, database=zoned)
    try:
        findings = examine(dataclasses.replace(settings, koha=koha), database, mailer, clock=time.time)
    finally:
        database.close()

    found = finding(findings, "connection")
    assert (found.verdict, str(found.seen)) == (
        Verdict.FAIL,
        "Unknown or incorrect time zone: 'Europe/Paris' (1298)",
    )
    assert "mariadb-tzinfo-to-sql" in str(found.advice)


def test_mail_is_checked_even_without_a_database(
    settings: Settings, koha_database: KohaDatabase, mailer: Mailer
) -> None:
    gone = dataclasses.replace(koha_database.settings, socket=Path("/nonexistent/mariadb.sock"))
    database = Database(gone, site=koha_database.database.site)
    koha = dataclasses.replace(settings.koha, database=gone)

    findings = examine(dataclasses.replace(settings, koha=koha), database, mailer, clock=time.time)

    assert finding(findings, "connection").verdict is Verdict.FAIL
    assert finding(findings, "mail").verdict is Verdict.OK


def test_missing_tables_of_the_sidecar_are_reported(look: Examine, admin: Engine) -> None:
    with admin.begin() as root:
        root.execute(text("DELETE FROM ill_sidecar_migrations WHERE version > 0"))

    found = finding(look(), "sidecar tables")

    assert (found.verdict, str(found.advice)) == (Verdict.FAIL, "Run: koha-ill-sidecar migrate")


def test_callbacks_with_which_the_daemon_would_not_start_are_reported(look: Examine) -> None:
    callbacks = {
        "authentication": [{"method": "bearer", "tokens": ["a token for tests only"]}],
        "mapping": {"fields": {"status": "upper(type)", "order_id": "order"}},
    }
    backends = parse_settings(
        {"koha": {"database": {"name": "n", "user": "u"}}, "backends": {"m n/ä": {"callbacks": callbacks}}}
    ).backends

    found = [entry for entry in look(backends=backends) if entry.name == "callbacks"]

    assert [entry.verdict for entry in found] == [Verdict.FAIL, Verdict.FAIL]
    assert "cannot be part of the URL" in str(found[0].seen)
    assert "calls upper()" in str(found[1].seen)


def test_weak_and_shared_secrets_are_reported(look: Examine) -> None:
    callbacks = {"authentication": [{"method": "bearer", "tokens": ["hunter2"]}]}
    backends = parse_settings(
        {
            "koha": {"database": {"name": "n", "user": "u"}},
            "backends": {"North": {"callbacks": callbacks}, "South": {"callbacks": callbacks}},
        }
    ).backends

    seen = {str(entry.seen) for entry in look(backends=backends) if entry.name == "secrets"}

    assert "backends North, South share a secret" in seen
    assert "backend North has a secret of less than 16 characters" in seen
    assert "hunter2" not in str(seen)


def test_an_old_koha_is_refused_with_the_way_to_try_it(
    settings: Settings, koha_database: KohaDatabase, mailer: Mailer, admin: Engine
) -> None:
    set_preference(admin, "Version", "19.0600020")
    database = Database(koha_database.settings, site=koha_database.database.site)
    try:
        found = finding(examine(settings, database, mailer, clock=time.time), "koha")
    finally:
        database.close()

    assert found.verdict is Verdict.FAIL
    assert str(found.seen).startswith("This is Koha 19.06")
    assert "koha.accept_unsupported_version: true" in str(found.advice)


def _with_broker(settings: Settings, broker: BrokerSettings | None) -> Any:
    return dataclasses.replace(settings.koha, broker=broker)


def test_with_elasticsearch_the_broker_is_checked(
    look: Examine, admin: Engine, settings: Settings, message_broker: BrokerSettings
) -> None:
    set_preference(admin, "SearchEngine", "Elasticsearch")

    seen = finding(look(koha=_with_broker(settings, message_broker)), "broker")

    assert seen.verdict is Verdict.OK
    assert "koha_test" in str(seen.seen)


@pytest.mark.parametrize(
    ("broker", "advice"),
    [
        (None, "Set koha.conf"),
        (BrokerSettings(host="127.0.0.1", port=1, namespace="koha_test"), "Check message_broker"),
    ],
)
def test_a_broker_that_is_not_there_is_warned_of(
    look: Examine, admin: Engine, settings: Settings, broker: BrokerSettings | None, advice: str
) -> None:
    set_preference(admin, "SearchEngine", "Elasticsearch")

    seen = finding(look(koha=_with_broker(settings, broker)), "broker")

    assert seen.verdict is Verdict.WARN
    assert str(seen.advice).startswith(advice)


def test_workers_that_look_for_jobs_need_no_broker(look: Examine, admin: Engine) -> None:
    set_preference(admin, "SearchEngine", "Elasticsearch")
    set_preference(admin, "JobsNotificationMethod", "polling")

    assert "broker" not in {entry.name for entry in look()}


def test_an_index_of_requests_that_is_not_built_is_warned_of(look: Examine, database: Database) -> None:
    before = finding(look(), "request index")
    while database.transact(indexing.build) is not None:
        pass
    after = finding(look(), "request index")

    assert (before.verdict, after.verdict) == (Verdict.WARN, Verdict.OK)
    assert str(after.seen) == "0 of 0 requests"


def test_a_table_that_this_koha_has_and_we_cannot_see_is_a_failure(
    settings: Settings, mailer: Mailer, admin: Engine
) -> None:
    fresh = Database(settings.koha.database, site=settings.koha.site)
    with admin.begin() as root:
        root.execute(text("REVOKE SELECT ON smtp_servers FROM 'koha_ill_sidecar'@'localhost'"))
    try:
        findings = examine(settings, fresh, mailer, clock=time.time)
    finally:
        fresh.close()
        with admin.begin() as root:
            root.execute(text("GRANT SELECT ON smtp_servers TO 'koha_ill_sidecar'@'localhost'"))

    tables = finding(findings, "tables")
    assert (tables.verdict, str(tables.seen)) == (
        Verdict.FAIL,
        "cannot be seen by our database user: smtp_servers",
    )
    assert "koha-ill-sidecar grants" in str(tables.advice)
    assert str(finding(findings, "privileges").seen) == "too few: SELECT on smtp_servers"


def test_a_letter_code_that_no_notice_has_is_named_with_the_nearest(
    look: Examine, admin: Engine, settings: Settings
) -> None:
    with admin.begin() as koha:
        koha.execute(
            text(
                "INSERT INTO letter (module, code, branchcode, name, title, content, message_transport_type, lang)"
                " VALUES ('ill', 'ILL_PICKUP_READY', '', 'n', 't', 'c', 'email', 'default')"
            )
        )

    codes = ("ILL_PICKUP_REDY", "ILL_PICKUP_READY")
    found = finding(look(delivery=dataclasses.replace(settings.delivery, letter_codes=codes)), "letter codes")

    assert found.verdict is Verdict.FAIL
    assert "ILL_PICKUP_REDY" in str(found.seen)
    assert str(found.advice) == "Did you mean ILL_PICKUP_READY?"
