"""What the sidecar would have kept of the sample library's enquiries at partners, had it been there."""

from pymysql.connections import Connection
from pymysql.cursors import Cursor

_STATEMENT = """
    INSERT INTO ill_sidecar_partner_enquiries
        (illrequest_id, borrowernumber, address, asked_at, closed_at, closed_by_status)
    SELECT r.illrequest_id, b.borrowernumber, b.email, LEAST(r.placed + INTERVAL 2 DAY, r.updated),
        IF(r.status = 'GENREQ', NULL, r.completed), IF(r.status = 'GENREQ', NULL, 'COMP')
    FROM illrequests r
    JOIN illrequestattributes a ON a.illrequest_id = r.illrequest_id AND a.type = 'requested_partners'
    JOIN borrowers b ON FIND_IN_SET(b.email, REPLACE(a.value, '; ', ','))
    WHERE r.status = 'GENREQ' OR r.completed IS NOT NULL
    ORDER BY r.illrequest_id, b.borrowernumber
"""


def note_enquiries(connection: "Connection[Cursor]") -> None:
    """Fill the sidecar's table, which ``migrate`` has made, from Koha's; what only Koha's log has is guessed."""
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT)
    connection.commit()
