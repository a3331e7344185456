"""``koha-ill-sidecar grants``: the privileges of the database user."""

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.config.koha_conf import read_koha_conf
from koha_ill_sidecar.config.settings import DatabaseSettings, Settings
from koha_ill_sidecar.resources import grants_text

_OWN_USER = "koha_ill_sidecar"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command()
@click.option("--user", help="The user; by default the configured one, unless that is Koha's own.")
@click.option("--host", help="Where it connects from; by default localhost, or % for a database elsewhere.")
@pass_context
def grants(context: CommandContext, *, user: str | None, host: str | None) -> None:
    """
    Print the privileges that the database user needs, as SQL.

    An administrator of the database runs it: koha-ill-sidecar grants | mariadb. The user must exist.
    """
    database = context.settings.koha.database
    click.echo(
        grants_text(database.database, user or _user(context.settings), host or _host(database)), nl=False
    )


def _user(settings: Settings) -> str:
    """Return the configured user, but never Koha's own account, which has all privileges already."""
    koha = settings.koha
    of_koha = read_koha_conf(koha.conf).database.user if koha.conf else None
    return _OWN_USER if koha.database.user == of_koha else koha.database.user


def _host(database: DatabaseSettings) -> str:
    return "localhost" if database.socket or database.host in _HERE else "%"
