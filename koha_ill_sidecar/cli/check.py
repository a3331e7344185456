"""``koha-ill-sidecar check``: read the configuration, and do nothing else."""

import click

from koha_ill_sidecar.cli.context import CommandContext, pass_context


@click.command()
@pass_context
def check(context: CommandContext) -> None:
    """
    Check the configuration file, and nothing else.

    Connects to nothing, so it also works while the database is away. Prints every mistake, one a line, and exits with
    78 if there is one; `doctor` checks everything that the configuration names.
    """
    _settings = context.settings
    click.echo("The configuration is valid.")
