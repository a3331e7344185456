"""Every example on the page for suppliers runs unchanged against a real server."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.backends.http.callback_formats import callback_format
from koha_ill_sidecar.config.settings import (
    Authentication,
    BackendCallbackSettings,
    BackendSettings,
    BasicAuthentication,
    BearerAuthentication,
    CallbackMapping,
    HMACAuthentication,
    KohaSettings,
    Settings,
    StandardWebhooksAuthentication,
)
from koha_ill_sidecar.config.values import ListenAddress, Secret
from koha_ill_sidecar.domain.callbacks import RULES
from koha_ill_sidecar.domain.status_reports import ReportedStatus, read_report
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler.http_server import HTTPServer
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.web.problems import Problem

PAGE = (Path(__file__).parents[2] / "docs/reference/callbacks.md").read_text()
SECRETS = {
    "WEBHOOK_SECRET": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "HMAC_SECRET": "agreed upon",
    "TOKEN": "a token for tests only",
    "SUPPLIER_USER": "acme",
    "SUPPLIER_PASSWORD": "open sesame",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(koha_database: KohaDatabase, database: Database) -> Iterator[str]:
    """Serve the four backends that the page's examples send to; yields the URL."""
    secret = {name: Secret(value) for name, value in SECRETS.items()}
    authentications: dict[str, Authentication] = {
        "signed": StandardWebhooksAuthentication(secrets=(secret["WEBHOOK_SECRET"],)),
        "hashed": HMACAuthentication(
            header="X-Signature", prefix="sha256=", secrets=(secret["HMAC_SECRET"],)
        ),
        "token": BearerAuthentication(tokens=(secret["TOKEN"],)),
        "password": BasicAuthentication(user=SECRETS["SUPPLIER_USER"], password=secret["SUPPLIER_PASSWORD"]),
    }
    settings = Settings(
        koha=KohaSettings(database=koha_database.settings),
        backends={
            name: BackendSettings(
                callbacks=BackendCallbackSettings(authentication=(authentication,), accept_any_request=True)
            )
            for name, authentication in authentications.items()
        },
    )
    app = create_app(Runtime(settings=settings, database=database))
    server = HTTPServer(ListenAddress(host="127.0.0.1", port=0), app, threads=2, grace_seconds=1)
    server.start()
    yield server.address
    server.stop()


COMMANDS = [
    *(("bash", "-euo", "pipefail", "-c", block) for block in blocks("bash")),
    *((sys.executable, "-c", block) for block in blocks("python")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=range(5))
def test_every_example_is_applied(
    url: str, database: Database, admin: Engine, command: tuple[str, ...]
) -> None:
    with admin.begin() as connection:
        number = make_request(connection, database.koha(), status="REQ")
    environment = os.environ | SECRETS | {"URL": url, "REQUEST": str(number)}

    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    assert json.loads(result.stdout)["outcome"] == "applied", result


def test_the_first_body_is_a_report() -> None:
    assert read_report(json.loads(blocks("json")[0])).status is ReportedStatus.SHIPPED


def test_the_mapping_can_be_used() -> None:
    (example,) = map(yaml.safe_load, blocks("yaml"))
    mapping = example["backends"]["acme"]["callbacks"]["mapping"]

    callback_format("acme", CallbackMapping(fields=mapping["fields"], statuses=mapping["statuses"]))


def test_every_status_has_its_row_and_its_rank() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\d+|none) \|", PAGE, re.MULTILINE)
    documented = {
        word: None if rank == "none" else int(rank)
        for words, rank in rows
        for word in re.findall(r"`(\w+)`", words)
    }

    assert documented == {
        status.value: rule.rank for status, rule in RULES.items() if status is not ReportedStatus.UNKNOWN
    }


def test_every_problem_is_documented() -> None:
    for problem in Problem:
        assert f"| {problem.status} |" in PAGE
        assert f"`{problem.type.rpartition(':')[2]}`" in PAGE


def test_the_problem_document_is_one_that_the_server_sends() -> None:
    document = json.loads(blocks("json")[2])

    assert (document["type"], document["title"], document["status"]) == (
        Problem.UNKNOWN_REQUEST.type,
        Problem.UNKNOWN_REQUEST.title,
        Problem.UNKNOWN_REQUEST.status,
    )
