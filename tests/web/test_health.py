from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest
from mail_servers import MailServer, running
from sqlalchemy import Engine, text

from conftest import KohaDatabase
from koha_ill_sidecar.config.settings import DeliverySettings, IllSite, MetricsSettings, SmtpSettings
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.web.proxies import TrustedProxies
from supplier import callback_settings


@pytest.fixture
def runtime(koha_database: KohaDatabase, database: Database) -> Iterator[Runtime]:
    with running(MailServer()) as smtp:
        settings = callback_settings(koha_database.settings, delivery=DeliverySettings(smtp=smtp))
        yield Runtime(settings=settings, database=database)


def test_ready_names_every_check(runtime: Runtime) -> None:
    response = create_app(runtime).test_client().get("/readyz")

    assert response.status_code == 200
    assert response.get_json() == {
        "status": "ok",
        "checks": {"database": "ok", "schema": "ok", "mail": "ok"},
    }


def test_not_ready_while_the_mail_server_is_away(runtime: Runtime) -> None:
    nowhere = DeliverySettings(smtp=SmtpSettings(host="127.0.0.1", port=1))
    without_mail = replace(runtime, settings=replace(runtime.settings, delivery=nowhere))

    response = create_app(without_mail).test_client().get("/readyz")

    assert response.status_code == 503
    assert response.get_json()["checks"]["mail"] == "TemporaryDeliveryFailure"


def test_a_sidecar_that_delivers_nothing_needs_no_mail_server(runtime: Runtime) -> None:
    silent = replace(runtime, settings=replace(runtime.settings, delivery=DeliverySettings(enabled=False)))

    response = create_app(silent).test_client().get("/readyz")

    assert response.get_json()["checks"] == {"database": "ok", "schema": "ok"}


def test_probes_do_not_connect_to_the_mail_server_each_time(
    koha_database: KohaDatabase, database: Database
) -> None:
    server = MailServer()
    with running(server) as smtp:
        settings = callback_settings(koha_database.settings, delivery=DeliverySettings(smtp=smtp))
        client = create_app(Runtime(settings=settings, database=database)).test_client()

        answers = [client.get("/readyz").status_code for _ in range(5)]

    assert answers == [200] * 5
    assert len(server.protocols) == 1


def test_not_ready_while_the_database_is_away_but_alive(koha_database: KohaDatabase, tmp_path: Path) -> None:
    nowhere = replace(koha_database.settings, socket=tmp_path / "none.sock")
    runtime = Runtime(settings=callback_settings(nowhere), database=Database(nowhere, site=IllSite()))
    client = create_app(runtime).test_client()

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.get_json()["checks"] == {
        "database": "DatabaseUnavailable",
        "schema": "DatabaseUnavailable",
        "mail": "DatabaseUnavailable",
    }
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_not_ready_with_tables_of_another_version(runtime: Runtime, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ill_sidecar_migrations (version, name, sha256, applied_at)"
                " VALUES (999, 'tomorrow', REPEAT('0', 64), UTC_TIMESTAMP(6))"
            )
        )

    response = create_app(runtime).test_client().get("/readyz")

    assert (response.status_code, response.get_json()["checks"]["schema"]) == (503, "SidecarSchemaMismatch")


def test_numbers_are_given_to_prometheus_unless_switched_off(runtime: Runtime) -> None:
    without = replace(runtime, settings=replace(runtime.settings, metrics=MetricsSettings(enabled=False)))

    assert "koha_ill_sidecar_callbacks_refused" in create_app(runtime).test_client().get("/metrics").text
    assert create_app(without).test_client().get("/metrics").status_code == 404


@pytest.mark.parametrize(
    ("client", "is_allowed"),
    [
        *(("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", True), ("", True)),
        *(("10.1.3.3", False), ("192.0.2.7", False), ("2001:db8::1", False)),
    ],
)
def test_only_allowed_addresses_see_numbers_and_details(
    runtime: Runtime, client: str, *, is_allowed: bool
) -> None:
    defaults = MetricsSettings()
    allowing = replace(defaults, allow=(*defaults.allow, ip_network("10.1.2.0/24")))
    browser = create_app(replace(runtime, settings=replace(runtime.settings, metrics=allowing))).test_client()
    at = {"REMOTE_ADDR": client}

    assert browser.get("/metrics", environ_base=at).status_code == (200 if is_allowed else 404)
    ready = browser.get("/readyz", environ_base=at)
    assert (ready.status_code, "checks" in ready.get_json()) == (200, is_allowed)


@pytest.mark.parametrize("trusted", [[ip_network("127.0.0.1")], []])
def test_behind_a_proxy_the_clients_address_counts(runtime: Runtime, trusted: list[IPv4Network]) -> None:
    app = create_app(runtime)
    app.wsgi_app = TrustedProxies(app.wsgi_app, trusted)  # type: ignore[method-assign]

    answer = app.test_client().get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})

    assert answer.status_code == 404


def test_not_ready_while_the_database_is_read_only(runtime: Runtime, admin: Engine) -> None:
    with admin.begin() as root:
        root.execute(text("SET GLOBAL read_only = 1"))
    try:
        response = create_app(runtime).test_client().get("/readyz")
    finally:
        with admin.begin() as root:
            root.execute(text("SET GLOBAL read_only = 0"))

    assert response.status_code == 503
    assert response.get_json()["checks"]["database"] == "DatabaseReadOnly"
