"""Koha's queue of messages, and a mail server to deliver them to."""

from collections.abc import Iterator

import pytest
from mail_servers import MailServer, running
from queued import Queue
from sqlalchemy import Engine

from koha_ill_sidecar.config.settings import SmtpSettings
from koha_ill_sidecar.storage.database import Database


@pytest.fixture
def queue(admin: Engine, database: Database) -> Queue:
    return Queue(admin, database)


@pytest.fixture
def server() -> MailServer:
    return MailServer()


@pytest.fixture
def smtp(server: MailServer) -> Iterator[SmtpSettings]:
    with running(server) as settings:
        yield settings
