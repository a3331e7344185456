from collections.abc import Callable

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.koha_database import add_partner_enquiries
from koha_ill_sidecar.demo.sample_library import load_sample_library
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.storage.sidecar import migrations


def test_every_asked_partner_has_an_enquiry(
    empty_database: Callable[[], "Connection[Cursor]"],
) -> None:
    connection = empty_database()
    create_koha_schema(connection, "26.05")
    load_sample_library(connection)
    with connection.cursor() as cursor:
        for migration in migrations.available():
            for statement in migration.statements:
                cursor.execute(statement)

        add_partner_enquiries(connection)

        cursor.execute(
            "SELECT SUM(closed_at IS NULL), SUM(closed_at >= asked_at) FROM ill_sidecar_partner_enquiries"
        )
        still_open, closed = cursor.fetchone() or (0, 0)
        cursor.execute(
            "SELECT SUM(LENGTH(a.value) - LENGTH(REPLACE(a.value, ';', '')) + 1)"
            " FROM illrequestattributes a JOIN illrequests r USING (illrequest_id)"
            " WHERE a.type = 'requested_partners' AND (r.status = 'GENREQ' OR r.completed IS NOT NULL)"
        )
        (asked,) = cursor.fetchone() or (0,)
    assert still_open > 0
    assert still_open + closed == asked
