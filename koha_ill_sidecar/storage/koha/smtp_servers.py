"""The mail servers that Koha's staff have set up."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import RowMapping, select

from koha_ill_sidecar.config.settings import SmtpSettings, SSLMode
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.storage.transaction import Transaction

_DEFAULT_PORT = 25
_DEFAULT_TIMEOUT = timedelta(seconds=120)


def load(tx: Transaction) -> tuple[SmtpSettings | None, Mapping[str, SmtpSettings]]:
    """
    Return the default server, if there is one, and those of single libraries by branchcode.

    Two queries, none if Koha has no such tables.

    Source: Koha, Koha/Library.pm smtp_server and Koha/SMTP/Servers.pm get_default.
    """
    if not tx.koha.features.smtp_servers:
        return None, {}
    servers = tx.koha.table("smtp_servers")
    rows = tx.connection.execute(select(servers).order_by(servers.c.id)).mappings().all()
    if not rows:
        return None, {}
    by_id = {row["id"]: _settings(row) for row in rows}
    defaults = [by_id[row["id"]] for row in rows if row.get("is_default")]
    links = tx.connection.execute(select(tx.koha.table("library_smtp_servers")))
    by_library = {link.library_id: by_id[link.smtp_server_id] for link in links}
    return defaults[0] if defaults else None, by_library


def _settings(row: RowMapping) -> SmtpSettings:
    login = row["user_name"] and row["password"]
    return SmtpSettings(
        host=row["host"] or "localhost",
        port=int(row["port"] or _DEFAULT_PORT),
        ssl_mode=SSLMode(row["ssl_mode"] or SSLMode.DISABLED),
        user=row["user_name"] if login else None,
        password=Secret(row["password"]) if login else None,
        timeout=timedelta(seconds=row["timeout"]) if row["timeout"] else _DEFAULT_TIMEOUT,
    )
