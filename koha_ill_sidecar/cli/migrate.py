"""``koha-ill-sidecar migrate``: the sidecar's own tables."""

import click
from sqlalchemy.exc import DBAPIError

from koha_ill_sidecar.cli.context import CommandContext, pass_context
from koha_ill_sidecar.errors import DatabaseError
from koha_ill_sidecar.storage.sidecar import migrations


@click.command()
@click.option(
    "--print", "print_only", is_flag=True, help="Print the SQL that is still to be run, and change nothing."
)
@pass_context
def migrate(context: CommandContext, *, print_only: bool) -> None:
    """
    Create or update the sidecar's own tables.

    They are all named ill_sidecar_*; Koha's tables are not touched. May be run again at any time, and by several
    hosts at once.
    """
    context.database.ping()
    if print_only:
        _print_pending(context)
        return
    try:
        done = migrations.migrate(context.database.engine)
    except DBAPIError as error:
        raise DatabaseError(
            f"The sidecar's tables could not be created: {error.orig}. "
            "Give its database user what `koha-ill-sidecar grants` prints."
        ) from error
    for migration in done:
        click.echo(f"Applied {migration.version:04d} {migration.name}")
    if not done:
        click.echo("The sidecar's tables are up to date.")


def _print_pending(context: CommandContext) -> None:
    with context.database.engine.connect() as connection:
        pending = migrations.pending(connection)
    for migration in pending:
        click.echo(f"-- {migration.version:04d} {migration.name}\n{migration.sql}")
    if not pending:
        click.echo("-- The sidecar's tables are up to date.")
