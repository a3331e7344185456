"""Koha's own plugins (``plugin_methods``)."""

from sqlalchemy import select

from koha_ill_sidecar.storage.transaction import Transaction


def backend_plugins(tx: Transaction) -> list[str]:
    """Return the classes of the plugins that bring a backend, by name."""
    table = tx.koha.table("plugin_methods")
    statement = select(table.c.plugin_class).where(table.c.plugin_method == "ill_backend")
    return list(tx.connection.scalars(statement.order_by(table.c.plugin_class)))
